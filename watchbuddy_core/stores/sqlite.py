"""Sessions in one SQLite file: they outlive the program, however it ends.

sessions      one row each: what it was created with
log           the entries, by session and position
fences        the newest fence of each role
spent         US dollars, by account
preferences   how much users want to hear

What is asked for at about the same time is written in one transaction, so that the disk is
waited for once for all of it: an entry is on the disk when `append` returns, and two thousand
sessions do not wait for two thousand disks. Reading goes beside writing (WAL).

One program at a time: it holds a lock beside the file.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import OrderedDict, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from pydantic import TypeAdapter

from watchbuddy_core.actions import Density
from watchbuddy_core.entries import Entry, Fence, Logged, Role
from watchbuddy_core.errors import (
    BudgetReached,
    MissingExtra,
    SessionNotFound,
    StaleFence,
    StorageFull,
    StoreFailed,
)
from watchbuddy_core.locks import take
from watchbuddy_core.protocols import ProgressReport, SessionRecord
from watchbuddy_core.stores.progress import ProgressBoard

if TYPE_CHECKING:
    import aiosqlite

_APPLICATION = 0x57424459
"""Written into the file, so that nobody takes another program's for ours: `WBDY`."""
_MIGRATIONS: Sequence[str] = (
    """
    CREATE TABLE sessions (
        session_id TEXT PRIMARY KEY,
        user_id TEXT,
        created_at REAL NOT NULL,
        record TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX sessions_of_user ON sessions (user_id);
    CREATE TABLE log (
        session_id TEXT NOT NULL,
        position INTEGER NOT NULL,
        kind TEXT NOT NULL,
        entry TEXT NOT NULL,
        PRIMARY KEY (session_id, position)
    ) WITHOUT ROWID;
    CREATE TABLE fences (
        session_id TEXT NOT NULL,
        role TEXT NOT NULL,
        number INTEGER NOT NULL,
        PRIMARY KEY (session_id, role)
    ) WITHOUT ROWID;
    CREATE TABLE spent (account TEXT PRIMARY KEY, amount REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE preferences (
        caller TEXT NOT NULL,
        user_id TEXT NOT NULL,
        density TEXT NOT NULL,
        PRIMARY KEY (caller, user_id)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE sessions ADD COLUMN caller TEXT;
    ALTER TABLE sessions ADD COLUMN address TEXT;
    UPDATE sessions SET caller = json_extract(record, '$.caller');
    CREATE INDEX sessions_of_caller ON sessions (caller);
    CREATE INDEX sessions_of_address ON sessions (address);
    """,
)
"""From each version to the next. What stands here is never changed: a file somewhere has it."""
_BUSY_MS = 5000
_MOST_AT_ONCE = 512
_REMEMBERED = 20_000
"""So many ends of logs, and fences, are kept in mind."""

_ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)
_T = TypeVar("_T")
_K = TypeVar("_K")


@dataclass(slots=True)
class _Order(Generic[_T]):
    """Something to be written, and who waits for it."""

    write: Callable[[_Writing], Awaitable[_T]]
    done: asyncio.Future[_T]


@dataclass(slots=True)
class _Writing:
    """One transaction. Rows of the log are put down together at its end."""

    database: aiosqlite.Connection
    rows: list[tuple[str, int, str, str]] = field(default_factory=list)
    ends: dict[str, int] = field(default_factory=dict)
    """Of the logs that grow in it: the last position."""
    fences: dict[tuple[str, Role], int] = field(default_factory=dict)
    """The newest ones, as far as it has to do with them."""
    news: list[tuple[str, list[Logged]]] = field(default_factory=list)
    """What followers are handed when it is on the disk."""


class _Reading:
    """What can be read from the file."""

    _reader: aiosqlite.Connection

    async def get(self, session_id: str) -> SessionRecord:
        rows = await self._read("SELECT record FROM sessions WHERE session_id = ?", session_id)
        if not rows:
            raise SessionNotFound
        return SessionRecord.model_validate_json(rows[0][0])

    async def list(self) -> Sequence[SessionRecord]:
        rows = await self._read("SELECT record FROM sessions ORDER BY created_at")
        return tuple(SessionRecord.model_validate_json(row[0]) for row in rows)

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
        return [Logged(position, _ENTRY.validate_json(entry)) for position, entry in rows]

    async def preference(self, caller: str, user_id: str) -> Density | None:
        statement = "SELECT density FROM preferences WHERE caller = ? AND user_id = ?"
        rows = await self._read(statement, caller, user_id)
        return rows[0][0] if rows else None

    async def _read(self, statement: str, *facts: object) -> Sequence[Any]:
        try:
            return list(await self._reader.execute_fetchall(statement, facts))
        except sqlite3.Error as exc:
            raise _failure(exc) from exc


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
            self._reader = await held.enter_async_context(_database(self._path, read_only=True))
            await _check(self._reader)
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

    async def back_up(self, into: Path) -> None:
        """Write a copy that is whole, whatever is written meanwhile.

        Raises:
            StoreFailed: it cannot be written, or there is such a file already.
        """
        if await asyncio.to_thread(into.exists):
            raise StoreFailed(f"{into} exists already. Choose another name.")
        await self._read("VACUUM INTO ?", str(into))


class SQLiteStore(_Reading):
    """A whole Store in one file. An async context manager, for one event loop.

    Args:
        path: of the file. It is created, with its folder, when it is entered.

    Raises, on entering:
        MissingExtra: aiosqlite is not installed.
        StoreFailed: the file is of a newer version, or of another program; somebody else has
            it; or it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._orders: asyncio.Queue[_Order[Any]] = asyncio.Queue()
        self._ends: OrderedDict[str, int] = OrderedDict()
        self._followers: defaultdict[str, set[_Follower]] = defaultdict(set)
        self._progress = ProgressBoard()
        self._fences: OrderedDict[tuple[str, Role], int] = OrderedDict()
        """The newest ones, and the last positions of logs: nobody else writes them."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as held:
            lock = await asyncio.to_thread(_locked, self._path)
            held.callback(lock.close)
            self._writer = await held.enter_async_context(_database(self._path))
            await _migrate(self._writer)
            self._reader = await held.enter_async_context(_database(self._path))
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
        self._writing.cancel()
        await asyncio.wait([self._writing])

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
            writing.rows = [row for row in writing.rows if row[0] != session_id]
            writing.ends[session_id] = 0

        await self._order(write)
        self._ends.pop(session_id, None)
        self._fences.pop((session_id, "producer"), None)
        self._fences.pop((session_id, "deliverer"), None)
        self._progress.forget(session_id)

    # --- SessionLog --------------------------------------------------------------------

    async def fence(self, session_id: str, role: Role) -> Fence:
        async def write(writing: _Writing) -> int:
            number = await self._newest(session_id, role, writing) + 1
            row = (session_id, role, number)
            await writing.database.execute("REPLACE INTO fences VALUES (?, ?, ?)", row)
            writing.fences[session_id, role] = number
            return number

        return Fence(role, await self._order(write))

    async def append(self, session_id: str, entries: Sequence[Entry], fence: Fence | None) -> int:
        """The entries are on the disk when it returns."""
        told = [(entry, entry.kind, entry.model_dump_json()) for entry in entries]

        async def write(writing: _Writing) -> int:
            if fence is not None:
                newest = await self._newest(session_id, fence.role, writing)
                if fence.number != newest:
                    raise StaleFence(fence.role, fence.number, newest)
            end = await self._end_of(session_id, writing)
            logged = []
            for position, (entry, kind, text) in enumerate(told, end + 1):
                writing.rows.append((session_id, position, kind, text))
                logged.append(Logged(position, entry))
            writing.ends[session_id] = end + len(told)
            writing.news.append((session_id, logged))
            return end + len(told)

        return await self._order(write)

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
        if session_id in writing.ends:
            return writing.ends[session_id]
        if session_id in self._ends:
            return self._ends[session_id]
        statement = "SELECT max(position) FROM log WHERE session_id = ?"
        async with writing.database.execute(statement, (session_id,)) as found:
            row = await found.fetchone()
        return (row[0] if row else None) or 0

    async def _newest(self, session_id: str, role: Role, writing: _Writing) -> int:
        for known in (writing.fences, self._fences):
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
                if await _spent(writing.database, account) + amount > limit:
                    raise BudgetReached(account)
            await _book(writing.database, limits, amount)

        await self._order(write)

    async def settle(self, accounts: Collection[str], reserved: float, spent: float) -> None:
        await self._order(lambda writing: _book(writing.database, accounts, spent - reserved))

    # --- Preferences -------------------------------------------------------------------

    async def prefer(self, caller: str, user_id: str, density: Density) -> None:
        async def write(writing: _Writing) -> None:
            row = (caller, user_id, density)
            await writing.database.execute("REPLACE INTO preferences VALUES (?, ?, ?)", row)

        await self._order(write)

    async def forget_user(self, user_id: str) -> int:
        """Delete all that is kept of a user: sessions, with their logs, and preferences.

        Returns:
            How many sessions that were.
        """
        sessions = [record for record in await self.list() if record.user_id == user_id]
        for record in sessions:
            await self.delete(record.session_id)

        async def write(writing: _Writing) -> None:
            statement = "DELETE FROM preferences WHERE user_id = ?"
            await writing.database.execute(statement, (user_id,))

        await self._order(write)
        return len(sessions)

    # --- the file ----------------------------------------------------------------------

    async def _order(self, write: Callable[[_Writing], Awaitable[_T]]) -> _T:
        """Have it written. Who is cancelled meanwhile does not take it back."""
        done: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._orders.put_nowait(_Order(write, done))
        return await asyncio.shield(done)

    async def _write_on(self) -> None:
        while True:
            orders = [await self._orders.get()]
            while len(orders) < _MOST_AT_ONCE and not self._orders.empty():
                orders.append(self._orders.get_nowait())
            try:
                await self._write(orders)
            finally:
                for _ in orders:
                    self._orders.task_done()

    async def _write(self, orders: Sequence[_Order[Any]]) -> None:
        """All of them in one transaction. What one refuses is its own; what fails, fails all."""
        database = self._writer
        writing = _Writing(database)
        outcomes: deque[tuple[_Order[Any], Any, Exception | None]] = deque()
        try:
            await database.execute("BEGIN IMMEDIATE")
            for order in orders:
                try:
                    outcomes.append((order, await order.write(writing), None))
                except (StaleFence, BudgetReached) as exc:
                    outcomes.append((order, None, exc))
            if writing.rows:
                await database.executemany("INSERT INTO log VALUES (?, ?, ?, ?)", writing.rows)
            await database.execute("COMMIT")
        except Exception as exc:  # noqa: BLE001 - whatever it is, those who wait are told
            await _rolled_back(database)
            failure = _failure(exc) if isinstance(exc, sqlite3.Error) else exc
            for order in orders:
                _settle(order.done, None, failure)
            return
        self._remember(writing)
        for order, result, refusal in outcomes:
            _settle(order.done, result, refusal)

    def _remember(self, writing: _Writing) -> None:
        _keep_in_mind(self._ends, writing.ends)
        _keep_in_mind(self._fences, writing.fences)
        for session_id, logged in writing.news:
            for follower in self._followers.get(session_id, ()):
                follower.hand(logged)


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


@asynccontextmanager
async def _database(path: Path, *, read_only: bool = False) -> AsyncIterator[aiosqlite.Connection]:
    try:
        import aiosqlite
    except ImportError as exc:
        raise MissingExtra("server", "Keeping sessions in a file") from exc
    try:
        uri = f"{path.as_uri()}{'?mode=ro' if read_only else ''}"
        database = await aiosqlite.connect(uri, uri=True, isolation_level=None)
    except sqlite3.Error as exc:
        raise _failure(exc) from exc
    try:
        writing = () if read_only else ("journal_mode = WAL", "synchronous = FULL")
        for pragma in (*writing, f"busy_timeout = {_BUSY_MS}"):
            await database.execute(f"PRAGMA {pragma}")
        yield database
    except sqlite3.Error as exc:
        raise _failure(exc) from exc
    finally:
        await database.close()


async def _check(database: aiosqlite.Connection) -> int:
    """The version of the file, where it is one of ours."""
    application = await _pragma(database, "application_id")
    version = await _pragma(database, "user_version")
    if version > len(_MIGRATIONS):
        raise StoreFailed(
            "The file of sessions was written by a newer version of watchbuddy. Use that one,"
            " or another data folder."
        )
    if application not in (0, _APPLICATION) or (application == 0 and await _has_tables(database)):
        raise StoreFailed("The file of sessions belongs to another program.")
    return version


async def _migrate(database: aiosqlite.Connection) -> None:
    """Bring the file to the present version, or refuse it as it is."""
    version = await _check(database)
    for number, statements in enumerate(_MIGRATIONS[version:], version + 1):
        script = (
            f"BEGIN; {statements} PRAGMA application_id = {_APPLICATION};"
            f" PRAGMA user_version = {number}; COMMIT;"
        )
        await database.executescript(script)


async def _has_tables(database: aiosqlite.Connection) -> bool:
    async with database.execute("SELECT 1 FROM sqlite_schema LIMIT 1") as found:
        return await found.fetchone() is not None


async def _pragma(database: aiosqlite.Connection, name: str) -> int:
    async with database.execute(f"PRAGMA {name}") as found:
        row = await found.fetchone()
    return int(row[0]) if row else 0


async def _spent(database: aiosqlite.Connection, account: str) -> float:
    async with database.execute("SELECT amount FROM spent WHERE account = ?", (account,)) as found:
        row = await found.fetchone()
    return row[0] if row else 0.0


async def _book(database: aiosqlite.Connection, accounts: Collection[str], amount: float) -> None:
    for account in accounts:
        # Rounded to a billionth of a dollar, so that what is put back leaves nothing behind.
        new = round(await _spent(database, account) + amount, 9)
        await database.execute("REPLACE INTO spent VALUES (?, ?)", (account, new))


async def _rolled_back(database: aiosqlite.Connection) -> None:
    if database.in_transaction:
        try:
            await database.execute("ROLLBACK")
        except sqlite3.Error:  # SQLite has done so itself
            return


def _settle(done: asyncio.Future[Any], result: Any, failure: Exception | None) -> None:
    if done.done():
        return
    if failure is None:
        done.set_result(result)
    else:
        done.set_exception(failure)


def _failure(exc: sqlite3.Error) -> StorageFull | StoreFailed:
    code = getattr(exc, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_FULL:
        return StorageFull("The server has no room to keep sessions.")
    return StoreFailed(f"The file of sessions cannot be used: {exc}.")


def _locked(path: Path) -> Any:
    """A lock that is held as long as the file that is returned is open."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.with_suffix(".lock").open("ab")
    except OSError as exc:
        raise StoreFailed(
            f"The data folder cannot be used: {os.strerror(exc.errno or 0)}. Choose another with"
            " --data-dir, or keep nothing with --store memory."
        ) from exc
    if not take(file):
        file.close()
        raise StoreFailed(
            "Another watchbuddy uses this data folder. Stop it, or choose another with --data-dir."
        )
    return file
