"""Sessions over a real film, a store in memory, and a generator that the tests write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest
from patience import PATIENCE
from shared import made_once, shared_folder

from watchbuddy_core.actions import Draft, Speak
from watchbuddy_core.character import Character
from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.session import Parts, WatchSession
from watchbuddy_core.sources.hosts import USUAL_SITES
from watchbuddy_core.stores.files import FileCache
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.testing import MemorySource, ScriptedGenerator
from watchbuddy_core.video import Video
from watchbuddy_core.wire import CreateSession


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Video:
    """Three windows long: borders near 45 s and 165 s, the last piece joined."""
    shots = [Shot(180.0, Picture.STILL, Tone.CALM)]
    path = made_once(
        tmp_path_factory,
        "session/film.mp4",
        lambda path: make_clip(path, shots, size=(64, 36), frame_rate=2),
    )
    return Video(content_id="film", title="A film", path=path)


def _drafts(count: int = 12) -> tuple[Draft, ...]:
    return tuple(
        Draft(
            action=Speak(trigger_timestamp=10.0 + 14 * i, text=f"{word} it is."),
            evidence_until=0.0,
            importance=0.5,
        )
        for i, word in zip(range(count), "abcdefghijklmnop", strict=False)
    )


class Studio:
    """A store and the parts of its sessions."""

    url = "memory:film"

    def __init__(
        self,
        film: Video,
        *,
        drafts: tuple[Draft, ...] | None = None,
        understood: FileCache | None = None,
        **generator: Any,
    ) -> None:
        """`generator` are options of the ScriptedGenerator."""
        self.store = MemoryStore()
        self.generator = ScriptedGenerator(_drafts() if drafts is None else drafts, **generator)
        self.source = MemorySource({self.url: film})
        self.parts = Parts(
            sources=[self.source],
            generator=self.generator,
            characters={"miao": Character(id="miao", name={"en": "Miao"})},
            allowed_hosts=USUAL_SITES,
            cache=understood,
        )

    async def session(self, **fields: Any) -> WatchSession:
        """A session for the film; the check of the address is another test's business."""
        request = CreateSession.model_validate(
            {"video_url": "library:film", "character_id": "miao", **fields}
        )
        session = await WatchSession.create(
            request, store=self.store, parts=self.parts, created_at=0.0
        )
        record = session.record
        if record.video_url == "library:film":
            record = record.model_copy(update={"video_url": self.url})
            await self.store.put(record)
        return await WatchSession.find(record.session_id, store=self.store, parts=self.parts)

    async def entries(self, session: WatchSession) -> list[Any]:
        return [logged.entry for logged in await self.store.read(session.session_id)]


@pytest.fixture(scope="session")
def understood(tmp_path_factory: pytest.TempPathFactory) -> FileCache:
    """What was found out about the films: each is looked through once."""
    return FileCache(shared_folder(tmp_path_factory) / "understood")


@pytest.fixture
def studio(understood: FileCache) -> Callable[..., Studio]:
    return partial(Studio, understood=understood)


@pytest.fixture
def drafts() -> Callable[..., tuple[Draft, ...]]:
    return _drafts


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, None]], None]:
    """Runs a scenario in an event loop of its own, and sees that no task is left behind."""

    def run(scenario: Coroutine[Any, Any, None]) -> None:
        async def bounded() -> None:
            await asyncio.wait_for(scenario, PATIENCE)
            assert asyncio.all_tasks() == {asyncio.current_task()}

        asyncio.run(bounded())

    return run
