"""What workers do with the jobs of sessions, stopped anywhere.

Each has its own store, its own queue and its own generator, as a process has.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import pytest
from logged import warnings_in
from patience import until
from processes import NewProcess, Process, holds, job, run, wear_out, web, worker
from redis_server import RedisServer, redis_server

from watchbuddy_core.actions import Draft
from watchbuddy_core.entries import Asked, Failed, Logged, Scripted, Stage, Wanted
from watchbuddy_core.errors import StoreFailed
from watchbuddy_core.events import SeekUpdate, TimestampUpdate
from watchbuddy_core.session import WatchSession
from watchbuddy_core.session import job_queue as queue_module
from watchbuddy_core.session.worker import Worker
from watchbuddy_core.stores.redis import RedisStore
from watchbuddy_core.video import Video


def test_what_is_said_while_a_job_ends_is_answered(
    process: NewProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is still in the queue then, so that nothing new is put there."""

    async def scenario() -> None:
        a, works = process(), process()
        produce, is_through, may_end = WatchSession.produce, asyncio.Event(), asyncio.Event()

        async def slow_to_end(self: WatchSession, **options: Any) -> int:
            seen = await produce(self, **options)
            is_through.set()
            await may_end.wait()
            return seen

        monkeypatch.setattr(WatchSession, "produce", slow_to_end)
        async with web(a) as jobs, worker(works):
            session = await a.session()
            await jobs.submit(session.session_id)
            await is_through.wait()
            asked = Asked(message_id="m1", text="Who is that?", position=5.0)
            await a.store.append(session.session_id, [asked], None)
            await jobs.submit(session.session_id)
            may_end.set()

            async def is_answered() -> bool:
                entries = await a.store.read(session.session_id)
                return any(one.entry.kind == "replied" for one in entries)

            await holds(is_answered)

    run(scenario())


def test_a_session_whose_process_was_killed_before_it_had_a_job_gets_one(
    process: NewProcess, redis: RedisServer, quick: None
) -> None:
    async def scenario() -> None:
        a, works = process(), process()
        async with web(a) as jobs:
            session = await a.session()
            await jobs.submit(session.session_id)
            job = f"saq:job:watchbuddy:{session.session_id}"
            redis.tell("DEL", "saq:watchbuddy:queued", "saq:watchbuddy:incomplete", job)
            async with worker(works):
                await holds(a.is_done(session))

    run(scenario())


def test_a_seek_at_a_web_process_changes_what_a_worker_does_next(process: NewProcess) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        a, works = process(), process({0: gate})
        async with web(a) as jobs, worker(works, concurrency=1):
            session = await a.session()
            async with session.connect() as delivery:
                delivery.receive(TimestampUpdate(0.0), now=0.0)
                await jobs.submit(session.session_id)
                await until(lambda: works.windows == [0])

                async def read() -> None:
                    async for _ in delivery:
                        pass

                reading = asyncio.create_task(read())

                # What is new is heard of at the same time by all who follow at a process; but who
                # has just begun to may read it before that.
                async with aclosing(works.store.follow(session.session_id)) as log:
                    stands = len(await works.store.read(session.session_id))
                    while (await anext(log)).position < stands:
                        pass
                    delivery.receive(SeekUpdate(290.0), now=1.0)
                    async for logged in log:
                        if isinstance(logged.entry, Wanted) and logged.entry.position == 290.0:
                            break
                gate.set()
                await holds(a.is_done(session))
                reading.cancel()
                await asyncio.wait([reading])
        assert works.windows == [0, 2, 1]

    run(scenario())


def test_one_that_was_thought_dead_stops_and_says_nothing_of_the_job_any_more(
    process: NewProcess, redis: RedisServer, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hangs for as long as it takes to be thought dead, and then goes on."""

    async def scenario() -> None:
        never, gate = asyncio.Event(), asyncio.Event()
        a, stuck, next_one = process(), process({0: never}), process({0: gate})
        touch = queue_module.JobQueue.touch
        hangs: set[str] = set()

        async def touch_unless_it_hangs(self: Any, jobs: Any) -> Any:
            if self.worker_id in hangs:
                raise StoreFailed("It hangs.")
            return await touch(self, jobs)

        monkeypatch.setattr(queue_module.JobQueue, "touch", touch_unless_it_hangs)
        async with web(a) as jobs:
            session = await a.session()
            async with worker(stuck) as revived:
                await jobs.submit(session.session_id)
                await until(lambda: stuck.windows == [0])
                hangs.add(revived._queue.worker_id)
                revived._queue.close()
                async with worker(next_one):
                    await until(lambda: next_one.windows == [0])
                    hangs.clear()
                    await until(lambda: not revived._jobs)
                    assert job(redis, session.session_id)["status"] == "active"
                    gate.set()
                    await holds(a.is_done(session))
        entries = [one.entry for one in await _log_of(session, redis)]
        made = [one.window.index for one in entries if isinstance(one, Scripted)]
        assert made == [0, 1, 2]
        assert stuck.windows == [0]

    run(scenario())


def test_a_worker_without_the_file_fetches_it_again(
    process: NewProcess, long_film: Video, tmp_path: Path
) -> None:
    """The log names the one of the process that has begun, which may be anywhere."""

    async def scenario() -> None:
        never = asyncio.Event()
        a, first, second = process(), process({1: never}), process()
        assert long_film.path is not None
        own = long_film.model_copy(
            update={"path": shutil.copy(long_film.path, tmp_path / "own.mp4")}
        )
        second.source.videos[Process.url] = own
        async with web(a) as jobs:
            session = await a.session()
            await jobs.submit(session.session_id)
            async with worker(first):
                await until(lambda: 1 in first.windows)
            async with worker(second):
                await holds(a.is_done(session))
            stages = [
                one.entry
                for one in await a.store.read(session.session_id)
                if isinstance(one.entry, Stage) and one.entry.video is not None
            ]
        assert len(second.source.requests) == 1
        assert second.windows == [1, 2]
        assert {one.video and one.video.path for one in stages[-1:]} == {tmp_path / "own.mp4"}

    run(scenario())


def test_a_worker_that_ends_gives_back_what_does_not_end(
    process: NewProcess, redis: RedisServer
) -> None:
    """A plugin may not care that it is cancelled."""

    async def scenario() -> None:
        a, stubborn, next_one = process(), process(), process()
        may_end, is_asked = asyncio.Event(), asyncio.Event()
        generate = stubborn.generator.generate

        async def not_to_be_cancelled(brief: Any) -> AsyncIterator[Draft]:
            is_asked.set()
            while not may_end.is_set():
                with suppress(asyncio.CancelledError):
                    await may_end.wait()
            async for draft in generate(brief):
                yield draft

        stubborn.generator.generate = not_to_be_cancelled
        async with web(a) as jobs:
            session = await a.session()
            async with stubborn.store:
                ending = asyncio.create_task(_end_when(is_asked, stubborn))
                await jobs.submit(session.session_id)
                await is_asked.wait()
                async with worker(next_one):
                    await until(lambda: next_one.windows)
                    # One that has to be found out counts: this would be the second attempt.
                    assert job(redis, session.session_id)["attempts"] == 1
                    await holds(a.is_done(session))
                may_end.set()
                await ending

    run(scenario())


async def _end_when(event: asyncio.Event, process: Process) -> None:
    """Run a worker that is told to end as soon as something has happened."""
    made = Worker(store=process.store, parts=process.parts, url=process.redis.url, stop_seconds=0.2)
    working = asyncio.create_task(made.run())
    await event.wait()
    working.cancel()
    await asyncio.wait([working])


# --- sessions that nobody is to prepare any more -------------------------------------------


def test_a_session_that_is_gone_when_its_turn_comes_leaves_nothing_behind(
    process: NewProcess, redis: RedisServer, quick: None
) -> None:
    async def scenario() -> None:
        a, works = process(), process()
        async with web(a) as jobs:
            session = await a.session()
            await jobs.submit(session.session_id)
            await a.store.delete(session.session_id)
            async with worker(works):
                await until(lambda: not redis.tell("HLEN", "watchbuddy:jobs:open"))
                await until(lambda: not redis.tell("ZCARD", "saq:watchbuddy:incomplete"))
                await until(lambda: not redis.tell("ZCARD", "watchbuddy:jobs:busy"))

    run(scenario())


def test_a_session_that_is_gone_while_its_worker_cannot_hear_is_not_made_once_more(
    process: NewProcess, quick: None, redis: RedisServer
) -> None:
    """Deleted, or lost with what a Redis had not written down."""

    async def scenario() -> None:
        a, works = process(), process(waits={1: asyncio.Event(), 2: asyncio.Event()})
        async with web(a) as jobs, worker(works) as one:
            session = await a.session()
            await jobs.submit(session.session_id)
            await until(lambda: works.windows == [0, 1])
            leaps = Wanted(position=290.0, moved=True)
            fence = await a.store.fence(session.session_id, "deliverer")
            await a.store.append(session.session_id, [leaps], fence)
            await until(lambda: works.windows == [0, 1, 2])  # so it has heard, until now
            keys = redis.tell("KEYS", f"*{session.session_id}*")
            redis.tell("DEL", *[key for key in keys if not key.startswith(b"saq")])
            redis.tell("CLIENT", "KILL", "TYPE", "pubsub")
            await until(lambda: not one._jobs)
            assert works.windows == [0, 1, 2]
            assert not redis.tell("KEYS", f"*{session.session_id}}}:log")

    run(scenario())


def test_a_session_of_which_worker_after_worker_dies_fails(
    process: NewProcess, redis: RedisServer, quick: None
) -> None:
    async def scenario() -> None:
        a, works = process(), process()
        async with web(a) as jobs:
            session = await a.session()
            await jobs.submit(session.session_id)
            wear_out(redis, session)
            async with worker(works):
                await holds(a.is_done(session))
                await until(lambda: not redis.tell("HLEN", "watchbuddy:jobs:open"))
            error = (await session.status()).error
            assert error is not None
            assert error.code == "INTERNAL_ERROR"
            assert works.windows == []

    run(scenario())


def test_a_session_is_given_up_once(process: NewProcess, redis: RedisServer, quick: None) -> None:
    """Whoever gave it up was killed before its job was out of the list."""

    async def scenario() -> None:
        a, works = process(), process()
        async with web(a) as jobs:
            session = await a.session()
            await jobs.submit(session.session_id)
            wear_out(redis, session)
            failed = Failed(code="INTERNAL_ERROR", message="The server failed.")
            fence = await a.store.fence(session.session_id, "producer")
            await a.store.append(session.session_id, [failed], fence)
            before = await a.store.read(session.session_id)
            async with worker(works):
                await until(lambda: not redis.tell("HLEN", "watchbuddy:jobs:open"))
            assert await a.store.read(session.session_id) == before

    run(scenario())


def test_a_session_that_nobody_can_see_to_keeps_no_other_from_its_job(
    process: NewProcess,
    redis: RedisServer,
    quick: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        a, works = process(), process()
        async with web(a) as jobs:
            sessions = [await a.session() for _ in range(3)]
            for session in sessions:  # seen to in this order
                await jobs.submit(session.session_id)
            damaged, strange, sound = sessions
            wear_out(redis, damaged)
            redis.tell("XADD", f"watchbuddy:{{{damaged.session_id}}}:log", "1-0", "entry", "none")
            queued = [f"saq:job:watchbuddy:{one.session_id}" for one in (strange, sound)]
            redis.tell("DEL", *queued)
            put = queue_module.JobQueue.put

            async def put_all_but_one(self: Any, session_id: str) -> None:
                if session_id == strange.session_id:
                    raise ZeroDivisionError
                await put(self, session_id)

            monkeypatch.setattr(queue_module.JobQueue, "put", put_all_but_one)
            async with worker(works):
                await holds(a.is_done(sound))
            assert works.windows == [0, 1, 2]
        told = {one.message for one in caplog.records}
        assert f"session {strange.session_id}: nobody can see to its job" in told
        assert any(one.startswith(f"session {damaged.session_id}: its job has to") for one in told)

    caplog.set_level(logging.INFO, logger="watchbuddy.jobs")
    run(scenario())


# --- while the Redis is away ---------------------------------------------------------------


def test_while_the_redis_is_away_nothing_is_promised_and_nobody_works_themselves_to_death(
    long_film: Video,
    quick: None,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is in work goes on when it is back, and is not begun again by others."""
    monkeypatch.setattr(queue_module, "_HASTY_RETRIES", 2)

    async def scenario(redis: RedisServer) -> None:
        gate = asyncio.Event()
        a = Process(redis, long_film, tmp_path, waits={})
        works = Process(redis, long_film, tmp_path, waits={1: gate})
        other = Process(redis, long_film, tmp_path, waits={})
        async with web(a) as jobs, worker(works) as one:
            session, new = await a.session(), await a.session()
            await jobs.submit(session.session_id)
            await until(lambda: 1 in works.windows)
            async with worker(other):
                await until(lambda: one._may_sweep())
                redis.kill()
                began = time.process_time(), time.monotonic()
                monkeypatch.setattr(a.store, "get", _known(new))
                with pytest.raises(StoreFailed):
                    await jobs.submit(new.session_id)
                await asyncio.sleep(max(0.0, began[1] + 2.5 - time.monotonic()))
                used = time.process_time() - began[0]
                waited = time.monotonic() - began[1]
                redis.start()
                gate.set()
                await holds(a.is_done(session))
        assert used < waited / 2, "an attempt now and then, and not as many as there can be"
        assert works.windows.count(1) == 1
        assert other.windows == []

    with redis_server() as redis:
        run(scenario(redis))
    told = warnings_in(caplog)
    assert len(told) < 20, [one.getMessage() for one in told]
    assert not any(one.exc_info for one in told)


def _known(session: WatchSession) -> Callable[[str], Coroutine[Any, Any, Any]]:
    async def get(session_id: str) -> Any:
        return session.record

    return get


async def _log_of(session: WatchSession, redis: RedisServer) -> Sequence[Logged]:
    async with RedisStore(redis.url) as store:
        return await store.read(session.session_id)


def test_a_worker_ends_also_where_its_redis_does_not_answer_any_more(
    process: NewProcess, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its work does not end by itself then: whoever has paid wants it to be written down."""

    async def scenario() -> None:
        a, works = process(), process(waits={0: asyncio.Event()})
        produce = WatchSession.produce

        async def pay(self: WatchSession, **options: Any) -> int:
            try:
                return await produce(self, **options)
            finally:
                await works.store.settle(["2026-01-31/"], 0.0, 0.1)

        monkeypatch.setattr(WatchSession, "produce", pay)
        is_at_work = asyncio.Event()
        async with web(a) as jobs, works.store:
            ending = asyncio.create_task(_end_when(is_at_work, works))
            session = await a.session()
            await jobs.submit(session.session_id)
            await until(lambda: works.windows)
            with redis.silent():
                is_at_work.set()
                await ending

    run(scenario())
