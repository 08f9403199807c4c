"""A companion in mpv: what it is told to do, and what the viewer does meanwhile."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from watchbuddy_core.actions import PauseVideo, ReplaySegment, Seek, Speak

pytestmark = pytest.mark.anyio


async def test_the_film_stands_still_while_a_line_that_pauses_is_read(watching) -> None:
    async with watching() as room:
        await room.send(Speak(id="a", trigger_timestamp=0.0, text="Look!", pause_video=True))
        await room.until(lambda: room.reports[-1].paused is True)
        assert await room.shows("pause") is True
        assert await room.completes() == [("a", "done")]
        assert await room.shows("pause") is False


async def test_two_lines_that_pause_follow_one_another(watching) -> None:
    """mpv tells late that it played in between: that was not the viewer."""
    async with watching() as room:
        await room.send(
            Speak(id="a", trigger_timestamp=0.0, text="Look!", pause_video=True),
            Speak(id="b", trigger_timestamp=0.0, text="There!", pause_video=True),
            PauseVideo(id="c", trigger_timestamp=0.0, duration_seconds=0.2),
        )
        assert await room.completes(3) == [("a", "done"), ("b", "done"), ("c", "done")]
        assert await room.shows("pause") is False


async def test_what_the_viewer_has_paused_meanwhile_stays_paused(watching) -> None:
    async with watching() as room:
        await room.send(Speak(id="a", trigger_timestamp=0.0, text="Look!", pause_video=True))
        await room.until(lambda: room.reports[-1].paused is True)
        await room.viewer("set_property", "pause", False)
        await room.until(lambda: room.reports[-1].paused is False)
        await room.viewer("set_property", "pause", True)
        await room.completes()
        assert await room.shows("pause") is True


async def test_a_pause_is_over_when_the_viewer_presses_play(watching) -> None:
    async with watching() as room:
        await room.send(PauseVideo(id="a", trigger_timestamp=0.0, duration_seconds=600.0))
        await room.until(lambda: room.reports[-1].paused is True)
        await room.viewer("cycle", "pause")
        assert await room.completes() == [("a", "interrupted")]
        assert await room.shows("pause") is False


async def test_a_seek_is_obeyed_and_told_as_the_companions_own(watching) -> None:
    async with watching() as room:
        await room.send(Seek(id="a", trigger_timestamp=0.0, target_timestamp=7.3))
        assert await room.completes() == [("a", "done")]
        assert 7.3 <= await room.shows("time-pos") < 9.0
    (landing,) = room.seeks
    assert (landing.cause, landing.action_id) == ("action", "a")
    assert landing.timestamp == pytest.approx(7.3, abs=0.1)


async def test_a_replay_goes_there_and_comes_back(watching) -> None:
    async with watching("--start=6") as room:
        await room.send(
            ReplaySegment(id="a", trigger_timestamp=6.0, start_timestamp=2.0, end_timestamp=2.5)
        )
        assert await room.completes() == [("a", "done")]
        assert await room.shows("time-pos") >= 6.0
    there, back = room.seeks
    assert (there.cause, back.cause) == ("action", "action")
    assert there.timestamp == pytest.approx(2.0, abs=0.1)
    assert back.timestamp == pytest.approx(6.0, abs=0.5)


async def test_the_viewers_seeks_pauses_and_speed_are_told_at_once(watching) -> None:
    """No report comes by itself meanwhile."""
    async with watching(interval=600.0) as room:
        await room.viewer("seek", 5.0, "absolute+exact")
        await room.until(lambda: len(room.seeks) == 1)
        await room.viewer("set_property", "speed", 1.5)
        await room.until(lambda: room.reports[-1].playback_rate == 1.5)
        await room.viewer("cycle", "pause")
        await room.until(lambda: room.reports[-1].paused is True)
        await room.viewer("seek", -4.0, "relative+exact")
        await room.until(lambda: len(room.seeks) == 2)
    forward, back = room.seeks
    assert (forward.cause, back.cause) == ("user", "user")
    assert forward.timestamp == pytest.approx(5.0, abs=0.1)
    assert 1.0 <= back.timestamp < 3.0


async def test_a_seek_of_the_viewer_ends_what_was_being_said(watching) -> None:
    async with watching() as room:
        await room.send(PauseVideo(id="a", trigger_timestamp=0.0, duration_seconds=600.0))
        await room.until(lambda: room.reports[-1].paused is True)
        await room.viewer("seek", 8.0, "absolute+exact")
        assert await room.completes() == [("a", "interrupted")]
        await room.until(lambda: room.reports[-1].paused is False)


async def test_it_ends_when_mpv_quits(watching) -> None:
    async with watching() as room:
        await room.send(PauseVideo(id="a", trigger_timestamp=0.0, duration_seconds=600.0))
        await room.viewer("quit")
        async with asyncio.timeout(10):
            await room.running
        assert room.player.ended


async def test_it_ends_when_mpv_is_told_to_show_something_else(watching, film) -> None:
    async with watching() as room:
        await room.viewer("loadfile", str(film))
        async with asyncio.timeout(10):
            await room.running


async def test_it_knows_where_it_is_between_two_pictures(watching) -> None:
    """Ten pictures a second are in the film; and it is never ahead of the next one."""
    positions: list[float] = []
    async with watching() as room:
        for _ in range(40):
            positions.append(room.player.position)
            await asyncio.sleep(0.02)
        assert positions[-1] <= await room.shows("time-pos") + 0.1
    assert all(after > before - 0.1 for before, after in pairwise(positions))
    assert len(set(positions)) > 20
