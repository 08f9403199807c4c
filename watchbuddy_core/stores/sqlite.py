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
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from watchbuddy_core.accounts import is_before, is_of_user, of_session
from watchbuddy_core.actions import Density
from watchbuddy_core.entries import ENTRY, Entry, Fence, Logged, Role
from watchbuddy_core.errors import BudgetReached, StaleFence, StoreFailed
from watchbuddy_core.storage import Cache, ProgressReport, SessionRecord
from watchbuddy_core.stores.progress import ProgressBoard
from watchbuddy_core.stores.sqlite_archive import Reading
from watchbuddy_core.stores.sqlite_cache import SQLiteCache
from watchbuddy_core.stores.sqlite_file import database, identity, locked, migrate
from watchbuddy_core.stores.sqlite_writer import TRIFLE, Writer, Writing

if TYPE_CHECKING:
    import aiosqlite

_SPARE_PAGES = 256
"""So many pages are left in the file for what comes next."""
MOST_PREFERENCES = 100_000
"""So many are kept, the last ones."""
_GIVEN_BACK = 64
"""So many pages are given back at a time: some ten milliseconds, in which nothing else is
written."""
_PREFER = """
    REPLACE INTO preferences (caller, user_id, density, noted)
    VALUES (?, ?, ?, (SELECT coalesce(max(noted), 0) + 1 FROM preferences))
"""

_log = logging.getLogger("watchbuddy.store")


class SQLiteStore(Reading):
    """A whole Store in one file. An async context manager, for one event loop.

    Args:
        path: of the file. It is created, with its folder, when it is entered.
        retry_seconds: while it cannot be written, that is tried again after so long, at first
            sooner.

    Raises, on entering:
        MissingExtra: aiosqlite is not installed.
        StorageFull: there is no room on the disk.
        StoreInUse: another program has it.
        StoreFailed: the file is of a newer version, or of another program; or it cannot be
            read.
    """

    def __init__(self, path: Path, *, retry_seconds: float = 8.0) -> None:
        self._path = path.absolute()
        self._retry_seconds = retry_seconds
        self._caches: dict[str, SQLiteCache] = {}
        self._followers: defaultdict[str, set[_Follower]] = defaultdict(set)
        self._progress = ProgressBoard()
        self._is_gone = False
        """Whether they know that the file is no longer there."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as held:
            lock = await asyncio.to_thread(locked, self._path)
            held.callback(lock.close)
            connection = await held.enter_async_context(database(self._path))
            await migrate(connection)
            self._identity = await asyncio.to_thread(identity, self._path)
            self._reader = await held.enter_async_context(database(self._path))
            self._writer = Writer(connection, retry_seconds=self._retry_seconds, tell=self._tell)
            await held.enter_async_context(self._writer.running())
            self._held = held.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._held.aclose()

    def _tell(self, session_id: str, logged: Sequence[Logged]) -> None:
        for follower in self._followers.get(session_id, ()):
            follower.hand(logged)

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

        async def write(writing: Writing) -> None:
            await writing.database.execute(statement, row)

        await self._writer.order(write)

    async def delete(self, session_id: str) -> None:
        async def write(writing: Writing) -> None:
            for table in ("sessions", "log", "fences"):
                statement = f"DELETE FROM {table} WHERE session_id = ?"
                await writing.database.execute(statement, (session_id,))
            account = of_session(session_id)
            await writing.database.execute("DELETE FROM spent WHERE account = ?", (account,))
            writing.booked.pop(account, None)
            writing.drop(session_id)

        await self._writer.order(write)
        self._writer.known.forget(session_id)
        self._progress.forget(session_id)

    # --- Upkeep ------------------------------------------------------------------------

    async def needs(self) -> Mapping[str, float]:
        statement = "SELECT session_id, coalesce(needed_at, created_at) FROM sessions"
        return dict(await self._read(statement))

    async def note_needs(self, needs: Mapping[str, float]) -> None:
        rows = [(at, session_id) for session_id, at in needs.items()]

        async def write(writing: Writing) -> None:
            statement = "UPDATE sessions SET needed_at = ? WHERE session_id = ?"
            await writing.database.executemany(statement, rows)

        await self._writer.order(write)

    async def size_bytes(self) -> int:
        pages = await self._pragma("page_count") - await self._pragma("freelist_count")
        cached = await self._read("SELECT coalesce(sum(bytes), 0) FROM cached")
        return max(0, pages * await self._pragma("page_size") - int(cached[0][0]))

    async def shrink(self) -> None:
        """Give what nothing takes any more back to the disk, a little at a time; and forget the
        oldest preferences, of which there are as many as clients think of users."""
        await self._look_for_the_file()
        await self._writer.order_aside(_forget_old_preferences)
        before, free = 0, await self._pragma("freelist_count")
        while free > _SPARE_PAGES and free != before:
            await self._writer.order_aside(_give_back)
            before, free = free, await self._pragma("freelist_count")
        if before:
            await self._read("PRAGMA wal_checkpoint (PASSIVE)")

    async def _pragma(self, name: str) -> int:
        return int((await self._read(f"PRAGMA {name}"))[0][0])

    # --- SessionLog --------------------------------------------------------------------

    async def fence(self, session_id: str, role: Role) -> Fence:
        async def write(writing: Writing) -> int:
            number = await writing.newest(session_id, role) + 1
            writing.fences[session_id, role] = writing.taken[session_id, role] = number
            return number

        return Fence(role, await self._writer.order(write, may_wait=role == "deliverer"))

    async def append(self, session_id: str, entries: Sequence[Entry], fence: Fence | None) -> int:
        """The entries are on the disk when it returns, unless nothing can be written.

        What the producer writes is refused then. What others write counts, and is kept in
        memory until it can be written.

        Raises:
            StaleFence
            StorageFull, StoreFailed: it is not kept.
        """
        told = [(entry, entry.kind, entry.model_dump_json()) for entry in entries]

        async def write(writing: Writing) -> int:
            if fence is not None:
                newest = await writing.newest(session_id, fence.role)
                if fence.number != newest:
                    raise StaleFence(fence.role, fence.number, newest)
            end = await writing.end_of(session_id)
            logged = []
            rows = []
            for position, (entry, kind, text) in enumerate(told, end + 1):
                if not writing.is_for_later or writing.tail.worth_keeping(session_id, kind):
                    rows.append((session_id, position, kind, text))
                logged.append(Logged(position, entry))
            writing.rows += rows
            writing.ends[session_id] = end + len(told)
            writing.news.append((session_id, logged))
            return end + len(told)

        return await self._writer.order(write, may_wait=fence is None or fence.role == "deliverer")

    async def read(self, session_id: str, after: int = 0) -> Sequence[Logged]:
        kept = self._writer.tail.behind(session_id, after)
        logged = [*await super().read(session_id, after)]
        if logged:  # some of what was kept may have been written in the meantime
            after = logged[-1].position
        kept = [row for row in kept if row[1] > after]
        return logged + [Logged(row[1], ENTRY.validate_json(row[3])) for row in kept]

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

    # --- ProgressChannel ---------------------------------------------------------------

    def publish(self, session_id: str, report: ProgressReport) -> None:
        self._progress.publish(session_id, report)

    def reports(self, session_id: str) -> AsyncIterator[ProgressReport]:
        return self._progress.reports(session_id)

    # --- Ledger ------------------------------------------------------------------------

    async def reserve(self, limits: Mapping[str, float], amount: float) -> None:
        async def write(writing: Writing) -> None:
            for account, limit in limits.items():
                if await writing.balance(account) + amount > limit:
                    raise BudgetReached(account)
            writing.book(limits, amount)

        await self._writer.order(write)

    async def settle(self, accounts: Collection[str], reserved: float, spent: float) -> None:
        async def write(writing: Writing) -> None:
            writing.book(accounts, spent - reserved)

        await self._writer.order(write, may_wait=True)

    async def forget_days(self, before: str) -> None:
        async def write(writing: Writing) -> None:
            await _close_accounts(writing, lambda account: is_before(account, before))

        await self._writer.order(write)

    # --- Preferences -------------------------------------------------------------------

    async def prefer(self, caller: str, user_id: str, density: Density) -> None:
        async def write(writing: Writing) -> None:
            row = (caller, user_id, density)
            await writing.database.execute(_PREFER, row)

        await self._writer.order(write)

    async def forget_user(self, user_id: str) -> int:
        """Delete all that is kept of a user: sessions, with their logs, preferences, and what
        was spent for them.

        Returns:
            How many sessions that were.
        """
        sessions = [record for record in await self.list() if record.user_id == user_id]
        for record in sessions:
            await self.delete(record.session_id)

        async def write(writing: Writing) -> None:
            statement = "DELETE FROM preferences WHERE user_id = ?"
            await writing.database.execute(statement, (user_id,))
            await _close_accounts(writing, lambda account: is_of_user(account, user_id))

        await self._writer.order(write)
        return len(sessions)

    # --- Caches ------------------------------------------------------------------------

    def cache(self, name: str, *, most_bytes: int) -> Cache:
        return self._caches.setdefault(
            name,
            SQLiteCache(
                name, most_bytes=most_bytes, read=self._read, write=self._writer.order_aside
            ),
        )

    # --- Checkable ---------------------------------------------------------------------

    async def check(self) -> None:
        async def write(writing: Writing) -> None:
            await writing.database.execute(TRIFLE)

        await self._writer.order(write)
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


async def _forget_old_preferences(database: aiosqlite.Connection) -> None:
    newest = "(SELECT max(noted) FROM preferences)"
    await database.execute(
        f"DELETE FROM preferences WHERE noted <= {newest} - ?", (MOST_PREFERENCES,)
    )


async def _give_back(database: aiosqlite.Connection) -> None:
    # One at a time: a statement without columns is stepped but once, whatever it is told.
    for _ in range(_GIVEN_BACK):
        await database.execute_fetchall("PRAGMA incremental_vacuum (1)")


async def _close_accounts(writing: Writing, closes: Callable[[str], bool]) -> None:
    rows = await writing.database.execute_fetchall("SELECT account FROM spent")
    closed = [(account,) for (account,) in rows if closes(account)]
    await writing.database.executemany("DELETE FROM spent WHERE account = ?", closed)
    for account in filter(closes, list(writing.booked)):
        del writing.booked[account]


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
