"""A client that watches over a bad network, beside one over a good network."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from bad_network import Network, bad_network
from own_clock import OwnClock, own_clock
from patience import PATIENCE, until
from properties import EXAMPLES
from websockets.asyncio.client import connect

from watchbuddy_core.actions import Action, Expression, Seek, Speak
from watchbuddy_core.client import (
    Arrived,
    Begun,
    Disconnected,
    Ended,
    Happening,
    Reached,
    Ready,
    WatchClient,
    Welcomed,
    connection,
)
from watchbuddy_core.player import ClockPlayer, WallClock
from watchbuddy_core.wire import Feature

SPEED = 8.0
"""Media seconds, and seconds of the viewers' clock, per real second."""
LENGTH = 60.0
LATENESS = 5.0
"""Media seconds, after which the Timeline holds that a moment has passed."""
AROUND = 2.0
"""Media seconds between two reports and a little more: what a moment on this machine may last."""
CAUGHT_UP = 2.0
"""Media seconds. Of all lines that come due at once, the Timeline sends the last two: so much lies
between the first and the last moment of these."""
HEARD = 3
"""Actions. By then the server has heard that this client acknowledges what it was sent: what is
lost before is not sent again."""


SCRIPT: list[Action] = [
    *(Speak(trigger_timestamp=n + 0.5, text=f"Line {n}.") for n in range(1, 59)),
    *(Expression(trigger_timestamp=n + 0.25, emotion="joy") for n in range(2, 58, 5)),
    Seek(trigger_timestamp=30.75, target_timestamp=27.6),
]


@dataclass
class Record:
    """What one viewer has seen and heard, in order."""

    begun: list[Action] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    early: list[str] = field(default_factory=list)
    arrivals: list[tuple[float, float, int]] = field(default_factory=list)
    """When an action came, by the client's clock; where the player was; and how often the
    connection had been lost by then."""
    lost: int = 0

    def silences(self) -> list[tuple[float, float]]:
        """From where to where, in media seconds, the connection was lost, or nothing came for
        longer than actions may be late. Over a good network something comes every second."""
        return [
            (here, there)
            for (began, here, lost), (ended, there, lost_then) in pairwise(self.arrivals)
            if lost_then > lost or ended - began > LATENESS
        ]

    def missing(self) -> list[Action]:
        """What was not carried out, though the network would have let it through in time.

        What was on its way when a silence began, as late as it might be, may be lost with it.
        """
        done = {one.id for one in self.begun}
        excused = [(a - LATENESS - AROUND, b - CAUGHT_UP) for a, b in self.silences()]
        return [
            one
            for one in SCRIPT
            if one.id not in done and not any(a <= one.trigger_timestamp <= b for a, b in excused)
        ]


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


async def watch(
    url: str,
    session_id: str,
    features: Collection[Feature],
    clock: OwnClock,
    record: Record,
) -> Record:
    ready = asyncio.Event()
    player = ClockPlayer(LENGTH, clock=clock)

    def note() -> None:
        record.arrivals.append((clock.now(), player.position, record.lost))

    def listen(happening: Happening) -> None:
        match happening:
            case Ready():
                ready.set()
            case Arrived():
                note()
            case Reached(action=action, position=position):
                if position < action.trigger_timestamp - 0.001:
                    record.early.append(action.id)
            case Begun(action=action):
                record.begun.append(action)
            case Ended(action=action):
                record.ended.add(action.id)
            case Disconnected():
                record.lost += 1

    async def at_once(line: Speak) -> None:
        """A voice that is through with every line."""

    client = WatchClient(
        url, session_id, player, speak=at_once, listen=listen, clock=clock, features=features
    )
    watching = asyncio.create_task(client.run())
    await ready.wait()
    note()
    await player.resume()
    await watching
    note()
    return record


async def reset(network: Network, chance: random.Random) -> None:
    network.cut()


async def finish(network: Network, chance: random.Random) -> None:
    network.cut(abruptly=False)


async def cut_in_a_frame(network: Network, chance: random.Random) -> None:
    network.cut_after(chance.randrange(1, 60))


async def short_stop(network: Network, chance: random.Random) -> None:
    network.stop()
    await asyncio.sleep(chance.uniform(0.1, 0.5))
    network.flow()


async def long_stop(network: Network, chance: random.Random) -> None:
    network.stop()
    await asyncio.sleep(1.0)
    network.flow()


async def no_way_in(network: Network, chance: random.Random) -> None:
    network.is_open = False
    network.cut()
    await asyncio.sleep(chance.uniform(0.2, 0.8))
    network.is_open = True


async def jitter(network: Network, chance: random.Random) -> None:
    network.pause = lambda: chance.uniform(0, 0.08)
    await asyncio.sleep(0.8)
    network.pause = lambda: 0.0


async def drip(network: Network, chance: random.Random) -> None:
    network.piece = chance.choice([1, 2, 7])
    await asyncio.sleep(0.8)
    network.piece = 65536


async def left_hanging(network: Network, chance: random.Random) -> None:
    network.leave_hanging()


async def swallow(network: Network, chance: random.Random) -> None:
    """What was sent for a while is lost, and both sides hear so only then."""
    network.leave_hanging()
    await asyncio.sleep(chance.uniform(0.15, 0.3))
    network.cut()


Fault = Callable[[Network, random.Random], Awaitable[None]]
FAULTS: list[Fault] = [
    *(reset, finish, cut_in_a_frame, short_stop, long_stop),
    *(no_way_in, jitter, drip, left_hanging, swallow),
]


async def trouble(network: Network, chance: random.Random) -> None:
    """One fault after another, each at some moment; the rest of the film is undisturbed."""
    async with asyncio.timeout(0.55 * LENGTH / SPEED):
        # The first time, the client comes back soon enough to get all that was lost again.
        await asyncio.sleep(chance.uniform(0.0, 0.3))
        await swallow(network, chance)
        while True:
            await asyncio.sleep(chance.uniform(0.2, 0.9))
            await chance.choice(FAULTS)(network, chance)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that notices soon that nothing comes through any more."""
    monkeypatch.setattr(connection, "_PING_SECONDS", 0.4)
    monkeypatch.setattr(connection, "_PARTING_SECONDS", 0.1)


@pytest.mark.usefixtures("impatient")
def test_over_a_bad_network_nothing_is_lost_nor_done_twice_nor_early(
    app: Any, serve: Any, backstage: Any
) -> None:
    """A seed for each viewer; half of them are told what is due, half get it ahead of time.

    Server and viewers are one program. Where the machine is busy with others, the films wait as
    it does: an action that lies more than LATENESS behind is then the network's doing.
    """
    seeds = range(min(EXAMPLES, 40) or 8)

    async def disturbed(port: int, seed: int, clock: OwnClock) -> Record:
        chance = random.Random(seed)
        record = Record()
        features: tuple[Feature, ...] = ("hold",) if seed % 2 else ()
        async with bad_network(port) as network:
            session_id = await backstage.ready(*SCRIPT)
            url = f"http://127.0.0.1:{network.port}"
            watching = asyncio.create_task(watch(url, session_id, features, clock, record))
            await until(lambda: len(record.begun) > HEARD)
            try:
                await trouble(network, chance)
            except TimeoutError:
                network.flow()
                network.is_open, network.piece = True, 65536
                network.pause = lambda: 0.0
            return await watching

    async def main() -> tuple[Record, list[Record]]:
        async with (
            serve(app, ping_seconds=0.5) as (_, url),
            own_clock(speed=SPEED) as clock,
            asyncio.timeout(220),
        ):
            good = watch(url, await backstage.ready(*SCRIPT), ("hold",), clock, Record())
            port = port_of(url)
            first, *others = await asyncio.gather(
                good, *(disturbed(port, seed, clock) for seed in seeds)
            )
            return first, others

    undisturbed, records = asyncio.run(main())
    assert len(undisturbed.begun) == len(SCRIPT)
    assert sum(record.lost for record in records) >= len(records), "hardly anything was disturbed"
    order = [one.id for one in undisturbed.begun]
    for seed, record in zip(seeds, records, strict=True):
        begun = [one.id for one in record.begun]
        assert record.early == [], seed
        assert len(begun) == len(set(begun)), seed
        assert record.missing() == [], (seed, record.silences())
        assert set(begun) == record.ended, seed
        assert begun[-3:] == order[-3:], seed


def test_a_connection_that_hangs_is_let_go_by_the_server(
    app: Any, serve: Any, backstage: Any
) -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(PATIENCE),
            serve(app, ping_seconds=0.3) as (server, url),
            bad_network(port_of(url)) as network,
        ):
            address = f"ws://127.0.0.1:{network.port}/ws/{await backstage.ready()}"
            async with connect(address, proxy=None, ping_interval=None) as client:
                await client.recv()
                network.leave_hanging()
                while server.server_state.connections or server.server_state.tasks:
                    await asyncio.sleep(0.01)
                assert backstage.connections() == 0
                client.transport.abort()

    asyncio.run(main())


@pytest.mark.usefixtures("impatient")
def test_a_connection_that_hangs_is_made_anew_by_the_client(
    app: Any, serve: Any, backstage: Any
) -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(PATIENCE),
            serve(app) as (_, url),
            bad_network(port_of(url)) as network,
        ):
            news = asyncio.Event()
            client = WatchClient(
                f"http://127.0.0.1:{network.port}",
                await backstage.ready(),
                ClockPlayer(LENGTH, clock=WallClock()),
                listen=lambda one: news.set() if isinstance(one, Welcomed) else None,
            )
            watching = asyncio.create_task(client.run())
            await news.wait()
            news.clear()
            network.leave_hanging()
            await news.wait()
            assert network.connections == 2
            watching.cancel()
            await asyncio.wait([watching])

    asyncio.run(main())
