"""HTTP Live Streaming (RFC 8216), as far as it is a recording: from a playlist to a file.

The smallest rendition that can be understood is taken, with its sound and its subtitles;
the segments are put one behind the other, as the format means them to be.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchbuddy_core.errors import MissingExtra, VideoUnavailable
from watchbuddy_core.sources.limits import ENOUGH_LINES, refuse_large, refuse_long
from watchbuddy_core.sources.web import Received, Web, written
from watchbuddy_core.understanding.subtitles import Raw, seconds_of, webvtt_in

if TYPE_CHECKING:
    import m3u8

MOST_PLAYLIST_BYTES = 4_000_000
_MOST_SEGMENTS = 50_000
_MOST_SEGMENT_BYTES = 200_000_000
_MOST_SUBTITLES = 8
_AHEAD = 4
"""Segments that are asked for at a time."""


@dataclass(frozen=True, slots=True)
class Rendition:
    """A playlist of segments, and what it is a rendition of."""

    url: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """What is taken of a stream: a picture, sound of its own where it has one, subtitles."""

    picture: Rendition
    sound: Rendition | None = None
    subtitles: tuple[Rendition, ...] = ()


def is_playlist(head: bytes) -> bool:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"#EXTM3U")


def choose(url: str, text: str, lines: int = ENOUGH_LINES) -> Stream:
    """What to take of the stream to which this playlist belongs.

    Args:
        lines: the smallest picture that has so many is taken.

    Raises:
        VideoUnavailable: it is no playlist, or one without a picture and without sound.
    """
    playlist = _parsed(url, text)
    if not playlist.is_variant:
        return Stream(Rendition(url))
    variants = [one for one in playlist.playlists if one.uri]
    if not variants:
        raise VideoUnavailable("The stream's playlist names no rendition.")
    chosen = min(variants, key=lambda one: _merit(one, lines))
    renditions = [one for one in playlist.media if one.uri]
    sounds = [
        one
        for one in renditions
        if one.type == "AUDIO" and one.group_id == chosen.stream_info.audio
    ]
    sound = max(sounds, key=lambda one: one.default == "YES", default=None)
    subtitles = [
        one
        for one in renditions
        if one.type == "SUBTITLES" and one.group_id == chosen.stream_info.subtitles
    ]
    spoken = sound.language if sound is not None else None
    subtitles.sort(key=lambda one: (one.forced == "YES", one.language != spoken))
    return Stream(
        Rendition(chosen.absolute_uri),
        Rendition(sound.absolute_uri, sound.language) if sound is not None else None,
        tuple(Rendition(one.absolute_uri, one.language) for one in subtitles[:_MOST_SUBTITLES]),
    )


def _merit(variant: m3u8.Playlist, wanted: int) -> tuple[bool, bool, int, int]:
    """The least is the best: enough lines, and no more of them, or of bits, than that takes."""
    info = variant.stream_info
    lines = info.resolution[1] if info.resolution else 0
    sound_alone = bool(info.codecs) and not lines and info.codecs.startswith(("mp4a", "ac-3"))
    enough = lines >= wanted
    return sound_alone, not enough, lines if enough else -lines, info.bandwidth or 0


async def save(
    web: Web,
    rendition: Rendition,
    path: Path,
    *,
    most_bytes: int,
    most_seconds: float,
    received: Received,
) -> None:
    """Write a rendition's segments to a file.

    Args:
        received: told of an estimate of the bytes in all: playlists speak of seconds.

    Raises:
        VideoUnavailable: it is live, protected, or larger than `most_bytes`.
        VideoTooLong: it lasts longer than `most_seconds`.
        VideoDownloadFailed
    """
    segments = await _segments(web, rendition)
    whole = sum(segment.duration or 0.0 for segment in segments)
    refuse_long(whole, most_seconds)
    parts = _Parts(web)
    async with written(path) as file:
        done = 0.0

        async def write(segment: m3u8.Segment, part: bytes) -> None:
            nonlocal done
            refuse_large(file.tell() + len(part), most_bytes)
            await asyncio.to_thread(file.write, part)
            done += segment.duration or 0.0
            received(file.tell(), round(file.tell() * whole / done) if done else None)

        await _in_order(segments, parts.read, write)


async def read_subtitles(web: Web, rendition: Rendition, *, zero: float) -> str:
    """A rendition's subtitles as one WebVTT file.

    Args:
        zero: the time of the stream's own clock, in seconds, at which the picture begins:
            segments may say which of its times theirs belong to (RFC 8216, section 3.5).

    Raises:
        VideoUnavailable, VideoDownloadFailed
    """
    segments = await _segments(web, rendition)
    cues: dict[Raw, None] = {}  # a cue that spans two segments is in both

    async def collect(_: m3u8.Segment, part: bytes) -> None:
        cues.update(dict.fromkeys(_cues(part.decode("utf-8", errors="replace"), zero)))

    await _in_order(segments, _Parts(web).read, collect)
    return _as_vtt(cues)


def in_media_time(text: str, *, zero: float) -> str:
    """A WebVTT file whose times belong to a stream's own clock, in those of its video.

    Any other file is returned as it is.

    Args:
        zero: as for `read_subtitles`.
    """
    return _as_vtt(_cues(text, zero)) if _MAP.search(text) else text


# --- playlists -----------------------------------------------------------------------------


def _parsed(url: str, text: str) -> m3u8.M3U8:
    try:
        import m3u8
    except ImportError as exc:
        raise MissingExtra("media", "Opening a stream") from exc
    try:
        return m3u8.loads(text, uri=url)
    except (ValueError, LookupError, TypeError, AttributeError) as exc:
        raise VideoUnavailable("The stream's playlist cannot be read.") from exc


async def _segments(web: Web, rendition: Rendition) -> Sequence[m3u8.Segment]:
    url, content = await web.read(rendition.url, most=MOST_PLAYLIST_BYTES)
    playlist = _parsed(url, content.decode("utf-8", errors="replace"))
    segments: Sequence[m3u8.Segment] = playlist.segments
    if not segments or len(segments) > _MOST_SEGMENTS:
        raise VideoUnavailable("The stream's playlist names no segments, or too many.")
    if not playlist.is_endlist:
        raise VideoUnavailable(
            "The stream is live. It can be watched when it has ended and is offered as a recording."
        )
    return segments


# --- segments ------------------------------------------------------------------------------


class _Parts:
    """Reads segments: from a part of a file where they are one, decrypted, and with what
    must stand before them."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._keys: dict[str, bytes] = {}
        self._begun: tuple[str, str | None] | None = None
        """The section that stands before the segments read last."""
        self._ends: dict[str, int] = {}
        """By address: where the part that was read last ends."""

    def read(self, segment: m3u8.Segment) -> Coroutine[Any, Any, bytes]:
        """To be called in the order of the segments; what it returns may be awaited in any."""
        section = segment.init_section
        before = (section.absolute_uri, section.byterange) if section is not None else None
        if before == self._begun:
            before = None
        else:
            self._begun = before
        return self._read(segment, before, self._range(segment.absolute_uri, segment.byterange))

    async def _read(
        self,
        segment: m3u8.Segment,
        before: tuple[str, str | None] | None,
        headers: Mapping[str, str],
    ) -> bytes:
        head = b""
        if before is not None:
            head = await self._get(before[0], self._range(*before))
        part = await self._get(segment.absolute_uri, headers)
        return head + await self._decrypted(segment, part)

    def _range(self, url: str, byterange: str | None) -> dict[str, str]:
        """RFC 8216, section 4.3.2.2: a length, and where it begins; else behind the last."""
        if byterange is None:
            return {}
        length, _, offset = byterange.partition("@")
        try:
            first = int(offset) if offset else self._ends.get(url, 0)
            self._ends[url] = first + int(length)
        except ValueError as exc:
            raise VideoUnavailable("The stream's playlist cannot be read.") from exc
        return {"Range": f"bytes={first}-{self._ends[url] - 1}"}

    async def _get(self, url: str, headers: Mapping[str, str]) -> bytes:
        return (await self._web.read(url, most=_MOST_SEGMENT_BYTES, headers=headers))[1]

    async def _decrypted(self, segment: m3u8.Segment, part: bytes) -> bytes:
        key = segment.key
        if key is None or key.method == "NONE":
            return part
        if key.method != "AES-128" or not key.uri or key.keyformat not in (None, "identity"):
            raise VideoUnavailable("The stream is protected against being watched elsewhere.")
        try:
            from Cryptodome.Cipher import AES
            from Cryptodome.Util.Padding import unpad
        except ImportError as exc:
            raise MissingExtra("media", "Opening an encrypted stream") from exc
        url = key.absolute_uri
        if url not in self._keys:
            self._keys[url] = (await self._web.read(url, most=1024))[1]
        try:
            number = int(key.iv, 16) if key.iv else segment.media_sequence or 0
            cipher = AES.new(self._keys[url], AES.MODE_CBC, iv=number.to_bytes(16, "big"))
            return unpad(cipher.decrypt(part), AES.block_size)
        except (ValueError, OverflowError) as exc:
            raise VideoUnavailable("The stream cannot be decrypted with the key it names.") from exc


async def _in_order(
    segments: Iterable[m3u8.Segment],
    read: Callable[[m3u8.Segment], Coroutine[Any, Any, bytes]],
    use: Callable[[m3u8.Segment, bytes], Awaitable[None]],
) -> None:
    """Read some segments ahead, and use each in its turn."""
    ahead: deque[tuple[m3u8.Segment, asyncio.Task[bytes]]] = deque()
    try:
        async with asyncio.TaskGroup() as tasks:
            for segment in segments:
                ahead.append((segment, tasks.create_task(read(segment))))
                if len(ahead) == _AHEAD:
                    earliest, reading = ahead.popleft()
                    await use(earliest, await reading)
            for earliest, reading in ahead:
                await use(earliest, await reading)
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


# --- subtitles -----------------------------------------------------------------------------

_MAP = re.compile(r"^X-TIMESTAMP-MAP=(.*)$", re.MULTILINE)
_CLOCK = 90_000
"""Ticks of a transport stream's clock in a second."""
_AROUND = 2**33 / _CLOCK
"""Seconds after which that clock begins anew."""


def _cues(text: str, zero: float) -> Iterator[Raw]:
    """In media seconds."""
    shift = _shift(text, zero)
    for cue in webvtt_in(_MAP.sub("", text)):
        start, end = round(max(cue.start + shift, 0.0), 3), round(cue.end + shift, 3)
        if start < end and cue.text.strip():
            yield Raw(start, end, cue.text)


def _as_vtt(cues: Iterable[Raw]) -> str:
    blocks = [f"{_stamp(cue.start)} --> {_stamp(cue.end)}\n{cue.text}\n" for cue in cues]
    return "\n".join(["WEBVTT\n", *blocks])


def _shift(text: str, zero: float) -> float:
    """What to add to a segment's times; nothing, where it says nothing that makes sense."""
    found = _MAP.search(text)
    if found is None:
        return 0.0
    said = dict(part.partition(":")[::2] for part in found[1].strip().split(","))
    try:
        shift = int(said["MPEGTS"]) / _CLOCK - seconds_of(said["LOCAL"]) - zero
    except (KeyError, ValueError):
        return 0.0
    return shift - _AROUND * round(shift / _AROUND)


def _stamp(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours:02}:{minutes:02}:{rest:06.3f}"
