"""What creating a session costs a server that keeps many: `python tests/bench/creating.py`.

POST /api/v1/sessions through the whole application, over a SQLite file that holds none, and then
ten thousand. Told is how long one took, in milliseconds, one after the other.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import quantiles

import httpx

from watchbuddy_core.character import Character
from watchbuddy_core.entries import Ready
from watchbuddy_core.errors import VideoUnavailable
from watchbuddy_core.protocols import Match, Progress
from watchbuddy_core.session import Parts
from watchbuddy_core.settings import Limits
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.sqlite import SQLiteStore
from watchbuddy_core.testing import ScriptedGenerator
from watchbuddy_core.video import Video, VideoRequest
from watchbuddy_server.app import create_app

KEPT = (0, 10_000)
POSTS = 50


class _Nowhere:
    """A source that has nothing: preparing takes no time of its own."""

    def match(self, url: str) -> Match:
        return Match.SITE

    async def open(self, request: VideoRequest, progress: Progress) -> Video:
        raise VideoUnavailable("There is nothing.")


async def fill(store: SQLiteStore, count: int) -> None:
    records = (
        SessionRecord(
            session_id=f"ses_{number:016x}",
            video_url="library:film.mp4",
            character_id="miao",
            caller=f"192.0.2.{number % 250}",
            created_at=float(number),
        )
        for number in range(count)
    )

    async def keep(record: SessionRecord) -> None:
        await store.put(record)
        await store.append(record.session_id, [Ready()], None)

    await asyncio.gather(*map(keep, records))


async def create(store: SQLiteStore) -> list[float]:
    """How long each took, in seconds."""
    parts = Parts(
        sources=[_Nowhere()],
        generator=ScriptedGenerator(),
        characters={"miao": Character(id="miao", name={"en": "Miao"})},
    )
    app = create_app(parts=parts, store=store, limits=Limits(sessions=100_000))
    wanted = {"video_url": "library:film.mp4", "character_id": "miao"}
    took = []
    async with (
        app.lifespan(),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://127.0.0.1"
        ) as client,
    ):
        await asyncio.sleep(
            0.002 * await store.count() + 1
        )  # what a server does at its start is not what is measured
        for _ in range(POSTS):
            began = time.perf_counter()
            answer = await client.post("/api/v1/sessions", json=wanted)
            took.append(time.perf_counter() - began)
            assert answer.status_code == 202, answer.text
            await asyncio.sleep(0.02)
    return took


async def main() -> None:
    for kept in KEPT:
        with tempfile.TemporaryDirectory() as folder:
            async with SQLiteStore(Path(folder) / "sessions.sqlite") as store:
                await fill(store, kept)
                took = await create(store)
        cuts = quantiles(took, n=100)
        print(f"{kept:6} kept: p50 {cuts[49] * 1000:6.2f} ms, p99 {cuts[98] * 1000:6.2f} ms")


if __name__ == "__main__":
    asyncio.run(main())
