"""Viewers that play on whatever becomes of the server."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from crashing.record import AHEAD, Connected, Manner, Met, Pass, Record, Stretch
from watchbuddy_core.actions import ACTION, Action, EndReaction, Jump, ReplaySegment, Seek

COMPLETED_AFTER = 0.3
"""Seconds from the beginning of a line, a face or a jump to its end."""
_REPORT_SECONDS = 0.25
_TICK_SECONDS = 0.02
_RETRY_SECONDS = 0.1
_CROSSING_SECONDS = 2.0
"""How long after a seek something that was sent before it may still arrive."""
_LOOKBACK_SECONDS = 0.25


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
        self._says = manner.says
        self._replay: tuple[ReplaySegment, float] | None = None
        """What is being played again, and from where."""
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
        return min(self.record.passes[-1].position_at(time.monotonic()), self._end)

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
        await self._flush()
        while self._completing and self._completing[0][0] <= now:
            await self._complete(self._completing.popleft()[1])
        if self._replay is not None and position >= self._replay[0].end_timestamp:
            await self._return(*self._replay)
        if self._seeks and position >= self._seeks[0][0]:
            await self._seek(self._seeks.popleft()[1])
        if self._says is not None and position >= self._start + self._says[0]:
            text, self._says = self._says[1], None
            await self._say({"type": "user_message", "text": text})
        mutes = self._manner.mutes
        if mutes is not None and position >= self._start + mutes and not self.record.wants_silence:
            self.record.wants_silence = True
            await self._mute()

    async def _seek(self, there: float) -> None:
        now = time.monotonic()
        self.record.passes[-1].until = now
        self.record.passes.append(Pass([Stretch(now, there)]))
        self._sought_at = now
        self._held.clear()
        self._done.clear()
        await self._say({"type": "seek_update", "timestamp": there})

    def _begin(self, action: Action) -> None:
        met = self._met(action)
        self.record.begun.append(met)
        self._done.add(action.id)
        match action:
            case Seek(target_timestamp=target):
                self._land(action, target)
            case ReplaySegment(start_timestamp=start):
                self._replay = action, met.position
                self._land(action, start)
                return  # it is over when the viewer is back
        if self._manner.completes:
            self._completing.append((time.monotonic() + COMPLETED_AFTER, action.id))

    async def _return(self, replay: ReplaySegment, origin: float) -> None:
        self._replay = None
        left_out = [one for one in self._held if one.action.trigger_timestamp < origin]
        self._held = [one for one in self._held if one not in left_out]
        self._land(replay, origin)
        await self._flush()
        await self._complete(replay.id)
        for one in left_out:
            self._done.add(one.action.id)
            await self._complete(one.action.id, outcome="skipped")

    def _land(self, jump: Jump, there: float) -> None:
        """The player is there; who tells of it does so with the next message."""
        stretch = Stretch(time.monotonic(), there, seen=self._position)
        self.record.passes[-1].stretches.append(stretch)
        if self._manner.tells_landings:
            landed = {"timestamp": there, "cause": "action", "action_id": jump.id}
            self._outbox.append({"type": "seek_update", **landed})

    async def _mute(self) -> None:
        await self._say({"type": "feedback", "kind": "mute"})

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
            if self.record.wants_silence and self.record.muted_at is None:
                await self._mute()  # nobody has said that they have heard of it
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
        record, now = self.record, time.monotonic()
        match message.get("type"):
            case None:
                await self._take(ACTION.validate_python(message))
            case "session_ready" if not record.passes:
                record.passes.append(Pass([Stretch(now, self._start)]))
            case "coverage":
                record.covered.append((now, message["ranges"]))
            case "density" if message["value"] == "muted":
                record.muted_at = record.muted_at or now
            case "reply_started":
                record.answering.add(message["message_id"])
            case "reply_finished":
                record.answered.add(message["message_id"])
            case "error" | "processing_error":
                record.faults.append(str(message))

    async def _take(self, action: Action) -> None:
        met = self._met(action)
        self.record.arrived.append(met)
        keeps_track = self._manner.completes or self._manner.holds
        if self._replay is not None and action.id == self._replay[0].id:
            return
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
            await self._flush()

    def _is_of_an_older_pass(self, met: Met) -> bool:
        if met.at - self._sought_at > _CROSSING_SECONDS or isinstance(met.action, EndReaction):
            return False
        first = self.record.passes[-1].position - _LOOKBACK_SECONDS
        last = met.position + (AHEAD if self._manner.holds else 0.0)
        return not first <= met.action.trigger_timestamp <= last

    async def _complete(self, id: str, **outcome: str) -> None:
        if self._manner.completes:
            await self._say({"type": "action_completed", "action_id": id, **outcome})

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
        if message["type"] == "user_message":
            self.record.said[message["text"]] = time.monotonic()
        return True
