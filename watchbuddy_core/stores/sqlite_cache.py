"""Caches in the file of sessions."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from watchbuddy_core.errors import StorageFull, StoreFailed

if TYPE_CHECKING:
    import aiosqlite

Read = Callable[..., Awaitable[Sequence[Any]]]
"""Takes a statement and its facts; gives the rows."""
Write = Callable[[Callable[["aiosqlite.Connection"], Awaitable[None]]], Awaitable[None]]
"""Has something written in a transaction of its own."""

_LARGEST_BYTES = 2_000_000
"""Of one value, compressed. While it is written nothing else is."""

_log = logging.getLogger("watchbuddy.cache")


class SQLiteCache:
    """A Cache of so many bytes, compressed; the least recently used values go first.

    What cannot be written is not kept, and that costs nothing but time.
    """

    def __init__(self, name: str, *, most_bytes: int, read: Read, write: Write) -> None:
        self._name = name
        self._most_bytes = most_bytes
        self._read = read
        self._write = write
        self._used: dict[str, None] = {}
        """The keys that were read since the last writing, the last one at the end."""

    async def get(self, key: str) -> bytes | None:
        try:
            found = await self._read(
                "SELECT value FROM cached JOIN cached_values USING (id)"
                " WHERE cache = ? AND key = ?",
                self._name,
                key,
            )
            if not found:
                return None
            value = await asyncio.to_thread(zlib.decompress, found[0][0])
        except (StoreFailed, StorageFull, zlib.error) as exc:
            _log.debug("nothing can be read from the cache: %s", exc)
            return None
        self._used.pop(key, None)
        self._used[key] = None
        return value

    async def put(self, key: str, value: bytes) -> None:
        content = await asyncio.to_thread(zlib.compress, value)
        if len(content) > min(_LARGEST_BYTES, self._most_bytes):
            return

        async def write(database: aiosqlite.Connection) -> None:
            await self._note_uses(database)
            await self._replace(database, key, content)
            await self._make_room(database)

        try:
            await self._write(write)
        except (StoreFailed, StorageFull) as exc:
            _log.debug("nothing can be kept in the cache: %s", exc)

    async def _note_uses(self, database: aiosqlite.Connection) -> None:
        used, self._used = self._used, {}
        for key in used:
            await database.execute(
                f"UPDATE cached SET used = ({_NEXT}) WHERE cache = ? AND key = ?",
                (self._name, self._name, key),
            )

    async def _replace(self, database: aiosqlite.Connection, key: str, content: bytes) -> None:
        where = (self._name, key)
        old = "(SELECT id FROM cached WHERE cache = ? AND key = ?)"
        await database.execute(f"DELETE FROM cached_values WHERE id = {old}", where)
        await database.execute("DELETE FROM cached WHERE cache = ? AND key = ?", where)
        async with database.execute(
            f"INSERT INTO cached (cache, key, bytes, used) VALUES (?, ?, ?, ({_NEXT}))",
            (*where, len(content), self._name),
        ) as made:
            id = made.lastrowid
        await database.execute("INSERT INTO cached_values VALUES (?, ?)", (id, content))

    async def _make_room(self, database: aiosqlite.Connection) -> None:
        rows = await database.execute_fetchall(
            "SELECT sum(bytes) FROM cached WHERE cache = ?", (self._name,)
        )
        excess = next(iter(rows))[0] - self._most_bytes
        while excess > 0:
            oldest = list(
                await database.execute_fetchall(
                    "SELECT id, bytes FROM cached WHERE cache = ? ORDER BY used LIMIT 1",
                    (self._name,),
                )
            )
            for id, size in oldest:
                await database.execute("DELETE FROM cached_values WHERE id = ?", (id,))
                await database.execute("DELETE FROM cached WHERE id = ?", (id,))
                excess -= size


_NEXT = "SELECT coalesce(max(used), 0) + 1 FROM cached WHERE cache = ?"
"""What is later than every use so far."""
