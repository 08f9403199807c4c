"""The WebSocket at /ws/{session_id}.

Three things run per connection, and end together:

    reader      takes every frame in, and hands what the player says to the Delivery
    deliverer   takes what is to be sent from the Delivery
    sender      is the only one that writes

The reader never waits for anything but the next frame. A server that stops reading
misses the client's pongs and would close the connection for its own slowness.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from litestar import WebSocket, websocket
from litestar.di import NamedDependency
from litestar.exceptions import WebSocketDisconnect
from litestar.params import FromPath, FromQuery

from watchbuddy_core.errors import (
    InvalidMessage,
    RateLimited,
    SessionNotFound,
    StaleFence,
    StorageFull,
    StoreFailed,
    Unauthorized,
)
from watchbuddy_core.events import Due
from watchbuddy_core.session import Delivery, JobWanted, Sessions
from watchbuddy_core.session.framing import (
    INTERNAL_ERROR,
    NOT_FOUND,
    RATE_LIMITED,
    REPLACED,
    SILENT,
    TOO_MANY_INVALID,
    UNAUTHORIZED,
    Close,
    frames,
)
from watchbuddy_core.settings import Limits
from watchbuddy_core.wire import (
    ClientMessage,
    ControlMessage,
    ErrorMessage,
    Feature,
    FeedbackMessage,
    InterruptMessage,
    SeekUpdateMessage,
    UserMessage,
    decode_client_message,
    encode,
    read_features,
)
from watchbuddy_server.access import Access
from watchbuddy_server.metrics import Metrics
from watchbuddy_server.pace import Pace
from watchbuddy_server.server_numbers import GONE
from watchbuddy_server.traffic import Traffic, address_of

_log = logging.getLogger("watchbuddy.server")

MOST_INVALID = 20
"""So many invalid messages in a row end a connection."""
_MOST_WAITING = 2 * MOST_INVALID
"""When so many frames wait to be sent, further error replies are dropped."""
_LOOK_SECONDS = 2.0
"""So long, at the most, somebody stays whose token is good no more."""
_PARTING_SECONDS = 10.0
"""How long a client may take nothing before it is not told any more that it is over."""
_BURST = 64
"""After so many frames without a pause, the other connections get a turn."""

_Socket = WebSocket[Any, Any, Any]


@websocket("/ws/{session_id:str}", opt={"ticket": "connect"})
async def watch(
    socket: _Socket,
    session_id: FromPath[str],
    sessions: NamedDependency[Sessions],
    metrics: NamedDependency[Metrics],
    access: NamedDependency[Access],
    traffic: NamedDependency[Traffic],
    features: FromQuery[str | None] = None,
) -> None:
    """One viewer's connection to a session."""
    with metrics.server.connected() as closing:
        closing.code = await _serve(
            socket, session_id, sessions, metrics, access, traffic, features
        )


async def _serve(
    socket: _Socket,
    session_id: str,
    sessions: Sessions,
    metrics: Metrics,
    access: Access,
    traffic: Traffic,
    features: str | None,
) -> int:
    """The connection, until it has ended; with which code it has."""
    code = GONE
    try:
        # A browser cannot see why a handshake was refused, so it never is for the session's sake.
        with _open():
            await socket.accept()
        async with traffic.connection(session_id, address_of(socket)):
            caller = await access.admit(socket, "connect")
            session = await sessions.find(session_id)
            _log.info("session %s: a viewer has come", session_id)
            granted = read_features(features or "")
            async with sessions.connect(session, features=granted) as delivery:
                connection = _Connection(
                    socket,
                    delivery,
                    sessions,
                    metrics,
                    session_id,
                    granted,
                    lambda: access.still_admits(caller),
                    traffic.limits,
                )
                if features is not None:
                    connection.send(await session.welcome(granted))
                code = await connection.run()
    except* WebSocketDisconnect as gone:
        code = _code_in(gone)
        _log.debug("session %s: the client has gone", session_id)
    except* Unauthorized:
        code = await _close(socket, UNAUTHORIZED)
    except* SessionNotFound:
        code = await _close(socket, NOT_FOUND)
    except* RateLimited:
        code = await _close(socket, RATE_LIMITED)
    except* StaleFence:
        code = await _close(socket, REPLACED)
    except* (StorageFull, StoreFailed) as failed:  # its operator is told of it by the store
        _log.info("session %s: the connection failed: %s", session_id, failed.exceptions[0])
        code = await _close(socket, INTERNAL_ERROR)
    except* Exception:  # noqa: BLE001 - where a connection ends
        _log.exception("session %s: the connection failed", session_id)
        code = await _close(socket, INTERNAL_ERROR)
    return code


class _Connection:
    def __init__(
        self,
        socket: _Socket,
        delivery: Delivery,
        sessions: Sessions,
        metrics: Metrics,
        session_id: str,
        features: tuple[Feature, ...],
        is_admitted: Callable[[], bool],
        limits: Limits,
    ) -> None:
        self._socket = socket
        self._delivery = delivery
        self._sessions = sessions
        self._metrics = metrics
        self._session_id = session_id
        self._features = features
        self._is_admitted = is_admitted
        self._outbox: asyncio.Queue[str | Close] = asyncio.Queue()
        self._pace = Pace(limits.messages_per_second)
        self._seek: SeekUpdateMessage | None = None
        """The last one that came too fast. It matters as long as no other has come."""
        self._silent_seconds = limits.silent_seconds
        self._stalled_seconds = limits.stalled_seconds
        self._heard_at = time.monotonic()
        self._next_look: asyncio.TimerHandle | None = None

    def send(self, message: ControlMessage) -> None:
        """Send it when it is its turn."""
        self._outbox.put_nowait(encode(message))

    async def run(self) -> int:
        """Serve the connection until the server has closed it, with the code that is returned.

        Raises:
            WebSocketDisconnect: the client has gone (in an exception group).
        """
        self._look()
        try:
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(self._read())
                deliverer = tasks.create_task(self._deliver())
                code = await self._send()
                reader.cancel()
                deliverer.cancel()
            return code
        finally:
            if self._next_look is not None:
                self._next_look.cancel()
            self._metrics.server.passed_over(self._delivery.drain_skipped())

    def _look(self) -> None:
        """Close when nothing has come for too long, or the token is good no more. A message
        costs that nothing: this looks again."""
        left = self._heard_at + self._silent_seconds - time.monotonic()
        if not self._is_admitted():
            self._outbox.put_nowait(UNAUTHORIZED)
        elif left <= 0:
            self._outbox.put_nowait(SILENT)
        else:
            loop = asyncio.get_running_loop()
            self._next_look = loop.call_later(min(left, _LOOK_SECONDS), self._look)

    async def _read(self) -> NoReturn:
        invalid = 0
        frames = 0
        end = TOO_MANY_INVALID
        while invalid < MOST_INVALID:
            frame = await _receive(self._socket)
            self._heard_at = time.monotonic()
            try:
                if self._pace.admits(self._heard_at):
                    self._take_in(decode_client_message(frame))
                    invalid = 0
                else:
                    self._pass_over(frame)
            except (InvalidMessage, RateLimited) as exc:
                invalid += isinstance(exc, InvalidMessage) and exc.counts
                await self._complain(exc)
            if self._pace.is_hopeless:
                end = RATE_LIMITED
                break
            frames += 1
            if frames % _BURST == 0:
                await asyncio.sleep(0)
        self._outbox.put_nowait(end)
        while True:
            await _receive(self._socket)

    def _pass_over(self, frame: str | bytes) -> None:
        """What comes too fast is lost, except for where the player was moved to.

        Raises:
            RateLimited: it is the first one.
        """
        with suppress(InvalidMessage):
            message = decode_client_message(frame)
            if isinstance(message, SeekUpdateMessage):
                self._seek = message
        if self._pace.passed_over == 1:
            raise RateLimited("Messages come too fast, and are passed over. Slow down.")

    def _take_in(self, message: ClientMessage) -> None:
        if self._seek is not None:
            seek, self._seek = self._seek, None
            if not isinstance(message, SeekUpdateMessage):
                self._delivery.receive(seek.event(), now=self._heard_at)
        match message:
            case FeedbackMessage(kind=kind) if "feedback" in self._features:
                self._delivery.feed_back(kind)
            case UserMessage(text=text) if "chat" in self._features:
                self._delivery.ask(text)
            case InterruptMessage() if "chat" in self._features:
                self._delivery.interrupt()
            case FeedbackMessage() | UserMessage() | InterruptMessage():
                raise InvalidMessage("The message has an unknown type.", counts=False)
            case _:
                self._delivery.receive(message.event(), now=self._heard_at)

    async def _complain(self, exc: InvalidMessage | RateLimited) -> None:
        self._metrics.server.complained()
        if self._outbox.qsize() < _MOST_WAITING:
            reply = ErrorMessage(error_code=exc.code, message=exc.message)
            self._outbox.put_nowait(encode(reply))
            # The sender's turn: only a client that takes nothing lets replies pile up.
            await asyncio.sleep(0)

    async def _deliver(self) -> None:
        async for outgoing in self._delivery:
            if isinstance(outgoing, JobWanted):
                await self._sessions.go_on(self._session_id)
            for item in frames(outgoing):
                self._outbox.put_nowait(item)
            # Until it is really sent, the Delivery coalesces what the player reports.
            await self._outbox.join()
            if isinstance(outgoing, Due):
                self._metrics.server.handed_over(self._delivery.due_since)
                self._metrics.server.passed_over(self._delivery.drain_skipped())

    async def _send(self) -> int:
        while True:
            item = await self._outbox.get()
            if isinstance(item, Close):
                return await _close(self._socket, item)
            with _open():
                async with asyncio.timeout(self._stalled_seconds):
                    await self._socket.send_text(item)
            self._outbox.task_done()


async def _receive(socket: _Socket) -> str | bytes:
    """One frame. `receive_data` would turn a binary one into an empty text.

    Raises:
        WebSocketDisconnect: there are no more.
    """
    event = await socket.receive()
    if event["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(detail="The client has gone.", code=event["code"])
    assert event["type"] == "websocket.receive"
    text = event.get("text")
    return text if text is not None else event.get("bytes") or b""


@contextmanager
def _open() -> Iterator[None]:
    """What is sent within needs the connection to be open still.

    uvicorn raises an OSError where the client has gone, and a RuntimeError between the
    moment at which it closes by itself (a frame too large, no pong) and the one at which
    the reader hears of it. A time limit that is over is an OSError as well.

    Raises:
        WebSocketDisconnect: it is not.
    """
    try:
        yield
    except (OSError, RuntimeError) as exc:
        raise WebSocketDisconnect(detail="The connection is closed.", code=GONE) from exc


def _code_in(gone: BaseExceptionGroup[WebSocketDisconnect]) -> int:
    """How the client has closed: the first that was noticed."""
    found = gone.exceptions[0]
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found.code


async def _close(socket: _Socket, close: Close) -> int:
    try:
        with _open():
            async with asyncio.timeout(_PARTING_SECONDS):
                await socket.close(close.code, close.reason)
    except WebSocketDisconnect:
        _log.debug("closing with %d: the client had gone", close.code)
    return close.code
