"""A store that cannot be written for a while: production waits, and pays for nothing twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from watchbuddy_core.actions import Draft
from watchbuddy_core.entries import Entry, Fence, Role, Usage
from watchbuddy_core.errors import BudgetReached, StorageFull
from watchbuddy_core.protocols import Brief
from watchbuddy_core.session import LocalJobs
from watchbuddy_core.session import journal as journals
from watchbuddy_core.session import producer as producers
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.video import Video

PRICE = Usage(calls=1, prompt_tokens=10, completion_tokens=10, cost=0.01)


class Disk(MemoryStore):
    """Keeps what connections write, and refuses everything else, while it is full."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = False
        self.refused = asyncio.Event()

    def _refuse(self) -> None:
        if self.is_full:
            self.refused.set()
            raise StorageFull("There is no room.")

    async def fill(self, seconds: float = 0.2) -> None:
        """Be full until something was refused, and then for so long."""
        self.is_full = True
        await self.refused.wait()
        await asyncio.sleep(seconds)
        self.is_full = False
        self.refused.clear()

    async def put(self, record: SessionRecord) -> None:
        self._refuse()
        await super().put(record)

    async def fence(self, session_id: str, role: Role) -> Fence:
        if role == "producer":
            self._refuse()
        return await super().fence(session_id, role)

    async def append(self, session_id: str, entries: Sequence[Entry], fence: Fence | None) -> int:
        if fence is not None and fence.role == "producer":
            self._refuse()
        return await super().append(session_id, entries, fence)

    async def reserve(self, limits: Mapping[str, float], amount: float) -> None:
        self._refuse()
        await super().reserve(limits, amount)


class Paid:
    """A generator that is paid for each window. The disk fills up when it is asked to."""

    def __init__(self, drafts: tuple[Draft, ...], disk: Disk, fills: str) -> None:
        self._drafts = drafts
        self._disk = disk
        self._fills = fills
        self.filling: list[asyncio.Task[None]] = []
        self.calls: Counter[int] = Counter()

    async def _fill(self, when: str) -> None:
        if when == self._fills and len(self.filling) < 2:
            self.filling.append(asyncio.create_task(self._disk.fill()))
            await asyncio.sleep(0)

    async def generate(self, brief: Brief) -> AsyncIterator[Draft]:
        await self._fill("before it is paid")
        window = brief.window
        async with brief.desk.paying("model", PRICE) as payment:
            self.calls[window.index] += 1
            await self._fill("while it is at work")
            for draft in self._drafts:
                if window.start <= draft.action.trigger_timestamp < window.end:
                    yield draft
            payment.used = PRICE


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "_LONGEST_PAUSE", 0.05)
    monkeypatch.setattr(producers, "_STORE_PAUSE", 0.05)


@pytest.mark.parametrize("fills", ["before it is paid", "while it is at work"])
def test_what_is_paid_for_is_kept_until_it_can_be_written(
    studio: Any, drafts: Any, run: Any, film: Video, fills: str
) -> None:
    async def scenario() -> None:
        made = studio(film)
        made.store = disk = Disk()
        generator = Paid(drafts(), disk, fills)
        made.parts = replace(made.parts, generator=generator)
        session = await made.session()
        await session.produce()
        await asyncio.gather(*generator.filling)
        assert len(generator.filling) == 2
        assert generator.calls == {0: 1, 1: 1}
        entries = await made.entries(session)
        kinds = [entry.kind for entry in entries if entry.kind != "stage"]
        assert sorted(kinds) == ["placed", "placed", "ready", "spent", "spent", "window", "window"]
        status = await session.status()
        assert (status.status, status.cost) == ("ready", pytest.approx(0.02))
        assert all(window.problem is None for window in status.windows)
        account = f"session/{session.session_id}"
        await disk.reserve({account: 0.03}, 0.01)
        with pytest.raises(BudgetReached):
            await disk.reserve({account: 0.03}, 0.001)

    run(scenario())


def test_a_job_begins_as_soon_as_there_is_room(studio: Any, run: Any, film: Video) -> None:
    async def scenario() -> None:
        made = studio(film)
        made.store = disk = Disk()
        session = await made.session()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(disk.fill())
            await asyncio.sleep(0)
            async with LocalJobs(store=disk, parts=made.parts) as jobs:
                await jobs.submit(session.session_id)
                while (await session.status()).status != "ready":
                    await asyncio.sleep(0.01)

    run(scenario())
