"""What it costs that nothing is lost: `python tests/bench/store.py`.

Two thousand sessions, each with somebody who follows its log, append one entry a second for ten
seconds: in memory, and in a file with every entry on the disk before `append` returns. Told are
how long an append took, in milliseconds, and the share of one core, side by side.
"""

from __future__ import annotations

import asyncio
import random
import resource
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import quantiles

from watchbuddy_core.entries import Wanted
from watchbuddy_core.protocols import Store
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.stores.sqlite import SQLiteStore

SESSIONS = 2000
SECONDS = 10.0


@asynccontextmanager
async def in_memory(_: Path) -> AsyncIterator[Store]:
    yield MemoryStore()


@asynccontextmanager
async def in_a_file(folder: Path) -> AsyncIterator[Store]:
    async with SQLiteStore(folder / "sessions.sqlite") as store:
        yield store


async def load(store: Store) -> tuple[list[float], float, int]:
    """How long each append took, in seconds; the share of a core; how much followers saw."""
    sessions = [f"ses_{number:016x}" for number in range(SESSIONS)]
    fences = {one: await store.fence(one, "deliverer") for one in sessions}
    took: list[float] = []
    seen = 0
    stop = time.monotonic() + SECONDS

    async def follow(session_id: str) -> None:
        nonlocal seen
        async for _ in store.follow(session_id):
            seen += 1

    async def watch(session_id: str) -> None:
        await asyncio.sleep(random.random())
        position = 0.0
        while time.monotonic() < stop:
            began = time.perf_counter()
            await store.append(session_id, [Wanted(position=position)], fences[session_id])
            took.append(time.perf_counter() - began)
            position += 1.0
            await asyncio.sleep(1.0)

    before = resource.getrusage(resource.RUSAGE_SELF)
    async with asyncio.TaskGroup() as tasks:
        following = [tasks.create_task(follow(one)) for one in sessions]
        await asyncio.gather(*map(watch, sessions))
        for task in following:
            task.cancel()
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return took, used / SECONDS, seen


async def main() -> None:
    middles = {}
    for name, opened in (("in memory", in_memory), ("in a file", in_a_file)):
        with tempfile.TemporaryDirectory() as folder:
            async with opened(Path(folder)) as store:
                took, share, seen = await load(store)
        assert seen == len(took)
        cuts = quantiles(took, n=100)
        middles[name] = share
        print(
            f"{name}: {len(took)} appends, {1000 * cuts[49]:.2f} ms in the middle,"
            f" {1000 * cuts[98]:.2f} ms at 99 %, {1000 * max(took):.1f} ms at most;"
            f" {100 * share:.0f} % of a core"
        )
    print(f"ratio of the shares {middles['in a file'] / middles['in memory']:.1f}")


if __name__ == "__main__":
    asyncio.run(main())
