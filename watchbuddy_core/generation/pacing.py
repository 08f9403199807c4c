"""Which moments get a line, which only a face, and when the time itself is the topic.

One pass from the beginning: whether a moment is taken up depends on what came before it
alone. More is proposed than will be placed, so that what is placed can be the best.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from watchbuddy_core.character import MomentKind
from watchbuddy_core.generation.chance import share
from watchbuddy_core.generation.moments import Moment
from watchbuddy_core.video import clock

_MOST_PER_MINUTE = 7
_WIDEST, _NARROWEST = 7.5, 2.0
"""Seconds from one line to the next: for a light moment, and for a weighty one."""
_OUTRANKS = 0.05
"""So much weightier than the one just before, a moment is taken up whatever the distance."""
_FATIGUE = 0.025
"""What a moment loses in weight for each of the last ones that was of its kind."""
_REMEMBERED = 4
_WEIGHTY = 0.7
_LONGING, _LONGED_FOR = 0.15, 90.0
"""What a moment gains in weight, and after how many seconds without a weighty one: so a
stream of talk has its peaks too."""
_FACES_APART = 6.0
_REPLAYS_APART = 300.0
_NO_REPLAY_BEFORE = 10.0
"""Seconds into the range."""
_LULL = 24.0
_LULL_GROWS = 9.0
_LONGEST_LULL = 60.0
"""Seconds without a line after which time is the topic: longer each time, for who says
nothing has nothing to say."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """A moment that is taken up."""

    moment: Moment
    in_words: bool
    """With a line; else with a face alone."""


def paced(found: Iterable[Moment], *, start: float, end: float, seed: str) -> Iterator[Reaction]:
    """What is taken up of the moments, in order of time.

    Args:
        found: ascending by trigger.
        start: where the range begins, in media seconds.
        end: until where reactions are wanted.
        seed: of the small irregularities that keep it from ticking like a clock.
    """
    pace = _Pace(start, seed)
    for moment in found:
        if moment.trigger >= end:
            break
        yield from pace.lulls(moment.trigger)
        yield from pace.take(moment)
    yield from pace.lulls(end)


class _Pace:
    def __init__(self, start: float, seed: str) -> None:
        self._start = start
        self._seed = seed
        self._lines: deque[float] = deque()
        self._kinds: deque[MomentKind] = deque(maxlen=_REMEMBERED)
        self._last_line = start
        self._last_weight = 0.0
        self._last_weighty = start
        self._last_event = start
        self._last_face = start - _FACES_APART
        self._last_replay = start - _REPLAYS_APART
        self._lulls = 0

    def take(self, moment: Moment) -> Iterator[Reaction]:
        weight = moment.weight - _FATIGUE * self._kinds.count(moment.kind)
        weight += _LONGING * min((moment.trigger - self._last_weighty) / _LONGED_FOR, 1.0)
        weight += 0.04 * (share(self._seed, moment.kind, moment.trigger) - 0.5)
        moment = replace(moment, weight=min(max(weight, 0.05), 1.0))
        if moment.kind is MomentKind.REPLAY and not self._may_replay(moment):
            return
        if self._is_wanted(moment):
            if moment.kind is MomentKind.REPLAY:
                self._last_replay = moment.trigger
            self._lulls = 0
            self._last_event = moment.trigger
            yield self._line(moment)
        elif moment.trigger - self._last_face >= _FACES_APART:
            self._last_face = moment.trigger
            yield Reaction(moment, in_words=False)

    def lulls(self, until: float) -> Iterator[Reaction]:
        """Lines about the time, where nothing else happens before `until`."""
        while (at := round(self._last_line + self._patience(), 3)) < until:
            self._lulls += 1
            yield self._line(
                Moment(
                    MomentKind.LULL,
                    at,
                    at,
                    0.3 + 0.04 * share(self._seed, "lull", at),
                    f"nothing of note since {clock(self._last_event)}",
                    seconds=at - self._last_line,
                )
            )

    def _patience(self) -> float:
        steady = min(_LULL + _LULL_GROWS * self._lulls, _LONGEST_LULL)
        return steady * (0.85 + 0.3 * share(self._seed, "patience", self._last_line))

    def _may_replay(self, moment: Moment) -> bool:
        return (
            moment.trigger - self._last_replay >= _REPLAYS_APART
            and moment.trigger - self._start >= _NO_REPLAY_BEFORE
        )

    def _is_wanted(self, moment: Moment) -> bool:
        while self._lines and self._lines[0] <= moment.trigger - 60.0:
            self._lines.popleft()
        if not self._kinds:
            return True
        if len(self._lines) >= _MOST_PER_MINUTE:
            return False
        distance = moment.trigger - self._last_line
        lightness = min(max((0.8 - moment.weight) / 0.5, 0.0), 1.0)
        enough = _NARROWEST + (_WIDEST - _NARROWEST) * lightness
        return distance >= enough or (
            distance > 0.5 and moment.weight >= self._last_weight + _OUTRANKS
        )

    def _line(self, moment: Moment) -> Reaction:
        self._lines.append(moment.trigger)
        self._kinds.append(moment.kind)
        self._last_line = self._last_face = moment.trigger
        self._last_weight = moment.weight
        if moment.weight >= _WEIGHTY:
            self._last_weighty = moment.trigger
        return Reaction(moment, in_words=True)
