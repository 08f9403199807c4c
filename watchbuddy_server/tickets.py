"""Tickets: what stands for a token where a browser cannot send one.

A page cannot give a WebSocket or a `<video>` a header of its own, and what stands in an address
stands in histories and logs. So it asks for a ticket, which is good for one session, one
purpose, and a time: seconds, and a single use, to connect; hours, and this one video, to watch.

A ticket is signed and not kept. None can be forged, and no number of them takes up any room.
The key is made anew with the program, and tickets end with it.
"""

from __future__ import annotations

import hmac
import secrets
import struct
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import deque
from collections.abc import Callable

from watchbuddy_core.wire import TicketPurpose

PREFIX = "wbt_"
SECONDS: dict[TicketPurpose, float] = {"connect": 30.0, "media": 12 * 3600.0}
"""How long a ticket is good. A film is paused, and watched to its end in the evening."""
_STEM = struct.Struct(">d16s")
"""Until when it is good, and what tells it from all others."""
_SIGNATURE_BYTES = 32


class Tickets:
    """Gives tickets out, and takes them.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._key = secrets.token_bytes(32)
        self._used: set[bytes] = set()
        self._forget: deque[tuple[float, bytes]] = deque()
        """What was used, until it would not be good any more."""

    def give(self, purpose: TicketPurpose, session_id: str) -> str:
        stem = _STEM.pack(self._now() + SECONDS[purpose], secrets.token_bytes(16))
        signed = stem + self._signature(stem, purpose, session_id)
        return PREFIX + urlsafe_b64encode(signed).decode().rstrip("=")

    def take(self, ticket: str, purpose: TicketPurpose, session_id: str) -> bool:
        """Whether it is good. One to connect is not good any more then."""
        signed = _bytes_of(ticket)
        stem, signature = signed[: _STEM.size], signed[_STEM.size :]
        if len(signature) != _SIGNATURE_BYTES or not hmac.compare_digest(
            signature, self._signature(stem, purpose, session_id)
        ):
            return False
        now = self._now()
        if now >= _STEM.unpack(stem)[0]:
            return False
        return purpose != "connect" or self._use(stem, now)

    def _use(self, stem: bytes, now: float) -> bool:
        while self._forget and self._forget[0][0] <= now:
            self._used.discard(self._forget.popleft()[1])
        if stem in self._used:
            return False
        self._used.add(stem)
        self._forget.append((now + SECONDS["connect"], stem))
        return True

    def _signature(self, stem: bytes, purpose: TicketPurpose, session_id: str) -> bytes:
        return hmac.digest(self._key, stem + f"{purpose} {session_id}".encode(), "sha256")


def _bytes_of(ticket: str) -> bytes:
    """What is signed; empty, where it is no ticket."""
    encoded = ticket.removeprefix(PREFIX)
    whole = 4 * -(-(_STEM.size + _SIGNATURE_BYTES) // 3)
    try:
        return urlsafe_b64decode(encoded.ljust(whole, "=")) if len(encoded) <= whole else b""
    except ValueError:
        return b""
