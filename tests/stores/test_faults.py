"""A disk that is full, read-only, slow or fails, and a file that another program holds."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE

from watchbuddy_core.entries import (
    Acked,
    Cancelled,
    Delivered,
    Entry,
    Feedback,
    Joined,
    Ready,
    Stage,
    Wanted,
)
from watchbuddy_core.errors import BudgetReached, StaleFence, StorageFull, StoreFailed
from watchbuddy_core.events import Playhead
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.sqlite import SQLiteStore
from watchbuddy_core.stores.tail import Tail

SESSION = "ses_0000000000000001"
OTHER = "ses_0000000000000002"


def opened(path: Path, scenario: Callable[[SQLiteStore], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(PATIENCE), SQLiteStore(path, retry_seconds=0.1) as store:
            await scenario(store)

    asyncio.run(main())


def record(session_id: str = SESSION) -> SessionRecord:
    return SessionRecord(
        session_id=session_id, video_url="library:a.mp4", character_id="miao", created_at=1.0
    )


def delivered(id: str) -> Delivered:
    return Delivered(ids=(id,), playhead=Playhead())


async def entries(store: SQLiteStore, session_id: str = SESSION) -> list[Entry]:
    return [logged.entry for logged in await store.read(session_id)]


async def in_time(work: Callable[[], Awaitable[Any]]) -> Any:
    """What comes of it as soon as it can be written."""
    while True:
        try:
            return await work()
        except (StorageFull, StoreFailed):
            await asyncio.sleep(0.02)


async def until_full(work: Callable[[], Awaitable[Any]]) -> int:
    """How often it could be done before there was no room any more."""
    for count in range(100_000):
        try:
            await work()
        except StorageFull:
            return count
    raise AssertionError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sessions.sqlite"


# --- ways in which nothing can be written --------------------------------------------------


class LockedFile:
    """Another program is in the middle of writing."""

    said = "locked"

    def __init__(self, path: Path) -> None:
        self._path = path

    async def begin(self, store: SQLiteStore) -> None:
        self._other = sqlite3.connect(self._path, isolation_level=None)
        self._other.execute("BEGIN IMMEDIATE")

    async def end(self, store: SQLiteStore) -> None:
        self._other.execute("ROLLBACK")
        self._other.close()


class FailingDisk:
    """Every commit fails, and after some of them SQLite has rolled back itself."""

    said = "disk I/O error"
    _code = sqlite3.SQLITE_IOERR_FSYNC

    def __init__(self, path: Path) -> None:
        pass

    async def begin(self, store: SQLiteStore) -> None:
        self._execute = execute = store._writer.database.execute
        count = 0

        async def fail() -> None:
            nonlocal count
            count += 1
            if count % 2:
                await execute("ROLLBACK")
            error = sqlite3.OperationalError(self.said)
            error.sqlite_errorcode = self._code
            raise error

        def failing(statement: str, *facts: Any) -> Any:
            return fail() if statement == "COMMIT" else execute(statement, *facts)

        store._writer.database.execute = failing  # type: ignore[assignment,method-assign]

    async def end(self, store: SQLiteStore) -> None:
        store._writer.database.execute = self._execute  # type: ignore[method-assign]


class FullDisk(FailingDisk):
    """There is no room for anything; see below for a disk on which there really is none."""

    said = "no room"
    _code = sqlite3.SQLITE_FULL


class ReadOnlyFile:
    """It may only be read."""

    said = "readonly"

    def __init__(self, path: Path) -> None:
        pass

    async def begin(self, store: SQLiteStore) -> None:
        await store._writer.database.execute("PRAGMA query_only = 1")

    async def end(self, store: SQLiteStore) -> None:
        await store._writer.database.execute("PRAGMA query_only = 0")


Fault = FullDisk | LockedFile | FailingDisk | ReadOnlyFile
EVERY_FAULT = pytest.mark.parametrize("kind", [FullDisk, LockedFile, FailingDisk, ReadOnlyFile])


@EVERY_FAULT
def test_what_connections_write_counts_and_is_written_when_it_can_be(
    path: Path, kind: Callable[[Path], Fault], caplog: pytest.LogCaptureFixture
) -> None:
    fault = kind(path)
    joined = Joined(connection=2)
    known: list[Entry] = [Stage(stage="fetching"), Ready(), Joined(connection=1)]
    meanwhile = [delivered("a"), joined, delivered("b"), Wanted(position=1.0)]

    async def scenario(store: SQLiteStore) -> None:
        await store.put(record())
        producer = await store.fence(SESSION, "producer")
        first = await store.fence(SESSION, "deliverer")
        await store.append(SESSION, known[:2], producer)
        await store.append(SESSION, known[2:], first)
        seen: list[Entry] = []

        async def follow() -> None:
            async for logged in store.follow(SESSION):
                seen.append(logged.entry)  # noqa: PERF401 - it is looked at before it ends

        following = asyncio.create_task(follow())
        await asyncio.sleep(0.05)
        await fault.begin(store)
        assert await store.append(SESSION, meanwhile[:1], first) == 4
        forget(store)
        second = await store.fence(SESSION, "deliverer")
        assert second.number == 2
        forget(store)
        with pytest.raises(StaleFence):
            await store.append(SESSION, [delivered("never")], first)
        assert await store.append(SESSION, meanwhile[1:3], second) == 6
        assert await store.append(SESSION, meanwhile[3:], second) == 7
        assert await entries(store) == [*known, *meanwhile]
        assert [one.position for one in await store.read(SESSION, after=5)] == [6, 7]
        for refused in (
            lambda: store.append(SESSION, [Ready()], producer),
            lambda: store.fence(SESSION, "producer"),
            lambda: store.put(record(OTHER)),
            lambda: store.delete(SESSION),
            lambda: store.reserve({"day": 1.0}, 0.1),
            lambda: store.prefer("here", "ann", "quiet"),
        ):
            with pytest.raises((StorageFull, StoreFailed), match=fault.said):
                await refused()
        await fault.end(store)
        assert await in_time(lambda: store.append(SESSION, [Ready()], producer)) == 8
        await asyncio.sleep(0)
        following.cancel()
        assert seen == [*known, *meanwhile, Ready()]

    with caplog.at_level(logging.INFO, logger="watchbuddy.store"):
        opened(path, scenario)
    assert [one.levelname for one in caplog.records] == ["WARNING", "WARNING"]
    assert "What is ready plays on" in caplog.text
    assert "4 entries that waited" in caplog.text

    async def again(store: SQLiteStore) -> None:
        assert await entries(store) == [*known, *meanwhile, Ready()]
        assert [one.position for one in await store.read(SESSION)] == list(range(1, 9))
        assert (await store.fence(SESSION, "deliverer")).number == 3
        assert list(await store.list()) == [record()]

    opened(path, again)
    assert is_sound(path)


def forget(store: SQLiteStore) -> None:
    """As if so many others had been at work that what is kept in mind is about them."""
    store._writer.known.ends.clear()
    store._writer.known.fences.clear()


def is_sound(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as database:
        (told,) = database.execute("PRAGMA integrity_check").fetchone()
    return bool(told == "ok")


def test_nothing_is_spent_that_cannot_be_written_down_and_what_was_spent_is_not_forgotten(
    path: Path,
) -> None:
    fault = ReadOnlyFile(path)

    async def scenario(store: SQLiteStore) -> None:
        await store.reserve({"day": 1.0}, 0.4)
        await fault.begin(store)
        with pytest.raises(StoreFailed):
            await store.reserve({"day": 1.0}, 0.1)
        await store.settle(["day"], 0.4, 0.25)
        await fault.end(store)
        await in_time(lambda: store.reserve({"day": 1.0}, 0.75))
        with pytest.raises(BudgetReached):
            await store.reserve({"day": 1.0}, 0.000001)

    opened(path, scenario)


def test_a_session_is_cancelled_at_once_and_deleted_when_that_can_be_written(path: Path) -> None:
    fault = ReadOnlyFile(path)

    async def scenario(store: SQLiteStore) -> None:
        await store.put(record())
        fence = await store.fence(SESSION, "deliverer")
        await fault.begin(store)
        await store.append(SESSION, [Cancelled()], None)
        await store.append(SESSION, [delivered("a")], fence)
        assert await entries(store) == [Cancelled(), delivered("a")]
        await fault.end(store)
        await in_time(lambda: store.delete(SESSION))
        assert not await store.list()
        assert not await store.read(SESSION)
        assert await store.append(SESSION, [Ready()], await store.fence(SESSION, "producer")) == 1

    opened(path, scenario)


def test_what_is_written_while_it_is_read_is_read_once(path: Path) -> None:
    fault = ReadOnlyFile(path)

    async def scenario(store: SQLiteStore) -> None:
        fence = await store.fence(SESSION, "deliverer")
        await store.append(SESSION, [delivered("a")], fence)
        await fault.begin(store)
        await store.append(SESSION, [delivered("b"), delivered("c")], fence)
        read = store._read

        async def slowly(statement: str, *facts: object) -> Any:
            if "FROM log" in statement:
                await fault.end(store)
                await in_time(lambda: store.prefer("here", "ann", "quiet"))
            return await read(statement, *facts)

        store._read = slowly  # type: ignore[method-assign]
        assert [one.position for one in await store.read(SESSION)] == [1, 2, 3]

    opened(path, scenario)


def test_a_disk_that_fails_again_and_again_is_told_once_in_a_while(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(store: SQLiteStore) -> None:
        fault = ReadOnlyFile(path)
        for _ in range(5):
            await fault.begin(store)
            with pytest.raises(StoreFailed):
                await store.prefer("here", "ann", "quiet")
            await fault.end(store)
            await in_time(lambda: store.prefer("here", "ann", "quiet"))

    opened(path, scenario)
    assert len(caplog.records) == 2


def test_what_waits_is_written_without_being_asked_for(path: Path) -> None:
    fault = ReadOnlyFile(path)

    async def scenario(store: SQLiteStore) -> None:
        fence = await store.fence(SESSION, "deliverer")
        await fault.begin(store)
        await store.append(SESSION, [delivered("a")], fence)
        await fault.end(store)
        with closing(sqlite3.connect(path)) as database:
            while not database.execute("SELECT * FROM log").fetchall():
                await asyncio.sleep(0.01)

    opened(path, scenario)


def test_what_waits_is_written_at_the_end_where_that_is_possible_and_else_told(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for is_in_time in (True, False):
        fault = ReadOnlyFile(path)

        async def scenario(store: SQLiteStore) -> None:
            fence = await store.fence(SESSION, "deliverer")
            await fault.begin(store)  # noqa: B023 - it is run at once
            await store.append(SESSION, [delivered("a")], fence)
            if is_in_time:  # noqa: B023
                await fault.end(store)  # noqa: B023

        opened(path, scenario)
    with closing(sqlite3.connect(path)) as database:
        assert len(database.execute("SELECT * FROM log").fetchall()) == 1
    assert "1 entries that waited for it are lost" in caplog.text


def test_a_slow_disk_is_waited_for_once_for_all(path: Path) -> None:
    async def scenario(store: SQLiteStore) -> None:
        sessions = [f"ses_{number:016x}" for number in range(400)]
        fences = [await store.fence(one, "deliverer") for one in sessions]
        execute = store._writer.database.execute
        commits = 0

        async def commit() -> Any:
            nonlocal commits
            commits += 1
            await asyncio.sleep(0.1)
            return await execute("COMMIT")

        def slowly(statement: str, *facts: Any) -> Any:
            return commit() if statement == "COMMIT" else execute(statement, *facts)

        store._writer.database.execute = slowly  # type: ignore[assignment,method-assign]
        for number in range(3):
            pairs = zip(sessions, fences, strict=True)
            told = await asyncio.gather(
                *(store.append(one, [delivered(str(number))], fence) for one, fence in pairs)
            )
            assert set(told) == {number + 1}
        assert commits <= 6

    opened(path, scenario)


# --- real disks ----------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(disk: Path) -> Path:
    """A file that takes all the room that there is."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1024))
        except OSError:
            return filler


def test_a_disk_that_fills_up_and_empties_again(small_disk: Path) -> None:
    path = small_disk / "data" / "sessions.sqlite"
    large = Stage(stage="fetching", title="x" * 20_000)

    async def scenario(store: SQLiteStore) -> None:
        producer = await store.fence(SESSION, "producer")
        fence = await store.fence(SESSION, "deliverer")
        await store.append(SESSION, [Ready()], producer)
        filler = fill(small_disk)
        # There is some room left in the files themselves.
        count = await until_full(lambda: store.append(SESSION, [large], producer))
        for number in range(100):
            await store.append(SESSION, [delivered(str(number))], fence)
        assert len(await store.read(SESSION)) == 1 + count + 100
        filler.unlink()
        await in_time(lambda: store.append(SESSION, [large], producer))
        written = await entries(store)
        assert [one.kind for one in written] == [
            *("ready", *["stage"] * count, *["delivered"] * 100, "stage")
        ]

    opened(path, scenario)
    assert is_sound(path)


def test_a_disk_that_may_only_be_read_is_refused_with_what_to_do(small_disk: Path) -> None:
    path = small_disk / "data" / "sessions.sqlite"
    opened(path, lambda store: store.put(record()))
    before = path.read_bytes()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)

    async def nothing(store: SQLiteStore) -> None:
        pytest.fail("it cannot be written")

    with pytest.raises(StoreFailed, match=r"Read-only file system.*--data-dir"):
        opened(path, nothing)
    assert path.read_bytes() == before


# --- the bounds of what is kept in memory --------------------------------------------------


def test_where_viewers_are_is_passed_over_before_what_they_were_sent(path: Path) -> None:
    fault = ReadOnlyFile(path)
    position = Wanted(position=1.0)
    heard = Acked(action_id="a")

    async def scenario(store: SQLiteStore) -> None:
        store._writer.tail = Tail(most_entries=8)
        fence = await store.fence(SESSION, "deliverer")
        await fault.begin(store)
        for _ in range(4):
            await store.append(SESSION, [position], fence)
        for number in range(4):
            await store.append(SESSION, [position, heard], fence)
            await store.append(SESSION, [delivered(str(number))], fence)
        with pytest.raises(StorageFull):
            await store.append(SESSION, [delivered("never")], fence)
        with pytest.raises(StorageFull):
            await store.append(SESSION, [position], fence)
        other = await store.fence(OTHER, "deliverer")
        await store.append(OTHER, [Feedback(wish="mute", density="muted")], other)
        expected = [*[position] * 4, *(delivered(str(number)) for number in range(4))]
        assert await entries(store) == expected
        positions = [logged.position for logged in await store.read(SESSION)]
        assert positions == [1, 2, 3, 4, 7, 10, 13, 16]
        await fault.end(store)
        producer = await in_time(lambda: store.fence(SESSION, "producer"))
        assert await store.append(SESSION, [Ready()], producer) == 17
        assert await entries(store) == [*expected, Ready()]

    opened(path, scenario)


def test_all_logs_together_are_bounded(path: Path) -> None:
    fault = ReadOnlyFile(path)

    async def scenario(store: SQLiteStore) -> None:
        store._writer.tail = Tail(most_bytes=5000)
        fences = [await store.fence(f"ses_{number}", "deliverer") for number in range(50)]
        await fault.begin(store)
        numbers = iter(range(50))

        async def append() -> None:
            number = next(numbers)
            await store.append(f"ses_{number}", [delivered("a")], fences[number])

        assert 5 < await until_full(append) < 30
        await fault.end(store)

    opened(path, scenario)


# --- caches --------------------------------------------------------------------------------


def test_a_cache_that_cannot_be_written_keeps_nothing_and_says_so_to_nobody(path: Path) -> None:
    fault = ReadOnlyFile(path)

    async def scenario(store: SQLiteStore) -> None:
        cache = store.cache("ours", most_bytes=10_000)
        await cache.put("a", b"value")
        await fault.begin(store)
        await cache.put("a", b"another")
        await cache.put("b", b"value")
        assert await cache.get("a") == b"value"
        assert await cache.get("b") is None
        await fault.end(store)
        await in_time(lambda: store.prefer("here", "ann", "quiet"))
        await cache.put("b", b"value")
        assert await cache.get("b") == b"value"

    opened(path, scenario)
