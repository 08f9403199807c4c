"""A clock that passes only while those who look at it get their turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from itertools import count

_TICK_SECONDS = 0.004
"""Real seconds."""
_TICK_OF_OTHERS = 0.02
"""And where others have to be asked."""


class OwnClock:
    """At most `speed` times as fast as the real time, and slower while the machine is busy.

    Where a server, a client and a player are one program, a machine that stops them for a
    while stops the film as well: whatever is on its way to whom, it comes no later by this
    clock.

    Args:
        turn: is done before each tick. Where the server is another program, an answer of it:
            while that has no turn, no time passes either.
    """

    def __init__(self, *, speed: float, turn: Callable[[], Awaitable[None]] | None = None) -> None:
        self._tick = _TICK_SECONDS if turn is None else _TICK_OF_OTHERS
        self._step = speed * self._tick
        self._turn = turn
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
            await asyncio.sleep(self._tick)
            if self._turn is not None:
                await self._turn()
            self._now += self._step
            while self._sleeping and self._sleeping[0][0] <= self._now:
                _, _, waking = heappop(self._sleeping)
                if not waking.done():
                    waking.set_result(None)


@asynccontextmanager
async def own_clock(
    *, speed: float, turn: Callable[[], Awaitable[None]] | None = None
) -> AsyncIterator[OwnClock]:
    """One that runs."""
    clock = OwnClock(speed=speed, turn=turn)
    running = asyncio.create_task(clock.run())
    try:
        yield clock
    finally:
        running.cancel()
        await asyncio.wait([running])
