"""Clients that keep to no protocol: bytes on a socket, and the frames they are."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import IntEnum
from typing import Any

import uvicorn
from patience import PATIENCE


class Op(IntEnum):
    """What a frame is (RFC 6455, 5.2)."""

    CONT = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


def frame(
    op: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    length: int | None = None,
    wide: int = 0,
) -> bytes:
    """One frame as a client sends it, or as none should.

    Args:
        length: what is declared, where it is not the payload's.
        wide: 16 or 64: the length is written in so many bits, though fewer would do.
    """
    length = len(payload) if length is None else length
    head = bytes([fin << 7 | reserved << 4 | op])
    bit = masked << 7
    if length >= 65536 or wide == 64:
        head += bytes([bit | 127]) + struct.pack("!Q", length)
    elif length >= 126 or wide == 16:
        head += bytes([bit | 126]) + struct.pack("!H", length)
    else:
        head += bytes([bit | length])
    if not masked:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def close_frame(code: int, reason: bytes = b"") -> bytes:
    return frame(Op.CLOSE, struct.pack("!H", code) + reason)


class Raw:
    """One connection, of bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.closed_with: int | None = None
        """The code of the server's close frame, once it has come."""

    async def send(self, data: bytes) -> None:
        """Raises nothing where the server has hung up: what it said before is still to be read."""
        try:
            self.writer.write(data)
            async with asyncio.timeout(PATIENCE):
                await self.writer.drain()
        except ConnectionError:
            pass

    async def upgrade(self, session_id: str, *headers: str, and_send: bytes = b"") -> None:
        """The handshake, with bytes right behind it."""
        await self.send(handshake(f"/ws/{session_id}", *headers) + and_send)
        head = await self.answer()
        assert head.startswith(b"HTTP/1.1 101 "), head

    async def answer(self) -> bytes:
        """The head of a response."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def rest(self) -> bytes:
        """Everything until the server hangs up."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.reader.read(-1)
        except ConnectionError:
            return b""

    async def hear(self) -> tuple[int, bytes]:
        """The next frame: what it is, and what it holds."""
        async with asyncio.timeout(PATIENCE):
            first, second = await self.reader.readexactly(2)
            assert first & 0x70 == 0, "a reserved bit is set"
            assert second & 0x80 == 0, "a server does not mask"
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
            payload = await self.reader.readexactly(length)
        op = first & 0x0F
        if op == Op.CLOSE:
            self.closed_with = struct.unpack("!H", payload[:2])[0] if payload else 1005
        return op, payload

    async def end(self) -> int | None:
        """Read on until the server hangs up; the code it closes with, None where it says none."""
        try:
            while True:
                await self.hear()
        except (asyncio.IncompleteReadError, ConnectionError):
            return self.closed_with

    def reset(self) -> None:
        vanish(self.writer.transport)

    def leave(self, how: str) -> None:
        """`reset`, or `finish`, which says goodbye to TCP alone."""
        if how == "reset":
            self.reset()
        else:
            self.writer.close()


def vanish(transport: asyncio.WriteTransport) -> None:
    """Say no goodbye of WebSocket's, and none of TCP's."""
    raw: socket.socket = transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def handshake(path: str, *headers: str, method: str = "GET", version: str = "HTTP/1.1") -> bytes:
    lines = (
        f"{method} {path} {version}",
        "Host: 127.0.0.1",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        *headers,
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1")


class Hall:
    """The server, and whoever talks to it."""

    def __init__(self, server: uvicorn.Server, url: str) -> None:
        self.server = server
        self.url = url
        self.port = int(url.rpartition(":")[2])

    @asynccontextmanager
    async def raw(self, *, receive_buffer: int | None = None) -> AsyncIterator[Raw]:
        """A connection of bytes. A small `receive_buffer` makes one that takes little."""
        raw = socket.socket()
        if receive_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=raw, limit=2**16)
        try:
            yield Raw(reader, writer)
        finally:
            writer.transport.abort()

    @property
    def open(self) -> set[Any]:
        """uvicorn's protocols, one per connection."""
        return self.server.server_state.connections

    async def is_empty(self) -> None:
        """Wait until nothing of any connection is left."""
        state = self.server.server_state
        async with asyncio.timeout(PATIENCE):
            while state.connections or state.tasks:
                await asyncio.sleep(0.005)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.005)
