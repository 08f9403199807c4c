"""What an inbound report costs the server: `python tests/bench/websocket.py`.

The whole path (decode, Timeline, log, one action per 40 reports) beside a bare Litestar
`@websocket` that echoes each message; the same uvicorn settings, the same client, in turn.
Open loop: 100 connections send at a fixed pace, whatever comes back. The cost is the
server process's CPU time per message. The goal is a ratio of at most 1.7.
"""

from __future__ import annotations

import asyncio
import os
import struct
import subprocess
import sys
import time
from statistics import median

import psutil

CONNECTIONS = 100
REPORTS = 240
PER_SECOND = 40.0
"""Reports per connection and second."""
STEP = 0.25
"""Media seconds between two reports: an action every ten of them is one in forty reports."""
ROUNDS = 5


# --- the servers, each in a process of its own -----------------------------------------------


def serve(kind: str) -> None:
    import uvicorn

    from watchbuddy_server.app import base_url, listen, server_config

    app, paths = asyncio.run(_echo() if kind == "echo" else _sessions())
    with listen("127.0.0.1", 0) as listening:
        print(base_url(listening), *paths, flush=True)
        uvicorn.Server(server_config(app)).run(sockets=[listening])


async def _echo() -> tuple[object, list[str]]:
    from litestar import Litestar, WebSocket, websocket
    from litestar.exceptions import WebSocketDisconnect

    @websocket("/ws/{number:int}")
    async def echo(socket: WebSocket, number: int) -> None:
        await socket.accept()
        try:
            while True:
                await socket.send_text(await socket.receive_text())
        except WebSocketDisconnect:
            return

    app = Litestar([echo], openapi_config=None, logging_config=None)
    return app, [f"/ws/{number}" for number in range(CONNECTIONS)]


async def _sessions() -> tuple[object, list[str]]:
    from watchbuddy_core.actions import Speak
    from watchbuddy_core.character import Character
    from watchbuddy_core.entries import Placed, Ready
    from watchbuddy_core.session import Parts
    from watchbuddy_core.storage import SessionRecord
    from watchbuddy_core.stores.memory import MemoryStore
    from watchbuddy_core.testing import ScriptedGenerator
    from watchbuddy_server.app import create_app

    store = MemoryStore()
    miao = Character(id="miao", name={"en": "Miao"})
    parts = Parts(sources=(), generator=ScriptedGenerator(()), characters={"miao": miao})
    paths = []
    for number in range(CONNECTIONS):
        session_id = f"ses_{number:016x}"
        await store.put(
            SessionRecord(
                session_id=session_id,
                video_url="library:a.mp4",
                character_id="miao",
                created_at=time.time(),
            )
        )
        lines = tuple(
            Speak(trigger_timestamp=at * 40 * STEP, text="What a fine evening this is.")
            for at in range(1, REPORTS // 40 + 1)
        )
        fence = await store.fence(session_id, "producer")
        await store.append(session_id, [Placed(window=0, actions=lines), Ready()], fence)
        paths.append(f"/ws/{session_id}")
    return create_app(parts=parts, store=store), paths


# --- the client ------------------------------------------------------------------------------


def _frame(text: str) -> bytes:
    """A masked text frame whose mask is zero, so that nothing needs to be computed."""
    payload = text.encode()
    return bytes([0x81, 0x80 | len(payload)]) + struct.pack("!I", 0) + payload


async def _connect(host: str, port: int, path: str) -> asyncio.StreamWriter:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    answer = await reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in answer.split(b"\r\n")[0], answer
    protocol = writer.transport.get_protocol()
    writer.transport.set_protocol(_Discarding(protocol))
    return writer


class _Discarding(asyncio.Protocol):
    """Counts what comes back, and forgets it."""

    received = 0

    def __init__(self, former: asyncio.BaseProtocol) -> None:
        self._former = former

    def data_received(self, data: bytes) -> None:
        _Discarding.received += len(data)


async def drive(url: str, paths: list[str]) -> int:
    """Send all reports at their pace; returns how many."""
    host, port = url.removeprefix("http://").split(":")
    writers = [await _connect(host, int(port), path) for path in paths]
    await asyncio.sleep(0.5)
    loop = asyncio.get_running_loop()
    began = loop.time()
    spread = 1 / PER_SECOND / len(writers)
    for report in range(REPORTS):
        frame = _frame(f'{{"type":"timestamp_update","timestamp":{report * STEP}}}')
        for index, writer in enumerate(writers):
            writer.transport.write(frame)
            if index % 10 == 9:
                due = began + report / PER_SECOND + index * spread
                await asyncio.sleep(max(0.0, due - loop.time()))
    await asyncio.sleep(0.5)
    for writer in writers:
        writer.transport.abort()
    return REPORTS * len(writers)


def measure(kind: str) -> tuple[float, int]:
    """CPU microseconds of the server per message, and the bytes that came back."""
    server = subprocess.Popen(
        [sys.executable, __file__, "serve", kind], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        url, *paths = server.stdout.readline().split()
        process = psutil.Process(server.pid)
        _Discarding.received = 0
        before = process.cpu_times()
        messages = asyncio.run(drive(url, paths))
        after = process.cpu_times()
    finally:
        server.terminate()
        server.wait()
    used = after.user + after.system - before.user - before.system
    return used / messages * 1e6, _Discarding.received


def main() -> None:
    ratios = []
    for _ in range(ROUNDS):
        echo, echoed = measure("echo")
        ours, sent = measure("sessions")
        ratios.append(ours / echo)
        print(
            f"echo {echo:6.1f} µs ({echoed} bytes back)   "
            f"sessions {ours:6.1f} µs ({sent} bytes back)   ratio {ratios[-1]:4.2f}"
        )
    print(
        f"median ratio {median(ratios):4.2f} of {CONNECTIONS} connections, {os.cpu_count()} cores"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2])
    else:
        main()
