"""A session goes from process to process, and belongs to its newest connection."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from crashing.film import make_film
from crashing.installation import Installation, installation
from crashing.wave import create
from patience import PATIENCE
from shared import made_once
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

Run = Callable[[Coroutine[Any, Any, None]], None]

START, MIDDLE, END = 10.0, 24.0, 40.0
"""What is watched, and where its viewer goes to another process, in media seconds."""


@pytest.fixture(scope="module")
def it(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Three web processes and a worker."""
    films = made_once(tmp_path_factory, "scale/films", make_film)
    folder = tmp_path_factory.mktemp("takeover") / "place"
    opening = installation(folder, films, webs=3, workers=1, window_seconds=0.2)
    it = runner.run(opening.__aenter__())
    try:
        yield it
    finally:
        runner.run(opening.__aexit__(None, None, None))
    assert "Traceback" not in it.place.errors, it.place.errors


class Viewer:
    """A client of the API document, at one process."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.met: list[dict[str, Any]] = []
        """The actions that it was sent."""

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, session_id: str) -> AsyncIterator[Viewer]:
        address = f"{url.replace('http', 'ws', 1)}/ws/{session_id}"
        async with connect(address, proxy=None, compression=None) as socket:
            yield cls(socket)

    async def is_ready(self) -> None:
        assert json.loads(await self._socket.recv()) == {"type": "session_ready"}

    async def plays(self, since: float, until: float, script: Sequence[dict[str, Any]]) -> None:
        """Report a playhead that runs there, and wait for what is due, so that no process falls
        behind, however busy it is."""
        position, before = since, len(self.met)
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(self._listen(len(script), lambda: position))
            while position < until:
                position = min(position + 0.5, until)
                report = {"type": "timestamp_update", "timestamp": position}
                await self._socket.send(json.dumps(report))
                due = before + sum(it["trigger_timestamp"] <= position for it in script)
                while len(self.met) < due:
                    await asyncio.sleep(0.005)
            await listening

    async def _listen(self, to_meet: int, position: Callable[[], float]) -> None:
        for _ in range(to_meet):
            action = json.loads(await self._socket.recv())
            assert action["trigger_timestamp"] <= position(), "nothing comes early"
            self.met.append(action)

    async def is_closed(self) -> tuple[int | None, str | None]:
        """Wait for it, whatever comes before; how it was."""
        try:
            while True:
                await self._socket.recv()
        except ConnectionClosed:
            return self._socket.close_code, self._socket.close_reason


async def _script(it: Installation, session_id: str) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(base_url=it.webs[0].url, timeout=PATIENCE) as client:
        answer = await client.get(f"/api/v1/sessions/{session_id}/script")
    actions: list[dict[str, Any]] = answer.json()["actions"]
    return actions


async def _created(it: Installation, wish: str) -> str:
    async with httpx.AsyncClient(base_url=it.webs[0].url, timeout=PATIENCE) as client:
        return await create(client, wish=wish, start=START, end=END)


def test_the_newest_connection_wins_wherever_it_is_and_the_older_one_is_told(
    it: Installation, run: Run
) -> None:
    """Within a second; on a machine that has much else to do, the best of five times."""

    async def scenario() -> None:
        session_id = await _created(it, "taken over")
        seconds = []
        for i in range(5):
            here, there = it.webs[i % 3].url, it.webs[(i + 1) % 3].url
            async with Viewer.at(here, session_id) as older:
                await older.is_ready()
                since = time.monotonic()
                async with Viewer.at(there, session_id) as newer:
                    assert await older.is_closed() == (4409, "REPLACED")
                    seconds.append(time.monotonic() - since)
                    await newer.is_ready()
        assert min(seconds) < 1.0, seconds

    run(scenario())


def test_a_session_is_created_here_made_there_and_watched_at_a_third_and_a_fourth_process(
    it: Installation, run: Run
) -> None:
    """It goes on where it was: the whole script is met, and nothing of it twice."""

    async def scenario() -> None:
        session_id = await _created(it, "on its way")
        async with Viewer.at(it.webs[1].url, session_id) as one:
            await one.is_ready()
            script = await _script(it, session_id)
            before = [it for it in script if it["trigger_timestamp"] <= MIDDLE]
            await one.plays(START, MIDDLE, before)
        async with Viewer.at(it.webs[2].url, session_id) as other:
            await other.is_ready()
            await other.plays(MIDDLE, END, script[len(before) :])
        assert one.met == before != []
        assert one.met + other.met == script
        made_by = {call.pid for call in it.calls() if call.wish == "on its way"}
        assert made_by == {it.workers[0].pid}

    run(scenario())
