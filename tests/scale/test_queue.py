"""The queue of jobs, and a Redis that is lost at the wrong moment."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from patience import PATIENCE
from redis.asyncio import Connection
from redis_server import RedisServer, redis_server
from saq.job import Job, Status

from watchbuddy_core.errors import StoreFailed
from watchbuddy_core.session import job_queue
from watchbuddy_core.session.job_queue import JobQueue, failures_told, open_queue

SESSION = "ses_00000000000000aa"


def test_a_job_that_is_just_being_taken_up_is_not_taken_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its worker has it, and has not said yet that it has begun."""

    async def scenario(server: RedisServer) -> None:
        async with open_queue(server.url) as queue:
            queue.worker_id = "5eeb"
            for _ in range(2):  # the second time, it was this worker that had it before
                await queue.put(SESSION)
                job = await queue.dequeue()
                assert job is not None
                assert await queue.sweep(1) == []
                server.tell("DEL", "saq:watchbuddy:sweep")
                with monkeypatch.context() as later:
                    later.setattr(job_queue, "_BEGINNING_SECONDS", 0)
                    assert await queue.sweep(1) == [job.id]
                assert server.tell("LLEN", "saq:watchbuddy:queued") == 1
                job = await queue.dequeue()
                assert job is not None
                job.attempts, job.worker_id = job.attempts + 1, queue.worker_id
                await job.update(status="active")
                await queue.touch([job])
                server.tell("DEL", "saq:watchbuddy:sweep")
                assert await queue.sweep(1) == [], "it is at work"
                await queue.retry(job, "an error")
                server.tell("DEL", "saq:watchbuddy:sweep", "saq:watchbuddy:incomplete")

    with redis_server() as server:
        asyncio.run(scenario(server))


def test_who_asks_the_queue_can_be_cancelled_at_any_moment() -> None:
    """Else a worker that is told to end while it connects goes on asking for ever."""

    async def scenario(server: RedisServer) -> None:
        for moment in range(40):
            async with open_queue(server.url) as queue:
                asking = asyncio.create_task(_ask_often(queue))
                for _ in range(moment):
                    await asyncio.sleep(0)
                asking.cancel()
                await asyncio.wait([asking], timeout=PATIENCE)
                assert asking.done()

    with redis_server() as server:
        asyncio.run(scenario(server))


async def _ask_often(queue: JobQueue) -> None:
    await queue.missing([SESSION])
    await asyncio.sleep(2 * PATIENCE)


def test_a_worker_that_is_silent_loses_its_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(server: RedisServer) -> None:
        async with open_queue(server.url) as queue, open_queue(server.url) as other:
            queue.worker_id, other.worker_id = "5eeb", "07e4"
            await queue.put(SESSION)
            job = await queue.dequeue()
            assert job is not None
            job.attempts, job.worker_id = 1, queue.worker_id
            await job.update(status="active")
            assert await queue.touch([job]) == []
            assert await other.sweep(1) == []
            server.tell("DEL", "saq:watchbuddy:sweep", "watchbuddy:worker:5eeb")
            assert await other.sweep(1) == [job.id]
            assert await queue.touch([job]) == [job]
            await queue.finish(job, Status.COMPLETE)
            assert server.tell("ZCARD", "saq:watchbuddy:incomplete") == 1, "not its business"

    with redis_server() as server:
        asyncio.run(scenario(server))


@pytest.mark.parametrize("what", ["retry", "finish"])
def test_what_comes_of_an_attempt_is_settled_once(what: str) -> None:
    """By whoever found its worker silent, by another who saw the same and was held up, or by that
    worker itself, which was but slow: each of them looked before the first one wrote."""

    async def scenario(server: RedisServer) -> None:
        async with (
            open_queue(server.url) as slow,
            open_queue(server.url) as first,
            open_queue(server.url) as second,
        ):
            slow.worker_id, first.worker_id, second.worker_id = "510e", "f125", "5ec0"
            await slow.put(SESSION)
            its_own = await _taken(slow)
            seen = [await first.job(SESSION), await second.job(SESSION)]
            assert seen[0] is not None
            assert seen[1] is not None
            await first.retry(seen[0], "swept")
            next_one = await _taken(first)
            for queue, job in ((second, seen[1]), (slow, its_own)):
                if what == "retry":
                    await queue.retry(job, "swept")
                else:
                    await queue.finish(job, Status.ABORTED)
            assert await first.touch([next_one]) == [], "it is still at work"
            assert server.tell("LLEN", "saq:watchbuddy:queued") == 0
            assert server.tell("LLEN", "saq:watchbuddy:active") == 1
            await first.finish(next_one, Status.COMPLETE, result=7)
            await second.retry(seen[1], "swept")
            assert server.tell("LLEN", "saq:watchbuddy:queued") == 0
            assert server.tell("LLEN", "saq:watchbuddy:active") == 0
            assert server.tell("ZCARD", "saq:watchbuddy:incomplete") == 0
            kept = await first.job(SESSION)
            assert kept is not None
            assert (kept.status, kept.attempts, kept.result) == (Status.COMPLETE, 2, 7)
            assert 0 < server.tell("TTL", next_one.id) <= 60

    with redis_server() as server:
        asyncio.run(scenario(server))


async def _taken(queue: JobQueue) -> Job:
    """A job, as a worker begins it."""
    job = await queue.dequeue()
    assert job is not None
    job.attempts, job.worker_id = job.attempts + 1, queue.worker_id
    await job.update(status="active")
    await queue.touch([job])
    return job


def test_a_connection_that_is_lost_while_it_is_made_is_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """uvloop says so with a RuntimeError, which redis-py knows nothing of."""
    send, times = Connection.send_packed_command, 0

    async def lost(self: Connection, *args: Any, **more: Any) -> None:
        nonlocal times
        times -= 1
        if times >= 0:
            raise RuntimeError("unable to perform operation on <TCPTransport>; it is closed")
        await send(self, *args, **more)

    async def scenario(url: str) -> None:
        nonlocal times
        async with open_queue(url, is_hasty=True) as queue:
            times = 2
            await queue.put(SESSION)
            times = 0
            assert await queue.missing([SESSION]) == []
        with pytest.raises(StoreFailed):
            async with failures_told():
                raise RuntimeError("unable to perform operation on <TCPTransport>; it is closed")

    monkeypatch.setattr(Connection, "send_packed_command", lost)
    with redis_server() as server:
        asyncio.run(scenario(server.url))
