"""Links to what can be read as it is: media files, HLS streams, subtitles."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from watchbuddy_core.protocols import Match, Progress
from watchbuddy_core.sources import hls
from watchbuddy_core.sources.cache import VideoCache
from watchbuddy_core.sources.guard import AddressGuard
from watchbuddy_core.sources.hosts import Link
from watchbuddy_core.sources.identity import content_id
from watchbuddy_core.sources.joining import beginning_of, joined
from watchbuddy_core.sources.limits import ENOUGH_LINES, with_lines
from watchbuddy_core.sources.local import SUBTITLE_ENDINGS, VIDEO_ENDINGS
from watchbuddy_core.sources.receiving import portion, telling, title_from
from watchbuddy_core.sources.web import Answer, Web, written
from watchbuddy_core.understanding.sniffing import kind_of
from watchbuddy_core.video import SubtitleFile, Video, VideoRequest

_PLAYLIST_ENDINGS = (".m3u8", ".m3u")
_HEAD_BYTES = 64
"""By so many at the beginning a playlist is known."""
_ANY_STREAM = ("master", "index", "playlist", "manifest", "main", "stream")
_PICTURES_SHARE = 0.9
"""Of the work, where the sound comes by itself."""


class LinkSource:
    """Opens an address that ends as the name of a media file, a stream or subtitles does.

    Args:
        cache: where videos are kept.
        guard: lets connections pass. The default lets none into an inner network.
        most_seconds: of a video.
        lines: of a stream, the smallest picture that has so many is fetched.
    """

    def __init__(
        self,
        *,
        cache: VideoCache,
        guard: AddressGuard | None = None,
        most_seconds: float = 6 * 3600.0,
        lines: int = ENOUGH_LINES,
    ) -> None:
        self._cache = cache
        self._guard = guard or AddressGuard()
        self._most_seconds = most_seconds
        self._lines = lines

    def match(self, url: str) -> Match:
        if not url.lower().startswith(("http://", "https://")):
            return Match.NO
        path = url.partition("#")[0].partition("?")[0].lower()
        known = (*_PLAYLIST_ENDINGS, *VIDEO_ENDINGS, *SUBTITLE_ENDINGS)
        return Match.SITE if path.endswith(known) else Match.NO

    async def open(self, request: VideoRequest, progress: Progress) -> Video:
        """Fetch the file, or as much of the stream as it takes to understand it.

        Raises:
            VideoUnavailable: there is nothing, or nothing that may be had.
            VideoDownloadFailed: fetching it failed.
            VideoUnreadable: it is no video and no subtitles.
            VideoTooLong: it is a stream that lasts too long.
        """
        progress(None, "Asking for the video")
        url = Link.parse(request.url).url
        async with Web(self._guard) as web:
            answer, head = await web.look(url, most=_HEAD_BYTES)
        fetch = self._save_stream if hls.is_playlist(head) else self._save_file
        identity = (url, answer.version or "", str(answer.length))
        key = f"link-{hashlib.sha256(repr(identity).encode()).hexdigest()[:32]}"
        return await self._cache.get(
            with_lines(key, self._lines) if hls.is_playlist(head) else key,
            request.url,
            partial(fetch, url),
            progress,
            renewed=answer.version is None,
        )

    async def tidy(self, in_use: Collection[str]) -> None:
        """Let go of the videos that no session watches: they are kept as long as there is room."""
        self._cache.forget_unused(in_use)
        await asyncio.to_thread(self._cache.note_use)

    async def _save_file(self, url: str, folder: Path, room: int, progress: Progress) -> Video:
        path = folder / "video"
        async with Web(self._guard) as web, written(path) as file:
            answer = await web.save(url, file, most=room, received=telling(progress))
        title = title_from(PurePosixPath(answer.file_name).stem) or Link.parse(url).host
        path = path.rename(path.with_suffix(_ending(answer)))
        if await asyncio.to_thread(kind_of, path) == "subtitles":
            return Video(
                content_id=content_id([path]),
                title=title,
                path=None,
                subtitles=(SubtitleFile(path=path),),
            )
        return Video(content_id=content_id([path]), title=title, path=path)

    async def _save_stream(self, url: str, folder: Path, room: int, progress: Progress) -> Video:
        async with Web(self._guard) as web:
            final, text = await web.read(url, most=hls.MOST_PLAYLIST_BYTES)
            stream = hls.choose(final, text.decode("utf-8", errors="replace"), self._lines)
            path = folder / "video"
            share = 1.0 if stream.sound is None else _PICTURES_SHARE
            save = partial(hls.save, web, most_bytes=room, most_seconds=self._most_seconds)
            await save(stream.picture, path, received=telling(portion(progress, 0.0, share)))
            zero = await beginning_of(path)
            if stream.sound is not None:
                sound = folder / "sound"
                await save(stream.sound, sound, received=telling(portion(progress, share, 1.0)))
                path = await joined(path, sound, folder / "joined.mkv")
            subtitles = []
            for i, rendition in enumerate(stream.subtitles):
                progress(None, "Fetching the subtitles")
                file = folder / f"subtitles-{i}.vtt"
                file.write_text(
                    await hls.read_subtitles(web, rendition, zero=zero), encoding="utf-8"
                )
                subtitles.append(SubtitleFile(path=file, language=rendition.language))
        return Video(
            content_id=content_id([path, *(file.path for file in subtitles)]),
            title=_title_of_stream(Link.parse(url)),
            path=path,
            subtitles=tuple(subtitles),
        )


def _title_of_stream(link: Link) -> str:
    """The name of its playlist, or of the folder, where the playlist is called as all are."""
    path = PurePosixPath(unquote(link.path))
    names = (path.stem if path.stem.lower() not in _ANY_STREAM else "", path.parent.name)
    return next(filter(None, map(title_from, names)), link.host)


def _ending(answer: Answer) -> str:
    """Of the file's name, where it is one that says what the file is. Nothing else of a
    foreign name becomes part of a path."""
    ending = PurePosixPath(answer.file_name).suffix.lower()
    return ending if ending in (*VIDEO_ENDINGS, *SUBTITLE_ENDINGS) else ""
