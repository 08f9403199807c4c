"""Who asks for how much, and how often: what goes beyond the limits is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar.connection import ASGIConnection

from watchbuddy_core.commons import Commons
from watchbuddy_core.errors import RateLimited
from watchbuddy_core.networks import network_of
from watchbuddy_core.rates import Rate
from watchbuddy_core.settings import Limits

_MINUTE = 60.0


def address_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """What is counted for the client's address. None: it has none, as over a local socket."""
    return None if connection.client is None else network_of(connection.client.host)


class Traffic:
    """Counts for a whole application, and for all processes that have its store in common.

    What has no address is bounded by the other limits alone.

    Args:
        commons: where it is counted.
    """

    def __init__(self, limits: Limits, commons: Commons) -> None:
        self.limits = limits
        self._commons = commons
        self._rates = commons.rates(
            {
                "requests": _a_minute(limits.requests_per_minute),
                "uploads": _a_minute(limits.uploads_per_minute),
                "creations": _a_minute(limits.creations_per_minute),
                "creations-there": _a_minute(limits.creations_per_minute_per_address),
                "connects": _a_minute(limits.connects_per_minute),
            }
        )

    async def request(self, address: str | None) -> None:
        """Count a request to the API.

        Raises:
            RateLimited
        """
        await self._count(("requests", address), what="requests")

    async def create(self, caller: str, address: str | None) -> None:
        """Count a session that is to be created.

        Raises:
            RateLimited
        """
        await self._count(("creations", caller), ("creations-there", address), what="new sessions")

    async def upload(self, address: str | None) -> None:
        """Count an upload.

        Raises:
            RateLimited
        """
        await self._count(("uploads", address), what="uploads")

    @asynccontextmanager
    async def connection(self, session_id: str, address: str | None) -> AsyncIterator[None]:
        """Count a WebSocket to a session, as long as it is open.

        Raises, on entering:
            RateLimited
        """
        await self._count(("connects", address), what="connections")
        bounds = {f"session {session_id}": self.limits.connections_per_session}
        if address is not None:
            bounds[f"address {address}"] = self.limits.connections_per_address
        async with self._commons.hold(bounds) as is_held:
            if not is_held:
                raise RateLimited("There are too many connections. Close one of them.")
            yield

    async def _count(self, *goers: tuple[str, str | None], what: str) -> None:
        """All of them, or none where one has gone too fast."""
        named = [(rate, who) for rate, who in goers if who is not None]
        wait = await self._rates.take(*named)
        if wait:
            raise RateLimited(f"There are too many {what}. Slow down.", retry_after=wait)


def _a_minute(count: float) -> Rate:
    return Rate(count, _MINUTE)
