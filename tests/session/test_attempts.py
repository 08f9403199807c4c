"""Attempts at one session: who is not the newest stops, wherever it is in its work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from watchbuddy_core.entries import Cancelled, Entry, Fence, Spent, Usage
from watchbuddy_core.session.history import History
from watchbuddy_core.session.journal import Journal
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.testing import MemorySource
from watchbuddy_core.video import Video


def test_a_revived_attempt_stops_in_the_middle_of_a_window(
    studio: Any, run: Any, film: Video
) -> None:
    """It is asking its model when the next one begins: what it would get nobody takes."""

    async def scenario() -> None:
        never, later = asyncio.Event(), asyncio.Event()
        made = studio(film, waits={0: never})
        session = await made.session()
        older = asyncio.create_task(session.produce())
        while not made.generator.briefs:
            await asyncio.sleep(0.01)
        made.generator.waits[0] = later
        newer = asyncio.create_task(session.produce())
        await older  # though nothing will ever end what it waits for
        assert not newer.done()
        later.set()
        await newer
        assert (await session.status()).status == "ready"

    run(scenario())


def test_a_session_that_is_deleted_is_fetched_no_further(
    studio: Any, run: Any, film: Video
) -> None:
    """Whoever deletes it may be another process: the log alone tells."""

    async def scenario() -> None:
        made = studio(film)
        made.source = MemorySource(waits={made.url: asyncio.Event()})
        object.__setattr__(made.parts, "sources", [made.source])
        session = await made.session()
        attempt = asyncio.create_task(session.produce())
        while not made.source.requests:
            await asyncio.sleep(0.01)
        await made.store.append(session.session_id, [Cancelled()], None)
        await attempt

    run(scenario())


class Gossip(MemoryStore):
    """Its followers know of an entry before whoever has written it."""

    async def append(self, session_id: str, entries: Sequence[Entry], fence: Fence | None) -> int:
        position = await super().append(session_id, entries, fence)
        await asyncio.sleep(0.05)
        return position


def test_what_one_wrote_oneself_counts_once_whoever_hears_of_it_first(run: Any) -> None:
    async def scenario() -> None:
        store, history = Gossip(), History()
        journal = Journal(
            "ses_0", log=store, fence=await store.fence("ses_0", "producer"), history=history
        )
        heard: list[Entry] = []

        async def listen() -> None:
            async for entry in journal.others():
                heard.append(entry)  # noqa: PERF401 - as they come

        listening = asyncio.create_task(listen())
        await asyncio.sleep(0)
        await journal.write(Spent(model="a model", usage=Usage(calls=1)))
        while journal.seen < 1:
            await asyncio.sleep(0.01)
        listening.cancel()
        await asyncio.wait([listening])
        assert not heard
        assert history.usage.calls == 1

    run(scenario())
