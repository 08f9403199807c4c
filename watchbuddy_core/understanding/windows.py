"""The window grid: how a range is cut into pieces of work."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise

from watchbuddy_core.video import Overview, Window

FIRST = 45.0
"""The first border, in seconds: the first window is there soon."""
LENGTH = 120.0
"""The distance of the borders after it."""
_REACH = 15.0
"""A border moves at most this far, to a keyframe at a likely cut."""
_SHORTEST = 20.0
"""A piece at an edge of the range that is shorter joins its neighbour."""


def grid(overview: Overview, start: float, end: float) -> tuple[Window, ...]:
    """The windows of [start, end), in order.

    Borders, and the windows' numbers, are a function of the content alone: another range
    of the same video has the same borders inside it.
    """
    borders = [0.0, *_borders(overview), overview.duration]
    cut = [
        (index, max(start, a), min(end, b))
        for index, (a, b) in enumerate(pairwise(borders))
        if min(end, b) > max(start, a)
    ]
    if len(cut) > 1 and cut[0][2] - cut[0][1] < _SHORTEST:
        (_, a, _), (index, _, b), *rest = cut
        cut = [(index, a, b), *rest]
    if len(cut) > 1 and cut[-1][2] - cut[-1][1] < _SHORTEST:
        *rest, (index, a, _), (_, _, b) = cut
        cut = [*rest, (index, a, b)]
    return tuple(Window(index=index, start=a, end=b) for index, a, b in cut)


def _borders(overview: Overview) -> list[float]:
    keyframes = overview.keyframes
    gaps = sorted(b - a for a, b in pairwise(keyframes))
    pace = gaps[len(gaps) * 9 // 10] if gaps else 0.0
    borders = []
    nominal = FIRST
    while nominal < overview.duration - _SHORTEST:
        borders.append(_moved(nominal, keyframes, pace))
        nominal += LENGTH
    return borders


def _moved(nominal: float, keyframes: tuple[float, ...], pace: float) -> float:
    """The keyframe near `nominal` that most likely is a cut.

    Encoders put keyframes at a steady pace (here: the widest usual gap) and, earlier than
    that, at cuts. Of two alike the nearer is taken.
    """
    first = bisect_left(keyframes, nominal - _REACH)
    last = bisect_left(keyframes, nominal + _REACH)
    near = range(max(first, 1), last)
    if not near:
        return nominal

    def merit(i: int) -> tuple[bool, float]:
        early = keyframes[i] - keyframes[i - 1] < 0.9 * pace
        return early, -abs(keyframes[i] - nominal)

    return round(keyframes[max(near, key=merit)], 3)
