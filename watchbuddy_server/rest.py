"""The REST routes: sessions, and what there is to watch."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated, Any

from litestar import HttpMethod, Request, Response, delete, get, post, route
from litestar.di import NamedDependency
from litestar.openapi.spec import (
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Schema,
)
from litestar.params import FromPath, QueryParameter
from litestar.status_codes import (
    HTTP_202_ACCEPTED,
    HTTP_204_NO_CONTENT,
)

from watchbuddy_core.session import LibraryPage, Sessions, SessionStatus, SessionVideo
from watchbuddy_core.tracks import TrackFormat, write_track
from watchbuddy_core.wire import CreateSession, SessionCreated
from watchbuddy_server.access import Caller
from watchbuddy_server.bodies import read_json, takes_json
from watchbuddy_server.errors import error_responses
from watchbuddy_server.traffic import Traffic, address_of

# --- sessions --------------------------------------------------------------------------


@post(
    "/sessions",
    status_code=HTTP_202_ACCEPTED,
    operation_class=takes_json(CreateSession, "What to watch, and who watches along."),
    response_description="The session is being prepared.",
    responses=error_responses(
        "MALFORMED_REQUEST",
        "FORBIDDEN",
        "REQUEST_STALLED",
        "REQUEST_TOO_LARGE",
        "UNSUPPORTED_MEDIA_TYPE",
        "VALIDATION_ERROR",
        "UNSUPPORTED_VIDEO_SOURCE",
        "UNKNOWN_CHARACTER",
        "INVALID_TIME_RANGE",
        "RATE_LIMITED",
        "STORE_UNAVAILABLE",
        "TOO_MANY_SESSIONS",
        "STORAGE_FULL",
    ),
)
async def create_session(
    request: Request[Any, Any, Any],
    sessions: NamedDependency[Sessions],
    caller: NamedDependency[Caller],
    traffic: NamedDependency[Traffic],
) -> SessionCreated:
    """Create a session, and begin to produce its script."""
    address = address_of(request)
    await traffic.create(caller.name, address)
    asked = await read_json(request, CreateSession)
    session = await sessions.start(
        asked, created_at=time.time(), caller=caller.name, address=address
    )
    return SessionCreated(session_id=session.session_id)


@get(
    "/sessions/{session_id:str}",
    response_description="How far it is.",
    responses=error_responses(
        "MALFORMED_REQUEST", "FORBIDDEN", "SESSION_NOT_FOUND", "STORE_UNAVAILABLE"
    ),
)
async def show_session(
    session_id: FromPath[str], sessions: NamedDependency[Sessions]
) -> SessionStatus:
    """How far a session is, and what it holds."""
    session = await sessions.find(session_id)
    return await session.status()


@route(
    "/sessions/{session_id:str}",
    http_method=HttpMethod.OPTIONS,
    status_code=HTTP_204_NO_CONTENT,
    include_in_schema=False,
)
async def show_methods(session_id: FromPath[str]) -> Response[None]:
    """What can be done with a session. The framework's own answer leaves DELETE out: it is made
    as soon as the first of two methods is known."""
    return Response(None, headers={"Allow": "DELETE, GET, OPTIONS"})


@delete(
    "/sessions/{session_id:str}",
    response_description="It is over.",
    responses=error_responses(
        "MALFORMED_REQUEST",
        "FORBIDDEN",
        "SESSION_NOT_FOUND",
        "STORE_UNAVAILABLE",
        "STORAGE_FULL",
    ),
)
async def delete_session(session_id: FromPath[str], sessions: NamedDependency[Sessions]) -> None:
    """End a session: its work stops, and its connections are closed with 4410."""
    await sessions.end(session_id)


@get(
    "/sessions/{session_id:str}/video",
    response_description="What is known of it.",
    responses=error_responses(
        "MALFORMED_REQUEST", "FORBIDDEN", "SESSION_NOT_FOUND", "STORE_UNAVAILABLE"
    ),
)
async def show_video(
    session_id: FromPath[str], sessions: NamedDependency[Sessions]
) -> SessionVideo:
    """What a player, and a strip that shows where it is, need to know of a session's video."""
    return await sessions.screening.describe(session_id)


_MEDIA_TYPES: dict[TrackFormat, str] = {
    "json": "application/json",
    "vtt": "text/vtt",
    "srt": "application/x-subrip; charset=utf-8",
    "ass": "text/x-ssa",
}


@dataclass
class _GivesTrack(Operation):
    def __post_init__(self) -> None:
        content = {
            kind.partition(";")[0]: OpenAPIMediaType(
                schema=Schema(type=OpenAPIType.OBJECT if name == "json" else OpenAPIType.STRING)
            )
            for name, kind in _MEDIA_TYPES.items()
        }
        description = "The script as far as it is made: a track, or subtitles of its lines."
        self.responses = {
            **(self.responses or {}),
            "200": OpenAPIResponse(description=description, content=content),
        }


@get(
    "/sessions/{session_id:str}/script",
    operation_class=_GivesTrack,
    responses=error_responses(
        "MALFORMED_REQUEST",
        "FORBIDDEN",
        "SESSION_NOT_FOUND",
        "VALIDATION_ERROR",
        "STORE_UNAVAILABLE",
    ),
)
async def show_script(
    session_id: FromPath[str],
    sessions: NamedDependency[Sessions],
    format: Annotated[TrackFormat, QueryParameter()] = "json",
) -> Response[bytes]:
    """What a session's companion does in the video, as a file that can be kept."""
    session = await sessions.find(session_id)
    track = await session.track()
    return Response(write_track(track, format).encode(), media_type=_MEDIA_TYPES[format])


# --- what there is ---------------------------------------------------------------------


@get(
    "/library",
    response_description="By address, a page at a time.",
    responses=error_responses("MALFORMED_REQUEST", "FORBIDDEN", "VALIDATION_ERROR", "RATE_LIMITED"),
)
async def list_library(
    sessions: NamedDependency[Sessions],
    offset: Annotated[int, QueryParameter(ge=0)] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=500)] = 100,
) -> LibraryPage:
    """The videos in the server's library folders."""
    return await sessions.library.page(offset, limit)
