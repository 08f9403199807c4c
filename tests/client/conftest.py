"""A server that says what the test wants, and a viewer's living room around the client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from own_clock import OwnClock, own_clock
from patience import PATIENCE
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from watchbuddy_core.actions import Action, Speak
from watchbuddy_core.client import (
    DEFAULT_FEATURES,
    Arrived,
    Begun,
    Ended,
    Happening,
    Reached,
    WatchClient,
)
from watchbuddy_core.player import ClockPlayer
from watchbuddy_core.wire import (
    ActionCompletedMessage,
    ClientMessage,
    Feature,
    SeekUpdateMessage,
    SessionReadyMessage,
    TimestampUpdateMessage,
    decode_client_message,
    encode,
)

SPEED = 10.0
"""Seconds of the client's clock per real second."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class ScriptedServer:
    """Speaks only when the test tells it to, and keeps what it hears."""

    url: str = ""
    paths: list[str] = field(default_factory=list)
    """One per connection."""
    heard: list[ClientMessage] = field(default_factory=list)
    _listening: Server | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _connection: ServerConnection | None = None

    async def take(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self._connection = connection
        self.paths.append(connection.request.path)
        self._news.set()
        try:
            async for frame in connection:
                self.heard.append(decode_client_message(frame))
                self._news.set()
        except ConnectionClosed:
            pass

    async def open(self) -> None:
        port = int(self.url.rpartition(":")[2]) if self.url else 0
        self._listening = await serve(self.take, "127.0.0.1", port, reuse_address=True)
        address = next(iter(self._listening.sockets)).getsockname()
        self.url = f"http://127.0.0.1:{address[1]}"

    async def shut(self) -> None:
        if self._listening is not None:
            self._listening.close()
            await self._listening.wait_closed()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what was heard, or who has connected, fulfils the condition."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def connections(self, count: int) -> None:
        await self.until(lambda: len(self.paths) >= count)

    async def send(self, *actions: Action) -> None:
        for action in actions:
            await self.say(encode(action))

    async def say(self, frame: str) -> None:
        await self.connections(1)
        assert self._connection is not None
        await self._connection.send(frame)

    async def ready(self) -> None:
        await self.say(encode(SessionReadyMessage()))

    async def close(self, code: int, reason: str = "") -> None:
        await self.connections(1)
        assert self._connection is not None
        await self._connection.close(code, reason)

    async def break_off(self) -> None:
        """Lose the connection without a word."""
        await self.connections(1)
        assert self._connection is not None
        self._connection.transport.abort()

    @property
    def reports(self) -> list[TimestampUpdateMessage]:
        return [one for one in self.heard if isinstance(one, TimestampUpdateMessage)]

    @property
    def events(self) -> list[SeekUpdateMessage | ActionCompletedMessage]:
        """What was heard apart from the time."""
        return [one for one in self.heard if not isinstance(one, TimestampUpdateMessage)]

    @property
    def seeks(self) -> list[SeekUpdateMessage]:
        return [one for one in self.heard if isinstance(one, SeekUpdateMessage)]

    @property
    def completed(self) -> list[tuple[str, str | None]]:
        return [
            (one.action_id, one.outcome)
            for one in self.heard
            if isinstance(one, ActionCompletedMessage)
        ]

    async def completes(self, count: int = 1) -> list[tuple[str, str | None]]:
        await self.until(lambda: len(self.completed) >= count)
        return self.completed


@dataclass
class Room:
    """A client that watches, with its player, and what was seen and heard of it."""

    client: WatchClient
    player: ClockPlayer
    clock: OwnClock
    happened: list[Happening]
    spoken: list[tuple[str, bool]]
    """Each line when it began, and whether the video stood still."""
    running: asyncio.Task[None]
    news: asyncio.Event

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what has happened fulfils the condition."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self.news.clear()
                await self.news.wait()

    @property
    def begun(self) -> list[str]:
        return [one.action.id for one in self.happened if isinstance(one, Begun)]

    @property
    def arrived(self) -> list[str]:
        return [one.action.id for one in self.happened if isinstance(one, Arrived)]

    @property
    def reached(self) -> list[Reached]:
        return [one for one in self.happened if isinstance(one, Reached)]

    @property
    def ended(self) -> list[tuple[str, str]]:
        return [(one.action.id, one.outcome) for one in self.happened if isinstance(one, Ended)]


OpenRoom = Callable[..., AbstractAsyncContextManager[Room]]


class SteppingPlayer(ClockPlayer):
    """Tells its position in steps of 1.5 s, as players do that are asked over a network."""

    @property
    def position(self) -> float:
        return super().position // 1.5 * 1.5


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    server = ScriptedServer()
    await server.open()
    yield server
    await server.shut()


@pytest.fixture
def watching(server: ScriptedServer) -> OpenRoom:
    """Open a room: `async with watching(position=10.0, playing=True) as room`."""

    @asynccontextmanager
    async def open_room(
        *,
        position: float = 0.0,
        end: float = 1000.0,
        playing: bool = True,
        speak: Callable[[Speak], Awaitable[None]] | None = None,
        default_voice: bool = False,
        patience: float = 60.0,
        interval: float = 0.25,
        features: Collection[Feature] = DEFAULT_FEATURES,
        in_steps: bool = False,
    ) -> AsyncIterator[Room]:
        async with own_clock(speed=SPEED) as clock:
            player = (SteppingPlayer if in_steps else ClockPlayer)(
                end, clock=clock, position=position
            )
            if playing:
                await player.resume()
            spoken: list[tuple[str, bool]] = []
            happened: list[Happening] = []
            news = asyncio.Event()

            def listen(happening: Happening) -> None:
                happened.append(happening)
                news.set()

            async def say(line: Speak) -> None:
                spoken.append((line.text, player.paused))
                await clock.sleep(0.2)

            client = WatchClient(
                server.url,
                "ses_0123456789abcdef",
                player,
                speak=None if default_voice else speak or say,
                listen=listen,
                clock=clock,
                patience=patience,
                interval=interval,
                features=features,
            )
            running = asyncio.create_task(client.run())
            try:
                yield Room(client, player, clock, happened, spoken, running, news)
            finally:
                running.cancel()
                await asyncio.wait([running])

    return open_room
