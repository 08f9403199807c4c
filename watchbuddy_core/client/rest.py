"""What a client asks over REST: for a session, how far one is, where its video is, and to take a
file in."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from pydantic import BaseModel

from watchbuddy_core.client.address import authorization, is_loopback
from watchbuddy_core.client.failures import error_of, reason
from watchbuddy_core.errors import ConnectionLost, RequestRefused, WatchBuddyError
from watchbuddy_core.session import SessionStatus
from watchbuddy_core.wire import CreateSession, SessionCreated, Ticket, TicketWish, Upload

_REQUEST_SECONDS = 30.0
_SESSIONS = "/api/v1/sessions"
_UPLOADS = "/api/v1/uploads"
_Answer = TypeVar("_Answer", bound=BaseModel)


async def create_session(server: str, request: CreateSession, *, token: str | None = None) -> str:
    """Ask a server for a session, and answer with its id.

    Args:
        server: where it is, such as `http://127.0.0.1:8000`.
        token: what it needs to be shown, where it needs that.

    Raises:
        Unauthorized: it needs a token, or another one.
        RequestRefused: it said no. The class and the `code` are those of its answer,
            without the facts that its own error carries as attributes.
        ConnectionLost: there is no such server, or it did not answer as one.
    """
    body = request.model_dump_json(exclude_none=True).encode()
    headers = {"Content-Type": "application/json"}
    created = await asyncio.to_thread(_ask, server, _SESSIONS, SessionCreated, token, body, headers)
    return created.session_id


async def upload(
    server: str, path: Path, *, name: str | None = None, token: str | None = None
) -> Upload:
    """Send a server a video, a recording or subtitles. Cancelling it ends that.

        sent = await upload("http://127.0.0.1:8000", Path("holiday.mp4"))
        request = CreateSession(video_url=sent.video_url, character_id="miao")

    Args:
        path: read as it is sent.
        name: what the server is to call it. None: as it is called here.
        token: see `create_session`.

    Raises:
        OSError: the file cannot be read.
        RequestRefused: the server said no: it takes no uploads, or none like this.
        ConnectionLost: there is no such server, or it did not answer as one.
    """
    # Closed when nobody waits any more, it ends the thread that reads from it.
    with await asyncio.to_thread(path.open, "rb") as file:
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(os.fstat(file.fileno()).st_size),
        }
        place = f"{_UPLOADS}?{urlencode({'name': name or path.name})}"
        return await asyncio.to_thread(_ask, server, place, Upload, token, file, headers)


async def session_status(
    server: str, session_id: str, *, token: str | None = None
) -> SessionStatus:
    """How far a session is. Once the script is ready, the video's duration is known.

    Raises:
        RequestRefused: there is no such session, or the server cannot say: one of the
            protocol's first version has no answer to this.
        ConnectionLost: there is no such server, or it did not answer as one.
    """
    path = f"{_SESSIONS}/{quote(session_id)}"
    return await asyncio.to_thread(_ask, server, path, SessionStatus, token)


async def media_address(server: str, session_id: str, *, token: str | None = None) -> str:
    """Where a player finds a session's video.

    With a token, the address has a ticket in it, since players cannot show a token: it is good
    for some hours, and for this video alone.

    Raises:
        RequestRefused: there is no such session, or the token is no good one.
        ConnectionLost: there is no such server, or it did not answer as one.
    """
    address = f"{server.rstrip('/')}/media/{quote(session_id)}"
    if token is None:
        return address
    place = f"{_SESSIONS}/{quote(session_id)}/tickets"
    wish = TicketWish(purpose="media").model_dump_json().encode()
    headers = {"Content-Type": "application/json"}
    ticket = await asyncio.to_thread(_ask, server, place, Ticket, token, wish, headers)
    return f"{address}?ticket={ticket.ticket}"


def _ask(
    server: str,
    path: str,
    kind: type[_Answer],
    token: str | None,
    body: bytes | BinaryIO | None = None,
    headers: Mapping[str, str] | None = None,
) -> _Answer:
    try:
        message = Request(f"{server.rstrip('/')}{path}", data=body, headers=dict(headers or {}))
        for name, value in authorization(token).items():
            message.add_unredirected_header(name, value)  # it is nobody else's to see
        with _opener(server).open(message, timeout=_REQUEST_SECONDS) as answer:
            return kind.model_validate_json(answer.read())
    except HTTPError as exc:
        with exc:
            raise _refusal(server, exc) from exc
    except (OSError, http.client.HTTPException) as exc:
        raise ConnectionLost(f"No server answers at {server}: {reason(exc)}.") from exc
    except ValueError as exc:  # no address, or no such answer
        raise _no_watch_server(server) from exc


def _opener(server: str) -> OpenerDirector:
    return build_opener(ProxyHandler({})) if is_loopback(server) else build_opener()


def _refusal(server: str, answer: HTTPError) -> WatchBuddyError:
    try:
        detail = json.load(answer)["detail"]
        code, message = str(detail["error"]), str(detail["message"])
    except (ValueError, KeyError, TypeError):
        return _no_watch_server(server)
    return error_of(RequestRefused, code, message)


def _no_watch_server(server: str) -> ConnectionLost:
    return ConnectionLost(f"What answers at {server} is no AI Watch Buddy server.")
