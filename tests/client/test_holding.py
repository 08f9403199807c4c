"""Actions that come ahead wait for the player's own playhead, and for nothing else."""

from __future__ import annotations

import asyncio

import pytest
from patience import PATIENCE

from watchbuddy_core.actions import Expression, PauseVideo, PostReplay, ReplaySegment, Seek, Speak
from watchbuddy_core.wire import ActionCompletedMessage

pytestmark = pytest.mark.anyio

SELDOM = 10_000.0
"""An interval at which no report comes by itself: nothing here may depend on reports."""


def face(id: str, at: float) -> Expression:
    return Expression(id=id, trigger_timestamp=at, emotion="joy")


def line(id: str, at: float, *, pause_video: bool = False) -> Speak:
    return Speak(id=id, trigger_timestamp=at, text=f"line {id}", pause_video=pause_video)


async def test_an_action_that_comes_ahead_waits_for_the_playhead(server, watching):
    async with watching(position=10.0, interval=SELDOM) as room:
        await server.send(face("a", 12.0))
        await server.completes()
    (reached,) = room.reached
    assert room.arrived == ["a"]
    assert room.happened[0].position < 12.0 <= reached.position


async def test_what_waits_is_carried_out_in_order_however_it_came(server, watching):
    async with watching(position=10.0, interval=SELDOM) as room:
        await server.send(face("c", 12.0), face("a", 11.5), face("d", 12.0), face("b", 11.6))
        await server.completes(4)
    assert room.begun == ["a", "b", "c", "d"]
    assert all(one.position >= one.action.trigger_timestamp for one in room.reached)


async def test_nothing_is_reached_while_the_user_has_paused(server, watching):
    """The client is not told of the pause, nor of its end."""
    async with watching(position=10.0, interval=SELDOM) as room:
        await server.send(face("a", 11.5))
        await room.until(lambda: bool(room.arrived))
        await room.player.pause()
        await room.clock.sleep(3.0)
        assert room.begun == []
        await room.player.resume()
        await server.completes()
    assert room.reached[0].position >= 11.5


@pytest.mark.parametrize("rate", [0.25, 4.0])
async def test_a_change_of_the_rate_is_followed_without_being_told(server, watching, rate):
    async with watching(position=10.0, interval=SELDOM) as room:
        await server.send(face("a", 11.5))
        await room.until(lambda: bool(room.arrived))
        room.player.playback_rate = rate
        await server.completes()
    assert room.reached[0].position >= 11.5


async def test_a_player_that_moves_in_steps_is_not_taken_for_one_that_is_moved(server, watching):
    async with watching(position=10.5, in_steps=True) as room:
        await server.send(face("a", 11.5), face("b", 12.5), face("c", 13.0))
        await server.completes(3)
    assert [one.position for one in room.reached] == [12.0, 13.5, 13.5]
    assert not server.seeks


async def test_an_action_waits_as_long_as_the_companion_keeps_the_video_paused(server, watching):
    ends = asyncio.Event()

    async def speak(_: Speak) -> None:
        await ends.wait()

    async with watching(position=10.0, interval=SELDOM, speak=speak) as room:
        await server.send(line("a", 10.0, pause_video=True), face("b", 11.5))
        await room.until(lambda: len(room.arrived) == 2 and room.player.paused)
        await room.clock.sleep(3.0)
        assert room.begun == ["a"]
        ends.set()
        assert await server.completes(2) == [("a", "done"), ("b", "done")]


@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize("target", [3.0, 300.0])
async def test_a_seek_of_the_user_drops_what_waits(server, watching, target, is_told):
    """Not even one that leaps over it begins it. The server sends again what belongs there."""
    async with watching(position=10.0, interval=SELDOM) as room:
        await server.send(face("a", 11.5), line("b", 11.8))
        await room.until(lambda: len(room.arrived) == 2)
        await room.player.seek(target)
        if is_told:
            room.client.notice()
        await server.until(lambda: bool(server.seeks))
        await server.send(face("c", target + 1.0))
        await server.completes()
    assert room.begun == ["c"]
    assert server.completed == [("c", "done")]


async def test_what_was_dropped_can_come_again(server, watching):
    async with watching(position=10.0, interval=SELDOM) as room:
        await server.send(face("a", 11.5))
        await room.until(lambda: bool(room.arrived))
        await room.player.seek(5.0)
        room.client.notice()
        await room.player.seek(11.0)
        room.client.notice()
        await server.send(face("a", 11.5))
        assert await server.completes() == [("a", "done")]
    assert room.begun == ["a"]


async def test_what_waits_is_not_taken_twice(server, watching):
    async with watching(position=10.0) as room:
        await server.send(face("a", 11.5), face("a", 11.5))
        await server.completes()
        await server.send(face("a", 11.5))
        await server.completes(2)
    assert (room.arrived, room.begun) == (["a"], ["a"])


async def test_what_waits_is_begun_in_time_while_there_is_no_connection(server, watching):
    async with watching(position=10.0) as room:
        await server.send(face("a", 11.5), face("b", 20.0))
        await room.until(lambda: len(room.arrived) == 2)
        await server.shut()
        await room.until(lambda: bool(room.ended))
        assert room.begun == ["a"]
        await server.open()
        await server.connections(2)
        await server.send(face("b", 20.0))
        assert await server.completes(2) == [("a", "done"), ("b", "done")]
    assert room.begun == ["a", "b"]
    assert all(one.position >= one.action.trigger_timestamp for one in room.reached)


async def test_what_a_jump_leaves_behind_is_skipped(server, watching):
    """It was sent ahead before the jump was thought of: the server takes it for done."""
    async with watching(position=10.0, interval=SELDOM) as room:
        await server.send(
            face("a", 12.0), Seek(id="b", trigger_timestamp=10.0, target_timestamp=90.0)
        )
        assert await server.completes(2) == [("b", "done"), ("a", "skipped")]
    assert room.begun == ["b"]


async def test_nothing_is_reached_while_a_jump_is_on_its_way(server, watching):
    arrives = asyncio.Event()

    async with watching(position=10.0, interval=SELDOM) as room:
        at_once = room.player.seek

        async def seek(position: float) -> None:
            await at_once(position)
            await arrives.wait()

        room.player.seek = seek
        await server.send(
            face("a", 12.0), Seek(id="b", trigger_timestamp=10.0, target_timestamp=90.0)
        )
        await room.until(lambda: room.begun == ["b"])
        await server.send(face("c", 100.0))
        await room.until(lambda: "c" in room.arrived)
        assert room.begun == ["b"]
        arrives.set()
        await server.completes(3)
    assert room.ended == [("b", "done"), ("a", "skipped"), ("c", "done")]


async def test_what_lies_before_a_jump_back_is_still_to_come(server, watching):
    async with watching(position=10.0, interval=SELDOM) as room:
        await server.send(
            face("a", 11.5), Seek(id="b", trigger_timestamp=10.0, target_timestamp=8.0)
        )
        assert await server.completes(2) == [("b", "done"), ("a", "done")]
    assert room.reached[-1].position >= 11.5


async def test_a_replay_of_what_is_to_come_does_not_reach_what_lies_before_it(server, watching):
    """Only playing up to an action reaches it, which happens after the return."""
    replay = ReplaySegment(id="r", trigger_timestamp=10.0, start_timestamp=20.0, end_timestamp=22.0)
    async with watching(position=10.0, interval=SELDOM) as room:
        await server.send(face("a", 12.0), replay)
        await server.until(lambda: len(server.seeks) == 1)
        await server.send(face("b", 21.5))
        assert await server.completes(3) == [("b", "done"), ("r", "done"), ("a", "done")]
    b, a = room.reached[1:]
    assert 21.5 <= b.position < 25.0
    assert 12.0 <= a.position < 15.0


async def test_what_a_replay_did_not_get_to_is_skipped(server, watching):
    replay = ReplaySegment(id="r", trigger_timestamp=30.0, start_timestamp=20.0, end_timestamp=21.0)
    async with watching(position=30.0, interval=SELDOM) as room:
        await server.send(line("n", 29.9), replay)
        await server.until(lambda: len(server.seeks) == 1)
        await server.send(face("a", 22.5), face("b", 33.0))
        await server.until(lambda: ("b", "done") in server.completed)
    assert ("a", "skipped") in server.completed
    assert "a" not in room.begun


async def test_a_replay_that_stays_at_its_end_goes_on_from_there(server, watching):
    replay = ReplaySegment(
        id="r",
        trigger_timestamp=30.0,
        start_timestamp=20.0,
        end_timestamp=21.0,
        post_replay_behavior=PostReplay.STAY_PAUSED_AT_END,
    )
    async with watching(position=30.0, interval=SELDOM) as room:
        await server.send(replay)
        await server.until(lambda: len(server.seeks) == 1)
        await server.send(face("a", 22.8))
        await server.completes(1)
        await room.player.resume()
        assert await server.completes(2) == [("r", "done"), ("a", "done")]


async def test_the_client_waits_for_what_is_reached_at_the_very_end(server, watching):
    async with watching(position=9.0, end=10.0, interval=SELDOM) as room:
        await server.send(face("a", 10.0), face("beyond", 11.0))
        await room.until(lambda: len(room.arrived) == 2)
        await server.completes()
        await server.ready()
        room.running.cancel()
    assert server.events == [ActionCompletedMessage(action_id="a", outcome="done")]


async def test_cancelling_forgets_what_waits(server, watching):
    async with watching(position=10.0) as room:
        await server.send(
            PauseVideo(id="p", trigger_timestamp=10.0, duration_seconds=600.0), face("a", 10.6)
        )
        await room.until(lambda: len(room.arrived) == 2 and room.player.paused)
        room.running.cancel()
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([room.running])
        await room.clock.sleep(2.0)
        assert room.player.position > 10.6
    assert room.begun == ["p"]
