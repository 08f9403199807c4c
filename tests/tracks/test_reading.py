"""Files that were changed by hand, that others have written, or that are broken."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchbuddy_core.actions import Expression, Speak
from watchbuddy_core.errors import InvalidTrack
from watchbuddy_core.tracks import Track, format_of, read_track, write_track

OTHERS = {
    "vtt": "WEBVTT - by hand\n\nSTYLE\n::cue { color: lime }\n\nNOTE not for us\n\nintro\n"
    "00:01.500 --> 00:03.000 line:0\n<v Ann>Hello &amp; <i>welcome</i>\nto the show\n\n"
    "01:00:00.250 --> 01:00:01.000\nBye\n",
    "srt": "\ufeff1\r\n00:00:01,500 --> 00:00:03,000 X1:40\r\n<i>Hello & welcome</i>\r\n"
    "{\\an8}to the show\r\n\r\n00:59:59,9 --> 01:00:00,000\r\n\r\n\r\n"
    "3\r\n01:00:00,250 --> 01:00:01,000\r\nBye",
    "ass": "[Script Info]\nScriptType: v4.00+\n\n[Events]\n"
    "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    "Comment: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,not for us\n"
    "Dialogue: 0,0:00:01.50,0:00:03.00,Default,,0,0,0,,{\\an8}Hello & {\\i1}welcome\\Nto the show\n"
    "Dialogue: 0,1:00:00.25,1:00:01.00,Default,,0,0,0,,Bye\n",
}


@pytest.mark.parametrize("format", OTHERS)
def test_the_subtitles_of_others_are_lines_to_be_spoken(format):
    track = read_track(OTHERS[format].encode(), format)
    assert [(a.trigger_timestamp, a.text) for a in track.actions if isinstance(a, Speak)] == [
        (1.5, "Hello & welcome to the show"),
        (3600.25, "Bye"),
    ]
    assert track.character_id is None


@pytest.mark.parametrize("format", ["vtt", "ass"])
def test_a_word_that_was_changed_in_a_cue_counts(track, format):
    text = write_track(track, format)
    head, _, tail = text.rpartition("Goodbye!")
    read = read_track(f"{head}So long!{tail}", format)
    assert read == track.model_copy(
        update={
            "actions": tuple(
                a.model_copy(update={"text": "So long!"})
                if isinstance(a, Speak) and a.text == "Goodbye!"
                else a
                for a in track.actions
            )
        }
    )


@pytest.mark.parametrize(
    ("format", "old", "new"),
    [
        ("vtt", "00:01:20.000 -->", "00:01:10.000 -->"),
        ("ass", "Dialogue: 0,0:01:20.00", "Dialogue: 0,0:01:10.00"),
    ],
)
def test_a_time_that_was_changed_in_a_cue_counts(track, format, old, new):
    text = write_track(track, format)
    assert text.count(old) == 1
    moved = read_track(text.replace(old, new), format).actions
    assert len(moved) == len(track.actions)
    assert {a.id: a.trigger_timestamp for a in moved} == {
        a.id: 70.0 if a.trigger_timestamp == 80.0 else a.trigger_timestamp for a in track.actions
    }


@pytest.mark.parametrize("format", ["json", "vtt", "ass"])
def test_line_ends_of_windows_and_a_mark_at_the_beginning_change_nothing(track, format):
    written = write_track(track, format).replace("\n", "\r\n")
    assert read_track(b"\xef\xbb\xbf" + written.encode(), format) == track


def test_events_that_an_editor_has_sorted_by_time_keep_their_notes(track):
    head, events = write_track(track, "ass").split("Effect, Text\n")
    ordered = sorted(events.splitlines(keepends=True), key=lambda event: event.split(",")[1])
    assert read_track(head + "Effect, Text\n" + "".join(ordered), "ass") == track


def test_a_cue_that_was_deleted_is_a_line_that_is_gone(track):
    blocks = write_track(track, "vtt").split("\n\n")
    without = "\n\n".join(block for block in blocks if not block.endswith("Here we go."))
    assert read_track(without, "vtt").actions == track.actions[1:]


@pytest.mark.parametrize("format", ["vtt", "ass"])
def test_a_cue_that_was_emptied_is_a_line_that_is_gone(track, format):
    head, _, tail = write_track(track, format).rpartition("Goodbye!")
    read = read_track(head + tail, format)
    assert [a.id for a in read.actions] == [
        a.id for a in track.actions if not (isinstance(a, Speak) and a.text == "Goodbye!")
    ]


def test_a_cue_that_was_added_is_a_line_beside_the_others(track):
    text = write_track(track, "vtt") + "\n00:00:50.000 --> 00:00:52.000\nAnd I say this.\n"
    read = read_track(text, "vtt").actions
    assert [a for a in read if a in track.actions] == list(track.actions)
    (added,) = [a for a in read if a not in track.actions]
    assert isinstance(added, Speak)
    assert (added.trigger_timestamp, added.text) == (50.0, "And I say this.")


def test_a_track_written_by_hand_needs_nothing_but_actions():
    text = '{"actions": [{"trigger_timestamp": 2, "action_type": "EXPRESSION", "emotion": "joy"}]}'
    (face,) = read_track(text, "json").actions
    assert isinstance(face, Expression)
    assert face.trigger_timestamp == 2.0


def test_keys_of_a_later_version_are_ignored():
    assert read_track('{"version": 1, "actions": [], "mood": "good"}', "json") == Track(actions=())


@pytest.mark.parametrize(
    ("format", "content", "says"),
    [
        ("json", b"", "not valid JSON"),
        ("json", b'{"actions": [', "not valid JSON"),
        ("json", b"[" * 100_000, "not valid JSON"),
        ("json", b"{}", "actions: Field required"),
        ("json", b"[]", "an object"),
        ("json", b'{"version": 2, "actions": []}', "newer version"),
        (
            "json",
            b'{"actions": [{"action_type": "DANCE"}]}',
            "actions.0: there is no such action_type",
        ),
        (
            "json",
            b'{"actions": [{"action_type": "END_REACTION", "trigger_timestamp": NaN}]}',
            "trigger_timestamp",
        ),
        (
            "json",
            b'{"actions": [{"action_type": "END_REACTION", "trigger_timestamp": 1, "id": "a"},'
            b'{"action_type": "END_REACTION", "trigger_timestamp": 2, "id": "a"}]}',
            "2 actions have the id a",
        ),
        ("json", b"\xff\xfe{}", "not text in UTF-8"),
        ("vtt", b"", "not WebVTT"),
        ("vtt", b"1\n00:00:01,000 --> 00:00:02,000\nhello", "not WebVTT"),
        ("vtt", b"WEBVTT\n\nNOTE watchbuddy {", "no JSON object"),
        ("vtt", b"WEBVTT\n\nNOTE watchbuddy " + b"[" * 100_000, "no JSON object"),
        ("vtt", b"WEBVTT\n\nNOTE watchbuddy []", "no JSON object"),
        ("vtt", b'WEBVTT\n\nNOTE watchbuddy {"action_type": "DANCE"}', "no such action_type"),
        ("vtt", b'WEBVTT\n\nNOTE watchbuddy {"version": 2}', "newer version"),
        ("srt", b"Dear reader, this is no subtitle.", "not SubRip"),
        ("srt", b"WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nhello", "not SubRip"),
        ("srt", b"\x00\x01\x02\xff", "not text in UTF-8"),
        ("ass", b"", "not ASS"),
        ("ass", b"hello", "not ASS"),
        ("ass", b"[Script Info]\n[Events]\nDialogue: 0,soon,later,Default,,0,0,0,,Hi", "not ASS"),
        ("ass", b"[Script Info]\n[V4+ Styles]\nStyle: A,,,", "not ASS"),
        ("srt", b"1\n00:00:01,000 --> 00:00:02,000\n" + b"x" * 3000, "text"),
        ("srt", b"1\n" + b"9" * 5000 + b":00:01,000 --> 00:00:02,000\nhello", "not SubRip"),
        ("vtt", b"WEBVTT\n\n999999999:00:01.000 --> 00:00:02.000\nhello", "trigger_timestamp"),
    ],
)
def test_a_broken_file_is_told_in_one_sentence(format, content, says):
    with pytest.raises(InvalidTrack, match=says) as caught:
        read_track(content, format)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 200
    assert caught.value.code == "INVALID_TRACK"


_scraps = st.sampled_from(
    (
        *("WEBVTT", "NOTE watchbuddy ", "{", "}", '"action_type"', ":", '"SPEAK"', "[", "]", "1"),
        *("00:00:01.000 --> 00:00:02.000", "00:00:01,000 --> 00:00:02,000", "-->", "\n", "\n\n"),
        *(
            "[Script Info]",
            "[Events]",
            "[V4+ Styles]",
            "Style: ",
            "Dialogue: ",
            "Comment: ",
            "Format:",
        ),
        *("0:00:01.00", ",", ",,,,,,,,,", "&H", "99:99:99.99", "-", "<b>", "{\\an8}", "x", "\x00"),
    )
)


@pytest.mark.parametrize("format", ["json", "vtt", "srt", "ass"])
@given(scraps=st.lists(_scraps, max_size=40))
@settings(max_examples=300, deadline=None)
def test_whatever_a_file_holds_it_is_a_track_or_it_is_refused(format, scraps):
    with suppress(InvalidTrack):
        write_track(read_track("".join(scraps), format), "json")


def test_the_format_is_told_by_the_ending():
    assert [format_of(name) for name in ("a.json", "b.VTT", "c.d.srt", ".ass")] == [
        *("json", "vtt", "srt", "ass")
    ]
    for name in ("film.mp4", "srt", ""):
        with pytest.raises(InvalidTrack, match=r"\.json, \.vtt, \.srt, \.ass"):
            format_of(name)
