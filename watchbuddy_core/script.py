"""The actions of a session, in the order in which they are sent."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence

from watchbuddy_core.actions import MAX_SECONDS, Action, EndReaction, ReplaySegment, Seek

SECOND = 1_000_000
"""The unit of time in here is the microsecond: compared exactly, and never NaN."""

Key = tuple[int, bool, int]
"""(trigger in microseconds, is a jump, number of insertion): the order of sending.

Jumps come last at their instant: what came behind one could not be reached.
"""
BEFORE_ALL: Key = (-1, False, 0)


def first_at(trigger: int) -> Key:
    """Sorts before every action that is due at `trigger`."""
    return (trigger, False, 0)


def last_at(trigger: int, *, jumps: bool = True) -> Key:
    """Sorts behind every action that is due at `trigger`; without `jumps`, before those."""
    return (trigger, jumps, _MANY)


_MANY = 1 << 62


class Script:
    """Two parallel lists, keys and actions, sorted by key: ranges are found by bisection.

    Adding at the end costs nothing to speak of, anywhere else a memory move. Jumps and
    endings are few and have lists of their own.
    """

    def __init__(self) -> None:
        self._keys: list[Key] = []
        self._actions: list[Action] = []
        self._key_of: dict[str, Key] = {}
        self._jumps: list[Key] = []
        self._endings: list[Key] = []
        self._insertions = 0

    def __contains__(self, id: object) -> bool:
        return id in self._key_of

    def __getitem__(self, key: Key) -> Action:
        return self._actions[bisect_left(self._keys, key)]

    def key_of(self, id: str) -> Key:
        """Raises: KeyError."""
        return self._key_of[id]

    def add(self, action: Action) -> Key:
        """Put an action in its place. Its id must be new."""
        self._insertions += 1
        is_jump = isinstance(action, Seek | ReplaySegment)
        key = (round(action.trigger_timestamp * SECOND), is_jump, self._insertions)
        if not self._keys or key > self._keys[-1]:
            self._keys.append(key)
            self._actions.append(action)
        else:
            i = bisect_left(self._keys, key)
            self._keys.insert(i, key)
            self._actions.insert(i, action)
        self._key_of[action.id] = key
        if is_jump:
            insort(self._jumps, key)
        elif isinstance(action, EndReaction):
            insort(self._endings, key)
        return key

    def remove(self, id: str) -> None:
        """Raises: KeyError."""
        key = self._key_of.pop(id)
        i = bisect_left(self._keys, key)
        del self._keys[i], self._actions[i]
        for few in (self._jumps, self._endings):
            if key in few:
                few.remove(key)

    def between(self, after: Key, to: Key) -> Sequence[Key]:
        """The keys behind `after`, up to and with `to`."""
        return self._keys[bisect_right(self._keys, after) : bisect_right(self._keys, to)]

    def next_trigger(self, after: Key) -> int:
        """When the first action behind `after` is due; beyond all times, if there is none."""
        i = bisect_right(self._keys, after)
        return self._keys[i][0] if i < len(self._keys) else int(MAX_SECONDS) * SECOND + 1

    def jumps(self, after: Key) -> Iterator[Key]:
        """The keys of the jumps behind `after`."""
        return iter(self._jumps[bisect_right(self._jumps, after) :])

    def endings(self, to: Key) -> Iterator[Key]:
        """The keys of the END_REACTIONs up to and with `to`."""
        return iter(self._endings[: bisect_right(self._endings, to)])
