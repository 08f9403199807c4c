"""A worker keeps what sessions of the store use, and no more: it fetches, too."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress

import pytest
from event_loop import in_event_loop
from machines import seen_elsewhere
from patience import PATIENCE
from redis_server import RedisServer

from watchbuddy_core.session import Parts, worker
from watchbuddy_core.session.worker import Worker
from watchbuddy_core.stores.redis import RedisStore
from watchbuddy_core.testing import MemorySource, ScriptedGenerator


class Keeping(MemorySource):
    """A source that is told what is in use."""

    def __init__(self) -> None:
        super().__init__({})
        self.in_use: set[str] | None = None

    async def tidy(self, in_use: Collection[str]) -> None:
        self.in_use = set(in_use)
        raise RuntimeError("the disk is gone")  # which ends nothing


@in_event_loop
async def test_a_worker_tidies_up_after_the_sessions_of_all_processes(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_TIDY_SECONDS", 0.02)
    session_id = await seen_elsewhere(redis, "memory:film")
    source = Keeping()
    parts = Parts(sources=[source], generator=ScriptedGenerator(()), characters={})
    async with asyncio.timeout(PATIENCE), RedisStore(redis.url) as store:
        working = asyncio.create_task(
            Worker(store=store, parts=parts, url=redis.url, stop_seconds=0.1).run()
        )
        while source.in_use != {"memory:film"}:
            await asyncio.sleep(0.01)
        await store.delete(session_id)
        while source.in_use:
            await asyncio.sleep(0.01)
        assert not working.done()
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
