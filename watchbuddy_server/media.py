"""GET /media/{session_id}: a session's video, for a player in a browser.

No part of an address becomes part of a path: the id leads to a session, and the session to
its file. The framework answers no `Range`, so the response is Starlette's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

from litestar import HttpMethod, route
from litestar.di import NamedDependency
from litestar.openapi.spec import (
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Schema,
)
from litestar.params import FromPath
from litestar.types import ASGIApp, Receive, Scope, Send
from starlette.responses import FileResponse

from watchbuddy_core.session import Sessions
from watchbuddy_server.errors import error_responses

_HEADERS = {
    # Whatever a file holds, it is played and never run.
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
_PART = rb"\s*(?:\d{1,18}-\d{0,18}|-\d{1,18})\s*"
_RANGES = re.compile(rb"\s*bytes\s*=%b(?:,%b)*" % (_PART, _PART), re.IGNORECASE)


@dataclass
class _GivesFile(Operation):
    def __post_init__(self) -> None:
        binary = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
        file = {kind: OpenAPIMediaType(schema=binary) for kind in ("video/*", "audio/*")}
        self.responses = {
            **(self.responses or {}),
            "200": OpenAPIResponse(description="The whole file.", content=file),
            "206": OpenAPIResponse(description="The part that was asked for.", content=file),
            "416": OpenAPIResponse(
                description="There is no such part.",
                content={"text/plain": OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))},
            ),
        }


@route(
    "/media/{session_id:str}",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    opt={"ticket": "media"},
    operation_class=_GivesFile,
    responses=error_responses(
        "MALFORMED_REQUEST",
        "FORBIDDEN",
        "SESSION_NOT_FOUND",
        "VIDEO_UNAVAILABLE",
        "VIDEO_NOT_READY",
        "VIDEO_TOO_LONG",
        "VIDEO_UNPLAYABLE",
        "VIDEO_UNREADABLE",
        "VIDEO_DOWNLOAD_FAILED",
        "STORE_UNAVAILABLE",
    ),
)
async def show_media(session_id: FromPath[str], sessions: NamedDependency[Sessions]) -> ASGIApp:
    """The session's video itself, or a part of it (`Range`)."""
    shown = await sessions.screening.show(session_id)
    response = FileResponse(shown.path, media_type=shown.media_type, headers=_HEADERS)
    # the two name the same messages by other types
    return _without_odd_ranges(cast(ASGIApp, response))


def _without_odd_ranges(response: ASGIApp) -> ASGIApp:
    """Give the whole file to who asks for what is no part, as RFC 9110, 14.2 wants it.

    Starlette refuses it in words of its own, which are no error of ours.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [
            (name, value)
            for name, value in scope["headers"]
            if name.lower() != b"range" or _is_range(value)
        ]
        await response(cast(Scope, {**scope, "headers": headers}), receive, send)

    return answer


def _is_range(asked: bytes) -> bool:
    if not _RANGES.fullmatch(asked):
        return False
    parts = [part.strip().split(b"-") for part in asked.partition(b"=")[2].split(b",")]
    return all(not (first and last) or int(first) <= int(last) for first, last in parts)
