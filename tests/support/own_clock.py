"""A clock that passes only while the program that looks at it gets its turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from itertools import count

_TICK_SECONDS = 0.004
"""Real seconds."""


class OwnClock:
    """At most `speed` times as fast as the real time, and slower while the machine is busy.

    Where a server, a client and a player are one program, a machine that stops them for a
    while stops the film as well: whatever is on its way to whom, it comes no later by this
    clock.
    """

    def __init__(self, *, speed: float) -> None:
        self._step = speed * _TICK_SECONDS
        self._now = 0.0
        self._numbers = count()
        self._sleeping: list[tuple[float, int, asyncio.Future[None]]] = []
        """A heap, by when they are to be woken."""

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        waking = asyncio.get_running_loop().create_future()
        heappush(self._sleeping, (self._now + seconds, next(self._numbers), waking))
        await waking

    async def run(self) -> None:
        """Until cancelled. A tick takes one turn of the loop at least, however late it comes."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._now += self._step
            while self._sleeping and self._sleeping[0][0] <= self._now:
                _, _, waking = heappop(self._sleeping)
                if not waking.done():
                    waking.set_result(None)


@asynccontextmanager
async def own_clock(*, speed: float) -> AsyncIterator[OwnClock]:
    """One that runs."""
    clock = OwnClock(speed=speed)
    running = asyncio.create_task(clock.run())
    try:
        yield clock
    finally:
        running.cancel()
        await asyncio.wait([running])
