"""A connection to a Redis, over which commands go in the order in which they were asked for.

All that are asked for while an answer is under way go out together: what two thousand sessions
write at about the same time costs a few round trips. A command whose answer was lost, or that
cannot be answered now, is given again, until its time is up. So each of them must be safe to
give twice: a script learns from its first argument that it may have run before.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from watchbuddy_core.errors import StorageFull, StoreFailed
from watchbuddy_core.stores.answers import settle
from watchbuddy_core.stores.redis_failures import Trouble, failure_of, is_final, passes

if TYPE_CHECKING:
    from redis.asyncio import Connection

Word = str | bytes | int
Greet = Callable[["Connection"], Awaitable[None]]

USUAL_SECONDS = 6.0
REPLY_SECONDS = 4.0
"""So long is waited for a connection, or for the answers to what went out together. Behind that,
the connection is taken for a broken one."""
_MOST_AT_ONCE = 512
_MOST_BYTES_AT_ONCE = 1_000_000
_SHORTEST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
"""Seconds between attempts, each twice as long as the one before."""
_CANCELLED_AGAIN_SECONDS = 0.1
_CLOSING_SECONDS = 1.0
"""What is not answered so long after the end is given up."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a command is tried."""

    seconds: float
    waits_for_room: bool = False
    """Also where the Redis is there, and takes nothing new at the moment."""
    is_exact: bool = False
    """What may have been carried out is tried until it is known: who gives it up would do it
    again."""


USUAL = Patience(USUAL_SECONDS)
LIVE = Patience(60.0, waits_for_room=True)
"""For what somebody writes who is watching: who hears of a failure loses their connection."""
HASTY = Patience(1.0)
"""For what may as well be left."""
ENDLESS = Patience(math.inf, waits_for_room=True)


@dataclass(frozen=True)
class Script:
    """Lua that runs in the Redis. Its first argument is `1` where it may have run before."""

    text: str

    @cached_property
    def name(self) -> str:
        return hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


@dataclass(slots=True, eq=False)
class _Order:
    """A command, and who waits for its answer."""

    words: tuple[bytes, ...]
    done: asyncio.Future[Any]
    patience: Patience
    until: float
    """When it is given up, in the loop's seconds."""
    script: Script | None = None
    """Then `words` are the number of keys, the keys and the arguments."""
    turn: str | None = None
    """Orders with the same turn go out one after the other."""
    is_unsure: bool = False
    """It may have been carried out: it went out, and nothing came back."""
    was_unsure: bool = False
    """Before it went out the last time. Where that was refused, it is so still."""
    is_unknown: bool = False
    """The Redis does not know the script yet."""
    not_before: float = -math.inf

    def command(self) -> tuple[bytes, ...]:
        if self.script is None:
            return self.words
        keys = int(self.words[0]) + 1
        text = (b"EVAL", self.script.text.encode())
        name = (b"EVALSHA", self.script.name.encode())
        again = b"1" if self.is_unsure else b"0"
        how = text if self.is_unknown else name
        return (*how, *self.words[:keys], again, *self.words[keys:])

    @property
    def must_be_known(self) -> bool:
        """It is tried until there is an answer, however long that takes."""
        return self.is_unsure and self.patience.is_exact

    def size_bytes(self) -> int:
        return sum(map(len, self.words))


@dataclass(eq=False)
class Line:
    """Takes commands. Enter `open` for as long as there is something to be asked.

    Args:
        connect: makes a connection that is not connected yet.
        greet: what is said on each new connection, before anything else. What it raises counts
            as a failure of the connection.
    """

    connect: Callable[[], Connection]
    trouble: Trouble
    greet: Greet | None = None
    reply_seconds: float = REPLY_SECONDS
    usual_seconds: float = USUAL_SECONDS
    """For which a command is tried where nothing is said."""
    _waiting: deque[_Order] = field(default_factory=deque)
    _under_way: Sequence[_Order] = ()
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _connection: Connection | None = None
    _failures: int = 0
    """In succession."""
    _failure: Exception | None = None
    """The last one."""
    _is_closed: bool = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Line]:
        async with opened(self):
            yield self

    async def _end(self, carrying: asyncio.Task[None]) -> None:
        """Take nothing more; what was asked for has a moment to be answered."""
        self._is_closed = True
        self._news.set()
        await asyncio.wait([carrying], timeout=_CLOSING_SECONDS)
        await ended(carrying)
        for order in (*self._under_way, *self._waiting):
            settle(order.done, StoreFailed("The server ends."))
        await self._hang_up()

    async def ask(
        self,
        *words: Word,
        patience: Patience | None = None,
        turn: str | None = None,
        lasts: bool = False,
    ) -> Any:
        """The answer to a command that is safe to give twice.

        Args:
            turn: commands with the same turn go out one after the other.
            lasts: it goes out also where whoever asks is cancelled meanwhile.

        Raises:
            StorageFull, StoreFailed: there is no answer, or a refusal.
        """
        order = self._order(words, patience, turn)
        return await self._ordered(order, lasts=lasts)

    async def run(
        self,
        script: Script,
        keys: Sequence[Word],
        arguments: Sequence[Word] = (),
        *,
        patience: Patience | None = None,
        turn: str | None = None,
        lasts: bool = False,
    ) -> Any:
        """What a script returns; likewise."""
        order = self._order((len(keys), *keys, *arguments), patience, turn)
        order.script = script
        return await self._ordered(order, lasts=lasts)

    async def _ordered(self, order: _Order, *, lasts: bool) -> Any:
        if self._is_closed:
            raise StoreFailed("The server ends.")
        self._waiting.append(order)
        self._news.set()
        return await (asyncio.shield(order.done) if lasts else order.done)

    def _order(
        self, words: tuple[Word, ...], patience: Patience | None, turn: str | None
    ) -> _Order:
        patience = patience or Patience(self.usual_seconds)
        done = asyncio.get_running_loop().create_future()
        until = self._now() + patience.seconds
        # What cannot be said is the failure of who would say it, and not of the connection.
        said = tuple(word if isinstance(word, bytes) else str(word).encode() for word in words)
        return _Order(said, done, patience, until, turn=turn)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # --- carrying ----------------------------------------------------------------------

    async def _carry(self) -> None:
        while True:
            self._news.clear()
            orders = self._under_way = self._next_orders()
            if not orders:
                if self._is_closed and not self._waiting:
                    return
                await self._wait(self._next_time())
                continue
            try:
                replies = await self._exchange(orders)
            except Exception as exc:  # noqa: BLE001 - whatever it is, those who wait are told
                await self._hang_up()
                await self._failed(orders, exc)
            else:
                await self._settle(orders, replies)

    def _next_orders(self) -> list[_Order]:
        """Those that may go out together; they wait no longer."""
        now = self._now()
        orders: list[_Order] = []
        left: list[_Order] = []
        turns: set[str] = set()
        size = 0
        while self._waiting and len(orders) < _MOST_AT_ONCE and size < _MOST_BYTES_AT_ONCE:
            order = self._waiting.popleft()
            if order.done.done():
                continue
            if order.not_before > now or order.turn in turns:
                is_late = order.until <= now and not order.must_be_known
                if self._failure is not None and is_late:
                    settle(order.done, self._failure)  # those before it have waited in vain as well
                    continue
                left.append(order)
            else:
                orders.append(order)
                size += order.size_bytes()
            if order.turn is not None:
                turns.add(order.turn)
        self._waiting.extendleft(reversed(left))
        return orders

    def _next_time(self) -> float | None:
        """When there is something to do without anybody's asking."""
        now = self._now()
        times = (order.not_before for order in self._waiting)
        return min((time for time in times if time > now), default=None)

    async def _wait(self, until: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._news.wait()

    async def _exchange(self, orders: Sequence[_Order]) -> list[Any]:
        from redis.exceptions import ResponseError

        async with asyncio.timeout(self.reply_seconds):
            connection = await self._connected()
            commands = connection.pack_commands([order.command() for order in orders])
            for order in orders:
                order.was_unsure, order.is_unsure = order.is_unsure, True
            await connection.send_packed_command(commands)
            replies: list[Any] = []
            for _ in orders:
                try:
                    replies.append(await connection.read_response())
                except ResponseError as exc:
                    replies.append(exc)
            return replies

    async def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self.connect()
            await self._connection.connect()  # type: ignore[no-untyped-call]
            if self.greet is not None:
                await self.greet(self._connection)
        return self._connection

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                await connection.disconnect(nowait=True)

    async def _failed(self, orders: Sequence[_Order], exc: Exception) -> None:
        """They wait again. The first time at once: what was broken may be but the connection."""
        failure = self._failure = failure_of(exc)
        self._waiting.extendleft(reversed(orders))
        self._failures += 1
        if self._failures > 1:
            self.trouble.met(self, failure)
        pause = 0.0
        if self._failures > 1:
            pause = min(_SHORTEST_PAUSE * 2 ** min(self._failures, 10), _LONGEST_PAUSE)
        self._give_up(self._now() + pause, failure, is_final=is_final(exc))
        await asyncio.sleep(pause)

    async def _settle(self, orders: Sequence[_Order], replies: Sequence[Any]) -> None:
        from redis.exceptions import NoScriptError, ReadOnlyError

        self._failures = 0
        now = self._now()
        refused: list[_Order] = []
        if any(isinstance(reply, ReadOnlyError) for reply in replies):
            await self._hang_up()  # another may be behind the name by now
        for order, reply in zip(orders, replies, strict=True):
            order.is_unsure = order.was_unsure
            if isinstance(reply, NoScriptError):
                order.is_unknown = True
                refused.append(order)
            elif isinstance(reply, Exception):
                failure = self._failure = failure_of(reply)
                self.trouble.met(self, failure)
                waits_for_room = order.patience.waits_for_room
                may_wait = waits_for_room or not isinstance(failure, StorageFull)
                may_wait = may_wait and now + _LONGEST_PAUSE < order.until
                if passes(reply) and (may_wait or order.must_be_known):
                    order.not_before = now + _LONGEST_PAUSE
                    refused.append(order)
                else:
                    settle(order.done, failure)
            else:
                order.is_unknown = False
                settle(order.done, reply)
        self._waiting.extendleft(reversed(refused))
        if not any(isinstance(reply, Exception) for reply in replies):
            self.trouble.over(self)

    def _give_up(self, now: float, failure: Exception, *, is_final: bool = False) -> None:
        """On those whose time is up; and where it is in vain, on those that do not wait long."""
        for order in self._waiting:
            is_vain = is_final and not order.patience.waits_for_room
            if (order.until <= now or is_vain) and not order.must_be_known:
                settle(order.done, failure)


@asynccontextmanager
async def opened(*lines: Line) -> AsyncIterator[None]:
    """Have several open, which end together: where nothing answers, that is waited for once."""
    carrying = [asyncio.create_task(one._carry(), name="commands to Redis") for one in lines]
    try:
        yield
    finally:
        async with asyncio.TaskGroup() as tasks:
            for line, task in zip(lines, carrying, strict=True):
                tasks.create_task(line._end(task))


async def ended(task: asyncio.Task[None]) -> None:
    """Cancel a task that talks to the Redis, and wait until it has ended.

    Versions of redis-py lose a cancellation, such as while they connect.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_CANCELLED_AGAIN_SECONDS)
