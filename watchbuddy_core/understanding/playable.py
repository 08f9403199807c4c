"""Whether browsers can play a file as it is, in another container, or not at all.

Codecs decide whether it can be played, and the container whether as it is. What is said here
holds for the browsers of today (MDN, "Media container formats" and "Web video codec guide");
HEVC plays in some of them only, and is given a try.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchbuddy_core.errors import VideoUnplayable
from watchbuddy_core.understanding.container import (
    opened,
    packets,
    picture_of,
    sound_of,
    start_of,
)
from watchbuddy_core.understanding.work import Stop, in_thread

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream

_PICTURE = frozenset({"h264", "hevc", "vp8", "vp9", "av1"})
_SOUND = frozenset({"aac", "mp3", "mp3float", "opus", "vorbis", "flac"})
"""What browsers decode, wherever it comes from."""
_IN_MP4 = frozenset({"h264", "hevc", "vp9", "av1", "aac", "mp3", "mp3float", "opus", "flac"})
_IN_WEBM = frozenset({"vp8", "vp9", "av1", "opus", "vorbis"})
_WAVES = frozenset({"pcm_s16le", "pcm_u8", "pcm_s24le", "pcm_f32le"})
_ALONE = {
    "mp3": ("audio/mpeg", frozenset({"mp3", "mp3float"})),
    "ogg": ("audio/ogg", frozenset({"opus", "vorbis", "flac"})),
    "flac": ("audio/flac", frozenset({"flac"})),
    "wav": ("audio/wav", _WAVES),
}
"""Containers of sound that browsers open, and with what in them."""
_MOST_UNTOLD = 64
"""Packets of a stream that may come before one that tells when it is to be decoded: no encoder
puts pictures so far out of order."""
_WEBM_MARK = b"webm"
_HEADER_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Form:
    """How a browser can be given a file."""

    media_type: str
    container: str | None = None
    """What the file has to be put into first: `mp4` or `webm`. None: it is fine as it is."""


async def form_of(path: Path) -> Form:
    """How a browser can be given this file. Reads its head.

    Raises:
        VideoUnplayable: no browser can play it, with what stands in the way.
        VideoUnreadable: it is no video or recording that can be read.
        MissingExtra: the libraries for it are not installed.
    """
    return await in_thread(partial(_form, path))


async def put_into(path: Path, container: str, into: Path) -> None:
    """Copy the picture and the sound of a file into another container, so that it begins at
    zero. Nothing is decoded; of several sound tracks, and of subtitles, what players would
    show at first is taken.

    Raises:
        VideoUnreadable: it cannot be read any more.
        VideoUnplayable: what is in it does not go into the other.
        OSError: there is no room for the copy.
    """
    await in_thread(partial(_put_into, path, container, into))


def _form(path: Path, stop: Stop) -> Form:
    with opened(path) as container:
        picture, sound = picture_of(container), sound_of(container)
        codecs = [stream.codec_context.name for stream in (picture, sound) if stream is not None]
        names = container.format.name.split(",")
    kind = "audio" if picture is None else "video"
    for name, (media_type, known) in _ALONE.items():
        if name in names and picture is None and known.issuperset(codecs):
            return Form(media_type)
    unknown = [codec for codec in codecs if codec not in _PICTURE | _SOUND]
    if unknown:
        raise VideoUnplayable(unknown)
    if _IN_MP4.issuperset(codecs):
        return Form(f"{kind}/mp4", None if "mp4" in names else "mp4")
    if _IN_WEBM.issuperset(codecs):
        return Form(f"{kind}/webm", None if _says_webm(path) else "webm")
    raise VideoUnplayable(codecs)


def _says_webm(path: Path) -> bool:
    """WebM is Matroska whose header says so."""
    with path.open("rb") as file:
        return _WEBM_MARK in file.read(_HEADER_BYTES)


def _put_into(path: Path, container: str, into: Path, stop: Stop) -> None:
    import av

    with opened(path) as source:
        try:
            with av.open(str(into), "w", format=container, options=_options(container)) as copy:
                _copy(source, copy, stop)
        except (av.FFmpegError, ValueError) as exc:
            if isinstance(exc, OSError) and exc.errno is not None and exc.errno > 0:
                raise OSError(exc.errno, exc.strerror) from exc
            raise VideoUnplayable([source.format.name]) from exc


def _options(container: str) -> dict[str, str]:
    # With its index at the beginning, a browser need not look for it at the end first.
    return {"movflags": "faststart"} if container == "mp4" else {}


def _copy(source: InputContainer, copy: Any, stop: Stop) -> None:
    chosen = [stream for stream in (picture_of(source), sound_of(source)) if stream is not None]
    targets = {stream.index: copy.add_stream_from_template(stream) for stream in chosen}
    zero = start_of(source)
    latest: dict[int, int] = {}
    for packet in _in_decoding_order(source, chosen, stop):
        dts = packet.dts
        if dts is None or dts <= latest.get(packet.stream_index, dts - 1):
            continue  # damaged: no player could tell when it is its turn
        latest[packet.stream_index] = dts
        ticks = round(zero / float(packet.time_base))
        packet.dts = dts - ticks
        packet.pts = None if packet.pts is None else packet.pts - ticks
        packet.stream = targets[packet.stream_index]
        copy.mux(packet)


def _in_decoding_order(
    source: InputContainer, streams: Sequence[Stream], stop: Stop
) -> Iterator[Packet[Any]]:
    """The packets, with the time at which each is to be decoded.

    Matroska does not tell it, and FFmpeg works it out from the third packet or so on: those
    before, of which the first is a keyframe, come as far ahead as they last.
    """
    untold: dict[int, list[Packet[Any]]] = {stream.index: [] for stream in streams}
    for _, packet in packets(source, streams, stop):
        waiting = untold.get(packet.stream_index)
        if waiting is not None:
            if packet.dts is None and len(waiting) < _MOST_UNTOLD:
                waiting.append(packet)
                continue
            ahead = packet.dts or 0
            for one in reversed(waiting):
                ahead -= max(one.duration or 1, 1)
                one.dts = ahead
            yield from waiting
            del untold[packet.stream_index]
        yield packet
