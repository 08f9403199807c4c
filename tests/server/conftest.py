"""A server over a store whose sessions the tests write themselves.

What a producer would have written is appended to the log by hand, so every test
decides alone when a script is there and what is in it.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from queue import SimpleQueue
from typing import Any

import pytest
import uvicorn
from backstage import Backstage
from hurry import HURRIED
from litestar import Litestar
from litestar.testing import TestClient
from patience import PATIENCE
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from watchbuddy_core.actions import Speak
from watchbuddy_core.character import Character
from watchbuddy_core.protocols import Match, Progress
from watchbuddy_core.session import Parts
from watchbuddy_core.settings import Limits
from watchbuddy_core.sources.hosts import USUAL_SITES
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.testing import ScriptedGenerator
from watchbuddy_core.video import Video, VideoRequest
from watchbuddy_server.app import base_url, create_app, listen, server_config


class SlowSource:
    """A source that is still fetching when the test is over."""

    def __init__(self) -> None:
        self._opened: SimpleQueue[VideoRequest] = SimpleQueue()
        self.cancelled = 0

    def next_request(self) -> VideoRequest:
        """What it was asked to open, one after the other. For another thread than the server's."""
        return self._opened.get(timeout=PATIENCE)

    def match(self, url: str) -> Match:
        return Match.SITE

    async def open(self, request: VideoRequest, progress: Progress) -> Video:
        self._opened.put(request)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        raise AssertionError("never reached")


class Viewer:
    """One WebSocket connection, and what came through it."""

    def __init__(self, connection: ClientConnection) -> None:
        self.socket = connection

    async def say(self, **message: object) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self) -> Any:
        async with asyncio.timeout(PATIENCE):
            return json.loads(await self.socket.recv())

    async def end(self) -> tuple[int | None, str]:
        """Wait until the server closes; its code and reason. Nothing else may come before."""
        try:
            async with asyncio.timeout(PATIENCE):
                frame = await self.socket.recv()
        except ConnectionClosed:
            return self.socket.close_code, self.socket.close_reason or ""
        raise AssertionError(f"not closed, but sent {frame!r}")


@asynccontextmanager
async def _serve(app: Litestar, **options: Any) -> AsyncIterator[tuple[uvicorn.Server, str]]:
    with listen("127.0.0.1", 0) as listening:
        # Small, and so inherited: a client that does not read is felt at once.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
        server = uvicorn.Server(server_config(app, shutdown_seconds=5, **options))
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            while not server.started and not task.done():
                await asyncio.sleep(0.005)
            yield server, base_url(listening)
        finally:
            server.should_exit = True
            await task


@pytest.fixture
def source() -> SlowSource:
    return SlowSource()


@pytest.fixture
def parts(source: SlowSource) -> Parts:
    return Parts(
        sources=[source],
        generator=ScriptedGenerator(),
        characters={"miao": Character(id="miao", name={"en": "Miao"})},
        allowed_hosts=USUAL_SITES,
    )


@pytest.fixture
def backstage() -> Backstage:
    return Backstage(MemoryStore())


@pytest.fixture
def limits() -> Limits:
    return HURRIED


@pytest.fixture
def app(parts: Parts, backstage: Backstage, limits: Limits) -> Litestar:
    return create_app(parts=parts, store=backstage.store, limits=limits)


@pytest.fixture
def client(app: Litestar) -> Iterator[TestClient[Litestar]]:
    """The application without a network."""
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def serve() -> Callable[..., AbstractAsyncContextManager[tuple[uvicorn.Server, str]]]:
    """Runs an application under uvicorn on a free port: the server, and its address."""
    return _serve


Test = Callable[[Callable[..., AbstractAsyncContextManager[Viewer]]], Awaitable[None]]


@pytest.fixture
def watching(app: Litestar) -> Callable[[Test], None]:
    """Runs a test against the real server; it gets a way to connect to a session."""

    def run(test: Test) -> None:
        async def main() -> None:
            async with _serve(app) as (_, url):

                @asynccontextmanager
                async def viewer(session_id: str, **options: Any) -> AsyncIterator[Viewer]:
                    address = f"{url.replace('http', 'ws')}/ws/{session_id}"
                    async with connect(address, proxy=None, **options) as connection:
                        yield Viewer(connection)

                async with asyncio.timeout(PATIENCE):
                    await test(viewer)

        asyncio.run(main())

    return run


@pytest.fixture
def speak() -> Callable[..., Speak]:
    def speak(at: float, text: str = "Look!") -> Speak:
        return Speak(trigger_timestamp=at, text=text)

    return speak
