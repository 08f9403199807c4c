"""A file that comes bit by bit: how much may come, how slowly, and what it is in the end."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from watchbuddy_core.errors import StorageFull, UploadStalled, UploadTooLarge
from watchbuddy_core.sources.identity import content_id
from watchbuddy_core.understanding.sniffing import kind_of
from watchbuddy_core.wire import FileKind, Upload

_PIECE_BYTES = 1024 * 1024
"""So much is gathered before it is written."""
_LEAST_BYTES = 64 * 1024
"""A file of which less than this comes in the time that it may stall does stall."""
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True, slots=True)
class Room:
    """How large a file may be, and whether it fits on the disk."""

    most_bytes: int
    free_bytes: int
    """To be left free on the disk."""
    free_space: Callable[[], int]
    """How many bytes are free."""

    def refuse_large(self, size_bytes: int) -> None:
        """Raises: UploadTooLarge, where a file of this size is."""
        if size_bytes > self.most_bytes:
            raise UploadTooLarge(
                f"The file is larger than the {self.most_bytes / 1e6:,.0f} MB that are taken."
            )

    def refuse_full(self, more_bytes: int) -> None:
        """Raises: StorageFull, where so many more bytes do not fit. Blocks."""
        if self.free_space() - more_bytes < self.free_bytes:
            raise StorageFull("There is no room for the file on the disk of the server.")


class Pace:
    """A context that ends with UploadStalled where too little comes for too long."""

    def __init__(self, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._limit = asyncio.timeout(stall_seconds)
        self._fresh_bytes = 0
        """What has come since the time began that it may stall."""

    def came(self, size_bytes: int) -> None:
        """So much more has come."""
        self._fresh_bytes += size_bytes
        if self._fresh_bytes >= _LEAST_BYTES:
            self._fresh_bytes = 0
            self._limit.reschedule(asyncio.get_running_loop().time() + self._stall_seconds)

    def is_all(self) -> None:
        """Nothing more is to come."""
        self._limit.reschedule(None)

    async def __aenter__(self) -> Self:
        await self._limit.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self._limit.__aexit__(kind, error, traceback)
        except TimeoutError as exc:
            raise UploadStalled(
                f"Hardly anything came for {self._stall_seconds:g} seconds. Begin again."
            ) from exc


class Arrival:
    """A file that is being taken in.

    Args:
        path: where it is written.
        room: how much there is for it.
        pace: how slowly it may come.
        keep: is told, when all of it is there and on the disk, what it is to be called, what it
            is, and its identity.
    """

    def __init__(
        self,
        path: Path,
        *,
        room: Room,
        pace: Pace,
        keep: Callable[[Arrival, str, FileKind, str], Awaitable[Upload]],
    ) -> None:
        self.path = path
        self.pace = pace
        self.size_bytes = 0
        """So much of it has come."""
        self._room = room
        self._keep = keep
        self._file = path.open("xb")
        self._gathered = bytearray()
        self._is_kept = False

    async def write(self, chunk: bytes) -> None:
        """The next bit of it.

        Raises:
            UploadTooLarge, StorageFull
        """
        self.size_bytes += len(chunk)
        self._room.refuse_large(self.size_bytes)
        self.pace.came(len(chunk))
        self._gathered += chunk
        if len(self._gathered) >= _PIECE_BYTES:
            await self._write_out()

    async def finish(self, name: str) -> Upload:
        """That was all of it: look what it is, and keep it.

        Args:
            name: of the file, from wherever it comes. It is shown, and names nothing here.

        Raises:
            VideoUnreadable: it is neither a video or a recording nor subtitles.
            StorageFull
        """
        self.pace.is_all()
        await self._write_out()
        kind, identity = await asyncio.to_thread(self._examine)
        upload = await self._keep(self, name, kind, identity)
        self._is_kept = True
        return upload

    def discard(self) -> None:
        """Delete it, unless it is kept. Blocks."""
        if not self._is_kept:
            with suppress(OSError):  # what does not fit cannot be flushed either
                self._file.close()
            self.path.unlink(missing_ok=True)

    async def _write_out(self) -> None:
        piece, self._gathered = self._gathered, bytearray()
        await asyncio.to_thread(self._save, piece)

    def _save(self, piece: bytearray) -> None:
        self._room.refuse_full(len(piece))
        try:
            self._file.write(piece)
            self._file.flush()
        except OSError as exc:
            if exc.errno not in _NO_ROOM:
                raise
            raise StorageFull("The disk of the server is full.") from exc

    def _examine(self) -> tuple[FileKind, str]:
        os.fsync(self._file.fileno())
        self._file.close()
        return kind_of(self.path), content_id([self.path])
