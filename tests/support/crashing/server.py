"""One server with its sessions in a file: a real `watchbuddy serve` over a folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from crashing.place import Call, Place, free_port
from watchbuddy_core.entries import Logged
from watchbuddy_core.stores.sqlite_archive import SQLiteArchive


class Server:
    """Starts, is killed, and starts again at the same port over the same folder."""

    def __init__(self, folder: Path, films: Path, *, window_seconds: float) -> None:
        self.place = Place(
            folder, films, window_seconds=window_seconds, settings={"limits__preparing": 8}
        )
        self._port = free_port()
        self._program = self.place.program("serve", "--port", str(self._port))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Begin to start it; `up` waits until it serves."""
        await self._program.start()

    async def up(self) -> None:
        await self._program.answers(f"{self.url}/health/ready")

    async def kill(self) -> None:
        await self._program.kill()

    async def end(self) -> None:
        await self._program.end()

    # --- what it leaves on the disk ----------------------------------------------------

    @property
    def errors(self) -> str:
        return self.place.errors

    def calls(self) -> list[Call]:
        """What the generator was asked, in order."""
        return self.place.calls()

    async def log(self, session_id: str) -> Sequence[Logged]:
        async with SQLiteArchive(self._file) as archive:
            return await archive.read(session_id)

    @contextmanager
    def counting(self, kind: str) -> Iterator[Callable[[], int]]:
        """How many entries of a kind there are at this very moment, of all sessions."""
        uri = f"{self._file.as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=10)) as database:

            def count() -> int:
                statement = "SELECT count(*) FROM log WHERE kind = ?"
                (number,) = database.execute(statement, (kind,)).fetchone()
                return int(number)

            yield count

    @property
    def _file(self) -> Path:
        return self.place.folder / "data" / "sessions.sqlite"
