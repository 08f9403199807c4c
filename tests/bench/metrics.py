"""What it costs to be counted: `python tests/bench/metrics.py`.

The processor time of an append with and without somebody who looks on, and of a scrape where
10,000 sessions are kept. A viewer causes about one append a second, so the share of a core is
that of 2,000 viewers.
"""

from __future__ import annotations

import asyncio
import time

from prometheus_client import generate_latest

from watchbuddy_core.entries import Delivered, Entry, Wanted
from watchbuddy_core.events import Playhead
from watchbuddy_core.storage import SessionRecord, Store
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.stores.observed import observed
from watchbuddy_server.metrics import Metrics

APPENDS = 50_000
ROUNDS = 5
SESSIONS = 10_000
VIEWERS = 2_000
ENTRIES: tuple[Entry, ...] = (
    Wanted(position=1.0),
    Delivered(ids=("a",), lateness=(0.1,), playhead=Playhead()),
)


async def append(store: Store, entry: Entry) -> float:
    """Microseconds of processor time for one."""
    began = time.process_time()
    for number in range(APPENDS):
        await store.append(str(number % 100), [entry], None)
    return (time.process_time() - began) / APPENDS * 1e6


async def scrape() -> tuple[float, int]:
    """Milliseconds for one, and the bytes of the answer."""
    metrics = Metrics()
    store = observed(MemoryStore(), metrics.sessions)
    for number in range(SESSIONS):
        record = SessionRecord(
            session_id=str(number), video_url="library:a", character_id="miao", created_at=0.0
        )
        await store.put(record)
    began = time.process_time()
    answer = generate_latest(metrics.registry)
    return (time.process_time() - began) * 1e3, len(answer)


async def main() -> None:
    for entry in ENTRIES:
        bare = min([await append(MemoryStore(), entry) for _ in range(ROUNDS)])
        seen = min(
            [
                await append(observed(MemoryStore(), Metrics().sessions), entry)
                for _ in range(ROUNDS)
            ]
        )
        share = (seen - bare) * VIEWERS / 1e6
        print(
            f"{entry.kind:10} {bare:5.2f} µs alone   {seen:5.2f} µs looked on at   "
            f"{share:.2%} of a core for {VIEWERS} a second"
        )
    took, size = await scrape()
    print(f"scrape     {took:5.1f} ms with {SESSIONS} sessions, {size} bytes")


if __name__ == "__main__":
    asyncio.run(main())
