"""Having a source open a video: within its limit of time, and in words for the viewer."""

from __future__ import annotations

import asyncio

from watchbuddy_core.errors import MissingExtra, VideoDownloadFailed, VideoUnavailable
from watchbuddy_core.protocols import Progress
from watchbuddy_core.session.parts import Parts
from watchbuddy_core.session.strangers import plugin_code
from watchbuddy_core.sources import choose_source
from watchbuddy_core.video import Video, VideoRequest


async def fetched(request: VideoRequest, parts: Parts, progress: Progress) -> Video:
    """The video, by the source that fits its address best.

    Raises:
        ProcessingFailed: it cannot be had, or takes too long.
    """
    try:
        with plugin_code():
            source = choose_source(request.url, parts.sources)
            async with asyncio.timeout(parts.fetching_seconds):
                return await source.open(request, progress)
    except MissingExtra as exc:
        raise VideoUnavailable(str(exc)) from exc
    except TimeoutError:
        raise VideoDownloadFailed("Fetching the video took too long.") from None
