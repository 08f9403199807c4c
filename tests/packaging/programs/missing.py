"""Tries what each extra is for, where none is installed; prints what was said, by extra."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from watchbuddy_core import ClockPlayer, Video, VideoRequest, WallClock, WatchClient
from watchbuddy_core.clips import Shot, make_clip
from watchbuddy_core.errors import MissingExtra
from watchbuddy_core.generation.model.calls import Model
from watchbuddy_core.sources.cache import VideoCache
from watchbuddy_core.sources.ytdlp import YtDlpSource
from watchbuddy_core.stores.redis import RedisStore
from watchbuddy_core.stores.sqlite import SQLiteStore
from watchbuddy_core.testing import recording_of_silence
from watchbuddy_core.tracks import read_track
from watchbuddy_core.transcription import OpenAITranscriber
from watchbuddy_core.understanding import survey

film = Path("film.mp4")
film.write_bytes(b"\0" * 100)


def quiet(fraction: float | None, message: str) -> None: ...


async def clip() -> None:
    make_clip(Path("clip.mp4"), [Shot(1.0)])


async def look() -> None:
    await survey(Video(content_id="1", title="film", path=film), quiet)


async def read() -> None:
    read_track(b"WEBVTT", "vtt")


async def connect() -> None:
    player = ClockPlayer(1.0, clock=WallClock())
    await WatchClient("http://127.0.0.1:1", "ses_1", player).run()


async def keep() -> None:
    async with SQLiteStore(Path("sessions.sqlite")):
        pass


async def share() -> None:
    async with RedisStore("redis://127.0.0.1:1"):
        pass


async def transcribe() -> None:
    await OpenAITranscriber().transcribe(recording_of_silence(1.0))


async def ask() -> None:
    Model("openai/small")


async def fetch() -> None:
    source = YtDlpSource(cache=VideoCache(Path("videos")))
    await source.open(VideoRequest(url="https://youtu.be/aqz-KE-bpKQ"), quiet)


ATTEMPTS: list[tuple[str, Callable[[], Awaitable[None]]]] = [
    ("media", clip),
    ("media", look),
    ("media", read),
    ("client", connect),
    ("server", keep),
    ("scale", share),
    ("transcription", transcribe),
    ("llm", ask),
    ("youtube", fetch),
]


async def main() -> list[tuple[str, str]]:
    said = []
    for extra, attempt in ATTEMPTS:
        try:
            await attempt()
        except MissingExtra as exc:
            said.append((extra, str(exc)))
        except BaseExceptionGroup as group:
            said.append((extra, str(group.exceptions[0])))
    return said


print(json.dumps(asyncio.run(main())))
