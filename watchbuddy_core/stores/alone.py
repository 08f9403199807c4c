"""What processes have in common, for a program that is one process: all of it in its memory."""

from __future__ import annotations

import secrets
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from watchbuddy_core.commons import Rates
from watchbuddy_core.rates import Buckets, Rate


class Alone:
    """The Commons of a process that shares its store with none.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._held: Counter[str] = Counter()
        self._key = secrets.token_bytes(32)
        self._used: set[bytes] = set()
        self._forget: deque[tuple[float, bytes]] = deque()
        """What was used, until it would not be good any more."""

    def rates(self, rates: Mapping[str, Rate]) -> Rates:
        return LocalRates(rates, now=self._now)

    @asynccontextmanager
    async def hold(self, bounds: Mapping[str, int]) -> AsyncIterator[bool]:
        if any(self._held[place] >= most for place, most in bounds.items()):
            yield False
            return
        self._held.update(bounds.keys())
        try:
            yield True
        finally:
            self._held.subtract(bounds.keys())
            for place in bounds:
                if not self._held[place]:
                    del self._held[place]

    async def ticket_key(self) -> bytes:
        """Made anew with the program: tickets end with it."""
        return self._key

    async def use_once(self, ticket: bytes, seconds: float) -> bool:
        now = self._now()
        while self._forget and self._forget[0][0] <= now:
            self._used.discard(self._forget.popleft()[1])
        if ticket in self._used:
            return False
        self._used.add(ticket)
        self._forget.append((now + seconds, ticket))
        return True


class LocalRates:
    """Rates in the memory of this process.

    Args:
        now: monotonic seconds.
    """

    def __init__(
        self, rates: Mapping[str, Rate], *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._now = now
        self._buckets = {name: Buckets[str](rate) for name, rate in rates.items()}

    async def take(self, *goers: tuple[str, str]) -> float:
        now = self._now()
        wait = 0.0
        for name, who in goers:
            wait = max(wait, self._buckets[name].wait(who, now))
        if not wait:
            for name, who in goers:
                self._buckets[name].take(who, now)
        return wait
