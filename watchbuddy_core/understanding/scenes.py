"""Scenes, from keyframes alone: what decoding only those frames tells.

Encoders put a keyframe at most cuts, so a keyframe that looks nothing like the one before
is taken for a cut. A cut between two keyframes is seen at the second of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from watchbuddy_core.understanding.container import picture_of, seek, start_of
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
_WIDTH, _HEIGHT = 64, 36
_BINS = 16


@dataclass(frozen=True, slots=True)
class Look:
    """A keyframe: when, and how unlike the one before it is (0 the same, 1 nothing in common)."""

    at: float
    change: float


def looks(container: InputContainer, start: float, end: float, stop: Stop) -> Iterator[Look]:
    """The keyframes from `start` to `end`, each compared with the one before."""
    before: Thumbnail | None = None
    for at, thumbnail in _thumbnails(container, start, end, stop):
        if at >= start:
            yield Look(max(at, 0.0), _difference(before, thumbnail) if before is not None else 1.0)
        before = thumbnail


def scenes(seen: list[Look], start: float, end: float) -> tuple[Scene, ...]:
    """The passages between cuts, from `start` to `end`."""
    cuts = [Look(start, seen[0].change if seen and seen[0].at <= start + 0.1 else 0.0)]
    cuts += [look for look in seen if look.change >= CUT and look.at > start + 0.1]
    found = []
    for cut, following in pairwise([*cuts, Look(end, 0.0)]):
        within = [look.change for look in seen if cut.at < look.at < following.at]
        found.append(
            Scene(
                start=cut.at,
                end=following.at,
                change=min(cut.change, 1.0),
                motion=min(max(within) / CUT, 1.0) if within else None,
            )
        )
    return tuple(found)


def _thumbnails(
    container: InputContainer, start: float, end: float, stop: Stop
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
    seek(container, stream, start)
    for packet in _packets(container, stream, zero + end, stop):
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
                yield round(at, 3), small.to_ndarray().astype(np.float32) / np.float32(255)


def _packets(
    container: InputContainer, stream: VideoStream, end: float, stop: Stop
) -> Iterator[Packet[VideoStream] | None]:
    """What lies before `end`, in the file's own time; then None, which makes the decoder
    hand out the frames that it still holds."""
    for packet in container.demux(stream):
        stop.check()
        if packet.pts is None or float(packet.pts * packet.time_base) >= end:
            break
        if packet.is_keyframe:
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
