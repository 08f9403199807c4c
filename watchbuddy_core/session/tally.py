"""Which sessions are in preparation, for all processes that share a Redis.

    watchbuddy:jobs:open                 by session, the sets that it is counted in: it has a
                                         job, or is to have one
    watchbuddy:jobs:busy                 of those, which are worked on, or wait for a turn, and
                                         the admissions of some that are being created
    watchbuddy:jobs:busy:caller:…        of those, which are of one caller; likewise of one user
                                         of a caller, and of one address

What is here is found out anew from the queue and the logs (see `Worker`): a process that is
killed leaves nothing behind for long.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from watchbuddy_core.session.workshop import Asker
from watchbuddy_core.stores.redis_line import USUAL, Line, Patience, Script

_OPEN = "watchbuddy:jobs:open"
_BUSY = "watchbuddy:jobs:busy"
_LOOKED_AFTER = "watchbuddy:jobs:looked_after"
_ADMITTED_SECONDS = 60
"""An admission is over by then, whoever was killed meanwhile."""

_ADMIT = Script("""
local now = tonumber(redis.call('TIME')[1])
for i, key in ipairs(KEYS) do
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    redis.call('ZREM', key, ARGV[2])
    local held = redis.call('ZCARD', key)
    if held >= tonumber(ARGV[3 + i]) then return {i, held} end
end
for _, key in ipairs(KEYS) do redis.call('ZADD', key, now + ARGV[3], ARGV[2]) end
return {0, 0}
""")
_DISMISS = Script("""
for _, key in ipairs(KEYS) do redis.call('ZREM', key, ARGV[2]) end
""")
_ENTER = Script("""
local is_new = redis.call('HSETNX', KEYS[1], ARGV[2], ARGV[3]) == 1
for i = 2, #KEYS do
    if is_new then redis.call('ZADD', KEYS[i], 'inf', ARGV[2]) end
    redis.call('ZREM', KEYS[i], ARGV[4])
end
""")
_MARK = Script("""
if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then return end
for i = 2, #KEYS do
    if ARGV[3] == '1' then
        redis.call('ZADD', KEYS[i], 'inf', ARGV[2])
    else
        redis.call('ZREM', KEYS[i], ARGV[2])
    end
end
""")
_LEAVE = Script("""
if KEYS[2] and redis.call('ZSCORE', KEYS[2], ARGV[3]) then return 0 end
local sets = redis.call('HGET', KEYS[1], ARGV[2])
if not sets then return 0 end
redis.call('HDEL', KEYS[1], ARGV[2])
for _, key in ipairs(cjson.decode(sets)) do redis.call('ZREM', key, ARGV[2]) end
return 1
""")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many sessions may be in preparation."""

    all: int
    per_user: int
    per_caller: int
    per_address: int


@dataclass(frozen=True, slots=True)
class Crowded:
    """There is no room: of these there are too many already."""

    held: int
    is_everybody: bool


class Tally:
    """Counts them. Its methods raise StoreFailed or StorageFull where the Redis is away.

    Args:
        line: a connection to that Redis, as a RedisStore has one.
    """

    def __init__(self, line: Line) -> None:
        self._line = line

    async def admit(self, admission: str, asker: Asker, bounds: Bounds) -> Crowded | None:
        """Count one that is being created, under a name of its own; or say why not."""
        sets = {_BUSY: bounds.all}
        if asker.user_id is not None:
            sets[_of_user(asker)] = bounds.per_user
        sets[_of_caller(asker)] = bounds.per_caller
        if asker.address is not None:
            sets[_of_address(asker)] = bounds.per_address
        which, held = await self._line.run(
            _ADMIT, [*sets], [admission, _ADMITTED_SECONDS, *sets.values()]
        )
        return Crowded(int(held), is_everybody=which == 1) if which else None

    async def dismiss(self, admission: str, asker: Asker) -> None:
        """It is created by now, or will not be."""
        await self._line.run(_DISMISS, _sets_of(asker), [admission], lasts=True)

    async def enter(self, session_id: str, asker: Asker, *, admission: str = "") -> None:
        """It is to have a job; it counts in the place of its admission."""
        sets = _sets_of(asker)
        arguments = [session_id, json.dumps(sets), admission]
        await self._line.run(_ENTER, [_OPEN, *sets], arguments, turn=session_id)

    async def mark(self, session_id: str, asker: Asker, *, is_busy: bool) -> None:
        """There is something to do for it, or there is not."""
        await self._line.run(
            _MARK, [_OPEN, *_sets_of(asker)], [session_id, int(is_busy)], turn=session_id
        )

    async def leave(
        self, session_id: str, *, unless: tuple[str, str] | None = None, patience: Patience = USUAL
    ) -> None:
        """It is to have no job any more.

        Args:
            unless: a sorted set and a member of it: if that is in it, nothing happens.
        """
        key, member = unless or ("", "")
        keys = [_OPEN, key] if unless else [_OPEN]
        await self._line.run(_LEAVE, keys, [session_id, member], turn=session_id, patience=patience)

    async def take_turn(self, seconds: float) -> bool:
        """Whether nobody else has looked after them for so long."""
        words = (_LOOKED_AFTER, "", "NX", "PX", round(seconds * 1000))
        return await self._line.ask("SET", *words) is not None

    async def entered(self) -> Sequence[str]:
        """All that are to have a job."""
        return [one.decode() for one in await self._line.ask("HKEYS", _OPEN)]

    async def counts(self) -> tuple[int, int]:
        """How many are to have a job, and for how many of them there is something to do."""
        jobs = int(await self._line.ask("HLEN", _OPEN))
        return jobs, int(await self._line.ask("ZCARD", _BUSY))


def _sets_of(asker: Asker) -> list[str]:
    sets = [_BUSY, _of_caller(asker)]
    if asker.user_id is not None:
        sets.append(_of_user(asker))
    if asker.address is not None:
        sets.append(_of_address(asker))
    return sets


def _of_caller(asker: Asker) -> str:
    return f"{_BUSY}:caller:{_short(asker.caller)}"


def _of_user(asker: Asker) -> str:
    return f"{_BUSY}:user:{_short(asker.caller, asker.user_id)}"


def _of_address(asker: Asker) -> str:
    return f"{_BUSY}:address:{_short(asker.address)}"


def _short(*words: str | None) -> str:
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:24]
