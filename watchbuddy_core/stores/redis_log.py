"""The log of a session in a Redis, as somebody reads it who never stops."""

from __future__ import annotations

from collections.abc import AsyncIterator

from watchbuddy_core.errors import StoreFailed
from watchbuddy_core.stores.redis_line import ENDLESS, Line, Patience
from watchbuddy_core.stores.redis_news import Listener, published
from watchbuddy_core.stores.redis_scripts import key

_PAGE = 200
"""Entries that are read with one command."""
_LOST = "Some of what was kept of this session is lost."

Row = tuple[int, bytes]
"""A position, and the entry as it is kept."""


async def rows(
    line: Line,
    session_id: str,
    first: int,
    last: int | None = None,
    *,
    patience: Patience | None = None,
) -> AsyncIterator[Row]:
    """The entries from one position to another, or to the end."""
    until = "+" if last is None else f"{last}-0"
    log = key(session_id, "log")
    while True:
        page = await line.ask("XRANGE", log, f"{first}-0", until, "COUNT", _PAGE, patience=patience)
        for name, (_, text) in page:
            position = int(name.partition(b"-")[0])
            yield position, text
            first = position + 1
        if len(page) < _PAGE:
            return


async def fields(line: Line, name: str) -> AsyncIterator[tuple[str, str]]:
    """All fields of a hash, however large it is, and what they hold; each at least once."""
    cursor = b"0"
    while True:
        cursor, found = await line.ask("HSCAN", name, cursor, "COUNT", _PAGE)
        for field, value in zip(found[::2], found[1::2], strict=True):
            yield field.decode(), value.decode()
        if int(cursor) == 0:
            return


class Following:
    """Reads a log from a position on: what stands, and then what is told of.

    Positions follow upon one another. So it is seen where something was missed, and read; what
    is told twice is passed over; and it is seen where a Redis has lost what was read already.
    """

    def __init__(self, line: Line, listener: Listener, session_id: str, after: int) -> None:
        self._line = line
        self._listener = listener
        self._session_id = session_id
        self._after = after
        self._last: bytes | None = None
        """The entry at that position, where it was read here."""

    async def rows(self) -> AsyncIterator[Row]:
        """Never ends by itself.

        Raises:
            StoreFailed: the log is no longer what was read of it.
        """
        while True:
            message = await self._listener.next()
            if message is None:
                await self._check()
                async for row in self._read():
                    yield row
            elif message.startswith(b"L"):
                first, texts = published(message)
                if first + len(texts) - 1 <= self._after:  # it was read already; or was it?
                    await self._check()
                if first > self._after + 1:
                    async for row in self._read(first - 1):
                        yield row
                for position, text in enumerate(texts, first):
                    if position > self._after:
                        yield self._at(position, text)

    async def _read(self, last: int | None = None) -> AsyncIterator[Row]:
        first = self._after + 1
        async for position, text in rows(
            self._line, self._session_id, first, last, patience=ENDLESS
        ):
            yield self._at(position, text)
        if last is not None:  # what is not there was not worth being kept
            self._after, self._last = last, None

    def _at(self, position: int, text: bytes) -> Row:
        self._after, self._last = position, text
        return position, text

    async def _check(self) -> None:
        """Whether the log still has what was read of it."""
        if not self._after:
            return
        async for _, text in rows(
            self._line, self._session_id, self._after, self._after, patience=ENDLESS
        ):
            if self._last not in (None, text):
                raise StoreFailed(_LOST)
            return
        # It may not have been worth being kept.
        end = await self._line.ask("HGET", key(self._session_id, "head"), "end", patience=ENDLESS)
        if int(end or 0) < self._after:
            raise StoreFailed(_LOST)
