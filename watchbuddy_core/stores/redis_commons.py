"""What the processes have in common that keep their sessions in one Redis.

watchbuddy:rate:NAME:WHO        when WHO may go at once again as if they never had gone, in
                                microseconds since 1970 by the clock of the Redis; gone by then
watchbuddy:places:PLACE         by process, how many of the place's it holds
watchbuddy:process:ID           there as long as the process is
watchbuddy:tickets:key          what tickets are signed with
watchbuddy:tickets:used:TICKET  there until the ticket would not be good any more

A limit costs one command for a request, two for a connection and one for its end; and one every
few seconds for a process, however many connections it holds.

A limit waits two seconds for the Redis, once. Then this process counts for itself, until the Redis
answers again: it would be worse to turn viewers away, or to have them wait. Tickets are another
matter: without the Redis nobody knows which were used.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import islice
from typing import Any, NoReturn, Self

from watchbuddy_core.commons import Rates
from watchbuddy_core.errors import StorageFull, StoreFailed
from watchbuddy_core.rates import Rate
from watchbuddy_core.stores.alone import LocalRates
from watchbuddy_core.stores.redis_line import USUAL, Line, Patience, Script, Word

_PREFIX = "watchbuddy:"
_PROCESS = f"{_PREFIX}process:"
_RENEW_SECONDS = 2.0
"""From one word of a process to the next that it is still there."""
_LEASE_SECONDS = 20.0
"""A process that has given none for so long is not there any more. A loop that is busy, or a
Redis that starts anew, makes nobody a dead one."""
_MOST_AT_ONCE = 500
"""Places that the Redis is told of in one script: it does nothing else meanwhile."""
_PLACE_MS = 7 * 86_400_000
"""A place of which nothing is heard for so long is forgotten."""
_KEY_SECONDS = 60.0
"""So long a key is used before it is looked at again: where the Redis has lost it, and others
have agreed on another, there are two for no longer than that."""
_SKEW_SECONDS = 60.0
"""By which the clocks of two machines may differ, and no ticket is used twice for it."""
_PATIENCE = USUAL
"""For tickets."""
_HASTE = Patience(2.0)
"""For limits. A process to which thousands come at once is late itself."""

_TAKE = Script("""
-- KEYS: the rates of somebody. ARGV, behind the first, for each of them: microseconds from one
-- to the next, and those in which as many are had at once. See watchbuddy_core/rates.py.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local full_at, wait = {}, 0
for i, key in ipairs(KEYS) do
  full_at[i] = math.max(tonumber(redis.call('GET', key) or 0), now) + ARGV[2 * i]
  wait = math.max(wait, full_at[i] - now - ARGV[2 * i + 1])
end
if wait > 0 then return wait end
for i, key in ipairs(KEYS) do
  local left = math.max(math.ceil((full_at[i] - now) / 1000), 1)
  redis.call('SET', key, string.format('%.0f', full_at[i]), 'PX', left)
end
return 0
""")

_HOLD = Script("""
-- KEYS: places. ARGV, behind the first: the process, what the key of a process begins with, for
-- how many milliseconds a place is remembered; and for each place, how many there are of it, and
-- how many the process holds already.
local process, prefix, remembered = ARGV[2], ARGV[3], ARGV[4]
for i, key in ipairs(KEYS) do
  local most, held = tonumber(ARGV[3 + 2 * i]), tonumber(ARGV[4 + 2 * i])
  local counts = redis.call('HGETALL', key)
  for j = 1, #counts, 2 do
    if counts[j] ~= process then
      if redis.call('EXISTS', prefix .. counts[j]) == 1 then
        held = held + counts[j + 1]
      else
        redis.call('HDEL', key, counts[j])
      end
    end
  end
  if held >= most then return 0 end
end
for i, key in ipairs(KEYS) do
  redis.call('HSET', key, process, ARGV[4 + 2 * i] + 1)
  redis.call('PEXPIRE', key, remembered)
end
return 1
""")

_TELL = Script("""
-- KEYS: the process, and places. ARGV, behind the first: the process, for how many milliseconds
-- that is believed, for how many a place is remembered; and for each place, how many it holds.
local was_there = redis.call('SET', KEYS[1], '', 'PX', ARGV[3], 'GET')
for i = 2, #KEYS do
  local held = ARGV[3 + i]
  if held == '0' then
    redis.call('HDEL', KEYS[i], ARGV[2])
  else
    redis.call('HSET', KEYS[i], ARGV[2], held)
    redis.call('PEXPIRE', KEYS[i], ARGV[4])
  end
end
return was_there and 1 or 0
""")

_log = logging.getLogger("watchbuddy.store")


class RedisCommons:
    """The Commons of every process whose store is in the same Redis.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._redis = _Redis()
        self._places = _Places(self._redis)
        self._now = now
        self._key = b""
        self._key_seen_at = 0.0

    @asynccontextmanager
    async def open(self, line: Line) -> AsyncIterator[Self]:
        """Enter it for as long as the Redis can be asked over this line."""
        self._redis.line = line
        keeping = asyncio.create_task(self._places.keep(), name="places in Redis")
        try:
            yield self
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])
            await self._places.leave()

    def rates(self, rates: Mapping[str, Rate]) -> Rates:
        return _RedisRates(self._redis, rates)

    @asynccontextmanager
    async def hold(self, bounds: Mapping[str, int]) -> AsyncIterator[bool]:
        self._places.begin(bounds.keys())
        try:
            yield await self._places.are_free(bounds)
        finally:
            self._places.end(bounds.keys())

    async def ticket_key(self) -> bytes:
        """Whoever is asked for it first has made it."""
        if self._key and self._now() - self._key_seen_at < _KEY_SECONDS:
            return self._key
        name, line = f"{_PREFIX}tickets:key", self._redis.line
        try:
            await line.ask("SET", name, secrets.token_bytes(32), "NX", patience=_PATIENCE)
            self._key = bytes(await line.ask("GET", name, patience=_PATIENCE))
        except StoreFailed:
            if not self._key:
                raise
        self._key_seen_at = self._now()
        return self._key

    async def use_once(self, ticket: bytes, seconds: float) -> bool:
        name, line = f"{_PREFIX}tickets:used:{ticket.hex()}", self._redis.line
        # A command whose answer is lost is given again, so that it is asked whose it is.
        mine = secrets.token_bytes(8)
        milliseconds = round((seconds + _SKEW_SECONDS) * 1000)
        await line.ask("SET", name, mine, "NX", "PX", milliseconds, patience=_PATIENCE)
        return bool(await line.ask("GET", name, patience=_PATIENCE) == mine)


class _NoAnswer(Exception):
    """Each process counts for itself now."""


class _Redis:
    """Asks what nobody is to wait for."""

    line: Line

    def __init__(self) -> None:
        self._answers = True
        self._is_told = True
        """What the operator believes of that."""
        self._is_asked = False
        """Anybody is bounded here at all. In a worker, nobody is."""

    async def run(self, script: Script, keys: Sequence[str], words: Sequence[Word]) -> Any:
        """What the script says.

        Raises:
            _NoAnswer: the last one had none either, or there is none in time.
        """
        self._is_asked = True
        if not self._answers:
            self._tell()
            raise _NoAnswer
        return await self.try_to_run(script, keys, words)

    async def try_to_run(self, script: Script, keys: Sequence[str], words: Sequence[Word]) -> Any:
        """Likewise, whatever the last one had.

        Raises:
            _NoAnswer
        """
        try:
            async with asyncio.timeout(_HASTE.seconds):
                answer = await self.line.run(script, keys, words, patience=_HASTE)
        except (StoreFailed, StorageFull, TimeoutError):
            self._answers = False
            self._tell()
            raise _NoAnswer from None
        self._answers = True
        self._tell()
        return answer

    def _tell(self) -> None:
        if self._is_asked and self._is_told != self._answers:
            self._is_told = self._answers
            _log.warning(
                "The Redis answers: limits hold for all processes again."
                if self._answers
                else "The Redis does not answer: limits hold for this process alone."
            )


class _RedisRates:
    """Rates that all processes count together."""

    def __init__(self, redis: _Redis, rates: Mapping[str, Rate]) -> None:
        self._redis = redis
        self._alone = LocalRates(rates)
        self._facts = {
            name: (int(rate.interval * 1e6), int(rate.seconds * 1e6))
            for name, rate in rates.items()
        }

    async def take(self, *goers: tuple[str, str]) -> float:
        if not goers:
            return 0.0
        keys = [f"{_PREFIX}rate:{name}:{who}" for name, who in goers]
        facts = [fact for name, _ in goers for fact in self._facts[name]]
        try:
            return float(await self._redis.run(_TAKE, keys, facts)) / 1e6
        except _NoAnswer:
            return await self._alone.take(*goers)


class _Places:
    """The places that this process holds, and what the Redis is told of them.

    They are counted here, with those that are being asked for. The Redis is told numbers, not
    changes: so it can be told again whatever it has missed, or lost.
    """

    def __init__(self, redis: _Redis) -> None:
        self._redis = redis
        self._process = secrets.token_hex(8)
        self._held: Counter[str] = Counter()
        self._untold: set[str] = set()
        """Places of which the Redis may believe something else."""
        self._news = asyncio.Event()

    def begin(self, places: Collection[str]) -> None:
        """Hold one more of each, unless it turns out that there is none."""
        self._held.update(places)

    def end(self, places: Collection[str]) -> None:
        """Hold one less of each. The Redis hears of it at once, and nobody waits for that."""
        self._held.subtract(places)
        for place in places:
            if not self._held[place]:
                del self._held[place]
        self._untold.update(places)
        self._news.set()

    async def are_free(self, bounds: Mapping[str, int]) -> bool:
        """Whether there was room for what has just begun."""
        words: list[Word] = [self._process, _PROCESS, _PLACE_MS]
        for place, most in bounds.items():
            words += (most, self._held[place] - 1)
        try:
            return bool(await self._redis.run(_HOLD, [*map(_key, bounds)], words))
        except _NoAnswer:
            self._untold.update(bounds)
            return all(self._held[place] <= most for place, most in bounds.items())

    async def keep(self) -> NoReturn:
        """Tell the Redis what it does not know, and that this process is there. Runs until
        cancelled."""
        while True:
            self._news.clear()
            with suppress(_NoAnswer):
                await self._tell()
            with suppress(TimeoutError):
                async with asyncio.timeout(_RENEW_SECONDS):
                    await self._news.wait()

    async def _tell(self) -> None:
        """Raises: _NoAnswer."""
        untold = set(islice(self._untold, _MOST_AT_ONCE))
        self._untold -= untold
        keys = [f"{_PROCESS}{self._process}", *map(_key, untold)]
        words: list[Word] = [self._process, round(_LEASE_SECONDS * 1000), _PLACE_MS]
        try:
            told = (self._held[place] for place in untold)
            was_there = await self._redis.try_to_run(_TELL, keys, [*words, *told])
        except BaseException:
            self._untold |= untold
            raise
        if not was_there:
            # It was forgotten, and what it holds, maybe, as well.
            self._untold |= self._held.keys()
        if self._untold:
            self._news.set()

    async def leave(self) -> None:
        """Nothing that this process held is held any more."""
        with suppress(StoreFailed, StorageFull, TimeoutError):
            async with asyncio.timeout(_HASTE.seconds):
                await self._redis.line.ask("DEL", f"{_PROCESS}{self._process}", patience=_HASTE)


def _key(place: str) -> str:
    return f"{_PREFIX}places:{place}"
