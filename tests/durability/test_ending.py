"""SIGTERM: the server is gone in time, whatever is stuck, and nothing is lost.

All servers of this module run, are told to end, and end side by side: each waits for its
grace time, and none for another.
"""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

GRACE = 2.0
_PATIENCE = 20.0
"""Seconds beyond that, for a machine that does much else."""
PLUGIN = """
import asyncio, ctypes, gc, time

import aiosqlite

class Stuck:
    def __init__(self, how):
        self.how = how

    async def generate(self, brief):
        print("stuck", flush=True)
        if self.how == "deaf":  # a call in the event loop that no signal interrupts
            mutex = ctypes.create_string_buffer(64)
            library = ctypes.CDLL(None)
            library.pthread_mutex_lock(mutex)
            library.pthread_mutex_lock(mutex)
        elif self.how == "stubborn":
            while True:
                try:
                    await asyncio.sleep(600)
                except asyncio.CancelledError:
                    pass
        elif self.how == "thread":
            await asyncio.to_thread(time.sleep, 600)
        elif self.how == "disk":  # every call of the database waits behind one that hangs
            for one in gc.get_objects():
                if isinstance(one, aiosqlite.Connection):
                    asyncio.ensure_future(one._execute(time.sleep, 600))
        await asyncio.sleep(600)
        yield
"""
KINDS = ("nothing", "client", "deaf", "stubborn", "thread", "disk")


@dataclass
class Server:
    """One that works on a session, in which something may be stuck."""

    process: subprocess.Popen[str]
    port: int
    data: Path
    session_id: str
    seconds: float = 0.0
    """From SIGTERM until it was gone."""
    log: str = ""
    close_code: int | None = None
    """With which its viewer's connection ended."""
    was_refused: bool = False
    """Whether a new connection was refused before it was gone."""
    held: list[socket.socket] = field(default_factory=list)


def packaged(folder: Path) -> Path:
    metadata = folder / "stuck-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: stuck\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[watchbuddy.generators]\nstuck = stuck:Stuck\n")
    (folder / "stuck.py").write_text(PLUGIN)
    return folder


def begin(how: str, films: Path, plugin: Path, data: Path) -> Server:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "watchbuddy_server.cli", "serve", "--port", "0"),
            *("--library", str(films), "--data-dir", str(data), "--generator", "stuck"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "HOME": str(data),
            "PYTHONPATH": str(plugin),
            "WATCHBUDDY_LIMITS__SHUTDOWN_SECONDS": str(GRACE),
            "WATCHBUDDY_PLUGINS": json.dumps({"stuck": {"how": how}}),
        },
    )
    assert process.stdout is not None
    found = re.search(r"Watching at http://127\.0\.0\.1:(\d+)", process.stdout.readline())
    assert found
    process.stdout.readline()
    asked = {"video_url": "library:film.mp4", "character_id": "miao"}
    url = f"http://127.0.0.1:{found[1]}/api/v1/sessions"
    session_id = httpx.post(url, json=asked, timeout=20).json()["session_id"]
    return Server(process, int(found[1]), data, session_id)


def read_nothing(server: Server) -> None:
    """A client that asks for much and takes nothing."""
    greedy = socket.socket()
    greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    greedy.connect(("127.0.0.1", server.port))
    request = b"GET /schema/openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    greedy.sendall(request * 200)
    server.held.append(greedy)
    time.sleep(0.5)


def told_to_end(how: str, films: Path, plugin: Path, data: Path) -> Server:
    server = begin(how, films, plugin, data)
    assert server.process.stdout is not None
    if how in ("nothing", "client"):
        with connect(f"ws://127.0.0.1:{server.port}/ws/{server.session_id}", proxy=None) as viewer:
            assert server.process.stdout.readline() == "stuck\n"
            if how == "client":
                read_nothing(server)
            end(server)
            with pytest.raises(Exception, match="received 1012"):
                viewer.recv(timeout=GRACE)
            server.close_code = viewer.protocol.close_code
    else:
        assert server.process.stdout.readline() == "stuck\n"
        time.sleep(0.3)
        end(server)
    return server


def end(server: Server) -> None:
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    while server.process.poll() is None and time.monotonic() - began < GRACE + _PATIENCE:
        if not server.was_refused:
            with socket.socket() as another:
                another.settimeout(0.5)
                refused = another.connect_ex(("127.0.0.1", server.port)) == errno.ECONNREFUSED
                server.was_refused = refused and server.process.poll() is None
        time.sleep(0.02)
    server.seconds = time.monotonic() - began
    for one in server.held:
        one.close()
    server.process.kill()
    _, server.log = server.process.communicate(timeout=10)


@pytest.fixture(scope="module")
def ended(films: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Server]:
    folder = tmp_path_factory.mktemp("ending")
    plugin = packaged(folder / "stuck")
    with ThreadPoolExecutor(len(KINDS)) as threads:
        running = {
            how: threads.submit(told_to_end, how, films, plugin, folder / how) for how in KINDS
        }
        return {how: one.result() for how, one in running.items()}


@pytest.mark.parametrize("how", KINDS)
def test_it_is_gone_after_the_grace_time(ended: dict[str, Server], how: str) -> None:
    assert ended[how].process.returncode != -signal.SIGKILL, "it was still there"


def test_with_nothing_stuck_it_ends_in_order(ended: dict[str, Server]) -> None:
    server = ended["nothing"]
    assert server.process.returncode == 0
    assert server.log == ""
    assert server.close_code == 1012
    assert sorted(one.name for one in server.data.glob("sessions.*")) == [
        "sessions.lock",
        "sessions.sqlite",
    ]


def test_a_client_that_takes_nothing_costs_half_of_it(ended: dict[str, Server]) -> None:
    server = ended["client"]
    assert server.process.returncode == 0, server.log
    assert server.seconds > GRACE / 2
    assert server.close_code == 1012
    assert server.was_refused, "new connections are refused while old ones are drained"


@pytest.mark.parametrize("how", ["deaf", "stubborn", "disk"])
def test_what_is_stuck_is_told_and_left(ended: dict[str, Server], how: str) -> None:
    server = ended[how]
    assert server.process.returncode == 1
    assert f"not through with ending after {GRACE:g} s" in server.log
    if how == "deaf":
        assert "the main thread is in Stuck.generate" in server.log
    if how == "stubborn":
        assert f"produce {server.session_id}" in server.log


def test_a_thread_that_never_ends_is_left_when_all_else_is_done(ended: dict[str, Server]) -> None:
    server = ended["thread"]
    assert server.process.returncode == 0, server.log
    assert "threads: " in server.log
    assert not (server.data / "sessions.sqlite-wal").exists()


@pytest.mark.parametrize("how", KINDS)
def test_the_work_goes_on_from_the_log(ended: dict[str, Server], how: str) -> None:
    server = ended[how]
    with closing(sqlite3.connect(server.data / "sessions.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        statement = "SELECT kind FROM log WHERE session_id = ? ORDER BY position"
        kinds = [kind for (kind,) in database.execute(statement, (server.session_id,))]
    assert [kind for kind in kinds if kind == "stage"] == ["stage"] * 3
    assert not {"failed", "cancelled"}.intersection(kinds)
