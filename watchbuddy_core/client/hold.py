"""Actions that have come ahead of the playhead, and the alarm that tells when it gets there."""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable

from watchbuddy_core.actions import Action
from watchbuddy_core.player import Clock


class Hold:
    """Keeps actions until the playhead has played up to them. Positions are media seconds.

    What lies before `since`, where the present stretch of playing began, is not reached
    by being behind the playhead: a jump has left it out.
    """

    def __init__(self) -> None:
        self._actions: list[Action] = []

    def __len__(self) -> int:
        return len(self._actions)

    def __contains__(self, action_id: str) -> bool:
        return any(action.id == action_id for action in self._actions)

    def add(self, action: Action) -> None:
        insort(self._actions, action, key=_trigger)

    def take_reached(self, position: float, *, since: float) -> list[Action]:
        """Give out what has been played up to, in order."""
        return self._take(since, position)

    def take_left_out(self, *, since: float) -> list[Action]:
        """Give out what can no longer be played up to."""
        return self._take(-math.inf, math.nextafter(since, -math.inf))

    def drop(self) -> None:
        """Forget everything."""
        self._actions.clear()

    def next_trigger(self, *, since: float) -> float:
        """Of what can still be played up to; `math.inf` where there is nothing."""
        ahead = bisect_left(self._actions, since, key=_trigger)
        return _trigger(self._actions[ahead]) if ahead < len(self._actions) else math.inf

    def _take(self, first: float, last: float) -> list[Action]:
        begin = bisect_left(self._actions, first, key=_trigger)
        end = bisect_right(self._actions, last, key=_trigger)
        taken = self._actions[begin:end]
        del self._actions[begin:end]
        return taken


def _trigger(action: Action) -> float:
    return action.trigger_timestamp


class Alarm:
    """Rings once, some time after it was set. Setting it anew replaces what was set before."""

    def __init__(self, clock: Clock, tasks: asyncio.TaskGroup, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._tasks = tasks
        self._ring = ring
        self._set: asyncio.Task[None] | None = None

    def set(self, seconds: float) -> None:
        """Ring in so many seconds of the clock."""
        self.cancel()
        self._set = self._tasks.create_task(self._sleep(seconds))

    def cancel(self) -> None:
        if self._set is not None:
            self._set.cancel()
            self._set = None

    async def _sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._set = None
        self._ring()
