"""The SQLite file that sessions are kept in: its tables, opening it, and what can be wrong."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchbuddy_core.errors import MissingExtra, StorageFull, StoreFailed, StoreInUse
from watchbuddy_core.locks import take

if TYPE_CHECKING:
    import aiosqlite

APPLICATION = 0x57424459
"""Written into the file, so that nobody takes another program's for ours: `WBDY`."""
MIGRATIONS: Sequence[str] = (
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
    """
    CREATE TABLE cached (
        id INTEGER PRIMARY KEY,
        cache TEXT NOT NULL,
        key TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        used INTEGER NOT NULL,
        UNIQUE (cache, key)
    );
    CREATE INDEX cached_by_use ON cached (cache, used, bytes);
    CREATE TABLE cached_values (id INTEGER PRIMARY KEY, value BLOB NOT NULL);
    """,
    """
    ALTER TABLE sessions ADD COLUMN needed_at REAL;
    """,
    """
    ALTER TABLE preferences ADD COLUMN noted INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX preferences_by_age ON preferences (noted);
    """,
)
"""From each version to the next. What stands here is never changed: a file somewhere has it."""
BUSY_MS = 1000
"""How long it is waited for another program that holds the file: as long as that, everybody
waits."""
_INCREMENTAL = 2
_WRITING = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "journal_size_limit = 16000000",
    # What is deleted is overwritten, not only given up: some builds of SQLite do so anyway.
    "secure_delete = ON",
)
_WAL = b"\x02\x02"
"""In the header of a file whose journal lies beside it, as `-wal`."""
_JOURNAL = ("-wal", "-shm")
_PASSING = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOMEM,
}
_connections: Counter[Path] = Counter()
"""How many this process has to each file.

POSIX gives up all of a process's locks on a file when the process closes any descriptor of it.
SQLite knows that of its own. A file that is read in another way beside them loses its locks, and
the next program that looks into it takes its journal for left over, and away from under us
(sqlite.org/howtocorrupt.html, 2.2).
"""

_log = logging.getLogger("watchbuddy.store")


@asynccontextmanager
async def database(path: Path, *, read_only: bool = False) -> AsyncIterator[aiosqlite.Connection]:
    """A connection to the file.

    Raises:
        MissingExtra: aiosqlite is not installed.
        StorageFull, StoreFailed: it cannot be opened; or see `check`.
    """
    try:
        import aiosqlite
    except ImportError as exc:
        raise MissingExtra("server", "Keeping sessions in a file") from exc
    is_replaced = not _connections[path] and await asyncio.to_thread(_is_replaced, path)
    if is_replaced and not read_only:
        _log.warning("the file of sessions was replaced: what was left beside it is removed")
        await asyncio.to_thread(remove, path, endings=_JOURNAL)
    try:
        address = _address(path, read_only=read_only, is_replaced=is_replaced)
        connection = await aiosqlite.connect(address, uri=True, isolation_level=None)
    except sqlite3.Error as exc:
        raise failure_of(exc) from exc
    _connections[path] += 1
    try:
        settings = [f"busy_timeout = {BUSY_MS}", *(() if read_only else _WRITING)]
        if not read_only and await asyncio.to_thread(_is_new, path):
            settings.insert(0, f"auto_vacuum = {_INCREMENTAL}")  # before anything is in the file
        if not read_only:
            await check(connection)  # before anything is changed
        for setting in settings:
            await connection.execute(f"PRAGMA {setting}")
        yield connection
    except sqlite3.Error as exc:
        raise failure_of(exc) from exc
    finally:
        await connection.close()
        _connections[path] -= 1


async def check(database: aiosqlite.Connection) -> int:
    """The version of the file.

    Raises:
        StoreFailed: it is none of ours, or of a newer version.
    """
    application = await _pragma(database, "application_id")
    version = await _pragma(database, "user_version")
    if version > len(MIGRATIONS):
        raise StoreFailed(
            "The file of sessions was written by a newer version of watchbuddy. Use that one,"
            " or another data folder."
        )
    if application not in (0, APPLICATION) or (application == 0 and await _has_tables(database)):
        raise StoreFailed("The file of sessions belongs to another program.")
    return version


async def migrate(database: aiosqlite.Connection) -> None:
    """Bring the file to the present version, or refuse it as it is.

    Raises:
        StoreFailed: see `check`.
    """
    version = await check(database)
    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        script = (
            f"BEGIN; {statements} PRAGMA application_id = {APPLICATION};"
            f" PRAGMA user_version = {number}; COMMIT;"
        )
        await database.executescript(script)
    if await _pragma(database, "auto_vacuum") != _INCREMENTAL:
        try:
            await database.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
            await database.execute("VACUUM")
        except sqlite3.Error as exc:  # it is sound, and does not become smaller
            _log.warning("the file of sessions could not be reordered: %s", exc)


async def rolled_back(database: aiosqlite.Connection) -> None:
    """End what may have been begun."""
    if database.in_transaction:
        try:
            await database.execute("ROLLBACK")
        except sqlite3.Error:  # SQLite has done so itself
            return


def failure_of(exc: sqlite3.Error) -> StorageFull | StoreFailed:
    """What SQLite says, in our words."""
    if _code_of(exc) == sqlite3.SQLITE_FULL:
        return StorageFull("The server has no room to keep sessions.")
    if _code_of(exc) is None:  # Python's own words, which quote what is in the file
        return StoreFailed("The file of sessions is damaged: it holds what is none.")
    return StoreFailed(f"The file of sessions cannot be used: {exc}.")


def passes(exc: sqlite3.Error) -> bool:
    """Whether it may be better in a while, without anything of ours being wrong: the disk is
    full, cannot be written or fails, or another program holds the file."""
    return _code_of(exc) in _PASSING


def identity(path: Path) -> tuple[int, int] | None:
    """Which file it is that goes by this name now. Blocks."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise StoreFailed(f"The file of sessions cannot be found: {exc.strerror}.") from exc
    return facts.st_dev, facts.st_ino


def locked(path: Path) -> Any:
    """A lock beside the file, held as long as what is returned is open. Blocks.

    Raises:
        StoreInUse: another program holds it.
        StoreFailed: the folder cannot be used.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = path.with_suffix(".lock").open("ab")
        # Whoever reads it has the ids of sessions, which are the keys to them.
        if not path.exists():
            path.touch(mode=0o600)
    except OSError as exc:
        raise StoreFailed(
            f"The data folder cannot be used: {os.strerror(exc.errno or 0)}. Choose another with"
            " --data-dir, or keep nothing with --store memory."
        ) from exc
    if not take(file):
        file.close()
        raise StoreInUse(
            "Another watchbuddy uses this data folder. Stop it, or choose another with --data-dir."
        )
    return file


def remove(path: Path, *, endings: Sequence[str] = ("", *_JOURNAL)) -> None:
    """Delete a file that nobody uses, with what lies beside it. Blocks.

    Raises:
        StoreFailed
    """
    try:
        for ending in endings:
            path.with_name(path.name + ending).unlink(missing_ok=True)
    except OSError as exc:
        raise StoreFailed(f"{path} cannot be removed: {exc.strerror}.") from exc


def _is_replaced(path: Path) -> bool:
    """Whether a copy was put in the place of a file whose journal is still there, as a program
    leaves it that is killed. SQLite would write it into the copy, which ruins that.

    It opens the file, so only before this process has connections to it; see `_connections`.

    Raises:
        StoreFailed: it cannot be read.
    """
    try:
        if not path.with_name(path.name + "-wal").exists():
            return False
        with path.open("rb") as file:
            header = file.read(20)
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise StoreFailed(f"The file of sessions cannot be read: {exc.strerror}.") from exc
    return header.startswith(b"SQLite format 3") and header[18:20] != _WAL


def _address(path: Path, *, read_only: bool, is_replaced: bool) -> str:
    how = {(True, False): "?mode=ro", (True, True): "?mode=ro&immutable=1"}
    return path.absolute().as_uri() + how.get((read_only, is_replaced), "")


def _is_new(path: Path) -> bool:
    return not path.exists() or path.stat().st_size == 0


def _code_of(exc: sqlite3.Error) -> int | None:
    """The primary code: what stands in the higher bits says more closely why."""
    code = getattr(exc, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


async def _has_tables(database: aiosqlite.Connection) -> bool:
    async with database.execute("SELECT 1 FROM sqlite_schema LIMIT 1") as found:
        return await found.fetchone() is not None


async def _pragma(database: aiosqlite.Connection, name: str) -> int:
    async with database.execute(f"PRAGMA {name}") as found:
        row = await found.fetchone()
    return int(row[0]) if row else 0
