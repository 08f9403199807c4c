"""A way to a server that can be cut, stopped, slowed, and left hanging.

async with bad_network(port) as network:
    connect(network.port)
    network.cut()
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Pace = Callable[[], float]


@dataclass(eq=False)
class _Link:
    """One connection through the network: both of its ends."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    is_dead: bool = False
    """What either side sends is lost, and neither hears of it."""
    bytes_left: int | None = None
    """Towards the client, until it is cut. None: it is not to be."""

    def cut(self, *, abruptly: bool) -> None:
        for end in (self.client, self.server):
            if end.transport.is_closing():
                end.transport.abort()
            elif abruptly:
                raw: socket.socket = end.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.transport.abort()
            else:
                end.close()


@dataclass
class Network:
    """Carries bytes to a server and back, as long as it is let."""

    server_port: int
    port: int = 0
    is_open: bool = True
    """Otherwise, whoever connects is thrown out at once."""
    pause: Pace = field(default=lambda: 0.0)
    """Seconds to wait before each piece is passed on."""
    piece: int = 65536
    """The largest piece, in bytes."""
    connections: int = 0
    """So many were made."""

    def __post_init__(self) -> None:
        self._links: set[_Link] = set()
        self._carrying: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()

    def cut(self, *, abruptly: bool = True) -> None:
        """End all connections: with a reset, or with a FIN to both sides."""
        for link in set(self._links):
            link.cut(abruptly=abruptly)

    def cut_after(self, count: int) -> None:
        """End each connection when the client has got so many bytes more."""
        for link in self._links:
            link.bytes_left = count

    def stop(self) -> None:
        """Nothing gets through, and nothing is lost, until `flow`."""
        self._flows.clear()

    def flow(self) -> None:
        self._flows.set()

    def leave_hanging(self) -> None:
        """Of the connections that there are, neither side hears anything any more."""
        for link in self._links:
            link.is_dead = True

    async def listen(self) -> asyncio.Server:
        listening = await asyncio.start_server(self.carry, "127.0.0.1", 0)
        self.port = listening.sockets[0].getsockname()[1]
        return listening

    async def close(self) -> None:
        for task in self._carrying:
            task.cancel()
        if self._carrying:
            await asyncio.wait(self._carrying)

    async def carry(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        """Carry one connection, until it is over."""
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)
        with suppress(asyncio.CancelledError):
            await self._carry(reader, client)

    async def _carry(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        if not self.is_open:
            client.transport.abort()
            return
        self.connections += 1
        try:
            from_server, server = await asyncio.open_connection("127.0.0.1", self.server_port)
        except OSError:
            client.transport.abort()
            return
        link = _Link(client, server)
        self._links.add(link)
        try:
            await asyncio.gather(
                self._pass(link, reader, server), self._pass(link, from_server, client)
            )
        finally:
            self._links.discard(link)
            link.cut(abruptly=True)

    async def _pass(
        self, link: _Link, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        try:
            while piece := await source.read(self.piece):
                await asyncio.sleep(self.pause())
                await self._flows.wait()
                if link.is_dead:
                    continue
                if sink is link.client and link.bytes_left is not None:
                    piece = piece[: link.bytes_left]
                    link.bytes_left -= len(piece)
                sink.write(piece)
                await sink.drain()
                if link.bytes_left == 0:
                    link.cut(abruptly=True)
            while link.is_dead:  # even a goodbye is lost
                await asyncio.sleep(0.05)
        except OSError:
            if link.is_dead:
                await asyncio.Event().wait()
        if not link.is_dead:
            sink.close()


@asynccontextmanager
async def bad_network(server_port: int) -> AsyncIterator[Network]:
    """A network before the server at this port of this machine; it works until it is told."""
    network = Network(server_port)
    listening = await network.listen()
    try:
        yield network
    finally:
        listening.close()
        await network.close()
