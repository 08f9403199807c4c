"""What one process holds: `python tests/bench/sessions.py`.

Two thousand sessions are watched at four reports a second each, at the real `watchbuddy serve`
with its sessions in a file; their scripts, written by hand, have a line every ten seconds.
Beside it, in the same minute, stands a bare Litestar `@websocket` that echoes each message,
with the same uvicorn settings, loop and client. With `--store redis` the same is done once more
with the sessions in a Redis with an append-only file, at `--processes` that share it.

Told are what it costs to take a viewer in, and then, once all have got `session_ready`, how late
a line comes (from the moment that the report is sent which makes it due, to the one at which the
line is there; of the echo, the same of each message), the share of one core, and the memory of a
connected session whose script is empty. The client reads what comes and counts it: no connection
may close, every line comes once, and the last report of each session is in its log. It takes a
quiet machine: what others use up is late here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

import psutil
import uvloop

sys.path.append(str(Path(__file__).parents[1] / "support"))

from redis_server import redis_server

from watchbuddy_core.actions import Speak
from watchbuddy_core.entries import Logged, Placed, Ready, Wanted
from watchbuddy_core.session.history import WATCHED_STEP
from watchbuddy_core.storage import SessionRecord, Store
from watchbuddy_core.stores.redis import RedisStore
from watchbuddy_core.stores.sqlite import SQLiteStore
from watchbuddy_core.stores.sqlite_archive import SQLiteArchive

STEP = 0.25
"""Seconds between two reports, and media seconds."""
EVERY = 10.0
"""Seconds from one line to the next."""
PER_ADDRESS = 200
"""Connections from each of the client's addresses: a server may bound those of one."""
_SETTLED_SECONDS = 3.0
_FILE = "sessions.sqlite"


def _session_id(number: int) -> str:
    return f"ses_{number:016x}"


# --- the servers, each in a process of its own -----------------------------------------------


def serve_echo() -> None:
    import uvicorn
    from litestar import Litestar, WebSocket, websocket
    from litestar.exceptions import WebSocketDisconnect

    from watchbuddy_server.app import base_url, listen, server_config

    @websocket("/ws/{session_id:str}")
    async def echo(socket: WebSocket, session_id: str) -> None:
        await socket.accept()
        try:
            while True:
                await socket.send_text(await socket.receive_text())
        except WebSocketDisconnect:
            return

    app = Litestar([echo], openapi_config=None, logging_config=None)
    with listen("127.0.0.1", 0) as listening:
        print(f"Watching at {base_url(listening)}", flush=True)
        uvloop.run(uvicorn.Server(server_config(app)).serve(sockets=[listening]))


async def write_sessions(store: Store, sessions: int, seconds: float, *, empty: bool) -> None:
    """Those that are ready to be watched, as a server before this one has left them."""

    async def write(number: int) -> None:
        session_id = _session_id(number)
        record = SessionRecord(
            session_id=session_id,
            video_url="library:film.mp4",
            character_id="miao",
            created_at=time.time(),
        )
        # Not all at the same report: each has its own moment in the ten seconds.
        first = EVERY * number / sessions
        lines = tuple(
            Speak(trigger_timestamp=round(first + EVERY * i, 3), text="What a fine evening.")
            for i in range(int((seconds - first) // EVERY) + 1)
            if first + EVERY * i < seconds - STEP
        )
        await store.put(record)
        fence = await store.fence(session_id, "producer")
        placed = Placed(window=0, actions=() if empty else lines)
        await store.append(session_id, [placed, Ready()], fence)

    await asyncio.gather(*(write(number) for number in range(sessions)))


def last_position(log: Sequence[Logged]) -> float:
    """How far a session was watched, as its log has it."""
    wanted = (one.entry for one in log if isinstance(one.entry, Wanted))
    return max((entry.position for entry in wanted), default=-1.0)


@contextmanager
def running(*arguments: str) -> Iterator[tuple[psutil.Process, str]]:
    """The server's process, and its address."""
    server = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        process = psutil.Process(server.pid)
        assert server.stdout is not None
        yield process, server.stdout.readline().split()[-1]
    finally:
        server.terminate()
        server.wait()


# --- the client ------------------------------------------------------------------------------


@dataclass
class Tally:
    """What the client has seen."""

    sent: int = 0
    received: int = 0
    closed: int = 0
    late: list[float] = field(default_factory=list)
    """Seconds."""


class Connection(asyncio.Protocol):
    """One viewer: reports where it is, and notes when what it made due comes back."""

    def __init__(self, path: str, host: str, tally: Tally, *, is_echo: bool) -> None:
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        self._tally = tally
        self._is_echo = is_echo
        self._buffer = bytearray()
        self._sent_at: list[float] = []
        """By number of the report."""
        self._echoed = 0
        self.open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """The server has taken the viewer in, and has nothing left to do for that."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(self._request.encode())

    def connection_lost(self, exc: Exception | None) -> None:
        self._tally.closed += 1
        for one in (self.open, self.ready):
            if not one.done():
                one.set_exception(ConnectionError("the server has hung up"))

    def report(self) -> None:
        position = len(self._sent_at) * STEP
        self._sent_at.append(time.perf_counter())
        self._tally.sent += 1
        self._send(0x1, f'{{"type":"timestamp_update","timestamp":{position}}}'.encode())

    def leave(self) -> None:
        self._transport.abort()

    def _send(self, opcode: int, payload: bytes) -> None:
        """Masked by zero, so that nothing needs to be computed."""
        head = bytes([0x80 | opcode, 0x80 | len(payload)]) + struct.pack("!I", 0)
        self._transport.write(head + payload)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self._buffer += data
        if not self.open.done():
            head, found, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not found:
                return
            assert b" 101 " in head.split(b"\r\n")[0], head
            self._buffer = bytearray(rest)
            self.open.set_result(None)
            if self._is_echo:
                self.ready.set_result(None)
        while len(self._buffer) >= 2:
            length, begin = self._buffer[1], 2
            if length == 126:
                length, begin = int.from_bytes(self._buffer[2:4], "big"), 4
            if len(self._buffer) < begin + length:
                return
            opcode, payload = self._buffer[0] & 0xF, bytes(self._buffer[begin : begin + length])
            del self._buffer[: begin + length]
            self._take(opcode, payload, now)

    def _take(self, opcode: int, payload: bytes, now: float) -> None:
        if opcode == 0x9:
            self._send(0xA, payload)
        elif opcode == 0x1 and self._is_echo:
            self._tally.late.append(now - self._sent_at[self._echoed])
            self._tally.received += 1
            self._echoed += 1
        elif opcode == 0x1 and b'"trigger_timestamp"' in payload:
            trigger = json.loads(payload)["trigger_timestamp"]
            due = -int(-trigger // STEP)  # the first report at or past it
            self._tally.late.append(now - self._sent_at[due])
            self._tally.received += 1
        elif opcode == 0x1 and b'"session_ready"' in payload:
            self.ready.set_result(None)


async def connect(
    urls: Sequence[str], sessions: int, tally: Tally, *, is_echo: bool
) -> list[Connection]:
    """One viewer each, at one process after the other; until all have been taken in."""
    loop = asyncio.get_running_loop()
    connections = []

    def made(number: int, host: str) -> Callable[[], Connection]:
        path = f"/ws/{_session_id(number)}"
        return lambda: Connection(path, host, tally, is_echo=is_echo)

    for number in range(sessions):
        host, port = urls[number % len(urls)].removeprefix("http://").split(":")
        address = f"127.0.0.{1 + number // PER_ADDRESS}"
        _, connection = await loop.create_connection(
            made(number, f"{host}:{port}"), host, int(port), local_addr=(address, 0)
        )
        await connection.open
        connections.append(connection)
    await asyncio.gather(*(connection.ready for connection in connections))
    return connections


async def report(connections: list[Connection], seconds: float) -> float:
    """Have all of them report at their pace, spread evenly; returns how long it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(int(seconds / STEP)):
        for index, connection in enumerate(connections):
            connection.report()
            if index % 10 == 9:
                due = began + STEP * (number + index / len(connections))
                # Also where it is late: what has come is to be read.
                await asyncio.sleep(max(0.0, due - loop.time()))
    return loop.time() - began


@dataclass(frozen=True)
class Figures:
    """Of one server under the load."""

    tally: Tally
    closed: int
    """Connections that the server has closed."""
    share: float
    """Of one core, by all its processes."""
    behind: float
    """Seconds by which the client did not keep its pace."""
    kilobytes: float
    """Per connection."""
    arrival: float
    """Milliseconds of the server's processor, to take one viewer in."""
    beside: float = 0.0
    """The share of one core of what keeps the sessions, where that is a process of its own."""


Running = Sequence[tuple[psutil.Process, str]]
"""Processes of a server, and where they listen."""


async def load(
    running: Running,
    sessions: int,
    seconds: float,
    *,
    is_echo: bool = False,
    beside: psutil.Process | None = None,
) -> Figures:
    tally = Tally()
    processes = [process for process, _ in running]
    before, idle = sum(one.memory_info().rss for one in processes), _used(processes)
    urls = [url for _, url in running]
    connections = await connect(urls, sessions, tally, is_echo=is_echo)
    others = [beside] if beside else []
    began, beside_began = _used(processes), _used(others)
    took = await report(connections, seconds)
    ended, beside_ended = _used(processes), _used(others)
    await asyncio.sleep(_SETTLED_SECONDS)
    grown = sum(one.memory_info().rss for one in processes) - before
    closed = tally.closed
    for connection in connections:
        connection.leave()
    return Figures(
        tally,
        closed=closed,
        share=(ended - began) / took,
        behind=took - seconds,
        kilobytes=grown / sessions / 1000,
        arrival=1000 * (began - idle) / sessions,
        beside=(beside_ended - beside_began) / took,
    )


def _used(processes: Sequence[psutil.Process]) -> float:
    """Seconds of a processor."""
    times = [process.cpu_times() for process in processes]
    return sum(one.user + one.system for one in times)


def measure(kind: str, sessions: int, seconds: float) -> Figures:
    """One of: echo, sessions, empty."""
    if kind == "echo":
        with running(__file__, "--serve-echo") as server:
            return uvloop.run(load([server], sessions, seconds, is_echo=True))
    with tempfile.TemporaryDirectory(prefix="sessions-") as folder:
        path = Path(folder) / _FILE

        async def write() -> None:
            async with SQLiteStore(path) as store:
                await write_sessions(store, sessions, seconds, empty=kind == "empty")

        async def read() -> list[float]:
            async with SQLiteArchive(path) as archive:
                return [last_position(await archive.read(_session_id(n))) for n in range(sessions)]

        asyncio.run(write())
        command = ("-m", "watchbuddy_server.cli", "serve", "--port", "0", "--data-dir", folder)
        with running(*command) as server:
            figures = uvloop.run(load([server], sessions, seconds))
        positions = asyncio.run(read())
    if kind == "sessions":
        check(figures, positions, sessions, seconds)
    return figures


def measure_redis(sessions: int, seconds: float, processes: int) -> Figures:
    with ExitStack() as held:
        folder = held.enter_context(tempfile.TemporaryDirectory(prefix="sessions-"))
        redis = held.enter_context(redis_server())

        async def write() -> None:
            async with RedisStore(redis.url) as store:
                await write_sessions(store, sessions, seconds, empty=False)

        async def read() -> list[float]:
            async with RedisStore(redis.url) as store:
                return [last_position(await store.read(_session_id(n))) for n in range(sessions)]

        asyncio.run(write())
        scale = ("--store", redis.url, "--jobs", "saq")
        servers = [
            held.enter_context(
                running(
                    *("-m", "watchbuddy_server.cli", "serve", "--port", "0", *scale),
                    *("--data-dir", f"{folder}/{number}"),
                )
            )
            for number in range(processes)
        ]
        beside = psutil.Process(redis.tell("INFO", "server")["process_id"])
        figures = uvloop.run(load(servers, sessions, seconds, beside=beside))
        check(figures, asyncio.run(read()), sessions, seconds)
    return figures


def check(figures: Figures, positions: list[float], sessions: int, seconds: float) -> None:
    """Tell whether anything was lost."""
    lags = [seconds - STEP - position for position in positions]
    behind = sum(lag > WATCHED_STEP / 2 + STEP for lag in lags)  # so often it is written
    lines = sum(
        len([i for i in range(int(seconds)) if EVERY * (n / sessions + i) < seconds - STEP])
        for n in range(sessions)
    )
    print(
        f"connections closed: {figures.closed}; lines that came:"
        f" {figures.tally.received} of {lines}; sessions whose last reports are not in"
        f" their log: {behind} of {sessions}"
    )


def tell(name: str, figures: Figures) -> None:
    if len(figures.tally.late) < 2:
        print(f"{name}: next to nothing came; the machine is too busy")
        return
    cuts = [1000 * cut for cut in quantiles(figures.tally.late, n=100)]
    most = 1000 * max(figures.tally.late)
    print(
        f"{name:9} {figures.tally.sent:7} reports, {100 * figures.share:3.0f} % of a core,"
        f" late by {cuts[49]:.2f} ms (p50), {cuts[98]:.2f} ms (p99), {most:.1f} ms at most;"
        f" the client {1000 * figures.behind:.0f} ms behind its pace;"
        f" {figures.arrival:.2f} ms of a core to take a viewer in"
        + (f"; Redis {100 * figures.beside:.0f} % of a core" if figures.beside else ""),
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--store", choices=("sqlite", "redis"), default="sqlite")
    parser.add_argument("--processes", type=int, default=1, help="that share the Redis")
    parser.add_argument("--serve-echo", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve_echo:
        return serve_echo()
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(files, min(most, 16_384)), most))
    sessions = arguments.sessions
    for _ in range(arguments.rounds):
        echo = measure("echo", sessions, arguments.seconds)
        tell("echo", echo)
        ours = measure("sessions", sessions, arguments.seconds)
        tell("sessions", ours)
        print(f"ratio of the shares {ours.share / echo.share:.2f}")
        if arguments.store == "redis":
            shared = measure_redis(sessions, arguments.seconds, arguments.processes)
            tell("redis", shared)
            print(
                f"ratio of the shares, Redis to a file {shared.share / ours.share:.2f};"
                f" with Redis' own {(shared.share + shared.beside) / ours.share:.2f}"
            )
    empty = measure("empty", sessions, 5.0)
    print(
        f"memory of a connected session without its script: {empty.kilobytes:.1f} kB;"
        f" of an echo: {echo.kilobytes:.1f} kB"
    )


if __name__ == "__main__":
    main()
