"""Sessions in one SQLite file: they outlive the program, however it ends.

sessions      one row each: what it was created with
log           the entries, by session and position
fences        the newest fence of each role
spent         US dollars, by account
preferences   how much users want to hear
cached        what may be forgotten, in caches by name; beside it, cached_values

What is asked for at about the same time is written in one transaction, so that the disk is
waited for once for all of it: an entry is on the disk when `append` returns, and two thousand
sessions do not wait for two thousand disks. Reading goes beside writing (WAL).

While nothing can be written (the disk is full or read-only, or another program holds the file),
what connections write is kept in memory and written as soon as that is possible: viewers go on
watching. Everything else is refused until then, so that nothing new is begun or paid for.

One program at a time: it holds a lock beside the file.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import OrderedDict, defaultdict, deque
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from pydantic import TypeAdapter, ValidationError

from watchbuddy_core.accounts import is_before, is_of_user, of_session
from watchbuddy_core.actions import Density
from watchbuddy_core.entries import Entry, Fence, Logged, Role
from watchbuddy_core.errors import (
    BudgetReached,
    SessionNotFound,
    StaleFence,
    StorageFull,
    StoreFailed,
)
from watchbuddy_core.protocols import Cache, ProgressReport, SessionRecord
from watchbuddy_core.stores.progress import ProgressBoard
from watchbuddy_core.stores.sqlite_cache import SQLiteCache
from watchbuddy_core.stores.sqlite_file import (
    BUSY_MS,
    MIGRATIONS,
    check,
    database,
    failure_of,
    identity,
    locked,
    migrate,
    passes,
    remove,
    rolled_back,
)
from watchbuddy_core.stores.tail import Row, Tail

if TYPE_CHECKING:
    import aiosqlite

_TRIFLE = f"PRAGMA user_version = {len(MIGRATIONS)}"
"""Something to write that changes nothing, and shows that writing works."""
_MOST_AT_ONCE = 512
_MANY_ROWS = 500
"""More than these take milliseconds to be understood."""
_SPARE_PAGES = 256
"""So many pages are left in the file for what comes next."""
MOST_PREFERENCES = 100_000
"""So many are kept, the last ones."""
_GIVEN_BACK = 64
"""So many pages are given back at a time: some ten milliseconds, in which nothing else is
written."""
_MOST_ASIDE = 64
"""So many values wait to be written into caches. More are not."""
_REMEMBERED = 20_000
"""So many ends of logs, and fences, are kept in mind."""
_SHORTEST_PAUSE = 1 / 16
"""The first of the pauses between attempts at writing, as a share of the longest. Each is twice
as long as the one before."""
_TOLD_AGAIN = 60.0
"""Seconds in which the operator is told no more than once that nothing can be written."""

_COPIED = ("sessions", "log", "fences", "spent", "preferences")
"""The tables of which there is no second copy anywhere."""
_ROLES: tuple[Role, ...] = ("producer", "deliverer")
_ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)
_T = TypeVar("_T")
_K = TypeVar("_K")

_log = logging.getLogger("watchbuddy.store")


@dataclass(slots=True)
class _Order(Generic[_T]):
    """Something to be written, and who waits for it."""

    write: Callable[[_Writing], Awaitable[_T]]
    done: asyncio.Future[_T]
    may_wait: bool
    """It counts also where it is but kept in memory, as long as nothing can be written."""
    is_aside: bool
    """It is large, and nobody is late for it: it has a transaction of its own."""


@dataclass(slots=True)
class _Writing:
    """What is written together: rows are gathered, and put down at its end."""

    database: aiosqlite.Connection
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

    async def balance(self, account: str) -> float:
        """What was spent from an account."""
        statement = "SELECT amount FROM spent WHERE account = ?"
        async with self.database.execute(statement, (account,)) as found:
            row = await found.fetchone()
        return (row[0] if row else 0.0) + self.booked.get(account, 0.0)

    async def put_down(self) -> None:
        """Write what was gathered."""
        if self.rows:
            await self.database.executemany("INSERT INTO log VALUES (?, ?, ?, ?)", self.rows)
        if self.taken:
            taken = [(*key, number) for key, number in self.taken.items()]
            await self.database.executemany("REPLACE INTO fences VALUES (?, ?, ?)", taken)
        if self.booked:
            await self.database.executemany(_BOOK, list(self.booked.items()))


_PREFER = """
    REPLACE INTO preferences (caller, user_id, density, noted)
    VALUES (?, ?, ?, (SELECT coalesce(max(noted), 0) + 1 FROM preferences))
"""
_BOOK = """
    INSERT INTO spent VALUES (?, round(?, 9))
    ON CONFLICT (account) DO UPDATE SET amount = round(amount + excluded.amount, 9)
"""
"""Rounded to a billionth of a dollar, so that what is put back leaves nothing behind."""


class _Reading:
    """What can be read from the file."""

    _reader: aiosqlite.Connection

    async def get(self, session_id: str) -> SessionRecord:
        rows = await self._read("SELECT record FROM sessions WHERE session_id = ?", session_id)
        if not rows:
            raise SessionNotFound
        return _records(rows)[0]

    async def list(self) -> Sequence[SessionRecord]:
        rows = await self._read("SELECT record FROM sessions ORDER BY created_at")
        return await _apart(_records, rows)

    async def count(self, *, caller: str | None = None, address: str | None = None) -> int:
        named = {"caller": caller, "address": address}
        given = {column: value for column, value in named.items() if value is not None}
        where = " AND ".join(f"{column} = ?" for column in given) or "TRUE"
        rows = await self._read(f"SELECT count(*) FROM sessions WHERE {where}", *given.values())
        return int(rows[0][0])

    async def read(self, session_id: str, after: int = 0) -> Sequence[Logged]:
        statement = (
            "SELECT position, entry FROM log WHERE session_id = ? AND position > ?"
            " ORDER BY position"
        )
        rows = await self._read(statement, session_id, after)
        return await _apart(_entries, rows)

    async def preference(self, caller: str, user_id: str) -> Density | None:
        statement = "SELECT density FROM preferences WHERE caller = ? AND user_id = ?"
        rows = await self._read(statement, caller, user_id)
        return rows[0][0] if rows else None

    async def _read(self, statement: str, *facts: object) -> Sequence[Any]:
        try:
            return list(await self._reader.execute_fetchall(statement, facts))
        except sqlite3.Error as exc:
            raise failure_of(exc) from exc


class SQLiteArchive(_Reading):
    """Reads the file of sessions, also while a server writes it. An async context manager.

    Args:
        path: of the file.

    Raises, on entering:
        MissingExtra: aiosqlite is not installed.
        StoreFailed: there is no such file, or it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as held:
            if not await asyncio.to_thread(self._path.is_file):
                raise StoreFailed("No sessions are kept in this data folder.")
            self._reader = await held.enter_async_context(database(self._path, read_only=True))
            self._version = await check(self._reader)
            self._held = held.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._held.aclose()

    async def preferences(self, user_id: str) -> Mapping[str, Density]:
        """How much a user wants to hear, by caller."""
        statement = "SELECT caller, density FROM preferences WHERE user_id = ?"
        return dict(await self._read(statement, user_id))

    async def spent(
        self, *, session_id: str | None = None, user_id: str | None = None
    ) -> Mapping[str, float]:
        """US dollars by account: of a session, or of the days of a user."""
        rows = await self._read("SELECT account, amount FROM spent ORDER BY account")
        return {
            account: amount
            for account, amount in rows
            if (session_id is not None and account == of_session(session_id))
            or (user_id is not None and is_of_user(account, user_id))
        }

    async def back_up(self, into: Path) -> None:
        """Write a copy that is whole, whatever is written meanwhile; without the caches.

        Raises:
            StorageFull, StoreFailed: it cannot be written, or there is such a file already.
        """
        if await asyncio.to_thread(into.exists):
            raise StoreFailed(f"{into} exists already. Choose another name.")
        # Under another name as long as it is not whole, whatever may end the program.
        part = into.with_name(into.name + ".part")
        await asyncio.to_thread(remove, part)
        try:
            await self._copy_to(part)
            await asyncio.to_thread(part.rename, into)
        except OSError as exc:
            await asyncio.to_thread(remove, part)
            raise StoreFailed(f"{into} cannot be written: {exc.strerror}.") from exc
        except (StorageFull, StoreFailed, sqlite3.Error):
            await asyncio.to_thread(remove, part)
            raise

    async def _copy_to(self, path: Path) -> None:
        if self._version < len(MIGRATIONS):  # it has no caches yet, and is copied as it is
            await self._read("VACUUM INTO ?", str(path))
            return
        async with database(path) as copy:
            await migrate(copy)
            await self._copy_into(copy)
            await copy.execute("PRAGMA journal_mode = DELETE")  # one file is easier to move

    async def _copy_into(self, copy: aiosqlite.Connection) -> None:
        await copy.execute("ATTACH ? AS original", (f"{self._path.as_uri()}?mode=ro",))
        await copy.execute("BEGIN")
        for table in _COPIED:
            rows = await copy.execute_fetchall(f"PRAGMA original.table_info ({table})")
            columns = ", ".join(row[1] for row in rows)
            await copy.execute(
                f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM original.{table}"
            )
        await copy.execute("COMMIT")
        await copy.execute("DETACH original")


class SQLiteStore(_Reading):
    """A whole Store in one file. An async context manager, for one event loop.

    Args:
        path: of the file. It is created, with its folder, when it is entered.
        retry_seconds: while it cannot be written, that is tried again after so long, at first
            sooner.

    Raises, on entering:
        MissingExtra: aiosqlite is not installed.
        StorageFull: there is no room on the disk.
        StoreFailed: the file is of a newer version, or of another program; somebody else has
            it; or it cannot be read.
    """

    def __init__(self, path: Path, *, retry_seconds: float = 8.0) -> None:
        self._path = path.absolute()
        self._retry_seconds = retry_seconds
        self._orders: asyncio.Queue[_Order[Any]] = asyncio.Queue()
        self._ends: OrderedDict[str, int] = OrderedDict()
        self._aside: deque[_Order[Any]] = deque()
        self._caches: dict[str, SQLiteCache] = {}
        self._followers: defaultdict[str, set[_Follower]] = defaultdict(set)
        self._progress = ProgressBoard()
        self._fences: OrderedDict[tuple[str, Role], int] = OrderedDict()
        """The newest ones, and the last positions of logs: nobody else writes them."""
        self._tail = Tail()
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
        self._is_gone = False
        """Whether they know that the file is no longer there."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as held:
            lock = await asyncio.to_thread(locked, self._path)
            held.callback(lock.close)
            self._writer = await held.enter_async_context(database(self._path))
            await migrate(self._writer)
            self._identity = await asyncio.to_thread(identity, self._path)
            self._reader = await held.enter_async_context(database(self._path))
            self._writing = asyncio.create_task(self._write_on(), name="write sessions")
            held.push_async_callback(self._finish)
            self._held = held.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._held.aclose()

    async def _finish(self) -> None:
        await self._orders.join()
        async with self._at_work:
            self._writing.cancel()
        await asyncio.wait([self._writing])
        if self._tail:
            await self._try_again()
        if self._tail:
            _log.error(
                "%s %d entries that waited for it are lost: where viewers were last, and what"
                " they were sent since.",
                self._failure,
                len(self._tail),
            )

    # --- Records -----------------------------------------------------------------------

    async def put(self, record: SessionRecord) -> None:
        row = {
            "session_id": record.session_id,
            "user_id": record.user_id,
            "created_at": record.created_at,
            "record": record.model_dump_json(),
            "caller": record.caller,
            "address": record.address,
        }
        statement = (
            f"REPLACE INTO sessions ({', '.join(row)}) VALUES ({', '.join(map(':{}'.format, row))})"
        )

        async def write(writing: _Writing) -> None:
            await writing.database.execute(statement, row)

        await self._order(write)

    async def delete(self, session_id: str) -> None:
        async def write(writing: _Writing) -> None:
            for table in ("sessions", "log", "fences"):
                statement = f"DELETE FROM {table} WHERE session_id = ?"
                await writing.database.execute(statement, (session_id,))
            account = of_session(session_id)
            await writing.database.execute("DELETE FROM spent WHERE account = ?", (account,))
            writing.booked.pop(account, None)
            writing.rows = [row for row in writing.rows if row[0] != session_id]
            writing.ends[session_id] = 0
            for role in _ROLES:
                writing.fences[session_id, role] = 0
                writing.taken.pop((session_id, role), None)

        await self._order(write)
        self._ends.pop(session_id, None)
        for role in _ROLES:
            self._fences.pop((session_id, role), None)
        self._progress.forget(session_id)

    # --- Upkeep ------------------------------------------------------------------------

    async def needs(self) -> Mapping[str, float]:
        statement = "SELECT session_id, coalesce(needed_at, created_at) FROM sessions"
        return dict(await self._read(statement))

    async def note_needs(self, needs: Mapping[str, float]) -> None:
        rows = [(at, session_id) for session_id, at in needs.items()]

        async def write(writing: _Writing) -> None:
            statement = "UPDATE sessions SET needed_at = ? WHERE session_id = ?"
            await writing.database.executemany(statement, rows)

        await self._order(write)

    async def size_bytes(self) -> int:
        pages = await self._pragma("page_count") - await self._pragma("freelist_count")
        cached = await self._read("SELECT coalesce(sum(bytes), 0) FROM cached")
        return max(0, pages * await self._pragma("page_size") - int(cached[0][0]))

    async def shrink(self) -> None:
        """Give what nothing takes any more back to the disk, a little at a time; and forget the
        oldest preferences, of which there are as many as clients think of users."""
        await self._look_for_the_file()
        await self._write_aside(_forget_old_preferences)
        before, free = 0, await self._pragma("freelist_count")
        while free > _SPARE_PAGES and free != before:
            await self._write_aside(_give_back)
            before, free = free, await self._pragma("freelist_count")
        if before:
            await self._read("PRAGMA wal_checkpoint (PASSIVE)")

    async def _pragma(self, name: str) -> int:
        return int((await self._read(f"PRAGMA {name}"))[0][0])

    # --- SessionLog --------------------------------------------------------------------

    async def fence(self, session_id: str, role: Role) -> Fence:
        async def write(writing: _Writing) -> int:
            number = await self._newest(session_id, role, writing) + 1
            writing.fences[session_id, role] = writing.taken[session_id, role] = number
            return number

        return Fence(role, await self._order(write, may_wait=role == "deliverer"))

    async def append(self, session_id: str, entries: Sequence[Entry], fence: Fence | None) -> int:
        """The entries are on the disk when it returns, unless nothing can be written.

        What the producer writes is refused then. What others write counts, and is kept in
        memory until it can be written.

        Raises:
            StaleFence
            StorageFull, StoreFailed: it is not kept.
        """
        told = [(entry, entry.kind, entry.model_dump_json()) for entry in entries]

        async def write(writing: _Writing) -> int:
            if fence is not None:
                newest = await self._newest(session_id, fence.role, writing)
                if fence.number != newest:
                    raise StaleFence(fence.role, fence.number, newest)
            end = await self._end_of(session_id, writing)
            logged = []
            rows = []
            for position, (entry, kind, text) in enumerate(told, end + 1):
                if not writing.is_for_later or self._tail.worth_keeping(session_id, kind):
                    rows.append((session_id, position, kind, text))
                logged.append(Logged(position, entry))
            writing.rows += rows
            writing.ends[session_id] = end + len(told)
            writing.news.append((session_id, logged))
            return end + len(told)

        return await self._order(write, may_wait=fence is None or fence.role == "deliverer")

    async def read(self, session_id: str, after: int = 0) -> Sequence[Logged]:
        kept = self._tail.behind(session_id, after)
        logged = [*await super().read(session_id, after)]
        if logged:  # some of what was kept may have been written in the meantime
            after = logged[-1].position
        kept = [row for row in kept if row[1] > after]
        return logged + [Logged(row[1], _ENTRY.validate_json(row[3])) for row in kept]

    async def follow(self, session_id: str, after: int = 0) -> AsyncIterator[Logged]:
        follower = _Follower()
        self._followers[session_id].add(follower)
        try:
            for logged in await self.read(session_id, after):
                yield logged
                after = logged.position
            while True:
                logged = await follower.next()
                if logged.position > after:  # not what was read from the file already
                    yield logged
                    after = logged.position
        finally:
            self._followers[session_id].discard(follower)
            if not self._followers[session_id]:
                del self._followers[session_id]

    async def _end_of(self, session_id: str, writing: _Writing) -> int:
        for known in (writing.ends, self._tail.ends, self._ends):
            if session_id in known:
                return known[session_id]
        statement = "SELECT max(position) FROM log WHERE session_id = ?"
        async with writing.database.execute(statement, (session_id,)) as found:
            row = await found.fetchone()
        return (row[0] if row else None) or 0

    async def _newest(self, session_id: str, role: Role, writing: _Writing) -> int:
        for known in (writing.fences, self._tail.fences, self._fences):
            if (session_id, role) in known:
                return known[session_id, role]
        statement = "SELECT number FROM fences WHERE session_id = ? AND role = ?"
        async with writing.database.execute(statement, (session_id, role)) as found:
            row = await found.fetchone()
        number = writing.fences[session_id, role] = row[0] if row else 0
        return number

    # --- ProgressChannel ---------------------------------------------------------------

    def publish(self, session_id: str, report: ProgressReport) -> None:
        self._progress.publish(session_id, report)

    def reports(self, session_id: str) -> AsyncIterator[ProgressReport]:
        return self._progress.reports(session_id)

    # --- Ledger ------------------------------------------------------------------------

    async def reserve(self, limits: Mapping[str, float], amount: float) -> None:
        async def write(writing: _Writing) -> None:
            for account, limit in limits.items():
                if await writing.balance(account) + amount > limit:
                    raise BudgetReached(account)
            _book(writing, limits, amount)

        await self._order(write)

    async def settle(self, accounts: Collection[str], reserved: float, spent: float) -> None:
        async def write(writing: _Writing) -> None:
            _book(writing, accounts, spent - reserved)

        await self._order(write, may_wait=True)

    async def forget_days(self, before: str) -> None:
        async def write(writing: _Writing) -> None:
            await _close_accounts(writing, lambda account: is_before(account, before))

        await self._order(write)

    # --- Preferences -------------------------------------------------------------------

    async def prefer(self, caller: str, user_id: str, density: Density) -> None:
        async def write(writing: _Writing) -> None:
            row = (caller, user_id, density)
            await writing.database.execute(_PREFER, row)

        await self._order(write)

    async def forget_user(self, user_id: str) -> int:
        """Delete all that is kept of a user: sessions, with their logs, preferences, and what
        was spent for them.

        Returns:
            How many sessions that were.
        """
        sessions = [record for record in await self.list() if record.user_id == user_id]
        for record in sessions:
            await self.delete(record.session_id)

        async def write(writing: _Writing) -> None:
            statement = "DELETE FROM preferences WHERE user_id = ?"
            await writing.database.execute(statement, (user_id,))
            await _close_accounts(writing, lambda account: is_of_user(account, user_id))

        await self._order(write)
        return len(sessions)

    # --- Caches ------------------------------------------------------------------------

    def cache(self, name: str, *, most_bytes: int) -> Cache:
        return self._caches.setdefault(
            name, SQLiteCache(name, most_bytes=most_bytes, read=self._read, write=self._write_aside)
        )

    async def _write_aside(self, write: Callable[[aiosqlite.Connection], Awaitable[None]]) -> None:
        """In a transaction of its own, when it is its turn.

        Raises:
            StorageFull, StoreFailed: it was not written.
        """
        if len(self._aside) >= _MOST_ASIDE:
            raise StoreFailed("Too much waits to be written.")
        await self._order(lambda writing: write(writing.database), is_aside=True)

    # --- Checkable ---------------------------------------------------------------------

    async def check(self) -> None:
        async def write(writing: _Writing) -> None:
            await writing.database.execute(_TRIFLE)

        await self._order(write)
        await self._read("SELECT 1 FROM sessions LIMIT 1")
        await self._look_for_the_file()

    async def _look_for_the_file(self) -> None:
        """SQLite writes on into a file that has lost its name.

        Raises:
            StoreFailed: it has, and all that is written goes with the program.
        """
        if await asyncio.to_thread(identity, self._path) == self._identity:
            return
        gone = "The file of sessions was deleted or replaced while it was used. Restart the server."
        if not self._is_gone:
            self._is_gone = True
            _log.error("%s What it writes until then is lost.", gone)
        raise StoreFailed(gone)

    # --- the file ----------------------------------------------------------------------

    async def _order(
        self,
        write: Callable[[_Writing], Awaitable[_T]],
        *,
        may_wait: bool = False,
        is_aside: bool = False,
    ) -> _T:
        """Have it written. Who is cancelled meanwhile does not take it back."""
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
        tail = self._tail
        writing = _Writing(
            self._writer,
            rows=list(tail),
            ends=dict(tail.ends),
            fences=dict(tail.fences),
            taken=dict(tail.fences),
            booked=tail.booked.copy(),
        )
        try:
            await rolled_back(self._writer)
            await self._writer.execute("BEGIN IMMEDIATE")
            outcomes = [await _outcome(order, writing) for order in orders]
            await writing.put_down()
            if probes:
                await self._writer.execute(_TRIFLE)
            await self._writer.execute("COMMIT")
        except BaseException:
            await rolled_back(self._writer)
            raise
        tail.clear()
        self._remember(writing)
        for order, (result, refusal) in zip(orders, outcomes, strict=True):
            _settle(order.done, result, refusal)

    # --- while nothing can be written --------------------------------------------------

    async def _keep(self, orders: Sequence[_Order[Any]]) -> None:
        """In memory, of what was asked for, what may wait; the rest is refused."""
        assert self._failure is not None
        writing = _Writing(self._writer, is_for_later=True)
        outcomes: list[tuple[Any, Exception | None]] = []
        for order in orders:
            if order.may_wait:
                try:
                    outcomes.append(await _outcome(order, writing))
                except sqlite3.Error as exc:  # it cannot be read either
                    outcomes.append((None, failure_of(exc)))
            else:
                outcomes.append((None, self._failure))
        self._tail.keep(writing.rows, writing.ends, writing.taken, writing.booked)
        self._remember(writing)
        for order, (result, refusal) in zip(orders, outcomes, strict=True):
            _settle(order.done, result, refusal)

    async def _give_up_for_now(self, exc: sqlite3.Error) -> None:
        now = asyncio.get_running_loop().time()
        if self._failure is None:
            self._pause = self._retry_seconds * _SHORTEST_PAUSE
            # Whoever has the file is waited for once; from now on it is only looked whether
            # they have gone.
            await self._writer.execute("PRAGMA busy_timeout = 0")
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
        waiting = len(self._tail)
        try:
            await self._put_down((), probes=True)
        except sqlite3.Error as exc:
            await self._give_up_for_now(exc)
            return
        await self._writer.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        self._failure = None
        if self._is_told:
            self._is_told = False
            _log.warning("Sessions can be written again; so were %d entries that waited.", waiting)

    def _remember(self, writing: _Writing) -> None:
        _keep_in_mind(self._ends, writing.ends)
        _keep_in_mind(self._fences, writing.fences)
        for session_id, logged in writing.news:
            for follower in self._followers.get(session_id, ()):
                follower.hand(logged)


async def _apart(understand: Callable[[Sequence[Any]], _T], rows: Sequence[Any]) -> _T:
    """What rows hold; many are understood in a thread, since all viewers would wait for it."""
    if len(rows) <= _MANY_ROWS:
        return understand(rows)
    return await asyncio.to_thread(understand, rows)


def _records(rows: Sequence[Any]) -> Sequence[SessionRecord]:
    with _understood():
        return tuple(SessionRecord.model_validate_json(record) for (record,) in rows)


def _entries(rows: Sequence[Any]) -> Sequence[Logged]:
    with _understood():
        return [Logged(position, _ENTRY.validate_json(entry)) for position, entry in rows]


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except ValidationError:  # which quotes what it is about
        raise StoreFailed("The file of sessions is damaged: it holds what is none.") from None


async def _outcome(order: _Order[_T], writing: _Writing) -> tuple[_T | None, Exception | None]:
    """What comes of it, or why it is refused."""
    try:
        return await order.write(writing), None
    except (StaleFence, BudgetReached, StorageFull) as exc:
        return None, exc


def _refuse(orders: Sequence[_Order[Any]], failure: Exception) -> None:
    for order in orders:
        _settle(order.done, None, failure)


def _book(writing: _Writing, accounts: Collection[str], amount: float) -> None:
    for account in accounts:
        writing.booked[account] += amount


async def _forget_old_preferences(database: aiosqlite.Connection) -> None:
    newest = "(SELECT max(noted) FROM preferences)"
    await database.execute(
        f"DELETE FROM preferences WHERE noted <= {newest} - ?", (MOST_PREFERENCES,)
    )


async def _give_back(database: aiosqlite.Connection) -> None:
    # One at a time: a statement without columns is stepped but once, whatever it is told.
    for _ in range(_GIVEN_BACK):
        await database.execute_fetchall("PRAGMA incremental_vacuum (1)")


async def _close_accounts(writing: _Writing, closes: Callable[[str], bool]) -> None:
    rows = await writing.database.execute_fetchall("SELECT account FROM spent")
    closed = [(account,) for (account,) in rows if closes(account)]
    await writing.database.executemany("DELETE FROM spent WHERE account = ?", closed)
    for account in filter(closes, list(writing.booked)):
        del writing.booked[account]


def _keep_in_mind(known: OrderedDict[_K, int], news: Mapping[_K, int]) -> None:
    for key, value in news.items():
        known[key] = value
        known.move_to_end(key)
    while len(known) > _REMEMBERED:
        known.popitem(last=False)


class _Follower:
    """Somebody who wants each new entry of a log."""

    def __init__(self) -> None:
        self._news: deque[Logged] = deque()
        self._wake = asyncio.Event()

    def hand(self, logged: Sequence[Logged]) -> None:
        self._news.extend(logged)
        self._wake.set()

    async def next(self) -> Logged:
        while not self._news:
            self._wake.clear()
            await self._wake.wait()
        return self._news.popleft()


def _settle(done: asyncio.Future[Any], result: Any, failure: Exception | None) -> None:
    if done.done():
        return
    if failure is None:
        done.set_result(result)
    else:
        done.set_exception(failure)
        # Whoever asked for it may have been cancelled meanwhile: that nobody hears of a refusal
        # is no failure then, and asyncio is not to tell it as one.
        done.exception()
