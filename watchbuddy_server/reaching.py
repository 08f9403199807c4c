"""How the operator of a machine reaches the server that has the file of sessions.

Where it listens, and a key that it makes up whenever it starts, lie beside the file, for its own
user to read: whoever can read that can read every session as well.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from pydantic import BaseModel, ConfigDict, ValidationError

from watchbuddy_core.client.failures import error_of, reason
from watchbuddy_core.errors import ConnectionLost, RequestRefused

REMOVAL_PATH = "/internal/sessions/removal"
_ANSWER_SECONDS = 120.0
"""A user may have hundreds of sessions, and each is told to its viewer."""

_log = logging.getLogger("watchbuddy.server")


class Removal(BaseModel):
    """What is to be deleted: sessions, or all that is kept of a user."""

    model_config = ConfigDict(frozen=True)

    session_ids: tuple[str, ...] = ()
    user_id: str | None = None


class Removed(BaseModel):
    """It is deleted."""

    model_config = ConfigDict(frozen=True)

    sessions: int
    """How many were."""


class Reach(BaseModel):
    """Where a server listens, and what it is to be shown."""

    model_config = ConfigDict(frozen=True)

    url: str
    key: str


@contextmanager
def reachable(sessions: Path, reach: Reach) -> Iterator[None]:
    """Let the operator know, as long as the context lasts. Blocks.

    Args:
        sessions: the file of sessions, which nobody else has meanwhile.
    """
    note = _note(sessions)
    try:
        # Made with mode 0600, and whole before it has its name.
        with tempfile.NamedTemporaryFile("w", dir=note.parent, delete=False) as file:
            file.write(reach.model_dump_json())
        os.replace(file.name, note)
    except OSError as exc:
        _log.warning("`watchbuddy sessions rm` will not reach this server: %s", exc.strerror)
    try:
        yield
    finally:
        try:
            note.unlink(missing_ok=True)
        except OSError as exc:
            _log.info("a key that is good no more is left in %s: %s", note.name, exc.strerror)


def ask_to_remove(sessions: Path, wanted: Removal) -> Removed:
    """Have the server do it that has this file of sessions. Blocks.

    Raises:
        ConnectionLost: there is none, or it cannot be reached.
        RequestRefused: it said no. The class and the `code` are those of its answer.
    """
    try:
        reach = Reach.model_validate_json(_note(sessions).read_bytes())
    except (OSError, ValidationError) as exc:
        raise ConnectionLost("Where the server is cannot be read.") from exc
    message = Request(
        reach.url + REMOVAL_PATH,
        data=wanted.model_dump_json().encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {reach.key}"},
    )
    try:
        opener = build_opener(ProxyHandler({}))  # it is at this machine
        with opener.open(message, timeout=_ANSWER_SECONDS) as answer:
            return Removed.model_validate_json(answer.read())
    except HTTPError as exc:
        with exc:
            raise _refusal(reach.url, exc) from exc
    except (OSError, http.client.HTTPException) as exc:
        raise ConnectionLost(f"No server answers at {reach.url}: {reason(exc)}.") from exc
    except ValidationError as exc:
        raise _another(reach.url) from exc


def _refusal(url: str, answer: HTTPError) -> ConnectionLost | RequestRefused:
    try:
        detail = json.load(answer)["detail"]
        code, message = str(detail["error"]), str(detail["message"])
    except (ValueError, KeyError, TypeError):
        return _another(url)
    if code == "UNAUTHORIZED":  # it has taken the place of the one that was there
        return _another(url)
    return error_of(RequestRefused, code, message)


def _another(url: str) -> ConnectionLost:
    return ConnectionLost(f"What answers at {url} is not the server that was there.")


def _note(sessions: Path) -> Path:
    return sessions.with_suffix(".server")
