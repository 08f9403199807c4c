"""Jobs of sessions in a Redis, with web processes and workers that a test can stop anywhere.

Each has its own store, its own queue and its own generator, as a process has.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE, until
from redis_server import RedisServer, redis_server
from shared import made_once

from watchbuddy_core.actions import Draft, Speak
from watchbuddy_core.character import Character
from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.entries import Asked, Failed, Scripted, Stage, Wanted
from watchbuddy_core.errors import RateLimited, SessionNotFound, StoreFailed, TooManySessions
from watchbuddy_core.events import SeekUpdate, TimestampUpdate
from watchbuddy_core.session import Parts, WatchSession
from watchbuddy_core.session import job_queue as queue_module
from watchbuddy_core.session import saq_jobs as jobs_module
from watchbuddy_core.session import worker as worker_module
from watchbuddy_core.session.saq_jobs import SaqJobs
from watchbuddy_core.session.worker import Worker
from watchbuddy_core.stores.files import FileCache
from watchbuddy_core.stores.redis import RedisStore
from watchbuddy_core.testing import MemorySource, ScriptedGenerator
from watchbuddy_core.video import SubtitleFile, Video
from watchbuddy_core.wire import CreateSession

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Video:
    """Three windows long, with subtitles: then nobody has to listen for who speaks."""

    def make(folder: Path) -> None:
        folder.mkdir()
        shots = [Shot(300.0, Picture.STILL, Tone.SILENCE)]
        make_clip(folder / "film.mp4", shots, size=(64, 36), frame_rate=1)
        (folder / "film.srt").write_text("1\n00:00:05,000 --> 00:00:06,000\nWell.\n")

    folder = made_once(tmp_path_factory, "scale/long", make)
    subtitles = (SubtitleFile(path=folder / "film.srt"),)
    return Video(content_id="film", title="A film", path=folder / "film.mp4", subtitles=subtitles)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def redis(server: RedisServer) -> RedisServer:
    server.tell("FLUSHALL")
    return server


@pytest.fixture
def run() -> Run:
    def run(scenario: Coroutine[Any, Any, None]) -> None:
        asyncio.run(asyncio.wait_for(scenario, PATIENCE))

    return run


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked at every few seconds is looked at often."""
    for module in (queue_module, worker_module):
        monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 2)
    monkeypatch.setattr(worker_module, "_BEAT_SECONDS", 0.2)
    monkeypatch.setattr(worker_module, "_SWEEP_SECONDS", 1)
    monkeypatch.setattr(worker_module, "_MARK_SECONDS", 0.05)
    monkeypatch.setattr(worker_module, "_RECONCILE_SECONDS", 0.3)


class Machine:
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


async def holds(condition: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Wait until it does."""
    while not await condition():
        await asyncio.sleep(0.02)


@pytest.fixture
def machine(redis: RedisServer, film: Video, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.getbasetemp() / "jobs"  # its own: others have a film as well

    def machine(waits: dict[int, asyncio.Event] | None = None) -> Machine:
        return Machine(redis, film, folder, waits=waits or {})

    return machine


@asynccontextmanager
async def web(machine: Machine, **limits: Any) -> AsyncIterator[SaqJobs]:
    """A web process."""
    async with (
        machine.store,
        SaqJobs(store=machine.store, url=machine.redis.url, **limits) as jobs,
    ):
        yield jobs


@asynccontextmanager
async def worker(machine: Machine, *, concurrency: int = 2) -> AsyncIterator[Worker]:
    """A worker, which is told to end with the context."""
    async with machine.store:
        made = Worker(
            store=machine.store,
            parts=machine.parts,
            url=machine.redis.url,
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


# --- one job per session -----------------------------------------------------------------


def test_a_session_that_is_submitted_often_has_one_job(
    machine: Any, run: Run, redis: RedisServer
) -> None:
    async def scenario() -> None:
        a, b = machine(), machine()
        async with web(a) as one, web(b) as other:
            session = await a.session()
            async with asyncio.TaskGroup() as tasks:
                for jobs in (one, other) * 5:
                    tasks.create_task(jobs.submit(session.session_id))
            assert redis.tell("LLEN", "saq:watchbuddy:queued") == 1
            with pytest.raises(SessionNotFound):
                await one.submit("ses_unknown")
            works = machine()
            async with worker(works):
                await holds(a.is_done(session))
        assert works.windows == [0, 1, 2]

    run(scenario())


def test_what_is_said_while_a_job_ends_is_answered(
    machine: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is still in the queue then, so that nothing new is put there."""

    async def scenario() -> None:
        a, works = machine(), machine()
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
    machine: Any, run: Run, redis: RedisServer, quick: None
) -> None:
    async def scenario() -> None:
        a, works = machine(), machine()
        async with web(a) as jobs:
            session = await a.session()
            await jobs.submit(session.session_id)
            job = f"saq:job:watchbuddy:{session.session_id}"
            redis.tell("DEL", "saq:watchbuddy:queued", "saq:watchbuddy:incomplete", job)
            async with worker(works):
                await holds(a.is_done(session))

    run(scenario())


# --- how many ----------------------------------------------------------------------------


def test_the_limits_hold_for_all_processes_together(machine: Any, run: Run) -> None:
    async def scenario() -> None:
        a, b = machine(), machine()
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
    machine: Any, run: Run, redis: RedisServer, quick: None
) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        a, works = machine(), machine({0: gate})
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
    machine: Any, run: Run, redis: RedisServer
) -> None:
    async def scenario() -> None:
        a = machine()
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


# --- who works ---------------------------------------------------------------------------


def test_a_seek_at_a_web_process_changes_what_a_worker_does_next(machine: Any, run: Run) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        a, works = machine(), machine({0: gate})
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
                delivery.receive(SeekUpdate(290.0), now=1.0)

                # Of a process whatever is new is heard of by all who follow at the same time.
                async with aclosing(works.store.follow(session.session_id)) as log:
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
    machine: Any, run: Run, redis: RedisServer, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hangs for as long as it takes to be thought dead, and then goes on."""

    async def scenario() -> None:
        never, gate = asyncio.Event(), asyncio.Event()
        a, stuck, next_one = machine(), machine({0: never}), machine({0: gate})
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
                    assert job(redis, session)["status"] == "active"
                    gate.set()
                    await holds(a.is_done(session))
        entries = [one.entry for one in await _log_of(session, redis)]
        made = [one.window.index for one in entries if isinstance(one, Scripted)]
        assert made == [0, 1, 2]
        assert stuck.windows == [0]

    run(scenario())


def test_a_worker_without_the_file_fetches_it_again(
    machine: Any, run: Run, film: Video, tmp_path: Path
) -> None:
    """The log names the one of the machine that has begun, which may be anywhere."""

    async def scenario() -> None:
        never = asyncio.Event()
        a, first, second = machine(), machine({1: never}), machine()
        assert film.path is not None
        own = film.model_copy(update={"path": shutil.copy(film.path, tmp_path / "own.mp4")})
        second.source.videos[Machine.url] = own
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


def test_a_worker_whose_generator_is_broken_is_not_among_those_that_work(
    machine: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "_TELL_SECONDS", 1)
    monkeypatch.setattr(jobs_module, "_LOOK_SECONDS", 0.1)

    class Broken(ScriptedGenerator):
        async def prepare(self) -> Any:
            raise RuntimeError("no such model")

    async def scenario() -> None:
        a, works, broken = machine(), machine(), machine()
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


def test_a_worker_that_ends_gives_back_what_does_not_end(
    machine: Any, run: Run, redis: RedisServer
) -> None:
    """A plugin may not care that it is cancelled."""

    async def scenario() -> None:
        a, stubborn, next_one = machine(), machine(), machine()
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
                    assert job(redis, session)["attempts"] == 1
                    await holds(a.is_done(session))
                may_end.set()
                await ending

    run(scenario())


async def _end_when(event: asyncio.Event, machine: Machine) -> None:
    """Run a worker that is told to end as soon as something has happened."""
    made = Worker(store=machine.store, parts=machine.parts, url=machine.redis.url, stop_seconds=0.2)
    working = asyncio.create_task(made.run())
    await event.wait()
    working.cancel()
    await asyncio.wait([working])


def test_a_job_that_nobody_has_taken_up_yet_is_cancelled_at_once(
    machine: Any, run: Run, redis: RedisServer
) -> None:
    async def scenario() -> None:
        a = machine()
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
    machine: Any, run: Run, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "_CANCELLING_SECONDS", 0.2)

    async def scenario() -> None:
        a = machine()
        async with web(a) as jobs:
            session = await a.session()
            await jobs.submit(session.session_id)
            taken = ("saq:watchbuddy:queued", "saq:watchbuddy:active")
            redis.tell("LMOVE", *taken, "LEFT", "RIGHT")
            await jobs.cancel(session.session_id)
            assert not redis.tell("KEYS", "saq:watchbuddy:[aiq]*")
            assert 0 < redis.tell("TTL", f"saq:job:watchbuddy:{session.session_id}") <= 60

    run(scenario())


def test_a_session_that_is_gone_when_its_turn_comes_leaves_nothing_behind(
    machine: Any, run: Run, redis: RedisServer, quick: None
) -> None:
    async def scenario() -> None:
        a, works = machine(), machine()
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
    machine: Any, run: Run, quick: None, redis: RedisServer
) -> None:
    """Deleted, or lost with what a Redis had not written down."""

    async def scenario() -> None:
        a, works = machine(), machine(waits={1: asyncio.Event()})
        async with web(a) as jobs, worker(works) as one:
            session = await a.session()
            await jobs.submit(session.session_id)
            await until(lambda: 1 in works.windows)
            keys = redis.tell("KEYS", f"*{session.session_id}*")
            redis.tell("DEL", *[key for key in keys if not key.startswith(b"saq")])
            redis.tell("CLIENT", "KILL", "TYPE", "pubsub")
            await until(lambda: not one._jobs)
            assert works.windows == [0, 1]
            assert not redis.tell("KEYS", f"*{session.session_id}}}:log")

    run(scenario())


def test_a_session_of_which_worker_after_worker_dies_fails(
    machine: Any, run: Run, redis: RedisServer, quick: None
) -> None:
    async def scenario() -> None:
        a, works = machine(), machine()
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


def test_a_session_is_given_up_once(
    machine: Any, run: Run, redis: RedisServer, quick: None
) -> None:
    """Whoever gave it up was killed before its job was out of the list."""

    async def scenario() -> None:
        a, works = machine(), machine()
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


def test_a_session_that_could_not_be_put_into_the_queue_is_prepared_all_the_same(
    machine: Any, run: Run, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known that it is to have a job: what was promised holds."""

    async def scenario() -> None:
        a, works = machine(), machine()
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


# --- while the Redis is away ---------------------------------------------------------------


def test_while_the_redis_is_away_nothing_is_promised_and_nobody_works_themselves_to_death(
    film: Video,
    run: Run,
    quick: None,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is in work goes on when it is back, and is not begun again by others."""
    monkeypatch.setattr(queue_module, "_HASTY_RETRIES", 2)

    async def scenario(redis: RedisServer) -> None:
        gate = asyncio.Event()
        a = Machine(redis, film, tmp_path, waits={})
        works = Machine(redis, film, tmp_path, waits={1: gate})
        other = Machine(redis, film, tmp_path, waits={})
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
    told = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(told) < 20, [one.getMessage() for one in told]
    assert not any(one.exc_info for one in told)


def test_workers_that_could_not_say_that_they_are_there_are_not_missed(
    machine: Any, run: Run, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Redis that was away has forgotten them when it is back, until they say so again."""
    monkeypatch.setattr(jobs_module, "_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(jobs_module, "_UNSEEN_SECONDS", 0.0)
    looks = 0

    def told() -> list[str]:
        return [one.message for one in caplog.records if one.name == "watchbuddy.jobs"]

    async def scenario() -> None:
        nonlocal looks
        async with web(machine()) as jobs:

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


def _known(session: WatchSession) -> Callable[[str], Coroutine[Any, Any, Any]]:
    async def get(session_id: str) -> Any:
        return session.record

    return get


def job(redis: RedisServer, session: WatchSession) -> dict[str, Any]:
    """What the queue knows of it."""
    found: dict[str, Any] = json.loads(
        redis.tell("GET", f"saq:job:watchbuddy:{session.session_id}")
    )
    return found


def wear_out(redis: RedisServer, session: WatchSession) -> None:
    """Leave its job as SAQ does that finds it silent in its last attempt."""
    last = {**job(redis, session), "attempts": 20, "status": "aborted"}
    redis.tell("DEL", "saq:watchbuddy:queued", "saq:watchbuddy:incomplete")
    redis.tell("SET", f"saq:job:watchbuddy:{session.session_id}", json.dumps(last))


async def _log_of(session: WatchSession, redis: RedisServer) -> Any:
    async with RedisStore(redis.url) as store:
        return await store.read(session.session_id)
