"""What web processes count, let be prepared, and take back: all of them together.

Each has its own store, its own queue and its own generator, as a process has.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from patience import PATIENCE, until
from processes import NewProcess, holds, run, web, worker
from redis_server import RedisServer

from watchbuddy_core.errors import RateLimited, SessionNotFound, StoreFailed, TooManySessions
from watchbuddy_core.session import job_queue as queue_module
from watchbuddy_core.session import saq_jobs as jobs_module
from watchbuddy_core.session import worker as worker_module
from watchbuddy_core.testing import ScriptedGenerator

# --- one job per session -----------------------------------------------------------------


def test_a_session_that_is_submitted_often_has_one_job(
    process: NewProcess, redis: RedisServer
) -> None:
    async def scenario() -> None:
        a, b = process(), process()
        async with web(a) as one, web(b) as other:
            session = await a.session()
            async with asyncio.TaskGroup() as tasks:
                for jobs in (one, other) * 5:
                    tasks.create_task(jobs.submit(session.session_id))
            assert redis.tell("LLEN", "saq:watchbuddy:queued") == 1
            with pytest.raises(SessionNotFound):
                await one.submit("ses_unknown")
            works = process()
            async with worker(works):
                await holds(a.is_done(session))
        assert works.windows == [0, 1, 2]

    run(scenario())


def test_a_session_that_could_not_be_put_into_the_queue_is_prepared_all_the_same(
    process: NewProcess, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known that it is to have a job: what was promised holds."""

    async def scenario() -> None:
        a, works = process(), process()
        put = queue_module.JobQueue.put

        async def put_of_workers(self: Any, session_id: str) -> None:
            if not self.worker_id:
                raise StoreFailed("The Redis is away.")
            await put(self, session_id)

        monkeypatch.setattr(queue_module.JobQueue, "put", put_of_workers)
        async with web(a) as jobs, worker(works):
            session = await a.session()
            await jobs.submit(session.session_id)
            await holds(a.is_done(session))
        assert works.windows == [0, 1, 2]

    run(scenario())


# --- how many ----------------------------------------------------------------------------


def test_the_limits_hold_for_all_processes_together(process: NewProcess) -> None:
    async def scenario() -> None:
        a, b = process(), process()
        limits = {"most": 3, "per_user": 1, "per_caller": 2, "per_address": 2}
        async with web(a, **limits) as one, web(b, **limits) as other:
            async with one.admit("ann", caller="c", address="10.0.0.1"):
                session = await a.session("ann", caller="c", address="10.0.0.1")
                with pytest.raises(RateLimited, match="1 of your sessions"):
                    async with other.admit("ann", caller="c", address="10.0.0.2"):
                        pass
                async with other.admit("ann", caller="d", address="10.0.0.3"):
                    pass  # another caller's user of that name
                await one.submit(session.session_id)
                async with other.admit("bob", caller="c", address="10.0.0.1"):
                    pass  # one that is created counts once
            async with AsyncExitStack() as held:
                await held.enter_async_context(other.admit("bob", caller="c", address="10.0.0.1"))
                for full in (
                    other.admit("eve", caller="e", address="10.0.0.1"),
                    one.admit("eve", caller="c", address="10.0.0.4"),
                ):
                    with pytest.raises(RateLimited, match="2 of your sessions"):
                        await held.enter_async_context(full)
                await held.enter_async_context(one.admit(None, caller="f"))
                with pytest.raises(TooManySessions):
                    await held.enter_async_context(other.admit(None, caller="g"))
            async with other.admit("bob", caller="c", address="10.0.0.1"):
                pass

    run(scenario())


def test_a_session_counts_until_it_is_prepared_or_deleted(
    process: NewProcess, redis: RedisServer, quick: None
) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        a, works = process(), process({0: gate})
        async with web(a, most=2) as jobs, worker(works):
            async with jobs.admit(None):
                deleted = await a.session()
                await jobs.submit(deleted.session_id)
            async with jobs.admit(None):
                prepared = await a.session()
                await jobs.submit(prepared.session_id)
            await until(lambda: len(works.generator.briefs) == 2)
            await until(lambda: redis.tell("ZCARD", "watchbuddy:jobs:busy") == 2)
            with pytest.raises(TooManySessions):
                await jobs.admit(None).__aenter__()
            await jobs.cancel(deleted.session_id)
            async with jobs.admit(None):
                pass

            async def has_room_for_two() -> bool:
                try:
                    async with jobs.admit(None), jobs.admit(None):
                        return True
                except TooManySessions:
                    return False

            assert not await has_room_for_two()
            gate.set()
            await holds(has_room_for_two)

    run(scenario())


def test_an_admission_whose_process_was_killed_counts_for_a_minute_and_no_longer(
    process: NewProcess, redis: RedisServer
) -> None:
    async def scenario() -> None:
        a = process()
        async with web(a, most=1) as jobs:
            killed = jobs.admit(None)
            await killed.__aenter__()
            with pytest.raises(TooManySessions):
                await jobs.admit(None).__aenter__()
            for counted in redis.tell("KEYS", "watchbuddy:jobs:busy*"):
                (name,) = redis.tell("ZRANGE", counted, 0, -1)
                left = float(redis.tell("ZSCORE", counted, name)) - time.time()
                assert 50 < left <= 61
                redis.tell("ZADD", counted, time.time() - 1, name)
            async with jobs.admit(None):
                pass

    run(scenario())


# --- taking back -------------------------------------------------------------------------


def test_a_job_that_nobody_has_taken_up_yet_is_cancelled_at_once(
    process: NewProcess, redis: RedisServer
) -> None:
    async def scenario() -> None:
        a = process()
        async with web(a, most=1) as jobs:
            session = await a.session()
            await jobs.submit(session.session_id)
            await jobs.cancel(session.session_id)
            await jobs.cancel(session.session_id)
            await jobs.cancel("ses_unknown")
            assert redis.tell("LLEN", "saq:watchbuddy:queued") == 0
            async with jobs.admit(None):
                pass

    run(scenario())


def test_a_session_whose_worker_is_dead_can_be_deleted_and_leaves_nothing_behind(
    process: NewProcess, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "_CANCELLING_SECONDS", 0.2)

    async def scenario() -> None:
        a = process()
        async with web(a) as jobs:
            session = await a.session()
            await jobs.submit(session.session_id)
            taken = ("saq:watchbuddy:queued", "saq:watchbuddy:active")
            redis.tell("LMOVE", *taken, "LEFT", "RIGHT")
            await jobs.cancel(session.session_id)
            assert not redis.tell("KEYS", "saq:watchbuddy:[aiq]*")
            assert 0 < redis.tell("TTL", f"saq:job:watchbuddy:{session.session_id}") <= 60

    run(scenario())


# --- whether anybody works ---------------------------------------------------------------


def test_a_worker_whose_generator_is_broken_is_not_among_those_that_work(
    process: NewProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "_TELL_SECONDS", 1)
    monkeypatch.setattr(jobs_module, "_LOOK_SECONDS", 0.1)

    class Broken(ScriptedGenerator):
        async def prepare(self) -> Any:
            raise RuntimeError("no such model")

    async def scenario() -> None:
        a, works, broken = process(), process(), process()
        broken.parts = replace(broken.parts, generator=Broken())
        async with web(a) as jobs:
            await until(lambda: jobs.workers == 0)
            async with worker(works):
                await until(lambda: jobs.workers == 1)
                async with worker(broken) as other:
                    await until(lambda: not other._workshop.generator_works)
                    await asyncio.sleep(1.2)  # it has told so by then
                    assert jobs.workers == 1
            # What a worker has told of itself is over a second after it has ended.
            await until(lambda: jobs.workers == 0)

    run(scenario())


def test_workers_that_could_not_say_that_they_are_there_are_not_missed(
    process: NewProcess, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Redis that was away has forgotten them when it is back, until they say so again."""
    monkeypatch.setattr(jobs_module, "_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(jobs_module, "_UNSEEN_SECONDS", 0.0)
    looks = 0

    def told() -> list[str]:
        return [one.message for one in caplog.records if one.name == "watchbuddy.jobs"]

    async def scenario() -> None:
        nonlocal looks
        async with web(process()) as jobs:

            async def count() -> None:
                nonlocal looks
                looks += 1
                if isinstance(found, StoreFailed):
                    raise found
                jobs.workers = found

            async def look() -> None:
                before = looks
                await until(lambda: looks >= before + 3)

            found: int | StoreFailed = 1
            monkeypatch.setattr(jobs, "_count", count)
            await look()
            found = StoreFailed("It refuses.")
            await until(told)
            assert told() == ["It cannot be seen whether anybody prepares sessions. It refuses."]
            monkeypatch.setattr(jobs_module, "_UNSEEN_SECONDS", PATIENCE)
            found = 0
            await look()
            assert len(told()) == 1, "that they are not there is not known yet"
            found = 1
            await until(lambda: len(told()) == 2)
            assert told()[1] == "There is a worker again."
            monkeypatch.setattr(jobs_module, "_UNSEEN_SECONDS", 0.0)
            found = 0
            await until(lambda: len(told()) == 3)
            assert "Nobody prepares sessions" in told()[2]

    run(scenario())
