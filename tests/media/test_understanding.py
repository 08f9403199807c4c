"""What is found in real files whose content is known."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbuddy_core.errors import VideoUnreadable
from watchbuddy_core.sources.local import LocalSource
from watchbuddy_core.understanding import grid, survey, understand
from watchbuddy_core.understanding.work import Stop, in_thread
from watchbuddy_core.video import Overview, Understanding, Video, VideoRequest, Window


def video_at(path: Path) -> Video:
    request = VideoRequest(url=f"library:{path.name}")
    return asyncio.run(LocalSource([path.parent]).open(request, lambda *_: None))


def surveyed(path: Path) -> Overview:
    return asyncio.run(survey(video_at(path), lambda *_: None))


def understood(path: Path, *windows: tuple[float, float]) -> Understanding:
    video, overview = video_at(path), surveyed(path)

    async def step_by_step() -> Understanding:
        known: Understanding | None = None
        for index, (start, end) in enumerate(windows):
            window = Window(index=index, start=start, end=end)
            known = await understand(video, overview, window, known, windows[0][0])
        assert known is not None
        return known

    return asyncio.run(step_by_step())


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
def test_a_survey_tells_what_is_in_a_file(library: Path, name: str) -> None:
    overview = surveyed(library / name)
    assert overview.duration == pytest.approx(20.0, abs=0.15)
    assert {stream.kind for stream in overview.streams} == {"video", "audio", "subtitle"}
    assert [chapter.title for chapter in overview.chapters] == ["On the road", "By the sea"]
    for cut in (0.0, 4.0, 7.0, 11.0, 14.0):
        assert min(abs(cut - keyframe) for keyframe in overview.keyframes) < 0.1
    spoken, said, heard = overview.cues
    assert (spoken.speaker, spoken.text) == ("Anna", "Where are we going?")
    assert said.start == pytest.approx(5.0, abs=0.01)
    assert said.end == pytest.approx(6.5, abs=0.01)
    assert (heard.sounds, heard.text) == (("wind",), "")


def test_the_cuts_the_bang_and_the_silence_are_found_at_their_times(library: Path) -> None:
    known = understood(library / "film.mp4", (0.0, 20.0))
    cuts = [scene.start for scene in known.scenes]
    for cut in (4.0, 7.0, 11.0, 14.0):
        assert min(abs(cut - found) for found in cuts) < 0.2
    assert len(cuts) <= 6
    (bang,) = [sound for sound in known.sounds if sound.kind == "loud" and sound.start > 5]
    assert bang.start == pytest.approx(8.0, abs=0.15)
    (silence,) = [sound for sound in known.sounds if sound.kind == "silence"]
    assert silence.start == pytest.approx(11.0, abs=0.2)
    assert silence.end == pytest.approx(14.0, abs=0.2)


def test_window_by_window_it_is_the_same_and_nothing_later_is_known(library: Path) -> None:
    first = understood(library / "film.mp4", (0.0, 9.0))
    assert [round(scene.start) for scene in first.scenes] == [0, 4, 7]
    assert first.end == 9.0
    assert all(scene.end <= 9.0 for scene in first.scenes)
    assert all(sound.end <= 9.05 for sound in first.sounds)
    assert [cue.start for cue in first.cues] == [0.5, 5.0]
    assert [chapter.title for chapter in first.chapters] == ["On the road"]

    both = understood(library / "film.mp4", (0.0, 9.0), (9.0, 20.0))
    whole = understood(library / "film.mp4", (0.0, 20.0))
    assert [scene.start for scene in both.scenes] == [scene.start for scene in whole.scenes]
    assert {sound.kind for sound in both.sounds} == {sound.kind for sound in whole.sounds}


@pytest.mark.parametrize("name", ["film.ts", "film.flv"])
def test_a_file_whose_clock_does_not_begin_at_zero_is_understood_alike(
    library: Path, name: str
) -> None:
    """Sound begins a little before the pictures here, and neither at zero."""
    assert surveyed(library / name).duration == pytest.approx(20.0, abs=0.15)
    known = understood(library / name, (0.0, 12.5), (12.5, 20.0))
    assert [round(scene.start) for scene in known.scenes] == [0, 4, 7, 11, 14]
    assert known.scenes[0].change == 1.0
    assert known.scenes[0].motion is not None
    (silence,) = [sound for sound in known.sounds if sound.kind == "silence"]
    assert silence.start == pytest.approx(11.0, abs=0.2)
    assert silence.end == pytest.approx(14.0, abs=0.2)


@pytest.mark.parametrize("border", [4.9, 5.0, 5.1, 10.0])
def test_a_scene_that_goes_on_across_a_border_is_one(library: Path, border: float) -> None:
    """The grid moves borders to keyframes, so a keyframe at the border is the usual case."""
    assert {5.0, 10.0, 12.0} <= set(surveyed(library / "calm.mp4").keyframes)
    known = understood(library / "calm.mp4", (0.0, border), (border, 22.0))
    assert [(scene.start, scene.end) for scene in known.scenes] == [(0.0, 12.0), (12.0, 22.0)]
    assert known.scenes[0].motion == pytest.approx(0.0, abs=0.1)


def test_a_cut_at_a_border_is_a_cut(library: Path) -> None:
    known = understood(library / "calm.mp4", (0.0, 12.0), (12.0, 22.0))
    assert [scene.start for scene in known.scenes] == [0.0, 12.0]
    assert known.scenes[1].change > 0.3


@pytest.mark.parametrize("borders", [(13.0,), (12.9, 17.5), (14.0, 15.0, 16.0)])
def test_a_silence_that_goes_on_across_borders_is_one(
    library: Path, borders: tuple[float, ...]
) -> None:
    windows = list(pairwise([0.0, *borders, 22.0]))
    (silence,) = understood(library / "calm.mp4", *windows).sounds
    assert silence.kind == "silence"
    assert silence.start == pytest.approx(12.0, abs=0.2)
    assert silence.end == pytest.approx(18.0, abs=0.2)


def test_what_was_heard_before_the_range_is_not_in_it(library: Path) -> None:
    known = understood(library / "calm.mp4", (14.0, 22.0))
    assert all(14.0 <= sound.start < sound.end <= 22.0 for sound in known.sounds)
    assert known.sounds[0].start == 14.0


def test_a_range_in_the_middle_keeps_the_times_of_the_whole_video(library: Path) -> None:
    known = understood(library / "film.mp4", (9.5, 20.0))
    assert known.start == 9.5
    assert any(abs(scene.start - 11.0) < 0.2 for scene in known.scenes)
    assert [cue.start for cue in known.cues] == [12.0]


def test_a_silent_film_is_silent(library: Path) -> None:
    known = understood(library / "mute.mp4", (0.0, 3.0))
    assert {sound.kind for sound in known.sounds} <= {"silence"}


def test_a_sidecar_goes_before_what_is_embedded(library: Path, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes((library / "film.mp4").read_bytes())
    (tmp_path / "film.srt").write_text("1\n00:00:01,000 --> 00:00:02,500\nFrom the file\n")
    (cue,) = surveyed(tmp_path / "film.mp4").cues
    assert cue.text == "From the file"


def test_a_language_in_the_name_counts_where_the_text_tells_none(
    library: Path, tmp_path: Path
) -> None:
    (tmp_path / "film.mp4").write_bytes((library / "film.mp4").read_bytes())
    (tmp_path / "film.zh-Hans.srt").write_text("1\n00:00:01,000 --> 00:00:02,500\n好\n")
    assert surveyed(tmp_path / "film.mp4").language == "zh"


def test_progress_is_told_in_the_thread_of_the_caller(library: Path) -> None:
    told_in: list[int] = []
    video = video_at(library / "mute.mp4")
    asyncio.run(survey(video, lambda *_: told_in.append(threading.get_ident())))
    assert set(told_in) == {threading.get_ident()}


def test_progress_goes_from_nothing_towards_the_whole(library: Path) -> None:
    told: list[float | None] = []
    asyncio.run(survey(video_at(library / "film.mp4"), lambda share, _: told.append(share)))
    assert told[0] == pytest.approx(0.0, abs=0.05)
    assert all(share is not None and 0 <= share <= 1 for share in told)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"This is a letter, not a film.\n" * 100,
        b"#EXTM3U\n#EXTINF:10,\n/etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom",
        bytes(range(256)) * 64,
        b"WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n",
        b"<html><body>Not found</body></html>",
    ],
)
def test_what_is_no_video_is_said_to_be_unreadable(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "film.mp4").write_bytes(content)
    with pytest.raises(VideoUnreadable) as refused:
        surveyed(tmp_path / "film.mp4")
    assert str(tmp_path) not in str(refused.value)


def test_a_file_that_breaks_off_is_understood_as_far_as_it_goes(
    library: Path, tmp_path: Path
) -> None:
    whole = (library / "film.mkv").read_bytes()
    (tmp_path / "film.mkv").write_bytes(whole[: len(whole) // 2])
    overview = surveyed(tmp_path / "film.mkv")
    assert 0 < overview.duration <= 20.1
    known = understood(tmp_path / "film.mkv", (0.0, overview.duration))
    assert known.scenes


def test_damage_in_the_middle_does_not_end_it(library: Path, tmp_path: Path) -> None:
    content = bytearray((library / "film.mp4").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = b"\xff" * 3000
    (tmp_path / "film.mp4").write_bytes(content)
    known = understood(tmp_path / "film.mp4", (0.0, 20.0))
    assert known.end == 20.0


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.ts", "film.flv"])
def test_whatever_is_damaged_it_is_understood_or_said_to_be_unreadable(
    library: Path, tmp_path: Path, name: str, seed: int
) -> None:
    chance = random.Random(seed)
    content = bytearray((library / name).read_bytes())
    for _ in range(chance.randint(1, 20)):
        content[chance.randrange(len(content))] = chance.randrange(256)
    at = chance.randrange(len(content))
    content[at : at + 5000] = chance.choice([b"", bytes(5000)])
    (tmp_path / name).write_bytes(content)
    try:
        known = understood(tmp_path / name, (0.0, 20.0))
    except VideoUnreadable as refused:
        assert str(tmp_path) not in str(refused)  # noqa: PT017 - either outcome is right
    else:
        assert known.end == 20.0


# --- cancelling ------------------------------------------------------------------------------


def test_cancelling_stops_the_thread_before_it_returns() -> None:
    working = threading.Event()
    ended = threading.Event()

    def work(stop: Stop) -> None:
        working.set()
        try:
            while True:
                stop.check()
                time.sleep(0.001)
        finally:
            ended.set()

    async def scenario() -> None:
        task = asyncio.create_task(in_thread(work))
        await asyncio.to_thread(working.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    asyncio.run(scenario())


def test_what_waits_for_a_free_thread_is_cancelled_at_once() -> None:
    release = threading.Event()
    threads = os.cpu_count() or 1
    occupied = threading.Barrier(threads + 1, timeout=20)
    begun: list[str] = []

    def occupy(stop: Stop) -> None:
        occupied.wait()
        release.wait(20)

    async def scenario() -> None:
        async with asyncio.TaskGroup() as tasks:
            busy = [tasks.create_task(in_thread(occupy)) for _ in range(threads)]
            await asyncio.to_thread(occupied.wait)
            waiting = asyncio.create_task(in_thread(lambda stop: begun.append("work")))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert not any(task.done() for task in busy)
            release.set()

    asyncio.run(scenario())
    assert begun == []


@pytest.mark.parametrize("after", [0.0, 0.02])
def test_looking_into_a_long_file_can_be_cancelled_within_a_second(
    library: Path, after: float
) -> None:
    path = library / "long.mp4"
    video, overview = video_at(path), surveyed(path)
    window = Window(index=0, start=0.0, end=300.0)

    async def scenario() -> float:
        task = asyncio.create_task(understand(video, overview, window, None, 0.0))
        await asyncio.sleep(after)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - began

    assert asyncio.run(scenario()) < 5.0  # a second, on a machine that others use too


def test_what_the_work_raises_reaches_the_caller() -> None:
    def work(stop: Stop) -> None:
        raise VideoUnreadable("no")

    with pytest.raises(VideoUnreadable):
        asyncio.run(in_thread(work))


# --- the grid --------------------------------------------------------------------------------


@st.composite
def ranges(draw: st.DrawFn) -> tuple[Overview, float, float]:
    duration = draw(st.floats(2.0, 4000.0))
    keyframes = tuple(sorted(draw(st.lists(st.floats(0.0, duration), max_size=40))))
    start = draw(st.floats(0.0, duration - 1.5))
    end = draw(st.floats(start + 1.0, duration))
    return Overview(duration=duration, streams=(), keyframes=keyframes), start, end


@given(ranges())
def test_windows_cover_the_range_without_gap_or_overlap(
    case: tuple[Overview, float, float],
) -> None:
    overview, start, end = case
    windows = grid(overview, start, end)
    assert windows[0].start == round(start, 3)
    assert windows[-1].end == round(end, 3)
    for window, following in pairwise(windows):
        assert window.end == following.start
        assert window.index < following.index
    assert all(window.start < window.end for window in windows)


@given(ranges())
def test_borders_and_numbers_are_those_of_the_content_whatever_the_range(
    case: tuple[Overview, float, float],
) -> None:
    overview, start, end = case
    whole = {window.index: window for window in grid(overview, 0.0, overview.duration)}
    for window in grid(overview, start, end)[1:-1]:
        assert whole[window.index] == window


def test_a_border_moves_to_the_keyframe_that_breaks_the_rhythm() -> None:
    steady = [5.0 * i for i in range(60)]
    keyframes = tuple(sorted([*steady, 52.5]))
    first, *_ = grid(Overview(duration=300.0, streams=(), keyframes=keyframes), 0.0, 300.0)
    assert first.end == 52.5


def test_without_keyframes_the_borders_are_the_nominal_ones() -> None:
    windows = grid(Overview(duration=300.0, streams=()), 0.0, 300.0)
    assert [window.end for window in windows] == [45.0, 165.0, 300.0]


def test_among_many_cuts_the_border_does_not_take_a_keyframe_of_the_steady_pace() -> None:
    """A keyframe that comes as late as any does not tell of a cut; the one at 52 s does."""
    keyframes = (0.0, 3.0, 6.0, 16.0, 26.0, 36.0, 46.0, 52.0, 62.0, 64.0, 74.0, 84.0)
    first, *_ = grid(Overview(duration=200.0, streams=(), keyframes=keyframes), 0.0, 200.0)
    assert first.end == 52.0
