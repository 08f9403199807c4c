"""The contract checks: our own plugins keep to them, and each fault is told by its rule."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from watchbuddy_core.actions import Draft, EndReaction, ReplaySegment, Speak
from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.errors import VideoUnavailable
from watchbuddy_core.events import Due, TimestampUpdate
from watchbuddy_core.generation.offline import OfflineGenerator
from watchbuddy_core.protocols import Brief, Match
from watchbuddy_core.sources.local import LocalSource
from watchbuddy_core.testing import (
    ContractBroken,
    MemorySource,
    ScriptedGenerator,
    briefs_for,
    check_generator,
    check_scheduler,
    check_source,
)
from watchbuddy_core.timeline import Timeline
from watchbuddy_core.video import Video


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Video:
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    make_clip(path, [Shot(2.0, Picture.DAY, Tone.CALM)], size=(64, 36), frame_rate=5)
    return Video(content_id="film", title="Film", path=path)


# --- sources -------------------------------------------------------------------------------


def test_our_sources_keep_to_the_contract(film: Video) -> None:
    library = LocalSource([film.path.parent])
    others = ["https://example.com/watch", "memory:film", "file:///etc/passwd"]
    missing = ["library:none.mp4", "library:../film.mp4"]
    asyncio.run(check_source(library, opens=["library:film.mp4"], refuses=others, missing=missing))
    memory = MemorySource({"memory:film": film})
    asyncio.run(
        check_source(
            memory, opens=["memory:film"], refuses=["library:film.mp4"], missing=["memory:none"]
        )
    )


def source_with(film: Video, **changes: Any) -> MemorySource:
    """A good source but for what is changed."""
    return type("Changed", (MemorySource,), changes)({"memory:film": film})


async def _opens_slowly_and_forgets(self: Any, request: Any, progress: Any) -> Video:
    _FORGOTTEN.append(asyncio.ensure_future(asyncio.sleep(60)))
    await asyncio.sleep(0.01)
    return await MemorySource.open(self, request, progress)


_FORGOTTEN: list[asyncio.Future[Any]] = []


def _goes_back(self: Any, request: Any, progress: Any) -> Any:
    progress(0.5, "Half")
    return MemorySource.open(self, request, progress)


def _goes_beyond(self: Any, request: Any, progress: Any) -> Any:
    progress(100.0, "Percent")
    return MemorySource.open(self, request, progress)


async def _raises(self: Any, request: Any, progress: Any) -> Any:
    raise KeyError("video")


async def _gives_another(self: Any, request: Any, progress: Any) -> Video:
    self.opened = getattr(self, "opened", 0) + 1
    video = self.videos["memory:film"]
    return Video(content_id=str(self.opened), title=video.title, path=video.path)


async def _finds_anything(self: Any, request: Any, progress: Any) -> Any:
    return self.videos["memory:film"]


async def _swallows(self: Any, request: Any, progress: Any) -> Video:
    try:
        await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        raise RuntimeError("interrupted") from None
    return await MemorySource.open(self, request, progress)


def _unsure(self: Any, url: str) -> Match:
    self.asked = getattr(self, "asked", 0) + 1
    return Match.SITE if self.asked % 2 else Match.NO


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"match": lambda self, url: Match.NO}, "is to open 'memory:film' and does not match"),
        ({"match": lambda self, url: Match.SITE}, "It matches 'memo:else' (SITE)"),
        ({"match": lambda self, url: url == "memory:film"}, "which is no Match"),
        ({"match": lambda self, url: url[0] and Match.SITE}, "It matches 'memo:else'"),
        ({"match": _unsure}, "does not answer the same twice"),
        ({"open": _raises}, "a failure is a ProcessingFailed"),
        ({"open": _finds_anything}, "opening it does not fail"),
        ({"open": _goes_back}, "Progress does not go back"),
        ({"open": _goes_beyond}, "Progress is 0 to 1"),
        ({"open": _gives_another}, "the same content_id"),
        ({"open": _opens_slowly_and_forgets}, "leaves tasks behind"),
        ({"open": _swallows}, "ends as cancelled"),
    ],
)
def test_a_source_with_a_fault_is_told(film: Video, changes: dict[str, Any], said: str) -> None:
    async def check() -> None:
        source = source_with(film, **changes)
        if changes.get("open") is _gives_another:
            await check_source(source, opens=["memory:film"])
        else:
            await check_source(
                source, opens=["memory:film"], refuses=["memo:else"], missing=["memory:none"]
            )

    try:
        with pytest.raises(ContractBroken) as caught:
            asyncio.run(check())
    finally:
        _FORGOTTEN.clear()
    assert said in str(caught.value)


def test_a_match_that_raises_is_told(film: Video) -> None:
    def match(self: Any, url: str) -> Match:
        if not url.strip():
            raise VideoUnavailable("nothing")
        return MemorySource.match(self, url)

    with pytest.raises(ContractBroken, match="it says NO instead"):
        asyncio.run(check_source(source_with(film, match=match), opens=["memory:film"]))


def test_what_is_no_source_is_told() -> None:
    with pytest.raises(ContractBroken, match="has `match` and `open`"):
        asyncio.run(check_source(object(), opens=[]))  # type: ignore[arg-type]


# --- generators ----------------------------------------------------------------------------


def test_our_generators_keep_to_the_contract() -> None:
    asyncio.run(check_generator(OfflineGenerator(), deterministic=True))
    drafts = [Draft(action=Speak(trigger_timestamp=float(at), text="Hm?")) for at in range(300)]
    asyncio.run(check_generator(ScriptedGenerator(drafts), deterministic=True))


Stream = Callable[[Brief], AsyncIterator[Any]]


def generator_of(stream: Stream) -> Any:
    class Changed:
        def generate(self, brief: Brief) -> AsyncIterator[Draft]:
            return stream(brief)

    return Changed()


def drafting(make: Callable[[Brief], Any], count: int = 1) -> Stream:
    async def stream(brief: Brief) -> AsyncIterator[Any]:
        for _ in range(count):
            yield make(brief)

    return stream


def line(at: float, **more: Any) -> Draft:
    return Draft(action=Speak(trigger_timestamp=at, text="Hm?"), **more)


_COUNT = iter(range(10**9))


def replay_of_the_future(brief: Brief) -> Draft:
    return Draft(
        action=ReplaySegment(
            trigger_timestamp=brief.window.start,
            start_timestamp=brief.window.end,
            end_timestamp=brief.window.end + 5,
        )
    )


async def fails_on_nothing(brief: Brief) -> AsyncIterator[Draft]:
    yield line(brief.understanding.cues[0].end if not brief.window.index else brief.window.start)


async def forgets_a_task(brief: Brief) -> AsyncIterator[Draft]:
    _FORGOTTEN.append(asyncio.ensure_future(asyncio.sleep(60)))
    yield line(brief.window.start)


async def awaited(brief: Brief) -> list[Draft]:
    return []


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (drafting(lambda brief: line(brief.window.end + 1)), "lies outside of it"),
        (
            drafting(lambda brief: line(brief.window.start, evidence_until=brief.window.end + 1)),
            "rests on what is later than the window's end",
        ),
        (drafting(lambda brief: line(brief.window.start, cues=(999,))), "refers to cues (999,)"),
        (drafting(lambda brief: brief.title), "which is no Draft"),
        (drafting(replay_of_the_future), "shows again what was not seen"),
        (
            drafting(lambda b: Draft(action=EndReaction(trigger_timestamp=b.window.start))),
            "says goodbye before the last window",
        ),
        (drafting(lambda brief: line(brief.window.start), 2000), "More than 1000 drafts"),
        (
            drafting(lambda brief: line(brief.window.start + next(_COUNT) % 7)),
            "does not give the same drafts",
        ),
        (fails_on_nothing, "IndexError"),
        (forgets_a_task, "leaves tasks behind"),
        (awaited, "is not awaited itself"),
    ],
)
def test_a_generator_with_a_fault_is_told(stream: Any, said: str) -> None:
    try:
        with pytest.raises(ContractBroken) as caught:
            asyncio.run(check_generator(generator_of(stream), deterministic=True))
    finally:
        _FORGOTTEN.clear()
    assert said in str(caught.value)


def test_the_ready_made_briefs_know_nothing_later_than_their_windows() -> None:
    for brief in (*briefs_for(), *briefs_for(empty=True)):
        known = brief.understanding
        assert known.end == brief.window.end
        assert all(fact.start < known.end for fact in (*known.cues, *known.scenes, *known.chapters))
    assert not any(brief.understanding.cues for brief in briefs_for(empty=True))


# --- schedulers ----------------------------------------------------------------------------


def test_our_scheduler_keeps_to_the_contract() -> None:
    check_scheduler(Timeline)


class Early(Timeline):
    def receive(self, event: Any, *, now: float) -> None:
        if isinstance(event, TimestampUpdate) and math.isfinite(event.position):
            event = TimestampUpdate(event.position + 0.5)
        super().receive(event, now=now)


class Eager(Timeline):
    def add(self, actions: Any, *, once: bool = False) -> None:
        actions = list(actions)
        super().add(actions, once=once)
        self._due += [Due(action) for action in actions]


class Forgetful(Timeline):
    sent: tuple[Due, ...] = ()

    def receive(self, event: Any, *, now: float) -> None:
        super().receive(event, now=now)
        self._due += self.sent

    def actions_due(self) -> list[Due]:
        due = super().actions_due()
        self.sent += tuple(due)
        return due


class Keeping(Timeline):
    def actions_due(self) -> list[Due]:
        return list(self._due)


class Backwards(Timeline):
    def actions_due(self) -> list[Due]:
        return super().actions_due()[::-1]


class Strict(Timeline):
    def __init__(self) -> None:
        super().__init__(rearm_on_user_seek=False)


class Stubborn(Timeline):
    def withdraw(self, ids: Any) -> None:
        pass


class Generous(Timeline):
    def add(self, actions: Any, *, once: bool = False) -> None:
        super().add(actions)


class Credulous(Timeline):
    def receive(self, event: Any, *, now: float) -> None:
        if isinstance(event, TimestampUpdate) and not math.isfinite(event.position):
            event = TimestampUpdate(99.0)
        super().receive(event, now=now)


class Lazy(Timeline):
    def add(self, actions: Any, *, once: bool = False) -> None:
        super().add([a for a in actions if a.trigger_timestamp < 60], once=once)


@pytest.mark.parametrize(
    ("scheduler", "said"),
    [
        (Early, "comes before its trigger"),
        (Eager, "before the player has said anything"),
        (Forgetful, "comes twice in one pass"),
        (Keeping, "hands the same out twice"),
        (Backwards, "by trigger, and then as it was added"),
        (Strict, "After a seek back"),
        (Stubborn, "What was withdrawn comes"),
        (Generous, "comes a second time"),
        (Credulous, "is taken for a position"),
        (Lazy, "never come"),
    ],
)
def test_a_scheduler_with_a_fault_is_told(scheduler: Any, said: str) -> None:
    with pytest.raises(ContractBroken) as caught:
        check_scheduler(scheduler)
    assert said in str(caught.value)


def test_what_is_no_scheduler_is_told() -> None:
    with pytest.raises(ContractBroken, match="the four methods"):
        check_scheduler(object)  # type: ignore[arg-type]
