"""What a viewer reads while the companion prepares."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import uvicorn
from litestar import Litestar
from patience import PATIENCE
from rich.console import Console

from watchbuddy_core.assembly import build_parts
from watchbuddy_core.client import create_session
from watchbuddy_core.protocols import Match, Progress, VideoSource
from watchbuddy_core.settings import Settings
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.video import Video, VideoRequest
from watchbuddy_core.wire import CreateSession
from watchbuddy_server.app import base_url, create_app, listen, server_config
from watchbuddy_server.terminal import watch_in_terminal

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Screen(io.StringIO):
    """What is printed, and when something is."""

    def __init__(self) -> None:
        super().__init__()
        self.news = asyncio.Event()

    def write(self, text: str) -> int:
        self.news.set()
        return super().write(text)

    async def until(self, text: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while text not in self.getvalue():
                self.news.clear()
                await self.news.wait()


@dataclass
class SlowLibrary:
    """Takes as long as the test wants, and is at four tenths until then."""

    library: VideoSource
    may_go_on: asyncio.Event

    def match(self, url: str) -> Match:
        return self.library.match(url)

    async def open(self, request: VideoRequest, progress: Progress) -> Video:
        progress(0.4, "Carrying the film up from the cellar")
        await self.may_go_on.wait()
        return await self.library.open(request, progress)


@asynccontextmanager
async def served(app: Litestar) -> AsyncIterator[str]:
    with listen("127.0.0.1", 0) as listening:
        server = uvicorn.Server(server_config(app, shutdown_seconds=5))
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield base_url(listening)
        finally:
            server.should_exit = True
            await task


@pytest.mark.parametrize("is_terminal", [False, True])
async def test_a_preparation_that_takes_its_time_is_told(clip: Path, is_terminal: bool) -> None:
    parts = build_parts(Settings(libraries=(clip.parent,)))
    slow = SlowLibrary(parts.sources[0], asyncio.Event())
    screen = Screen()
    console = Console(file=screen, force_terminal=is_terminal, width=100, soft_wrap=True)
    async with served(create_app(parts=replace(parts, sources=[slow]), store=MemoryStore())) as url:
        request = CreateSession(video_url=f"library:{clip.name}", character_id="miao", end_time=8.0)
        watching = asyncio.create_task(
            watch_in_terminal(
                url, await create_session(url, request), console=console, end=8.0, speed=20.0
            )
        )
        await screen.until("Carrying the film up from the cellar … 40%")
        slow.may_go_on.set()
        summary = await watching
    assert summary.lateness
    assert min(summary.lateness) >= 0.0
    assert ("\x1b" in screen.getvalue()) == is_terminal
