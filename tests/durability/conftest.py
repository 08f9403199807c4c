"""A server that can be killed, and started again at the same port with the same data."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from own_clock import OwnClock, own_clock
from patience import PATIENCE
from shared import made_once

from watchbuddy_core.clips import Picture, Shot, Tone, make_clip

SECONDS = 300.0
"""Three windows."""


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = list(Picture)
    shots = [Shot(10.0, pictures[i % len(pictures)], Tone.CALM) for i in range(int(SECONDS / 10))]

    def make(folder: Path) -> None:
        folder.mkdir()
        make_clip(folder / "film.mp4", shots, size=(64, 36), frame_rate=5)

    return made_once(tmp_path_factory, "durability/films", make)


class Host:
    """Runs `watchbuddy serve`, kills it, and runs it again at the same port and data."""

    def __init__(self, films: Path, data: Path, log: Path) -> None:
        self._films = films
        self.data = data
        self.port = 0
        self.log = log
        """What the servers say of what goes wrong."""
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "watchbuddy_server.cli", "serve"),
                    *("--port", str(self.port), "--library", str(self._films)),
                    *("--data-dir", str(self.data)),
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "WATCHBUDDY_LIMITS__PREPARING": "1", "HOME": str(self.data)},
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = re.search(r"Watching at http://127\.0\.0\.1:(\d+)", line)
        assert found, line
        self.port = int(found[1])

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._ended()

    def end(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._ended()

    def _ended(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.wait(PATIENCE)
        self._process.stdout.close()
        self._process = None

    def create(self, **fields: Any) -> str:
        asked = {"video_url": "library:film.mp4", "character_id": "miao", "density": "chatty"}
        answer = httpx.post(f"{self.url}/api/v1/sessions", json=asked | fields, timeout=PATIENCE)
        assert answer.status_code == 202, answer.text
        session_id: str = answer.json()["session_id"]
        return session_id

    def status(self, session_id: str) -> dict[str, Any]:
        answer = httpx.get(f"{self.url}/api/v1/sessions/{session_id}", timeout=PATIENCE)
        told: dict[str, Any] = answer.json()
        return told

    def wait(self, session_id: str, status: str) -> None:
        until = time.monotonic() + PATIENCE
        while self.status(session_id)["status"] != status:
            assert time.monotonic() < until
            time.sleep(0.05)

    def script(self, session_id: str) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.url}/api/v1/sessions/{session_id}/script", timeout=PATIENCE)
        actions: list[dict[str, Any]] = answer.json()["actions"]
        return actions

    def part_of_the_video(self, session_id: str) -> bytes:
        answer = httpx.get(
            f"{self.url}/media/{session_id}",
            headers={"Range": "bytes=0-99"},
            timeout=PATIENCE,
        )
        assert answer.status_code == 206
        return answer.content

    @asynccontextmanager
    async def clock(self) -> AsyncIterator[OwnClock]:
        """Seconds that pass only while the server answers."""
        async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client:

            async def turn() -> None:
                with suppress(httpx.TransportError):  # it is gone: what is played stands still
                    await client.get(f"{self.url}/health/live")

            async with own_clock(speed=1.0, turn=turn) as clock:
                yield clock

    def kinds(self, session_id: str) -> list[tuple[str, str]]:
        """The kinds of the entries in the log, and what they say, as the file has them."""
        with closing(sqlite3.connect(self.data / "sessions.sqlite")) as database:
            statement = "SELECT kind, entry FROM log WHERE session_id = ? ORDER BY position"
            return list(database.execute(statement, (session_id,)))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of four megabytes."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "none", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def host_at(films: Path, tmp_path: Path) -> Iterator[Callable[[Path], Host]]:
    """Starts a server over a folder for its data."""
    hosts: list[Host] = []

    def host_at(data: Path) -> Host:
        host = Host(films, data, tmp_path / "server.log")
        hosts.append(host)
        host.start()
        return host

    yield host_at
    for host in hosts:
        host.end()


@pytest.fixture
def host(host_at: Callable[[Path], Host], tmp_path: Path) -> Host:
    return host_at(tmp_path / "data")
