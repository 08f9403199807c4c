"""Scenes, from keyframes alone: what decoding only those frames tells.

Encoders put a keyframe at most cuts, so a keyframe that looks nothing like the one before
is taken for a cut. A cut between two keyframes is seen at the second of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from watchbuddy_core.understanding.container import packets, picture_of, seek, start_of
from watchbuddy_core.understanding.work import Stop
from watchbuddy_core.video import Scene

if TYPE_CHECKING:
    import numpy as np
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    Thumbnail = NDArray[np.float32]

CUT = 0.3
"""A change of at least so much is a cut."""
_AT_ONCE = 0.1
"""Seconds from a window's start within which a cut is one at its start."""
_EARLY = 1.0
"""So many seconds before a wanted keyframe is sought: not every container leads there exactly."""
_WIDTH, _HEIGHT = 64, 36
_BINS = 16


@dataclass(frozen=True, slots=True)
class Look:
    """A keyframe: when, and how unlike the one before it is (0 the same, 1 nothing in common)."""

    at: float
    change: float


def looks(
    container: InputContainer, since: float, start: float, end: float, stop: Stop
) -> Iterator[Look]:
    """The keyframes from `start` to `end`, each compared with the one before.

    Args:
        since: the time of a keyframe before `start`, for the first to be compared with;
            where there is none, the first of all is compared with nothing, and not told.
    """
    before: Thumbnail | None = None
    for at, thumbnail in _thumbnails(container, since, end, stop):
        if before is not None and at >= start:
            yield Look(at, _difference(before, thumbnail))
        before = thumbnail


def scenes(seen: Sequence[Look], start: float, end: float) -> tuple[Scene, ...]:
    """The passages between cuts, from `start` to `end`.

    The first begins at `start`, with the change that was seen there: none, where its picture
    goes on.
    """
    first = seen[0].change if seen and seen[0].at < start + _AT_ONCE else 0.0
    later = [look for look in seen if look.change >= CUT and look.at >= start + _AT_ONCE]
    found = []
    for cut, following in pairwise([Look(start, first), *later, Look(end, 0.0)]):
        moved = [
            look.change for look in seen if cut.at <= look.at < following.at and look.change < CUT
        ]
        found.append(
            Scene(
                start=cut.at,
                end=following.at,
                change=cut.change,
                motion=max(moved) / CUT if moved else None,
            )
        )
    return tuple(found)


def joined(known: tuple[Scene, ...], found: tuple[Scene, ...]) -> tuple[Scene, ...]:
    """The scenes of one window after another's. One that goes on across the border is one.

    The first scene of all has nothing in common with what was before it.
    """
    if not found:
        return known
    first, *rest = found
    if not known:
        return (first.model_copy(update={"change": 1.0}), *rest)
    if first.change >= CUT:
        return (*known, *found)
    last = known[-1]
    motions = [motion for motion in (last.motion, first.motion) if motion is not None]
    one = last.model_copy(update={"end": first.end, "motion": max(motions, default=None)})
    return (*known[:-1], one, *rest)


def _thumbnails(
    container: InputContainer, since: float, end: float, stop: Stop
) -> Iterator[tuple[float, Thumbnail]]:
    import av
    import numpy as np
    from av.video.reformatter import VideoReformatter

    stream = picture_of(container)
    if stream is None:
        return
    stream.codec_context.skip_frame = "NONKEY"
    reformatter = VideoReformatter()
    zero = start_of(container)
    seek(container, since - _EARLY)
    for packet in _keyframes(container, stream, end, stop):
        try:
            frames = stream.codec_context.decode(packet)
        except av.FFmpegError:
            continue  # a damaged keyframe: the next one will do
        for frame in frames:
            if frame.pts is None or stream.time_base is None:
                continue
            at = float(frame.pts * stream.time_base) - zero
            if at < end:
                small = reformatter.reformat(frame, _WIDTH, _HEIGHT, "rgb24")
                thumbnail = small.to_ndarray().astype(np.float32) / np.float32(255)
                yield round(max(at, 0.0), 3), thumbnail


def _keyframes(
    container: InputContainer, stream: VideoStream, end: float, stop: Stop
) -> Iterator[Packet[VideoStream] | None]:
    """The keyframes before `end`; then None, which makes the decoder hand out the frames
    that it still holds."""
    for at, packet in packets(container, [stream], stop):
        if at >= end:
            break
        if packet.is_keyframe and not packet.is_corrupt:
            yield packet
    yield None


def _difference(a: Thumbnail, b: Thumbnail) -> float:
    """Half what changed in place, half what changed in colour wherever it is."""
    import numpy as np

    in_place = min(1.0, 3.0 * float(np.abs(a - b).mean()))

    def histogram(picture: Thumbnail) -> NDArray[np.float64]:
        counts = [np.histogram(picture[..., c], _BINS, (0, 1))[0] for c in range(3)]
        return np.concatenate(counts) / (_WIDTH * _HEIGHT * 3)

    in_colour = 0.5 * float(np.abs(histogram(a) - histogram(b)).sum())
    return (in_place + in_colour) / 2
