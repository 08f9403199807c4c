"""What every store promises; run against each of them."""

from __future__ import annotations

import asyncio

import pytest

from watchbuddy_core.entries import Cancelled, Logged, Ready, Stage, Wanted
from watchbuddy_core.errors import SessionNotFound, StaleFence
from watchbuddy_core.protocols import Records, SessionLog, SessionRecord, Store
from watchbuddy_core.stores.memory import MemoryStore

SESSION = "ses_0000000000000001"


@pytest.fixture(params=[MemoryStore])
def store(request: pytest.FixtureRequest) -> Store:
    made: Store = request.param()
    return made


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


def test_a_store_fulfils_its_contracts(store: Store) -> None:
    assert isinstance(store, SessionLog)
    assert isinstance(store, Records)


def test_records_come_back_as_they_were_put(store: Store) -> None:
    async def scenario() -> None:
        await store.put(record())
        assert await store.get(SESSION) == record()
        assert list(await store.list()) == [record()]

    asyncio.run(scenario())


def test_an_unknown_session_is_an_error_and_deleting_it_is_none(store: Store) -> None:
    async def scenario() -> None:
        await store.delete(SESSION)
        with pytest.raises(SessionNotFound):
            await store.get(SESSION)

    asyncio.run(scenario())


def test_a_deleted_session_leaves_nothing(store: Store) -> None:
    async def scenario() -> None:
        await store.put(record())
        await store.append(SESSION, [Ready()], await store.fence(SESSION, "producer"))
        await store.delete(SESSION)
        assert not await store.read(SESSION)
        assert not await store.list()

    asyncio.run(scenario())


def test_entries_keep_their_order_and_are_counted_from_one(store: Store) -> None:
    async def scenario() -> None:
        fence = await store.fence(SESSION, "producer")
        assert await store.append(SESSION, [Stage(stage="fetching"), Ready()], fence) == 2
        assert await store.append(SESSION, [Cancelled()], None) == 3
        assert await store.read(SESSION) == [
            Logged(1, Stage(stage="fetching")),
            Logged(2, Ready()),
            Logged(3, Cancelled()),
        ]
        assert await store.read(SESSION, after=2) == [Logged(3, Cancelled())]

    asyncio.run(scenario())


def test_only_the_newest_fence_of_a_role_may_write(store: Store) -> None:
    async def scenario() -> None:
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

    asyncio.run(scenario())


def test_following_gives_what_stands_and_then_what_comes(store: Store) -> None:
    async def scenario() -> None:
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

    asyncio.run(asyncio.wait_for(scenario(), 10))


def test_sessions_do_not_mix(store: Store) -> None:
    async def scenario() -> None:
        other = "ses_0000000000000002"
        await store.append(SESSION, [Ready()], await store.fence(SESSION, "producer"))
        assert not await store.read(other)
        fence = await store.fence(other, "producer")
        assert await store.append(other, [Cancelled()], fence) == 1

    asyncio.run(scenario())
