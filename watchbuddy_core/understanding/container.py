"""Opening a media file, safely, with PyAV."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from watchbuddy_core.errors import MissingExtra, VideoUnreadable
from watchbuddy_core.understanding.languages import iso_639_1

if TYPE_CHECKING:
    from pathlib import Path

    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.subtitles.stream import SubtitleStream
    from av.video.stream import VideoStream

    from watchbuddy_core.understanding.work import Stop

_Stream = TypeVar("_Stream", bound="Stream")

_log = logging.getLogger("watchbuddy.understanding")

_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,wav,mp3,flac,aac,"
    "mxf,nut,rm,dv,ivf,h264,hevc,m4v,gif,w64,aiff,ac3,eac3,amr,caf,au"
)
"""Formats that are one file. Playlists can name other files, and addresses."""
_TEXT_CODECS = ("subrip", "srt", "mov_text", "ass", "ssa", "webvtt", "text")


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
    """The moving picture, where there is one; of several the one that players show."""
    return _first(stream for stream in container.streams.video if not is_cover(stream))


def sound_of(container: InputContainer) -> AudioStream | None:
    """The sound track, where there is one; of several the one that players play."""
    return _first(container.streams.audio)


def text_of(container: InputContainer, spoken: str | None) -> SubtitleStream | None:
    """The embedded subtitles, where there are any that are text: those in the language that
    is spoken (an ISO 639-1 code), else the ones that players show."""
    texts = [
        stream
        for stream in container.streams.subtitles
        if stream.codec_context is not None and stream.codec_context.name in _TEXT_CODECS
    ]
    own = [stream for stream in texts if spoken and iso_639_1(stream.language) == spoken]
    return _first(own or texts)


def _first(streams: Iterable[_Stream]) -> _Stream | None:
    """Of those that can be read: the default, else the first."""
    from av.stream import Disposition

    readable = [stream for stream in streams if stream.codec_context is not None]
    marked = [stream for stream in readable if stream.disposition & Disposition.default]
    return next(iter(marked or readable), None)


def is_cover(stream: Stream) -> bool:
    """Whether it is the still picture that a sound file carries along."""
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def start_of(container: InputContainer) -> float:
    """The file's own time, in seconds, of what players show as zero."""
    return (container.start_time or 0) / 1_000_000


def seek(container: InputContainer, seconds: float) -> None:
    """Go to a keyframe at or before `seconds`, a time as players show it.

    A file that was just opened is at its beginning. To go there again would be worse: in an
    MPEG transport stream it can lead behind the first keyframe.
    """
    if seconds > 0:
        container.seek(round((seconds + start_of(container)) * 1_000_000), backward=True)


def packets(
    container: InputContainer, streams: Sequence[Stream], stop: Stop
) -> Iterator[tuple[float, Packet[Any]]]:
    """The packets of some streams from here on, with their times as players show them.

    Where the file is damaged beyond the reader's help, it ends there.

    Raises:
        Stopped: nobody waits for them any more.
    """
    import av

    zero = start_of(container)
    bases = {stream.index: float(stream.time_base or 0) for stream in streams}  # fractions are slow
    while True:
        try:
            for packet in container.demux(*streams):
                stop.check()
                ticks = packet.dts if packet.pts is None else packet.pts
                base = bases.get(packet.stream_index)  # the last packet is of no stream
                if ticks is not None and base:
                    yield ticks * base - zero, packet
        except IndexError:
            continue  # PyAV knows no stream that turns up late; behind its packet it goes on
        except (av.FFmpegError, OSError) as exc:
            _log.debug("the file cannot be read any further: %s", exc)
        return
