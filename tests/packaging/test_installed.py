"""What is installed outside of the repository works, with each extra alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from dependencies import packages
from patience import PATIENCE
from redis_server import redis_server

ROOT = Path(__file__).parents[2]
EXTRAS = ("media", "client", "server", "transcription", "llm", "youtube", "scale")

Run = Callable[..., str]


def test_alone_it_imports_and_schedules(run: Run, tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    printed = run("", "library.py", tmp_path / "program.py")
    assert printed.split() == ["2.0", "EXPRESSION", "3.0", "SPEAK"]


def test_an_extra_that_is_missing_is_named(run: Run) -> None:
    said = json.loads(run("", "missing.py"))
    assert {extra for extra, _ in said} == set(EXTRAS)
    for extra, sentence in said:
        assert sentence.endswith(f"pip install 'watchbuddy[{extra}]'.")


def test_the_command_names_the_extra_that_it_needs(run: Run, clip: Path) -> None:
    alone = run("", "watchbuddy", "plugins", code=1)
    assert alone.startswith("watchbuddy: ")
    assert "pip install 'watchbuddy[server]'." in alone
    modelled = run(
        "server", "watchbuddy", "generate", clip, "-o", "-", "--model", "openai/small", code=1
    )
    assert modelled.endswith("pip install 'watchbuddy[llm]'.\n")


def test_the_client_watches_what_the_server_serves(
    run: Run, start: Callable[..., object], clip: Path
) -> None:
    server = start("server", "watchbuddy", "serve", "--port", 0, "--library", clip.parent)
    try:
        address = server.stdout.readline().removeprefix("Watching at ").strip()
        assert run("client", "client.py", address).strip() in ("SPEAK", "EXPRESSION")
    finally:
        server.terminate()
        _, complaints = server.communicate(timeout=PATIENCE)
    assert server.returncode == 0, complaints
    assert not complaints


@pytest.mark.parametrize(
    ("extra", "path", "printed"),
    [
        ("transcription", "/v1", "Hello there.\n"),
        ("llm", "/v1", "Hello there.\n"),
        ("youtube", "/clip.mp4", "12.0"),
    ],
)
def test_each_extra_does_alone_what_it_is_for(
    run: Run, services: str, extra: str, path: str, printed: str
) -> None:
    assert run(extra, f"{extra}.py", services + path).startswith(printed)


def test_several_processes_need_no_server_of_ours(run: Run) -> None:
    with redis_server() as redis:
        assert run("scale", "scale.py", redis.url) == "1: ready\n"


def test_all_is_all_of_them() -> None:
    separate = {package for extra in EXTRAS for package in packages(extra=extra)}
    assert set(packages(extra="all")) == separate
