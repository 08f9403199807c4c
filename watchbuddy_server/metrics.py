"""GET /metrics: what the program does, in numbers, as Prometheus reads them.

What happens to sessions is read from the entries of their logs as they are appended; what
happens to requests and connections, where they come in.

Nothing that a caller chooses becomes a label. Every label has a closed set of values, and
what is not in it is told as `other`: so the number of series is bounded, whoever calls.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, NoReturn, get_args

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from watchbuddy_core import errors as core_errors
from watchbuddy_core.entries import (
    Cancelled,
    Delivered,
    Drop,
    Failed,
    LeftOut,
    Placed,
    Ready,
    Replied,
    Scripted,
    Spent,
    Stage,
    StageName,
)
from watchbuddy_core.errors import (
    InvalidTimeRange,
    ProcessingFailed,
    StorageFull,
    StoreFailed,
    WatchBuddyError,
)
from watchbuddy_core.events import Skipped, SkipReason
from watchbuddy_core.placement.plan import Reason
from watchbuddy_core.protocols import SessionRecord
from watchbuddy_core.session import LocalJobs, SessionState
from watchbuddy_core.session.outgoing import OUR_CLOSES
from watchbuddy_core.stores.observed import Appended
from watchbuddy_server.errors import STATUS_OF, error_of, error_responses

GONE = 1006
"""The close code of a connection that has ended without one."""
_OTHER = "other"
_METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")
_STATUSES = frozenset(str(status.value) for status in HTTPStatus)
_DROPS = (*get_args(Reason), "script_full", "answering")
_CLOSES = (1000, 1001, 1002, 1003, 1005, GONE, 1007, 1009, 1012)
"""Besides ours: those of the protocol that clients, and the server below us, really use."""
_LOOK_SECONDS = 1.0
"""From one look at the event loop to the next."""
_MOST_MODELS = 8
"""So many models have a name of their own: an installation has one or two."""
_PREPARING = (0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_LATENESS = (0.0, 0.05, 0.1, 0.25, 0.5, 1, 2, 3)
_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


@dataclass(slots=True)
class _Known:
    """What is remembered of one session."""

    state: SessionState
    created_at: float | None = None
    """Monotonic seconds, as `since`. None: before this program began, or it is scripted already."""
    stage: StageName | None = None
    since: float = 0.0


@dataclass(slots=True)
class Closing:
    """How a connection ended."""

    code: int = GONE


class _Closed:
    """One counter for each of so many values of a label, and one for all others."""

    def __init__(self, counter: Counter, values: Iterable[str]) -> None:
        self._children = {value: counter.labels(value) for value in values}
        self._other = counter.labels(_OTHER)

    def count(self, value: str, by: float = 1) -> None:
        self._children.get(value, self._other).inc(by)


class Metrics:
    """The numbers of one application; a StoreObserver.

    `registry` is its own, and other numbers may be registered there as well.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._sessions: dict[str, _Known] = {}
        self._of_entry: dict[type, Callable[[str, Any, float], None]] = {
            Stage: self._stage,
            Ready: self._ready,
            Failed: self._failed,
            Cancelled: self._cancelled,
            Scripted: self._scripted,
            Placed: self._placed,
            Replied: self._replied,
            LeftOut: self._left_out,
            Spent: self._spent,
            Delivered: self._delivered,
        }
        self._models: set[str] = set()

        states = self._gauge("sessions", "Sessions that are kept, by how far they are.", "state")
        for state in get_args(SessionState):
            states.labels(state).set_function(partial(self._in, state))
        self._created = self._counter("sessions_created", "Sessions that were created.")
        self._failures = _Closed(
            self._counter("session_failures", "Sessions without a script, by why.", "code"),
            _codes(),
        )
        stages = self._histogram(
            "stage_seconds",
            "How long a stage of the preparation took; generating also waits for the viewer.",
            _PREPARING,
            "stage",
        )
        self._stages = {name: stages.labels(name) for name in get_args(StageName)}
        self._first_window = self._histogram(
            "first_window_seconds",
            "From a session's creation to its first actions.",
            _PREPARING,
        )
        windows = self._counter("windows", "Windows that are done, by how.", "outcome")
        self._windows = {how: windows.labels(how) for how in ("written", "cached", "failed")}
        self._drops = _Closed(
            self._counter("drops", "Drafts that were not kept, and lines left out.", "reason"),
            _DROPS,
        )
        sent = self._counter("actions_delivered", "Actions sent, first or again.", "pass")
        self._sent_first, self._sent_again = sent.labels("first"), sent.labels("again")
        calls = ("model", "purpose")
        self._calls = self._counter("model_calls", "Calls of language models.", *calls)
        self._tokens = self._counter(
            "model_tokens", "Tokens that they have read and written.", *calls, "kind"
        )
        self._dollars = self._counter(
            "model_cost_dollars", "What they have cost, as far as prices are known.", *calls
        )
        self._unpriced = self._counter(
            "model_unpriced_calls", "Those whose price is not known.", *calls
        )
        self._append_seconds = self._histogram(
            "store_append_seconds", "How long the store took to keep something.", _QUICK
        )
        self._store_errors = _Closed(
            self._counter("store_errors", "What the store could not keep, by why.", "reason"),
            ("full", "failed"),
        )
        self._lateness = self._histogram(
            "delivery_lateness_seconds",
            "How far the playhead was behind an action's trigger when it was sent, in media time.",
            _LATENESS,
        )
        self._delivery = self._histogram(
            "delivery_seconds",
            "From the report that made an action due to its frame at the socket.",
            _QUICK,
        )
        self._skipped = _Closed(
            self._counter("actions_skipped", "Actions that were passed over.", "reason"),
            get_args(SkipReason),
        )
        jobs = self._gauge("jobs", "Jobs of sessions, by whether there is work to do.", "state")
        self._busy, self._idle = jobs.labels("busy"), jobs.labels("idle")
        self._waiting = self._gauge("work_waiting", "Pieces of work that wait for a turn.")
        self._connections = self._gauge("connections", "Connections of viewers that are open.")
        self._closes = _Closed(
            self._counter("websocket_closes", "Connections that have ended, by code.", "code"),
            map(str, (*_CLOSES, *OUR_CLOSES)),
        )
        self._invalid = self._counter("invalid_messages", "Frames that were no messages.")
        self._lag = self._histogram(
            "event_loop_lag_seconds", "How late the event loop was, once a second.", _QUICK
        )
        self._requests = self._counter(
            "http_requests", "Requests that were answered.", "route", "method", "status"
        )
        self._request_seconds = self._histogram(
            "http_request_seconds", "Until the whole answer was sent.", _QUICK, "route"
        )
        self._rest_errors = _Closed(
            self._counter("http_errors", "Requests that were refused or failed.", "code"), STATUS_OF
        )

    # --- a StoreObserver ---------------------------------------------------------------

    def created(self, record: SessionRecord, at: float) -> None:
        self._sessions[record.session_id] = _Known("preparing", created_at=at)
        self._created.inc()

    def appended(self, appended: Appended) -> None:
        self._append_seconds.observe(appended.seconds)
        for entry in appended.entries:
            take = self._of_entry.get(type(entry))
            if take is not None:
                take(appended.session_id, entry, appended.at)

    def deleted(self, session_id: str) -> None:
        self._sessions.pop(session_id, None)

    def failed(self, error: Exception) -> None:
        is_full = isinstance(error, StorageFull)
        is_known = isinstance(error, StoreFailed)
        self._store_errors.count("full" if is_full else "failed" if is_known else _OTHER)

    # --- sessions ----------------------------------------------------------------------

    def found(self, session_id: str, state: SessionState) -> None:
        """A session of an earlier run is kept."""
        self._sessions.setdefault(session_id, _Known(state))

    def _in(self, state: SessionState) -> int:
        return sum(known.state == state for known in self._sessions.values())

    def _known(self, session_id: str) -> _Known:
        return self._sessions.setdefault(session_id, _Known("preparing"))

    def _stage(self, session_id: str, entry: Stage, at: float) -> None:
        self._enter(self._known(session_id), entry.stage, at)

    def _enter(self, known: _Known, stage: StageName | None, at: float) -> None:
        if known.stage is not None and stage != known.stage:
            self._stages[known.stage].observe(at - known.since)
        if stage != known.stage:
            known.stage, known.since = stage, at

    def _ready(self, session_id: str, _: Ready, at: float) -> None:
        known = self._known(session_id)
        self._enter(known, None, at)
        known.state = "ready"

    def _failed(self, session_id: str, entry: Failed, at: float) -> None:
        known = self._known(session_id)
        known.state, known.stage = "failed", None
        self._failures.count(entry.code)

    def _cancelled(self, session_id: str, _: Cancelled, at: float) -> None:
        known = self._known(session_id)
        known.state, known.stage = "cancelled", None

    # --- the script --------------------------------------------------------------------

    def _scripted(self, session_id: str, entry: Scripted, at: float) -> None:
        outcome = "failed" if entry.problem else "cached" if entry.cached else "written"
        self._windows[outcome].inc()

    def _placed(self, session_id: str, entry: Placed, at: float) -> None:
        known = self._known(session_id)
        if known.created_at is not None:
            self._first_window.observe(at - known.created_at)
            known.created_at = None
        self._count_drops(entry.dropped)

    def _replied(self, session_id: str, entry: Replied, at: float) -> None:
        self._count_drops(entry.dropped)

    def _count_drops(self, drops: Sequence[Drop]) -> None:
        for drop in drops:
            self._drops.count(drop.reason)

    def _left_out(self, session_id: str, entry: LeftOut, at: float) -> None:
        self._drops.count(entry.reason, len(entry.ids))

    def _spent(self, session_id: str, entry: Spent, at: float) -> None:
        calls = (self._name_of(entry.model), entry.purpose)
        usage = entry.usage
        self._calls.labels(*calls).inc(usage.calls)
        self._tokens.labels(*calls, "prompt").inc(usage.prompt_tokens)
        self._tokens.labels(*calls, "completion").inc(usage.completion_tokens)
        if usage.cost is None:
            self._unpriced.labels(*calls).inc(usage.calls)
        else:
            self._dollars.labels(*calls).inc(usage.cost)

    def _name_of(self, model: str) -> str:
        if model not in self._models and len(self._models) < _MOST_MODELS:
            self._models.add(model)
        return model[:100] if model in self._models else _OTHER

    def _delivered(self, session_id: str, entry: Delivered, at: float) -> None:
        self._sent_first.inc(len(entry.ids))
        for seconds in entry.lateness:
            self._lateness.observe(seconds)
        self._sent_again.inc(len(entry.redelivered))

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

    # --- the program -------------------------------------------------------------------

    def look_at(self, jobs: LocalJobs) -> None:
        """From now on, tell how much is to do."""
        self._busy.set_function(lambda: jobs.busy)
        self._idle.set_function(lambda: jobs.idle)
        self._waiting.set_function(lambda: jobs.waiting)

    async def time_loop(self) -> NoReturn:
        """Find out how late the event loop is. Runs until cancelled."""
        while True:
            due = time.monotonic() + _LOOK_SECONDS
            await asyncio.sleep(_LOOK_SECONDS)
            self._lag.observe(max(0.0, time.monotonic() - due))

    # --- requests ----------------------------------------------------------------------

    def count_request(self, scope: Scope, route: str, status: str) -> None:
        """One that was answered: by the template of its route, never by its path."""
        method = scope.get("method", "")
        self._requests.labels(
            route,
            method if method in _METHODS else _OTHER,
            status if status in _STATUSES else _OTHER,
        ).inc()
        code = error_of(scope)
        if code is not None:
            self._rest_errors.count(code)

    def time_request(self, route: str, seconds: float) -> None:
        self._request_seconds.labels(route).observe(seconds)

    # --- making them -------------------------------------------------------------------

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"watchbuddy_{name}", meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"watchbuddy_{name}", meaning, labels, registry=self.registry)

    def _histogram(
        self, name: str, meaning: str, buckets: Sequence[float], *labels: str
    ) -> Histogram:
        return Histogram(
            f"watchbuddy_{name}", meaning, labels, buckets=buckets, registry=self.registry
        )


def _codes() -> tuple[str, ...]:
    """Those by which a session fails, as far as they are ours."""
    kinds: list[type[WatchBuddyError]] = [ProcessingFailed]
    for kind in kinds:
        kinds += (one for one in kind.__subclasses__() if one.__module__ == core_errors.__name__)
    codes = [WatchBuddyError.code, InvalidTimeRange.code, *(kind.code for kind in kinds)]
    return tuple(dict.fromkeys(codes))


# Both are functions that make functions: the framework copies what it is given, deeply, and
# numbers that are counted in a copy are not seen.


def counting(metrics: Metrics) -> Callable[[ASGIApp], ASGIApp]:
    """Middleware that counts the requests of a router's routes."""

    def count(app: ASGIApp) -> ASGIApp:
        async def respond(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP:
                return await app(scope, receive, send)
            began = time.monotonic()
            status = "500"

            async def send_and_see(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = str(message["status"])
                await send(message)

            try:
                await app(scope, receive, send_and_see)
            finally:
                route = scope["path_template"]
                metrics.count_request(scope, route, status)
                metrics.time_request(route, time.monotonic() - began)

        return respond

    return count


def counting_unrouted(metrics: Metrics) -> Callable[[Message, Scope], Awaitable[None]]:
    """A hook for an application (`before_send`) that counts what has no route."""

    async def count(message: Message, scope: Scope) -> None:
        if message["type"] == "http.response.start" and "path_template" not in scope:
            metrics.count_request(scope, "none", str(message["status"]))

    return count


class _WithoutBirthdays(Collector):
    """A registry, without a second series for each that tells when it began."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [one for one in metric.samples if not one.name.endswith("_created")]
            yield metric


@get(
    "/metrics",
    response_description="Numbers, in the text format of Prometheus or OpenMetrics.",
    media_type="text/plain",
    responses=error_responses("FORBIDDEN"),
)
async def show_metrics(
    request: Request[Any, Any, Any], metrics: NamedDependency[Metrics]
) -> Response[bytes]:
    """What the program does, in numbers."""
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(_WithoutBirthdays(metrics.registry)), media_type=content_type)
