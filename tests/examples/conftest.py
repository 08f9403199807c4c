"""The examples as their readers run them: processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.video import Cue

EXAMPLES = Path(__file__).parents[2] / "examples"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds in a folder of their own."""
    path = tmp_path_factory.mktemp("films") / "snail.mp4"
    make_clip(
        path,
        [Shot(5.0, Picture.DAWN), Shot(4.0, Picture.STORM, Tone.BANG), Shot(3.0, Picture.SEA)],
        size=(160, 90),
        frame_rate=10,
        subtitles=[Cue(start=0.5, end=1.5, text="How far is the sea?")],
    )
    return path


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run an example to its end, in an empty folder."""

    def run_example(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "error", EXAMPLES / name, *map(str, arguments)],
            capture_output=True,
            encoding="utf-8",
            cwd=tmp_path,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )

    return run_example
