"""How many connections there may be, whatever comes over them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from ipaddress import ip_address, ip_network
from typing import Any

import uvicorn

from watchbuddy_core.networks import network_of


class Doors:
    """Counts the connections of a server, in all and from each address.

    Args:
        most: in all.
        per_address: from one address, or from one /64 of IPv6.
        proxies: addresses and networks that many clients come through: not counted by address.
    """

    def __init__(self, *, most: int, per_address: int, proxies: Collection[str] = ()) -> None:
        self._most = most
        self._per_address = per_address
        self._proxies = [ip_network(proxy, strict=False) for proxy in proxies]
        self._open: Counter[str] = Counter()
        """By what is counted for an address; empty for those that are not told apart."""
        self._in_all = 0

    def enter(self, host: str | None) -> str | None:
        """Count a connection from there, which is `left` later in any case.

        Returns:
            The code of the error that it gets, where it is one too many.
        """
        place = self._place(host)
        self._open[place] += 1
        self._in_all += 1
        if self._in_all > self._most:
            return "TOO_MANY_SESSIONS"
        if place and self._open[place] > self._per_address:
            return "RATE_LIMITED"
        return None

    def leave(self, host: str | None) -> None:
        """Count one less."""
        place = self._place(host)
        self._open[place] -= 1
        self._in_all -= 1
        if not self._open[place]:
            del self._open[place]

    def _place(self, host: str | None) -> str:
        if host is None:
            return ""
        if self._proxies:
            address = ip_address(host.partition("%")[0])
            if any(address in network for network in self._proxies):
                return ""
        return network_of(host)


class Config(uvicorn.Config):
    """uvicorn's, with the doors that its protocols count at."""

    def __init__(self, *args: Any, doors: Doors, **options: Any) -> None:
        super().__init__(*args, **options)
        self.doors = doors
