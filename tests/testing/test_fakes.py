"""The fakes of `watchbuddy_core.testing` behave as they say."""

from __future__ import annotations

import asyncio
import math
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Literal

import pytest

from watchbuddy_core.actions import (
    Draft,
    Emotion,
    Expression,
    PauseVideo,
    PostReplay,
    PostSeek,
    ReplaySegment,
    Seek,
    Speak,
)
from watchbuddy_core.character import Character
from watchbuddy_core.errors import ActionGenerationFailed, VideoUnavailable
from watchbuddy_core.events import ActionCompleted, SeekUpdate, TimestampUpdate
from watchbuddy_core.protocols import ActionGenerator, Brief, Match, VideoSource
from watchbuddy_core.testing import (
    FakePlayer,
    Habits,
    MemorySource,
    Observed,
    ScriptedGenerator,
)
from watchbuddy_core.video import Understanding, Video, VideoRequest, Window


def positions(said: list[Observed]) -> list[float]:
    return [one.event.position for one in said if isinstance(one.event, TimestampUpdate)]


def sought(said: list[Observed]) -> list[float]:
    return [one.event.position for one in said if isinstance(one.event, SeekUpdate)]


def completed(said: list[Observed]) -> list[str]:
    return [one.event.action_id for one in said if isinstance(one.event, ActionCompleted)]


# --- the player's clock ------------------------------------------------------------------


def test_a_player_reports_four_times_a_second() -> None:
    said = FakePlayer(60.0, now=100.0).step(1.0)
    assert said == [Observed(100.0 + n / 4, TimestampUpdate(n / 4)) for n in range(5)]


def test_how_time_is_cut_changes_nothing() -> None:
    habits = Habits(report_jitter=0.2, lost_reports=0.2, stale_seconds=0.4, seek_updates=2)

    def said(cuts: int) -> list[Observed]:
        player = FakePlayer(60.0, habits=habits, random=Random(7))
        player.perform(Seek(id="s", trigger_timestamp=0.0, target_timestamp=30.0))
        return [one for n in range(1, cuts + 1) for one in player.advance(8.0 * n / cuts)]

    whole = said(1)
    in_pieces = said(32)
    assert [type(one.event) for one in whole] == [type(one.event) for one in in_pieces]
    assert positions(whole) == pytest.approx(positions(in_pieces))


def test_the_next_moment_is_known_in_advance() -> None:
    player = FakePlayer(60.0)
    assert player.wake_at == 0.0
    player.step(0.1)
    assert player.wake_at == 0.25
    player.perform(PauseVideo(trigger_timestamp=0.0, duration_seconds=0.05))
    assert player.wake_at == pytest.approx(0.15)


def test_a_rate_makes_media_time_faster() -> None:
    player = FakePlayer(60.0)
    player.rate = 2.0
    player.step(3.0)
    assert player.position == pytest.approx(6.0)


def test_the_video_ends() -> None:
    player = FakePlayer(3.0, position=2.5)
    assert positions(player.step(2.0))[-1] == 3.0
    assert player.ended


# --- its reports -------------------------------------------------------------------------


def test_a_paused_player_repeats_its_position() -> None:
    player = FakePlayer(60.0, position=5.0)
    player.pause()
    assert set(positions(player.step(1.0))) == {5.0}
    player.play()
    player.step(1.0)
    assert player.position == pytest.approx(6.0)


def test_a_paused_player_may_be_silent() -> None:
    player = FakePlayer(60.0, habits=Habits(reports_while_paused=False))
    player.pause()
    assert player.step(2.0) == []


def test_a_player_may_tell_its_state() -> None:
    player = FakePlayer(60.0, habits=Habits(tells_state=True))
    player.pause()
    assert player.step(0.1) == [Observed(0.0, TimestampUpdate(0.0, True, 1.0))]


def test_a_throttled_player_reports_seldom() -> None:
    player = FakePlayer(600.0)
    player.throttle(60.0)
    assert positions(player.step(130.0)) == [60.0, 120.0]
    player.throttle(1.0)
    assert positions(player.step(2.0)) == [131.0, 132.0]


def test_reports_are_late_and_lost_as_told() -> None:
    late = FakePlayer(60.0, habits=Habits(report_jitter=0.5)).step(20.0)
    gaps = [b.now - a.now for a, b in pairwise(late)]
    assert min(gaps) >= 0.25
    assert 0.5 < max(gaps) <= 0.75
    assert FakePlayer(60.0, habits=Habits(lost_reports=1.0)).step(20.0) == []
    half = FakePlayer(60.0, habits=Habits(lost_reports=0.5)).step(50.0)
    assert 60 < len(half) < 140


def test_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 0"):
        Habits(report_interval=0.0)
    with pytest.raises(ValueError, match="more than 0"):
        FakePlayer(60.0).throttle(0.0)


# --- its seeks ---------------------------------------------------------------------------


def test_a_viewers_seek_is_told_once() -> None:
    player = FakePlayer(60.0)
    player.seek(30.0)
    said = player.step(0.3)
    assert sought(said) == [30.0]
    assert positions(said)[0] == 30.0


def test_a_seek_may_be_told_twice_or_never() -> None:
    for times in (0, 2):
        player = FakePlayer(60.0, habits=Habits(seek_updates=times))
        player.seek(30.0)
        assert sought(player.step(1.0)) == [30.0] * times


def test_a_seek_may_tell_its_cause() -> None:
    player = FakePlayer(60.0, habits=Habits(tells_cause=True))
    player.seek(30.0)
    player.perform(Seek(id="s", trigger_timestamp=0.0, target_timestamp=10.0))
    told = [one.event for one in player.step(0.1) if isinstance(one.event, SeekUpdate)]
    assert told == [SeekUpdate(30.0, "user", None), SeekUpdate(10.0, "action", "s")]


def test_reports_may_show_the_old_place_for_a_while() -> None:
    player = FakePlayer(60.0, habits=Habits(stale_seconds=0.5), position=5.0)
    player.seek(30.0)
    assert positions(player.step(0.8)) == [5.0, 5.0, 30.5, 30.75]


# --- what it obeys -----------------------------------------------------------------------


def test_lines_are_said_one_after_another() -> None:
    player = FakePlayer(60.0, line_seconds=lambda text: float(len(text)))
    player.perform(Speak(id="a", trigger_timestamp=0.0, text="aaa"))
    player.perform(Speak(id="b", trigger_timestamp=0.0, text="b"))
    said = player.step(5.0)
    assert [(done.now, done.action.id) for done in player.performed] == [(0.0, "a"), (3.0, "b")]
    done = [one for one in said if isinstance(one.event, ActionCompleted)]
    assert [one.now for one in done] == [3.0, 4.0]
    assert player.position == pytest.approx(5.0)


def test_a_pausing_line_pauses_the_video_while_it_is_said() -> None:
    player = FakePlayer(60.0, line_seconds=lambda text: 2.0)
    player.perform(Speak(trigger_timestamp=0.0, text="Wait!", pause_video=True))
    player.step(1.0)
    assert player.paused
    player.step(2.0)
    assert player.position == pytest.approx(1.0)


def test_a_pause_lasts_as_long_as_it_says() -> None:
    player = FakePlayer(60.0)
    player.perform(PauseVideo(id="p", trigger_timestamp=0.0, duration_seconds=3.0))
    assert completed(player.step(2.9)) == []
    assert completed(player.step(1.1)) == ["p"]
    assert player.position == pytest.approx(1.0)


def test_a_seek_takes_its_time_and_plays_on_until_then() -> None:
    player = FakePlayer(60.0, habits=Habits(seek_duration=0.5))
    player.perform(Seek(id="s", trigger_timestamp=0.0, target_timestamp=30.0))
    said = player.step(1.0)
    assert positions(said) == [0.0, 0.25, 30.0, 30.25, 30.5]
    assert completed(said) == ["s"]


def test_a_seek_may_leave_the_video_paused_until_the_viewer_goes_on() -> None:
    stay = Seek(
        trigger_timestamp=0.0,
        target_timestamp=30.0,
        post_seek_behavior=PostSeek.STAY_PAUSED,
    )
    player = FakePlayer(60.0)
    player.perform(stay)
    player.step(3.0)
    assert player.position == pytest.approx(32.0)

    player = FakePlayer(60.0, habits=Habits(resumes_after=math.inf))
    player.perform(stay)
    player.step(30.0)
    assert player.position == 30.0
    player.play()
    player.step(1.0)
    assert player.position == pytest.approx(31.0)


def test_a_replay_comes_back_to_where_it_left() -> None:
    player = FakePlayer(60.0, position=20.0)
    player.perform(
        ReplaySegment(id="r", trigger_timestamp=20.0, start_timestamp=5.0, end_timestamp=7.0)
    )
    said = player.step(3.0)
    assert sought(said) == [5.0, 20.0]
    assert completed(said) == ["r"]
    assert player.position == pytest.approx(21.0)


def test_a_replay_may_stay_at_its_end() -> None:
    player = FakePlayer(60.0, position=20.0)
    player.perform(
        ReplaySegment(
            trigger_timestamp=20.0,
            start_timestamp=5.0,
            end_timestamp=7.0,
            post_replay_behavior=PostReplay.STAY_PAUSED_AT_END,
        )
    )
    assert sought(player.step(2.5)) == [5.0]
    assert player.position == pytest.approx(7.0)
    assert player.paused


def test_a_viewers_seek_ends_a_replay() -> None:
    player = FakePlayer(60.0, position=20.0)
    player.perform(ReplaySegment(trigger_timestamp=20.0, start_timestamp=5.0, end_timestamp=7.0))
    player.step(1.0)
    player.seek(40.0)
    assert sought(player.step(5.0)) == [40.0]
    assert player.position == pytest.approx(45.0)


def test_what_a_player_does_not_obey_it_skips() -> None:
    habits = Habits(obeys_seeks=False, obeys_replays=False, obeys_pauses=False)
    player = FakePlayer(60.0, habits=habits)
    player.perform(Seek(id="s", trigger_timestamp=0.0, target_timestamp=30.0))
    player.perform(
        ReplaySegment(id="r", trigger_timestamp=0.0, start_timestamp=5.0, end_timestamp=7.0)
    )
    player.perform(PauseVideo(id="p", trigger_timestamp=0.0, duration_seconds=3.0))
    said = player.step(1.0)
    outcomes = [one.event.outcome for one in said if isinstance(one.event, ActionCompleted)]
    assert outcomes == ["skipped"] * 3
    assert player.performed == []
    assert player.position == pytest.approx(1.0)


def test_acknowledgements_come_when_done_on_receipt_or_never() -> None:
    times: dict[Literal["when done", "on receipt", "never"], list[float]] = {
        "when done": [2.0],
        "on receipt": [0.0],
        "never": [],
    }
    for acknowledges, at in times.items():
        player = FakePlayer(
            60.0,
            habits=Habits(acknowledges=acknowledges),
            line_seconds=lambda text: 2.0,
        )
        player.perform(Speak(trigger_timestamp=0.0, text="Hm."))
        said = player.step(5.0)
        assert [one.now for one in said if isinstance(one.event, ActionCompleted)] == at


def test_a_redelivered_action_is_done_once_and_acknowledged_again() -> None:
    player = FakePlayer(60.0)
    face = Expression(id="f", trigger_timestamp=0.0, emotion=Emotion.JOY)
    player.perform(face)
    player.perform(face)
    assert completed(player.step(0.1)) == ["f", "f"]
    assert len(player.performed) == 1
    assert player.received == [face, face]
    player.seek(0.0)
    player.perform(face)
    assert len(player.performed) == 2, "a new pass"


def test_a_player_that_holds_waits_for_its_playhead() -> None:
    player = FakePlayer(60.0, habits=Habits(holds=True, report_interval=1.0))
    face = Expression(trigger_timestamp=1.3, emotion=Emotion.JOY)
    player.perform(face)
    player.step(5.0)
    (done,) = player.performed
    assert done.position == pytest.approx(1.3)


def test_what_is_held_is_lost_with_the_connection_and_with_a_seek() -> None:
    for lose in (FakePlayer.reconnect, lambda player: player.seek(0.5)):
        player = FakePlayer(60.0, habits=Habits(holds=True))
        face = Expression(trigger_timestamp=2.0, emotion=Emotion.JOY)
        player.perform(face)
        player.step(0.5)
        lose(player)
        player.step(5.0)
        assert player.performed == []
        player.perform(face)
        assert len(player.performed) == 1


# --- the generator and the source --------------------------------------------------------


def brief(index: int, start: float, end: float) -> Brief:
    return Brief(
        title="A film",
        window=Window(index=index, start=start, end=end),
        range_start=0.0,
        range_end=20.0,
        understanding=Understanding(start=0.0, end=end),
        character=Character(id="miao", name={"en": "Miao"}),
    )


def draft(name: str, at: float) -> Draft:
    return Draft(action=Speak(id=name, trigger_timestamp=at, text="Look!"))


async def drafts_of(generator: ScriptedGenerator, asked: Brief) -> list[str]:
    return [one.action.id async for one in generator.generate(asked)]


def test_each_window_gets_the_drafts_that_lie_in_it() -> None:
    async def scenario() -> None:
        generator = ScriptedGenerator([draft("c", 20.0), draft("a", 0.0), draft("b", 10.0)])
        assert isinstance(generator, ActionGenerator)
        first, last = brief(0, 0.0, 10.0), brief(1, 10.0, 20.0)
        assert await drafts_of(generator, first) == ["a"]
        assert await drafts_of(generator, last) == ["c", "b"]
        assert generator.briefs == [first, last]

    asyncio.run(scenario())


def test_a_generator_fails_at_the_window_it_was_told() -> None:
    async def scenario() -> None:
        failure = ActionGenerationFailed("no more ideas")
        generator = ScriptedGenerator([draft("a", 0.0)], failures={1: failure})
        assert await drafts_of(generator, brief(0, 0.0, 10.0)) == ["a"]
        with pytest.raises(ActionGenerationFailed) as caught:
            await drafts_of(generator, brief(1, 10.0, 20.0))
        assert caught.value is failure
        assert len(generator.briefs) == 2

    asyncio.run(scenario())


def test_a_generator_waits_until_it_is_let_go() -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        generator = ScriptedGenerator([draft("a", 0.0)], waits={0: gate})
        task = asyncio.ensure_future(drafts_of(generator, brief(0, 0.0, 10.0)))
        await asyncio.sleep(0)
        assert len(generator.briefs) == 1
        assert not task.done()
        gate.set()
        assert await task == ["a"]

    asyncio.run(scenario())


VIDEO = Video(content_id="film", title="A film", path=Path("film.mp4"))


def test_a_source_hands_over_what_it_was_given() -> None:
    async def scenario() -> None:
        source = MemorySource({"memory:film": VIDEO})
        assert isinstance(source, VideoSource)
        assert source.match("memory:film") is Match.SITE
        assert source.match("https://example.org/film") is Match.NO
        told: list[tuple[float | None, str]] = []
        request = VideoRequest(url="memory:film")
        assert await source.open(request, lambda done, what: told.append((done, what))) is VIDEO
        assert source.requests == [request]
        assert [done for done, _ in told] == [0.0, 1.0]

    asyncio.run(scenario())


def test_a_source_fails_as_told_and_knows_no_other_video() -> None:
    async def scenario() -> None:
        failure = OSError("no route")
        source = MemorySource({"memory:film": VIDEO}, failures={"memory:film": failure})
        with pytest.raises(OSError, match="no route"):
            await source.open(VideoRequest(url="memory:film"), lambda done, what: None)
        with pytest.raises(VideoUnavailable):
            await source.open(VideoRequest(url="memory:other"), lambda done, what: None)

    asyncio.run(scenario())


def test_a_source_waits_until_it_is_let_go() -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        source = MemorySource({"memory:film": VIDEO}, waits={"memory:film": gate})
        task = asyncio.ensure_future(
            source.open(VideoRequest(url="memory:film"), lambda done, what: None)
        )
        await asyncio.sleep(0)
        assert not task.done()
        gate.set()
        assert await task is VIDEO

    asyncio.run(scenario())
