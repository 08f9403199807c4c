"""Kill the server again and again, and look for what its viewers miss:
`python tests/bench/crash.py --kills 50 --seed 1`.

Two servers, each `watchbuddy serve` over a folder of its own, have the same sessions with the
same viewers. One is left alone. The other is killed with SIGKILL, at moments that the seed
draws: while it scripts a window or thinks of an answer, just when it has written down that it
delivers something, as viewers obey a jump of the companion's, as soon as it is up, before it is
up, or at any other time; and it may stay away for a while. The viewers play on and come back by
themselves. Then their whole records are compared: nothing may be missing that was due while
there was a connection, nothing begun twice, nothing early; every jump is made once and leads
where it leads; what was said to the companion and taken in has its whole answer, once; a wish
for silence that was accepted holds; and nothing may have been asked of the generator again that
was not in work at a kill.

A wave is nine viewers for twenty-five seconds. There are as many as it takes. Ends with 1, and
says why, where anything was found.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal

sys.path.append(str(Path(__file__).parents[1] / "support"))

from crashing.comparing import Undisturbed, compare
from crashing.film import make_film
from crashing.server import Server
from crashing.telling import told
from crashing.verdict import Disturbed, Verdict
from crashing.wave import MANNERS, Wave
from crashing.work import judge_calls

WINDOW_SECONDS = 0.8
"""How long the generator takes for one."""
_LANDING_SECONDS = 0.3
"""From the beginning of a jump to when the server knows where it has led."""
_WAVE_SECONDS = 200.0
"""Longer than any wave takes, also on a machine that is busy."""

Moment = Literal["in work", "just delivered", "a jump", "up", "starting", "any"]
IN_PREPARATION: tuple[Moment, ...] = ("in work", "in work", "starting", "any")
WHILE_WATCHING: tuple[Moment, ...] = (
    *("just delivered", "just delivered", "a jump", "in work", "any", "any", "up"),
)
_WAITING_SECONDS = 3.0
"""How long such a moment is waited for at the most."""


@dataclass(frozen=True, slots=True)
class Kill:
    at: float
    """Monotonic seconds."""
    moment: Moment
    phase: str
    """What the sessions were at."""


class Killer:
    """Kills a server, and starts it again."""

    def __init__(self, server: Server, chance: Random) -> None:
        self._server = server
        self._chance = chance
        self.kills: list[Kill] = []

    async def kill(self, wave: Wave, moment: Moment) -> None:
        """At such a moment, and wait until it serves again."""
        chance = self._chance
        match moment:
            case "in work":
                await _changes(lambda: len(self._server.calls()))
                await asyncio.sleep(chance.uniform(0.0, WINDOW_SECONDS))
            case "a jump":
                await _changes(lambda: wave.jumps)
                await asyncio.sleep(chance.uniform(0.0, _LANDING_SECONDS))
            case "just delivered":
                await asyncio.sleep(chance.uniform(0.2, 1.5))
                await asyncio.to_thread(self._delivered)
            case "any":
                await asyncio.sleep(chance.uniform(0.2, 3.5))
            case "up":
                await asyncio.sleep(chance.uniform(0.0, 0.3))
            case "starting":
                await self._strike("any", wave.phase)
                await self._server.start()
                await asyncio.sleep(chance.uniform(0.0, 1.5))
        await self._strike(moment, "starting" if moment == "starting" else wave.phase)
        if chance.random() < 0.25:
            await asyncio.sleep(chance.uniform(0.5, 4.0))
        await self._server.start()
        await self._server.up()

    async def _strike(self, moment: Moment, phase: str) -> None:
        self.kills.append(Kill(time.monotonic(), moment, phase))
        await self._server.kill()

    def _delivered(self) -> None:
        """Wait for the next entry that says so, without a pause: it is sent at once."""
        until = time.monotonic() + _WAITING_SECONDS
        with self._server.counting("delivered") as count:
            before = count()
            while count() == before and time.monotonic() < until:
                pass


async def _changes(count: Callable[[], int]) -> None:
    """Wait until there are more, for a while."""
    before, until = count(), time.monotonic() + _WAITING_SECONDS
    while count() == before and time.monotonic() < until:
        await asyncio.sleep(0.005)


async def run(kills: int, seed: int) -> bool:
    """Whether all is well; says what it has seen."""
    chance = Random(seed)
    seats = {manner.name: manner for manner in MANNERS}
    verdicts = {name: Verdict() for name in seats}
    faults: list[str] = []
    async with AsyncExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="crash-")))
        await asyncio.to_thread(make_film, folder / "films")
        servers = [
            Server(folder / name, folder / "films", window_seconds=WINDOW_SECONDS)
            for name in ("killed", "alone")
        ]
        for server in servers:
            await server.start()
            held.push_async_callback(server.end)
        killed, alone = servers
        await killed.up()
        await alone.up()
        killer = Killer(killed, chance)
        number = 0
        while len(killer.kills) < kills:
            wave = await Wave.begin(killed, number, seats)
            calm = await Wave.begin(alone, number, seats)
            async with asyncio.timeout(_WAVE_SECONDS), asyncio.TaskGroup() as tasks:
                tasks.create_task(wave.watch())
                tasks.create_task(calm.watch())
                await killer.kill(wave, chance.choice(IN_PREPARATION))
                if len(killer.kills) < kills and chance.random() < 0.5:
                    await killer.kill(wave, chance.choice(WHILE_WATCHING))
                await wave.watched_by()
                while wave.is_watched and len(killer.kills) < kills:
                    await killer.kill(wave, chance.choice(WHILE_WATCHING))
            async with asyncio.timeout(60):
                await wave.prepared()
                await calm.prepared()
            met, wrong = await compare([wave], await Undisturbed.of(calm), Disturbed())
            for name, verdict in met.items():
                verdicts[name] += verdict
            faults += wrong
            number += 1
        bought = judge_calls(killed.calls(), killed.place.killed)
        faults += bought.faults
        if "Traceback" in killed.errors:
            faults.append(f"the server complained:\n{killed.errors}")
    struck = [f"{kill.phase}: {kill.moment}" for kill in killer.kills]
    print(told(struck, number, verdicts, bought, faults))
    return not faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    sys.exit(0 if asyncio.run(run(arguments.kills, arguments.seed)) else 1)


if __name__ == "__main__":
    main()
