"""Caches in a Redis."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import zlib

from watchbuddy_core.errors import StorageFull, StoreFailed
from watchbuddy_core.stores.redis_line import HASTY, Line
from watchbuddy_core.stores.redis_scripts import CACHE, CACHED

_LARGEST_BYTES = 2_000_000
"""Of one value, compressed."""
_KEPT_MS = 30 * 86400 * 1000

_log = logging.getLogger("watchbuddy.cache")


class RedisCache:
    """A Cache of so many bytes, compressed; the least recently used values go first.

    What cannot be written is not kept, and that costs nothing but time.
    """

    def __init__(self, name: str, *, most_bytes: int, line: Line) -> None:
        self._prefix = f"watchbuddy:cache:{name}:"
        self._uses = f"{self._prefix}uses"
        self._sizes = f"{self._prefix}sizes"
        self._most_bytes = most_bytes
        self._line = line

    async def get(self, key: str) -> bytes | None:
        try:
            content = await self._line.run(CACHED, [self._name_of(key), self._uses], patience=HASTY)
            return None if content is None else await asyncio.to_thread(zlib.decompress, content)
        except (StoreFailed, StorageFull, zlib.error) as exc:
            _log.debug("nothing can be read from the cache: %s", exc)
            return None

    async def put(self, key: str, value: bytes) -> None:
        content = await asyncio.to_thread(zlib.compress, value)
        if len(content) > min(_LARGEST_BYTES, self._most_bytes):
            return
        keys = [self._name_of(key), self._uses, self._sizes]
        try:
            await self._line.run(CACHE, keys, [content, self._most_bytes, _KEPT_MS], patience=HASTY)
        except (StoreFailed, StorageFull) as exc:
            _log.debug("nothing can be kept in the cache: %s", exc)

    def _name_of(self, key: str) -> str:
        return f"{self._prefix}value:{hashlib.sha256(key.encode()).hexdigest()}"
