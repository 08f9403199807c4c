"""Files that another process of the installation holds, and this one does not."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from watchbuddy_core.errors import ProcessingFailed, VideoUnavailable
from watchbuddy_core.protocols import Whereabouts
from watchbuddy_core.sources.guard import AddressGuard
from watchbuddy_core.sources.hosts import HostRule, Link
from watchbuddy_core.sources.web import Received, Web, written
from watchbuddy_core.tickets import Tickets

_LEASE_SECONDS = 200.0
"""So long a process is believed that it holds a file. It says so every minute."""

_log = logging.getLogger("watchbuddy.sources")


class Peers:
    """Tells others which files this process holds, and gets from them what they hold.

    Args:
        whereabouts: where it is told.
        tickets: what is shown to another process, so that it gives a file.
    """

    def __init__(self, whereabouts: Whereabouts, tickets: Tickets) -> None:
        self._whereabouts = whereabouts
        self._tickets = tickets
        self.own_url: str | None = None
        """Where the others reach this process. None: it gives nothing."""

    async def tell(self, cards: Mapping[str, str]) -> None:
        """Say that these files are here, by name, each with what is known of it.

        Raises:
            StoreFailed, StorageFull: nobody hears of it.
        """
        if self.own_url is not None and cards:
            await self._whereabouts.tell(self.own_url, cards, _LEASE_SECONDS)

    async def card(self, name: str) -> str | None:
        """What is known of a file that another process holds. None: none does.

        Raises:
            StoreFailed: nobody can tell.
        """
        card, places = await self._whereabouts.find(name)
        return card if any(place != self.own_url for place in places) else None

    async def get(self, name: str, into: Path, *, most: int, received: Received) -> None:
        """Write the file, from whoever gives it first.

        Args:
            most: so many bytes may it have.

        Raises:
            VideoUnavailable: nobody does.
            StoreFailed: nobody can tell who holds it.
        """
        _, places = await self._whereabouts.find(name)
        ticket = await self._tickets.give("peer", name)
        for place in places:
            if place == self.own_url:
                continue
            try:
                async with Web(_guard(place)) as web, written(into) as file:
                    url = f"{place}/internal/uploads/{name}?ticket={ticket}"
                    await web.save(url, file, most=most, received=received)
                return
            except ProcessingFailed as exc:
                _log.warning("another process does not give an upload that it holds: %s", exc)
        raise VideoUnavailable(
            "The upload lies on another machine, which does not give it at the moment. Try again,"
            " or upload the file again."
        )

    async def admits(self, ticket: str, name: str) -> bool:
        """Whether it was given to a process that may have this file.

        Raises:
            StoreFailed: nobody can tell.
        """
        return await self._tickets.take(ticket, "peer", name)


def _guard(place: str) -> AddressGuard:
    """Lets through to that process alone."""
    link = Link.parse(place)
    host = f"[{link.host}]" if ":" in link.host else link.host
    return AddressGuard([HostRule.parse(f"{host}:{link.port}")])
