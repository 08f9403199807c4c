"""A producer that follows the viewer: where they are, whether they are there, what they want."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from patience import PATIENCE, until
from shared import made_once

from watchbuddy_core.actions import Draft, Speak
from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.entries import Cancelled, Feedback, Moved, Placed, Ready, Scripted, Withdrawn
from watchbuddy_core.errors import ActionGenerationFailed
from watchbuddy_core.events import Due, SeekUpdate, TimestampUpdate
from watchbuddy_core.session import (
    Delivery,
    DensityChanged,
    LocalJobs,
    Noticed,
    Outgoing,
    ScriptReady,
    WatchSession,
)
from watchbuddy_core.video import Video

MINUTES = 10
LAST = 5
"""The windows are at 45 s and then every two minutes: 0 to 5."""


@pytest.fixture(scope="module")
def long_film(tmp_path_factory: pytest.TempPathFactory) -> Video:
    shots = [Shot(60.0 * MINUTES, Picture.STILL, Tone.SILENCE)]
    path = made_once(
        tmp_path_factory,
        "session/long.mp4",
        lambda path: make_clip(path, shots, size=(64, 36), frame_rate=1),
    )
    return Video(content_id="long", title="A long film", path=path)


def many_drafts() -> tuple[Draft, ...]:
    """A line every 20 seconds, each of them different."""
    words = [f"{a}{b}{c}" for a in "bdgk" for b in "aeiou" for c in "lmnrst"]
    return tuple(
        Draft(
            action=Speak(trigger_timestamp=10.0 + 20.0 * i, text=f"{word} {word[::-1]}."),
            evidence_until=0.0,
            importance=0.5,
        )
        for i, word in zip(range(MINUTES * 3 - 1), words, strict=False)
    )


class Watching:
    """A session that is produced while somebody watches it."""

    def __init__(self, made: Any, session: WatchSession) -> None:
        self.made = made
        self.session = session
        self.sent: list[Outgoing] = []
        self.now = 0.0

    async def entries(self, kind: type) -> list[Any]:
        return [e for e in await self.made.entries(self.session) if isinstance(e, kind)]

    async def scripted(self) -> list[int]:
        return [entry.window.index for entry in await self.entries(Scripted)]

    async def until(self, *windows: int) -> None:
        """Wait until these are scripted, in this order, and see that no other one follows."""
        await self.wait_for(lambda placed: len(placed) >= len(windows), Placed)
        await asyncio.sleep(0.05)
        assert await self.scripted() == list(windows)

    async def wait_for(self, condition: Any, kind: type) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition(await self.entries(kind)):
                await asyncio.sleep(0.005)

    @asynccontextmanager
    async def connected(self, **asks: Any) -> AsyncIterator[Delivery]:
        async with self.session.connect(**asks) as delivery, asyncio.TaskGroup() as tasks:
            taking = tasks.create_task(self._take(delivery))
            yield delivery
            taking.cancel()

    async def _take(self, delivery: Delivery) -> None:
        async for item in delivery:
            self.sent.append(item)

    def lines(self) -> list[str]:
        return [
            item.action.text
            for item in self.sent
            if isinstance(item, Due) and isinstance(item.action, Speak)
        ]


@pytest.fixture
def watching(studio: Any, run: Any, long_film: Video) -> Any:
    """Runs a test with a session of the long film whose producer runs beside it."""

    def watch(test: Any, *, patience: float = 15.0, **options: Any) -> None:
        async def scenario() -> None:
            made = studio(long_film, drafts=many_drafts(), **options)
            made.parts = replace(made.parts, patience=patience)
            session = await made.session()
            async with asyncio.TaskGroup() as tasks:
                watching = Watching(made, session)
                await test(watching, lambda: tasks.create_task(session.produce()))

        run(scenario())

    return watch


# --- where the viewer is -------------------------------------------------------------------


def test_early_ready_takes_one_window_and_works_two_ahead(watching: Any) -> None:
    async def test(it: Watching, produce: Any) -> None:
        async with it.connected(early_ready=True) as delivery:
            job = produce()
            await it.until(0, 1, 2)
            assert ScriptReady() in it.sent
            delivery.receive(TimestampUpdate(30.0), now=30.0)
            await it.until(0, 1, 2)
            delivery.receive(SeekUpdate(100.0), now=46.0)
            await it.until(0, 1, 2, 3)
            assert not await it.entries(Ready)
            job.cancel()

    watching(test)


def test_a_seek_makes_that_window_the_next_one_and_nothing_is_scripted_twice(
    watching: Any,
) -> None:
    async def test(it: Watching, produce: Any) -> None:
        async with it.connected(early_ready=True) as delivery:
            job = produce()
            await it.until(0, 1, 2)
            delivery.receive(SeekUpdate(430.0), now=5.0)  # in window 4, from 405 to 525
            await it.until(0, 1, 2, 4, 5)
            delivery.receive(SeekUpdate(10.0), now=9.0)
            delivery.receive(SeekUpdate(300.0), now=12.0)  # in window 3
            await it.until(0, 1, 2, 4, 5, 3)
            await job
            assert await it.entries(Ready)
        stretches = {brief.window.index: brief for brief in it.made.generator.briefs}
        assert len(stretches) == LAST + 1
        assert stretches[4].understanding.start == stretches[4].window.start
        assert stretches[5].understanding.start == stretches[4].window.start
        assert stretches[3].understanding.start == 0.0
        assert (
            stretches[4].last_lines[-1].text
            == max(
                (d.action for d in many_drafts() if d.action.trigger_timestamp < 285),
                key=lambda line: line.trigger_timestamp,
            ).text
        )

    watching(test)


def test_a_seek_never_cancels_a_window_in_work_and_has_a_slot_of_its_own(watching: Any) -> None:
    gate = asyncio.Event()

    async def test(it: Watching, produce: Any) -> None:
        async with it.connected(early_ready=True) as delivery:
            job = produce()
            await it.until(0)
            delivery.receive(SeekUpdate(430.0), now=5.0)
            await it.until(0, 4)
            gate.set()
            await it.until(0, 4, 1, 5)
            job.cancel()

    watching(test, waits={1: gate})


def test_nothing_is_made_ahead_for_a_viewer_who_pauses(watching: Any) -> None:
    async def test(it: Watching, produce: Any) -> None:
        async with it.connected(early_ready=True) as delivery:
            delivery.receive(TimestampUpdate(0.0, paused=True), now=0.0)
            await it.wait_for(bool, kind=type((await it.made.entries(it.session))[0]))
            await asyncio.sleep(0.05)
            job = produce()
            await it.until(0)
            delivery.receive(TimestampUpdate(1.0, paused=False), now=1.0)
            await it.until(0, 1, 2)
            job.cancel()

    watching(test)


def test_nothing_is_made_ahead_for_a_viewer_who_has_gone_silent(watching: Any) -> None:
    gate = asyncio.Event()

    async def test(it: Watching, produce: Any) -> None:
        async with it.connected(early_ready=True) as delivery:
            job = produce()
            now = 0.0
            while len(it.made.generator.briefs) < 2:
                now += 2.0
                delivery.receive(TimestampUpdate(5.0 * (now % 4.0)), now=now)
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.3)
            gate.set()
            await it.until(0, 1)
            delivery.receive(TimestampUpdate(5.0), now=now + 2.0)
            await it.until(0, 1, 2)
            job.cancel()

    watching(test, patience=0.2, waits={1: gate})


def test_a_connection_that_waits_for_the_whole_script_gets_it(watching: Any) -> None:
    async def test(it: Watching, produce: Any) -> None:
        async with it.connected(early_ready=True):
            job = produce()
            await it.until(0, 1, 2)
        async with it.connected():
            await job
            assert await it.scripted() == list(range(LAST + 1))
            await until(lambda: it.sent[-1:] == [ScriptReady()])

    watching(test)


def test_cancelling_by_the_log_ends_the_work(watching: Any) -> None:
    async def test(it: Watching, produce: Any) -> None:
        job = produce()
        await it.wait_for(lambda placed: len(placed) >= 1, Placed)
        await it.made.store.append(it.session.session_id, [Cancelled()], None)
        await job
        assert not await it.entries(Ready)

    watching(test, waits={2: asyncio.Event()})


# --- failing for a window ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (ActionGenerationFailed("the model is away"), "the model is away"),
        (ZeroDivisionError("secret"), "The generator failed."),
    ],
)
def test_a_window_that_fails_is_silent_and_told(
    watching: Any, failure: Exception, said: str
) -> None:
    async def test(it: Watching, produce: Any) -> None:
        async with it.connected(progress=True):
            await produce()
            await until(lambda: any(isinstance(item, Noticed) for item in it.sent))
        assert await it.scripted() == list(range(LAST + 1))
        assert await it.entries(Ready)
        (notice,) = [item for item in it.sent if isinstance(item, Noticed)]
        assert notice.code == "WINDOW_FAILED"
        assert said in notice.message
        assert "secret" not in notice.message
        assert (await it.session.status()).status == "ready"

    watching(test, failures={2: failure})


def test_the_script_has_a_greatest_length(watching: Any) -> None:
    async def test(it: Watching, produce: Any) -> None:
        it.made.parts = replace(it.made.parts, script_actions=5)
        it.session = await it.made.session()
        await it.session.produce()
        status = await it.session.status()
        assert sum(status.actions.values()) == 5
        assert status.drops["script_full"] > 10

    watching(test)


# --- how much they want to hear ------------------------------------------------------------


def test_less_is_placed_anew_as_far_as_it_was_not_sent(watching: Any) -> None:
    async def test(it: Watching, produce: Any) -> None:
        await produce()
        before = sum((await it.session.status()).actions.values())
        async with it.connected() as delivery:
            delivery.receive(TimestampUpdate(9.0), now=9.0)
            delivery.receive(TimestampUpdate(10.0), now=10.0)
            await until(it.lines)
            first = it.lines()
            assert len(first) == 1
            delivery.feed_back("mute")
            await until(lambda: DensityChanged("muted") in it.sent)
            await it.wait_for(lambda wishes: len(wishes) == 1, Feedback)
            await it.session.produce()
            for second in range(11, 200):
                delivery.receive(TimestampUpdate(float(second)), now=float(second))
            await asyncio.sleep(0.02)
            assert it.lines() == first
            delivery.feed_back("unmute")
            await it.wait_for(lambda wishes: len(wishes) == 2, Feedback)
            await it.session.produce()
            for second in range(200, 580):
                delivery.receive(TimestampUpdate(float(second)), now=float(second))
                await asyncio.sleep(0.001)
                if len(it.lines()) > len(first):
                    break
            assert len(it.lines()) > len(first)
        assert sum((await it.session.status()).actions.values()) == before
        withdrawn = await it.entries(Withdrawn)
        assert len(withdrawn) == 1
        assert len(withdrawn[0].ids) == before - 1

    watching(test)


def test_a_change_while_it_is_being_made_counts_from_there_on_and_for_what_stands(
    watching: Any,
) -> None:
    gate = asyncio.Event()

    async def test(it: Watching, produce: Any) -> None:
        async with it.connected() as delivery:
            job = produce()
            await it.wait_for(lambda placed: len(placed) >= 2, Placed)
            delivery.feed_back("mute")
            await it.wait_for(bool, Feedback)
            gate.set()
            await job
        assert not (await it.session.status()).actions
        assert len(it.made.generator.briefs) == LAST + 1

    watching(test, waits={2: gate})


def test_placing_anew_scripts_nothing_again_and_says_ready_once(watching: Any) -> None:
    async def test(it: Watching, produce: Any) -> None:
        await produce()
        async with it.connected() as delivery:
            for number, wish in enumerate(("less", "more", "more"), start=1):
                delivery.feed_back(wish)
                await it.wait_for(lambda wishes, number=number: len(wishes) == number, Feedback)
                await it.session.produce()
        assert len(it.made.generator.briefs) == LAST + 1
        assert len(await it.entries(Ready)) == 1
        assert (await it.session.status()).status == "ready"

    watching(test)


def test_a_mute_silences_at_once_and_also_what_was_said_before(watching: Any) -> None:
    """Whether or not anybody has placed anything anew."""

    async def test(it: Watching, produce: Any) -> None:
        await produce()
        async with it.connected() as delivery:
            delivery.receive(TimestampUpdate(9.0), now=9.0)
            delivery.receive(TimestampUpdate(10.0), now=10.0)
            await until(it.lines)
            first = it.lines()
            delivery.feed_back("mute")
            delivery.receive(SeekUpdate(5.0), now=20.0)
            for second in range(6, 60):
                delivery.receive(TimestampUpdate(float(second)), now=20.0 + second)
            await asyncio.sleep(0.02)
            assert it.lines() == first

    watching(test)


def test_a_mute_silences_what_was_due_in_the_same_breath(watching: Any) -> None:
    """A connection that comes back says many things at once."""

    async def test(it: Watching, produce: Any) -> None:
        await produce()
        async with it.connected() as delivery:
            delivery.receive(TimestampUpdate(9.0), now=9.0)
            delivery.receive(TimestampUpdate(10.0), now=10.0)
            delivery.feed_back("mute")
            await until(lambda: DensityChanged("muted") in it.sent)
            delivery.receive(SeekUpdate(0.0), now=20.0)
            await it.wait_for(bool, Moved)
            assert it.lines() == []

    watching(test)


def test_a_job_of_this_process_places_anew_without_looking_into_the_video_again(
    studio: Any, run: Any, long_film: Video
) -> None:
    async def scenario() -> None:
        made = studio(long_film, drafts=many_drafts())
        session = await made.session()
        it = Watching(made, session)
        async with (
            LocalJobs(store=made.store, parts=made.parts) as jobs,
            it.connected() as delivery,
        ):
            await jobs.submit(session.session_id)
            await it.wait_for(bool, Ready)
            del made.source.videos[made.url]
            delivery.feed_back("mute")
            await it.wait_for(lambda entries: len(entries) == 1, Withdrawn)
            delivery.feed_back("unmute")
            await it.wait_for(lambda entries: len(entries) == 2 * (LAST + 1) + LAST + 1, Placed)
        assert len(made.source.requests) == 1
        assert (await session.status()).status == "ready"

    run(scenario())


def test_a_script_that_is_ready_plays_on_when_it_cannot_be_placed_anew(watching: Any) -> None:
    async def test(it: Watching, produce: Any) -> None:
        await produce()
        async with it.connected() as delivery:
            delivery.feed_back("less")
            await it.wait_for(bool, Feedback)
            it.made.source.videos.clear()
            await it.session.produce()
            delivery.receive(TimestampUpdate(9.0), now=9.0)
            delivery.receive(TimestampUpdate(10.0), now=10.0)
            await until(it.lines)
            assert len(it.lines()) == 1
        assert (await it.session.status()).status == "ready"

    watching(test)


# --- what strangers' code does -------------------------------------------------------------


class Panic(BaseException):
    """What bindings of other languages raise."""


@pytest.mark.parametrize(
    ("raised", "window"),
    [
        (Panic("panic"), 0),
        (Panic("panic"), 2),
        (SystemExit(3), 2),
        (GeneratorExit(), 2),
        (asyncio.CancelledError(), 0),
        (asyncio.CancelledError(), 2),
    ],
)
def test_what_is_no_exception_ends_one_window_and_nobody_elses_work(
    studio: Any, run: Any, long_film: Video, raised: BaseException, window: int
) -> None:
    async def scenario() -> None:
        made = studio(long_film, drafts=many_drafts(), failures={window: raised})
        async with LocalJobs(store=made.store, parts=made.parts) as jobs:
            one, other = await made.session(), await made.session()
            await jobs.submit(one.session_id)
            while (await one.status()).status == "preparing":
                await asyncio.sleep(0.005)
            made.generator.failures.clear()
            await jobs.submit(other.session_id)
            while (await other.status()).status == "preparing":
                await asyncio.sleep(0.005)
            assert (await other.status()).status == "ready"
        error = (await one.status()).error
        assert (error is None) is (window == 2)
        assert error is None or error.code == "ACTION_GENERATION_FAILED"

    run(scenario())


@pytest.mark.parametrize("nonsense", [None, {"action": 1}, "a line"])
def test_nonsense_from_a_generator_costs_one_window(watching: Any, nonsense: Any) -> None:
    async def test(it: Watching, produce: Any) -> None:
        good = it.made.generator.generate

        async def generate(brief: Any) -> AsyncIterator[Any]:
            if brief.window.index == 1:
                yield nonsense
            async for draft in good(brief):
                yield draft

        it.made.generator.generate = generate
        await produce()
        assert (await it.session.status()).status == "ready"
        (failed,) = [e for e in await it.entries(Scripted) if e.problem]
        assert failed.window.index == 1

    watching(test)


@pytest.mark.parametrize("limit", ["generating_idle_seconds", "generating_seconds"])
def test_a_generator_that_hangs_is_not_waited_for(watching: Any, limit: str) -> None:
    async def test(it: Watching, produce: Any) -> None:
        it.made.parts = replace(it.made.parts, **{limit: 0.5})  # the others need a moment
        session = await it.made.session()
        await session.produce()
        assert (await session.status()).status == "ready"
        problems = [e.problem for e in await it.made.entries(session) if e.kind == "window"]
        assert problems[2] == "It took too long."
        assert problems.count(None) == LAST

    watching(test, waits={2: asyncio.Event()})
