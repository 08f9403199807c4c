"""Viewers that play on whatever becomes of the server, and what they met."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from watchbuddy_core.actions import ACTION, Action, EndReaction, Speak
from watchbuddy_core.client import (
    Arrived,
    Begun,
    Covered,
    Disconnected,
    Happening,
    Ready,
    WatchClient,
    Welcomed,
)
from watchbuddy_core.errors import ConnectionLost, WatchBuddyError
from watchbuddy_core.player import ClockPlayer, WallClock
from watchbuddy_core.wire import read_features

RATE = 1.0
"""Media seconds that are played in a second. Faster, less time is left for being late: a server
whose machine has much else to do would leave out what it may."""
AHEAD = 2.0
"""Media seconds by which a client with `hold` is sent things ahead."""
_REPORT_SECONDS = 0.25
_TICK_SECONDS = 0.02
_RETRY_SECONDS = 0.1
_COMPLETED_AFTER = 0.3
_LINGER_SECONDS = 2.0
"""How long a viewer stays, and is connected, after the end and the companion's goodbye."""
_MOST_LINGER_SECONDS = 15.0
"""And how long at the most, where there is none: it may be late."""
_PATIENCE = 600.0
"""Seconds without a connection that holds. There may be none for long, where one kill follows
the other."""
_FINAL = 4000
"""Codes from here on close a connection for good."""
_CROSSING_SECONDS = 2.0
"""How long after a seek something that was sent before it may still arrive."""
_LOOKBACK_SECONDS = 0.25

Key = tuple[int, str, float, str]
"""An action in one pass, by what it is: ids differ from session to session."""


@dataclass(frozen=True, slots=True)
class Met:
    """An action, where it was met."""

    action: Action
    at: float
    """Monotonic seconds."""
    position: float
    """Media seconds."""
    number: int
    """Of the pass: grows with each seek of the user."""
    connection: int

    @property
    def key(self) -> Key:
        action = self.action
        said = action.text if isinstance(action, Speak) else ""
        return (self.number, action.action_type, action.trigger_timestamp, said)


@dataclass(slots=True)
class Connected:
    """While there was a connection, in monotonic seconds."""

    opened: float
    closed: float | None = None
    code: int | None = None
    """With which the server has closed it. None: it has not, or was gone without a word."""


@dataclass(slots=True)
class Pass:
    """A stretch of playing, up to a seek of the user."""

    since: float
    """Monotonic seconds."""
    position: float
    """Media seconds."""
    until: float | None = None

    def reached_at(self, position: float) -> float:
        return self.since + (position - self.position) / RATE


@dataclass(slots=True)
class Record:
    """All that a viewer has met."""

    arrived: list[Met] = field(default_factory=list)
    begun: list[Met] = field(default_factory=list)
    crossed: list[Met] = field(default_factory=list)
    """What was on its way when the user sought, and was let go of."""
    connections: list[Connected] = field(default_factory=list)
    passes: list[Pass] = field(default_factory=list)
    covered: list[tuple[float, Sequence[tuple[float, float]]]] = field(default_factory=list)
    """When more was known to be scripted, and what."""
    faults: list[str] = field(default_factory=list)

    @property
    def is_turned_away(self) -> bool:
        """Whether a server wants to see no more of the viewer."""
        return any((one.code or 0) >= _FINAL for one in self.connections)

    def is_over(self, seconds: float) -> bool:
        """Whether a viewer leaves who has been at the end, and connected, for so long."""
        number = len(self.passes) - 1
        is_said = any(
            isinstance(met.action, EndReaction) and met.number == number for met in self.begun
        )
        return seconds >= (_LINGER_SECONDS if is_said else _MOST_LINGER_SECONDS)


@dataclass(frozen=True, slots=True)
class Manner:
    """How somebody watches."""

    name: str
    features: str | None = None
    """What is asked for in the address. None: nothing, as a client of the API document does."""
    completes: bool = False
    """Whether it tells what it is through with."""
    seeks: tuple[tuple[float, float], ...] = ()
    """From where to where the user seeks, in media seconds from the start."""

    @property
    def holds(self) -> bool:
        return "hold" in (self.features or "")


class Viewer(Protocol):
    """Watches one session from its start to its end."""

    record: Record

    async def run(self) -> None: ...

    @property
    def is_watching(self) -> bool: ...


class BareViewer:
    """A client of the protocol without a library: nothing of ours stands between.

    It keeps what it was about to say, as a client does that wants its seeks to count.
    """

    def __init__(
        self, server: str, session_id: str, manner: Manner, *, start: float, end: float
    ) -> None:
        query = "" if manner.features is None else f"?features={manner.features}"
        self._url = f"{server.replace('http', 'ws', 1)}/ws/{session_id}{query}"
        self._manner = manner
        self._start = start
        self._end = end
        self._seeks = deque((start + here, start + there) for here, there in manner.seeks)
        self.record = Record()
        self._socket: ClientConnection | None = None
        self._outbox: deque[dict[str, Any]] = deque()
        self._sending = asyncio.Lock()
        self._held: list[Met] = []
        self._done: set[str] = set()
        """What was begun in this pass."""
        self._completing: deque[tuple[float, str]] = deque()
        self._sought_at = -1e9

    @property
    def is_watching(self) -> bool:
        return bool(self.record.passes) and self._position < self._end

    @property
    def _position(self) -> float:
        if not self.record.passes:
            return self._start
        stretch = self.record.passes[-1]
        return min(stretch.position + (time.monotonic() - stretch.since) * RATE, self._end)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            connecting = tasks.create_task(self._stay_connected())
            playing = tasks.create_task(self._play())
            await playing
            connecting.cancel()

    # --- the player --------------------------------------------------------------------

    async def _play(self) -> None:
        reported_at = 0.0
        over_since: float | None = None
        while not self.record.is_turned_away:
            now = time.monotonic()
            await self._tick(now)
            if self.record.passes and now - reported_at >= _REPORT_SECONDS:
                reported_at = now
                await self._report()
            if self.record.passes and self._position >= self._end and self._socket is not None:
                over_since = over_since or now
                if self.record.is_over(now - over_since):
                    return
            else:
                over_since = None
            await asyncio.sleep(_TICK_SECONDS)

    async def _tick(self, now: float) -> None:
        position = self._position
        reached = [one for one in self._held if one.action.trigger_timestamp <= position]
        self._held = [one for one in self._held if one.action.trigger_timestamp > position]
        for one in reached:
            self._begin(one.action)
        while self._completing and self._completing[0][0] <= now:
            await self._complete(self._completing.popleft()[1])
        if self._seeks and position >= self._seeks[0][0]:
            await self._seek(self._seeks.popleft()[1])

    async def _seek(self, there: float) -> None:
        now = time.monotonic()
        self.record.passes[-1].until = now
        self.record.passes.append(Pass(now, there))
        self._sought_at = now
        self._held.clear()
        self._done.clear()
        await self._say({"type": "seek_update", "timestamp": there})

    def _begin(self, action: Action) -> None:
        self.record.begun.append(self._met(action))
        self._done.add(action.id)
        if self._manner.completes:
            self._completing.append((time.monotonic() + _COMPLETED_AFTER, action.id))

    def _met(self, action: Action) -> Met:
        record = self.record
        number, connection = len(record.passes) - 1, len(record.connections) - 1
        return Met(action, time.monotonic(), self._position, number, connection)

    # --- the connection ----------------------------------------------------------------

    async def _stay_connected(self) -> None:
        while True:
            try:
                async with connect(self._url, compression=None, proxy=None) as socket:
                    await self._listen(socket)
            except (OSError, WebSocketException):
                pass
            await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self, socket: ClientConnection) -> None:
        connection = Connected(time.monotonic())
        self.record.connections.append(connection)
        self._socket = socket
        try:
            await self._flush()
            if self.record.passes:
                await self._report()
            while True:
                await self._hear(json.loads(await socket.recv()))
        except ConnectionClosed as exc:
            connection.code = None if exc.rcvd is None else exc.rcvd.code
        finally:
            self._socket = None
            connection.closed = time.monotonic()

    async def _hear(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case None:
                await self._take(ACTION.validate_python(message))
            case "session_ready" if not self.record.passes:
                self.record.passes.append(Pass(time.monotonic(), self._start))
            case "coverage":
                self.record.covered.append((time.monotonic(), message["ranges"]))
            case "error" | "processing_error":
                self.record.faults.append(str(message))

    async def _take(self, action: Action) -> None:
        met = self._met(action)
        self.record.arrived.append(met)
        keeps_track = self._manner.completes or self._manner.holds
        if keeps_track and action.id in self._done:
            await self._complete(action.id)
        elif keeps_track and any(one.action.id == action.id for one in self._held):
            return
        elif self._is_of_an_older_pass(met):
            self.record.crossed.append(met)
        elif self._manner.holds and action.trigger_timestamp > met.position:
            self._held.append(met)
        else:
            self._begin(action)

    def _is_of_an_older_pass(self, met: Met) -> bool:
        if met.at - self._sought_at > _CROSSING_SECONDS or isinstance(met.action, EndReaction):
            return False
        first = self.record.passes[-1].position - _LOOKBACK_SECONDS
        last = met.position + (AHEAD if self._manner.holds else 0.0)
        return not first <= met.action.trigger_timestamp <= last

    async def _complete(self, id: str) -> None:
        if self._manner.completes:
            await self._say({"type": "action_completed", "action_id": id})

    async def _report(self) -> None:
        if self._socket is not None:
            await self._send({"type": "timestamp_update", "timestamp": round(self._position, 3)})

    async def _say(self, message: dict[str, Any]) -> None:
        self._outbox.append(message)
        await self._flush()

    async def _flush(self) -> None:
        async with self._sending:
            while self._outbox and self._socket is not None:
                if await self._send(self._outbox[0]):
                    self._outbox.popleft()
                else:
                    return

    async def _send(self, message: dict[str, Any]) -> bool:
        try:
            assert self._socket is not None
            await self._socket.send(json.dumps(message))
        except ConnectionClosed:
            return False
        return True


class _Seat(ClockPlayer):
    """The player of somebody who leaves like the others do, and not as soon as it has ended."""

    def __init__(self, end: float, *, clock: WallClock, position: float, record: Record) -> None:
        super().__init__(end, clock=clock, position=position)
        self._record = record
        self._over_since: float | None = None

    @property
    def ended(self) -> bool:
        connections, now = self._record.connections, time.monotonic()
        if not super().ended or not connections or connections[-1].closed is not None:
            self._over_since = None
            return False
        self._over_since = self._over_since or now
        return self._record.is_over(now - self._over_since)


class OwnViewer:
    """The client that we bring along."""

    def __init__(
        self, server: str, session_id: str, manner: Manner, *, start: float, end: float
    ) -> None:
        self._features = read_features(manner.features or "")
        self.record = Record()
        self._end = end
        self._clock = WallClock()
        self._player = _Seat(end, clock=self._clock, position=start, record=self.record)
        self._server = server
        self._session_id = session_id
        self._is_ready = asyncio.Event()

    @property
    def is_watching(self) -> bool:
        return bool(self.record.passes) and self._player.position < self._end

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            client = tasks.create_task(self._watch())
            await self._is_ready.wait()
            self._player.playback_rate = RATE
            await self._player.resume()
            self.record.passes.append(Pass(time.monotonic(), self._player.position))
            await client

    async def _watch(self) -> None:
        while True:
            try:
                await self._client().run()
                return
            except ConnectionLost as exc:
                if self.record.connections:
                    return self._give_up(exc)
                await asyncio.sleep(_RETRY_SECONDS)  # a client that never got in does not try again
            except WatchBuddyError as exc:
                return self._give_up(exc)

    def _client(self) -> WatchClient:
        return WatchClient(
            self._server,
            self._session_id,
            self._player,
            speak=self._speak,
            listen=self._listen,
            clock=self._clock,
            linger=0.0,
            patience=_PATIENCE,
            features=self._features,
        )

    def _give_up(self, exc: WatchBuddyError) -> None:
        self.record.faults.append(f"{type(exc).__name__}: {exc}")
        self._is_ready.set()

    async def _speak(self, line: Speak) -> None:
        await asyncio.sleep(_COMPLETED_AFTER)

    def _listen(self, happening: Happening) -> None:
        record = self.record
        match happening:
            case Welcomed():
                record.connections.append(Connected(time.monotonic()))
            case Disconnected():
                # Also told of an attempt that came to nothing.
                if record.connections and record.connections[-1].closed is None:
                    record.connections[-1].closed = time.monotonic()
            case Ready():
                self._is_ready.set()
            case Covered(ranges=ranges):
                record.covered.append((time.monotonic(), ranges))
            case Arrived(action=action):
                record.arrived.append(self._met(action))
            case Begun(action=action):
                record.begun.append(self._met(action))
            case _:
                return

    def _met(self, action: Action) -> Met:
        connection = len(self.record.connections) - 1
        return Met(action, time.monotonic(), self._player.position, 0, connection)
