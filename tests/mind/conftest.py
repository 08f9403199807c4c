"""A server on loopback that speaks the OpenAI protocol, and misbehaves when it is told to."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from watchbuddy_core.characters import built_in
from watchbuddy_core.generation.model.generator import LiteLLMGenerator
from watchbuddy_core.session import Parts, SessionStatus, WatchSession
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.files import FileCache
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.testing import MemorySource
from watchbuddy_core.video import SubtitleFile, Video


@dataclass(slots=True)
class Call:
    """One request that came, and how it went."""

    index: int
    headers: dict[str, str]
    body: dict[str, Any]
    sent: int = 0
    """Letters of the answer that went out."""
    was_dropped: bool = False
    """Whether the client closed the connection before the end."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def format(self) -> str | None:
        return (self.body.get("response_format") or {}).get("type")

    @property
    def prompt(self) -> str:
        """All text of the messages."""
        texts = []
        for message in self.body["messages"]:
            content = message["content"]
            parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
            texts += [part["text"] for part in parts if part["type"] == "text"]
        return "\n".join(texts)

    @property
    def pictures(self) -> int:
        return sum(
            part["type"] == "image_url"
            for message in self.body["messages"]
            if not isinstance(message["content"], str)
            for part in message["content"]
        )

    @property
    def is_outline(self) -> bool:
        return "prepare notes on a video" in self.prompt

    @property
    def window(self) -> tuple[int, int]:
        """First and last second of what is asked for."""
        found = re.search(r"from second (\d+) to second (\d+)", self.prompt)
        assert found, self.prompt
        return int(found[1]), int(found[2])


@dataclass(frozen=True, slots=True)
class Reply:
    """How a request is answered."""

    text: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    error: str = "it went wrong"
    """What an answer with an error says."""
    first: asyncio.Event | None = None
    """Nothing is sent before this is set."""
    stall_after: int | None = None
    """So many letters are sent, and then nothing any more."""
    cut_after: int | None = None
    """So many letters are sent, and then the connection is cut."""
    done: bool = True
    """Whether `[DONE]` stands at the end."""
    finish: str | None = "stop"
    usage: tuple[int, int] | None = (1000, 100)
    garbage_after: int | None = None
    """So many letters are sent, and then a line that is no JSON."""
    piece: int = 48
    """Letters in one chunk."""
    reasoning: str = ""


def thought(second: int) -> str:
    """A line that is like no other."""
    rnd = random.Random(second)
    words = ["".join(rnd.choices("bdfgklmnprst", k=3)) for _ in range(5)]
    return f"{' '.join(words)} {second}.".capitalize()


def script(call: Call, *, memory: str = "") -> str:
    """An answer as a good model gives it: a line every ten seconds of the window."""
    first, last = call.window
    actions = [
        {
            "action_type": "SPEAK",
            "trigger_timestamp": second,
            "evidence_until": second,
            "importance": 0.8,
            "text": thought(second),
            "pause_video": False,
        }
        for second in range(first + 3, last - 3, 10)
    ]
    return json.dumps({"actions": actions, "memory": memory})


def outline(call: Call) -> str:
    first, last = call.window
    points = [
        {"start": second, "end": min(second + 60, last), "text": f"Notes about second {second}."}
        for second in range(first, last, 60)
    ]
    return json.dumps({"points": points})


def good(call: Call) -> Reply:
    return Reply(outline(call) if call.is_outline else script(call))


class ModelServer:
    """Answers as `answer` says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answer: Callable[[Call], Reply] = good
        self.api_base = ""

    @property
    def windows(self) -> list[tuple[int, int]]:
        """Of the calls about windows, in order."""
        return [call.window for call in self.calls if not call.is_outline]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            headers = {
                name.lower(): value
                for name, _, value in (line.partition(": ") for line in lines[1:] if line)
            }
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            call = Call(len(self.calls), headers, json.loads(body))
            self.calls.append(call)
            gone = asyncio.create_task(reader.read())
            answering = asyncio.create_task(self._answer(call, self.answer(call), writer))
            try:
                await asyncio.wait([gone, answering], return_when=asyncio.FIRST_COMPLETED)
                call.was_dropped = gone.done()
                if answering.done():
                    answering.result()
            finally:
                gone.cancel()
                answering.cancel()
                call.ended.set()
        writer.close()

    async def _answer(self, call: Call, reply: Reply, writer: asyncio.StreamWriter) -> None:
        if reply.first is not None:
            await reply.first.wait()
        if reply.status != 200:
            error = json.dumps({"error": {"message": reply.error, "type": "x", "code": "x"}})
            extra = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
            head = (
                f"HTTP/1.1 {reply.status} No\r\nContent-Type: application/json\r\n{extra}"
                f"Content-Length: {len(error.encode())}\r\nConnection: close\r\n\r\n"
            )
            writer.write(f"{head}{error}".encode())
            await writer.drain()
            return
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
        )
        self._event(writer, {"role": "assistant", "content": ""})
        if reply.reasoning:
            self._event(writer, {"reasoning_content": reply.reasoning})
        for at in range(0, len(reply.text), reply.piece):
            for limit, act in ((reply.stall_after, "stall"), (reply.cut_after, "cut")):
                if limit is not None and at >= limit:
                    if act == "cut":
                        writer.transport.abort()
                        return
                    await asyncio.Event().wait()
            if reply.garbage_after is not None and at >= reply.garbage_after:
                writer.write(b"data: {garbage\n\n")
                await writer.drain()
            self._event(writer, {"content": reply.text[at : at + reply.piece]})
            call.sent = min(at + reply.piece, len(reply.text))
            await writer.drain()
            await asyncio.sleep(0)
        self._event(writer, {}, finish=reply.finish)
        if reply.usage is not None and call.body.get("stream_options"):
            prompt, completion = reply.usage
            usage = {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
            }
            self._send(writer, {"choices": [], "usage": usage})
        if reply.done:
            writer.write(b"data: [DONE]\n\n")
        await writer.drain()

    def _event(
        self, writer: asyncio.StreamWriter, delta: dict[str, Any], finish: str | None = None
    ) -> None:
        self._send(writer, {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    def _send(self, writer: asyncio.StreamWriter, content: dict[str, Any]) -> None:
        chunk = {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            **content,
        }
        writer.write(f"data: {json.dumps(chunk)}\n\n".encode())


@asynccontextmanager
async def running_model_server() -> AsyncIterator[ModelServer]:
    model = ModelServer()
    server = await asyncio.start_server(model.serve, "127.0.0.1", 0)
    model.api_base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield model
    finally:
        server.close()


@pytest.fixture
def model_server() -> Callable[[], Any]:
    """`async with model_server() as model:` runs one."""
    return running_model_server


# --- a film to talk about --------------------------------------------------------------


def _time(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes // 60):02}:{int(minutes % 60):02}:{rest:06.3f}".replace(".", ",")


class Cinema:
    """Sessions of a film that is subtitles alone, with a model behind them.

    Something is said every twelve seconds, for three.
    """

    def __init__(
        self, folder: Path, server: ModelServer, *, minutes: float = 5, **options: Any
    ) -> None:
        path = folder / "film.srt"
        cues = [
            f"{i}\n{_time(at)} --> {_time(at + 3)}\nSomebody says the words of minute {at // 60}.\n"
            for i, at in enumerate(range(2, int(minutes * 60) - 5, 12), 1)
        ]
        path.write_text("\n".join(cues), encoding="utf-8")
        video = Video(
            content_id=f"film-{minutes}",
            title="The Lighthouse",
            path=None,
            subtitles=(SubtitleFile(path=path, language="en"),),
        )
        self.store = MemoryStore()
        self.generator = LiteLLMGenerator(
            **{
                "model": "openai/test",
                "api_base": server.api_base,
                "idle_seconds": 20.0,
                "total_seconds": 60.0,
                "retry_seconds": (0.01, 0.01),
                **options,
            }
        )
        self.parts = Parts(
            sources=[MemorySource({"memory:film": video})],
            generator=self.generator,
            generator_name="litellm",
            characters={one.id: one for one in built_in()},
            drafts=FileCache(folder / "drafts"),
        )

    async def session(self, **fields: Any) -> WatchSession:
        record = SessionRecord(
            session_id=f"ses_{len(await self.store.list())}",
            created_at=0.0,
            **{"video_url": "memory:film", "character_id": "quinn", **fields},
        )
        await self.store.put(record)
        return WatchSession(record, store=self.store, parts=self.parts)

    async def produced(self, **fields: Any) -> SessionStatus:
        """How a session is when its production has ended."""
        session = await self.session(**fields)
        await session.produce()
        return await session.status()


@pytest.fixture
def cinema(tmp_path: Path) -> Callable[..., Cinema]:
    return partial(Cinema, tmp_path)
