"""Scenes: the passages between transitions, and how much moves in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from watchbuddy_core.understanding.pictures import Picture, difference, pictures, stretches
from watchbuddy_core.understanding.transitions import REACH, Transition, transitions
from watchbuddy_core.video import Scene

if TYPE_CHECKING:
    from pathlib import Path

    from watchbuddy_core.understanding.work import Stop

CONTEXT = REACH + 0.2
"""Seconds before a passage that are looked at as well, to know how it begins."""
SETTLED = 0.7
"""A transition is certain when so many seconds after it were seen. Those at the end of a window
are left to the next one."""
_AT_ONCE = 0.1
"""Seconds from the start within which a transition is one at the start."""
_BEAT = 0.5
"""Seconds between two pictures that are compared to see what moves."""
_HALF_CHANGED = 40.0
_HALF_MOVED = 20.0
"""The `difference` that is told as 0.5: of two scenes, and of two pictures of one."""


def look(
    path: Path,
    keyframe: float,
    start: float,
    end: float,
    stop: Stop,
    *,
    most_pixels: float = float("inf"),
) -> tuple[Scene, ...]:
    """The scenes from `start` to `end`. Nothing where there is no picture.

    The first begins at `start`, with the change that was seen there: 0, where its picture goes
    on. Transitions in the last `SETTLED` seconds are not told.

    Args:
        keyframe: the time of a keyframe, `CONTEXT` before the start.
        most_pixels: of all pictures that are decoded beside keyframes.

    Raises:
        VideoUnreadable: it cannot be opened.
        Stopped: nobody waits for it any more.
    """
    wanted = stretches(path, keyframe, end, stop, most_pixels=most_pixels)
    motion = _Motion()
    watched = motion.watch(pictures(path, wanted, end, stop))
    found = [t for t in transitions(watched) if start - 0.005 <= t.at < end - SETTLED]
    return tuple(_scenes(found, motion, start, end)) if motion.seen else ()


def joined(known: tuple[Scene, ...], found: tuple[Scene, ...]) -> tuple[Scene, ...]:
    """The scenes of one window after another's. One that goes on across the border is one.

    The first scene of all has nothing in common with what was before it.
    """
    if not found:
        return known
    first, *rest = found
    if not known:
        return (first.model_copy(update={"change": 1.0}), *rest)
    *before, last = known
    if first.change > 0:
        return (*before, last.model_copy(update={"end": first.start}), *found)
    motions = [motion for motion in (last.motion, first.motion) if motion is not None]
    one = last.model_copy(update={"end": first.end, "motion": max(motions, default=None)})
    return (*before, one, *rest)


def _scenes(found: list[Transition], motion: _Motion, start: float, end: float) -> Iterator[Scene]:
    at_once = [t.unlike for t in found if t.at < start + _AT_ONCE]
    later = [(t.at, t.unlike) for t in found if t.at >= start + _AT_ONCE]
    borders = [(start, max(at_once, default=0.0)), *later, (end, 0.0)]
    for (at, unlike), (until, _) in pairwise(borders):
        yield Scene(
            start=round(at, 3),
            end=round(until, 3),
            change=round(unlike / (unlike + _HALF_CHANGED), 3),
            motion=motion.between(at, until),
        )


class _Motion:
    """How much pictures differ from those half a second before."""

    def __init__(self) -> None:
        self.seen = False
        self._beats: list[tuple[float, float, float]] = []

    def watch(self, shown: Iterable[Picture]) -> Iterator[Picture]:
        """The same pictures, which are looked at as they pass."""
        last: Picture | None = None
        for picture in shown:
            self.seen = True
            if last is None or picture.at - last.at >= _BEAT:
                if last is not None:
                    moved = float(difference(last.small, picture.small))
                    self._beats.append((last.at, picture.at, moved))
                last = picture
            yield picture

    def between(self, start: float, end: float) -> float | None:
        """0 to 1, of the passage; a single burst does not count. None: it is too short."""
        moved = sorted(m for a, b, m in self._beats if start <= a and b < end)
        if not moved:
            return None
        much = moved[(len(moved) - 1) * 9 // 10]
        return round(much / (much + _HALF_MOVED), 3)
