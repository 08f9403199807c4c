"""The server that is killed: a real `watchbuddy serve` over a folder."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from watchbuddy_core.clips import Picture, Shot, make_clip
from watchbuddy_core.entries import Logged
from watchbuddy_core.stores.sqlite_archive import SQLiteArchive

FILM_SECONDS = 180
"""Three windows."""
CHARACTER = "miao"
_UP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Call:
    """The generator was asked for a window, or was through with it."""

    at: float
    """Monotonic seconds."""
    what: str
    wish: str
    window: int


class Server:
    """Starts, is killed, and starts again at the same port over the same folder."""

    def __init__(self, folder: Path, films: Path, *, window_seconds: float) -> None:
        folder.mkdir()
        self._folder = folder
        self._films = films
        self._data = folder / "data"
        self._calls = folder / "calls"
        self._port = _free_port()
        self._process: asyncio.subprocess.Process | None = None
        self._errors = (folder / "stderr").open("ab")
        self._calls.touch()
        _install(folder / "plugin")
        options = {"calls": str(self._calls), "seconds": window_seconds}
        self._environment = {
            **os.environ,
            "HOME": str(folder),
            "PYTHONPATH": os.pathsep.join([str(folder / "plugin"), str(Path(__file__).parents[1])]),
            "WATCHBUDDY_LIMITS__PREPARING": "8",
            "WATCHBUDDY_PLUGINS": json.dumps({"unhurried": options}),
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Begin to start it; `up` waits until it serves."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "watchbuddy_server.cli", "serve", "--generator", "unhurried"),
            *("--port", str(self._port), "--library", str(self._films)),
            *("--data-dir", str(self._data)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=self._errors,
            env=self._environment,
        )

    async def up(self) -> None:
        async with asyncio.timeout(_UP_SECONDS), httpx.AsyncClient() as client:
            while True:
                assert self._process is not None
                assert self._process.returncode is None, self.errors
                try:
                    await client.get(f"{self.url}/health/ready")
                except httpx.TransportError:
                    await asyncio.sleep(0.02)
                else:
                    return

    async def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def end(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()
        self._errors.close()

    async def create(self, *, start: float, end: float, wish: str) -> str:
        asked = {
            "video_url": "library:film.mp4",
            "character_id": CHARACTER,
            "density": "chatty",
            "start_time": start,
            "end_time": end,
            "text": wish,
        }
        async with httpx.AsyncClient() as client:
            answer = await client.post(f"{self.url}/api/v1/sessions", json=asked)
        assert answer.status_code == 202, answer.text
        session_id: str = answer.json()["session_id"]
        return session_id

    # --- what it leaves on the disk ----------------------------------------------------

    @property
    def errors(self) -> str:
        return (self._folder / "stderr").read_text(encoding="utf-8", errors="replace")

    def calls(self) -> list[Call]:
        """What the generator was asked, in order."""
        lines = self._calls.read_text(encoding="ascii").splitlines()
        return [Call(*json.loads(line)) for line in lines]

    async def log(self, session_id: str) -> Sequence[Logged]:
        async with SQLiteArchive(self._data / "sessions.sqlite") as archive:
            return await archive.read(session_id)

    @contextmanager
    def counting(self, kind: str) -> Iterator[Callable[[], int]]:
        """How many entries of a kind there are at this very moment, of all sessions."""
        uri = f"{(self._data / 'sessions.sqlite').as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=10)) as database:

            def count() -> int:
                statement = "SELECT count(*) FROM log WHERE kind = ?"
                (number,) = database.execute(statement, (kind,)).fetchone()
                return int(number)

            yield count


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def make_film(folder: Path) -> None:
    """With subtitles: then nobody has to listen for who speaks."""
    folder.mkdir()
    pictures = list(Picture)
    shots = [Shot(10.0, pictures[i % len(pictures)]) for i in range(FILM_SECONDS // 10)]
    make_clip(folder / "film.mp4", shots, size=(64, 36), frame_rate=5)
    cues = [
        f"{i}\n{_srt_time(at)},000 --> {_srt_time(at + 1)},000\nWell.\n"
        for i, at in enumerate(range(5, FILM_SECONDS, 20), 1)
    ]
    (folder / "film.en.srt").write_text("\n".join(cues), encoding="utf-8")


def _srt_time(seconds: int) -> str:
    return f"00:{seconds // 60:02}:{seconds % 60:02}"


def _install(folder: Path) -> None:
    """The generator as an installed package offers one."""
    metadata = folder / "unhurried-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: unhurried\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[watchbuddy.generators]\nunhurried = crashing.unhurried:Unhurried\n"
    )
