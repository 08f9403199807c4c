"""What is kept in the SQLite file of sessions, for whoever reads it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import ValidationError

from watchbuddy_core.accounts import is_of_user, of_session
from watchbuddy_core.actions import Density
from watchbuddy_core.entries import ENTRY, Logged
from watchbuddy_core.errors import SessionNotFound, StorageFull, StoreFailed
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.sqlite_file import (
    MIGRATIONS,
    check,
    database,
    failure_of,
    migrate,
    remove,
)

if TYPE_CHECKING:
    import aiosqlite

_MANY_ROWS = 500
"""More than these take milliseconds to be understood."""
_COPIED = ("sessions", "log", "fences", "spent", "preferences")
"""The tables of which there is no second copy anywhere."""
_T = TypeVar("_T")


class Reading:
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


class SQLiteArchive(Reading):
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
                raise StoreFailed(f"No sessions are kept in {self._path.parent}.")
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
        except StorageFull as exc:
            await asyncio.to_thread(remove, part)
            raise StorageFull(f"There is no room for {into}.") from exc
        except (StoreFailed, sqlite3.Error):
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
        return [Logged(position, ENTRY.validate_json(entry)) for position, entry in rows]


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except ValidationError:  # which quotes what it is about
        raise StoreFailed("The file of sessions is damaged: it holds what is none.") from None
