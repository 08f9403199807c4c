"""What stands before several web processes: one address for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

_TAKING_BYTES = 65536

_End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Balancer:
    """Hands each new connection to the next process that takes it.

    It knows nothing of HTTP, and nobody tells it who runs: who does not listen is passed over,
    as any balancer does, and a connection whose process is gone is gone.
    """

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = list(ports)
        self.port = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._hand_over, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()

    async def _hand_over(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await self._next()
        if there is None:
            writer.close()
        else:
            await _join((reader, writer), there)

    async def _next(self) -> _End | None:
        """A connection to whose turn it is. None: nobody is there."""
        for _ in range(len(self._ports)):
            self._ports.append(self._ports.pop(0))
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", self._ports[-1])
        return None


async def _join(here: _End, there: _End) -> None:
    """Pass everything on in both directions, until one of the ends is closed."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_pass_on(here, there))
        tasks.create_task(_pass_on(there, here))


async def _pass_on(one: _End, other: _End) -> None:
    try:
        with suppress(OSError):
            while taken := await one[0].read(_TAKING_BYTES):
                other[1].write(taken)
                await other[1].drain()
    finally:  # which ends the other direction
        one[1].close()
        other[1].close()
