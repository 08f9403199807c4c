"""What is spoken when: by the people in the video, and by the companion."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from watchbuddy_core.placement.restraint import ms
from watchbuddy_core.placement.words import UNSPACED
from watchbuddy_core.video import Cue, Speech

_MINUTE = 60_000


class Dialogue:
    """The times at which somebody speaks: ascending, and apart or touching."""

    def __init__(self, passages: Iterable[Speech | Cue]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        spoken = ((ms(passage.start), ms(passage.end)) for passage in passages)
        for start, end in sorted((start, end) for start, end in spoken if start < end):
            if self._ends and start < self._ends[-1]:
                self._ends[-1] = max(end, self._ends[-1])
            else:
                self._starts.append(start)
                self._ends.append(end)

    def free_from(self, start: int, length: int, *, breath: int) -> int:
        """`start`, if `length` from there is free; else when what is in the way has ended."""
        i = bisect_right(self._ends, start - breath)
        if i < len(self._starts) and self._starts[i] < start + length:
            return self._ends[i] + breath
        return start


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """A spoken line in media time. One that pauses the video takes none."""

    start: int
    end: int
    text: str = field(compare=False)

    def time_within(self, start: int, end: int) -> int:
        return max(0, min(self.end, end) - max(self.start, start))


class Lines:
    """The lines around a window, ascending."""

    _RECENT = 8
    """So many lines before and after one, it is not said again."""
    _OPENERS = 3
    """So many lines before and after one, none opens with the same words."""
    _ALIKE = 0.85
    """Of 1: from here on, two lines are the same to a listener."""

    def __init__(self, wish: str = "") -> None:
        """`wish` is what the viewer asked for: opening every line like that is no repetition."""
        self._lines: list[Line] = []
        self.starts: list[int] = []
        self._wish = _letters(wish) if wish else ""

    def add(self, line: Line) -> None:
        insort(self._lines, line)
        insort(self.starts, line.start)

    def begin_at(self, start: int) -> bool:
        """Whether a line begins at just this moment."""
        i = bisect_left(self.starts, start)
        return i < len(self.starts) and self.starts[i] == start

    def free_from(self, start: int, length: int, *, gap: int) -> int:
        """`start`, if no line lies within `gap`; else when those in the way are over."""
        in_the_way = (
            line.end
            for line in self._lines
            if line.start - gap < start + length and start < line.end + gap
        )
        return max((end + gap for end in in_the_way), default=start)

    def share_with(self, new: Line) -> float:
        """The largest part of any minute that is talked over, once `new` is spoken."""
        near = [
            line
            for line in self._lines
            if line.end > new.start - _MINUTE and line.start < new.end + _MINUTE
        ]
        near.append(new)
        # None is fuller than those that begin with a line.
        return max(
            sum(line.time_within(begin, begin + _MINUTE) for line in near) / _MINUTE
            for begin in (line.start for line in near)
        )

    def repeats(self, text: str, start: int) -> bool:
        """Whether a line at `start` says, or opens, what one next to it does."""
        i = bisect_right(self.starts, start)
        recent = self._lines[max(0, i - self._RECENT) : i + self._RECENT]
        next_to_it = self._lines[max(0, i - self._OPENERS) : i + self._OPENERS]
        if any(self._alike(text, line.text) for line in recent):
            return True
        opener = _opener(text)
        return opener not in self._wish and any(opener == _opener(line.text) for line in next_to_it)

    def _alike(self, one: str, other: str) -> bool:
        a, b = _letters(one), _letters(other)
        if a == b:
            return True
        matcher = SequenceMatcher(None, a, b, autojunk=False)
        return matcher.quick_ratio() >= self._ALIKE and matcher.ratio() >= self._ALIKE


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold())) or text


_FIRST_WORDS = re.compile(
    rf"\W*((?:[{UNSPACED}]\W*){{1,3}}|(?:[^\W{UNSPACED}]+(?:['’]\w+)?\W*){{1,2}})"
)


def _opener(text: str) -> str:
    """The first two words, or three characters of a script without spaces."""
    opening = _FIRST_WORDS.match(text.casefold())
    return _letters(opening[1] if opening else text)
