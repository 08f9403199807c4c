"""What is written is read back: all of it, where the format has room for it."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watchbuddy_core.actions import ACTION, Expression, Seek, Speak
from watchbuddy_core.errors import InvalidTrack
from watchbuddy_core.speech import spoken_seconds
from watchbuddy_core.tracks import Track, TrackFormat, read_track, write_track

WHOLE: tuple[TrackFormat, ...] = ("json", "vtt", "ass")
often = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def lines(track: Track) -> list[Speak]:
    return [action for action in track.actions if isinstance(action, Speak)]


@pytest.mark.parametrize("format", WHOLE)
@given(data=st.data())
@often
def test_nothing_is_lost(tracks, format, data):
    track = data.draw(tracks)
    assert read_track(write_track(track, format), format) == track


@pytest.mark.parametrize("format", WHOLE)
def test_a_hostile_line_is_a_line_and_nothing_else(format, hostile):
    track = Track(
        actions=(
            Speak(trigger_timestamp=1, text=hostile, comment=hostile),
            Speak(trigger_timestamp=30, text="after it"),
        )
    )
    assert read_track(write_track(track, format), format) == track


@given(data=st.data())
@often
def test_subrip_keeps_every_line_and_its_time_and_settles(tracks, data):
    track = data.draw(tracks)
    once = read_track(write_track(track, "srt"), "srt")
    assert len(once.actions) == len(lines(track))
    for kept, line in zip(once.actions, lines(track), strict=True):
        assert isinstance(kept, Speak)
        assert kept.trigger_timestamp >= line.trigger_timestamp
        if line.text.isprintable() and not set(line.text) & set("<>{}\\"):
            assert kept.text == " ".join(line.text.split()) or kept.text == "…"
    again = read_track(write_track(once, "srt"), "srt")
    assert [(a.trigger_timestamp, a.text) for a in lines(again)] == [
        (a.trigger_timestamp, a.text) for a in lines(once)
    ]


@given(data=st.data())
@often
def test_cues_never_overlap_and_can_be_read(tracks, data):
    track = data.draw(tracks)
    cues = read_cues(write_track(track, "srt"))
    assert len(cues) == len(lines(track))
    for start, end in cues:
        assert end - start >= 1000
    for (_, end), (start, _) in pairwise(cues):
        assert end <= start


def read_cues(srt: str) -> list[tuple[int, int]]:
    timings = [line.split(" --> ") for line in srt.split("\n") if " --> " in line]
    return [(milliseconds(start), milliseconds(end)) for start, end in timings]


def milliseconds(stamp: str) -> int:
    clock, rest = stamp.split(",")
    hours, minutes, seconds = map(int, clock.split(":"))
    return (hours * 3600 + minutes * 60 + seconds) * 1000 + int(rest)


def test_a_line_is_shown_while_it_is_spoken_and_gives_way_to_the_next():
    long = "This is a sentence that takes a good deal longer than two seconds to say aloud."
    track = Track(
        actions=(
            Speak(trigger_timestamp=1.0, text=long),
            Speak(trigger_timestamp=3.0, text=long),
            Speak(trigger_timestamp=60.0, text="Yes.", pause_video=True),
            Speak(trigger_timestamp=60.2, text="No."),
        )
    )
    seconds = round(spoken_seconds(long) * 1000)
    assert seconds > 2000
    assert read_cues(write_track(track, "srt")) == [
        (1000, 3000),
        (3000, 3000 + seconds),
        (60_000, 61_000),
        (61_000, 62_000),
    ]


def test_the_json_of_an_action_is_that_of_the_wire(track):
    written = json.loads(write_track(track, "json"))["actions"]
    assert written == [json.loads(ACTION.dump_json(action)) for action in track.actions]
    assert [list(action) for action in written] == [
        list(json.loads(ACTION.dump_json(action))) for action in track.actions
    ]


def test_actions_stand_in_the_order_in_which_they_are_sent():
    jump = Seek(trigger_timestamp=5.0, target_timestamp=1.0)
    line = Speak(trigger_timestamp=5.0, text="Back we go.")
    face = Expression(trigger_timestamp=2.0, emotion="joy")
    assert Track(actions=(jump, line, face)).actions == (face, line, jump)


def test_reading_subrip_twice_gives_the_same_ids(track):
    text = write_track(track, "srt")
    assert read_track(text, "srt") == read_track(text, "srt")


@pytest.mark.parametrize("format", ["vtt", "srt", "ass"])
def test_times_that_subtitles_cannot_tell_are_refused(format):
    track = Track(actions=(Expression(trigger_timestamp=400_000.0, emotion="sad"),))
    with pytest.raises(InvalidTrack, match="a hundred hours"):
        write_track(track, format)
    assert read_track(write_track(track, "json"), "json") == track


@pytest.mark.parametrize("format", ["vtt", "srt", "ass"])
def test_a_track_without_lines_is_a_file_too(format):
    face = Expression(trigger_timestamp=2.0, emotion="joy")
    read = read_track(write_track(Track(actions=(face,)), format), format)
    assert read.actions == (() if format == "srt" else (face,))
