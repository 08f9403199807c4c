"""Whether the server says the truth about itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from patience import PATIENCE

from watchbuddy_core.actions import Draft
from watchbuddy_core.errors import StorageFull
from watchbuddy_core.protocols import Brief
from watchbuddy_core.session import Parts
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.stores.sqlite import SQLiteStore
from watchbuddy_core.testing import ScriptedGenerator
from watchbuddy_server import health
from watchbuddy_server.app import create_app
from watchbuddy_server.health import Readiness

UNAVAILABLE = {"status": "unavailable"}


class Disk(MemoryStore):
    """A store whose disk does what a test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.trouble: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()

    async def check(self) -> None:
        self.asked += 1
        await self.answers.wait()
        if self.trouble is not None:
            raise self.trouble


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def looking(test: Callable[[Readiness, Disk, Clock], Awaitable[None]]) -> None:
    async def main() -> None:
        disk, clock = Disk(), Clock()
        readiness = Readiness(store=disk, now=clock)
        readiness.is_started = True
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(readiness.look())
            await test(readiness, disk, clock)
            task.cancel()

    asyncio.run(main())


def test_the_answers_over_http(parts: Parts) -> None:
    disk = Disk()
    with TestClient(create_app(parts=parts, store=disk)) as client:
        assert client.get("/health/live").json() == {"status": "ok"}
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()) == (200, {"status": "ok"})
    disk.trouble = StorageFull("The server has no room to keep sessions.")
    with TestClient(create_app(parts=parts, store=disk)) as client:
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()) == (503, UNAVAILABLE | {"reason": "store"})
        assert client.get("/health/live").status_code == 200


def test_a_store_that_fails_is_told_and_so_is_that_it_works_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(readiness: Readiness, disk: Disk, clock: Clock) -> None:
        assert await readiness.reason() is None
        disk.trouble = StorageFull("no room")
        clock.now += 5.0
        assert await readiness.reason() == "store"
        clock.now += 5.0
        assert await readiness.reason() == "store"
        disk.trouble = None
        clock.now += 5.0
        assert await readiness.reason() is None

    with caplog.at_level(logging.WARNING):
        looking(test)
    assert [record.getMessage() for record in caplog.records] == [
        "not ready: the store does not work: no room"
    ]


def test_asked_every_second_the_store_is_asked_every_five(caplog: pytest.LogCaptureFixture) -> None:
    async def test(readiness: Readiness, disk: Disk, clock: Clock) -> None:
        for _ in range(60):
            assert await readiness.reason() is None
            clock.now += 1.0
        assert disk.asked == 12

    looking(test)


def test_a_disk_that_hangs_is_an_answer_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_PATIENCE", 0.05)

    async def test(readiness: Readiness, disk: Disk, clock: Clock) -> None:
        disk.answers.clear()
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(readiness.reason()) for _ in range(50)]
        assert {one.result() for one in asking} == {"store"}
        assert disk.asked == 1
        monkeypatch.setattr(health, "_PATIENCE", PATIENCE)
        disk.answers.set()
        assert await readiness.reason() is None

    looking(test)


def test_a_server_that_begins_is_not_ready_until_it_knows_what_there_is(parts: Parts) -> None:
    class Long(MemoryStore):
        async def list(self) -> Sequence[SessionRecord]:
            await asyncio.Event().wait()
            raise AssertionError

    with TestClient(create_app(parts=parts, store=Long())) as client:
        answer = client.get("/health/ready")
        assert (answer.status_code, answer.json()) == (503, UNAVAILABLE | {"reason": "starting"})


def test_a_store_that_may_grow_no_more_is_not_ready() -> None:
    async def main() -> None:
        readiness = Readiness(store=Disk(), is_full=lambda: True)
        readiness.is_started = True
        assert await readiness.reason() == "store"

    asyncio.run(main())


def test_a_server_that_ends_is_not_ready() -> None:
    async def test(readiness: Readiness, disk: Disk, clock: Clock) -> None:
        readiness.is_stopping = True
        assert await readiness.reason() == "stopping"
        assert disk.asked == 0

    looking(test)


class Broken:
    """A generator that finds out at once that it cannot work."""

    async def prepare(self) -> Sequence[str]:
        raise RuntimeError("there is no model")

    async def generate(self, brief: Brief) -> AsyncIterator[Draft]:
        raise AssertionError
        yield


@pytest.mark.parametrize("stand_in", [None, ScriptedGenerator()])
def test_a_generator_that_is_broken_from_the_start_is_told_unless_another_stands_in(
    parts: Parts, stand_in: Any
) -> None:
    broken = replace(parts, generator=Broken(), stand_in=stand_in)
    with TestClient(create_app(parts=broken, store=MemoryStore())) as client:
        answer = client.get("/health/ready")
        if stand_in is None:
            assert answer.json() == UNAVAILABLE | {"reason": "generator"}
        else:
            assert answer.status_code == 200


def test_an_application_that_is_started_again_is_ready_again(parts: Parts) -> None:
    app = create_app(parts=parts, store=MemoryStore())
    for _ in range(2):
        with TestClient(app) as client:
            assert client.get("/health/ready").status_code == 200


def test_a_file_that_cannot_be_written_is_found_out_without_a_session(tmp_path: Path) -> None:
    async def main() -> None:
        async with SQLiteStore(tmp_path / "sessions.sqlite") as store:
            await store.check()
            await store._writer.database.execute("PRAGMA query_only = 1")
            with pytest.raises(Exception, match="cannot be used"):
                await store.check()
            await store._writer.database.execute("PRAGMA query_only = 0")

    asyncio.run(main())
