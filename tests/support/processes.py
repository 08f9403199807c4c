"""Web processes and workers of an installation, inside the process of a test.

Each has its own store, its own queue and its own generator, as a process has, and can be stopped
anywhere. Real programs are in `crashing`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from patience import PATIENCE
from redis_server import RedisServer

from watchbuddy_core.actions import Draft, Speak
from watchbuddy_core.character import Character
from watchbuddy_core.session import Parts, WatchSession
from watchbuddy_core.session.saq_jobs import SaqJobs
from watchbuddy_core.session.worker import Worker
from watchbuddy_core.stores.files import FileCache
from watchbuddy_core.stores.redis import RedisStore
from watchbuddy_core.testing import MemorySource, ScriptedGenerator
from watchbuddy_core.video import Video
from watchbuddy_core.wire import CreateSession

NewProcess = Callable[..., "Process"]
"""Makes one, whose generator waits for an event before a window, by the window's number."""


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run it to its end, in an event loop of its own."""
    asyncio.run(asyncio.wait_for(scenario, PATIENCE))


class Process:
    """What one process has: its parts, and the store as it sees it."""

    url = "memory:film"

    def __init__(
        self, redis: RedisServer, film: Video, folder: Path, *, waits: dict[int, asyncio.Event]
    ) -> None:
        drafts = [
            Draft(
                action=Speak(trigger_timestamp=10.0 + 14 * i, text=f"{word} it is."),
                evidence_until=0.0,
                importance=0.5,
            )
            for i, word in enumerate("abcdefghijklmnopqrstuvwxyz")
        ]
        self.redis = redis
        self.source = MemorySource({self.url: film})
        self.generator = ScriptedGenerator(drafts, waits=waits)
        self.parts = Parts(
            sources=[self.source],
            generator=self.generator,
            characters={"miao": Character(id="miao", name={"en": "Miao"})},
            cache=FileCache(folder / "understood"),
            patience=0.3,
        )
        self.store = RedisStore(redis.url)

    @property
    def windows(self) -> list[int]:
        """Which its generator was asked for."""
        return [brief.window.index for brief in self.generator.briefs]

    async def session(
        self, user_id: str | None = None, *, caller: str = "", address: str | None = None
    ) -> WatchSession:
        """One that is kept, and has no job."""
        request = CreateSession(video_url="library:film", character_id="miao", user_id=user_id)
        session = await WatchSession.create(
            request,
            store=self.store,
            parts=self.parts,
            created_at=0.0,
            caller=caller,
            address=address,
        )
        record = session.record.model_copy(update={"video_url": self.url})
        await self.store.put(record)
        return await WatchSession.find(record.session_id, store=self.store, parts=self.parts)

    def is_done(self, session: WatchSession) -> Callable[[], Coroutine[Any, Any, bool]]:
        async def is_done() -> bool:
            return (await session.status()).status != "preparing"

        return is_done


@asynccontextmanager
async def web(process: Process, **limits: Any) -> AsyncIterator[SaqJobs]:
    """A web process."""
    async with (
        process.store,
        SaqJobs(store=process.store, url=process.redis.url, **limits) as jobs,
    ):
        yield jobs


@asynccontextmanager
async def worker(process: Process, *, concurrency: int = 2) -> AsyncIterator[Worker]:
    """A worker, which is told to end with the context."""
    async with process.store:
        made = Worker(
            store=process.store,
            parts=process.parts,
            url=process.redis.url,
            concurrency=concurrency,
            stop_seconds=1.0,
        )
        working = asyncio.create_task(made.run())
        try:
            yield made
        finally:
            working.cancel()
            await asyncio.wait([working])
            if not working.cancelled():
                raise working.exception() or AssertionError("it has ended by itself")


async def holds(condition: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Wait until it does."""
    while not await condition():
        await asyncio.sleep(0.02)


def job(redis: RedisServer, session_id: str) -> dict[str, Any]:
    """What the queue knows of a session's job."""
    found: dict[str, Any] = json.loads(redis.tell("GET", f"saq:job:watchbuddy:{session_id}"))
    return found


def wear_out(redis: RedisServer, session: WatchSession) -> None:
    """Leave its job as SAQ does that finds it silent in its last attempt."""
    last = {**job(redis, session.session_id), "attempts": 20, "status": "aborted"}
    redis.tell("DEL", "saq:watchbuddy:queued", "saq:watchbuddy:incomplete")
    redis.tell("SET", f"saq:job:watchbuddy:{session.session_id}", json.dumps(last))
