"""The sessions of a program: turns at work, room, and what is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pytest

from watchbuddy_core.errors import (
    RateLimited,
    SessionNotFound,
    StorageFull,
    StoreFailed,
    TooManySessions,
)
from watchbuddy_core.events import TimestampUpdate
from watchbuddy_core.session import LocalJobs, ScriptFailed, ScriptReady, Sessions, Turns
from watchbuddy_core.session import sessions as all_sessions
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.testing import MemorySource
from watchbuddy_core.video import Video
from watchbuddy_core.wire import CreateSession

# --- turns ---------------------------------------------------------------------------------


class Work:
    """Pieces of work that last until they are told to end; and the order they began in."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.begun: list[str] = []
        self._gates: dict[str, asyncio.Event] = {}
        self.most_at_once = 0
        self._at_once = 0

    async def piece(self, owner: str, name: str) -> None:
        gate = self._gates[name] = asyncio.Event()
        async with self.turns.turn(owner):
            self.begun.append(name)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            try:
                await gate.wait()
            finally:
                self._at_once -= 1

    async def end(self, name: str) -> None:
        self._gates[name].set()
        await settle()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_so_many_work_at_a_time_and_the_rest_wait_in_order(run: Any) -> None:
    async def scenario() -> None:
        work = Work(Turns(2))
        async with asyncio.TaskGroup() as tasks:
            for name in ("a1", "a2", "a3", "a4"):
                tasks.create_task(work.piece("a", name))
                await settle()
            assert work.begun == ["a1", "a2"]
            for name in ("a2", "a1", "a3", "a4"):
                await work.end(name)
        assert work.begun == ["a1", "a2", "a3", "a4"]
        assert work.most_at_once == 2

    run(scenario())


def test_nobody_waits_for_more_than_one_piece_of_somebody_elses_queue(run: Any) -> None:
    async def scenario() -> None:
        work = Work(Turns(1))
        async with asyncio.TaskGroup() as tasks:
            for owner, name in [
                *(("greedy", f"g{i}") for i in range(5)),
                ("modest", "m0"),
                ("modest", "m1"),
            ]:
                tasks.create_task(work.piece(owner, name))
                await settle()
            while len(work.begun) < 7:
                await work.end(work.begun[-1])
            await work.end(work.begun[-1])
        assert work.begun == ["g0", "g1", "m0", "g2", "m1", "g3", "g4"]

    run(scenario())


@pytest.mark.parametrize("when", ["waiting", "granted", "working"])
def test_a_turn_of_who_gives_up_is_not_lost(run: Any, when: str) -> None:
    async def scenario() -> None:
        work = Work(Turns(1))
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(work.piece("a", "first"))
            await settle()
            second = tasks.create_task(work.piece("b", "second"))
            await settle()
            if when == "waiting":
                second.cancel()
                await work.end("first")
            elif when == "granted":
                work._gates["first"].set()
                await asyncio.sleep(0)
                second.cancel()
                await settle()
            else:
                first.cancel()
                await settle()
                assert work.begun == ["first", "second"]
                await work.end("second")
            tasks.create_task(work.piece("c", "third"))
            await settle()
            assert work.begun[-1] == "third"
            await work.end("third")

    run(scenario())


# --- room ----------------------------------------------------------------------------------


class Hours:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()


class Passing(Hours):
    """One that goes on when somebody waits, by as much of it as is given."""

    def __init__(self, share: float = 1.0) -> None:
        super().__init__()
        self._share = share

    async def sleep(self, seconds: float) -> None:
        self.time += seconds * self._share
        await asyncio.sleep(0)


def request(**fields: Any) -> CreateSession:
    asked = {"video_url": "library:film.mp4", "character_id": "miao", **fields}
    return CreateSession.model_validate(asked)


def sessions_of(made: Any, jobs: LocalJobs, **options: Any) -> Sessions:
    return Sessions(store=made.store, parts=made.parts, jobs=jobs, **options)


def test_sessions_in_preparation_are_bounded_in_all_and_for_each_user(
    studio: Any, run: Any, film: Video
) -> None:
    async def scenario() -> None:
        made = studio(film, waits={0: asyncio.Event()})
        made.source.waits["library:film.mp4"] = asyncio.Event()
        made.source.SCHEME = "library:"
        jobs = LocalJobs(store=made.store, parts=made.parts, preparing=1, waiting=3, per_user=2)
        async with jobs:
            sessions = sessions_of(made, jobs)
            for _ in range(2):
                await sessions.start(request(user_id="ann"), created_at=0.0)
                await settle()
            with pytest.raises(RateLimited, match="2 of your sessions"):
                await sessions.start(request(user_id="ann"), created_at=0.0)
            await sessions.start(request(user_id="bob"), created_at=0.0)
            last = await sessions.start(request(), created_at=0.0)
            await settle()
            with pytest.raises(TooManySessions):
                await sessions.start(request(user_id="cem"), created_at=0.0)
            assert len(await made.store.list()) == 4
            await sessions.end(last.session_id)
            await settle()
            await sessions.start(request(user_id="cem"), created_at=0.0)
            assert len(made.source.requests) == 4  # all are fetched: that takes no turn

    run(scenario())


def test_a_session_that_waits_for_its_viewer_takes_no_room(
    studio: Any, run: Any, film: Video
) -> None:
    async def scenario() -> None:
        made = studio(film)
        made.source.videos["library:film.mp4"] = film
        made.source.SCHEME = "library:"
        jobs = LocalJobs(store=made.store, parts=made.parts, preparing=1, waiting=1, per_user=1)
        async with jobs:
            sessions = sessions_of(made, jobs)
            session = await sessions.start(request(user_id="ann"), created_at=0.0)
            async with sessions.connect(session, features=["early_ready"]) as delivery:
                delivery.receive(TimestampUpdate(1.0, paused=True), now=0.0)

                async def take() -> None:
                    async for _ in delivery:
                        pass

                taking = asyncio.create_task(take())
                while not made.generator.briefs:
                    await asyncio.sleep(0.005)
                while True:
                    try:
                        await sessions.start(request(user_id="ann"), created_at=0.0)
                        break
                    except RateLimited:
                        await asyncio.sleep(0.005)
                assert (await session.status()).status == "preparing"
                taking.cancel()
                await asyncio.wait([taking])

    run(scenario())


def test_so_many_sessions_are_kept_in_all(studio: Any, run: Any, film: Video) -> None:
    async def scenario() -> None:
        made = studio(film)
        async with LocalJobs(store=made.store, parts=made.parts) as jobs:
            sessions = sessions_of(made, jobs, most=2)
            for _ in range(2):
                await sessions.start(request(), created_at=0.0)
            with pytest.raises(TooManySessions):
                await sessions.start(request(), created_at=0.0)

    run(scenario())


# --- what is forgotten ---------------------------------------------------------------------


def test_a_session_that_nobody_needs_is_forgotten(studio: Any, run: Any, film: Video) -> None:
    async def scenario() -> None:
        made, clock = studio(film), Hours()
        async with LocalJobs(store=made.store, parts=made.parts) as jobs:
            sessions = sessions_of(made, jobs, idle_seconds=3600.0, clock=clock)
            idle = await sessions.start(request(), created_at=0.0)
            watched = await sessions.start(request(), created_at=0.0)
            async with sessions.connect(watched, features=()):
                clock.time = 3600.0
                await sessions.forget_idle()
                assert len(await made.store.list()) == 2
                clock.time = 3601.0
                await sessions.forget_idle()
                with pytest.raises(SessionNotFound):
                    await sessions.find(idle.session_id)
                assert not await made.store.read(idle.session_id)
            clock.time = 7200.0
            await sessions.forget_idle()
            await sessions.find(watched.session_id)
            clock.time = 7202.0
            await sessions.forget_idle()
            assert not await made.store.list()

    run(scenario())


def test_sessions_of_an_earlier_run_of_the_program_are_idle_from_now_on(
    studio: Any, run: Any, film: Video
) -> None:
    async def scenario() -> None:
        made, clock = studio(film), Hours()
        await made.session()
        clock.time = 1e6
        async with LocalJobs(store=made.store, parts=made.parts) as jobs:
            sessions = sessions_of(made, jobs, idle_seconds=3600.0, clock=clock)
            await sessions.forget_idle()
            assert len(await made.store.list()) == 1
            clock.time += 3601.0
            await sessions.forget_idle()
            assert not await made.store.list()

    run(scenario())


def test_what_nobody_needs_is_forgotten_over_restarts_as_well(
    studio: Any, run: Any, film: Video
) -> None:
    """A program that is restarted more often than sessions expire keeps none for ever; and who
    was away because it was away itself may come back."""

    made = studio(film)

    async def one_run(began: float, seconds: float) -> None:
        clock = Hours()
        async with LocalJobs(store=made.store, parts=made.parts) as jobs:
            sessions = sessions_of(
                made, jobs, idle_seconds=3600.0, clock=clock, wall=lambda: began + clock.time
            )
            sweeping = asyncio.create_task(sessions.sweep())
            await settle()
            sweeping.cancel()
            await asyncio.wait([sweeping])
            clock.time = 240.0
            await sessions.forget_idle()
            assert await made.store.count() == 1
            clock.time = seconds
            await sessions.forget_idle()

    async def scenario() -> None:
        await made.session()
        await one_run(began=0.0, seconds=2700.0)
        assert await made.store.count() == 1
        await one_run(began=40_000.0, seconds=360.0)
        assert await made.store.count() == 0

    run(scenario())


def test_what_was_watched_a_moment_before_a_restart_is_not_forgotten_for_what_was_before(
    studio: Any, run: Any, film: Video
) -> None:
    async def scenario() -> None:
        made = studio(film)
        session, clock = await made.session(), Hours()
        clock.time = 86400.0
        async with LocalJobs(store=made.store, parts=made.parts) as jobs:
            sessions = sessions_of(made, jobs, clock=clock, wall=lambda: clock.time)
            async with sessions.connect(session):
                await sessions.forget_idle()
                assert await made.store.needs() == {session.session_id: 86400.0}
                clock.time += 7200.0
                await sessions.forget_idle()
        assert await made.store.needs() == {session.session_id: 93600.0}

    run(scenario())


def test_what_is_watched_at_one_program_is_forgotten_by_no_other(
    studio: Any, run: Any, film: Video
) -> None:
    """They share the store, and each knows of its own viewers alone."""

    async def scenario() -> None:
        made, clock = studio(film), Hours()
        async with LocalJobs(store=made.store, parts=made.parts) as jobs:
            here, there = (
                sessions_of(made, jobs, idle_seconds=3600.0, clock=clock, wall=lambda: clock.time)
                for _ in range(2)
            )
            watched = await here.start(request(), created_at=0.0)
            await there.forget_idle()
            async with here.connect(watched):
                for _ in range(6):
                    clock.time += 1800.0
                    await here.forget_idle()
                    await there.forget_idle()
            clock.time += 3500.0
            await there.forget_idle()
            async with there.connect(watched):  # elsewhere, at the last moment
                clock.time += 200.0
                await here.forget_idle()
                assert await made.store.count() == 1
            clock.time += 3700.0
            await here.forget_idle()
            assert await made.store.count() == 0
            assert not here._attendance
            await there.forget_idle()
            assert not there._attendance

    run(scenario())


def test_what_was_needed_longest_ago_makes_room(studio: Any, run: Any, film: Video) -> None:
    class Full(MemoryStore):
        async def size_bytes(self) -> int:
            return 100 * await self.count()

    async def scenario() -> None:
        made, clock = studio(film), Hours()
        made.store = Full()
        async with LocalJobs(store=made.store, parts=made.parts) as jobs:
            sessions = sessions_of(made, jobs, clock=clock, store_bytes=200)
            first, second, third, last = [
                await sessions.start(request(), created_at=0.0) for _ in range(4)
            ]
            async with sessions.connect(first):
                for used in (third, second):
                    clock.time += 1.0
                    async with sessions.connect(used):
                        pass
                clock.time = 60.5
                await sessions.forget_idle()
                assert await made.store.count() == 3, "the others were needed a moment ago"
                with pytest.raises(StorageFull):
                    await sessions.start(request(), created_at=0.0)
                clock.time = 3000.0
                await sessions.forget_idle()
                left = {record.session_id for record in await made.store.list()}
                assert left == {first.session_id, second.session_id}
                await sessions.start(request(), created_at=0.0)
                assert last.session_id not in left

    run(scenario())


def test_a_session_that_is_too_old_ends_also_where_it_is_watched(
    studio: Any, run: Any, film: Video
) -> None:
    async def scenario() -> None:
        made, clock = studio(film), Hours()
        made.source.waits["library:film.mp4"] = asyncio.Event()
        made.source.SCHEME = "library:"
        today = 86_400.0
        async with LocalJobs(store=made.store, parts=made.parts) as jobs:
            sessions = sessions_of(
                made, jobs, session_seconds=3600.0, clock=clock, wall=lambda: today
            )
            old = await sessions.start(request(), created_at=today - 3601.0)
            young = await sessions.start(request(), created_at=today - 3599.0)
            async with sessions.connect(old, features=()) as delivery:
                await sessions.forget_idle()
                told = [outgoing async for outgoing in delivery]
                assert [one.code for one in told] == ["SESSION_CANCELLED"]
                assert "Create a new one" in told[0].message
            assert (await old.status()).status == "cancelled"
            assert (await young.status()).status == "preparing"
            assert jobs.busy == 1
            clock.time = 61.0
            await sessions.forget_idle()
            assert [one.session_id for one in await made.store.list()] == [young.session_id]

    run(scenario())


def test_who_comes_while_their_session_is_about_to_be_forgotten_stays(
    studio: Any, run: Any, film: Video
) -> None:
    async def scenario() -> None:
        made, clock = studio(film, waits={0: asyncio.Event()}), Hours()
        session = await made.session()
        async with LocalJobs(store=made.store, parts=made.parts) as jobs:
            sessions = sessions_of(made, jobs, idle_seconds=3600.0, clock=clock)
            await sessions.forget_idle()
            await jobs.submit(session.session_id)
            await settle()
            first = task_of(session.session_id)
            clock.time += 3601.0
            forgetting = asyncio.create_task(sessions.forget_idle())
            while not first.cancelling():
                await asyncio.sleep(0)
            async with sessions.connect(session):
                await forgetting
                await settle()
                assert len(await made.store.list()) == 1
                assert task_of(session.session_id) is not first

    run(scenario())


def test_a_deleted_session_tells_its_viewers_and_is_forgotten_soon(
    studio: Any, run: Any, film: Video
) -> None:
    async def scenario() -> None:
        made, clock = studio(film, waits={0: asyncio.Event()}), Hours()
        made.source.videos["library:film.mp4"] = film
        made.source.SCHEME = "library:"
        async with LocalJobs(store=made.store, parts=made.parts) as jobs:
            sessions = sessions_of(made, jobs, clock=clock)
            session = await sessions.start(request(), created_at=0.0)
            while not made.generator.briefs:
                await asyncio.sleep(0.005)
            await sessions.end(session.session_id)
            await sessions.end(session.session_id)
            assert (await session.status()).status == "cancelled"
            assert [e.kind for e in await made.entries(session)].count("cancelled") == 1
            async with sessions.connect(session, features=()) as delivery:
                told = [item async for item in delivery]
            assert told == [ScriptFailed("SESSION_CANCELLED", "The session was cancelled.")]
            clock.time = 61.0
            await sessions.forget_idle()
            with pytest.raises(SessionNotFound):
                await sessions.end(session.session_id)

    run(scenario())


def test_sessions_that_are_removed_are_over_for_all_and_gone_at_once(
    studio: Any, run: Any, film: Video
) -> None:
    async def scenario() -> None:
        made = studio(film, waits={0: asyncio.Event()})
        made.source.videos["library:film.mp4"] = film
        made.source.SCHEME = "library:"
        async with LocalJobs(store=made.store, parts=made.parts) as jobs:
            sessions = sessions_of(made, jobs, clock=Passing(0.0))
            ann = await sessions.start(request(user_id="ann"), created_at=0.0)
            bob = await sessions.start(request(user_id="bob"), created_at=0.0)
            while len(made.generator.briefs) < 2:
                await asyncio.sleep(0.005)
            with pytest.raises(SessionNotFound):
                await sessions.remove([ann.session_id, "ses_0000000000000000"])
            assert len(await made.store.list()) == 2

            async def watch() -> list[Any]:
                async with sessions.connect(ann, features=()) as delivery:
                    comes.set()
                    return [item async for item in delivery]

            comes = asyncio.Event()
            watching = asyncio.create_task(watch())
            await comes.wait()
            assert await sessions.remove_of_user("ann") == 1
            assert watching.done(), "the viewer is told before it is gone"
            told = watching.result()
            assert told == [ScriptFailed("SESSION_CANCELLED", "The session was cancelled.")]
            assert jobs.busy == 1
            assert [one.session_id for one in await made.store.list()] == [bob.session_id]
            assert not await made.store.read(ann.session_id)
            assert await sessions.remove_of_user("ann") == 0

    run(scenario())


def test_who_does_not_go_keeps_no_session_from_being_removed(
    studio: Any, run: Any, film: Video
) -> None:
    async def scenario() -> None:
        made = studio(film)
        async with LocalJobs(store=made.store, parts=made.parts) as jobs:
            sessions = sessions_of(made, jobs, clock=Passing())
            session = await sessions.start(request(), created_at=0.0)
            async with sessions.connect(session):
                await sessions.remove([session.session_id])
                assert not await made.store.list()
            await sessions.forget_idle()

    run(scenario())


def test_connecting_has_work_done_that_nobody_does_any_more(
    studio: Any, run: Any, film: Video
) -> None:
    async def scenario() -> None:
        made = studio(film)
        session = await made.session()
        async with LocalJobs(store=made.store, parts=made.parts) as jobs:
            sessions = sessions_of(made, jobs)
            async with sessions.connect(session) as delivery:
                async for item in delivery:
                    if isinstance(item, ScriptReady):
                        break
        assert (await session.status()).status == "ready"

    run(scenario())


def test_what_cannot_be_read_at_the_start_is_gone_on_with_when_it_can_be(
    studio: Any, run: Any, film: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(all_sessions, "_READ_AGAIN", 0.01)

    async def scenario() -> None:
        made = studio(film)
        session = await made.session()
        failures, listed = [StoreFailed("locked"), StoreFailed("locked")], made.store.list

        async def reluctant() -> Sequence[SessionRecord]:
            if failures:
                raise failures.pop()
            return await listed()

        made.store.list = reluctant
        async with LocalJobs(store=made.store, parts=made.parts) as jobs:
            await sessions_of(made, jobs).resume()
            while (await session.status()).status != "ready":
                await asyncio.sleep(0.01)
        assert not failures

    run(scenario())


def test_a_job_that_has_just_ended_is_no_reason_not_to_begin_another(
    studio: Any, run: Any, film: Video
) -> None:
    async def scenario() -> None:
        made = studio(film)
        session = await made.session()
        await session.cancel()  # so that a job ends at once
        async with LocalJobs(store=made.store, parts=made.parts) as jobs:
            await jobs.submit(session.session_id)
            first = task_of(session.session_id)
            while not first.done():  # what wakes this up comes before what follows its end
                await asyncio.sleep(0)
            await jobs.submit(session.session_id)
            second = task_of(session.session_id)
            assert second is not first
            await asyncio.wait([second])
            await settle()
            assert jobs.busy == jobs.idle == 0

    run(scenario())


def task_of(session_id: str) -> asyncio.Task[None]:
    name = f"produce {session_id}"
    return next(one for one in asyncio.all_tasks() if one.get_name() == name)


# --- what sources keep ---------------------------------------------------------------------


class Cupboard(MemorySource):
    """A source that remembers what it was told to be in use."""

    def __init__(self, videos: dict[str, Video], *, failures: int = 0) -> None:
        super().__init__(videos)
        self._failures = failures
        self.told: list[set[str]] = []

    async def tidy(self, in_use: Collection[str]) -> None:
        self.told.append(set(in_use))
        if self._failures >= len(self.told):
            raise OSError("The door is stuck.")


def test_a_source_that_keeps_files_hears_what_is_still_in_use(
    studio: Any, run: Any, film: Video
) -> None:
    async def scenario() -> None:
        made, clock = studio(film), Hours()
        cupboard = Cupboard({"memory:a": film, "memory:b": film})
        parts = replace(made.parts, sources=[cupboard])
        async with LocalJobs(store=made.store, parts=parts) as jobs:
            sessions = Sessions(store=made.store, parts=parts, jobs=jobs, clock=clock)
            a, _, b = [
                await sessions.start(request(video_url=url), created_at=0.0)
                for url in ("memory:a", "memory:b", "memory:b")
            ]
            await sessions.end(a.session_id)
            await sessions.end(b.session_id)
            await sessions.end(b.session_id)
            assert cupboard.told == [{"memory:b"}] * 2
            clock.time = 3601.0
            await sessions.forget_idle()
            assert cupboard.told[2:] == [set()]

    run(scenario())


def test_a_session_that_begins_while_one_source_tidies_is_known_to_the_next(
    studio: Any, run: Any, film: Video
) -> None:
    class Slow(Cupboard):
        async def tidy(self, in_use: Collection[str]) -> None:
            await sessions.start(request(video_url="memory:a"), created_at=0.0)

    slow, next_one = Slow({"memory:a": film}), Cupboard({})
    made = studio(film)
    parts = replace(made.parts, sources=[slow, next_one])
    jobs = LocalJobs(store=made.store, parts=parts)
    sessions = Sessions(store=made.store, parts=parts, jobs=jobs)

    async def scenario() -> None:
        async with jobs:
            await sessions.tidy()
            assert next_one.told == [{"memory:a"}]

    run(scenario())


def test_it_is_asked_to_tidy_when_the_program_starts_and_may_fail(
    studio: Any, run: Any, film: Video, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        made = studio(film)
        broken, other = Cupboard({}, failures=1), Cupboard({})
        parts = replace(made.parts, sources=[broken, made.source, other])
        async with LocalJobs(store=made.store, parts=parts) as jobs:
            sessions = Sessions(store=made.store, parts=parts, jobs=jobs)
            sweeping = asyncio.create_task(sessions.sweep())
            while not other.told:
                await asyncio.sleep(0)
            assert broken.told == other.told == [set()]
            sweeping.cancel()
            await asyncio.wait([sweeping])

    run(scenario())
    assert [record.message for record in caplog.records] == ["Cupboard could not be tidied"]
