"""More than one process: web processes and workers around one Redis, behind one address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from redis_server import RedisServer, redis_server

from crashing.balancer import Balancer
from crashing.place import Call, Place, Program, free_port
from watchbuddy_core.entries import Logged
from watchbuddy_core.stores.redis import RedisStore

_SETTINGS = {
    "limits__preparing": 8,
    "limits__waiting": 1000,
    "limits__waiting_per_user": 1000,
    "limits__waiting_per_caller": 1000,
    "limits__waiting_per_address": 1000,
    "limits__creations_per_minute": 100_000,
    "limits__creations_per_minute_per_address": 100_000,
    "limits__requests_per_minute": 100_000,
    "limits__connects_per_minute": 100_000,
    "limits__connections_per_address": 10_000,
    "budget__day": 1000.0,
}
"""All viewers come from one address, and some of them often."""


@dataclass(frozen=True, slots=True)
class Web:
    """One web process."""

    program: Program
    port: int

    @property
    def url(self) -> str:
        """Its own address, past the balancer."""
        return f"http://127.0.0.1:{self.port}"

    async def up(self) -> None:
        await self.program.answers(f"{self.url}/health/ready")


@dataclass(frozen=True, slots=True)
class Installation:
    """All that runs. Each program has a data folder of its own, as if on a machine of its own."""

    place: Place
    redis: RedisServer
    webs: Sequence[Web]
    workers: Sequence[Program]
    store: RedisStore
    _balancer: Balancer

    @property
    def url(self) -> str:
        """The one address that clients know."""
        return f"http://127.0.0.1:{self._balancer.port}"

    def calls(self) -> Sequence[Call]:
        return self.place.calls()

    async def log(self, session_id: str) -> Sequence[Logged]:
        return await self.store.read(session_id)


@asynccontextmanager
async def installation(
    folder: Path, films: Path, *, webs: int = 2, workers: int = 2, window_seconds: float
) -> AsyncIterator[Installation]:
    """Everything is up, and ends with the context."""
    place = Place(folder, films, window_seconds=window_seconds, settings=_SETTINGS)
    async with AsyncExitStack() as held:
        redis = held.enter_context(redis_server())
        options = ("--store", redis.url, "--jobs", "saq")
        ports = [free_port() for _ in range(webs)]
        running = [
            Web(place.program("serve", "--port", str(port), *options, data=f"web {port}"), port)
            for port in ports
        ]
        working = [
            place.program("worker", "--store", redis.url, data=f"worker {i}")
            for i in range(workers)
        ]
        balancer = Balancer(ports)
        await held.enter_async_context(balancer.listening())
        for program in [*working, *(web.program for web in running)]:
            await program.start()
            held.push_async_callback(program.end)
        async with asyncio.TaskGroup() as tasks:
            for web in running:
                tasks.create_task(web.up())
        store = await held.enter_async_context(RedisStore(redis.url))
        yield Installation(place, redis, running, working, store, balancer)
