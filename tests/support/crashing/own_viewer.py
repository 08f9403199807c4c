"""A viewer who uses the client that we bring along."""

from __future__ import annotations

import asyncio
import time

from crashing.record import RATE, Connected, Manner, Met, Pass, Record, Stretch
from crashing.viewer import COMPLETED_AFTER
from watchbuddy_core.actions import Action, Speak
from watchbuddy_core.client import (
    Arrived,
    Begun,
    Covered,
    Disconnected,
    Happening,
    Ready,
    ReplyFinished,
    ReplyStarted,
    WatchClient,
    Welcomed,
)
from watchbuddy_core.errors import ConnectionLost, WatchBuddyError
from watchbuddy_core.player import ClockPlayer, WallClock
from watchbuddy_core.wire import read_features

_RETRY_SECONDS = 0.1
_LOOK_SECONDS = 0.05
_PATIENCE = 600.0
"""Seconds without a connection that holds. There may be none for long, where one kill follows
the other."""


class _Seat(ClockPlayer):
    """The player of somebody who leaves like the others do, and not as soon as it has ended."""

    def __init__(self, end: float, *, clock: WallClock, position: float, record: Record) -> None:
        super().__init__(end, clock=clock, position=position)
        self._record = record
        self._over_since: float | None = None

    async def seek(self, position: float) -> None:
        """The companion jumps: nobody else does."""
        seen = self.position
        await super().seek(position)
        stretch = Stretch(time.monotonic(), self.position, seen=seen)
        self._record.passes[-1].stretches.append(stretch)

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
        self._start = start
        self._says = manner.says
        self.record = Record()
        self._end = end
        self._clock = WallClock()
        self._player = _Seat(end, clock=self._clock, position=start, record=self.record)
        self._server = server
        self._session_id = session_id
        self._is_ready = asyncio.Event()
        self._client = self._new_client()

    @property
    def is_watching(self) -> bool:
        return bool(self.record.passes) and self._player.position < self._end

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            client = tasks.create_task(self._watch())
            await self._is_ready.wait()
            self._player.playback_rate = RATE
            await self._player.resume()
            began = Stretch(time.monotonic(), self._player.position)
            self.record.passes.append(Pass([began]))
            talking = tasks.create_task(self._talk())
            await client
            talking.cancel()

    async def _talk(self) -> None:
        if self._says is None:
            return
        here, text = self._says
        while self._player.position < self._start + here:
            await asyncio.sleep(_LOOK_SECONDS)
        self._client.say(text)
        self.record.said[text] = time.monotonic()

    async def _watch(self) -> None:
        while True:
            try:
                await self._client.run()
                return
            except ConnectionLost as exc:
                if self.record.connections:
                    return self._give_up(exc)
                await asyncio.sleep(_RETRY_SECONDS)
                self._client = self._new_client()  # one that never got in does not try again
            except WatchBuddyError as exc:
                return self._give_up(exc)

    def _new_client(self) -> WatchClient:
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
        await asyncio.sleep(COMPLETED_AFTER)

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
            case ReplyStarted(message_id=message_id):
                record.answering.add(message_id)
            case ReplyFinished(message_id=message_id):
                record.answered.add(message_id)
            case Arrived(action=action):
                record.arrived.append(self._met(action))
            case Begun(action=action):
                record.begun.append(self._met(action))
            case _:
                return

    def _met(self, action: Action) -> Met:
        connection = len(self.record.connections) - 1
        return Met(action, time.monotonic(), self._player.position, 0, connection)
