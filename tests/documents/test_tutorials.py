"""Whoever follows the tutorials to the letter, on a fresh machine, ends where they say.

A tutorial is its fenced blocks, from the first to the last:

    sh                 a command line, run in the folder of a clone
    sh background      one that goes on until the tutorial is over
    text output        what the command before has printed: these lines, in this order, perhaps
                       with others between them and a little later; `…` is anything
    srt|toml|python F  what the reader puts into the file F

Two things are otherwise than on a fresh machine: what pip would download is there already, in the
environment that runs the tests; and the port is one that nobody has.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TUTORIALS = ("first-watch", "first-character", "first-plugin")
_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
_SECOND = re.compile(r"\b(\d+):(\d\d)(?=\\ \\ )")
"""At the beginning of what `watch` prints: when it came."""
_LATE_SECONDS = 15
"""Of the video, by which it may come later: a third of one of ours at the greatest speed."""
_MUST_BE_UP_SECONDS = 30.0


@dataclass
class Reader:
    """Somebody who follows a page, block by block."""

    clone: Path
    home: Path
    port: int
    said: str = ""
    """What the last command has printed."""
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def follow(self, page: str) -> int:
        """Do what its blocks say; answers with how many there were."""
        text = (ROOT / "docs" / "tutorials" / f"{page}.md").read_text(encoding="utf-8")
        blocks = _BLOCK.findall(text)
        for language, kind, content in blocks:
            self._do(language, kind, content.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}"))
        return len(blocks)

    def _do(self, language: str, kind: str, content: str) -> None:
        match language, kind:
            case "sh", "":
                self._run(content)
            case "sh", "background":
                self._begin(content)
            case "text", "output":
                assert re.search(as_pattern(content), self.said), f"{content}\n---\n{self.said}"
            case (("srt" | "toml" | "python"), path) if path:
                file = self.clone / path
                file.parent.mkdir(exist_ok=True)
                file.write_text(content, encoding="utf-8")
            case _:
                pytest.fail(f"A tutorial has a block of no known kind: {language} {kind}")

    @property
    def _environment(self) -> dict[str, str]:
        mine = {key: os.environ[key] for key in os.environ if not key.startswith("WATCHBUDDY_")}
        return {
            **mine,
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_DATA_HOME": str(self.home / "data"),
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # which is to say: none
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PYTHONIOENCODING": "utf-8",
            "COLUMNS": "100",
            "WATCHBUDDY_PORT": str(self.port),
        }

    def _run(self, command: str) -> None:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.clone,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, f"{command}{done.stdout}{done.stderr}"
        self.said = done.stdout
        self._bring_what_pip_would()

    def _bring_what_pip_would(self) -> None:
        """Have the environment that was made see what is installed here, behind its own."""
        for folder in self.clone.glob(".venv/lib/python*/site-packages"):
            here = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
            (folder / "of-the-tests.pth").write_text("\n".join(sorted(here)), encoding="utf-8")
            pytest_here = Path(sys.executable).with_name("pytest")
            assert pytest_here.is_file()
            mine = self.clone / ".venv" / "bin" / "pytest"
            if not mine.exists():
                mine.write_text(
                    f"#!{self.clone}/.venv/bin/python\nimport pytest\n"
                    "raise SystemExit(pytest.console_main())\n"
                )
                mine.chmod(0o755)

    def _begin(self, command: str) -> None:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", f"exec {command}"],
            cwd=self.clone,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        self.running.append(process)
        latest = time.monotonic() + _MUST_BE_UP_SECONDS
        while time.monotonic() < latest:
            assert process.poll() is None, f"{command} has ended"
            with socket.socket() as asking:
                if asking.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        pytest.fail(f"{command} does not come up")


def as_pattern(expected: str) -> str:
    """A regular expression for what a block of output says."""
    lines = [
        _SECOND.sub(_at_most_late, re.escape(line).replace("…", ".*"))
        for line in expected.splitlines()
    ]
    return r"(?m)^" + r"$(?:\n.*)*?\n^".join(lines) + "$"


def _at_most_late(at: re.Match[str]) -> str:
    first = int(at[1]) * 60 + int(at[2])
    seconds = range(first, first + 1 + _LATE_SECONDS)
    return f"(?:{'|'.join(f'{one // 60}:{one % 60:02}' for one in seconds)})"


@contextmanager
def reader(clone: Path, home: Path) -> Iterator[Reader]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    one = Reader(clone, home, port)
    try:
        yield one
    finally:
        for process in one.running:
            process.terminate()
        for process in one.running:
            process.wait(30)


@pytest.mark.timeout(400)  # forty seconds, where nothing else runs
def test_the_tutorials_end_where_they_say(tmp_path: Path) -> None:
    """One after the other: the later ones begin where the first one has ended."""
    clone, home = tmp_path / "clone", tmp_path / "home"
    home.mkdir()
    clone.mkdir()
    for name in ("watchbuddy_core", "watchbuddy_server"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clone)
    for page in TUTORIALS:
        with reader(clone, home) as one:
            assert one.follow(page) >= 8


def test_every_tutorial_is_followed() -> None:
    assert {path.stem for path in (ROOT / "docs" / "tutorials").iterdir()} == set(TUTORIALS)


def test_output_is_compared_line_by_line() -> None:
    said = "one\ntwo 2\nthree\n"
    assert re.search(as_pattern("one\nthree"), said)
    assert re.search(as_pattern("two …"), said)
    assert re.search(as_pattern("one\n…\nthree"), said)
    assert re.search(as_pattern("   0:58  SPEAK"), "   1:01  SPEAK\n")
    assert not re.search(as_pattern("   0:58  SPEAK"), "   0:57  SPEAK\n")
    assert not re.search(as_pattern("three\none"), said)
    assert not re.search(as_pattern("tw"), said)
