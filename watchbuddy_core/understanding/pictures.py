"""The pictures of a window, small, and no more of them decoded than tell something new.

Encoders cut a video into groups that begin with a keyframe. Where no packet of a group is
large enough to hold a new picture, its keyframe and the next one are decoded alone; where these
two look alike, the pictures between them are taken to look like both and are not decoded. On a
talk or a fixed camera that is most of them.

What is lost that way is a cut away and back within one such stretch whose pictures cost the
encoder little.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from watchbuddy_core.understanding.container import opened, packets, picture_of, seek, start_of

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    from watchbuddy_core.understanding.work import Stop

    Small = NDArray[np.uint8]
    """A picture of 64 x 36: its luma, then its two chroma planes of 32 x 18, in one row."""

WIDTH, HEIGHT = 64, 36
LUMA = WIDTH * HEIGHT
CHROMA = LUMA // 2
SIZE = LUMA + CHROMA

_EARLY = 1.0
"""So many seconds before a wanted keyframe is sought: not every container leads there exactly."""
_APART = 1.0
"""Keyframes nearer to each other than so many seconds are not glanced at."""
_ALIKE = 6.0
"""Two keyframes whose `difference` is at most this look alike."""
_NEW_PICTURE = 0.25
"""A packet of at least so much of its keyframe's size may hold a new picture."""
_INTERVAL = 1 / 31
"""Seconds between two pictures, at least: more than thirty a second tell nothing new."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame, `at` media seconds."""

    at: float
    small: Small


@dataclass(frozen=True, slots=True)
class Stretch:
    """What lies between two keyframes, in media seconds, and whether it is to be decoded."""

    start: float
    end: float
    decoded: bool
    doubt: float = float("inf")
    """How much its two ends differ: `difference`."""


def difference(a: Small, b: Small) -> NDArray[np.float32]:
    """How much two pictures differ, place by place, in levels of brightness: 0 to some 300.

    Colour counts as much as brightness does. Both may have any number of pictures, one a row.
    """
    import numpy as np

    apart = np.maximum(a, b) - np.minimum(a, b)
    luma = apart[..., :LUMA].sum(-1, dtype=np.uint32) / np.float32(LUMA)
    chroma = apart[..., LUMA:].sum(-1, dtype=np.uint32) / np.float32(CHROMA)
    return np.asarray(luma + 3 * chroma, np.float32)


def flat(frame: VideoFrame) -> Small:
    """A frame that was scaled to WIDTH x HEIGHT in yuv420p, as one row."""
    import numpy as np

    rows = [
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)
        for plane in frame.planes
    ]
    widths = [plane.width for plane in frame.planes]
    return np.concatenate([row[:, :w].reshape(-1) for row, w in zip(rows, widths, strict=True)])


def stretches(
    path: Path, since: float, end: float, stop: Stop, *, most_pixels: float = float("inf")
) -> tuple[Stretch, ...]:
    """What of the video from the keyframe at `since` to `end` has to be decoded.

    Args:
        most_pixels: of all pictures that are decoded together. Where it would be more, what
            lies between keyframes that differ least is left out.

    Raises:
        VideoUnreadable: it cannot be opened.
        Stopped: nobody waits for it any more.
    """
    found: list[Stretch] = []
    with opened(path) as container:
        stream = picture_of(container)
        if stream is None:
            return ()
        rate = float(stream.average_rate or 25) * stream.width * stream.height
        stream.codec_context.skip_frame = "NONKEY"
        stream.codec_context.options = {"skip_loop_filter": "all"}
        decoder = _Decoder(container, stream)
        seek(container, since - _EARLY)
        groups = list(_groups(packets(container, [stream], stop), end))
        last: Picture | None = None
        for group, following in pairwise(groups):
            stop.check()
            doubt = float("inf")
            if group.is_quiet:
                last = last or decoder.alone(group.keyframe)
                seen = decoder.alone(following.keyframe)
                if last is not None and seen is not None:
                    doubt = float(difference(last.small, seen.small))
                last = seen
            else:
                last = None
            found.append(Stretch(group.at, following.at, decoded=doubt > _ALIKE, doubt=doubt))
    first = found[0].start if found else since - _EARLY
    rest = found[-1].end if found else first
    if rest < end:
        found.append(Stretch(rest, max(end, rest), decoded=True))
    return _affordable(found, most_pixels / rate)


@dataclass(slots=True)
class _Group:
    """A keyframe, and what the encoder needed for the pictures behind it."""

    at: float
    keyframe: Packet[VideoStream]
    largest: int = 0
    """Bytes, of a packet up to the next keyframe that is far enough away."""

    @property
    def is_quiet(self) -> bool:
        return self.largest < _NEW_PICTURE * max(self.keyframe.size, 1)


def _groups(listed: Iterable[tuple[float, Packet[VideoStream]]], end: float) -> Iterator[_Group]:
    """The groups up to the first that begins at `end` or later, with that."""
    group: _Group | None = None
    for at, packet in listed:
        begins = packet.is_keyframe and (group is None or at >= min(group.at + _APART, end))
        if begins:
            if group is not None:
                yield group
            group = _Group(at, packet)
        elif group is not None:
            group.largest = max(group.largest, packet.size if at > group.at else 0)
        if group is not None and at >= end:
            break
    if group is not None:
        yield group


def _affordable(found: Sequence[Stretch], most_seconds: float) -> tuple[Stretch, ...]:
    """With so much of it decoded at most: what is in doubt most goes first."""
    left = most_seconds
    too_much: set[Stretch] = set()
    for stretch in sorted(found, key=lambda one: one.doubt, reverse=True):
        left -= stretch.end - stretch.start if stretch.decoded else 0.0
        if stretch.decoded and left < 0:
            too_much.add(stretch)
    return tuple(replace(one, decoded=False) if one in too_much else one for one in found)


def pictures(path: Path, wanted: tuple[Stretch, ...], end: float, stop: Stop) -> Iterator[Picture]:
    """The pictures of the stretches that are to be decoded, and both ends of each, in order.

    Raises:
        VideoUnreadable: it cannot be opened.
        Stopped: nobody waits for them any more.
    """
    spans = _spans(wanted)
    bounds = {round(s.start, 3) for s in wanted} | {round(s.end, 3) for s in wanted}
    if not wanted:
        return
    with opened(path) as container:
        stream = picture_of(container)
        if stream is None:
            return
        stream.codec_context.options = {"skip_loop_filter": "all"}
        decoder = _Decoder(container, stream)
        seek(container, wanted[0].start - _EARLY)
        current = 0
        for at, packet in packets(container, [stream], stop):
            if packet.is_keyframe:
                if at >= end:
                    break
                while current < len(spans) and spans[current][1] < at:
                    current += 1
            inside = any(a <= at <= b for a, b in spans[max(current - 1, 0) : current + 2])
            if inside or (packet.is_keyframe and round(at, 3) in bounds):
                yield from decoder.next(packet, end)
            else:
                yield from decoder.pause(end)
        yield from decoder.pause(end)


def _spans(wanted: tuple[Stretch, ...]) -> list[tuple[float, float]]:
    """The times that are decoded, adjoining stretches in one, a little wider than they are."""
    found: list[tuple[float, float]] = []
    for stretch in wanted:
        if stretch.decoded and found and found[-1][1] >= stretch.start:
            found[-1] = (found[-1][0], stretch.end + 1e-4)
        elif stretch.decoded:
            found.append((stretch.start - 1e-4, stretch.end + 1e-4))
    return found


class _Decoder:
    """Makes small pictures out of packets, of which any may be left out between keyframes."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        from av.video.reformatter import Interpolation, VideoReformatter

        self._stream = stream
        self._zero = start_of(container)
        self._base = float(stream.time_base or 0)
        self._reformatter = VideoReformatter()
        self._area = Interpolation.AREA
        self._running = False
        self._last = -1.0

    def next(self, packet: object, end: float) -> Iterator[Picture]:
        self._running = True
        yield from self._decoded(packet, end)

    def pause(self, end: float) -> Iterator[Picture]:
        """What the decoder still holds. After it, go on with a keyframe."""
        if self._running:
            yield from self._decoded(None, end)
            self._stream.codec_context.flush_buffers()
            self._running = False

    def alone(self, packet: object) -> Picture | None:
        """The picture of one keyframe. None: it is damaged."""
        self._last = -1.0
        seen = [*self.next(packet, float("inf")), *self.pause(float("inf"))]
        return seen[0] if seen else None

    def _decoded(self, packet: object, end: float) -> Iterator[Picture]:
        import av

        try:
            frames = self._stream.codec_context.decode(packet)  # type: ignore[arg-type]
        except av.FFmpegError:
            return  # a damaged packet: the next one will do
        for frame in frames:
            if frame.pts is None:
                continue
            at = max(frame.pts * self._base - self._zero, 0.0)
            if at >= end or at - self._last < _INTERVAL - 1e-3:
                continue
            small = self._reformatter.reformat(
                frame, WIDTH, HEIGHT, "yuv420p", interpolation=self._area, threads=1
            )
            self._last = at
            yield Picture(round(at, 3), flat(small))
