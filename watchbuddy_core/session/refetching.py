"""Videos that a session has seen elsewhere, or that are gone here: they are opened anew."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from watchbuddy_core.errors import (
    ProcessingFailed,
    RequestRefused,
    StoreFailed,
    VideoDownloadFailed,
    VideoNotReady,
)
from watchbuddy_core.protocols import untold
from watchbuddy_core.session.fetching import fetched
from watchbuddy_core.session.parts import Parts
from watchbuddy_core.video import Video, VideoRequest

_log = logging.getLogger("watchbuddy.session")

_LEFT_SECONDS = 60.0
"""A fetch that nobody has asked for in so long ends."""
_FAILURE_HOLDS = 10.0
"""So long nobody tries again what has just failed."""
_FOUND_HOLDS = 10.0
"""So long it is not looked for again."""


@dataclass(slots=True)
class _Fetch:
    task: asyncio.Task[Video]
    end: asyncio.TimerHandle
    """Lets go of it."""


class Refetching:
    """Opens each video once, for however many viewers, who wait together.

    It goes on where none of them waits so long, so that it is there when they come back.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._fetches: dict[str, _Fetch] = {}
        """By address."""

    async def get(self, url: str, *, patience: float) -> Video:
        """The video of this address.

        Args:
            patience: seconds to wait for it.

        Raises:
            VideoNotReady: it takes longer; ask again.
            ProcessingFailed: it cannot be had, or not now.
        """
        fetch = self._fetches.get(url) or self._begin(url)
        if not fetch.task.done():
            self._keep(url, fetch, _LEFT_SECONDS)
        try:
            async with asyncio.timeout(patience):
                return await asyncio.shield(fetch.task)
        except TimeoutError:
            raise VideoNotReady from None

    async def stop(self) -> None:
        """End all that is being fetched."""
        tasks = [fetch.task for fetch in self._fetches.values()]
        for url, fetch in list(self._fetches.items()):
            self._let_go(url, fetch)
        if tasks:
            await asyncio.wait(tasks)

    def _begin(self, url: str) -> _Fetch:
        loop = asyncio.get_running_loop()
        # Nobody's task: it ends with those who want the video.
        task = loop.create_task(self._open(url), name="fetch again")
        fetch = self._fetches[url] = _Fetch(task, loop.call_later(0, lambda: None))
        task.add_done_callback(lambda _: self._done(url, fetch))
        return fetch

    def _done(self, url: str, fetch: _Fetch) -> None:
        has_failed = fetch.task.cancelled() or fetch.task.exception() is not None
        if self._fetches.get(url) is fetch:
            self._keep(url, fetch, _FAILURE_HOLDS if has_failed else _FOUND_HOLDS)

    def _keep(self, url: str, fetch: _Fetch, seconds: float) -> None:
        fetch.end.cancel()
        loop = asyncio.get_running_loop()
        fetch.end = loop.call_later(seconds, self._let_go, url, fetch)

    def _let_go(self, url: str, fetch: _Fetch) -> None:
        fetch.end.cancel()
        if self._fetches.get(url) is fetch:
            del self._fetches[url]
        fetch.task.cancel()

    async def _open(self, url: str) -> Video:
        try:
            return await fetched(VideoRequest(url=url), self._parts, untold)
        except (ProcessingFailed, RequestRefused, StoreFailed):
            raise
        except Exception as exc:  # of a plugin
            _log.exception("a video cannot be fetched again")
            raise VideoDownloadFailed(
                "Fetching the video has failed. The server's log says more."
            ) from exc
