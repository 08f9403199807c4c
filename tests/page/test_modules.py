"""The page's modules by themselves, under Node's own test runner."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from watchbuddy_core.actions import Emotion
from watchbuddy_core.speech import spoken_seconds

ROOT = Path(__file__).parents[2]
MODULES = Path(__file__).parent / "modules"
WEB = ROOT / "watchbuddy_server" / "web"
NODE = shutil.which("node") or shutil.which("nodejs")

needs_node = pytest.mark.skipif(
    NODE is None, reason="Node is not installed: apt-get install nodejs"
)


def evaluate(program: str) -> object:
    """What a module prints as JSON, with the page's modules beside it."""
    result = subprocess.run(
        [NODE or "node", "--input-type=module", "-e", program],
        cwd=WEB,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(result.stdout)


@needs_node
@pytest.mark.parametrize("path", sorted(MODULES.glob("*.test.mjs")), ids=lambda path: path.stem)
def test_each_module_does_what_its_tests_say(path: Path) -> None:
    result = subprocess.run(
        [NODE or "node", "--test", "--test-reporter=spec", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "tests 0" not in result.stdout


@needs_node
def test_a_line_takes_as_long_here_as_the_server_reckons() -> None:
    lines = [
        "Did you see that?",
        "“谁在门外？”……我的耳朵已经竖起来了。",
        "これは猫です。本当に？",
        "안녕하세요, 여러분.",
        "It's 3.14 o'clock, well-known… isn't it?",
        "…",
        "Mixed 中文 and English, 一起看!",
    ]
    reckoned = evaluate(
        "import { spokenSeconds } from './companion/spoken.js';"
        f"console.log(JSON.stringify({json.dumps(lines)}.map(spokenSeconds)));"
    )
    assert reckoned == pytest.approx([spoken_seconds(line) for line in lines])


@needs_node
def test_there_is_a_face_for_each_emotion_of_the_protocol() -> None:
    names = evaluate(
        "import { NAMES } from './companion/emotions.js'; console.log(JSON.stringify(NAMES));"
    )
    assert names == [str(emotion) for emotion in Emotion]


@needs_node
def test_each_word_is_said_somewhere() -> None:
    words = evaluate(
        "import { ALL } from './words.js';"
        "const said = Object.entries(ALL.en).filter(([, words]) => typeof words === 'string');"
        "console.log(JSON.stringify(said.map(([name]) => name)));"
    )
    assert isinstance(words, list)
    modules = "".join(
        path.read_text(encoding="utf-8") for path in WEB.rglob("*.js") if path.name != "words.js"
    )
    actions = {"PAUSE_VIDEO", "SEEK", "REPLAY_SEGMENT", "EXPRESSION"}
    for name in {*words} - actions:
        assert f'"{name}"' in modules, f"{name} is never said"


def test_the_page_weighs_less_than_250_kilobytes() -> None:
    served = [path for path in WEB.rglob("*") if path.suffix in {".html", ".css", ".js", ".svg"}]
    assert sum(path.stat().st_size for path in served) < 250_000


def test_nothing_of_the_page_becomes_markup_or_a_program() -> None:
    for path in WEB.rglob("*.js"):
        text = path.read_text(encoding="utf-8")
        for dangerous in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ):
            assert dangerous not in text, f"{path.name} has {dangerous}"
    page = (WEB / "index.html").read_text(encoding="utf-8")
    assert page.count("<script") == 1
    assert "style=" not in page
    assert "onload=" not in page
