"""Key frames: a few pictures of a window, for a model that sees."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

from watchbuddy_core.understanding.container import opened, packets, picture_of, start_of
from watchbuddy_core.understanding.pictures import HEIGHT, WIDTH, difference, flat
from watchbuddy_core.video import KeyFrame, Understanding, Window

if TYPE_CHECKING:
    from pathlib import Path

    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from watchbuddy_core.understanding.pictures import Small
    from watchbuddy_core.understanding.work import Stop

FEWEST, MOST = 8, 12
LONG_SIDE = 512
"""Pixels."""
_LOUDEST = 3
"""So many of the pictures are of loud moments, at most."""
_FADED = 0.6
"""Seconds after a scene's start until which it may still fade in."""
_ONSET = 0.3
"""Seconds after which it shows what is loud."""
_SAME = 3.0
"""Pictures whose `difference` is at most this show the same."""
_LEAST_GAP = 0.25
"""Seconds between two pictures, at least."""
_TRIES = 24
"""So many pictures are decoded, at most."""


class _Wish(NamedTuple):
    at: float
    reason: Literal["scene", "loud", "between"]
    since: float
    """A picture from here on will do, if a keyframe between the two spares decoding."""


def key_frames(
    path: Path, understanding: Understanding, window: Window, stop: Stop
) -> tuple[KeyFrame, ...]:
    """The window's key frames, in order.

    Raises:
        VideoUnreadable: it cannot be opened.
        Stopped: nobody waits for them any more.
    """
    with opened(path) as container:
        stream = picture_of(container)
        if stream is None:
            return ()
        album = _Album(container, stream, window, stop)
        for wish in _wishes(understanding, window):
            album.add(wish)
        for wish in _between([wish.at for wish in album.tried], window):
            if len(album.kept) >= FEWEST or len(album.tried) >= _TRIES:
                break
            album.add(wish)
        return tuple(sorted(album.kept, key=lambda frame: frame.at))


def _wishes(understanding: Understanding, window: Window) -> list[_Wish]:
    """The loudest moments, and the scenes that last longest and differ most."""
    loud = sorted(
        (
            s
            for s in understanding.sounds
            if s.kind == "loud" and window.start <= s.start < window.end
        ),
        key=lambda sound: -sound.level,
    )
    onsets = [sound.start + _ONSET for sound in loud[:_LOUDEST]]
    moments = [_Wish(at, "loud", since=at) for at in onsets]
    shown = [
        (scene.change * min(end - start, 10.0), start, end)
        for scene in understanding.scenes
        if (end := min(scene.end, window.end)) > (start := max(scene.start, window.start))
    ]
    best = sorted(shown, reverse=True)[: MOST - len(moments)]
    scenes = [_of_scene(start, end) for _, start, end in best]
    return [*scenes, *moments]


def _of_scene(start: float, end: float) -> _Wish:
    """Neither while it fades in nor at its end."""
    length = end - start
    since = start + max(length / 4, min(_FADED, length / 2))
    return _Wish((start + end) / 2, "scene", since)


def _between(taken: list[float], window: Window) -> Iterator[_Wish]:
    """The middle of the longest gap, again and again, until no gap is long."""
    times = sorted({window.start, *taken, window.end})
    while True:
        start, end = max(pairwise(times), key=lambda gap: gap[1] - gap[0])
        if end - start < 2 * _LEAST_GAP:
            return
        middle = (start + end) / 2
        yield _Wish(middle, "between", since=middle - (end - start) / 4)
        times = sorted([*times, middle])


class _Album:
    """Pictures of the window, no two of them the same."""

    def __init__(
        self, container: InputContainer, stream: VideoStream, window: Window, stop: Stop
    ) -> None:
        from av.video.reformatter import VideoReformatter

        self.kept: list[KeyFrame] = []
        self.tried: list[_Wish] = []
        self._container = container
        self._stream = stream
        self._window = window
        self._stop = stop
        self._reformatter = VideoReformatter()
        self._smalls: list[Small] = []

    def add(self, wish: _Wish) -> None:
        """The picture at the wished time, unless there is one that shows the same."""
        self.tried.append(wish)
        found = self._picture_at(wish)
        if found is None:
            return
        at, frame = found
        thumbnail = self._reformatter.reformat(frame, WIDTH, HEIGHT, "yuv420p", threads=1)
        small = flat(thumbnail)
        if any(float(difference(small, other)) <= _SAME for other in self._smalls):
            return
        self._smalls.append(small)
        shown = self._as_shown(frame)
        self.kept.append(
            KeyFrame(
                at=round(at, 3),
                jpeg=_jpeg(shown),
                width=shown.width,
                height=shown.height,
                reason=wish.reason,
            )
        )

    def _picture_at(self, wish: _Wish) -> tuple[float, VideoFrame] | None:
        """The first picture that will do, or the window's last. None: there is none."""
        import av

        zero, base = start_of(self._container), self._stream.time_base
        if base is None:
            return None
        self._stream.codec_context.flush_buffers()
        self._container.seek(round((wish.at + zero) * 1_000_000), backward=True)
        last: tuple[float, VideoFrame] | None = None
        for _, packet in packets(self._container, [self._stream], self._stop):
            try:
                frames = self._stream.codec_context.decode(packet)
            except av.FFmpegError:
                continue  # a damaged packet: the next one will do
            for frame in frames:
                if frame.pts is None:
                    continue
                at = max(float(frame.pts * base) - zero, 0.0)
                if at >= self._window.end:
                    return last
                if at >= self._window.start:
                    last = at, frame
                if at >= wish.since - 0.001:
                    return last
        return last

    def _as_shown(self, frame: VideoFrame) -> VideoFrame:
        """The picture as players show it: small, of square pixels, and upright."""
        import av
        import numpy as np
        from av.video.reformatter import Interpolation

        shape = float(self._stream.sample_aspect_ratio or 1)
        width, height = frame.width * shape, float(frame.height)
        scale = min(1.0, LONG_SIDE / max(width, height))
        width, height = (max(2, round(side * scale / 2) * 2) for side in (width, height))
        quarter_turns = round(frame.rotation / 90) % 4
        scaled = self._reformatter.reformat(
            frame,
            int(width),
            int(height),
            "rgb24" if quarter_turns else "yuvj420p",
            interpolation=Interpolation.AREA,
            threads=1,
        )
        if not quarter_turns:
            return scaled
        pixels = np.asarray(scaled.to_ndarray(), np.uint8)
        upright = np.ascontiguousarray(np.rot90(pixels, quarter_turns))
        turned = av.VideoFrame.from_ndarray(upright, "rgb24")
        return self._reformatter.reformat(turned, format="yuvj420p", threads=1)


def _jpeg(frame: VideoFrame) -> bytes:
    import av

    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuvj420p"
    encoder.time_base = Fraction(1)
    encoder.options = {"qmin": "4", "qmax": "4"}
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode()])
