"""GET /metrics: what the program does, in numbers, as Prometheus reads them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder

from watchbuddy_server.errors import error_responses
from watchbuddy_server.numbers import Numbers, WithoutBirthdays
from watchbuddy_server.program_numbers import ProgramNumbers
from watchbuddy_server.server_numbers import ServerNumbers
from watchbuddy_server.session_numbers import SessionNumbers


class Metrics:
    """The numbers of one application.

    `registry` is its own, and other numbers may be registered there as well.

    Args:
        shared: whether other processes have the same sessions.
    """

    def __init__(self, *, shared: bool = False) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        numbers = Numbers(self.registry)
        self.sessions = SessionNumbers(numbers, shared=shared)
        self.server = ServerNumbers(numbers)
        self.program = ProgramNumbers(numbers)


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
                metrics.server.count_request(scope, route, status)
                metrics.server.time_request(route, time.monotonic() - began)

        return respond

    return count


def counting_unrouted(metrics: Metrics) -> Callable[[Message, Scope], Awaitable[None]]:
    """A hook for an application (`before_send`) that counts what has no route."""

    async def count(message: Message, scope: Scope) -> None:
        if message["type"] == "http.response.start" and "path_template" not in scope:
            metrics.server.count_request(scope, "none", str(message["status"]))

    return count


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
    return Response(encode(WithoutBirthdays(metrics.registry)), media_type=content_type)
