"""A link that the model opens by itself: nothing of it is fetched here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.generation.model.prompts import youtube_link
from watchbuddy_core.protocols import Match, Progress
from watchbuddy_core.session import Noticed
from watchbuddy_core.session.history import History
from watchbuddy_core.session.reporting import Reporter
from watchbuddy_core.video import SubtitleFile, Video, VideoRequest

LINK = "https://youtu.be/aqz-KE-bpKQ?t=5"


@pytest.mark.parametrize(
    "url",
    [
        "https://www.youtube.com/watch?v=aqz-KE-bpKQ",
        "https://m.youtube.com/watch?list=x&v=aqz-KE-bpKQ&t=9",
        "http://youtube.com/shorts/aqz-KE-bpKQ",
        LINK,
    ],
)
def test_links_of_youtube_are_known_in_all_their_forms(url: str) -> None:
    assert youtube_link(url) == "https://www.youtube.com/watch?v=aqz-KE-bpKQ"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "library:a.mp4",
        "https://example.org/watch?v=aqz-KE-bpKQ",
        "https://youtube.com/@channel",
    ],
)
def test_no_other_link_is_taken_for_one(url: str) -> None:
    assert youtube_link(url) is None


class Gemini:
    """Answers as Gemini's `streamGenerateContent` does."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.opens_videos = True
        self.api_base = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        body = json.loads(await reader.readexactly(length))
        self.bodies.append(body)
        first = body["contents"][0]["parts"][0]
        if "fileData" in first and not self.opens_videos:
            error = json.dumps({"error": {"code": 400, "message": "Cannot fetch content"}})
            writer.write(
                f"HTTP/1.1 400 Bad Request\r\nContent-Length: {len(error)}\r\n"
                f"Connection: close\r\n\r\n{error}".encode()
            )
        else:
            line = {"action_type": "SPEAK", "trigger_timestamp": 20, "text": "Look at that."}
            text = json.dumps({"actions": [line], "memory": ""})
            chunk = {
                "candidates": [{"content": {"parts": [{"text": text}]}}],
                "usageMetadata": {"promptTokenCount": 9000, "candidatesTokenCount": 30},
            }
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
                + f"data: {json.dumps(chunk)}\r\n\r\n".encode()
            )
        await writer.drain()
        writer.close()


@asynccontextmanager
async def gemini() -> AsyncIterator[Gemini]:
    model = Gemini()
    server = await asyncio.start_server(model.serve, "127.0.0.1", 0)
    model.api_base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield model
    finally:
        server.close()


class Site:
    """Has a video of which it gives the words alone to who wants no more."""

    def __init__(self, folder: Path, *, seconds: float = 40.0) -> None:
        self._seconds = seconds
        self.requests: list[VideoRequest] = []
        self._clip = folder / "clip.mp4"
        still = [Shot(seconds, Picture.STILL, Tone.CALM)]
        make_clip(self._clip, still, size=(64, 36), frame_rate=2)
        words = folder / "words.srt"
        words.write_text("1\n00:00:03,000 --> 00:00:05,000\nLook at that.\n", encoding="utf-8")
        self._words = SubtitleFile(path=words, language="en")

    def match(self, url: str) -> Match:
        return Match.SITE

    async def open(self, request: VideoRequest, progress: Progress) -> Video:
        self.requests.append(request)
        return Video(
            content_id="clip",
            title="A clip",
            path=None if request.words_only else self._clip,
            duration=self._seconds if request.words_only else None,
            subtitles=(self._words,),
        )


def room_for(cinema: Callable[..., Any], model: Gemini, site: Site) -> Any:
    room = cinema(model, model="gemini/gemini-2.5-flash")
    room.parts = replace(room.parts, sources=[site])
    return room


def test_gemini_is_given_the_link_with_its_seconds_and_nothing_is_fetched(
    cinema: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "AIzaTest")

    async def scenario() -> None:
        async with gemini() as model:
            site = Site(tmp_path)
            room = room_for(cinema, model, site)
            status = await room.produced(video_url=LINK, start_time=10.0)
            assert status.status == "ready", status.error
            assert [request.words_only for request in site.requests] == [True]
            assert status.windows[0].rung == "video"
            assert status.duration == 40.0
            assert status.usage.prompt_tokens == 9000
            first = model.bodies[0]["contents"][0]["parts"][0]
            assert first == {
                "fileData": {
                    "fileUri": "https://www.youtube.com/watch?v=aqz-KE-bpKQ",
                    "mimeType": "video/mp4",
                },
                "videoMetadata": {"fps": 0.5, "startOffset": "0s", "endOffset": "40s"},
            }
            config = model.bodies[0]["generationConfig"]
            assert config["mediaResolution"] == "MEDIA_RESOLUTION_LOW"
            assert "You see this part of the video itself." in json.dumps(model.bodies[0])
            assert "system_instruction" in model.bodies[0]

    asyncio.run(scenario())


def test_where_gemini_cannot_open_it_it_is_fetched_after_all_and_that_is_told(
    cinema: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "AIzaTest")

    async def scenario() -> None:
        async with gemini() as model:
            model.opens_videos = False
            site = Site(tmp_path, seconds=100.0)
            room = room_for(cinema, model, site)
            status = await room.produced(video_url=LINK)
            assert status.status == "ready", status.error
            history = History(await room.store.read("ses_0"))
            (notice,) = (n for n in Reporter(history).take_news() if isinstance(n, Noticed))
            assert notice.code == "WITHOUT_VIDEO"
            assert [request.words_only for request in site.requests] == [True, False]
            assert [window.rung for window in status.windows] == ["transcript", "frames"]
            again = await room.produced(video_url=LINK, text="Sing!")
            assert [request.words_only for request in site.requests] == [True, False, False]
            assert again.windows[0].rung == "frames"

    asyncio.run(scenario())
