"""Writes into the SQLite file of sessions: what is asked for at about the same time, in one
transaction, so that the disk is waited for once for all of it.

While nothing can be written, what may wait for that is kept in memory, in a Tail.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import OrderedDict, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from watchbuddy_core.entries import Logged, Role
from watchbuddy_core.errors import BudgetReached, StaleFence, StorageFull, StoreFailed
from watchbuddy_core.stores.answers import settle
from watchbuddy_core.stores.sqlite_file import BUSY_MS, MIGRATIONS, failure_of, passes, rolled_back
from watchbuddy_core.stores.tail import Row, Tail

if TYPE_CHECKING:
    import aiosqlite

TRIFLE = f"PRAGMA user_version = {len(MIGRATIONS)}"
"""Something to write that changes nothing, and shows that writing works."""
_MOST_AT_ONCE = 512
_MOST_ASIDE = 64
"""So many values wait to be written into caches. More are not."""
_REMEMBERED = 20_000
"""So many ends of logs, and fences, are kept in mind."""
_SHORTEST_PAUSE = 1 / 16
"""The first of the pauses between attempts at writing, as a share of the longest. Each is twice
as long as the one before."""
_TOLD_AGAIN = 60.0
"""Seconds in which the operator is told no more than once that nothing can be written."""
ROLES: tuple[Role, ...] = ("producer", "deliverer")
_BOOK = """
    INSERT INTO spent VALUES (?, round(?, 9))
    ON CONFLICT (account) DO UPDATE SET amount = round(amount + excluded.amount, 9)
"""
"""Rounded to a billionth of a dollar, so that what is put back leaves nothing behind."""

_T = TypeVar("_T")
_K = TypeVar("_K")

_log = logging.getLogger("watchbuddy.store")


@dataclass(slots=True)
class Known:
    """The last positions of logs, and the newest fences, as far as they are kept in mind: nobody
    else writes the file."""

    ends: OrderedDict[str, int] = field(default_factory=OrderedDict)
    fences: OrderedDict[tuple[str, Role], int] = field(default_factory=OrderedDict)

    def learn(self, ends: Mapping[str, int], fences: Mapping[tuple[str, Role], int]) -> None:
        _keep_in_mind(self.ends, ends)
        _keep_in_mind(self.fences, fences)

    def forget(self, session_id: str) -> None:
        self.ends.pop(session_id, None)
        for role in ROLES:
            self.fences.pop((session_id, role), None)


@dataclass(slots=True)
class Writing:
    """What is written together: rows are gathered, and put down at its end."""

    database: aiosqlite.Connection
    tail: Tail
    known: Known
    rows: list[Row] = field(default_factory=list)
    ends: dict[str, int] = field(default_factory=dict)
    """Of the logs that grow in it: the last position."""
    fences: dict[tuple[str, Role], int] = field(default_factory=dict)
    """The newest ones, as far as it has to do with them."""
    taken: dict[tuple[str, Role], int] = field(default_factory=dict)
    """Of these, the ones that are new."""
    booked: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """US dollars, by account."""
    news: list[tuple[str, list[Logged]]] = field(default_factory=list)
    """What followers are handed when it stands."""
    is_for_later: bool = False
    """It is kept in memory: nothing can be written."""

    async def end_of(self, session_id: str) -> int:
        """The last position of a log."""
        for ends in (self.ends, self.tail.ends, self.known.ends):
            if session_id in ends:
                return ends[session_id]
        statement = "SELECT max(position) FROM log WHERE session_id = ?"
        async with self.database.execute(statement, (session_id,)) as found:
            row = await found.fetchone()
        return (row[0] if row else None) or 0

    async def newest(self, session_id: str, role: Role) -> int:
        """The fence that may write in this role."""
        for fences in (self.fences, self.tail.fences, self.known.fences):
            if (session_id, role) in fences:
                return fences[session_id, role]
        statement = "SELECT number FROM fences WHERE session_id = ? AND role = ?"
        async with self.database.execute(statement, (session_id, role)) as found:
            row = await found.fetchone()
        number = self.fences[session_id, role] = row[0] if row else 0
        return number

    async def balance(self, account: str) -> float:
        """What was spent from an account."""
        statement = "SELECT amount FROM spent WHERE account = ?"
        async with self.database.execute(statement, (account,)) as found:
            row = await found.fetchone()
        return (row[0] if row else 0.0) + self.booked.get(account, 0.0)

    def book(self, accounts: Collection[str], amount: float) -> None:
        """Take US dollars from each of the accounts."""
        for account in accounts:
            self.booked[account] += amount

    def drop(self, session_id: str) -> None:
        """The session is deleted: nothing of it is put down."""
        self.rows = [row for row in self.rows if row[0] != session_id]
        self.ends[session_id] = 0
        for role in ROLES:
            self.fences[session_id, role] = 0
            self.taken.pop((session_id, role), None)

    async def put_down(self) -> None:
        """Write what was gathered."""
        if self.rows:
            await self.database.executemany("INSERT INTO log VALUES (?, ?, ?, ?)", self.rows)
        if self.taken:
            taken = [(*key, number) for key, number in self.taken.items()]
            await self.database.executemany("REPLACE INTO fences VALUES (?, ?, ?)", taken)
        if self.booked:
            await self.database.executemany(_BOOK, list(self.booked.items()))


@dataclass(slots=True)
class _Order(Generic[_T]):
    """Something to be written, and who waits for it."""

    write: Callable[[Writing], Awaitable[_T]]
    done: asyncio.Future[_T]
    may_wait: bool
    is_aside: bool


class Writer:
    """Takes orders, and writes them.

    Args:
        database: to be written into; nobody else does.
        retry_seconds: while it cannot be written, that is tried again after so long, at first
            sooner.
        tell: is given what grows a log, when it stands.
    """

    def __init__(
        self,
        database: aiosqlite.Connection,
        *,
        retry_seconds: float,
        tell: Callable[[str, Sequence[Logged]], None],
    ) -> None:
        self.database = database
        self.tail = Tail()
        """What waits for being written."""
        self.known = Known()
        self._retry_seconds = retry_seconds
        self._tell = tell
        self._orders: asyncio.Queue[_Order[Any]] = asyncio.Queue()
        self._aside: deque[_Order[Any]] = deque()
        self._failure: StorageFull | StoreFailed | None = None
        """Why nothing can be written at the moment."""
        self._at_work = asyncio.Lock()
        self._pause = 0.0
        self._try_at = 0.0
        """When writing is tried again, in the loop's seconds."""
        self._told_at: float | None = None
        """When the operator was told that nothing can be written."""
        self._is_told = False
        """Whether they know that it is so at the moment."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Orders are written as long as the context lasts; those that have come by its end, too."""
        writing = asyncio.create_task(self._write_on(), name="write sessions")
        try:
            yield
        finally:
            await self._orders.join()
            async with self._at_work:
                writing.cancel()
            await asyncio.wait([writing])
            if self.tail:
                await self._try_again()
            if self.tail:
                _log.error(
                    "%s %d entries that waited for it are lost: where viewers were last, and what"
                    " they were sent since.",
                    self._failure,
                    len(self.tail),
                )

    async def order(
        self,
        write: Callable[[Writing], Awaitable[_T]],
        *,
        may_wait: bool = False,
    ) -> _T:
        """Have it written. Who is cancelled meanwhile does not take it back.

        Args:
            may_wait: it counts also where it is but kept in memory, as long as nothing can be
                written.

        Raises:
            StorageFull, StoreFailed: it was not written; and whatever `write` raises.
        """
        return await self._place(write, may_wait=may_wait)

    async def order_aside(self, write: Callable[[aiosqlite.Connection], Awaitable[None]]) -> None:
        """Have it written in a transaction of its own, when it is its turn: it is large, and
        nobody is late for it.

        Raises:
            StorageFull, StoreFailed: it was not written.
        """
        if len(self._aside) >= _MOST_ASIDE:
            raise StoreFailed("Too much waits to be written.")
        await self._place(lambda writing: write(writing.database), is_aside=True)

    async def _place(
        self,
        write: Callable[[Writing], Awaitable[_T]],
        *,
        may_wait: bool = False,
        is_aside: bool = False,
    ) -> _T:
        done: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._orders.put_nowait(_Order(write, done, may_wait, is_aside))
        return await asyncio.shield(done)

    async def _write_on(self) -> None:
        while True:
            orders = await self._next_orders()
            aside = [self._aside.popleft()] if self._aside else []
            try:
                async with self._at_work:
                    await self._write(orders)
                    if aside:
                        await self._write(aside)
            finally:
                for _ in (*orders, *aside):
                    self._orders.task_done()

    async def _next_orders(self) -> Sequence[_Order[Any]]:
        """All that wait and belong together. None, where something waits aside, or it is time
        to try again whether anything can be written."""
        orders: list[_Order[Any]] = []
        if not self._aside:
            try:
                async with asyncio.timeout_at(self._try_at if self._failure else None):
                    order = await self._orders.get()
            except TimeoutError:
                return orders
            (self._aside if order.is_aside else orders).append(order)
        while len(orders) < _MOST_AT_ONCE and not self._orders.empty():
            order = self._orders.get_nowait()
            (self._aside if order.is_aside else orders).append(order)
        return orders

    async def _write(self, orders: Sequence[_Order[Any]]) -> None:
        """All of them in one transaction. What one refuses is its own; what fails, fails all,
        but for what may wait. Without orders: only what has waited."""
        if self._failure is not None and asyncio.get_running_loop().time() >= self._try_at:
            await self._try_again()
        if self._failure is not None:
            await self._keep(orders)
            return
        if not orders:
            return
        try:
            await self._put_down(orders)
        except sqlite3.Error as exc:
            if passes(exc):
                await self._give_up_for_now(exc)
                await self._keep(orders)
            else:
                _log.error("sessions cannot be written", exc_info=exc)
                _refuse(orders, failure_of(exc))
        except Exception as exc:  # noqa: BLE001 - whatever it is, those who wait are told
            _refuse(orders, exc)

    async def _put_down(self, orders: Sequence[_Order[Any]], *, probes: bool = False) -> None:
        """Write them, and first what waits for that.

        Args:
            probes: write something also where there is nothing to write.

        Raises:
            sqlite3.Error: nothing of it is written.
        """
        tail = self.tail
        writing = Writing(
            self.database,
            tail,
            self.known,
            rows=list(tail),
            ends=dict(tail.ends),
            fences=dict(tail.fences),
            taken=dict(tail.fences),
            booked=tail.booked.copy(),
        )
        try:
            await rolled_back(self.database)
            await self.database.execute("BEGIN IMMEDIATE")
            outcomes = [await _outcome(order, writing) for order in orders]
            await writing.put_down()
            if probes:
                await self.database.execute(TRIFLE)
            await self.database.execute("COMMIT")
        except BaseException:
            await rolled_back(self.database)
            raise
        tail.clear()
        self._remember(writing)
        for order, outcome in zip(orders, outcomes, strict=True):
            settle(order.done, outcome)

    # --- while nothing can be written --------------------------------------------------

    async def _keep(self, orders: Sequence[_Order[Any]]) -> None:
        """In memory, of what was asked for, what may wait; the rest is refused."""
        assert self._failure is not None
        writing = Writing(self.database, self.tail, self.known, is_for_later=True)
        outcomes: list[Any] = []
        for order in orders:
            if order.may_wait:
                try:
                    outcomes.append(await _outcome(order, writing))
                except sqlite3.Error as exc:  # it cannot be read either
                    outcomes.append(failure_of(exc))
            else:
                outcomes.append(self._failure)
        self.tail.keep(writing.rows, writing.ends, writing.taken, writing.booked)
        self._remember(writing)
        for order, outcome in zip(orders, outcomes, strict=True):
            settle(order.done, outcome)

    async def _give_up_for_now(self, exc: sqlite3.Error) -> None:
        now = asyncio.get_running_loop().time()
        if self._failure is None:
            self._pause = self._retry_seconds * _SHORTEST_PAUSE
            # Whoever has the file is waited for once; from now on it is only looked whether
            # they have gone.
            await self.database.execute("PRAGMA busy_timeout = 0")
            if self._told_at is None or now - self._told_at > _TOLD_AGAIN:
                self._told_at, self._is_told = now, True
                _log.warning(
                    "%s What is ready plays on; nothing new is begun until it can be written.",
                    failure_of(exc),
                )
        self._failure = failure_of(exc)
        self._try_at = now + self._pause
        self._pause = min(2 * self._pause, self._retry_seconds)

    async def _try_again(self) -> None:
        """Write what waits for that, if it can be written now."""
        waiting = len(self.tail)
        try:
            await self._put_down((), probes=True)
        except sqlite3.Error as exc:
            await self._give_up_for_now(exc)
            return
        await self.database.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        self._failure = None
        if self._is_told:
            self._is_told = False
            _log.warning("Sessions can be written again; so were %d entries that waited.", waiting)

    def _remember(self, writing: Writing) -> None:
        self.known.learn(writing.ends, writing.fences)
        for session_id, logged in writing.news:
            self._tell(session_id, logged)


async def _outcome(order: _Order[_T], writing: Writing) -> _T | Exception:
    """What comes of it, or why it is refused."""
    try:
        return await order.write(writing)
    except (StaleFence, BudgetReached, StorageFull) as exc:
        return exc


def _refuse(orders: Sequence[_Order[Any]], failure: Exception) -> None:
    for order in orders:
        settle(order.done, failure)


def _keep_in_mind(known: OrderedDict[_K, int], news: Mapping[_K, int]) -> None:
    for key, value in news.items():
        known[key] = value
        known.move_to_end(key)
    while len(known) > _REMEMBERED:
        known.popitem(last=False)
