"""A real server, the offline companion, a real mpv: from the first line to the goodbye."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from watchbuddy_mpv import Mpv, MpvGone, MpvPlayer, Screen, command, watch

from watchbuddy_core.client import Begun, Disconnected, Ended, Happening, Reached, create_session
from watchbuddy_core.entries import Acked, Wanted
from watchbuddy_core.errors import ConnectionLost
from watchbuddy_core.settings import Settings
from watchbuddy_core.speech import spoken_seconds
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.wire import CreateSession
from watchbuddy_server.serving import serving

SPEED = 4.0


def settings(film: Path, port: int = 0) -> Settings:
    return Settings(libraries=(film.parent,), host="127.0.0.1", port=port)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def server(film, store) -> AsyncIterator[str]:
    async with serving(settings(film), store=store, shutdown_seconds=1) as url:
        yield url


async def session(server: str, film: Path) -> str:
    wanted = CreateSession(video_url=f"library:{film.name}", character_id="miao", density="chatty")
    return await create_session(server, wanted)


class Sofa:
    """Before one mpv, four times as fast as in reality."""

    def __init__(self, mpv: Mpv) -> None:
        self.player = MpvPlayer(mpv)
        self.screen = Screen(mpv)
        self.happened: list[Happening] = []

    async def watch(self, server: str, session_id: str) -> None:
        await self.player.attach()
        await watch(
            *(self.player, self.screen, server, session_id),
            begin=self.player.resume,
            seconds_to_read=lambda text: spoken_seconds(text) / SPEED,
            listen=self.happened.append,
        )

    @property
    def begun(self) -> list[str]:
        return [one.action.action_type for one in self.happened if isinstance(one, Begun)]

    @property
    def ended(self) -> list[str]:
        return [one.action.action_type for one in self.happened if isinstance(one, Ended)]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.02)


@pytest.mark.anyio
async def test_from_the_first_line_to_the_goodbye(opened, server, film, store) -> None:
    session_id = await session(server, film)
    async with opened(f"--speed={SPEED}") as socket, Mpv.at(socket) as mpv:
        sofa = Sofa(mpv)
        async with asyncio.timeout(30):
            await sofa.watch(server, session_id)
    assert {"SPEAK", "EXPRESSION"} < set(sofa.begun)
    assert sofa.begun.count("END_REACTION") == 1
    assert {one.outcome for one in sofa.happened if isinstance(one, Ended)} == {"done"}
    late = [
        one.position - one.action.trigger_timestamp
        for one in sofa.happened
        if isinstance(one, Reached)
    ]
    assert min(late) >= 0.0
    print(f"late by {max(late) * 1000 / SPEED:.0f} ms at most, of {len(late)}")
    acked = {
        logged.entry.action_id
        for logged in await store.read(session_id)
        if isinstance(logged.entry, Acked)
    }
    assert len(acked) == len(late)


@pytest.mark.anyio
async def test_the_server_hears_of_the_viewers_seek_and_pause(opened, server, film, store) -> None:
    session_id = await session(server, film)

    async def wanted() -> list[Wanted]:
        entries = [logged.entry for logged in await store.read(session_id)]
        return [entry for entry in entries if isinstance(entry, Wanted)]

    async with opened() as socket, Mpv.at(socket) as mpv, Mpv.at(socket) as viewer:
        sofa = Sofa(mpv)
        watching = asyncio.create_task(sofa.watch(server, session_id))
        await sofa.until(lambda: "SPEAK" in sofa.ended)
        await viewer.command("seek", 7.0, "absolute+exact")
        await viewer.command("set_property", "pause", True)
        async with asyncio.timeout(10):
            while not any(one.paused and one.position >= 7.0 for one in await wanted()):
                await asyncio.sleep(0.02)
        await viewer.command("quit")
        await watching
    assert [round(one.position) for one in await wanted() if one.moved][-1] == 7


@pytest.mark.anyio
async def test_a_server_that_comes_back_is_found_again(opened, film, store) -> None:
    async with opened(f"--speed={SPEED}") as socket, Mpv.at(socket) as mpv:
        sofa = Sofa(mpv)
        async with serving(settings(film), store=store, shutdown_seconds=1) as url:
            session_id = await session(url, film)
            watching = asyncio.create_task(sofa.watch(url, session_id))
            await sofa.until(lambda: bool(sofa.begun))
        await sofa.until(lambda: isinstance(sofa.happened[-1], Disconnected))
        assert not await mpv.command("get_property", "eof-reached")
        port = int(url.rpartition(":")[2])
        async with (
            serving(settings(film, port), store=store, shutdown_seconds=1),
            asyncio.timeout(30),
        ):
            await watching
    assert "END_REACTION" in sofa.begun


# --- the command ---------------------------------------------------------------------------


async def in_a_process(*words: object) -> None:
    """Run `watchbuddy-mpv` as a viewer does; it has nothing to complain of."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from watchbuddy_mpv.command import main; main()"),
        *map(str, words),
        stderr=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    async with asyncio.timeout(60):
        _, complaints = await process.communicate()
    assert (process.returncode, complaints) == (0, b"")


async def here(*words: object) -> None:
    """The same in this process, which spares a second."""
    async with asyncio.timeout(60):
        await command.run(*command.arguments([str(word) for word in words]))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("known", "run"), [(True, in_a_process), (False, here)], ids=["by its name", "by its file"]
)
async def test_the_command_watches_a_film(known, run, mpv_is_there, server, film, store) -> None:
    video = f"library:{film.name}" if known else film
    headless = ("--no-config", "--vo=null", "--ao=null", "--no-terminal", "--speed=16")
    await run(video, "--server", server, "--density", "muted", "--", *headless)
    (record,) = await store.list()
    assert record.video_url.startswith("library:" if known else "upload:")
    log = [logged.entry for logged in await store.read(record.session_id)]
    assert {entry.outcome for entry in log if isinstance(entry, Acked)} == {"done"}


@pytest.mark.anyio
async def test_the_command_joins_an_mpv_that_runs(opened, server, film, store) -> None:
    async with opened("--speed=16") as socket, Mpv.at(socket) as viewer:
        joined = asyncio.create_task(
            here("--socket", socket, "--server", server, "--density", "muted")
        )
        async with asyncio.timeout(20):
            while not await store.list():
                await asyncio.sleep(0.05)
        assert await viewer.command("get_property", "pause") is True
        await viewer.command("set_property", "pause", False)
        await joined
        assert await viewer.command("get_property", "eof-reached") is True


@pytest.mark.anyio
async def test_without_a_server_or_an_mpv_there_is_nothing_to_watch(film) -> None:
    with pytest.raises(ConnectionLost, match=r"No server answers at http://127\.0\.0\.1:1"):
        await here(film, "--server", "http://127.0.0.1:1")
    with pytest.raises(MpvGone, match="No mpv listens at "):
        await here("--socket", film.parent / "nobody")


def test_what_is_amiss_is_one_sentence(film, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["watchbuddy-mpv", "--socket", str(film.parent / "nobody")])
    with pytest.raises(SystemExit, match=r"^watchbuddy-mpv: No mpv listens at [^\n]*\.$"):
        command.main()


@pytest.mark.parametrize("words", [[], ["film.mp4", "--socket", "x"]], ids=["nothing", "both"])
def test_it_is_told_what_to_watch_once(words, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        command.arguments(words)
    assert ended.value.code == 2
    assert "name a VIDEO, or the --socket of an mpv that shows one" in capsys.readouterr().err
