"""What is asked of a Redis, where that is easily more than it need be."""

from __future__ import annotations

import asyncio

from redis_server import RedisServer, redis_server

from watchbuddy_core.session.job_queue import open_queue
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.redis import RedisStore


def record(number: int) -> SessionRecord:
    return SessionRecord(
        session_id=f"ses_{number:016x}",
        video_url=f"library:{number}.mp4",
        character_id="miao",
        created_at=float(number),
    )


def records_read(server: RedisServer) -> int:
    """How many fields of hashes were asked for, which is how a record is read."""
    calls = server.tell("INFO", "commandstats").get("cmdstat_hget", {"calls": 0})
    return int(calls["calls"])


def test_who_lists_sessions_again_reads_only_those_that_are_new() -> None:
    """Each process does it several times a minute, however many sessions there are."""

    async def main(server: RedisServer) -> None:
        async with RedisStore(server.url) as here, RedisStore(server.url) as there:
            for number in range(5):
                await here.put(record(number))
            assert await there.list() == [record(number) for number in range(5)]
            before = records_read(server)
            assert await there.list() == [record(number) for number in range(5)]
            assert records_read(server) == before

            await here.put(record(5))
            await here.delete(record(0).session_id)
            assert await there.list() == [record(number) for number in range(1, 6)]
            assert records_read(server) == before + 1

    with redis_server() as server:
        asyncio.run(main(server))


def test_a_worker_that_looks_whether_jobs_are_to_end_is_sent_no_others() -> None:
    """It looks twice a second, at all that it has taken up."""

    async def main(server: RedisServer) -> None:
        async with open_queue(server.url) as queue:
            for session_id in ("ses_1", "ses_2", "ses_3"):
                await queue.put(session_id)
            taken = [await queue.dequeue() for _ in range(3)]
            assert await queue.touch([job for job in taken if job]) is not None
            assert await queue.jobs(["ses_1", "ses_2", "ses_3", "ses_4"]) == []
            assert await queue.jobs([]) == []
            job = await queue.job("ses_2")
            assert job is not None
            await queue.abort(job, "the session is over")
            (ending,) = await queue.jobs(["ses_1", "ses_2", "ses_3"])
            assert ending is not None
            assert (ending.key, ending.status) == ("ses_2", "aborting")

    with redis_server() as server:
        asyncio.run(main(server))
