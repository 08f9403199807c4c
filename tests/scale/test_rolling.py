"""Programs are replaced one by one, while sessions are created, prepared and watched."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import cycle
from pathlib import Path

import httpx
import pytest
from crashing.comparing import compare, undisturbed
from crashing.film import END, START, make_film
from crashing.installation import Installation, installation
from crashing.verdict import Disturbed
from crashing.wave import MANNERS, Wave, create, prepared
from crashing.work import judge_calls
from patience import PATIENCE
from shared import made_once

_WINDOW_SECONDS = 0.5
_VIEWERS = 28
_RESTARTING = 1012
"""With which a web process that ends closes its connections: its clients come again."""


@pytest.mark.timeout(500)  # a minute, where nothing else runs
def test_programs_are_replaced_one_by_one_and_nothing_is_lost(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Viewers meet what those of one server meet that nobody touches; who asks for a session
    is given one, and its script; no window is paid for twice; and every program ends well."""
    films = made_once(tmp_path_factory, "scale/films", make_film)
    viewers = zip(range(_VIEWERS), cycle(MANNERS), strict=False)
    seats = {f"{i}, {manner.name}": manner for i, manner in viewers}

    async def scenario() -> None:
        async with (
            installation(tmp_path / "it", films, window_seconds=_WINDOW_SECONDS) as it,
            asyncio.TaskGroup() as tasks,
        ):
            alone = tasks.create_task(
                undisturbed(tmp_path / "alone", films, window_seconds=_WINDOW_SECONDS)
            )
            wave = await Wave.begin(it, 0, seats)
            is_over = asyncio.Event()
            creating = tasks.create_task(_create(it, is_over))
            watching = tasks.create_task(wave.watch())
            await wave.watched_by(0.2)
            assert set(await _replace(it)) == {0}
            is_over.set()
            async with asyncio.timeout(PATIENCE):
                created = await creating
                await prepared(it, [*wave.sessions.values(), *created])
                await watching
            verdicts, faults = await compare([wave], await alone, Disturbed(goodbyes={_RESTARTING}))
            bought = judge_calls(it.calls(), it.place.killed, it.place.ended.values())
            assert [*faults, *bought.faults] == []
            assert len(created) > 3
            assert sum(one.met for one in verdicts.values()) > 10 * _VIEWERS
            assert "Traceback" not in it.place.errors, it.place.errors

    asyncio.run(scenario())


async def _replace(it: Installation) -> list[int | None]:
    """Each of the programs, one web process and one worker at a time; how they have ended."""
    ends = []
    for web, worker in zip(it.webs, it.workers, strict=True):
        ends += [await web.program.end(), await worker.end()]
        await web.program.start()
        await worker.start()
        await web.up()
    return ends


async def _create(it: Installation, is_over: asyncio.Event) -> list[str]:
    """One session after the other, by whoever is there.

    A request that a process has not read yet when it closes is cut off, and made again.
    """
    created: list[str] = []
    while not is_over.is_set():
        async with httpx.AsyncClient(base_url=it.url, timeout=PATIENCE) as client:
            wish = f"created while programs are replaced: {len(created)}"
            with suppress(httpx.TransportError):
                created.append(await create(client, wish=wish, start=START, end=END))
        await asyncio.sleep(0.3)
    return created
