"""Files that viewers bring along."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
import unicodedata
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from watchbuddy_core.errors import (
    RateLimited,
    StorageFull,
    VideoDownloadFailed,
    VideoUnavailable,
)
from watchbuddy_core.player import Clock, WallClock
from watchbuddy_core.protocols import Match, Progress
from watchbuddy_core.sources.arrival import Arrival, Pace, Room
from watchbuddy_core.sources.peers import Peers
from watchbuddy_core.sources.run_folder import RunFolder
from watchbuddy_core.sources.upload_shelf import UploadCard, UploadShelf, name_in, remove_upload
from watchbuddy_core.video import SubtitleFile, Video, VideoRequest
from watchbuddy_core.wire import FileKind, Upload

UPLOAD = "upload:"
"""How the address of an upload begins."""

_LONGEST_NAME = 100
"""Characters. Beyond ASCII each may take twelve in an address."""
_LONGEST_ENDING = 10
_SHELF = "kept"
"""The folder of those that outlive the program."""
_SHARED_SHELF = "shared"
"""The folder of those that other programs use as well."""
_UNFINISHED_SECONDS = 3600.0
"""So long another program may take to put a file there."""
_UNUSED_SECONDS = 30.0
"""So long one that is shared is kept when no session is seen to use it: one that has just begun
may not have been there yet when the sessions were listed."""
_NAMELESS = "upload"
_GONE = (
    "There is no such upload, or not any more: they are deleted with the sessions that use them."
    " Upload the file again, and ask for the address in the answer."
)
_GONE_HERE = (
    "This machine has no such upload: it was deleted, or it lies on another machine. Upload the"
    " file again; or have the operator share the folder of uploads between all machines, or name"
    " each with peer_url."
)
_INVISIBLE = {"Cc", "Cf", "Cs"}
"""Unicode's categories of control characters, marks without a shape, and halves of pairs."""


@dataclass(slots=True)
class _Kept:
    path: Path
    card: UploadCard
    came_at: float
    """Monotonic seconds, as is the next one."""
    unused_since: float | None = None
    """When it was first seen that no session uses it any more. None: one does, or may yet."""

    @property
    def is_taken(self) -> bool:
        return self.card.is_taken

    @property
    def video(self) -> Video:
        upload = self.card.upload
        is_media = upload.kind == "media"
        return Video(
            content_id=self.card.content_id,
            title=upload.title,
            path=self.path if is_media else None,
            subtitles=() if is_media else (SubtitleFile(path=self.path),),
        )


class UploadSource:
    """Takes files in, and opens them by the address that it has given them.

    An upload belongs to whoever knows its address, `upload:<id>/<name>`, which cannot be
    guessed. It goes with the last session that uses it, or when none has taken it up for too
    long, both in `tidy`; and, unless it is lasting, with the program.

    Args:
        folder: where files are kept, next to those of other programs that run. None: in a
            temporary folder.
        lasting: whether uploads outlive the program, as its sessions do; only one program of
            a folder may be of this kind.
        shared: whether other programs, also of other machines, keep the same sessions, and their
            uploads in the same folder. What no session uses any more goes a while later then.
        most_bytes: of one file.
        free_bytes: of the disk, that are left to others.
        most_waiting: uploads that no session has taken up, with those that still arrive.
        waiting_per_sender: of those, by one who brings them. None: as many as there are.
        waiting_seconds: how long one may wait for a session.
        stall_seconds: how long a file that arrives may stand still.
        peers: other programs that keep the same sessions, and may give what is not here. Their
            files are kept here as well, then.
        clock: for `waiting_seconds`.
        wall: what time it is, in seconds since 1970, for those that outlive the program.
        free_space: how many bytes are free on the disk of a folder.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        lasting: bool = False,
        shared: bool = False,
        most_bytes: int = 4_000_000_000,
        free_bytes: int = 1_000_000_000,
        most_waiting: int = 32,
        waiting_per_sender: int | None = None,
        waiting_seconds: float = 3600.0,
        stall_seconds: float = 30.0,
        peers: Peers | None = None,
        clock: Clock | None = None,
        wall: Callable[[], float] = time.time,
        free_space: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._folder = RunFolder(folder)
        self._shelf = _shelf_in(folder, lasting=lasting, shared=shared)
        self._is_shared = shared
        self.peers = peers
        self._borrowing: dict[str, asyncio.Lock] = {}
        """By address."""
        self._taking_stock = asyncio.Lock()
        self._has_stock = False
        self._wall = wall
        self._room = Room(
            most_bytes=most_bytes,
            free_bytes=free_bytes,
            free_space=lambda: free_space(self._folder.place),
        )
        self._most_waiting = most_waiting
        self._per_sender = most_waiting if waiting_per_sender is None else waiting_per_sender
        self._waiting_seconds = waiting_seconds
        self._stall_seconds = stall_seconds
        self._clock: Clock = clock or WallClock()
        self._arriving: list[str] = []
        """Of whom."""
        self._kept: dict[str, _Kept] = {}
        """By address."""
        self._doomed: set[Path] = set()
        """Files to be deleted."""

    def match(self, url: str) -> Match:
        return Match.SITE if url.startswith(UPLOAD) else Match.NO

    async def open(self, request: VideoRequest, progress: Progress) -> Video:
        """The file that was taken in under this address.

        Raises:
            VideoUnavailable: there is none, or none any more.
        """
        kept = await self._here(request.url) or await self._borrowed(request.url, progress)
        await self._take_up(kept)
        return kept.video

    async def file(self, name: str) -> Path:
        """Where the file of an upload lies that is here.

        Args:
            name: the part of its address that cannot be guessed.

        Raises:
            VideoUnavailable: it is not here.
        """
        await self._take_stock()
        for url in self._kept:
            if name_in(url) == name and (kept := await self._here(url)) is not None:
                return kept.path
        raise VideoUnavailable(_GONE)

    @asynccontextmanager
    async def arrival(self, size_bytes: int = 0, *, sender: str = "") -> AsyncIterator[Arrival]:
        """Take a file in.

            async with uploads.arrival() as arrival:
                async for chunk in chunks:
                    await arrival.write(chunk)
                upload = await arrival.finish("film.mp4")

        Leaving without `finish`, for whatever reason, leaves nothing behind.

        Args:
            size_bytes: how large it is at least, as far as that is known.
            sender: who brings it, as `SessionRecord.caller` says it.

        Raises:
            UploadTooLarge, StorageFull: also later, as more of it comes.
            RateLimited: too many files wait already.
            UploadStalled: nothing more has come; raised wherever the context stands.
        """
        self._room.refuse_large(size_bytes)
        await self._take_stock()
        waiting = [one.card.sender for one in self._kept.values() if not one.is_taken]
        waiting += self._arriving
        if waiting.count(sender) >= self._per_sender:
            raise RateLimited("Too many of your uploads wait for a session. Watch one of them.")
        if len(waiting) >= self._most_waiting:
            raise RateLimited("Too many uploads wait for a session already. Try again later.")
        self._arriving.append(sender)
        try:
            await asyncio.to_thread(self._room.refuse_full, size_bytes)
            arrival = Arrival(
                self._folder.path() / secrets.token_hex(16),
                room=self._room,
                pace=Pace(self._stall_seconds),
                keep=partial(self._keep, sender),
            )
            try:
                async with arrival.pace:
                    yield arrival
            finally:
                await asyncio.to_thread(arrival.discard)
        finally:
            self._arriving.remove(sender)

    async def tidy(self, in_use: Collection[str]) -> None:
        """Delete what sessions have used and none uses any more, what none has taken up in
        time, and what programs that were killed have left behind.

        Args:
            in_use: the addresses that sessions use.
        """
        await self._take_stock()
        now = self._clock.now()
        for url, kept in list(self._kept.items()):
            if url in in_use:
                kept.unused_since = None
                await self._take_up(kept)
            elif not kept.is_taken:
                if now - kept.came_at > self._waiting_seconds:
                    self._doomed.add(self._kept.pop(url).path)
            elif self._is_over(kept, now):
                self._doomed.add(self._kept.pop(url).path)
        await asyncio.to_thread(self._clean)
        if self.peers is not None:
            await self.peers.tell([kept.card for kept in self._kept.values()])

    async def _here(self, url: str) -> _Kept | None:
        await self._take_stock()
        kept = self._kept.get(url)
        is_here = kept is not None and await asyncio.to_thread(kept.path.is_file)
        return kept if is_here else None

    async def _borrowed(self, url: str, progress: Progress) -> _Kept:
        """One that another program holds; from now on it is here as well.

        Raises:
            VideoUnavailable: none does.
        """
        lock = self._borrowing.setdefault(url, asyncio.Lock())
        try:
            async with lock:
                return await self._here(url) or await self._borrow(url, progress)
        finally:
            self._borrowing.pop(url, None)

    async def _borrow(self, url: str, progress: Progress) -> _Kept:
        """
        Raises:
            VideoUnavailable: nobody holds it, or gives it.
            VideoDownloadFailed: there is no room for it.
            StoreFailed: nobody can tell who holds it.
        """
        if self.peers is None or self._shelf is None:
            raise VideoUnavailable(_GONE_HERE if self._is_shared else _GONE)
        try:
            arriving = await asyncio.to_thread(self._folder.path) / secrets.token_hex(16)
            try:
                card = await self.peers.borrow(url, arriving, room=self._room, progress=progress)
                if card is None:
                    raise VideoUnavailable(_GONE_HERE)
                path = await asyncio.to_thread(self._shelf.put, arriving, card)
            finally:
                await asyncio.to_thread(arriving.unlink, missing_ok=True)
        except (OSError, StorageFull) as exc:
            raise VideoDownloadFailed("There is no room for the upload on this machine.") from exc
        kept = self._kept[url] = _Kept(path, card, self._clock.now())
        return kept

    def _is_over(self, kept: _Kept, now: float) -> bool:
        """Whether one that sessions have used goes now, as none uses it any more."""
        if kept.unused_since is None:
            kept.unused_since = now
        return not self._is_shared or now - kept.unused_since >= _UNUSED_SECONDS

    async def _take_stock(self) -> None:
        """Know of those that an earlier run of the program has kept, and other programs."""
        if self._shelf is None or (self._has_stock and not self._is_shared):
            return
        async with self._taking_stock:
            if self._has_stock and not self._is_shared:
                return
            known = {kept.path for kept in self._kept.values()} | self._doomed
            now, wall = self._clock.now(), self._wall()
            for path, card in await asyncio.to_thread(self._shelf.stock, known):
                came_at = now - max(wall - card.came_at, 0.0)
                self._kept.setdefault(card.upload.video_url, _Kept(path, card, came_at))
            self._has_stock = True

    async def _take_up(self, kept: _Kept) -> None:
        """A session uses it."""
        if not kept.card.is_taken:
            kept.card = kept.card.model_copy(update={"is_taken": True})
            if self._shelf is not None:
                with suppress(OSError):  # it is kept too long, at worst
                    await asyncio.to_thread(self._shelf.note, kept.path, kept.card)

    async def _keep(
        self, sender: str, arrival: Arrival, name: str, kind: FileKind, identity: str
    ) -> Upload:
        name = clean_name(name)
        upload = Upload(
            video_url=f"{UPLOAD}{secrets.token_hex(16)}/{quote(name, safe='')}",
            title=PurePosixPath(name).stem,
            kind=kind,
            size_bytes=arrival.size_bytes,
        )
        card = UploadCard(upload=upload, content_id=identity, came_at=self._wall(), sender=sender)
        path = arrival.path
        if self._shelf is not None:
            try:
                path = await asyncio.to_thread(self._shelf.put, path, card)
            except OSError as exc:
                raise StorageFull("The server cannot keep the file.") from exc
        self._kept[upload.video_url] = _Kept(path, card, self._clock.now())
        if self.peers is not None:
            await self.peers.tell([card])
        return upload

    def _clean(self) -> None:
        for path in tuple(self._doomed):
            with suppress(OSError):  # where open files cannot be deleted, the next time it can
                remove_upload(path)
                self._doomed.discard(path)
        self._folder.sweep()


def _shelf_in(folder: Path | None, *, lasting: bool, shared: bool) -> UploadShelf | None:
    if folder is None or not (lasting or shared):
        return None
    if shared:
        # Apart from what a program keeps that is alone, and believes to know all sessions.
        return UploadShelf(folder / _SHARED_SHELF, unfinished_seconds=_UNFINISHED_SECONDS)
    return UploadShelf(folder / _SHELF)


def clean_name(name: str) -> str:
    """As much of a file's name as is fit to be shown: no folders, nothing invisible, no more
    than a line."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rstrip("/").rpartition("/")[2]
    visible = "".join(c for c in last if unicodedata.category(c) not in _INVISIBLE or c.isspace())
    plain = PurePosixPath(" ".join(visible.split()).strip(" .") or _NAMELESS)
    ending = plain.suffix[:_LONGEST_ENDING]
    return plain.stem[: _LONGEST_NAME - len(ending)] + ending
