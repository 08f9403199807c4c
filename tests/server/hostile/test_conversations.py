"""Any conversation over several connections to one session, with all features, sound or not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
import pytest
from backstage import Backstage
from hurry import HURRIED
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from patience import PATIENCE
from properties import examples
from raw_sockets import Hall
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from watchbuddy_core.actions import Speak
from watchbuddy_core.assembly import build_parts
from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.entries import Entry
from watchbuddy_core.settings import Settings
from watchbuddy_core.wire import (
    FEATURES,
    HOLD_SECONDS,
    DensityMessage,
    ErrorMessage,
    SessionReadyMessage,
    UnknownMessage,
    WelcomeMessage,
    decode_server_message,
)
from watchbuddy_server.app import create_app
from watchbuddy_server.websocket import MOST_INVALID

LENGTH = 30.0
SLOTS = 3
"""Connections that may be open at the same time; each newer one takes over."""


@pytest.fixture(scope="module")
def app(backstage: Backstage, tmp_path_factory: pytest.TempPathFactory) -> Litestar:
    films = tmp_path_factory.mktemp("films")
    shots = [Shot(3.0, picture, Tone.CALM) for picture in [Picture.DAY, Picture.NIGHT] * 5]
    make_clip(films / "clip.mp4", shots, size=(64, 36), frame_rate=5)
    settings = Settings(libraries=(films,), data_dir=tmp_path_factory.mktemp("data"))
    return create_app(parts=build_parts(settings), store=backstage.store, limits=HURRIED)


@pytest.fixture(scope="module")
def prepared(_open_hall: tuple[asyncio.Runner, Hall], backstage: Backstage) -> Sequence[Entry]:
    """What the log of a session says that was prepared, and that nobody has watched."""
    runner, hall = _open_hall
    wanted = {"video_url": "library:clip.mp4", "character_id": "miao", "density": "chatty"}

    async def prepare() -> str:
        async with httpx.AsyncClient(timeout=PATIENCE) as client:
            answer = await client.post(f"{hall.url}/api/v1/sessions", json=wanted)
        session_id: str = answer.json()["session_id"]
        async with connect(address_of(hall, session_id), proxy=None) as socket:
            async with asyncio.timeout(PATIENCE):
                assert json.loads(await socket.recv()) == {"type": "session_ready"}
        return session_id

    return [logged.entry for logged in backstage.store._logs[runner.run(prepare())]]


def address_of(hall: Hall, session_id: str) -> str:
    return f"{hall.url.replace('http', 'ws')}/ws/{session_id}"


# --- what is said -------------------------------------------------------------------------


@dataclass(frozen=True)
class Open:
    slot: int
    features: tuple[str, ...]


@dataclass(frozen=True)
class Leave:
    slot: int
    how: Literal["close", "abort"]


@dataclass(frozen=True)
class Say:
    slot: int
    frame: str | bytes


@dataclass(frozen=True)
class Complete:
    """Tell that the n-th action of all that came is done."""

    slot: int
    which: int


Step = Open | Leave | Say | Complete

times = st.floats(0, LENGTH + 5).map(lambda t: round(t, 2))
odd = st.sampled_from([-1.0, 1e9, 1e308, -1e308, float("nan"), float("inf"), 0, 10**400])
sound = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("timestamp_update"), "timestamp": times},
        optional={"paused": st.booleans(), "playback_rate": st.floats(0.25, 16)},
    ),
    st.fixed_dictionaries(
        {"type": st.just("seek_update"), "timestamp": times},
        optional={"cause": st.sampled_from(["user", "action"]), "action_id": st.text(max_size=9)},
    ),
    st.fixed_dictionaries(
        {"type": st.just("feedback"), "kind": st.sampled_from(["less", "more", "mute", "unmute"])}
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("user_message"),
            "text": st.one_of(st.sampled_from(["Who is that?", "？", "\x00", "x" * 2000])),
        }
    ),
    st.just({"type": "interrupt"}),
)
unsound = st.one_of(
    st.sampled_from(
        [
            "",
            "null",
            "[" * 20_000,
            '{"type": "timestamp_update"}',
            '{"type": "timestamp_update", "timestamp": "1"}',
            '{"type": "user_message", "text": "\\ud800"}',
            '{"type": "action_completed", "action_id": "' + "x" * 65 + '"}',
            '{"type": ' + "1" * 5_000 + "}",
            '{"type": "session_ready"}',
            '{"type": "unheard of"}',
            b"\xff\xfe",
            b'{"type": "interrupt"}',
            b"",
        ]
    ),
    st.builds(
        lambda kind, at: json.dumps({"type": kind, "timestamp": at}),
        st.sampled_from(["timestamp_update", "seek_update"]),
        odd,
    ),
    st.text(max_size=30).map(lambda text: text.encode("utf-8", "replace").decode()),
    st.binary(max_size=30),
)
frames = st.one_of(sound.map(json.dumps), unsound)
slots = st.integers(0, SLOTS - 1)
steps = st.one_of(
    st.builds(Say, slots, frames),
    st.builds(Say, slots, frames),
    st.builds(Say, slots, frames),
    st.builds(Complete, slots, st.integers(0, 20)),
    st.builds(Open, slots, st.sets(st.sampled_from(FEATURES)).map(tuple)),
    st.builds(Leave, slots, st.sampled_from(["close", "abort"])),
)


@dataclass
class Connection:
    """One of them, and what came through it."""

    socket: ClientConnection
    features: tuple[str, ...]
    heard: list[Any] = field(default_factory=list)
    said: int = 0
    """Frames that may have been no messages, in a row at least."""

    async def listen(self, talk: Talk) -> None:
        try:
            async for frame in self.socket:
                assert isinstance(frame, str)
                message = decode_server_message(frame)
                assert not isinstance(message, UnknownMessage), frame
                self.heard.append(message)
                if hasattr(message, "action_type"):
                    talk.take(self, message)
        except ConnectionClosed:
            pass


class Talk:
    """A conversation, and what must hold of it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._open: dict[int, Connection] = {}
        self._listening: list[asyncio.Task[None]] = []
        self.all: list[Connection] = []
        self.actions: list[Any] = []
        self.furthest = 0.0
        """The furthest position that was ever reported."""
        self.is_straight = True
        """Nobody has sought, nor gone back, nor changed how much is said."""
        self.last = 0.0

    def take(self, connection: Connection, action: Any) -> None:
        ahead = HOLD_SECONDS if "hold" in connection.features else 0.0
        assert action.trigger_timestamp <= min(self.furthest, LENGTH) + ahead + 0.001
        self.actions.append(action)

    async def do(self, step: Step) -> None:
        match step:
            case Open(slot, features):
                await self.leave(slot, "close")
                asked = f"?features={','.join(features)}"
                socket = await connect(self._url + asked, proxy=None, compression=None)
                self._open[slot] = Connection(socket, features)
                self.all.append(self._open[slot])
                self._listening.append(asyncio.create_task(self._open[slot].listen(self)))
            case Leave(slot, how):
                await self.leave(slot, how)
            case Complete(slot, which) if self.actions:
                done = self.actions[which % len(self.actions)].id
                await self._say(slot, json.dumps({"type": "action_completed", "action_id": done}))
            case Say(slot, frame):
                self._note(frame)
                await self._say(slot, frame)

    def _note(self, frame: str | bytes) -> None:
        try:
            said = json.loads(frame)
        except (ValueError, RecursionError):
            return
        if not isinstance(said, dict):
            return
        if said.get("type") in ("seek_update", "feedback", "user_message"):
            self.is_straight = False
        at = said.get("timestamp")
        if isinstance(at, int | float) and at == at:
            if at < self.last:
                self.is_straight = False
            self.last = at
            self.furthest = max(self.furthest, at)

    async def _say(self, slot: int, frame: str | bytes) -> None:
        """To one of those that are open, whichever is meant."""
        if self._open:
            slot = sorted(self._open)[slot % len(self._open)]
            self._open[slot].said += 1
            try:
                await self._open[slot].socket.send(frame)
            except ConnectionClosed:
                del self._open[slot]

    async def leave(self, slot: int, how: str) -> None:
        connection = self._open.pop(slot, None)
        if connection is not None and how == "abort":
            connection.socket.transport.abort()
        elif connection is not None:
            await connection.socket.close()

    async def end(self) -> None:
        for slot in range(SLOTS):
            await self.leave(slot, "close")
        await asyncio.gather(*self._listening)


@examples(40, shrink=False)
@given(said=st.lists(steps, min_size=3, max_size=30))
def test_whatever_is_said_the_answers_are_those_of_the_protocol(
    hall: Any, backstage: Any, prepared: Sequence[Entry], said: list[Step]
) -> None:
    async def scenario(hall: Hall) -> None:
        session_id = await backstage.session(*prepared)
        talk = Talk(address_of(hall, session_id))
        await talk.do(Open(0, ("feedback",)))
        for step in said:
            await talk.do(step)
        await talk.end()
        for number, one in enumerate(talk.all):
            code = one.socket.close_code
            is_replaced = number < len(talk.all) - 1
            assert (
                code in (1000, 1005, 1006)
                or (code == 4409 and is_replaced)
                or (code == 4400 and one.said >= MOST_INVALID)
            ), code
            welcomes = [m for m in one.heard if isinstance(m, WelcomeMessage)]
            readies = [m for m in one.heard if isinstance(m, SessionReadyMessage)]
            errors = [m for m in one.heard if isinstance(m, ErrorMessage)]
            assert len(welcomes) <= 1
            assert one.heard[:1] == welcomes
            assert len(readies) <= 1
            assert len(errors) <= one.said
            ids = [m.id for m in one.heard if hasattr(m, "action_type")]
            if talk.is_straight:
                assert len(ids) == len(set(ids))
        await is_usable(talk, hall, session_id)

    hall(scenario)


async def is_usable(talk: Talk, hall: Hall, session_id: str) -> None:
    """A new connection is greeted, told that the script is there, and served from it."""
    address = f"{address_of(hall, session_id)}?features=feedback"
    async with connect(address, proxy=None, compression=None) as socket, asyncio.timeout(PATIENCE):

        async def hear() -> Any:
            return decode_server_message(await socket.recv())

        assert isinstance(await hear(), WelcomeMessage)
        assert isinstance(await hear(), SessionReadyMessage)
        for kind in ("unmute", "more", "more"):
            await socket.send(json.dumps({"type": "feedback", "kind": kind}))
        while (await hear()) != DensityMessage(value="chatty"):
            pass
        at = 0.0
        await socket.send(json.dumps({"type": "seek_update", "timestamp": at}))
        while True:
            at += 0.5
            await socket.send(json.dumps({"type": "timestamp_update", "timestamp": at}))
            await socket.send('{"type": "unheard of"}')
            while not isinstance(heard := await hear(), ErrorMessage):
                if isinstance(heard, Speak):
                    return
            assert at < LENGTH, "nothing is said any more"
