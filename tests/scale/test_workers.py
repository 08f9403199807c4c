"""Web processes and workers around one Redis: real programs, as they are installed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from crashing.film import make_film
from crashing.place import Call, Place, Program, free_port
from machines import ready
from own_clock import own_clock
from patience import PATIENCE
from processes import job
from redis_server import RedisServer, redis_server
from shared import made_once

from watchbuddy_core.actions import Action
from watchbuddy_core.client import Begun, Happening, Ready, WatchClient
from watchbuddy_core.player import ClockPlayer

Run = Callable[[Coroutine[Any, Any, None]], None]

_WINDOW_SECONDS = 0.6


@dataclass
class Installation:
    """Two web processes, two workers, and the Redis that they share."""

    place: Place
    webs: tuple[str, str]
    """Their addresses."""
    workers: tuple[Program, Program]
    redis: RedisServer
    http: httpx.AsyncClient

    async def create(self, name: str, *, web: int = 0, **fields: Any) -> str:
        """A session whose calls of the generator are known by its name."""
        asked = {"video_url": "library:film.mp4", "character_id": "miao", "text": name, **fields}
        answer = await self.http.post(f"{self.webs[web]}/api/v1/sessions", json=asked)
        assert answer.status_code == 202, answer.text
        session_id: str = answer.json()["session_id"]
        return session_id

    async def status(self, session_id: str, *, web: int = 0) -> dict[str, Any]:
        answer = await self.http.get(f"{self.webs[web]}/api/v1/sessions/{session_id}")
        status: dict[str, Any] = answer.json()
        return status

    async def is_ready(self, session_id: str, *, web: int = 0) -> None:
        await ready(self.http, session_id, at=self.webs[web])

    def job(self, session_id: str) -> dict[str, Any]:
        return job(self.redis, session_id)

    def calls(self, name: str) -> list[Call]:
        return [call for call in self.place.calls() if call.wish == name]

    async def is_at_work(self, name: str) -> Program:
        """The worker that is asking for a window of this session."""
        while True:
            for call in self.calls(name):
                return next(worker for worker in self.workers if worker.pid == call.pid)
            await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
def it(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    films = made_once(tmp_path_factory, "scale/films", make_film)
    place = Place(
        tmp_path_factory.mktemp("scale") / "place",
        films,
        window_seconds=_WINDOW_SECONDS,
        settings={"limits__preparing": 2},
    )
    with redis_server() as redis:
        where = ("--store", redis.url)

        async def begin(held: AsyncExitStack) -> Installation:
            ports = free_port(), free_port()
            webs = [
                place.program("serve", "--port", port, "--jobs", "saq", *where, data=f"web {port}")
                for port in map(str, ports)
            ]
            workers = (
                place.program("worker", *where, data="worker 1"),
                place.program("worker", *where, data="worker 2"),
            )
            share_uploads(place, *(f"web {port}" for port in ports), "worker 1", "worker 2")
            for program in (*webs, *workers):
                await program.start()
                held.push_async_callback(program.end)
            urls = (f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}")
            for web, url in zip(webs, urls, strict=True):
                await web.answers(f"{url}/health/ready")
            http = await held.enter_async_context(httpx.AsyncClient(timeout=PATIENCE))
            return Installation(place, urls, workers, redis, http)

        held = AsyncExitStack()
        try:
            yield runner.run(begin(held))
        finally:
            runner.run(held.aclose())
        assert "Traceback" not in place.errors, place.errors


def share_uploads(place: Place, *data: str) -> None:
    """One folder of uploads for programs that have data folders of their own."""
    shared = place.folder / "uploads"
    shared.mkdir()
    for name in data:
        (place.folder / name).mkdir()
        (place.folder / name / "uploads").symlink_to(shared)


def test_a_session_is_created_here_prepared_there_and_watched_through_a_third(
    it: Installation, run: Run
) -> None:
    async def scenario() -> None:
        session_id = await it.create("whole", end_time=40.0)
        seen: list[Action] = []

        def listen(happening: Happening) -> None:
            if isinstance(happening, Begun):
                seen.append(happening.action)
            elif isinstance(happening, Ready):
                play.set()

        async def turn() -> None:
            await it.http.get(f"{it.webs[1]}/health/live")

        play = asyncio.Event()
        async with own_clock(speed=10.0, turn=turn) as clock, asyncio.TaskGroup() as tasks:
            player = ClockPlayer(40.0, clock=clock)
            client = WatchClient(it.webs[1], session_id, player, listen=listen, clock=clock)
            tasks.create_task(client.run())
            await play.wait()
            await player.resume()
        status = await it.status(session_id)
        assert status["status"] == "ready"
        assert len(seen) == len({one.id for one in seen}) == sum(status["actions"].values()) > 3
        assert {call.pid for call in it.calls("whole")} <= {one.pid for one in it.workers}

    run(scenario())


def test_what_is_uploaded_at_one_is_prepared_by_a_worker_and_shown_by_another(
    it: Installation, run: Run, film: bytes
) -> None:
    async def scenario() -> None:
        upload = await it.http.post(f"{it.webs[0]}/api/v1/uploads?name=film.mp4", content=film)
        video_url = upload.json()["video_url"]
        session_id = await it.create("uploaded", web=1, video_url=video_url)
        await it.is_ready(session_id)
        for url in it.webs:
            assert (await it.http.get(f"{url}/media/{session_id}")).content == film
            described = (await it.http.get(f"{url}/api/v1/sessions/{session_id}/video")).json()
            assert (described["media_type"], described["title"]) == ("video/mp4", "film")
        assert {call.pid for call in it.calls("uploaded")} <= {one.pid for one in it.workers}

    run(scenario())


def test_the_web_processes_know_how_many_work(it: Installation, run: Run) -> None:
    async def scenario() -> None:
        for url in it.webs:
            while (answer := await it.http.get(f"{url}/health/ready")).json().get("workers") != 2:
                await asyncio.sleep(0.1)
            assert answer.json() == {"status": "ok", "workers": 2}

    run(scenario())


def test_a_session_that_is_deleted_at_another_process_is_worked_on_no_more(
    it: Installation, run: Run
) -> None:
    async def scenario() -> None:
        session_id = await it.create("deleted", web=0)
        await it.is_at_work("deleted")
        answer = await it.http.delete(f"{it.webs[1]}/api/v1/sessions/{session_id}")
        assert answer.status_code == 204
        while it.job(session_id)["status"] != "aborted":
            await asyncio.sleep(0.02)
        calls = it.calls("deleted")
        await asyncio.sleep(2 * _WINDOW_SECONDS)
        assert it.calls("deleted") == calls
        assert (await it.status(session_id))["status"] == "cancelled"

    run(scenario())


def test_a_worker_that_is_told_to_end_hands_over_at_once(it: Installation, run: Run) -> None:
    async def scenario() -> None:
        session_id = await it.create("ended")
        worker = await it.is_at_work("ended")
        await worker.end()
        while len({call.pid for call in it.calls("ended")}) < 2:
            await asyncio.sleep(0.02)
        # One that has to be found out counts: its job would be in its second attempt.
        assert it.job(session_id)["attempts"] == 1
        await it.is_ready(session_id)
        assert {window["problem"] for window in (await it.status(session_id))["windows"]} == {None}
        await worker.start()

    run(scenario())


def test_when_a_worker_is_killed_another_goes_on_where_its_log_ends(
    it: Installation, run: Run
) -> None:
    async def scenario() -> None:
        session_id = await it.create("killed")
        worker = await it.is_at_work("killed")
        while not any(call.wanted == 1 for call in it.calls("killed")):
            await asyncio.sleep(0.01)
        await worker.kill()
        await it.is_ready(session_id, web=1)
        calls = it.calls("killed")
        assert len({call.pid for call in calls}) == 2
        finished = [call.wanted for call in calls if call.what == "ended"]
        assert sorted(finished) == sorted(set(finished)), "nothing is paid for twice"
        await worker.start()

    run(scenario())
