"""A server that is killed, and the one that is started after it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
from patience import PATIENCE

from watchbuddy_core.client import (
    Begun,
    Disconnected,
    Ended,
    Happening,
    Ready,
    WatchClient,
    Welcomed,
)
from watchbuddy_core.player import Clock, ClockPlayer


async def until(host: Any, session_id: str, **facts: Any) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE):
        while True:
            status = await asyncio.to_thread(host.status, session_id)
            if all(status[name] == value for name, value in facts.items()):
                return status
            await asyncio.sleep(0.02)


async def killed_in_the_middle(host: Any, session_id: str) -> list[tuple[str, str]]:
    """What the log says of a session when the server was killed, once a window was there."""
    while not (await asyncio.to_thread(host.status, session_id))["windows"]:
        await asyncio.sleep(0.005)
    host.kill()
    said: list[tuple[str, str]] = host.kinds(session_id)
    return said


def test_a_session_in_preparation_goes_on_and_nothing_is_done_twice(host: Any) -> None:
    async def scenario() -> None:
        session_id = host.create()
        before = await killed_in_the_middle(host, session_id)
        while "ready" in [kind for kind, _ in before]:  # it was quicker than this
            host.start()
            session_id = host.create(text=f"Not like {session_id}.")
            before = await killed_in_the_middle(host, session_id)
        host.start()
        status = await until(host, session_id, status="ready")
        assert len(status["windows"]) == 3
        after = host.kinds(session_id)
        assert after[: len(before)] == before
        assert [kind for kind, _ in after].count("window") == 3
        assert [kind for kind, _ in after].count("placed") == 3

    asyncio.run(scenario())


def test_a_ready_session_is_ready_and_its_video_is_there(host: Any) -> None:
    async def scenario() -> None:
        session_id = host.create()
        await until(host, session_id, status="ready")
        before = host.kinds(session_id)
        host.kill()
        host.start()
        assert host.status(session_id)["status"] == "ready"
        assert len(host.part_of_the_video(session_id)) == 100
        assert host.kinds(session_id) == before
        # What was found out about the video is in the file as well.
        assert not [path for path in host.data.iterdir() if path.is_dir()]

    asyncio.run(scenario())


def test_an_upload_is_there_as_long_as_a_session_needs_it(host: Any, films: Path) -> None:
    async def scenario() -> None:
        film = (films / "film.mp4").read_bytes()
        answer = await asyncio.to_thread(
            httpx.post, f"{host.url}/api/v1/uploads?name=film.mp4", content=film, timeout=PATIENCE
        )
        url = answer.json()["video_url"]
        session_id = host.create(video_url=url, end_time=30)
        await until(host, session_id, status="ready")
        host.kill()
        host.start()
        assert len(host.part_of_the_video(session_id)) == 100
        again = host.create(video_url=url, end_time=30)
        await until(host, again, status="ready")
        for one in (session_id, again):
            await asyncio.to_thread(
                httpx.delete, f"{host.url}/api/v1/sessions/{one}", timeout=PATIENCE
            )
        assert [path for path in host.data.rglob("uploads/*/*") if path.is_file()] == []

    asyncio.run(scenario())


def test_a_viewer_goes_on_watching_over_kills_and_meets_everything_once(host: Any) -> None:
    """The player stands still while there is no server: then nothing may be missing."""

    async def scenario() -> None:
        async with host.clock() as clock:
            await watch(clock)

    async def watch(clock: Clock) -> None:
        session_id = host.create(end_time=100)
        await until(host, session_id, status="ready")
        script = host.script(session_id)
        player = ClockPlayer(100.0, clock=clock)
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

        client = WatchClient(
            host.url, session_id, player, speak=at_once, listen=listen, clock=clock
        )
        watching = asyncio.create_task(client.run())
        await ready.wait()
        player.playback_rate = 8.0
        await player.resume()
        for _ in range(3):
            await clock.sleep(2.0)
            await player.pause()
            lost.clear()
            await asyncio.to_thread(host.kill)
            await lost.wait()
            back.clear()
            await asyncio.to_thread(host.start)
            await back.wait()
            await player.resume()
        async with asyncio.timeout(PATIENCE):
            await watching
        assert len(script) >= 10
        assert ended == {one["id"] for one in script}
        assert len(begun) == len(set(begun))

    asyncio.run(scenario())
