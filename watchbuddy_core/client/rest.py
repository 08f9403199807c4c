"""Asking a server for a session."""

from __future__ import annotations

import asyncio
import http.client
import json
from urllib.error import HTTPError
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from watchbuddy_core.client.address import is_loopback
from watchbuddy_core.client.failures import error_of, reason
from watchbuddy_core.errors import ConnectionLost, RequestRefused, WatchBuddyError
from watchbuddy_core.wire import CreateSession

_REQUEST_SECONDS = 30.0


async def create_session(server: str, request: CreateSession) -> str:
    """Ask a server for a session, and answer with its id.

    Args:
        server: where it is, such as `http://127.0.0.1:8000`.

    Raises:
        RequestRefused: it said no. The class and the `code` are those of its answer,
            without the facts that its own error carries as attributes.
        ConnectionLost: there is no such server, or it did not answer as one.
    """
    return await asyncio.to_thread(_post, server, request)


def _post(server: str, request: CreateSession) -> str:
    try:
        message = Request(
            f"{server.rstrip('/')}/api/v1/sessions",
            data=request.model_dump_json(exclude_none=True).encode(),
            headers={"Content-Type": "application/json"},
        )
        with _opener(server).open(message, timeout=_REQUEST_SECONDS) as answer:
            session_id = json.load(answer)["session_id"]
    except HTTPError as exc:
        with exc:
            raise _refusal(server, exc) from exc
    except (OSError, http.client.HTTPException) as exc:
        raise ConnectionLost(f"No server answers at {server}: {reason(exc)}.") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise _no_watch_server(server) from exc
    return str(session_id)


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
