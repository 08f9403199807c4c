"""What stands before the application: a prefix that a proxy gives it, and refused handshakes.

Both are no matter of a route's. A prefix has to be settled before routes are looked up, and a
handshake that is refused has an answer of its own, which the framework does not write.
"""

from __future__ import annotations

from typing import Any

from litestar.types import ASGIApp, Message, Receive, Send

from watchbuddy_server.errors import body_of
from watchbuddy_server.security import SECURITY_HEADERS

_RESPONSE = "websocket.http.response"
"""The extension by which a server writes an answer of ours to a handshake."""


def with_prefix(app: ASGIApp, prefix: str) -> ASGIApp:
    """The application, whose routes begin with the prefix, also behind a proxy that strips it.

    Args:
        prefix: such as `/buddy`.
    """

    async def serve(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            path: str = scope["path"]
            if path != prefix and not path.startswith(f"{prefix}/"):
                raw = prefix.encode() + scope["raw_path"]
                scope = {**scope, "path": prefix + path, "raw_path": raw}
        await app(scope, receive, send)

    return serve


def with_refusals(app: ASGIApp) -> ASGIApp:
    """The application, whose refused handshakes are answered as refused requests are."""

    async def serve(scope: Any, receive: Receive, send: Send) -> None:
        is_open = False

        async def answer(message: Message) -> None:
            nonlocal is_open
            if message["type"] == "websocket.close" and not is_open:
                await _refuse(send)
            else:
                is_open = is_open or message["type"] == "websocket.accept"
                await send(message)

        can_answer = scope["type"] == "websocket" and _RESPONSE in scope.get("extensions", {})
        await app(scope, receive, answer if can_answer else send)

    return serve


async def _refuse(send: Send) -> None:
    body = body_of("FORBIDDEN").encode()
    headers = [
        *SECURITY_HEADERS.items(),
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
    ]
    start: Any = {"type": f"{_RESPONSE}.start", "status": 403, "headers": headers}
    rest: Any = {"type": f"{_RESPONSE}.body", "body": body, "more_body": False}
    await send(start)
    await send(rest)
