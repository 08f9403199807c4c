"""What the client makes of actions, and what it tells the server about it."""

from __future__ import annotations

import asyncio

import pytest
from patience import PATIENCE

from watchbuddy_core.actions import (
    Emotion,
    EndReaction,
    Expression,
    PauseVideo,
    PostReplay,
    PostSeek,
    ReplaySegment,
    Seek,
    Speak,
)
from watchbuddy_core.client import REPORT_SECONDS
from watchbuddy_core.wire import ActionCompletedMessage, SeekUpdateMessage

pytestmark = pytest.mark.anyio


def line(id: str, at: float = 0.0, *, pause_video: bool = False) -> Speak:
    return Speak(id=id, trigger_timestamp=at, text=f"line {id}", pause_video=pause_video)


async def test_reports_where_the_player_is_again_and_again(server, watching):
    async with watching(position=10.0):
        await server.until(lambda: len(server.reports) >= 5)
    positions = [report.timestamp for report in server.reports]
    assert positions == sorted(positions)
    assert positions[0] >= 10.0
    assert positions[-1] > positions[0]
    assert not server.reports[-1].paused
    assert server.reports[-1].playback_rate == 1.0


async def test_a_pause_of_the_user_is_reported_at_once(server, watching):
    async with watching(interval=10_000.0) as room:
        await server.until(lambda: len(server.reports) >= 1)
        await room.player.pause()
        room.client.notice()
        await server.until(lambda: bool(server.reports[-1].paused))
    assert not server.seeks


async def test_lines_are_spoken_one_after_another_in_order(server, watching):
    async with watching() as room:
        await server.send(line("a"), line("b"), line("c"))
        completed = await server.completes(3)
    assert [text for text, _ in room.spoken] == ["line a", "line b", "line c"]
    assert completed == [("a", "done"), ("b", "done"), ("c", "done")]
    order = [(type(one).__name__, one.action.id) for one in room.happened if hasattr(one, "action")]
    assert order.index(("Ended", "a")) < order.index(("Begun", "b"))
    assert order.index(("Ended", "b")) < order.index(("Begun", "c"))


async def test_a_line_that_pauses_stops_the_video_while_it_is_spoken(server, watching):
    async with watching(position=10.0) as room:
        await server.send(line("a", 10.0, pause_video=True))
        await server.completes()
        await server.until(lambda: not server.reports[-1].paused)
        assert not room.player.paused
    assert room.spoken == [("line a", True)]
    assert [report.paused for report in server.reports].count(True) >= 1


async def test_a_video_that_the_user_had_paused_stays_paused_after_a_line(server, watching):
    async with watching(playing=False) as room:
        await server.send(line("a", pause_video=True))
        await server.completes()
        assert room.player.paused


async def test_a_video_that_the_user_resumes_is_not_paused_again(server, watching):
    ends = asyncio.Event()

    async def speak(_: Speak) -> None:
        await ends.wait()

    async with watching(speak=speak) as room:
        await server.send(line("a", pause_video=True))
        await server.until(lambda: bool(server.reports and server.reports[-1].paused))
        await room.player.resume()
        room.client.notice()
        ends.set()
        assert await server.completes() == [("a", "done")]
        assert not room.player.paused
        assert not server.seeks


async def test_a_face_is_shown_while_a_line_is_spoken(server, watching):
    ends = asyncio.Event()

    async def speak(_: Speak) -> None:
        await ends.wait()

    async with watching(speak=speak) as room:
        await server.send(
            line("a"),
            Expression(id="b", trigger_timestamp=0.0, emotion=Emotion.JOY),
            EndReaction(id="c", trigger_timestamp=0.0),
        )
        assert await server.completes(2) == [("b", "done"), ("c", "done")]
        ends.set()
        await server.completes(3)
    assert room.begun == ["a", "b", "c"]


async def test_a_pause_lasts_as_long_as_it_says(server, watching):
    async with watching(position=5.0) as room:
        await server.send(PauseVideo(id="a", trigger_timestamp=5.0, duration_seconds=2.0))
        await server.until(lambda: bool(server.reports and server.reports[-1].paused))
        began = room.clock.now()
        stood_at = room.player.position
        assert await server.completes() == [("a", "done")]
        assert room.clock.now() - began >= 1.9 - REPORT_SECONDS
        assert not room.player.paused
    paused_at = {report.timestamp for report in server.reports if report.paused}
    assert paused_at == {stood_at}


async def test_a_user_who_resumes_ends_a_pause(server, watching):
    async with watching() as room:
        await server.send(PauseVideo(id="a", trigger_timestamp=0.0, duration_seconds=600.0))
        await server.until(lambda: bool(server.reports and server.reports[-1].paused))
        await room.player.resume()
        assert await server.completes() == [("a", "interrupted")]
        assert not room.player.paused


async def test_a_pause_is_skipped_where_the_user_has_paused(server, watching):
    async with watching(playing=False) as room:
        await server.send(PauseVideo(id="a", trigger_timestamp=0.0, duration_seconds=600.0))
        assert await server.completes() == [("a", "skipped")]
        assert room.player.paused


async def test_a_seek_is_told_once_it_has_landed_and_before_it_is_acknowledged(server, watching):
    async with watching(position=10.0) as room:
        await server.send(Seek(id="a", trigger_timestamp=10.0, target_timestamp=50.0))
        await server.completes()
        assert not room.player.paused
        assert room.player.position >= 50.0
    landing, completed = server.events
    assert isinstance(landing, SeekUpdateMessage)
    assert (landing.cause, landing.action_id) == ("action", "a")
    assert landing.timestamp == pytest.approx(50.0, abs=0.5)
    assert completed == ActionCompletedMessage(action_id="a", outcome="done")


async def test_a_seek_can_leave_the_video_paused(server, watching):
    async with watching(position=10.0) as room:
        await server.send(
            Seek(
                id="a",
                trigger_timestamp=10.0,
                target_timestamp=50.0,
                post_seek_behavior=PostSeek.STAY_PAUSED,
            )
        )
        await server.completes()
        assert room.player.paused
        assert room.player.position == pytest.approx(50.0, abs=0.5)


async def test_a_replay_plays_its_passage_and_returns(server, watching):
    async with watching(position=30.0) as room:
        await server.send(
            ReplaySegment(id="a", trigger_timestamp=30.0, start_timestamp=20.0, end_timestamp=22.0)
        )
        assert await server.completes() == [("a", "done")]
        assert room.player.position >= 30.0
        assert not room.player.paused
    there, back = server.seeks
    assert (there.cause, there.action_id) == (back.cause, back.action_id) == ("action", "a")
    assert there.timestamp == pytest.approx(20.0, abs=0.5)
    assert back.timestamp == pytest.approx(30.0, abs=1.0)
    assert max(report.timestamp for report in server.reports if report.timestamp < 29.0) >= 21.5


async def test_a_replay_can_stay_at_its_end(server, watching):
    async with watching(position=30.0) as room:
        await server.send(
            ReplaySegment(
                id="a",
                trigger_timestamp=30.0,
                start_timestamp=20.0,
                end_timestamp=21.0,
                post_replay_behavior=PostReplay.STAY_PAUSED_AT_END,
            )
        )
        await server.completes()
        assert room.player.paused
        assert room.player.position == pytest.approx(21.0, abs=0.7)
    assert len(server.seeks) == 1


async def test_a_jump_waits_for_the_line_that_pauses_before_it(server, watching):
    async with watching(position=30.0) as room:
        await server.send(
            line("a", 30.0, pause_video=True),
            Seek(id="b", trigger_timestamp=30.0, target_timestamp=90.0),
        )
        assert await server.completes(2) == [("a", "done"), ("b", "done")]
        assert room.player.position >= 90.0
        assert not room.player.paused


async def test_nothing_jumps_while_the_user_has_paused(server, watching):
    """The server is told at once, so that it does not wait for a landing."""
    async with watching(position=30.0, playing=False) as room:
        await server.send(Seek(id="a", trigger_timestamp=30.0, target_timestamp=90.0))
        await server.completes()
        assert room.player.position == 30.0
    assert server.events == [ActionCompletedMessage(action_id="a", outcome="skipped")]


async def test_a_seek_of_the_user_ends_what_was_going_on(server, watching):
    async def speak(_: Speak) -> None:
        await asyncio.Event().wait()

    async with watching(position=30.0, speak=speak) as room:
        await server.send(line("a", 30.0, pause_video=True), line("b", 30.0))
        await server.until(lambda: bool(server.reports and server.reports[-1].paused))
        await server.send(Seek(id="c", trigger_timestamp=30.0, target_timestamp=90.0))
        await room.until(lambda: len(room.arrived) == 3)
        await room.player.seek(200.0)
        room.client.notice()
        completed = await server.completes(3)
        await server.until(lambda: not server.reports[-1].paused)
        assert room.player.position >= 200.0
    assert completed == [("a", "interrupted"), ("b", "skipped"), ("c", "skipped")]
    assert server.events[0] == SeekUpdateMessage(timestamp=200.0, cause="user")
    assert len(server.seeks) == 1


@pytest.mark.parametrize("target", [10.0, 200.0])
async def test_a_seek_of_the_user_is_noticed_without_being_told(server, watching, target):
    async with watching(position=100.0) as room:
        await server.until(lambda: len(server.reports) >= 2)
        await room.player.seek(target)
        await server.until(lambda: len(server.seeks) >= 1)
        await server.until(lambda: abs(server.reports[-1].timestamp - target) < 5.0)
    assert len(server.seeks) == 1
    assert server.seeks[0].cause == "user"
    assert server.seeks[0].timestamp == pytest.approx(target, abs=3.0)


async def test_an_action_is_done_once_and_confirmed_as_often_as_it_comes(server, watching):
    async with watching() as room:
        await server.send(line("a"))
        await server.completes(1)
        await server.send(line("a"))
        assert await server.completes(2) == [("a", "done"), ("a", "done")]
    assert room.spoken == [("line a", False)]


async def test_an_action_that_is_being_done_is_not_begun_again(server, watching):
    ends = asyncio.Event()
    begun = 0

    async def speak(_: Speak) -> None:
        nonlocal begun
        begun += 1
        await ends.wait()

    async with watching(speak=speak):
        await server.send(line("a"), line("a"), Expression(trigger_timestamp=0.0, emotion="joy"))
        await server.completes(1)
        ends.set()
        await server.completes(2)
    assert begun == 1


async def test_what_was_done_is_done_again_after_a_seek_of_the_user(server, watching):
    async with watching(position=10.0) as room:
        await server.send(line("a", 10.0))
        await server.completes(1)
        await room.player.seek(100.0)
        room.client.notice()
        await room.player.seek(9.9)
        room.client.notice()
        await server.send(line("a", 10.0))
        await server.completes(2)
    assert [text for text, _ in room.spoken] == ["line a", "line a"]


@pytest.mark.parametrize("trigger", [30.0, 98.0])
async def test_what_was_sent_before_a_seek_and_comes_after_it_is_dropped(server, watching, trigger):
    """It would be spoken at the wrong place; if it belongs here, it is sent again."""
    async with watching(position=100.0, playing=False) as room:
        await server.connections(1)
        await room.player.seek(10.0)
        room.client.notice()
        await room.player.seek(60.0)
        room.client.notice()
        await server.send(line("a", trigger), line("b", 60.0))
        assert await server.completes() == [("b", "done")]
    assert room.arrived == ["b"]


async def test_the_client_returns_after_the_end_when_everything_is_said(server, watching):
    ends = asyncio.Event()

    async def speak(_: Speak) -> None:
        await ends.wait()

    async with watching(position=9.0, end=10.0, speak=speak) as room:
        await server.ready()
        await server.send(line("a", 9.0))
        await room.clock.sleep(1.5)
        assert room.player.ended
        assert not room.running.done()
        ends.set()
        async with asyncio.timeout(PATIENCE):
            await room.running
    assert server.completed == [("a", "done")]
    assert server.reports[-1].timestamp == 10.0


async def test_a_video_that_is_over_before_the_script_is_there_waits_for_it(server, watching):
    async with watching(position=10.0, end=10.0) as room:
        await server.until(lambda: len(server.reports) >= 5)
        await room.clock.sleep(2.0)
        assert not room.running.done()
        await server.ready()
        await server.send(line("a", 10.0))
        async with asyncio.timeout(PATIENCE):
            await room.running
    assert server.completed == [("a", "done")]


async def test_a_replay_of_the_last_passage_is_not_the_end(server, watching):
    async with watching(position=5.0, end=10.0) as room:
        await server.ready()
        await server.send(
            ReplaySegment(id="a", trigger_timestamp=5.0, start_timestamp=8.0, end_timestamp=10.0)
        )
        async with asyncio.timeout(PATIENCE):
            await room.running
    assert server.completed == [("a", "done")]
    there, back = server.seeks
    assert round(there.timestamp) == 8
    assert 5.0 <= back.timestamp < 8.0  # where it had come to by then
    assert server.reports[-1].timestamp == 10.0


async def test_cancelling_lets_go_of_a_video_that_only_the_companion_had_paused(server, watching):
    async with watching() as room:
        await server.send(PauseVideo(id="a", trigger_timestamp=0.0, duration_seconds=600.0))
        await server.until(lambda: bool(server.reports and server.reports[-1].paused))
        room.running.cancel()
        await asyncio.wait([room.running])
        assert not room.player.paused


async def test_by_default_a_line_takes_the_time_it_would_take_to_say(server, watching):
    async with watching(default_voice=True) as room:
        await server.send(line("a"))
        began = room.clock.now()
        await server.completes()
        assert room.clock.now() - began >= 1.0
