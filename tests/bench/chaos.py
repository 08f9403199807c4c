"""Kill parts of an installation again and again, and look for what its viewers miss:
`python tests/bench/chaos.py --kills 50 --seed 1`.

Two web processes, two workers and a Redis, each of which is killed with SIGKILL, at moments that
the seed draws: while a window is scripted or an answer thought of, just when something was sent,
as viewers obey a jump of the companion's, before it is up, or at any other time; alone, or
together with another. A hundred viewers watch, through one address, a session each. They play
on and come back by themselves. Their whole records are compared with those of viewers of one
`watchbuddy serve` that nobody disturbs: nothing may be missing that was due while there was a
connection and a Redis, nothing begun twice, nothing early; every jump is made once and leads
where it leads; what was said to the companion and taken in has its whole answer, once; a wish
for silence that was accepted holds; and nothing may have been asked of the generator again
unless the worker was killed that had it in work.

A wave is a hundred viewers for twenty-five seconds. There are as many as it takes. Ends with 1,
and says why, where anything was found.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Literal, get_args

sys.path.append(str(Path(__file__).parents[1] / "support"))

from crashing.comparing import compare, undisturbed
from crashing.film import make_film
from crashing.installation import Installation, installation
from crashing.place import Program
from crashing.telling import told
from crashing.verdict import Disturbed
from crashing.wave import MANNERS, Wave
from crashing.work import judge_calls

WINDOW_SECONDS = 0.8
"""How long the generator takes for one."""
_LANDING_SECONDS = 0.3
"""From the beginning of a jump to when the server knows where it has led."""
_WAVE_SECONDS = 180.0
"""Longer than any wave takes, also on a machine that is busy."""
_PREPARED_SECONDS = 60.0

Victim = Literal["a worker", "a web process", "Redis"]
VICTIMS: tuple[Victim, ...] = get_args(Victim)
TOGETHER: tuple[tuple[Victim, ...], ...] = (
    ("a web process", "Redis"),
    ("a worker", "Redis"),
    ("a worker", "a web process"),
    VICTIMS,
)
Moment = Literal["in work", "just sent", "a jump", "any"]


@dataclass(frozen=True, slots=True)
class Kill:
    victim: Victim
    moment: str
    phase: str
    """What the sessions were at."""


class Killer:
    """Kills parts of an installation, and starts them again.

    Of each three times, each of the parts is killed once, now and then with others.

    Args:
        most_away: how long what was killed stays away at the most, in seconds.
    """

    def __init__(self, killed: Installation, chance: Random, *, most_away: float) -> None:
        self._killed = killed
        self._chance = chance
        self._most_away = most_away
        self._next: deque[Victim] = deque()
        self.kills: list[Kill] = []
        self.away: list[tuple[float, float]] = []
        """From when to when there was no Redis for somebody, in monotonic seconds."""

    async def kill(self, wave: Wave) -> None:
        """At some moment; return when everything serves again."""
        chance = self._chance
        moment: Moment = chance.choice(get_args(Moment))
        if not self._next:
            self._next.extend(chance.sample(VICTIMS, len(VICTIMS)))
        victims: tuple[Victim, ...] = (self._next.popleft(),)
        if chance.random() < 0.2:
            victims = chance.choice([several for several in TOGETHER if victims[0] in several])
        await self._wait_for(wave, moment)
        programs = {victim: self._program(victim) for victim in victims if victim != "Redis"}
        killed_at = time.monotonic()
        for victim in victims:
            self.kills.append(Kill(victim, moment, wave.phase))
            if victim == "Redis":
                await asyncio.to_thread(self._killed.redis.kill)
            else:
                await programs[victim].kill()
        if chance.random() < 0.4:
            await asyncio.sleep(chance.uniform(0.3, self._most_away))
        if "Redis" in victims:
            await asyncio.to_thread(self._killed.redis.start)
        for victim, program in programs.items():
            await program.start()
            if chance.random() < 0.2:
                await asyncio.sleep(chance.uniform(0.0, 1.5))
                self.kills.append(Kill(victim, "starting", wave.phase))
                await program.kill()
                await program.start()
        await self._serving()
        if "Redis" in victims:
            self.away.append((killed_at, time.monotonic()))

    def _program(self, victim: Victim) -> Program:
        if victim == "a worker":
            return self._chance.choice(self._killed.workers)
        return self._chance.choice(self._killed.webs).program

    async def _wait_for(self, wave: Wave, moment: Moment) -> None:
        chance = self._chance
        match moment:
            case "in work":
                await _changes(lambda: len(self._killed.calls()))
                await asyncio.sleep(chance.uniform(0.0, WINDOW_SECONDS))
            case "just sent":
                await asyncio.sleep(chance.uniform(0.2, 1.5))
                await _changes(lambda: wave.arrived)
            case "a jump":
                await _changes(lambda: wave.jumps)
                await asyncio.sleep(chance.uniform(0.0, _LANDING_SECONDS))
            case "any":
                await asyncio.sleep(chance.uniform(0.2, 3.5))

    async def _serving(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for web in self._killed.webs:
                tasks.create_task(web.up())


async def _changes(count: Callable[[], int]) -> None:
    """Wait until there are more, for a while."""
    before, until = count(), time.monotonic() + 3.0
    while count() == before and time.monotonic() < until:
        await asyncio.sleep(0.002)


async def disturb(wave: Wave, killer: Killer, kills: int) -> None:
    """Watch the wave to its end, with kills all the time, up to so many in all."""
    before = len(killer.kills)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(wave.watch())
        while len(killer.kills) < min(before + len(VICTIMS), kills):
            await killer.kill(wave)
        await wave.watched_by(0.5)
        while wave.is_watched and len(killer.kills) < kills:
            await killer.kill(wave)


async def run(kills: int, seed: int, clients: int, most_away: float) -> bool:
    """Whether all is well; says what it has seen."""
    seats = {f"{i}, {manner.name}": manner for i, manner in zip(range(clients), cycle(MANNERS))}
    waves: list[Wave] = []
    async with AsyncExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        films = folder / "films"
        await asyncio.to_thread(make_film, films)
        killed = await held.enter_async_context(
            installation(folder / "killed", films, window_seconds=WINDOW_SECONDS)
        )
        killer = Killer(killed, Random(seed), most_away=most_away)
        async with asyncio.TaskGroup() as tasks:
            alone = tasks.create_task(
                undisturbed(folder / "alone", films, window_seconds=WINDOW_SECONDS)
            )
            while len(killer.kills) < kills:
                waves.append(await Wave.begin(killed, len(waves), seats))
                async with asyncio.timeout(_WAVE_SECONDS):
                    await disturb(waves[-1], killer, kills)
                with suppress(TimeoutError):  # the verdict says which are not
                    async with asyncio.timeout(_PREPARED_SECONDS):
                        await waves[-1].prepared()
        verdicts, faults = await compare(waves, alone.result(), Disturbed(away=killer.away))
        away = [at for stretch in killer.away for at in stretch]
        bought = judge_calls(killed.calls(), killed.place.killed, away)
        faults += bought.faults
        if "Traceback" in killed.place.errors:
            faults.append(f"the programs complained:\n{killed.place.errors}")
    struck = [f"{kill.victim}, {kill.phase}: {kill.moment}" for kill in killer.kills]
    print(told(struck, len(waves), verdicts, bought, faults))
    return not faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--away", type=float, default=3.0, help="at the most, in seconds")
    given = parser.parse_args()
    # This program looks at the logs of sessions, and need not tell that it cannot at times.
    logging.getLogger("watchbuddy").setLevel(logging.ERROR)
    well = asyncio.run(run(given.kills, given.seed, given.clients, given.away))
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
