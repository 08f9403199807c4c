"""Files that viewers bring along."""

from __future__ import annotations

import asyncio
import errno
import secrets
import shutil
import unicodedata
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import quote

from watchbuddy_core.errors import (
    RateLimited,
    StorageFull,
    UploadStalled,
    UploadTooLarge,
    VideoUnavailable,
)
from watchbuddy_core.player import Clock, WallClock
from watchbuddy_core.protocols import Match, Progress
from watchbuddy_core.sources.identity import content_id
from watchbuddy_core.sources.run_folder import RunFolder
from watchbuddy_core.understanding.sniffing import kind_of
from watchbuddy_core.video import SubtitleFile, Video, VideoRequest
from watchbuddy_core.wire import Upload

Kind = Literal["media", "subtitles"]

UPLOAD = "upload:"
"""How the address of an upload begins."""

_PIECE_BYTES = 1024 * 1024
"""So much is gathered before it is written."""
_LEAST_BYTES = 64 * 1024
"""A file of which less than this comes in the time that it may stall does stall."""
_LONGEST_NAME = 100
"""Characters. Beyond ASCII each may take twelve in an address."""
_LONGEST_ENDING = 10
_NAMELESS = "upload"
_INVISIBLE = {"Cc", "Cf", "Cs"}
"""Unicode's categories of control characters, marks without a shape, and halves of pairs."""
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(slots=True)
class _Kept:
    upload: Upload
    video: Video
    path: Path
    came_at: float
    """Monotonic seconds."""
    is_taken: bool = False
    """A session has begun to use it."""


class UploadSource:
    """Takes files in, and opens them by the address that it has given them.

    An upload belongs to whoever knows its address, `upload:<id>/<name>`, which cannot be
    guessed. It goes with the last session that uses it, or when none has taken it up for too
    long, both in `tidy`; and with the program.

    Args:
        folder: where files are kept, next to those of other programs that run. None: in a
            temporary folder.
        most_bytes: of one file.
        free_bytes: of the disk, that are left to others.
        most_waiting: uploads that no session has taken up, with those that still arrive.
        waiting_seconds: how long one may wait for a session.
        stall_seconds: how long a file that arrives may stand still.
        clock: for `waiting_seconds`.
        free_space: how many bytes are free on the disk of a folder.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        most_bytes: int = 4_000_000_000,
        free_bytes: int = 1_000_000_000,
        most_waiting: int = 32,
        waiting_seconds: float = 3600.0,
        stall_seconds: float = 30.0,
        clock: Clock | None = None,
        free_space: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._folder = RunFolder(folder)
        self._most_bytes = most_bytes
        self._free_bytes = free_bytes
        self._most_waiting = most_waiting
        self._waiting_seconds = waiting_seconds
        self._stall_seconds = stall_seconds
        self._clock: Clock = clock or WallClock()
        self._free_space = free_space
        self._arriving = 0
        self._kept: dict[str, _Kept] = {}
        """By address."""

    def match(self, url: str) -> Match:
        return Match.SITE if url.startswith(UPLOAD) else Match.NO

    async def open(self, request: VideoRequest, progress: Progress) -> Video:
        """The file that was taken in under this address.

        Raises:
            VideoUnavailable: there is none, or none any more.
        """
        kept = self._kept.get(request.url)
        if kept is None or not await asyncio.to_thread(kept.path.is_file):
            raise VideoUnavailable(
                "There is no such upload, or not any more: they are deleted with the sessions "
                "that use them. Upload the file again, and ask for the address in the answer."
            )
        kept.is_taken = True
        return kept.video

    @asynccontextmanager
    async def arrival(self, size_bytes: int = 0) -> AsyncIterator[Arrival]:
        """Take a file in.

            async with uploads.arrival() as arrival:
                async for chunk in chunks:
                    await arrival.write(chunk)
                upload = await arrival.finish("film.mp4")

        Leaving without `finish`, for whatever reason, leaves nothing behind.

        Args:
            size_bytes: how large it is at least, as far as that is known.

        Raises:
            UploadTooLarge, StorageFull: also later, as more of it comes.
            RateLimited: too many files wait already.
            UploadStalled: nothing more has come; raised wherever the context stands.
        """
        self._refuse_large(size_bytes)
        waiting = self._arriving + sum(not kept.is_taken for kept in self._kept.values())
        if waiting >= self._most_waiting:
            raise RateLimited("Too many uploads wait for a session already. Try again later.")
        self._arriving += 1
        try:
            await asyncio.to_thread(self._refuse_full, size_bytes)
            arrival = Arrival(self, self._folder.path() / secrets.token_hex(16))
            try:
                async with arrival.timeout:
                    yield arrival
            except TimeoutError as exc:
                if not arrival.timeout.expired():
                    raise
                raise UploadStalled(
                    f"Hardly anything came for {self._stall_seconds:g} seconds. Begin again."
                ) from exc
            finally:
                await asyncio.to_thread(arrival.discard)
        finally:
            self._arriving -= 1

    async def tidy(self, in_use: Collection[str]) -> None:
        """Delete what sessions have used and none uses any more, what none has taken up in
        time, and what programs that were killed have left behind.

        Args:
            in_use: the addresses that sessions use.
        """
        now = self._clock.now()
        gone = []
        for url, kept in list(self._kept.items()):
            if url in in_use:
                kept.is_taken = True
            elif kept.is_taken or now - kept.came_at > self._waiting_seconds:
                gone.append(self._kept.pop(url).path)
        await asyncio.to_thread(self._clean, gone)

    def _keep(self, arrival: Arrival, name: str, kind: Kind, identity: str) -> Upload:
        name = clean_name(name)
        upload = Upload(
            video_url=f"{UPLOAD}{secrets.token_hex(16)}/{quote(name, safe='')}",
            title=PurePosixPath(name).stem,
            kind=kind,
            size_bytes=arrival.size_bytes,
        )
        is_media = kind == "media"
        video = Video(
            content_id=identity,
            title=upload.title,
            path=arrival.path if is_media else None,
            subtitles=() if is_media else (SubtitleFile(path=arrival.path),),
        )
        self._kept[upload.video_url] = _Kept(upload, video, arrival.path, self._clock.now())
        return upload

    def _clean(self, gone: Iterable[Path]) -> None:
        for path in gone:
            path.unlink(missing_ok=True)
        self._folder.sweep()

    def _refuse_large(self, size_bytes: int) -> None:
        if size_bytes > self._most_bytes:
            raise UploadTooLarge(
                f"The file is larger than the {self._most_bytes / 1e6:,.0f} MB that are taken."
            )

    def _refuse_full(self, more_bytes: int) -> None:
        if self._free_space(self._folder.place) - more_bytes < self._free_bytes:
            raise StorageFull("There is no room for the file on the disk of the server.")


class Arrival:
    """A file that is being taken in; `UploadSource.arrival` gives one."""

    def __init__(self, source: UploadSource, path: Path) -> None:
        self.path = path
        self.size_bytes = 0
        """So much of it has come."""
        self.timeout = asyncio.timeout(source._stall_seconds)
        self._source = source
        self._file = path.open("xb")
        self._is_finished = False
        self._gathered = bytearray()
        self._fresh_bytes = 0
        """What has come since the time began that it may stall."""

    async def write(self, chunk: bytes) -> None:
        """The next piece of it.

        Raises:
            UploadTooLarge, StorageFull
        """
        self.size_bytes += len(chunk)
        self._source._refuse_large(self.size_bytes)
        self._fresh_bytes += len(chunk)
        if self._fresh_bytes >= _LEAST_BYTES:
            self._fresh_bytes = 0
            now = asyncio.get_running_loop().time()
            self.timeout.reschedule(now + self._source._stall_seconds)
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
        self.timeout.reschedule(None)
        await self._write_out()
        kind, identity = await asyncio.to_thread(self._examine)
        upload = self._source._keep(self, name, kind, identity)
        self._is_finished = True
        return upload

    def discard(self) -> None:
        """Delete it, unless it is finished. Blocks."""
        if not self._is_finished:
            with suppress(OSError):  # what does not fit cannot be flushed either
                self._file.close()
            self.path.unlink(missing_ok=True)

    async def _write_out(self) -> None:
        piece, self._gathered = self._gathered, bytearray()
        await asyncio.to_thread(self._save, piece)

    def _save(self, piece: bytearray) -> None:
        self._source._refuse_full(len(piece))
        try:
            self._file.write(piece)
            self._file.flush()
        except OSError as exc:
            if exc.errno not in _NO_ROOM:
                raise
            raise StorageFull("The disk of the server is full.") from exc

    def _examine(self) -> tuple[Kind, str]:
        self._file.close()
        return kind_of(self.path), content_id([self.path])


def clean_name(name: str) -> str:
    """As much of a file's name as is fit to be shown: no folders, nothing invisible, no more
    than a line."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rstrip("/").rpartition("/")[2]
    visible = "".join(c for c in last if unicodedata.category(c) not in _INVISIBLE or c.isspace())
    plain = PurePosixPath(" ".join(visible.split()).strip(" .") or _NAMELESS)
    ending = plain.suffix[:_LONGEST_ENDING]
    return plain.stem[: _LONGEST_NAME - len(ending)] + ending
