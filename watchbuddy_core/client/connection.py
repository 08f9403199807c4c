"""The WebSocket to a session: kept up, and made anew when it breaks."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

from watchbuddy_core.client.failures import raise_if_final, reason
from watchbuddy_core.errors import ConnectionLost, MissingExtra
from watchbuddy_core.player import Clock
from watchbuddy_core.wire import ClientMessage, TimestampUpdateMessage, encode

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection
    from websockets.frames import Close

_FIRST_RETRY_SECONDS = 0.5
_LAST_RETRY_SECONDS = 8.0
_PING_SECONDS = 10.0
"""How often the server is asked whether it is there still, and how long it may take to answer.
Where nothing comes through, and nobody says so, that is noticed within twice that."""
_PARTING_SECONDS = 3.0
"""How long a close is waited for, before the connection is dropped."""
_STEADY_SECONDS = 5.0
"""A connection that held for so long was a good one: waits begin anew."""

_log = logging.getLogger("watchbuddy.client")


class Connection:
    """What is sent goes out in order, over as many connections as it takes.

    A report of the time is worth something only as long as it is the latest: older ones
    are not kept.

    Args:
        headers: sent with the handshake.
        direct: not through a proxy of the environment.
        clock: monotonic seconds, for all waiting.
        patience: seconds without a connection after which `run` gives up.
        opened: is called whenever there is a connection, before anything goes through it.
        receive: is called with each frame that comes; what it raises ends `run`.
        lost: is told in how many seconds the next attempt is made.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        direct: bool,
        clock: Clock,
        patience: float,
        opened: Callable[[], None],
        receive: Callable[[str | bytes], None],
        lost: Callable[[float], None],
    ) -> None:
        self._url = url
        self._headers = headers
        self._proxy: Literal[True] | None = None if direct else True
        self._clock = clock
        self._patience = patience
        self._opened = opened
        self._receive = receive
        self._lost = lost
        self._outbox: deque[ClientMessage] = deque()
        self._wake = asyncio.Event()
        self._finished = False

    def send(self, message: ClientMessage) -> None:
        """Send it, now or as soon as there is a connection."""
        report = isinstance(message, TimestampUpdateMessage)
        if report and self._outbox and isinstance(self._outbox[-1], TimestampUpdateMessage):
            self._outbox.pop()
        self._outbox.append(message)
        self._wake.set()

    def finish(self) -> None:
        """Close the connection, once everything is sent; `run` returns then."""
        self._finished = True
        self._wake.set()

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """Stay connected until `finish`.

        Raises:
            ConnectionLost: the server cannot be reached, or has closed for good.
            Unauthorized, SessionNotFound, SessionCancelled: it has closed for this reason.
            MissingExtra: the extra `client` is not installed.
        """
        try:
            from websockets.asyncio.client import connect
            from websockets.exceptions import InvalidStatus, WebSocketException
        except ImportError as exc:
            raise MissingExtra("client", "Connecting to a server") from exc

        connected_once = False
        steady_at = self._clock.now()
        wait = _FIRST_RETRY_SECONDS
        while not self._finished:
            began = self._clock.now()
            try:
                socket = await connect(
                    self._url,
                    additional_headers=self._headers,
                    proxy=self._proxy,
                    compression=None,
                    ping_interval=_PING_SECONDS,
                    ping_timeout=_PING_SECONDS,
                    close_timeout=_PARTING_SECONDS,
                )
            except InvalidStatus as exc:
                problem = f"HTTP {exc.response.status_code}"
                if exc.response.status_code < 500:
                    raise ConnectionLost(f"The server does not let us in: {problem}.") from exc
            except (OSError, ValueError, WebSocketException) as exc:
                problem = reason(exc)
            else:
                connected_once = True
                async with socket:
                    closed = await self._converse(socket, tasks)
                if self._finished:
                    return
                raise_if_final(closed)
                problem = f"it closed the connection ({closed.code})"
            now = self._clock.now()
            if not connected_once:
                raise ConnectionLost(f"No server can be reached at {self._url}: {problem}.")
            if now - began >= _STEADY_SECONDS:
                steady_at, wait = now, _FIRST_RETRY_SECONDS
            if now - steady_at >= self._patience:
                raise ConnectionLost(f"The server was lost and did not come back: {problem}.")
            retry_seconds = wait * random.uniform(0.5, 1.0)
            _log.info("the server was lost: %s; trying again in %.1f s", problem, retry_seconds)
            self._lost(retry_seconds)
            await self._clock.sleep(retry_seconds)
            wait = min(2 * wait, _LAST_RETRY_SECONDS)

    async def _converse(self, socket: ClientConnection, tasks: asyncio.TaskGroup) -> Close:
        """Send and receive until the connection is over; says how it ended."""
        from websockets.exceptions import ConnectionClosed
        from websockets.frames import Close, CloseCode

        self._outbox = deque(
            message for message in self._outbox if not isinstance(message, TimestampUpdateMessage)
        )
        self._opened()
        writer = tasks.create_task(self._write(socket))
        try:
            while True:
                try:
                    frame = await socket.recv()
                except ConnectionClosed as exc:
                    return exc.rcvd or Close(CloseCode.ABNORMAL_CLOSURE, "")
                self._receive(frame)
        finally:
            writer.cancel()

    async def _write(self, socket: ClientConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        while True:
            while self._outbox:
                message = self._outbox.popleft()
                try:
                    await socket.send(encode(message))
                except (ConnectionClosed, asyncio.CancelledError):
                    self._outbox.appendleft(message)
                    return
            if self._finished:
                await socket.close()
                return
            self._wake.clear()
            await self._wake.wait()
