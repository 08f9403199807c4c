"""Tickets: what stands for a token where a browser cannot send one.

A page cannot give a WebSocket or a `<video>` a header of its own, and what stands in an address
stands in histories and logs. So it asks for a ticket, which is good for one session, one
purpose, and a time: seconds, and a single use, to connect; hours, and this one video, to watch.

A ticket is signed and not kept. None can be forged, and no number of them takes up any room.
The key is made anew with the program, and tickets end with it; unless several programs share a
store: then they share the key as well, and what one has given another takes.
"""

from __future__ import annotations

import hmac
import secrets
import struct
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Literal

from watchbuddy_core.commons import Commons
from watchbuddy_core.wire import TicketPurpose

PREFIX = "wbt_"
Purpose = TicketPurpose | Literal["peer"]
"""`peer`: a process of the installation wants a file of another."""
SECONDS: dict[Purpose, float] = {"connect": 30.0, "media": 12 * 3600.0, "peer": 3600.0}
"""How long a ticket is good. A film is paused, and watched to its end in the evening."""
_STEM = struct.Struct(">d16s")
"""Until when it is good, and what tells it from all others."""
_SIGNATURE_BYTES = 32


class Tickets:
    """Gives tickets out, and takes them, whichever process of an installation gave them.

    Args:
        commons: what they are signed with, and which were used.
        now: seconds since 1970: other machines have no other time in common.
    """

    def __init__(self, commons: Commons, *, now: Callable[[], float] = time.time) -> None:
        self._commons = commons
        self._now = now

    async def give(self, purpose: Purpose, thing: str) -> str:
        """A ticket for a session, or, to a peer, for a file.

        Raises: StoreFailed: nobody knows what to sign it with."""
        key = await self._commons.ticket_key()
        stem = _STEM.pack(self._now() + SECONDS[purpose], secrets.token_bytes(16))
        signed = stem + _signature(key, stem, purpose, thing)
        return PREFIX + urlsafe_b64encode(signed).decode().rstrip("=")

    async def take(self, ticket: str, purpose: Purpose, thing: str) -> bool:
        """Whether it is good. One to connect is not good any more then.

        Raises:
            StoreFailed: nobody can tell.
        """
        signed = _bytes_of(ticket)
        stem, signature = signed[: _STEM.size], signed[_STEM.size :]
        if len(signature) != _SIGNATURE_BYTES:
            return False
        key = await self._commons.ticket_key()
        if not hmac.compare_digest(signature, _signature(key, stem, purpose, thing)):
            return False
        until, mark = _STEM.unpack(stem)
        left = until - self._now()
        if left <= 0:
            return False
        return purpose != "connect" or await self._commons.use_once(mark, left)


def _signature(key: bytes, stem: bytes, purpose: Purpose, thing: str) -> bytes:
    return hmac.digest(key, stem + f"{purpose} {thing}".encode(), "sha256")


def _bytes_of(ticket: str) -> bytes:
    """What is signed; empty, where it is no ticket."""
    encoded = ticket.removeprefix(PREFIX)
    whole = 4 * -(-(_STEM.size + _SIGNATURE_BYTES) // 3)
    try:
        return urlsafe_b64decode(encoded.ljust(whole, "=")) if len(encoded) <= whole else b""
    except ValueError:
        return b""
