"""Episodes of podcasts, as videos to watch."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from watchbuddy_core.errors import ProcessingFailed, VideoUnavailable
from watchbuddy_core.protocols import Match, Progress
from watchbuddy_core.sources.cache import VideoCache
from watchbuddy_core.sources.guard import AddressGuard
from watchbuddy_core.sources.hosts import HostRule
from watchbuddy_core.sources.identity import content_id
from watchbuddy_core.sources.receiving import telling, title_from
from watchbuddy_core.sources.web import Web, written
from watchbuddy_core.video import SubtitleFile, Video, VideoRequest
from watchbuddy_podcast.feed import Episode, episodes

SCHEME = "podcast:"
_FEED_BYTES = 8_000_000
_TRANSCRIPT_BYTES = 4_000_000

_log = logging.getLogger("watchbuddy.podcast")


class PodcastSource:
    """Opens `podcast:night`, the newest episode of a podcast, and `podcast:night/12`.

    Viewers name podcasts that the operator has named before, and no addresses.

    Args:
        feeds: where the feed of each podcast is, by its name.
        folder: where episodes are kept. By default in your own cache.
        allow_hosts: places that may be connected to wherever they lie: `nas.example:8080`.
    """

    def __init__(
        self,
        feeds: Mapping[str, str] | None = None,
        folder: str | None = None,
        allow_hosts: Sequence[str] = (),
    ) -> None:
        self._feeds = dict(feeds or {})
        self._cache = VideoCache(Path(folder or Path.home() / ".cache" / "watchbuddy-podcast"))
        self._guard = AddressGuard([HostRule.parse(host) for host in allow_hosts])

    def match(self, url: str) -> Match:
        return Match.SITE if url.startswith(SCHEME) else Match.NO

    async def open(self, request: VideoRequest, progress: Progress) -> Video:
        """Find the episode in its feed, and fetch it.

        Raises:
            VideoUnavailable: there is no such podcast, or no such episode.
            VideoDownloadFailed: it could not be fetched.
        """
        name, _, number = request.url.removeprefix(SCHEME).partition("/")
        if name not in self._feeds:
            raise VideoUnavailable("There is no podcast of this name here.")
        progress(None, "Reading the podcast's feed")
        episode = await self._find(self._feeds[name], number)
        key = hashlib.sha256(episode.url.encode()).hexdigest()[:32]
        fetch = partial(self._fetch, episode)
        return await self._cache.get(f"podcast-{key}", request.url, fetch, progress)

    async def tidy(self, in_use: Collection[str]) -> None:
        """Episodes that nobody listens to are kept for as long as there is room."""
        self._cache.forget_unused(in_use)

    async def _find(self, feed: str, number: str) -> Episode:
        async with Web(self._guard) as web:
            url, document = await web.read(feed, most=_FEED_BYTES)
        for episode in await asyncio.to_thread(episodes, document, url):
            if number in ("", episode.number):
                return episode
        raise VideoUnavailable("The podcast has no such episode.")

    async def _fetch(self, episode: Episode, folder: Path, room: int, progress: Progress) -> Video:
        ending = PurePosixPath(urlsplit(episode.url).path).suffix[:8]
        path = folder / f"episode{ending if ending[1:].isalnum() else ''}"
        subtitles: list[SubtitleFile] = []
        async with Web(self._guard) as web:
            async with written(path) as file:
                await web.save(episode.url, file, most=room, received=telling(progress))
            for i, transcript in enumerate(episode.transcripts):
                try:
                    _, text = await web.read(transcript.url, most=_TRANSCRIPT_BYTES)
                except ProcessingFailed as exc:  # the episode can be heard without
                    _log.warning("A transcript is left out: %s", exc)
                    continue
                place = folder / f"transcript-{i}{transcript.ending}"
                await asyncio.to_thread(place.write_bytes, text)
                subtitles.append(SubtitleFile(path=place, language=transcript.language))
        return Video(
            content_id=await asyncio.to_thread(content_id, [path]),
            title=title_from(episode.title) or "An episode without a title",
            path=path,
            subtitles=tuple(subtitles),
        )
