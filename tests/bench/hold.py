"""How punctual a WatchClient is: `python tests/bench/hold.py`.

The real server and the real client in one process, in real time, with and without `hold`,
at 1, 4 and 15 reports a second, ten actions a second. While it watches, the viewer pauses,
changes the rate and seeks, and tells the client of it. The figures are what the player's
position is beyond an action's trigger when it begins, in milliseconds of the video. What
lies within the round trip behind a seek cannot be there in time, jumps are not sent ahead,
and the rest is the event loop's own. With `hold` the median is to be below 5 ms, whatever
the pace of the reports, and nothing is to be early.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from secrets import token_hex
from statistics import fmean, quantiles

from watchbuddy_core.actions import Expression
from watchbuddy_core.character import Character
from watchbuddy_core.client import Happening, Reached, Ready, WatchClient
from watchbuddy_core.entries import Placed
from watchbuddy_core.entries import Ready as ScriptIsThere
from watchbuddy_core.player import ClockPlayer, WallClock
from watchbuddy_core.session import Parts
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.testing import ScriptedGenerator
from watchbuddy_core.wire import Feature
from watchbuddy_server.app import base_url, create_app, listen, server_config

SECONDS = 20.0
"""Of each run."""
STEP = 0.1


class Run:
    """One client before its player."""

    def __init__(
        self, address: str, session_id: str, features: tuple[Feature, ...], rate: int
    ) -> None:
        self.lateness: list[float] = []
        self.features = features
        self.reports_per_second = rate
        self._player = ClockPlayer(3600.0, clock=WallClock())
        self._ready = asyncio.Event()
        self._client = WatchClient(
            address,
            session_id,
            self._player,
            listen=self._listen,
            interval=1 / rate,
            features=features,
        )

    def _listen(self, happening: Happening) -> None:
        match happening:
            case Ready():
                self._ready.set()
            case Reached(action=action, position=position):
                self.lateness.append(position - action.trigger_timestamp)

    async def watch(self) -> None:
        watching = asyncio.create_task(self._client.run())
        await self._ready.wait()
        for step in range(4):
            await self._player.resume()
            self._client.notice()
            await asyncio.sleep(SECONDS / 8)
            self._player.playback_rate = [1.5, 0.75, 2.0, 1.0][step]
            self._client.notice()
            await asyncio.sleep(SECONDS / 8 - 0.2)
            await self._player.pause()
            self._client.notice()
            await asyncio.sleep(0.2)
            await self._player.seek(600.0 * (step + 1) - 0.05)
            self._client.notice()
        watching.cancel()
        await asyncio.wait([watching])

    def __str__(self) -> str:
        cuts = quantiles(self.lateness, n=100)
        figures = [fmean(self.lateness), cuts[49], cuts[94], cuts[98], max(self.lateness)]
        early = sum(late < 0 for late in self.lateness)
        told = "".join(f"{1000 * figure:>9.1f}" for figure in figures)
        kind = "hold" if self.features else "none"
        return f"{kind:<9}{self.reports_per_second:>7}{len(self.lateness):>9}{told}{early:>7}"


async def measure() -> None:
    import uvicorn

    store = MemoryStore()
    parts = Parts(
        sources=[],
        generator=ScriptedGenerator(),
        characters={"miao": Character(id="miao", name={"en": "Miao"})},
    )
    with listen("127.0.0.1", 0) as listening:
        server = uvicorn.Server(server_config(create_app(parts=parts, store=store)))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:
            await asyncio.sleep(0.01)
        address = base_url(listening)
        print("features reports/s  actions     mean   median     95 %     99 %      max  early")
        choices: Iterable[tuple[Feature, ...]] = ((), ("hold",))
        for features in choices:
            for rate in (1, 4, 15):
                run = Run(address, await _session(store), features, rate)
                await run.watch()
                print(run, flush=True)
        server.should_exit = True
        await serving


async def _session(store: MemoryStore) -> str:
    session_id = f"ses_{token_hex(8)}"
    await store.put(
        SessionRecord(
            session_id=session_id,
            video_url="library:film.mp4",
            character_id="miao",
            created_at=time.time(),
        )
    )
    faces = tuple(
        Expression(trigger_timestamp=round(step * STEP, 3), emotion="joy")
        for step in range(int(3600 / STEP))
        if step * STEP % 600 < 60  # only where the viewer goes
    )
    await store.append(session_id, [Placed(window=0, actions=faces), ScriptIsThere()], None)
    return session_id


if __name__ == "__main__":
    asyncio.run(measure())
