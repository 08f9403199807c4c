"""How bytes become requests and frames: uvicorn's two protocols, with an end to everything.

uvicorn waits without a limit for a request whose head has begun, for the rest of a body
that it has answered already, for a client that takes nothing of an answer, or of what is
left before its connection closes, and for the last fragment of a message; and it answers
each ping, whether or not the answers are taken. Each is a way to hold a server's sockets or
memory for nothing.

    HttpProtocol        the head of a request is there in time, and says one length; one that
                        is answered comes to its end in time
    WebSocketProtocol   a handshake that is refused, or is none, is answered as a request is;
                        a connection that is over is gone in time, whatever the client takes;
                        what pings and fragments cost is bounded
"""

from __future__ import annotations

import asyncio
from functools import cache
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.frames import Frame
from websockets.http11 import Response
from websockets.server import ServerProtocol

from watchbuddy_server.doors import Config, Doors
from watchbuddy_server.errors import RETRY_AFTER, STATUS_OF, body_of
from watchbuddy_server.security import SECURITY_HEADERS


class _Requests(h11.Connection):
    """Refuses a request that another server, before this one, may have read as two.

    RFC 9112, 6.1: a server may reject a request with both a length and chunks; and chunks
    in HTTP/1.0 are to be treated as faulty framing. h11 takes both, and HTTP/2.0 for 1.1.
    """

    def next_event(self) -> Any:
        event = super().next_event()
        if isinstance(event, h11.Request):
            names = {name for name, _ in event.headers}
            if b"transfer-encoding" in names and (
                b"content-length" in names or event.http_version < b"1.1"
            ):
                raise h11.RemoteProtocolError("the length of the request is ambiguous")
            if not event.http_version.startswith(b"1."):
                raise h11.RemoteProtocolError("this is another protocol than HTTP/1")
        return event


class HttpProtocol(H11Protocol):
    """One connection with HTTP, until it closes or becomes a WebSocket."""

    head_seconds = 20.0
    """How long a client may take for the head of a request, from its first byte, or from the
    connection's beginning."""
    rest_seconds = 60.0
    """How long it may go on with a body that is answered already, which is thrown away."""
    taking_seconds = 600.0
    """How long it may take nothing of an answer. A browser takes nothing while its video is
    paused, and comes back for the rest of it when it is cut off."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = _Requests(h11.SERVER, self.config.h11_max_incomplete_event_size or 16 * 1024)
        self._late: asyncio.TimerHandle | None = None
        self._waiting_with: float | None = None
        self._not_taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        refusal = _doors(self).enter(self._host)
        if refusal is None:
            self._wait()
        else:
            transport.write(_answer(refusal))
            transport.close()

    @property
    def _host(self) -> str | None:
        return self.client[0] if self.client is not None else None

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        _doors(self).leave(self._host)
        super().handle_websocket_upgrade(event)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        _doors(self).leave(self._host)
        self._stop_timing()
        if self._late is not None:
            self._late.cancel()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._not_taking = self.loop.call_later(self.taking_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_timing()

    def _stop_timing(self) -> None:
        if self._not_taking is not None:
            self._not_taking.cancel()
            self._not_taking = None

    def _wait(self) -> None:
        """For what only the client can send, with patience from when it began to be waited for."""
        patience = self._patience()
        if patience == self._waiting_with:
            return
        self._waiting_with = patience
        if self._late is not None:
            self._late.cancel()
        self._late = None
        if patience is not None:
            self._late = self.loop.call_later(patience, self.timeout_keep_alive_handler)

    def _patience(self) -> float | None:
        if self.conn.their_state is h11.IDLE:
            return self.head_seconds
        if self.conn.their_state is h11.SEND_BODY and self.conn.our_state is h11.DONE:
            return self.rest_seconds
        return None

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(_answer("MALFORMED_REQUEST"))
        self.transport.close()


class _Handshakes(ServerProtocol):
    """Refuses what is no handshake as a request is refused that cannot be read."""

    def reject(self, status: int, text: str) -> Response:
        is_of_another_method = status == STATUS_OF["METHOD_NOT_ALLOWED"]
        code = "METHOD_NOT_ALLOWED" if is_of_another_method else "MALFORMED_REQUEST"
        headers, body = _refusal(code)
        told = Headers((name.decode(), value.decode()) for name, value in headers)
        refusal = HTTPStatus(STATUS_OF[code])
        return Response(refusal.value, refusal.phrase, told, body)


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket connection, from its handshake on."""

    parting_seconds = 15.0
    """How long a client may take to read what it was sent before the connection closed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = _Handshakes(max_size=self.config.ws_max_size, logger=self.logger)
        self._parting: asyncio.TimerHandle | None = None
        self._last_pong = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # It was let in before, as HTTP.
        _doors(self).enter(self.client[0] if self.client is not None else None)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        _doors(self).leave(self.client[0] if self.client is not None else None)
        if self._parting is not None:
            self._parting.cancel()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # The handshake is here as a whole. One that is not taken for one would be left without
        # an answer and without an end.
        if not self.handshake_initiated:
            self.transport.write(_answer("MALFORMED_REQUEST"))
            self.transport.close()

    async def send(self, message: Any) -> None:
        """A handshake that is refused is answered as a request is that is refused."""
        is_refusal = message["type"] == "websocket.close" and not self.handshake_complete
        if not is_refusal or self.initial_response is not None:
            await super().send(message)
            return
        headers, body = _refusal("FORBIDDEN")
        start = {"type": "websocket.http.response.start", "status": 403, "headers": headers}
        await super().send(start)  # type: ignore[arg-type]
        rest = {"type": "websocket.http.response.body", "body": body, "more_body": False}
        await super().send(rest)  # type: ignore[arg-type]
        # uvicorn forgets it, and takes what it has answered for an application that failed.
        self.handshake_complete = True

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self._part()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._part()

    def _part(self) -> None:
        """Closing waits until everything is sent: for ever, where a client takes nothing."""
        if self._parting is None and not self.disconnected:
            self._parting = self.loop.call_later(self.parting_seconds, self._abort)

    def _abort(self) -> None:
        self.transport.abort()

    def handle_ping(self) -> None:
        """RFC 6455, 5.5.3: of several pings, the last one may be answered alone."""
        pong = b"".join(self.conn.data_to_send())
        if self.writable.is_set():
            self.transport.write(pong)
        elif pong:  # those to all pings of one reading come with the first of them
            self._last_pong = pong

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._last_pong and not self.transport.is_closing():
            self.transport.write(self._last_pong)
        self._last_pong = b""

    def handle_cont(self, event: Frame) -> None:
        # Each fragment is kept until the last one, and an empty one adds to no size.
        if event.data or event.fin:
            super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        # uvicorn refuses it as well, with a traceback in the log for each.
        if self.curr_msg_data_type == "text" and not _is_text(b"".join(self.frames)):
            self.frames = []
            self.conn.send_close(1007)
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()


def _doors(protocol: HttpProtocol | WebSocketProtocol) -> Doors:
    config = protocol.config
    assert isinstance(config, Config)
    return config.doors


@cache
def _answer(code: str) -> bytes:
    """The answer to what never becomes a request."""
    status = HTTPStatus(STATUS_OF[code])
    headers, body = _refusal(code)
    lines = (b"%s: %s\r\n" % header for header in headers)
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode()
    return head + b"".join(lines) + b"\r\n" + body


@cache
def _refusal(code: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The headers and the body of an error, as every one has them."""
    body = body_of(code).encode()
    headers = {
        **SECURITY_HEADERS,
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(body),
        b"connection": b"close",
    }
    if code in RETRY_AFTER:
        headers[b"retry-after"] = b"%d" % RETRY_AFTER[code]
    return list(headers.items()), body


def _is_text(message: bytes) -> bool:
    try:
        message.decode()
    except UnicodeDecodeError:
        return False
    return True
