"""A cache in a folder: what was once found out about a video, and may be forgotten."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import tempfile
import zlib
from contextlib import suppress
from pathlib import Path
from threading import Lock

_log = logging.getLogger("watchbuddy.cache")

_UNFINISHED = ".tmp"


class FileCache:
    """Keeps values by key, one file each, up to so many bytes; the least recently used go first.

    Several processes may share the folder. A folder that cannot be read or written holds
    nothing, and that costs nothing but time.

    Args:
        folder: created when the first value comes.
        most_bytes: of all values, compressed.
    """

    def __init__(self, folder: Path, *, most_bytes: int = 200_000_000) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._lock = Lock()
        self._bytes: int | None = None
        """Of all files, as far as this process knows; None: it has not looked yet."""

    async def get(self, key: str) -> bytes | None:
        return await asyncio.to_thread(self._get, key)

    async def put(self, key: str, value: bytes) -> None:
        await asyncio.to_thread(self._put, key, value)

    def _get(self, key: str) -> bytes | None:
        path = self._path(key)
        try:
            content = zlib.decompress(path.read_bytes())
            path.touch()
        except (OSError, zlib.error):
            return None
        name, _, value = content.partition(b"\n")
        return value if name == key.encode() else None

    def _put(self, key: str, value: bytes) -> None:
        content = zlib.compress(key.encode() + b"\n" + value)
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.NamedTemporaryFile(
                dir=path.parent, suffix=_UNFINISHED, delete=False
            ) as file:
                file.write(content)
            Path(file.name).replace(path)
        except OSError as exc:
            _log.warning("nothing can be kept in the cache: %s", exc.strerror)
            return
        with self._lock:
            if self._bytes is not None:
                self._bytes += len(content)
            if self._bytes is None or self._bytes > self._most_bytes:
                self._make_room()

    def _make_room(self) -> None:
        files: list[tuple[float, int, str]] = []
        for parent, _, names in os.walk(self._folder):
            for name in names:
                with suppress(OSError):
                    facts = os.stat(os.path.join(parent, name))
                    files.append((facts.st_mtime, facts.st_size, os.path.join(parent, name)))
        self._bytes = sum(size for _, size, _ in files)
        for _, size, name in sorted(files):
            if self._bytes <= self._most_bytes:
                return
            with suppress(OSError):
                os.unlink(name)
                self._bytes -= size

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._folder / name[:2] / name[2:]
