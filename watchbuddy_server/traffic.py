"""Who asks for how much, and how often: what goes beyond the limits is refused."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from litestar.connection import ASGIConnection

from watchbuddy_core.errors import RateLimited
from watchbuddy_core.networks import network_of
from watchbuddy_core.rates import Buckets, Rate
from watchbuddy_core.settings import Limits

_MINUTE = 60.0


def address_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """What is counted for the client's address. None: it has none, as over a local socket."""
    return None if connection.client is None else network_of(connection.client.host)


class Traffic:
    """Counts for a whole application. What has no address is bounded by the other limits alone.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, limits: Limits, *, now: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._now = now
        self._requests = _a_minute(limits.requests_per_minute)
        self._uploads = _a_minute(limits.uploads_per_minute)
        self._creations = _a_minute(limits.creations_per_minute)
        self._creations_there = _a_minute(limits.creations_per_minute_per_address)
        self._connects = _a_minute(limits.connects_per_minute)
        self._open: Counter[tuple[str, str]] = Counter()
        """Connections, by session and by address: `("session", …)`, `("address", …)`."""

    def request(self, address: str | None) -> None:
        """Count a request to the API.

        Raises:
            RateLimited
        """
        self._count((self._requests, address), what="requests")

    def create(self, caller: str, address: str | None) -> None:
        """Count a session that is to be created.

        Raises:
            RateLimited
        """
        self._count(
            (self._creations, caller), (self._creations_there, address), what="new sessions"
        )

    def upload(self, address: str | None) -> None:
        """Count an upload.

        Raises:
            RateLimited
        """
        self._count((self._uploads, address), what="uploads")

    @contextmanager
    def connection(self, session_id: str, address: str | None) -> Iterator[None]:
        """Count a WebSocket to a session, as long as it is open.

        Raises, on entering:
            RateLimited
        """
        self._count((self._connects, address), what="connections")
        bounds = {("session", session_id): self.limits.connections_per_session}
        if address is not None:
            bounds["address", address] = self.limits.connections_per_address
        if any(self._open[key] >= most for key, most in bounds.items()):
            raise RateLimited("There are too many connections. Close one of them.")
        self._open.update(bounds.keys())
        try:
            yield
        finally:
            self._open.subtract(bounds.keys())
            for key in bounds:
                if not self._open[key]:
                    del self._open[key]

    def _count(self, *counted: tuple[Buckets[str], str | None], what: str) -> None:
        """All of them, or none where one is empty."""
        now = self._now()
        named = [(buckets, key) for buckets, key in counted if key is not None]
        wait = max((buckets.wait(key, now) for buckets, key in named), default=0.0)
        if wait:
            raise RateLimited(f"There are too many {what}. Slow down.", retry_after=wait)
        for buckets, key in named:
            buckets.take(key, now)


def _a_minute(count: float) -> Buckets[str]:
    return Buckets(Rate(count, _MINUTE))
