"""A real mpv without a window, a viewer's hands on it, and servers to watch with."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from watchbuddy_mpv import Mpv, MpvPlayer, Screen, watch
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from watchbuddy_core.actions import Action
from watchbuddy_core.client import Happening
from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.video import Cue
from watchbuddy_core.wire import (
    ActionCompletedMessage,
    ClientMessage,
    SeekUpdateMessage,
    SessionReadyMessage,
    TimestampUpdateMessage,
    decode_client_message,
    encode,
)

HEADLESS = ("--no-config", "--vo=null", "--ao=null", "--no-terminal")
SESSION = "ses_0123456789abcdef"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def mpv_is_there() -> None:
    if shutil.which("mpv") is None:
        pytest.skip("mpv is not installed: apt-get install mpv")


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds."""
    path = tmp_path_factory.mktemp("films") / "snail.mp4"
    shots = [Shot(4.0, Picture.DAWN), Shot(3.0, Picture.STORM, Tone.BANG), Shot(3.0, Picture.SEA)]
    cues = [Cue(start=0.5, end=1.5, text="How far is the sea?")]
    make_clip(path, shots, size=(160, 90), frame_rate=10, subtitles=cues)
    return path


Opened = Callable[..., AbstractAsyncContextManager[Path]]


@pytest.fixture
def opened(mpv_is_there: None, film: Path, tmp_path: Path) -> Opened:
    """Start an mpv before the film, `async with opened() as socket`; it waits at the start."""

    @asynccontextmanager
    async def open_mpv(*options: str) -> AsyncIterator[Path]:
        socket = tmp_path / "mpv"
        process = await asyncio.create_subprocess_exec(
            *("mpv", *HEADLESS, "--pause", "--keep-open=yes", "--keep-open-pause=no"),
            *(f"--input-ipc-server={socket}", *options, film),
        )
        try:
            yield socket
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    return open_mpv


@dataclass
class Room:
    """A companion before an mpv, the server it listens to, and the viewer's own hands."""

    mpv: Mpv
    """The viewer's connection: another one than the companion's."""
    player: MpvPlayer
    running: asyncio.Task[None]
    heard: list[ClientMessage]
    _news: asyncio.Event
    _connection: ServerConnection
    happened: list[Happening] = field(default_factory=list)

    async def send(self, *actions: Action) -> None:
        for action in actions:
            await self._connection.send(encode(action))

    async def shows(self, name: str) -> object:
        """What mpv itself says of a property."""
        return await self.mpv.command("get_property", name)

    async def viewer(self, *words: object) -> None:
        await self.mpv.command(*words)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def completes(self, count: int = 1) -> list[tuple[str, str | None]]:
        await self.until(lambda: len(self.completed) >= count)
        return self.completed

    @property
    def completed(self) -> list[tuple[str, str | None]]:
        acks = [one for one in self.heard if isinstance(one, ActionCompletedMessage)]
        return [(ack.action_id, ack.outcome) for ack in acks]

    @property
    def seeks(self) -> list[SeekUpdateMessage]:
        return [one for one in self.heard if isinstance(one, SeekUpdateMessage)]

    @property
    def reports(self) -> list[TimestampUpdateMessage]:
        return [one for one in self.heard if isinstance(one, TimestampUpdateMessage)]


OpenRoom = Callable[..., AbstractAsyncContextManager[Room]]


@pytest.fixture
def watching(opened: Opened) -> OpenRoom:
    """Watch with a server that says what the test wants: `async with watching() as room`."""

    @asynccontextmanager
    async def open_room(
        *options: str, playing: bool = True, interval: float = 0.25
    ) -> AsyncIterator[Room]:
        heard: list[ClientMessage] = []
        news = asyncio.Event()
        connections: asyncio.Queue[ServerConnection] = asyncio.Queue()

        async def take(connection: ServerConnection) -> None:
            await connection.send(encode(SessionReadyMessage()))
            connections.put_nowait(connection)
            try:
                async for frame in connection:
                    heard.append(decode_client_message(frame))
                    news.set()
            except ConnectionClosed:
                pass

        async with (
            serve(take, "127.0.0.1", 0) as server,
            opened(*options) as socket,
            Mpv.at(socket) as viewer,
            Mpv.at(socket) as mpv,
        ):
            port = next(iter(server.sockets)).getsockname()[1]
            player = MpvPlayer(mpv)
            await player.attach()
            happened: list[Happening] = []

            async def begin() -> None:
                if playing:
                    await player.resume()

            watching = watch(
                *(player, Screen(mpv), f"http://127.0.0.1:{port}", SESSION),
                begin=begin,
                seconds_to_read=lambda text: 0.3,
                interval=interval,
                listen=happened.append,
            )
            running = asyncio.create_task(watching)
            try:
                async with asyncio.timeout(10):
                    connection = await connections.get()
                room = Room(viewer, player, running, heard, news, connection, happened)
                await room.until(lambda: bool(room.reports) and room.reports[-1].paused != playing)
                yield room
            finally:
                running.cancel()
                await asyncio.wait([running])

    return open_room
