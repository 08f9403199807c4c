"""SIGTERM: the server is gone in time, whatever is stuck, and nothing is lost.

All servers run, are told to end, and end side by side: each waits for its grace time, and
none for another.
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
import psutil
import pytest
from patience import PATIENCE
from websockets.sync.client import connect

GRACE = 2.0
PLUGIN = """
import asyncio, ctypes, gc, time

import aiosqlite

from watchbuddy_core.sources.ytdlp.source import _Worker

class Stuck:
    def __init__(self, how):
        self.how = how

    async def generate(self, brief):
        self.worker = _Worker()
        child = (await self.worker.__aenter__())._process.pid if self.how == "deaf" else 0
        print(child, flush=True)
        if self.how == "deaf":  # a call in the event loop that no signal interrupts
            mutex = ctypes.create_string_buffer(64)
            library = ctypes.CDLL(None)
            library.pthread_mutex_lock(mutex)
            library.pthread_mutex_lock(mutex)
        elif self.how in ("stubborn", "impatient"):
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
KINDS = ("nothing", "client", "deaf", "stubborn", "impatient", "thread", "disk")


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
    child: int = 0
    """The id of a process that fetches something for it. 0: there is none."""
    held: list[socket.socket] = field(default_factory=list)


def packaged(folder: Path) -> Path:
    metadata = folder / "stuck-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: stuck\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[watchbuddy.generators]\nstuck = stuck:Stuck\n")
    (folder / "stuck.py").write_text(PLUGIN)
    return folder


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A film of which there are only the words: nothing of it needs to be decoded."""
    folder = tmp_path / "words"
    folder.mkdir()
    words = "1\n00:00:01,000 --> 00:00:04,000\nA good evening.\n\n"
    words += "2\n00:00:30,000 --> 00:00:31,000\nGood night.\n"
    (folder / "film.srt").write_text(words)
    return folder


def started(
    films: Path, data: Path, *options: str, **variables: str
) -> tuple[subprocess.Popen[str], str]:
    """A server, and its address."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "watchbuddy_server.cli", "serve", "--port", "0"),
            *("--library", str(films), "--data-dir", str(data), *options),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HOME": str(data), **variables},
    )
    assert process.stdout is not None
    found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
    assert found
    process.stdout.readline()
    return process, found[0]


def begin(how: str, films: Path, plugin: Path, data: Path) -> Server:
    process, url = started(
        films,
        data,
        *("--generator", "stuck"),
        PYTHONPATH=str(plugin),
        WATCHBUDDY_LIMITS__SHUTDOWN_SECONDS="600" if how == "impatient" else str(GRACE),
        WATCHBUDDY_PLUGINS=json.dumps({"stuck": {"how": how}}),
    )
    asked = {"video_url": "library:film.srt", "character_id": "miao"}
    answer = httpx.post(f"{url}/api/v1/sessions", json=asked, timeout=PATIENCE)
    return Server(process, int(url.rsplit(":")[-1]), data, answer.json()["session_id"])


def read_nothing(server: Server) -> None:
    """A client that asks for much and takes nothing."""
    greedy = socket.socket()
    greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    greedy.connect(("127.0.0.1", server.port))
    request = b"GET /schema/openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    greedy.sendall(request * 200)
    server.held.append(greedy)
    assert greedy.recv(1)  # the server is at it
    time.sleep(0.3)


def told_to_end(how: str, films: Path, plugin: Path, data: Path) -> Server:
    server = begin(how, films, plugin, data)
    assert server.process.stdout is not None
    if how in ("nothing", "client"):
        with connect(f"ws://127.0.0.1:{server.port}/ws/{server.session_id}", proxy=None) as viewer:
            assert server.process.stdout.readline() == "0\n"
            if how == "client":
                read_nothing(server)
            end(server)
            with pytest.raises(Exception, match="received 1012"):
                viewer.recv(timeout=PATIENCE)
            server.close_code = viewer.protocol.close_code
    else:
        server.child = int(server.process.stdout.readline())
        time.sleep(1.0)  # it is stuck right after it has said so
        if how == "impatient":
            server.process.send_signal(signal.SIGTERM)
            time.sleep(1.5)
        end(server)
    return server


def end(server: Server) -> None:
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    while server.process.poll() is None and time.monotonic() - began < GRACE + PATIENCE:
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
    _, server.log = server.process.communicate(timeout=PATIENCE)


def log_of(server: Server) -> list[str]:
    """The kinds of the entries of its session."""
    with closing(sqlite3.connect(server.data / "sessions.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        statement = "SELECT kind FROM log WHERE session_id = ? ORDER BY position"
        return [kind for (kind,) in database.execute(statement, (server.session_id,))]


def all_ended(films: Path, folder: Path) -> dict[str, Server]:
    plugin = packaged(folder / "stuck")
    with ThreadPoolExecutor(len(KINDS)) as threads:
        running = {
            how: threads.submit(told_to_end, how, films, plugin, folder / how) for how in KINDS
        }
        return {how: one.result() for how, one in running.items()}


def test_a_server_that_is_told_to_end_is_gone_in_time_whatever_is_stuck(
    films: Path, tmp_path: Path
) -> None:
    """One test, so that its servers run once, and not in each process that runs tests."""
    ended = all_ended(films, tmp_path)
    for server in ended.values():
        it_has_ended_by_itself(server)
        its_log_is_whole_and_its_work_not_given_up(server)
    with_nothing_stuck_it_ends_in_order(ended["nothing"])
    a_client_that_takes_nothing_costs_half_of_the_time(ended["client"])
    what_is_stuck_is_told(ended["deaf"], "the main thread is in Stuck.generate")
    what_is_stuck_is_told(ended["stubborn"], f"produce {ended['stubborn'].session_id}")
    what_is_stuck_is_told(ended["disk"], "tasks: ")
    a_thread_is_left_when_all_else_is_done(ended["thread"])
    assert ended["impatient"].process.returncode == 128 + signal.SIGTERM
    what_it_has_started_ends_with_it(ended["deaf"])
    the_work_goes_on_where_it_was(ended["nothing"], films)


def it_has_ended_by_itself(server: Server) -> None:
    assert server.process.returncode != -signal.SIGKILL, server.log


def its_log_is_whole_and_its_work_not_given_up(server: Server) -> None:
    kinds = log_of(server)
    assert [kind for kind in kinds if kind == "stage"] == ["stage"] * 3
    assert not {"failed", "cancelled"}.intersection(kinds)


def with_nothing_stuck_it_ends_in_order(server: Server) -> None:
    assert server.process.returncode == 0
    assert server.log == ""
    assert server.close_code == 1012
    files = sorted(one.name for one in server.data.glob("sessions.*"))
    assert files == ["sessions.lock", "sessions.sqlite"]


def a_client_that_takes_nothing_costs_half_of_the_time(server: Server) -> None:
    assert server.process.returncode == 0, server.log
    assert server.seconds > GRACE / 2
    assert server.close_code == 1012
    assert server.was_refused, "new connections are refused while old ones are drained"


def what_is_stuck_is_told(server: Server, what: str) -> None:
    assert server.process.returncode == 1
    assert f"not through with ending after {GRACE:g} s" in server.log
    assert what in server.log


def a_thread_is_left_when_all_else_is_done(server: Server) -> None:
    assert server.process.returncode == 0, server.log
    assert "threads: " in server.log
    assert not (server.data / "sessions.sqlite-wal").exists()


def what_it_has_started_ends_with_it(server: Server) -> None:
    assert server.child
    until = time.monotonic() + PATIENCE
    while psutil.pid_exists(server.child):
        assert time.monotonic() < until
        time.sleep(0.05)


def the_work_goes_on_where_it_was(server: Server, films: Path) -> None:
    before = log_of(server)
    process, url = started(films, server.data, "--generator", "offline")
    try:
        until = time.monotonic() + 60
        place = f"{url}/api/v1/sessions/{server.session_id}"
        while httpx.get(place, timeout=PATIENCE).json()["status"] != "ready":
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    after = log_of(server)
    assert after[: len(before)] == before
    assert after.count("window") == 1
