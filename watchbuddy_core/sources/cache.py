"""Downloaded videos, kept as long as there is room for them.

FOLDER/youtube-dQw4w9WgXcQ/video.json   what a source handed over; its time: last used
                          /…            the files that it names
FOLDER/.arriving-…                      what is still being fetched
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from watchbuddy_core.errors import VideoDownloadFailed
from watchbuddy_core.protocols import Progress
from watchbuddy_core.video import Video

Fetch = Callable[[Path, int, Progress], Awaitable[Video]]
"""Fetches a video into a folder, of which it may use so many bytes. What it returns names
files in that folder. Cancelling it ends everything that it has started."""

_FACTS = "video.json"
_ARRIVING = ".arriving-"
_ABANDONED_SECONDS = 24 * 3600.0
"""A fetch that began so long ago was cut off with its process."""
_IN_USE_SECONDS = 300.0
"""So long another program is believed that it uses a video: it says so every minute."""
_NEVER_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(slots=True)
class _Arrival:
    """A fetch, and everybody who waits for it."""

    task: asyncio.Task[Video]
    waiting: list[Progress] = field(default_factory=list)


class VideoCache:
    """Fetches every video once, for however many sessions, and forgets the least recently
    used ones where room is needed.

    Args:
        folder: created when the first video comes.
        total_bytes: of all videos together. One that is in use is never thrown out, so it may
            be more for a time.
        video_bytes: of one video.
        free_bytes: of the disk, to be left to others.
        at_a_time: so many videos are fetched at a time. The others wait.
        shared: whether other programs keep theirs in the same folder. Then `note_use` tells
            them, now and then, what is in use here.
    """

    def __init__(
        self,
        folder: Path,
        *,
        total_bytes: int = 20_000_000_000,
        video_bytes: int = 4_000_000_000,
        free_bytes: int = 1_000_000_000,
        at_a_time: int = 4,
        shared: bool = False,
    ) -> None:
        # yt-dlp works in a process of its own, in another folder.
        self._folder = folder.absolute()
        self._total_bytes = total_bytes
        self._video_bytes = video_bytes
        self._free_bytes = free_bytes
        self.at_a_time = at_a_time
        self._is_shared = shared
        self._turns = asyncio.Semaphore(at_a_time)
        self._arrivals: dict[str, _Arrival] = {}
        self._urls: defaultdict[str, set[str]] = defaultdict(set)
        """By key: the addresses under which sessions asked for it."""

    async def get(
        self, key: str, url: str, fetch: Fetch, progress: Progress, *, renewed: bool = False
    ) -> Video:
        """The video of this key: from the folder, or fetched; where somebody else fetches it
        already, together with them.

        Cancelling leaves: the last one to leave ends the fetch, and nothing of it is kept.

        Args:
            key: the same for the same content.
            url: under which `forget_unused` speaks of it.
            renewed: what is in the folder may be out of date: fetch it anew.

        Raises:
            VideoDownloadFailed: there is no room for it, besides what `fetch` raises.
        """
        name = folder_name(key)
        self._urls[name].add(url)
        arrival = self._arrivals.get(name)
        if arrival is None:
            known = None if renewed else await asyncio.to_thread(self._kept, name)
            if known is not None:
                return known
            arrival = self._arrivals.get(name)
        if arrival is None:
            arrival = self._begin(name, fetch, renewed=renewed)
        arrival.waiting.append(progress)
        try:
            return await asyncio.shield(arrival.task)
        finally:
            arrival.waiting.remove(progress)
            if not arrival.waiting and not arrival.task.done():
                del self._arrivals[name]  # nobody else is to join it any more
                arrival.task.cancel()
                await _ended(arrival.task)

    def is_arriving(self, key: str) -> bool:
        """Whether somebody fetches it already."""
        return folder_name(key) in self._arrivals

    def forget_unused(self, in_use: Collection[str]) -> None:
        """Videos under none of these addresses may be thrown out from now on."""
        for name, urls in list(self._urls.items()):
            if name not in self._arrivals:
                urls.intersection_update(in_use)
                if not urls:
                    del self._urls[name]

    def note_use(self) -> None:
        """Have other programs see what is in use here. Blocks."""
        for name in tuple(self._urls) if self._is_shared else ():
            with suppress(OSError):
                os.utime(self._folder / name / _FACTS)

    # --- one fetch ---------------------------------------------------------------------

    def _begin(self, name: str, fetch: Fetch, *, renewed: bool) -> _Arrival:
        waiting: list[Progress] = []

        def progress(fraction: float | None, message: str) -> None:
            for listener in tuple(waiting):
                listener(fraction, message)

        async def arrive() -> Video:
            try:
                async with self._turns:
                    return await self._fetch(name, fetch, progress, renewed=renewed)
            finally:
                if self._arrivals.get(name) is arrival:
                    del self._arrivals[name]

        # Nobody's task: it ends with the last of those who wait for it.
        task = asyncio.get_running_loop().create_task(arrive(), name=f"fetch {name}")
        arrival = self._arrivals[name] = _Arrival(task, waiting)
        return arrival

    async def _fetch(self, name: str, fetch: Fetch, progress: Progress, *, renewed: bool) -> Video:
        try:
            room = await asyncio.to_thread(self._make_room)
            arriving = Path(tempfile.mkdtemp(prefix=_ARRIVING, dir=self._folder))
        except OSError as exc:
            raise VideoDownloadFailed("The server cannot keep downloaded videos.") from exc
        try:
            video = await fetch(arriving, room, progress)
            return await asyncio.to_thread(self._keep, name, arriving, video, renewed=renewed)
        except OSError as exc:
            raise VideoDownloadFailed("The server has no room for the video.") from exc
        finally:
            await _removed(arriving)

    def _keep(self, name: str, arriving: Path, video: Video, *, renewed: bool) -> Video:
        if self._is_shared and not renewed and (theirs := self._kept(name)) is not None:
            return theirs  # another program was quicker, and its sessions use it already
        place = self._folder / name
        facts = _moved(video, arriving, Path())
        (arriving / _FACTS).write_text(facts.model_dump_json(), encoding="utf-8")
        shutil.rmtree(place, ignore_errors=True)
        arriving.rename(place)
        self._throw_out(self._total_bytes, spare=name)
        return _moved(facts, Path(), place)

    def _kept(self, name: str) -> Video | None:
        """A video that is here and whole, from now on the one used last."""
        place = self._folder / name
        try:
            facts = Video.model_validate_json((place / _FACTS).read_bytes())
            (place / _FACTS).touch()
        except (OSError, ValidationError):
            return None
        video = _moved(facts, Path(), place)
        files = [*([video.path] if video.path else []), *(file.path for file in video.subtitles)]
        return video if all(file.is_file() for file in files) else None

    # --- room --------------------------------------------------------------------------

    def _make_room(self) -> int:
        """How many bytes the next video may have.

        Raises:
            VideoDownloadFailed: there is no room.
            OSError: the folder cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sweep_abandoned()
        wanted = self._free_bytes + min(self._video_bytes, self._total_bytes)
        for name in self._by_last_use():
            if shutil.disk_usage(self._folder).free >= wanted:
                break
            self._remove_unless_used(name)
        room = shutil.disk_usage(self._folder).free - self._free_bytes
        if room <= 0:
            raise VideoDownloadFailed(
                "The server's disk is full. The operator can make room, or lower cache.free_bytes."
            )
        return min(self._video_bytes, room)

    def _throw_out(self, most: int, *, spare: str) -> None:
        """The least recently used ones, until what is left has at most so many bytes."""
        sizes = {name: _size(self._folder / name) for name in self._by_last_use()}
        excess = sum(sizes.values()) - most
        for name, size in sizes.items():
            if excess <= 0:
                return
            if name != spare and self._remove_unless_used(name):
                excess -= size

    def _remove_unless_used(self, name: str) -> bool:
        if name in self._urls or (self._is_shared and self._may_be_in_use(name)):
            return False
        shutil.rmtree(self._folder / name, ignore_errors=True)
        return True

    def _may_be_in_use(self, name: str) -> bool:
        """Whether another program said so a short while ago."""
        return _age(self._folder / name / _FACTS) < _IN_USE_SECONDS

    def _by_last_use(self) -> list[str]:
        """The videos that are here, the least recently used one first."""
        places = [
            place
            for place in self._folder.iterdir()
            if not place.name.startswith(".") and (place / _FACTS).is_file()
        ]
        return [place.name for place in sorted(places, key=lambda one: -_age(one / _FACTS))]

    def _sweep_abandoned(self) -> None:
        for place in self._folder.glob(f"{_ARRIVING}*"):
            if _age(place) > _ABANDONED_SECONDS:
                shutil.rmtree(place, ignore_errors=True)


def folder_name(key: str) -> str:
    """A key as the name of a folder, whatever it is made of; different for different keys."""
    plain = _NEVER_IN_A_NAME.sub("-", key)[:80]
    if plain == key and key and not key.startswith("-"):
        return key
    return f"{plain.strip('-') or 'video'}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _moved(video: Video, old: Path, new: Path) -> Video:
    """With its files in another folder."""
    return video.model_copy(
        update={
            "path": video.path and new / video.path.relative_to(old),
            "subtitles": tuple(
                file.model_copy(update={"path": new / file.path.relative_to(old)})
                for file in video.subtitles
            ),
        }
    )


async def _removed(folder: Path) -> None:
    """Remove it, in a thread: it may hold much. However often this is cancelled, it is done."""
    removing = asyncio.ensure_future(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))
    try:
        await asyncio.shield(removing)
    except asyncio.CancelledError:
        await asyncio.wait([removing])
        raise


async def _ended(task: asyncio.Task[Video]) -> None:
    """Wait until a cancelled task has ended, however often the waiting is cancelled itself."""
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task])
    if not task.cancelled():
        task.exception()  # nobody is there to hear of it


def _size(folder: Path) -> int:
    """Of its files, in bytes; another process may just throw them out."""
    size = 0
    with suppress(OSError):
        for file in folder.iterdir():
            size += file.stat().st_size
    return size


def _age(path: Path) -> float:
    """Seconds since it was changed; a file that has gone is older than everything."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")
