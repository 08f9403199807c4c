"""What a program's log says of sessions, and how it says it to other programs.

Nothing here sets logging up: that is the program's business.

    handler.addFilter(SessionIds())
    handler.setFormatter(JSONLines())
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from watchbuddy_core.errors import WatchBuddyError
from watchbuddy_core.redaction import redacted

_session: ContextVar[str | None] = ContextVar("watchbuddy_session", default=None)


@contextmanager
def about(session_id: str) -> Iterator[None]:
    """What is logged within, also by tasks that begin there, is about this session."""
    token = _session.set(session_id)
    try:
        yield
    finally:
        _session.reset(token)


class SessionIds(logging.Filter):
    """Lets everything pass, and gives each record a `session_id`: None, where it has none.

    For a handler, so that it sees the records of all loggers.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "session_id"):
            record.session_id = _session.get()
        return True


class TextLines(logging.Formatter):
    """For people. A record that does not name its session is given the name.

    What follows in further lines is set in: nobody's text begins a line of its own.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = "\n    ".join(record.message.splitlines())
        session_id = getattr(record, "session_id", None)
        if session_id and session_id not in record.message:
            record.message = f"session {session_id}: {record.message}"
        return super().formatMessage(record)


class JSONLines(logging.Formatter):
    """One JSON object a line, without keys or what looks like one.

    `time` (ISO 8601, UTC), `level`, `logger` and `message` are always there; `session_id`,
    `code` (of an error that has one) and `exception` (its traceback) where there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": _time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "session_id": getattr(record, "session_id", None),
            "code": getattr(record, "code", None),
            "exception": None,
        }
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            if isinstance(error, WatchBuddyError):
                told["code"] = told["code"] or error.code
            told["exception"] = self.formatException(record.exc_info)
        # Before it is JSON: what looks like a key may end with what JSON needs.
        lines = {name: redacted(text) for name, text in told.items() if text is not None}
        return json.dumps(lines, ensure_ascii=False)


def _time(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
