"""Opening a media file, safely, with PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from watchbuddy_core.errors import MissingExtra, VideoUnreadable

if TYPE_CHECKING:
    from pathlib import Path

    from av.container import InputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream

_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,wav,mp3,flac,aac,"
    "mxf,nut,rm,dv,ivf,h264,hevc,m4v,gif,w64,aiff,ac3,eac3,amr,caf,au"
)
"""Formats that are one file. Playlists can name other files, and addresses."""


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """The file as a container. Nothing but this file is read.

    Raises:
        VideoUnreadable: it is no media file, or reading it failed.
        MissingExtra: PyAV is not installed.
    """
    try:
        import av
    except ImportError as exc:
        raise MissingExtra("media", "Looking into a video") from exc
    options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
    try:
        with av.open(str(path), options=options, metadata_errors="replace") as container:
            yield container
    except (av.FFmpegError, OSError, EOFError) as exc:
        raise VideoUnreadable(
            "The file is no video that can be read: it may be damaged, incomplete, or "
            "something else under a video's name."
        ) from exc


def picture_of(container: InputContainer) -> VideoStream | None:
    """The moving picture; not the cover that a sound file may carry."""
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def start_of(container: InputContainer) -> float:
    """The file's own time, in seconds, of what players show as zero."""
    return (container.start_time or 0) / 1_000_000


def seek(container: InputContainer, stream: Stream, seconds: float) -> None:
    """Go to the keyframe at or before `seconds`, a time as players show it."""
    offset = round((seconds + start_of(container)) * 1_000_000)
    container.seek(max(offset, container.start_time or 0), backward=True)
