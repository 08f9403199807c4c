"""The real command, in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from shared import made_once

from watchbuddy_core.clips import make_clip
from watchbuddy_server.demo import CHAPTERS, SHOTS, STORY

COMMAND = [sys.executable, "-m", "watchbuddy_server.cli"]

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's film, small."""

    def make(path: Path) -> None:
        make_clip(path, SHOTS, size=(160, 90), frame_rate=10, subtitles=STORY, chapters=CHAPTERS)

    return made_once(tmp_path_factory, "cli/film/snail.mp4", make)


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A user with a home of their own, and no terminal."""
    home = tmp_path_factory.mktemp("home")
    settings = (name for name in os.environ if name.startswith("WATCHBUDDY_"))
    inherited = {name: os.environ[name] for name in os.environ.keys() - settings}
    return {
        **inherited,
        "XDG_CONFIG_HOME": str(home / "config"),
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "PYTHONIOENCODING": "utf-8",
        "COLUMNS": "80",
    }


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    def run_command(*arguments: object, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            capture_output=True,
            encoding="utf-8",
            env={**environment, **changes},
            stdin=subprocess.DEVNULL,
            timeout=100,
            check=False,
        )

    return run_command


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    """Start the command, and leave it running."""
    started: list[subprocess.Popen[str]] = []

    def start_command(*arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=environment,
            stdin=subprocess.DEVNULL,
        )
        started.append(process)
        return process

    yield start_command
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
