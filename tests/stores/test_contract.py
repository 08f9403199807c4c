"""What every store promises; run against each of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import pytest
from patience import PATIENCE
from redis_server import RedisServer, redis_server

from watchbuddy_core.accounts import of_day, of_session
from watchbuddy_core.entries import Cancelled, Logged, Ready, Stage, Wanted
from watchbuddy_core.errors import BudgetReached, SessionNotFound, StaleFence
from watchbuddy_core.storage import ProgressReport, SessionRecord, Store
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.stores.redis import RedisStore
from watchbuddy_core.stores.sqlite import SQLiteStore

SESSION = "ses_0000000000000001"


Run = Callable[[Callable[[Store], Awaitable[None]]], None]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@asynccontextmanager
async def in_memory(_: pytest.FixtureRequest) -> AsyncIterator[Store]:
    yield MemoryStore()


@asynccontextmanager
async def in_a_file(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    folder: Path = request.getfixturevalue("tmp_path")
    async with SQLiteStore(folder / "sessions.sqlite") as store:
        yield store


@asynccontextmanager
async def in_a_redis(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    server: RedisServer = request.getfixturevalue("redis")
    server.tell("FLUSHALL")
    async with RedisStore(server.url) as store:
        yield store


@pytest.fixture(params=[in_memory, in_a_file, in_a_redis])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a scenario with a new store."""

    def run_scenario(scenario: Callable[[Store], Awaitable[None]]) -> None:
        async def main() -> None:
            async with asyncio.timeout(PATIENCE), request.param(request) as store:
                await scenario(store)

        asyncio.run(main())

    return run_scenario


def record(session_id: str = SESSION) -> SessionRecord:
    return SessionRecord(
        session_id=session_id, video_url="library:a.mp4", character_id="miao", created_at=1.0
    )


async def first(store: Store, count: int, after: int = 0) -> list[Logged]:
    """The first entries of `follow`, as soon as there are so many."""
    seen: list[Logged] = []
    async for logged in store.follow(SESSION, after):
        seen.append(logged)
        if len(seen) == count:
            break
    return seen


def test_a_store_fulfils_its_contracts(run: Run) -> None:
    async def scenario(store: Store) -> None:
        assert isinstance(store, Store)

    run(scenario)


def test_records_come_back_as_they_were_put(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await store.put(record())
        assert await store.get(SESSION) == record()
        assert list(await store.list()) == [record()]

    run(scenario)


def test_records_are_counted_by_who_made_them_and_from_where(run: Run) -> None:
    async def scenario(store: Store) -> None:
        made = [("token:a", "192.0.2.1"), ("token:a", "192.0.2.2"), ("token:b", "192.0.2.2")]
        for number, (caller, address) in enumerate(made, 10):
            one = record(f"ses_{number:016x}")
            await store.put(one.model_copy(update={"caller": caller, "address": address}))
        await store.put(record())
        await store.put(record())
        assert await store.count() == 4
        assert await store.count(caller="token:a") == 2
        assert await store.count(address="192.0.2.2") == 2
        assert await store.count(caller="token:a", address="192.0.2.2") == 1
        assert await store.count(caller="' OR 1") == 0
        await store.delete("ses_000000000000000a")
        assert (await store.count(), await store.count(caller="token:a")) == (3, 1)

    run(scenario)


def test_an_unknown_session_is_an_error_and_deleting_it_is_none(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await store.delete(SESSION)
        with pytest.raises(SessionNotFound):
            await store.get(SESSION)

    run(scenario)


def test_a_deleted_session_leaves_nothing(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await store.put(record())
        await store.append(SESSION, [Ready()], await store.fence(SESSION, "producer"))
        await store.delete(SESSION)
        assert not await store.read(SESSION)
        assert not await store.list()

    run(scenario)


def test_entries_keep_their_order_and_are_counted_from_one(run: Run) -> None:
    async def scenario(store: Store) -> None:
        fence = await store.fence(SESSION, "producer")
        assert await store.append(SESSION, [Stage(stage="fetching"), Ready()], fence) == 2
        assert await store.append(SESSION, [Cancelled()], None) == 3
        assert await store.read(SESSION) == [
            Logged(1, Stage(stage="fetching")),
            Logged(2, Ready()),
            Logged(3, Cancelled()),
        ]
        assert await store.read(SESSION, after=2) == [Logged(3, Cancelled())]

    run(scenario)


def test_only_the_newest_fence_of_a_role_may_write(run: Run) -> None:
    async def scenario(store: Store) -> None:
        old = await store.fence(SESSION, "deliverer")
        producer = await store.fence(SESSION, "producer")
        new = await store.fence(SESSION, "deliverer")
        with pytest.raises(StaleFence) as refused:
            await store.append(SESSION, [Wanted(position=1.0)], old)
        assert (refused.value.number, refused.value.newest) == (old.number, new.number)
        assert not await store.read(SESSION)
        await store.append(SESSION, [Wanted(position=2.0)], new)
        await store.append(SESSION, [Ready()], producer)
        assert len(await store.read(SESSION)) == 2

    run(scenario)


def test_following_gives_what_stands_and_then_what_comes(run: Run) -> None:
    async def scenario(store: Store) -> None:
        fence = await store.fence(SESSION, "producer")
        await store.append(SESSION, [Stage(stage="fetching")], fence)
        async with asyncio.TaskGroup() as tasks:
            followers = [tasks.create_task(first(store, 4)) for _ in range(2)]
            late = tasks.create_task(first(store, 2, after=2))
            await asyncio.sleep(0)
            await store.append(SESSION, [Stage(stage="understanding")], fence)
            await asyncio.sleep(0)
            await store.append(SESSION, [Stage(stage="generating"), Ready()], fence)
        expected = list(await store.read(SESSION))
        assert [task.result() for task in followers] == [expected, expected]
        assert late.result() == expected[2:]

    run(scenario)


def test_sessions_do_not_mix(run: Run) -> None:
    async def scenario(store: Store) -> None:
        other = "ses_0000000000000002"
        await store.append(SESSION, [Ready()], await store.fence(SESSION, "producer"))
        assert not await store.read(other)
        fence = await store.fence(other, "producer")
        assert await store.append(other, [Cancelled()], fence) == 1

    run(scenario)


def test_what_was_deleted_begins_anew(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await store.put(record())
        old = await store.fence(SESSION, "producer")
        await store.append(SESSION, [Ready(), Ready()], old)
        await store.delete(SESSION)
        await store.put(record())
        fence = await store.fence(SESSION, "producer")
        assert await store.append(SESSION, [Ready()], fence) == 1

    run(scenario)


def test_many_at_once_keep_their_order_and_lose_nothing(run: Run) -> None:
    sessions = [f"ses_{number:016x}" for number in range(20)]

    async def scenario(store: Store) -> None:
        fences = {one: await store.fence(one, "deliverer") for one in sessions}

        async def write(session_id: str) -> None:
            for second in range(50):
                entry = Wanted(position=float(second))
                position = await store.append(session_id, [entry], fences[session_id])
                assert position == second + 1

        await asyncio.gather(*map(write, sessions))
        for session_id in sessions:
            logged = await store.read(session_id)
            assert [one.entry.position for one in logged] == [float(n) for n in range(50)]

    run(scenario)


def test_one_that_is_refused_does_no_harm_to_others(run: Run) -> None:
    async def scenario(store: Store) -> None:
        old = await store.fence(SESSION, "deliverer")
        new = await store.fence(SESSION, "deliverer")
        told = await asyncio.gather(
            store.append(SESSION, [Wanted(position=1.0)], new),
            store.append(SESSION, [Wanted(position=2.0)], old),
            store.append(SESSION, [Wanted(position=3.0)], new),
            return_exceptions=True,
        )
        assert [told[0], type(told[1]), told[2]] == [1, StaleFence, 2]
        assert [one.entry.position for one in await store.read(SESSION)] == [1.0, 3.0]

    run(scenario)


def test_accounts_are_paid_from_up_to_their_limits(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await store.reserve({"day": 1.0, "session": 0.5}, 0.4)
        with pytest.raises(BudgetReached) as refused:
            await store.reserve({"day": 1.0, "session": 0.5}, 0.2)
        assert refused.value.account == "session"
        await store.settle(["day", "session"], 0.4, 0.1)
        await store.reserve({"day": 1.0, "session": 0.5}, 0.4)
        with pytest.raises(BudgetReached):
            await store.reserve({"day": 0.45}, 0.0)

    run(scenario)


def test_an_account_goes_with_its_session_and_those_of_a_day_in_time(run: Run) -> None:
    days = [of_day(f"2026-01-{day}", "here") for day in (29, 30, 31)]

    async def scenario(store: Store) -> None:
        accounts = [of_session(SESSION), of_session("ses_other"), *days]
        await store.put(record())
        await store.reserve(dict.fromkeys(accounts, 1.0), 0.75)
        await store.delete(SESSION)
        await store.forget_days(before="2026-01-30")
        for account in accounts:
            is_kept = account in (of_session("ses_other"), *days[1:])
            with pytest.raises(BudgetReached) if is_kept else nullcontext():
                await store.reserve({account: 1.0}, 0.5)

    run(scenario)


def test_two_who_pay_at_once_do_not_share_the_last_cent(run: Run) -> None:
    async def scenario(store: Store) -> None:
        told = await asyncio.gather(
            *(store.reserve({"day": 1.0}, 0.3) for _ in range(10)), return_exceptions=True
        )
        assert sum(one is None for one in told) == 3

    run(scenario)


def test_preferences_are_kept_by_caller_and_user(run: Run) -> None:
    async def scenario(store: Store) -> None:
        assert await store.preference("here", "ann") is None
        await store.prefer("here", "ann", "quiet")
        await store.prefer("here", "ann", "chatty")
        assert await store.preference("here", "ann") == "chatty"
        assert await store.preference("there", "ann") is None

    run(scenario)


def test_caches_keep_what_is_put_into_them_by_name(run: Run) -> None:
    async def scenario(store: Store) -> None:
        ours, others = (store.cache(name, most_bytes=10_000) for name in ("ours", "others"))
        assert await ours.get("a") is None
        for value in (b"", b"one\ntwo", bytes(range(256))):
            await ours.put("a", value)
            assert await store.cache("ours", most_bytes=10_000).get("a") == value
        assert await others.get("a") is None
        await store.append(SESSION, [Ready()], await store.fence(SESSION, "producer"))
        await ours.put("電影", b"x")
        assert await ours.get("電影") == b"x"

    run(scenario)


def test_what_was_not_used_for_longest_leaves_a_cache_first(run: Run) -> None:
    async def scenario(store: Store) -> None:
        cache = store.cache("ours", most_bytes=3500)
        for key in "abc":
            await cache.put(key, os.urandom(1000))
        await cache.get("a")
        await cache.put("d", os.urandom(1000))
        assert [await cache.get(key) is not None for key in "abcd"] == [True, False, True, True]
        await cache.put("e", os.urandom(4000))
        assert await cache.get("e") is None
        await cache.put("d", b"small")
        await cache.put("f", os.urandom(1000))
        assert [await cache.get(key) is not None for key in "acdf"] == [True, True, True, True]

    run(scenario)


def test_a_session_was_needed_when_it_was_made_or_as_it_is_noted(run: Run) -> None:
    other = "ses_0000000000000002"

    async def scenario(store: Store) -> None:
        await store.put(record())
        await store.put(record(other))
        assert await store.needs() == {SESSION: 1.0, other: 1.0}
        await store.note_needs({SESSION: 100.5, "ses_unknown": 7.0})
        assert await store.needs() == {SESSION: 100.5, other: 1.0}
        await store.delete(SESSION)
        await store.put(record())
        assert await store.needs() == {SESSION: 1.0, other: 1.0}
        assert await store.size_bytes() >= 0
        await store.shrink()
        assert len(await store.list()) == 2

    run(scenario)


def test_reports_are_for_those_who_listen(run: Run) -> None:
    async def scenario(store: Store) -> None:
        store.publish(SESSION, ProgressReport("fetching", 0.5, "half"))
        async for report in store.reports(SESSION):
            assert report.fraction == 0.5
            break

    run(scenario)
