"""What happens to connections and requests, in numbers, and how much there is to do."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import get_args

from litestar.types import Scope

from watchbuddy_core.events import Skipped, SkipReason
from watchbuddy_core.session import LocalJobs
from watchbuddy_core.session.framing import OUR_CLOSES
from watchbuddy_core.session.saq_jobs import SaqJobs
from watchbuddy_server.errors import STATUS_OF, error_of
from watchbuddy_server.numbers import OTHER, QUICK, Numbers

GONE = 1006
"""The close code of a connection that has ended without one."""
_CLOSES = (1000, 1001, 1002, 1003, 1005, GONE, 1007, 1009, 1012)
"""Besides ours: those of the protocol that clients, and the server below us, really use."""
_METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")
_STATUSES = frozenset(str(status.value) for status in HTTPStatus)


@dataclass(slots=True)
class Closing:
    """How a connection ended."""

    code: int = GONE


class ServerNumbers:
    """Counts what is told to it."""

    def __init__(self, numbers: Numbers) -> None:
        self._delivery = numbers.histogram(
            "delivery_seconds",
            "From the report that made an action due to its frame at the socket.",
            QUICK,
        )
        self._skipped = numbers.counters(
            "actions_skipped", "Actions that were passed over.", "reason", get_args(SkipReason)
        )
        jobs = numbers.gauge("jobs", "Jobs of sessions, by whether there is work to do.", "state")
        self._busy, self._idle = jobs.labels("busy"), jobs.labels("idle")
        self._waiting = numbers.gauge("work_waiting", "Pieces of work that wait for a turn.")
        self._workers = numbers.gauge(
            "workers", "Workers that can prepare sessions, where this process leaves it to them."
        )
        self._connections = numbers.gauge("connections", "Connections of viewers that are open.")
        self._closes = numbers.counters(
            "websocket_closes",
            "Connections that have ended, by code.",
            "code",
            map(str, (*_CLOSES, *OUR_CLOSES)),
        )
        self._invalid = numbers.counter("invalid_messages", "Frames that were no messages.")
        self._requests = numbers.counter(
            "http_requests", "Requests that were answered.", "route", "method", "status"
        )
        self._request_seconds = numbers.histogram(
            "http_request_seconds", "Until the whole answer was sent.", QUICK, "route"
        )
        self._rest_errors = numbers.counters(
            "http_errors", "Requests that were refused or failed.", "code", STATUS_OF
        )

    # --- connections -------------------------------------------------------------------

    @contextmanager
    def connected(self) -> Iterator[Closing]:
        """A viewer's connection, as long as it lasts."""
        self._connections.inc()
        closing = Closing()
        try:
            yield closing
        finally:
            self._connections.dec()
            self._closes.count(str(closing.code))

    def handed_over(self, since: float | None) -> None:
        """An action's frame is with the socket; `since` as in `Delivery.due_since`."""
        if since is not None:
            self._delivery.observe(time.monotonic() - since)

    def passed_over(self, skipped: Iterable[Skipped]) -> None:
        for one in skipped:
            self._skipped.count(one.reason)

    def complained(self) -> None:
        """A frame was no message."""
        self._invalid.inc()

    # --- jobs --------------------------------------------------------------------------

    def look_at(self, jobs: LocalJobs | SaqJobs) -> None:
        """From now on, tell how much is to do."""
        self._busy.set_function(lambda: jobs.busy)
        self._idle.set_function(lambda: jobs.idle)
        self._waiting.set_function(lambda: jobs.waiting)
        self._workers.set_function(lambda: jobs.workers or 0)

    # --- requests ----------------------------------------------------------------------

    def count_request(self, scope: Scope, route: str, status: str) -> None:
        """One that was answered: by the template of its route, never by its path."""
        method = scope.get("method", "")
        self._requests.labels(
            route,
            method if method in _METHODS else OTHER,
            status if status in _STATUSES else OTHER,
        ).inc()
        code = error_of(scope)
        if code is not None:
            self._rest_errors.count(code)

    def time_request(self, route: str, seconds: float) -> None:
        self._request_seconds.labels(route).observe(seconds)
