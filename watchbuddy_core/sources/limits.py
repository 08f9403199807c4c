"""What is enough, and what is too much to be fetched."""

from __future__ import annotations

from watchbuddy_core.errors import VideoTooLong, VideoUnavailable
from watchbuddy_core.video import clock

ENOUGH_LINES = 360
"""Of a picture, to be understood. More takes longer, and is nicer to watch."""


def refuse_large(size: int, most: int) -> None:
    """Raises: VideoUnavailable, where so many bytes are more than that."""
    if size > most:
        raise VideoUnavailable(
            f"The video is larger than the {most / 1e6:.0f} MB that this server takes. Its "
            "operator can raise cache.video_bytes; or fetch a smaller one and upload that."
        )


def refuse_long(seconds: float, most: float) -> None:
    """Raises: VideoTooLong, where so many seconds are more than that."""
    if seconds > most:
        raise VideoTooLong(
            f"The video lasts {clock(seconds)}, and this server takes up to {clock(most)}. "
            "Its operator can raise limits.video_seconds."
        )


def with_lines(key: str, lines: int) -> str:
    """The key of a video that was fetched with so many lines: another number is another file."""
    return key if lines == ENOUGH_LINES else f"{key} ({lines} lines)"
