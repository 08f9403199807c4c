"""What it costs that nothing is lost: `python tests/bench/store.py`.

Two thousand sessions, each with somebody who follows its log, append one entry a second for ten
seconds: in memory; in a file with every entry on the disk before `append` returns; in a Redis that
does the same (`appendfsync always`), with its followers in the same process and in another store.
Told are how long an append took, in milliseconds, and the share of one core, side by side; of the
Redis, commands, bytes and its share of a core.
"""

from __future__ import annotations

import asyncio
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import quantiles

sys.path.append(str(Path(__file__).parents[1] / "support"))

from redis_server import RedisServer, redis_server

from watchbuddy_core.entries import Wanted
from watchbuddy_core.storage import Store
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.stores.redis import RedisStore
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


@asynccontextmanager
async def in_a_redis(folder: Path) -> AsyncIterator[Store]:
    with redis_server() as server:
        async with RedisStore(server.url) as store:
            before = Counter(numbers_of(server))
            yield store
            used = Counter(numbers_of(server))
            used.subtract(before)
            print(
                f"  its Redis, for each append: {used['calls'] / used['appends']:.2f} commands,"
                f" {used['total_net_input_bytes'] / used['appends']:.0f} bytes in,"
                f" {used['total_net_output_bytes'] / used['appends']:.0f} bytes out,"
                f" {used['used_memory'] / used['appends']:.0f} bytes of memory;"
                f" {100 * used['cpu'] / SECONDS:.0f} % of a core"
            )


def numbers_of(server: RedisServer) -> dict[str, float]:
    told = server.tell("INFO", "everything")
    scripts = told.get("cmdstat_evalsha", {"calls": 0})["calls"]
    return {
        "calls": sum(value["calls"] for name, value in told.items() if name[:8] == "cmdstat_")
        - told.get("cmdstat_info", {"calls": 0})["calls"],
        "appends": scripts,
        "cpu": told["used_cpu_user"] + told["used_cpu_sys"],
        **{
            name: told[name]
            for name in ("total_net_input_bytes", "total_net_output_bytes", "used_memory")
        },
    }


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
    stores = {"in memory": in_memory, "in a file": in_a_file, "in a Redis": in_a_redis}
    for name, opened in stores.items():
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
    for name in ("in a file", "in a Redis"):
        print(f"ratio of the shares, {name}: {middles[name] / middles['in memory']:.1f}")


if __name__ == "__main__":
    asyncio.run(main())
