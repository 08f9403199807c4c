"""How long lines really take, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from watchbuddy_core.actions import Draft, PauseVideo, Speak
from watchbuddy_core.entries import Acked, Feedback, Logged
from watchbuddy_core.events import ActionCompleted, Due, SeekUpdate, TimestampUpdate
from watchbuddy_core.session import Delivery, WatchSession
from watchbuddy_core.session.history import History
from watchbuddy_core.session.line_clock import LineClock
from watchbuddy_core.speech import FASTEST, SLOWEST, Pace, spoken_seconds
from watchbuddy_core.testing import FakePlayer
from watchbuddy_core.testing.player import Habits

WORDS = "The lamps along the river glow softly tonight."
LINES = tuple(
    Draft(action=Speak(trigger_timestamp=10.0 + 22 * i, text=text), evidence_until=0.0)
    for i, text in enumerate(
        (
            WORDS,
            "Twelve drums beat, far away, behind the old station.",
            "Cats prefer milk; nobody ever asked the milk.",
            "Quiet hills listen when the kites climb higher.",
            "Copper wires hum above green boats, all night long.",
            "Nine owls blink at once, and then nothing happens.",
            "Snow covers rails that lead to no town at all.",
        )
    )
)
"""One at a time."""


def line(at: float, *, id: str = "a", text: str = WORDS, pause_video: bool = False) -> Speak:
    return Speak(id=id, trigger_timestamp=at, text=text, pause_video=pause_video)


class Clocked:
    """A clock, and short ways to tell it what happens."""

    def __init__(self) -> None:
        self.clock = LineClock()

    def send(self, action: Any, *, now: float | None, position: float, again: bool = False) -> None:
        self.clock.send(Due(action, redelivered=again), now=now, position=position)

    def at(self, position: float, *, now: float, **more: Any) -> None:
        self.clock.report(TimestampUpdate(position, **more), now=now, position=position)

    def done(self, id: str = "a", *, now: float, outcome: Any = None) -> float | None:
        return self.clock.complete(ActionCompleted(id, outcome), now=now)


@pytest.fixture
def clocked() -> Clocked:
    return Clocked()


# --- the clock -----------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [None, "done"])
def test_a_line_is_timed_from_sending_to_completion(clocked: Clocked, outcome: Any) -> None:
    clocked.send(line(10.0), now=100.0, position=10.2)
    assert clocked.done(now=103.5, outcome=outcome) == 3.5


@pytest.mark.parametrize("outcome", ["skipped", "interrupted"])
def test_a_line_that_was_not_said_to_its_end_is_not_timed(clocked: Clocked, outcome: Any) -> None:
    clocked.send(line(10.0), now=100.0, position=10.2)
    assert clocked.done(now=103.5, outcome=outcome) is None


def test_of_lines_that_wait_for_each_other_only_the_first_is_timed(clocked: Clocked) -> None:
    clocked.send(line(10.0), now=100.0, position=11.0)
    clocked.send(line(11.0, id="b"), now=100.0, position=11.0)
    assert clocked.done(now=103.0) == 3.0
    assert clocked.done("b", now=106.0) is None
    clocked.send(line(20.0, id="c"), now=110.0, position=20.0)
    assert clocked.done("c", now=113.0) == 3.0


def test_a_line_that_nobody_completes_stops_the_clock_until_a_later_one_is_done(
    clocked: Clocked,
) -> None:
    clocked.send(line(10.0), now=100.0, position=10.0)
    clocked.send(line(20.0, id="b"), now=110.0, position=20.0)
    assert clocked.done("b", now=113.0) is None
    clocked.send(line(30.0, id="c"), now=120.0, position=30.0)
    assert clocked.done("c", now=123.0) == 3.0


def test_what_is_sent_again_or_at_an_unknown_time_is_not_timed(clocked: Clocked) -> None:
    clocked.send(line(10.0), now=100.0, position=10.0, again=True)
    assert clocked.done(now=103.0) is None
    clocked.send(line(10.0, id="b"), now=None, position=10.0)
    assert clocked.done("b", now=103.0) is None


def test_a_disturbed_line_is_not_timed_and_the_next_one_is(clocked: Clocked) -> None:
    clocked.send(line(10.0), now=100.0, position=10.0)
    clocked.clock.disturb()
    assert clocked.done(now=103.0) is None
    clocked.send(line(20.0, id="b"), now=110.0, position=20.0)
    assert clocked.done("b", now=113.0) == 3.0


def test_a_held_line_is_timed_from_when_the_playhead_reaches_it(clocked: Clocked) -> None:
    clocked.send(line(10.0), now=100.0, position=8.5)
    clocked.at(9.8, now=101.3)
    clocked.at(10.05, now=101.55)
    assert clocked.done(now=104.5) == pytest.approx(3.0)


def test_a_held_line_of_a_fast_video_begins_after_the_report_before_it(clocked: Clocked) -> None:
    clocked.send(line(10.0), now=100.0, position=8.0)
    clocked.at(9.5, now=100.75, playback_rate=2.0)
    clocked.at(10.5, now=101.25, playback_rate=2.0)
    assert clocked.done(now=104.0) == pytest.approx(3.0)


def test_a_held_line_that_is_done_before_it_begins_is_not_timed(clocked: Clocked) -> None:
    clocked.send(line(10.0), now=100.0, position=8.0)
    assert clocked.done(now=103.0) is None


def test_a_paused_video_may_pause_the_voice_unless_the_line_itself_pauses_it(
    clocked: Clocked,
) -> None:
    clocked.send(line(10.0), now=100.0, position=10.0)
    clocked.at(10.2, now=100.5, paused=True)
    assert clocked.done(now=103.0) is None
    clocked.send(line(20.0, id="b", pause_video=True), now=110.0, position=20.0)
    clocked.at(20.2, now=110.5, paused=True)
    assert clocked.done("b", now=113.0) == 3.0


@pytest.mark.parametrize("seconds", [0.0, 0.29, 0.5, 3600.0, -1.0])
def test_what_is_no_reading_of_the_line_is_not_timed(clocked: Clocked, seconds: float) -> None:
    """A muted voice, a network in between, a machine that was asleep."""
    clocked.send(line(10.0), now=100.0, position=10.0)
    assert clocked.done(now=100.0 + seconds) is None


def test_only_lines_are_timed(clocked: Clocked) -> None:
    pause = PauseVideo(id="p", trigger_timestamp=10.0, duration_seconds=3.0)
    clocked.send(pause, now=100.0, position=10.0)
    assert clocked.done("p", now=103.0) is None
    assert clocked.done("unknown", now=103.0) is None


# --- the session -----------------------------------------------------------------------------


async def _watch(session: WatchSession, player: FakePlayer, seconds: float, **how: Any) -> None:
    """Play on for so many monotonic seconds, with a client that obeys at once."""

    async def take(delivery: Delivery) -> None:
        async for item in delivery:
            if isinstance(item, Due):
                player.perform(item.action)

    async with session.connect(**how) as delivery, asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(take(delivery))
        end = player.now + seconds
        while player.now < end:
            for now, event in player.step(0.25):
                delivery.receive(event, now=now)
                await _settle()
        taking.cancel()


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def _voice(factor: float) -> Callable[[str], float]:
    return lambda text: spoken_seconds(text) * factor


async def _history(studio: Any, session: WatchSession) -> History:
    return History(await studio.store.read(session.session_id))


@pytest.mark.parametrize("factor", [0.75, 1.5])
@pytest.mark.parametrize("lookahead", [0.0, 2.0])
def test_the_pace_comes_to_be_that_of_the_voice(
    studio: Any, film: Any, run: Any, factor: float, lookahead: float
) -> None:
    async def scenario() -> None:
        it = studio(film, drafts=LINES)
        session = await it.session(density="chatty")
        await session.produce()
        habits = Habits(holds=lookahead > 0, report_interval=0.1)
        player = FakePlayer(180.0, line_seconds=_voice(factor), habits=habits)
        await _watch(session, player, 90.0, lookahead=lookahead)
        half = (await _history(it, session)).pace.factor
        await _watch(session, player, 90.0, lookahead=lookahead)
        history = await _history(it, session)
        timed = [e.seconds for e in await it.entries(session) if isinstance(e, Acked)]
        assert len([seconds for seconds in timed if seconds is not None]) >= 4
        assert abs(history.pace.factor - factor) < abs(half - factor) < abs(1.0 - factor)
        assert history.pace.factor == pytest.approx(factor, abs=0.15)

    run(scenario())


@pytest.mark.parametrize("delay", [0.0, 0.2, 0.6])
def test_a_muted_voice_leaves_the_pace_as_it_is(
    studio: Any, film: Any, run: Any, delay: float
) -> None:
    async def scenario() -> None:
        it = studio(film, drafts=LINES)
        session = await it.session()
        await session.produce()
        await _watch(session, FakePlayer(180.0, line_seconds=lambda _: delay), 120.0)
        assert any(isinstance(entry, Acked) for entry in await it.entries(session))
        assert (await _history(it, session)).pace == Pace()

    run(scenario())


def test_a_seek_while_a_line_is_spoken_makes_it_say_nothing_about_the_voice(
    studio: Any, film: Any, run: Any
) -> None:
    async def scenario() -> None:
        it = studio(film, drafts=[Draft(action=line(10.0), evidence_until=0.0)])
        session = await it.session()
        await session.produce()
        sent: list[Any] = []

        async def take(delivery: Delivery) -> None:
            async for item in delivery:
                sent.append(item)  # noqa: PERF401 - looked at as it grows

        async with session.connect() as delivery, asyncio.TaskGroup() as tasks:
            taking = tasks.create_task(take(delivery))
            await _settle()
            delivery.receive(TimestampUpdate(9.0), now=0.0)
            delivery.receive(TimestampUpdate(10.0), now=1.0)
            await _settle()
            [due] = [item for item in sent if isinstance(item, Due)]
            delivery.receive(SeekUpdate(60.0, "user"), now=2.0)
            delivery.receive(ActionCompleted(due.action.id, "done"), now=4.0)
            await _settle()
            taking.cancel()
        [acked] = [entry for entry in await it.entries(session) if isinstance(entry, Acked)]
        assert acked.outcome == "done"
        assert acked.seconds is None

    run(scenario())


def test_what_comes_while_the_client_is_slow_times_nothing(
    studio: Any, film: Any, run: Any
) -> None:
    async def scenario() -> None:
        it = studio(film, drafts=[Draft(action=line(10.0), evidence_until=0.0)])
        session = await it.session()
        await session.produce()
        async with session.connect() as delivery:
            outgoing = aiter(delivery)
            await anext(outgoing)
            delivery.receive(TimestampUpdate(9.0), now=0.0)
            delivery.receive(TimestampUpdate(10.0), now=1.0)
            delivery.receive(TimestampUpdate(10.2), now=1.2)
            due = await anext(outgoing)
            assert isinstance(due, Due)
            delivery.receive(ActionCompleted(due.action.id, "done"), now=4.0)
            going_on = asyncio.ensure_future(anext(outgoing))
            await _settle()
            going_on.cancel()
            await asyncio.wait([going_on])
        [acked] = [entry for entry in await it.entries(session) if isinstance(entry, Acked)]
        assert acked.seconds is None

    run(scenario())


@pytest.mark.parametrize("factor", [FASTEST, SLOWEST])
def test_later_windows_and_what_is_placed_anew_keep_to_the_pace(
    studio: Any, film: Any, run: Any, factor: float
) -> None:
    """Two long lines that fit beside each other only for a quick voice."""
    estimated = spoken_seconds(WORDS)
    times = [100.0, round(100.0 + estimated + 2.5, 3)]
    drafts = [
        Draft(action=line(times[0]), evidence_until=0.0, importance=0.6),
        Draft(action=line(times[1], text="Bread smells warm."), evidence_until=0.0, importance=0.4),
    ]

    async def scenario() -> None:
        it = studio(film, drafts=drafts)
        session = await it.session(density="chatty")
        await session.produce()
        first = await _history(it, session)
        assert [a.trigger_timestamp for a in first.script.values()] == pytest.approx(times)

        fence = await it.store.fence(session.session_id, "deliverer")
        said = next(iter(first.script.values()))
        acks = [Acked(action_id=said.id, seconds=estimated * factor) for _ in range(20)]
        wish = Feedback(wish="more", density="chatty")
        await it.store.append(session.session_id, [*acks, wish], fence)
        await session.produce()
        again = await _history(it, session)
        assert again.pace.factor == pytest.approx(factor, abs=0.01)
        begin, after = [a.trigger_timestamp for a in again.script.values()]
        assert begin == times[0]
        earliest = begin + estimated * again.pace.factor + 2.0
        assert after == pytest.approx(max(times[1], earliest), abs=0.002)

    run(scenario())


def test_a_restart_finds_the_same_pace(studio: Any, film: Any, run: Any) -> None:
    async def scenario() -> None:
        it = studio(film, drafts=LINES)
        session = await it.session()
        await session.produce()
        await _watch(session, FakePlayer(180.0, line_seconds=_voice(1.4)), 120.0)
        logged = await it.store.read(session.session_id)
        folded = History()
        for item in logged:
            folded.apply(item.position, item.entry)
        stored = [
            Logged(
                item.position, type(item.entry).model_validate_json(item.entry.model_dump_json())
            )
            for item in logged
        ]
        assert folded.pace != Pace()
        assert History(stored).pace == folded.pace

    run(scenario())
