"""The source that has yt-dlp fetch videos, each in a process of its own."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Collection
from contextlib import AsyncExitStack, suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from watchbuddy_core.errors import MissingExtra, PluginProblem, VideoUnavailable
from watchbuddy_core.protocols import Match, Progress
from watchbuddy_core.sources import hls
from watchbuddy_core.sources.cache import VideoCache
from watchbuddy_core.sources.guard import AddressGuard
from watchbuddy_core.sources.hosts import HostRule, Link
from watchbuddy_core.sources.identity import content_id
from watchbuddy_core.sources.joining import beginning_of, joined
from watchbuddy_core.sources.limits import (
    ENOUGH_LINES,
    refuse_large,
    refuse_long,
    with_lines,
)
from watchbuddy_core.sources.receiving import telling, title_from
from watchbuddy_core.sources.ytdlp.messages import (
    TOLD,
    Arriving,
    Failed,
    Fetched,
    Found,
    Go,
    Order,
)
from watchbuddy_core.sources.ytdlp.troubles import Trouble, error_of
from watchbuddy_core.understanding.sniffing import kind_of
from watchbuddy_core.video import Chapter, SubtitleFile, Video, VideoRequest

_log = logging.getLogger("watchbuddy.sources")

_SILENT_SECONDS = 120.0
"""A worker that tells nothing for so long has come to nothing."""
_LONGEST_LINE = 1_000_000
_KEPT_VARIABLES = (
    *("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "PYTHONPATH", "VIRTUAL_ENV"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "LD_LIBRARY_PATH"),
)
"""Of the environment. Nothing else of it is a worker's business: keys are in there."""


class YtDlpSource:
    """Opens the videos of any site that yt-dlp knows.

    Args:
        cache: where videos are kept.
        guard: lets connections pass. The default lets none into an inner network.
        most_seconds: of a video.
        lines: the smallest picture that has so many is fetched.
        proxy: through which sites are reached, such as `socks5://127.0.0.1:1080`. Then it is
            the proxy that has to keep its inner network closed.
        cookies: a file in the format of Netscape, for sites that want somebody to log in.
    """

    def __init__(
        self,
        *,
        cache: VideoCache,
        guard: AddressGuard | None = None,
        most_seconds: float = 6 * 3600.0,
        lines: int = ENOUGH_LINES,
        proxy: str | None = None,
        cookies: str | Path | None = None,
    ) -> None:
        self._cache = cache
        self._guard = guard or AddressGuard()
        self._most_seconds = most_seconds
        self._lines = lines
        self._proxy = proxy
        self._proxy_place = (_place_of(proxy),) if proxy else ()
        self._turns = asyncio.Semaphore(cache.at_a_time)
        """A worker is a process: there are no more than videos are fetched at a time."""
        self._cookies = Path(cookies).expanduser() if cookies else None

    def match(self, url: str) -> Match:
        is_link = url.lower().startswith(("http://", "https://"))
        return Match.FALLBACK if is_link else Match.NO

    async def open(self, request: VideoRequest, progress: Progress) -> Video:
        """Ask the site, then fetch the smallest form that can be understood.

        Raises:
            VideoUnavailable, VideoDownloadFailed, VideoTooLong: with what can be done.
            MissingExtra: yt-dlp is not installed.
        """
        if find_spec("yt_dlp") is None:
            raise MissingExtra("youtube", "Opening a link to a site")
        link = Link.parse(request.url)
        if self._turns.locked():
            progress(None, "Waiting for other downloads")
        async with AsyncExitStack() as turn, AsyncExitStack() as held:
            await turn.enter_async_context(self._turns)
            progress(None, "Asking the site")
            worker = await held.enter_async_context(_Worker())
            await worker.say(await asyncio.to_thread(self._order, link))
            found = await worker.hear()
            if not isinstance(found, Found):
                raise error_of(Trouble.UNKNOWN)
            if found.is_live:
                raise error_of(Trouble.LIVE)
            refuse_long(found.duration or 0.0, self._most_seconds)

            async def fetch(folder: Path, room: int, progress: Progress) -> Video:
                async with held.pop_all():  # from here on the worker is the fetch's own
                    go = Go(
                        folder=str(folder),
                        room=room,
                        words_only=request.words_only,
                        lines=self._lines,
                    )
                    return await _fetched(worker, found, link, folder, go, progress)

            key = found.key or f"page-{hashlib.sha256(link.url.encode()).hexdigest()[:32]}"
            key = f"{key} (words)" if request.words_only else with_lines(key, self._lines)
            if self._cache.is_arriving(key):  # by another's worker: ours has done its work
                await held.aclose()
                await turn.aclose()
            return await self._cache.get(
                key, request.url, fetch, progress, renewed=found.key is None
            )

    async def tidy(self, in_use: Collection[str]) -> None:
        """Let go of the videos that no session watches: they are kept as long as there is room."""
        self._cache.forget_unused(in_use)
        await asyncio.to_thread(self._cache.note_use)

    def _order(self, link: Link) -> Order:
        exempt = [*self._guard.exempt, *self._proxy_place]
        try:
            cookies = self._cookies.read_text(encoding="utf-8") if self._cookies else None
        except (OSError, UnicodeDecodeError) as exc:
            raise VideoUnavailable(
                "The cookies file that the operator has named cannot be read."
            ) from exc
        return Order(
            url=link.url, exempt=tuple(map(str, exempt)), proxy=self._proxy, cookies=cookies
        )


def _place_of(proxy: str) -> HostRule:
    parts = urlsplit(proxy)
    if not (parts.scheme and parts.hostname and parts.port):
        raise PluginProblem("yt-dlp's proxy is no address such as socks5://127.0.0.1:1080.")
    return HostRule(parts.hostname, parts.port)


async def _fetched(
    worker: _Worker, found: Found, link: Link, folder: Path, go: Go, progress: Progress
) -> Video:
    await worker.say(go)
    received = telling(progress)
    while not isinstance(told := await worker.hear(), Fetched):
        if isinstance(told, Arriving):
            received(told.received, told.whole)
    return await _judged(told, found, link, folder, go.room)


async def _judged(told: Fetched, found: Found, link: Link, folder: Path, room: int) -> Video:
    """What a worker says it has fetched, after a look at it."""
    video = await asyncio.to_thread(_looked_at, told, found, link, folder, room)
    if video.path is None:
        return video
    zero = await beginning_of(video.path)
    for file in video.subtitles:
        await asyncio.to_thread(_bring_into_media_time, file.path, zero)
    if told.sound is None:
        return video
    whole = await joined(video.path, folder / told.sound, folder / "joined.mkv")
    return video.model_copy(update={"path": whole})


def _bring_into_media_time(subtitles: Path, zero: float) -> None:
    with suppress(UnicodeDecodeError):  # then it is not from a stream
        text = subtitles.read_text(encoding="utf-8")
        subtitles.write_text(hls.in_media_time(text, zero=zero), encoding="utf-8")


def _looked_at(told: Fetched, found: Found, link: Link, folder: Path, room: int) -> Video:
    files = [_file_in(folder, name) for name in (told.picture, told.sound) if name is not None]
    subtitles = [
        SubtitleFile(
            path=_file_in(folder, one.file), language=one.language, automatic=one.automatic
        )
        for one in told.subtitles
    ]
    refuse_large(sum(one.stat().st_size for one in folder.iterdir()), room)
    if any(kind_of(file) != "media" for file in files):
        raise error_of(Trouble.NOT_A_VIDEO)
    return Video(
        content_id=content_id([*files, *(one.path for one in subtitles)])
        if files
        else f"site-{hashlib.sha256((found.key or link.url).encode()).hexdigest()[:32]}",
        title=title_from(found.title) or link.host,
        path=files[0] if files else None,
        duration=None if files else found.duration,
        subtitles=tuple(subtitles),
        chapters=tuple(
            Chapter(start=chapter.start, end=chapter.end, title=title_from(chapter.title))
            for chapter in found.chapters
        ),
    )


def _file_in(folder: Path, name: str) -> Path:
    """Raises: VideoDownloadFailed, where it is no file right there."""
    path = folder / Path(name).name
    if path.name != name or path.is_symlink() or not path.is_file():
        raise error_of(Trouble.UNKNOWN)
    return path


class _Worker:
    """A worker process. Leaving the context kills it, and all that it has started."""

    async def __aenter__(self) -> Self:
        self._held = AsyncExitStack()
        home = self._held.enter_context(
            tempfile.TemporaryDirectory(prefix="watchbuddy-", ignore_cleanup_errors=True)
        )
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "watchbuddy_core.sources.ytdlp.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_LONGEST_LINE,
            cwd=home,
            env=_environment(home),
            start_new_session=True,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(ProcessLookupError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        try:
            await self._process.wait()
        finally:
            await self._held.aclose()

    async def say(self, message: BaseModel) -> None:
        assert self._process.stdin is not None
        with suppress(ConnectionError):  # what it has to say to that is heard next
            self._process.stdin.write(message.model_dump_json().encode() + b"\n")
            await self._process.stdin.drain()

    async def hear(self) -> Found | Arriving | Fetched:
        """What it says next.

        Raises:
            ProcessingFailed: it has failed, or ended without a word.
        """
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(_SILENT_SECONDS):
                line = await self._process.stdout.readline()
            told = TOLD.validate_json(line)
        except TimeoutError:
            raise error_of(Trouble.SILENT) from None
        except (ValidationError, ValueError) as exc:  # cut off, or far too much
            raise error_of(Trouble.UNKNOWN) from exc
        if isinstance(told, Failed):
            _log.info("yt-dlp: %s: %s", told.trouble, told.detail)
            raise error_of(told.trouble)
        return told


def _environment(home: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    nothing_of_the_user = {
        "HOME": home,
        "TMPDIR": home,
        "DENO_DIR": home,
        "XDG_CONFIG_HOME": home,
        "YTDLP_NO_PLUGINS": "1",
        "DENO_NO_UPDATE_CHECK": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return {**kept, **nothing_of_the_user}
