"""Whether a companion speaks when something happens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

TOLERANCES = (1.0, 3.0, 5.0)
"""Seconds, `k` in what is counted at ±k seconds."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far lines and events are the same moments.

    Lines and events are paired one to one, as many as there can be, none further apart than
    the tolerance. Precision, recall and F1 of that: 0 to 1, 1 is best. OmniPro
    (arXiv 2605.18577) scores when a model speaks in the same way, online.
    """

    precision: float
    """Lines that have an event, of all lines. 1 without lines: nothing is said in vain."""
    recall: float
    """Events that have a line, of all events."""

    @property
    def f1(self) -> float:
        """Their harmonic mean; 0, where no line has an event."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


@dataclass(frozen=True, slots=True)
class Timing:
    """Lines against events.

    The first three are those of LiveStar (arXiv 2511.05299, `utils/eval_infer_result.py` of
    its repository): each event has the stretch of the video up to the next one, and a line
    belongs to the event in whose stretch it begins. LiveStar's captions close their stretches;
    ours, which are reactions, open them. Lines before the first event belong to none.
    """

    time_diff: float
    """Mean over the events of the seconds from the event to its first line, or to the end of
    its stretch where it has none. 0 or more; 0 is best. VideoLLM-online (CVPR 2024) has a
    figure of this name as well: frames between when a reply is due and when it comes."""
    coverage: float
    """Events that have a line in their stretch, of all. 0 to 1; 1 is best."""
    redundancy: float
    """Mean over the events of |1 - the number of its lines|. 0 or more; 0 is best. Both
    silence and talking on raise it."""
    at: Mapping[float, Agreement]
    """By tolerance in seconds."""


def timing(lines: Sequence[float], events: Sequence[float], *, end: float) -> Timing:
    """Both ascending, in media seconds; at least one event. `end` closes the last stretch."""
    stretches = list(pairwise([*events, max(end, events[-1])]))
    own = [
        [line for line in lines if start <= line < until or start == line == end]
        for start, until in stretches
    ]
    waits = [
        (mine[0] if mine else until) - start
        for mine, (start, until) in zip(own, stretches, strict=True)
    ]
    return Timing(
        time_diff=_mean(waits),
        coverage=_mean(bool(mine) for mine in own),
        redundancy=_mean(abs(1 - len(mine)) for mine in own),
        at={k: _agreement(lines, events, k) for k in TOLERANCES},
    )


def _agreement(lines: Sequence[float], events: Sequence[float], tolerance: float) -> Agreement:
    pairs = _pairs(lines, events, tolerance)
    return Agreement(
        precision=pairs / len(lines) if lines else 1.0,
        recall=pairs / len(events),
    )


def _pairs(lines: Sequence[float], events: Sequence[float], tolerance: float) -> int:
    """The most pairs there can be. On a line, with one tolerance for all, taking the first that
    fits is best: who could have had it as well has all that is later to choose from."""
    pairs = i = j = 0
    while i < len(lines) and j < len(events):
        if abs(lines[i] - events[j]) <= tolerance:
            pairs += 1
            i += 1
            j += 1
        elif lines[i] < events[j]:
            i += 1
        else:
            j += 1
    return pairs


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)
