"""POST /api/v1/sessions/{session_id}/tickets: what a browser shows where it cannot send a token."""

from __future__ import annotations

from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.status_codes import HTTP_201_CREATED

from watchbuddy_core.tickets import SECONDS
from watchbuddy_core.wire import Ticket, TicketWish
from watchbuddy_server.access import Access
from watchbuddy_server.bodies import read_json, takes_json
from watchbuddy_server.errors import error_responses


@post(
    "/sessions/{session_id:str}/tickets",
    status_code=HTTP_201_CREATED,
    operation_class=takes_json(TicketWish, "What it is to be good for."),
    response_description="It is good from now on.",
    responses=error_responses(
        "MALFORMED_REQUEST",
        "FORBIDDEN",
        "SESSION_NOT_FOUND",
        "REQUEST_STALLED",
        "REQUEST_TOO_LARGE",
        "UNSUPPORTED_MEDIA_TYPE",
        "VALIDATION_ERROR",
        "STORE_UNAVAILABLE",
    ),
)
async def give_ticket(
    request: Request[Any, Any, Any], session_id: FromPath[str], access: NamedDependency[Access]
) -> Ticket:
    """A ticket to connect to a session, once and soon; or to show its video, for hours."""
    purpose = (await read_json(request, TicketWish)).purpose
    ticket = await access.tickets.give(purpose, session_id)
    return Ticket(ticket=ticket, expires_in=SECONDS[purpose])
