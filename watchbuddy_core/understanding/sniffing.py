"""What a file is, by its content."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from watchbuddy_core.errors import VideoUnreadable
from watchbuddy_core.understanding.container import opened
from watchbuddy_core.understanding.subtitles import read_subtitles


def kind_of(path: Path) -> Literal["media", "subtitles"]:
    """Raises: VideoUnreadable, where it is neither."""
    try:
        with opened(path):
            return "media"
    except VideoUnreadable:
        if read_subtitles(path):
            return "subtitles"
        raise
