"""Uploads that another process of the installation holds, and this one does not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from watchbuddy_core.commons import Whereabouts
from watchbuddy_core.errors import ProcessingFailed, StorageFull, StoreFailed, VideoUnavailable
from watchbuddy_core.protocols import Progress
from watchbuddy_core.sources.arrival import Room
from watchbuddy_core.sources.guard import AddressGuard
from watchbuddy_core.sources.hosts import HostRule, Link
from watchbuddy_core.sources.identity import content_id
from watchbuddy_core.sources.receiving import telling
from watchbuddy_core.sources.upload_shelf import UploadCard, name_in
from watchbuddy_core.sources.web import Web, written
from watchbuddy_core.tickets import Tickets

_LEASE_SECONDS = 200.0
"""So long a process is believed that it holds a file. It says so every minute."""

_log = logging.getLogger("watchbuddy.sources")


class Peers:
    """Tells others which uploads this process holds, and gets from them what they hold.

    Args:
        whereabouts: where it is told.
        tickets: what is shown to another process, so that it gives an upload.
    """

    def __init__(self, whereabouts: Whereabouts, tickets: Tickets) -> None:
        self._whereabouts = whereabouts
        self._tickets = tickets
        self.own_url: str | None = None
        """Where the others reach this process. None: it gives nothing."""

    async def tell(self, cards: Iterable[UploadCard]) -> None:
        """Say that these uploads are here."""
        if self.own_url is None:
            return
        told = {name_in(one.upload.video_url): one.model_dump_json() for one in cards}
        with suppress(StoreFailed, StorageFull):  # they hear of it the next time
            await self._whereabouts.tell(self.own_url, told, _LEASE_SECONDS)

    async def borrow(
        self, url: str, into: Path, *, room: Room, progress: Progress
    ) -> UploadCard | None:
        """Write an upload to a file, from whoever gives it first; its card. None: nobody has it.

        Raises:
            VideoUnavailable: nobody gives it.
            StorageFull: there is no room for it.
            StoreFailed: nobody can tell who holds it.
        """
        text, places = await self._whereabouts.find(name_in(url))
        others = [place for place in places if place != self.own_url]
        if text is None or not others:
            return None
        card = UploadCard.model_validate_json(text)
        if card.upload.video_url != url:
            return None
        await asyncio.to_thread(room.refuse_full, card.upload.size_bytes)
        ticket = await self._tickets.give("peer", name_in(url))
        for place in others:
            try:
                async with Web(_guard(place)) as web, written(into) as file:
                    await web.save(
                        f"{place}/internal/uploads/{name_in(url)}?ticket={ticket}",
                        file,
                        most=card.upload.size_bytes,
                        received=telling(progress),
                    )
            except ProcessingFailed as exc:
                _log.warning("another process does not give an upload that it holds: %s", exc)
                continue
            if await asyncio.to_thread(content_id, [into]) == card.content_id:
                return card
            _log.warning("an upload has come from another process, and is not what it was")
        raise VideoUnavailable(
            "The upload lies on another machine, which does not give it at the moment. Try again,"
            " or upload the file again."
        )

    async def admits(self, ticket: str, name: str) -> bool:
        """Whether it was given to a process that may have the upload of this name.

        Raises:
            StoreFailed: nobody can tell.
        """
        return await self._tickets.take(ticket, "peer", name)


def _guard(place: str) -> AddressGuard:
    """Lets through to that process alone."""
    link = Link.parse(place)
    host = f"[{link.host}]" if ":" in link.host else link.host
    return AddressGuard([HostRule.parse(f"{host}:{link.port}")])
