"""A server that is killed, and the one that is started after it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from watchbuddy_core.client import (
    Begun,
    Disconnected,
    Ended,
    Happening,
    Ready,
    WatchClient,
    Welcomed,
)
from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.player import ClockPlayer, WallClock

SECONDS = 300.0
"""Three windows."""


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    pictures = list(Picture)
    shots = [Shot(10.0, pictures[i % len(pictures)], Tone.CALM) for i in range(int(SECONDS / 10))]
    make_clip(folder / "film.mp4", shots, size=(64, 36), frame_rate=5)
    return folder


class Host:
    """Runs `watchbuddy serve`, kills it, and runs it again at the same port and data."""

    def __init__(self, films: Path, data: Path) -> None:
        self._films = films
        self.data = data
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "watchbuddy_server.cli", "serve"),
                *("--port", str(self.port), "--library", str(self._films)),
                *("--data-dir", str(self.data)),
            ],
            stdout=subprocess.PIPE,
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
        self._process.wait(20)
        self._process.stdout.close()
        self._process = None

    def create(self, **fields: Any) -> str:
        asked = {"video_url": "library:film.mp4", "character_id": "miao", "density": "chatty"}
        answer = httpx.post(f"{self.url}/api/v1/sessions", json=asked | fields)
        assert answer.status_code == 202, answer.text
        session_id: str = answer.json()["session_id"]
        return session_id

    def status(self, session_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(f"{self.url}/api/v1/sessions/{session_id}").json()
        return answer

    def script(self, session_id: str) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.url}/api/v1/sessions/{session_id}/script")
        actions: list[dict[str, Any]] = answer.json()["actions"]
        return actions

    def part_of_the_video(self, session_id: str) -> bytes:
        answer = httpx.get(f"{self.url}/media/{session_id}", headers={"Range": "bytes=0-99"})
        assert answer.status_code == 206
        return answer.content

    def kinds(self, session_id: str) -> list[tuple[str, str]]:
        """The kinds of the entries in the log, and what they say, as the file has them."""
        with closing(sqlite3.connect(self.data / "sessions.sqlite")) as database:
            statement = "SELECT kind, entry FROM log WHERE session_id = ? ORDER BY position"
            return list(database.execute(statement, (session_id,)))


@pytest.fixture
def host(films: Path, tmp_path: Path) -> Iterator[Host]:
    host = Host(films, tmp_path / "data")
    host.start()
    yield host
    host.end()


async def until(host: Host, session_id: str, **facts: Any) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            status = await asyncio.to_thread(host.status, session_id)
            if all(status[name] == value for name, value in facts.items()):
                return status
            await asyncio.sleep(0.02)


def test_a_session_in_preparation_goes_on_and_nothing_is_done_twice(host: Host) -> None:
    async def scenario() -> None:
        session_id = host.create()
        while not (await asyncio.to_thread(host.status, session_id))["windows"]:
            await asyncio.sleep(0.005)
        host.kill()
        before = host.kinds(session_id)
        assert "ready" not in [kind for kind, _ in before]
        host.start()
        status = await until(host, session_id, status="ready")
        assert len(status["windows"]) == 3
        after = host.kinds(session_id)
        assert after[: len(before)] == before
        assert [kind for kind, _ in after].count("window") == 3
        assert [kind for kind, _ in after].count("placed") == 3

    asyncio.run(scenario())


def test_a_ready_session_is_ready_and_its_video_is_there(host: Host) -> None:
    async def scenario() -> None:
        session_id = host.create()
        await until(host, session_id, status="ready")
        before = host.kinds(session_id)
        host.kill()
        host.start()
        assert host.status(session_id)["status"] == "ready"
        assert len(host.part_of_the_video(session_id)) == 100
        assert host.kinds(session_id) == before

    asyncio.run(scenario())


def test_a_viewer_goes_on_watching_over_kills_and_meets_everything_once(host: Host) -> None:
    """The player stands still while there is no server: then nothing may be missing."""

    async def scenario() -> None:
        session_id = host.create(end_time=100)
        await until(host, session_id, status="ready")
        script = host.script(session_id)
        player = ClockPlayer(100.0, clock=WallClock())
        begun: list[str] = []
        ended: set[str] = set()
        ready, lost, back = asyncio.Event(), asyncio.Event(), asyncio.Event()

        def listen(happening: Happening) -> None:
            match happening:
                case Ready():
                    ready.set()
                case Begun(action=action):
                    begun.append(action.id)
                case Ended(action=action):
                    ended.add(action.id)
                case Disconnected():
                    lost.set()
                case Welcomed():
                    back.set()

        async def at_once(line: object) -> None:
            """A voice that is through with every line."""

        client = WatchClient(host.url, session_id, player, speak=at_once, listen=listen)
        watching = asyncio.create_task(client.run())
        await ready.wait()
        player.playback_rate = 8.0
        await player.resume()
        for _ in range(3):
            await asyncio.sleep(2)
            await player.pause()
            lost.clear()
            await asyncio.to_thread(host.kill)
            await lost.wait()
            back.clear()
            await asyncio.to_thread(host.start)
            await back.wait()
            await player.resume()
        async with asyncio.timeout(60):
            await watching
        assert len(script) >= 10
        assert ended == {one["id"] for one in script}
        assert len(begun) == len(set(begun))

    asyncio.run(scenario())
