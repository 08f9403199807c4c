"""A server that cannot write for a while: those who watch go on, and nothing is lost by it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from patience import PATIENCE

from watchbuddy_core.client import Begun, Ended, Happening, WatchClient
from watchbuddy_core.player import Clock, ClockPlayer

CREATE = {"video_url": "library:film.mp4", "character_id": "miao", "density": "chatty"}
END = 60.0


def ask(host: Any) -> httpx.Response:
    """For another session."""
    return httpx.post(f"{host.url}/api/v1/sessions", json=CREATE, timeout=PATIENCE)


async def until_sessions_are_taken(host: Any) -> None:
    """The server looks only now and then whether it can write again."""
    async with asyncio.timeout(PATIENCE):
        while (await asyncio.to_thread(ask, host)).status_code != 202:
            await asyncio.sleep(0.2)


@contextmanager
def full(data: Path) -> Iterator[None]:
    """There is no room left on the disk."""
    filler = data / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            while file.write(bytes(1024)):
                pass
    except OSError:
        pass
    yield
    filler.unlink()


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Another program is in the middle of writing."""
    with closing(sqlite3.connect(data / "sessions.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


class Viewer:
    """Somebody who watches a session, over as many connections as it takes."""

    def __init__(self, host: Any, session_id: str, clock: Clock) -> None:
        self._host = host
        self._session_id = session_id
        self._clock = clock
        self.player = ClockPlayer(END, clock=clock)
        self.begun: list[str] = []
        self.ended: set[str] = set()
        self._watching: asyncio.Task[Any] | None = None

    def connect(self) -> None:
        async def at_once(line: object) -> None:
            """A voice that is through with every line."""

        def listen(happening: Happening) -> None:
            match happening:
                case Begun(action=action):
                    self.begun.append(action.id)
                case Ended(action=action):
                    self.ended.add(action.id)

        client = WatchClient(
            self._host.url,
            self._session_id,
            self.player,
            speak=at_once,
            listen=listen,
            clock=self._clock,
        )
        self._watching = asyncio.create_task(client.run())

    async def hears(self, more: int) -> None:
        """Until so many more actions have begun."""
        enough = len(self.begun) + more
        async with asyncio.timeout(PATIENCE):
            while len(self.begun) < enough:
                await asyncio.sleep(0.02)

    async def leave(self) -> None:
        """With the picture paused, and everything told that was performed."""
        await self.player.pause()
        while self.ended != set(self.begun):
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)
        assert self._watching is not None
        self._watching.cancel()
        await asyncio.wait([self._watching])

    async def watch_to_the_end(self) -> None:
        assert self._watching is not None
        async with asyncio.timeout(PATIENCE):
            await self._watching


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [(full, 507, "STORAGE_FULL"), (locked, 503, "STORE_UNAVAILABLE")],
    ids=["full", "locked"],
)
def test_viewers_go_on_watching_while_nothing_can_be_written(
    small_disk: Path, host_at: Any, fault: Callable[[Path], Any], status: int, code: str
) -> None:
    host = host_at(small_disk / "data")

    async def scenario() -> None:
        async with host.clock() as clock:
            await watch(clock)

    async def watch(clock: Clock) -> None:
        session_id = host.create(end_time=END)
        await asyncio.to_thread(host.wait, session_id, "ready")
        script = host.script(session_id)
        viewer = Viewer(host, session_id, clock)
        viewer.connect()
        viewer.player.playback_rate = 12.0
        await viewer.player.resume()
        await viewer.hears(2)
        in_preparation = host.create(end_time=160)
        with fault(host.data):
            await viewer.hears(2)
            refused = await asyncio.to_thread(ask, host)
            assert (refused.status_code, refused.json()["detail"]["error"]) == (status, code)
            await viewer.leave()
            viewer.connect()
            await viewer.player.resume()
            await viewer.hears(2)
            assert host.status(session_id)["status"] == "ready"
        await asyncio.to_thread(host.wait, in_preparation, "ready")
        assert len(host.status(in_preparation)["windows"]) == 2
        await viewer.watch_to_the_end()
        assert viewer.ended == {one["id"] for one in script}
        assert len(viewer.begun) == len(set(viewer.begun))
        await until_sessions_are_taken(host)  # what had waited was written before that
        entries = host.kinds(session_id)
        told = [json.loads(entry)["ids"] for kind, entry in entries if kind == "delivered"]
        assert {id for ids in told for id in ids} == viewer.ended

    asyncio.run(scenario())
    host.end()
    said = host.log.read_text().splitlines()
    assert 1 <= len(said) <= 4, said
    with closing(sqlite3.connect(host.data / "sessions.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
