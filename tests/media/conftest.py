"""Real files with known content, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.video import Chapter, Cue

SHOTS = (
    Shot(4.0, Picture.DAWN, Tone.CALM),
    Shot(3.0, Picture.DAY, Tone.CALM),
    Shot(4.0, Picture.NIGHT, Tone.BANG),
    Shot(3.0, Picture.SEA, Tone.SILENCE),
    Shot(6.0, Picture.STILL, Tone.CALM),
)
CUES = (
    Cue(start=0.5, end=2.0, text="Where are we going?", speaker="Anna"),
    Cue(start=5.0, end=6.5, text="It is a long way to the lighthouse."),
    Cue(start=12.0, end=13.0, text="", sounds=("wind",)),
)
CHAPTERS = (
    Chapter(start=0.0, end=11.0, title="On the road"),
    Chapter(start=11.0, end=20.0, title="By the sea"),
)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `film.mp4`, `film.mkv`, `mute.mp4` and `long.mp4`."""
    folder = tmp_path_factory.mktemp("library")
    size = (160, 90)
    for name in ("film.mp4", "film.mkv"):
        make_clip(folder / name, SHOTS, size=size, subtitles=CUES, chapters=CHAPTERS)
    make_clip(folder / "mute.mp4", [Shot(3.0, Picture.DAY, Tone.SILENCE)], size=size)
    make_clip(folder / "long.mp4", [Shot(300.0, Picture.STILL)], size=(64, 36), frame_rate=2)
    return folder
