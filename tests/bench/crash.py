"""Kill the server again and again, and look for what its viewers miss:
`python tests/bench/crash.py --kills 50 --seed 1`.

Two servers, each `watchbuddy serve` over a folder of its own, have the same sessions with the
same viewers. One is left alone. The other is killed with SIGKILL, at moments that the seed
draws: while it scripts a window, just when it has written down that it delivers something, as
soon as it is up, before it is up, or at any other time; and it may stay away for a while. The
viewers play on and come back by themselves. Then their whole records are compared: nothing may
be missing that was due while there was a connection, nothing begun twice, nothing early; and
no window may have been generated again that was not in work at a kill.

A wave is seven viewers for twenty seconds. There are as many as it takes. Ends with 1, and
says why, where anything was found.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal

from crashing.server import FILM_SECONDS, Server, make_film
from crashing.verdict import Verdict, judge, judge_calls, judge_log
from crashing.viewer import BareViewer, Manner, OwnViewer, Viewer

WINDOW_SECONDS = 0.8
"""How long the generator takes for one."""
START, END = 22.0, 62.0
"""What is watched, in media seconds: parts of two windows."""

MANNERS = (
    Manner("as the API document has it"),
    Manner("… completing", completes=True),
    Manner("… seeking back", seeks=((20.0, 11.0),)),
    Manner("early, completing", features="early_ready,progress", completes=True),
    Manner("holding", features="hold"),
    Manner(
        *("early, holding, seeking", "early_ready,hold,progress"),
        completes=True,
        seeks=((26.0, 14.0),),
    ),
)
OWN = Manner("WatchClient", "hold,early_ready,progress", completes=True)
NOBODY = "nobody watches"
"""A session over all of the film, which is only prepared."""

_WAVE_SECONDS = 200.0
"""Longer than any wave takes, also on a machine that is busy."""

Moment = Literal["a window in work", "just delivered", "up", "starting", "any"]
IN_PREPARATION: tuple[Moment, ...] = ("a window in work", "a window in work", "starting", "any")
WHILE_WATCHING: tuple[Moment, ...] = ("just delivered", "just delivered", "any", "any", "up")


@dataclass(frozen=True, slots=True)
class Kill:
    at: float
    """Monotonic seconds."""
    moment: Moment
    phase: str
    """What the sessions were at."""


@dataclass
class Wave:
    """The sessions of one server that are watched at the same time."""

    server: Server
    sessions: dict[str, str]
    """By the viewer's manner, and of nobody."""
    viewers: dict[str, Viewer]

    @classmethod
    async def begin(cls, server: Server, number: int) -> Wave:
        names = [*(manner.name for manner in MANNERS), OWN.name]
        sessions = {
            name: await server.create(start=START, end=END, wish=f"{number}: {name}")
            for name in names
        }
        sessions[NOBODY] = await server.create(
            start=0.0, end=FILM_SECONDS, wish=f"{number}: {NOBODY}"
        )
        viewers: dict[str, Viewer] = {
            manner.name: BareViewer(server.url, sessions[manner.name], manner, start=START, end=END)
            for manner in MANNERS
        }
        viewers[OWN.name] = OwnViewer(server.url, sessions[OWN.name], start=START, end=END)
        return cls(server, sessions, viewers)

    async def watch(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for viewer in self.viewers.values():
                tasks.create_task(viewer.run())

    async def watched_by_all(self) -> None:
        while not all(viewer.record.passes for viewer in self.viewers.values()):
            await asyncio.sleep(0.05)

    async def prepared(self) -> None:
        """Wait until all scripts are there, also the one that nobody waits for."""
        while not all([await self._is_ready(one) for one in self.sessions.values()]):
            await asyncio.sleep(0.2)

    async def _is_ready(self, session_id: str) -> bool:
        return any(logged.entry.kind == "ready" for logged in await self.server.log(session_id))

    @property
    def phase(self) -> str:
        open_calls = Counter[tuple[str, int]]()
        for call in self.server.calls():
            open_calls[call.wish, call.window] = 1 if call.what == "begun" else 0
        watched = any(viewer.is_watching for viewer in self.viewers.values())
        match (bool(open_calls.total()), watched):
            case (True, True):
                return "preparing and watching"
            case (_, False):
                return "preparing"
            case _:
                return "watching"


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
            case "a window in work":
                await self._in_work()
                await asyncio.sleep(chance.uniform(0.0, WINDOW_SECONDS))
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

    async def _in_work(self) -> None:
        """Wait until the generator has begun something, for a while."""
        before = len(self._server.calls())
        until = time.monotonic() + 3 * WINDOW_SECONDS
        while len(self._server.calls()) == before and time.monotonic() < until:
            await asyncio.sleep(0.02)

    def _delivered(self) -> None:
        """Wait for the next entry that says so, without a pause: it is sent at once."""
        until = time.monotonic() + 3.0
        with self._server.counting("delivered") as count:
            before = count()
            while count() == before and time.monotonic() < until:
                pass


async def run(kills: int, seed: int) -> bool:
    """Whether all is well; says what it has seen."""
    chance = Random(seed)
    verdicts = {manner.name: Verdict() for manner in (*MANNERS, OWN)}
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
            wave, calm = await Wave.begin(killed, number), await Wave.begin(alone, number)
            async with asyncio.timeout(_WAVE_SECONDS), asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(wave.watch())
                tasks.create_task(calm.watch())
                await killer.kill(wave, chance.choice(IN_PREPARATION))
                if len(killer.kills) < kills and chance.random() < 0.5:
                    await killer.kill(wave, chance.choice(WHILE_WATCHING))
                await wave.watched_by_all()
                while not watching.done() and len(killer.kills) < kills:
                    await killer.kill(wave, chance.choice(WHILE_WATCHING))
            async with asyncio.timeout(60):
                await wave.prepared()
                await calm.prepared()
            for name, session_id in wave.sessions.items():
                log, undisturbed = (
                    await killed.log(session_id),
                    await alone.log(calm.sessions[name]),
                )
                faults += [f"{name}: {fault}" for fault in judge_log(log, undisturbed)]
                manner = next((one for one in (*MANNERS, OWN) if one.name == name), None)
                if manner is not None:
                    records = wave.viewers[name].record, calm.viewers[name].record
                    verdicts[name] += judge(manner, *records, log, END)
            number += 1
        for name, verdict in verdicts.items():
            faults += [f"{name}: {fault}" for fault in verdict.faults]
        asked, again, unneeded = judge_calls(killed.calls(), [kill.at for kill in killer.kills])
        faults += unneeded
        if "Traceback" in killed.errors:
            faults.append(f"the server complained:\n{killed.errors}")
    _tell(killer.kills, verdicts, number)
    print(f"windows generated: {asked}, {again} of them again after a kill had cut them off")
    for story in (story for verdict in verdicts.values() for story in verdict.stories):
        print(story)
    for fault in faults:
        print(f"FAULT  {fault}")
    print("nothing lost, nothing twice, nothing early" if not faults else f"{len(faults)} faults")
    return not faults


def _tell(kills: list[Kill], verdicts: dict[str, Verdict], waves: int) -> None:
    print(f"{len(kills)} kills in {waves} waves")
    for (phase, moment), times in sorted(Counter((k.phase, k.moment) for k in kills).items()):
        print(f"  {times:3}  {phase}: {moment}")
    print(f"{'viewers':28}  expected    met  missing  again")
    for name, verdict in verdicts.items():
        missing = verdict.missing.total()
        print(f"{name:28}  {verdict.expected:8} {verdict.met:6} {missing:8} {verdict.again:6}")
    for reason, times in sum((one.missing for one in verdicts.values()), Counter()).items():
        print(f"  {times} missing: {reason}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    sys.exit(0 if asyncio.run(run(arguments.kills, arguments.seed)) else 1)


if __name__ == "__main__":
    main()
