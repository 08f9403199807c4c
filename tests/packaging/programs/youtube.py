"""`youtube`: fetches a film through yt-dlp, and looks into it."""

import asyncio
import sys
from pathlib import Path

from watchbuddy_core.sources.cache import VideoCache
from watchbuddy_core.sources.guard import AddressGuard
from watchbuddy_core.sources.hosts import HostRule
from watchbuddy_core.sources.ytdlp import YtDlpSource
from watchbuddy_core.understanding import survey
from watchbuddy_core.video import VideoRequest


async def main(url: str) -> float:
    guard = AddressGuard([HostRule.parse(url.removeprefix("http://").partition("/")[0])])
    source = YtDlpSource(cache=VideoCache(Path("videos"), free_bytes=0), guard=guard)
    video = await source.open(VideoRequest(url=url), lambda fraction, message: None)
    return (await survey(video, lambda fraction, message: None)).duration


print(asyncio.run(main(sys.argv[1])))
