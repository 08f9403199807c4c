"""Each rule that a script must obey, by example."""

from __future__ import annotations

import pytest

from watchbuddy_core.actions import Speak
from watchbuddy_core.placement import Limits
from watchbuddy_core.speech import Pace, spoken_seconds
from watchbuddy_core.video import Speech

# --- what comes out --------------------------------------------------------------------


def test_a_good_draft_is_placed_as_it_is_under_the_name_it_is_given(show, write):
    placement = show.place(write.line(10.0), name=lambda i: f"draft {i}")
    (action,) = placement.actions
    assert (action.id, action.trigger_timestamp, action.text) == (
        "draft 0",
        10.0,
        "Lamps glow softly.",
    )
    assert placement.dropped == ()


def test_what_is_dropped_says_what_it_was_and_why(show, write):
    (drop,) = show.place(write.line(300.0, "Too late.")).dropped
    assert drop.reason == "out_of_range"
    assert (drop.trigger_timestamp, drop.action_type, drop.text) == (300.0, "SPEAK", "Too late.")


def test_actions_come_out_by_time_and_jumps_last_at_theirs(show, write):
    placement = show.place(
        write.replay(50.0, 44.0, 49.0), write.face(70.0), write.line(50.0), write.face(50.0)
    )
    assert [(a.trigger_timestamp, a.action_type) for a in placement.actions] == [
        (50.0, "SPEAK"),
        (50.0, "EXPRESSION"),
        (50.0, "REPLAY_SEGMENT"),
        (70.0, "EXPRESSION"),
    ]


def test_no_drafts_make_an_empty_script(show):
    placement = show.place()
    assert (placement.actions, placement.dropped) == ((), ())


def test_a_draft_that_was_sent_already_is_passed_over(show, write):
    drafts = [write.line(10.0), write.line(30.0, "Rivers bend south!")]
    first = show.place(*drafts)
    again = show.place(*drafts, earlier=first.actions[:1])
    assert [a.id for a in again.actions] == ["0/1"]
    assert again.dropped == ()


# --- 1. no spoilers --------------------------------------------------------------------


def test_a_line_waits_for_the_evidence_that_the_generator_claims(show, write, times):
    assert times(show.place(write.line(10.0, evidence_until=12.5))) == [12.5]


def test_a_line_waits_for_the_cue_it_refers_to(show, write, times):
    show = show.saying((8.0, 11.0, "Mm."), (100.0, 101.0, "Oh."))
    assert times(show.place(write.line(10.0, cues=(0,)))) == [11.2]


def test_a_line_waits_for_the_cue_that_first_says_one_of_its_rare_words(show, write, times):
    show = show.saying((8.0, 10.5, "Meet my parrot."), (20.0, 22.0, "A parrot again."))
    placement = show.place(write.line(9.0, "A parrot, of course!", evidence_until=9.0))
    assert times(placement) == [10.7]


def test_a_word_that_was_said_before_is_no_evidence(show, write, times):
    show = show.saying((2.0, 3.0, "Meet my parrot."), (20.0, 22.0, "That parrot!"))
    assert times(show.place(write.line(9.0, "A parrot, of course!"))) == [9.0]


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("The butler has a zeppelin.", "Does anybody here own a Zeppelin?"),
        ("Ein Schloss in Österreich.", "Ich tippe auf österreich!"),
        ("凶手就是管家先生", "我猜是管家干的喵"),
        ("犯人はヤマダだった", "ヤマダさん、怪しい"),
        ("범인은 집사였다", "역시 집사였다니까"),
    ],
)
def test_what_a_much_later_cue_reveals_is_not_said(show, write, reasons, said, line):
    show = show.saying((400.0, 403.0, said))
    assert reasons(show.place(write.line(10.0, line))) == ["spoiler"]


def test_words_that_are_known_anyway_give_nothing_away(show, write, times):
    show = show.saying((400.0, 403.0, "To the lighthouse!"))
    line = write.line(10.0, "So this is about a lighthouse.")
    assert times(show.place(line)) == []
    assert times(show.but(known=("The Lighthouse",)).place(line)) == [10.0]


def test_everyday_words_give_nothing_away(show, write, times):
    show = show.saying((400.0, 403.0, "Something happened here, 我们不知道。"))
    assert times(show.place(write.line(10.0, "Something will happen here. 我们不知道！"))) == [10.0]


def test_without_any_claim_an_action_waits_for_the_end_of_the_cue_at_its_time(show, write, times):
    show = show.saying((8.0, 11.0, "Mm."))
    assert times(show.place(write.face(10.0))) == [11.0]
    assert times(show.place(write.face(10.0, evidence_until=9.0))) == [10.0]
    music = show.saying((8.0, 60.0, ""))
    assert times(music.place(write.face(10.0))) == [10.0]


def test_evidence_more_than_three_seconds_away_means_a_spoiler(show, write, times, reasons):
    assert times(show.place(write.face(10.0, evidence_until=13.0))) == [13.0]
    assert reasons(show.place(write.face(10.0, evidence_until=13.001))) == ["spoiler"]


@pytest.mark.parametrize("kind", ["face", "pause", "replay"])
def test_every_kind_of_action_waits_for_its_evidence(show, write, times, kind):
    arguments = {"replay": (30.0, 35.0)}.get(kind, ())
    draft = getattr(write, kind)(40.0, *arguments, evidence_until=41.0)
    assert times(show.place(draft)) == [41.0]


def test_what_was_drafted_together_stays_together(show, write):
    placement = show.place(
        write.face(40.0),
        write.line(40.0, evidence_until=42.0),
        write.pause(40.0),
        write.replay(40.0, 30.0, 35.0),
    )
    assert {a.trigger_timestamp for a in placement.actions} == {42.0}
    assert len(placement.actions) == 4


def test_a_face_does_not_give_away_what_its_line_may_not(show, write, reasons):
    placement = show.place(write.line(40.0, evidence_until=50.0), write.face(40.0))
    assert reasons(placement) == ["spoiler", "spoiler"]


def test_seeking_forward_is_a_spoiler_unless_it_is_allowed(show, write, times, reasons):
    draft = write.seek(10.0, 100.0)
    assert reasons(show.place(draft)) == ["forward_seek"]
    allowed = show.but(limits=Limits(0.0, 600.0, 600.0, forward_seeks=True))
    assert times(allowed.place(draft)) == [10.0]


# --- 2. not over dialogue --------------------------------------------------------------


def test_a_line_is_shifted_into_the_next_gap(show, write, times):
    show = show.saying((10.5, 12.0, "Mm."))
    assert times(show.place(write.line(10.0))) == [12.2]


def test_a_face_goes_with_its_line_into_the_gap(show, write, times):
    show = show.saying((10.5, 12.0, "Mm."))
    assert times(show.place(write.face(10.0), write.line(10.0))) == [12.2, 12.2]


def test_a_line_is_over_before_the_next_cue_begins(show, write, times):
    length = spoken_seconds("Lamps glow softly.")
    fits = show.saying((10.0 + length + 0.001, 60.0, "Mm."))
    assert times(fits.place(write.line(10.0))) == [10.0]
    fits_not = show.saying((10.0 + length - 0.005, 60.0, "Mm."))
    assert times(fits_not.place(write.line(10.0))) == []


def test_a_slow_voice_needs_a_longer_gap(show, write, times):
    show = show.saying((12.0, 60.0, "Mm."))
    assert times(show.place(write.line(10.0))) == [10.0]
    assert times(show.but(pace=Pace(1.8)).place(write.line(10.0))) == []


def test_a_line_that_fits_nowhere_is_dropped(show, write, reasons):
    show = show.saying((10.5, 30.0, "Mm."))
    assert reasons(show.place(write.line(10.0))) == ["no_gap"]


def test_an_important_line_that_fits_nowhere_pauses_the_video(show, write):
    show = show.saying((10.5, 30.0, "Mm."))
    (action,) = show.place(write.line(10.0, importance=0.9)).actions
    assert (action.trigger_timestamp, action.pause_video) == (10.0, True)


def test_a_line_pauses_the_video_where_a_cue_has_ended(show, write, times):
    show = show.saying((8.0, 11.0, "Mm."), (11.0, 30.0, "Mm."))
    draft = write.line(10.0, pause_video=True, evidence_until=10.0)
    assert times(show.place(draft)) == [11.0]


def test_a_line_may_pause_in_the_middle_of_a_cue_that_goes_on_for_long(show, write, times):
    show = show.saying((8.0, 30.0, "Mm."))
    draft = write.line(10.0, pause_video=True, evidence_until=10.0)
    assert times(show.place(draft)) == [10.0]


def test_a_line_that_pauses_the_video_takes_none_of_its_time(show, write, times):
    long = write.line(10.0, "One two three four. " * 5, pause_video=True)
    assert times(show.place(long, write.line(14.0))) == [10.0, 14.0]


def test_a_line_whose_pause_is_not_granted_is_spoken_where_it_fits(show, write):
    placement = show.place(
        write.line(10.0, pause_video=True, importance=0.9),
        write.line(40.0, "Rivers bend south!", pause_video=True),
    )
    assert [a.pause_video for a in placement.actions] == [True, False]


def test_lines_keep_away_from_speech_as_they_do_from_cues(show, write, times):
    heard = show.but(speech=(Speech(start=9.0, end=12.0),))
    assert times(heard.place(write.line(10.0, evidence_until=0.0))) > [12.0]
    both = heard.saying((12.5, 14.0, "Somebody says this."))
    assert times(both.place(write.line(11.5, evidence_until=0.0))) > [14.0]


def test_sound_marks_are_no_dialogue(show, write, times):
    show = show.saying((9.0, 30.0, ""))
    assert times(show.place(write.line(10.0, evidence_until=0.0))) == [10.0]


def test_the_more_important_of_two_lines_gets_the_gap(show, write):
    placement = show.place(
        write.line(10.0, importance=0.3), write.line(10.5, "Cats prefer milk.", importance=0.6)
    )
    assert [a.text for a in placement.actions] == ["Cats prefer milk."]


def test_a_line_keeps_away_from_the_last_one_of_the_window_before(show, write, times):
    before = show.place(write.line(119.0)).actions
    (end,) = (a.trigger_timestamp + spoken_seconds(a.text) for a in before)
    (start,) = times(show.place(write.line(122.5, "Old maps fade."), window=1, earlier=before))
    assert end + 4.0 <= start < end + 4.01


# --- 3. restraint ----------------------------------------------------------------------


@pytest.mark.parametrize(("density", "most"), [("quiet", 3), ("normal", 6), ("chatty", 10)])
def test_the_density_bounds_the_lines_of_two_minutes(show, write, density, most):
    drafts = [write.line(1.0 + 7.0 * i, text) for i, text in enumerate(write.fresh)]
    placement = show.but(density=density).place(*drafts)
    assert len(placement.actions) == most
    assert {drop.reason for drop in placement.dropped} == {"density"}


@pytest.mark.parametrize(
    ("density", "most"), [("muted", 6), ("quiet", 2), ("normal", 3), ("chatty", 6)]
)
def test_the_density_bounds_the_lone_faces_of_two_minutes(show, write, density, most):
    placement = show.but(density=density).place(*[write.face(1.0 + 4.0 * i) for i in range(29)])
    assert len(placement.actions) == most


def test_faces_that_go_with_lines_do_not_count_as_lone(show, write):
    lines = [write.line(1.0 + 21.0 * i, write.fresh[i]) for i in range(5)]
    faces = [write.face(1.0 + 21.0 * i, importance=0.1) for i in range(5)]
    lone = [write.face(10.0 + 21.0 * i) for i in range(5)]
    placement = show.place(*lone, *lines, *faces)
    made = [a.trigger_timestamp for a in placement.actions if a.action_type == "EXPRESSION"]
    assert made == [1.0, 10.0, 22.0, 43.0, 52.0, 64.0, 85.0, 94.0]


def test_lone_faces_of_the_window_before_count(show, write):
    first = show.place(write.face(119.0)).actions
    assert show.place(write.face(158.0), window=1, earlier=first).actions == ()
    assert len(show.place(write.face(159.0), window=1, earlier=first).actions) == 1


@pytest.mark.parametrize(("density", "least"), [("quiet", 180.0), ("normal", 90.0), ("chatty", 45)])
def test_pauses_are_far_apart_whichever_kind_they_are(show, write, density, least):
    show = show.but(density=density)
    first = show.place(write.pause(20.0), name=lambda i: "first").actions
    for draft in (write.pause, lambda at: write.line(at, pause_video=True)):
        at = 20.0 + least
        window = int(at // 120)
        (action,) = show.place(draft(at), window=window, earlier=first).actions
        assert action.action_type == "PAUSE_VIDEO" or action.pause_video
        too_early = show.place(draft(at - 3.5), window=int((at - 3.5) // 120), earlier=first)
        assert not [a for a in too_early.actions if getattr(a, "pause_video", True)]


def test_a_pause_that_is_too_long_for_the_density_is_dropped(show, write, reasons):
    assert reasons(show.place(write.pause(20.0, 10.0))) == []
    assert reasons(show.place(write.pause(20.0, 10.5))) == ["pauses"]


def test_a_line_too_long_to_pause_for_is_dropped(show, write, reasons):
    show = show.saying((10.5, 60.0, "Mm."))
    text = "One two three four. " * 8
    assert reasons(show.place(write.line(10.0, text, pause_video=True))) == ["pauses"]


def test_a_line_takes_no_more_than_its_share_of_a_minute(show, write, reasons):
    text = "One two three four. " * 15
    assert spoken_seconds(text) > 21
    assert reasons(show.place(write.line(10.0, text))) == ["density"]
    assert reasons(show.but(density="chatty").place(write.line(10.0, text))) == []


def test_muted_lets_only_faces_and_the_farewell_pass(show, write, reasons):
    placement = show.but(density="muted").place(
        write.line(530.0),
        write.pause(540.0),
        write.seek(550.0, 500.0),
        write.replay(560.0, 550.0, 555.0),
        write.face(570.0),
        write.ending(590.0),
        window=4,
    )
    assert [a.action_type for a in placement.actions] == ["EXPRESSION", "END_REACTION"]
    assert set(reasons(placement)) == {"density"}


def test_jumps_are_five_minutes_apart(show, write, reasons):
    first = show.place(write.seek(60.0, 50.0)).actions
    assert reasons(show.place(write.seek(359.0, 350.0), window=2, earlier=first)) == ["jumps"]
    assert reasons(show.place(write.seek(360.0, 350.0), window=3, earlier=first)) == []


def test_a_session_has_three_jumps(show, write, reasons):
    show = show.but(limits=Limits(0.0, 7200.0, 7200.0))
    script, placements = show.place_all(
        write.seek(60.0 + 600 * i, 50.0 + 600 * i) for i in range(6)
    )
    assert [a.trigger_timestamp for a in script] == [60.0, 660.0, 1260.0]
    assert [reasons(p) for p in placements if p.dropped] == [["jumps"]] * 3


def test_a_line_that_announces_a_jump_falls_with_it(show, write, reasons):
    placement = show.place(write.line(40.0, "Look at that again!"), write.replay(40.0, 50.0, 55.0))
    assert reasons(placement) == ["out_of_range", "out_of_range"]


def test_a_jump_falls_with_the_line_that_announces_it(show, write, reasons):
    show = show.saying((40.5, 60.0, "Mm."))
    placement = show.place(write.line(40.0, importance=0.1), write.replay(40.0, 30.0, 35.0))
    assert reasons(placement) == ["no_gap", "no_gap"]


def test_a_face_stays_when_its_line_has_no_room(show, write, reasons):
    show = show.saying((40.5, 60.0, "Mm."))
    placement = show.place(write.line(40.0, importance=0.1), write.face(40.0), write.pause(40.0))
    assert [a.action_type for a in placement.actions] == ["EXPRESSION"]
    assert reasons(placement) == ["no_gap", "no_gap"]


@pytest.mark.parametrize(
    "again",
    ["What a lovely green boat.", "what a lovely green boat!!", "Such a lovely green boat..."],
)
def test_a_line_is_not_said_again(show, write, reasons, again):
    placement = show.place(
        write.line(10.0, "What a lovely green boat.", importance=0.9),
        write.line(90.0, again, importance=0.5),
    )
    assert [a.trigger_timestamp for a in placement.actions] == [10.0]
    assert reasons(placement) == ["repeated"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I wonder who lives there.", "I wonder, is it cold?"),
        ("Look at those clouds!", "Look at him go."),
        ("我觉得今天会下雨。", "我觉得他饿了喵"),
    ],
)
def test_lines_close_to_each_other_do_not_open_alike(show, write, reasons, one, other):
    drafts = [write.line(10.0, one), write.line(50.0, other)]
    assert reasons(show.place(*drafts)) == ["repeated"]


def test_an_opener_that_the_viewer_wished_for_is_no_repetition(show, write, reasons):
    drafts = [
        write.line(10.0, "Ahoy, matey! Lamps glow softly."),
        write.line(50.0, "Ahoy, matey! Twelve drums beat."),
    ]
    assert reasons(show.place(*drafts)) == ["repeated"]
    wished = show.but(wish="Begin every line with “Ahoy, matey!”")
    assert reasons(wished.place(*drafts)) == []


def test_a_gap_that_is_too_short_is_no_gap_though_the_dialogue_pauses_there(show, write, reasons):
    talking = show.saying((9.0, 10.5, "One."), (11.5, 20.0, "Two."))
    assert reasons(talking.place(write.line(10.0))) == ["no_gap"]


def test_an_opener_is_fresh_again_after_some_lines(show, write, reasons):
    drafts = [
        write.line(1.0, "Look at those clouds!"),
        *[write.line(21.0 + 20 * i, text) for i, text in enumerate(write.fresh[:3])],
        write.line(81.0, "Look at him go."),
    ]
    assert reasons(show.place(*drafts)) == []
    assert reasons(show.place(*drafts[:3], drafts[4])) == ["repeated"]


def test_lines_of_earlier_windows_are_not_said_again(show, write, reasons):
    before = show.place(write.line(100.0)).actions
    assert reasons(show.place(write.line(150.0), window=1, earlier=before)) == ["repeated"]


# --- 4. sane ---------------------------------------------------------------------------


def test_actions_begin_within_the_window_and_a_second_before_the_range_ends(
    show, write, times, reasons
):
    show = show.but(limits=Limits(10.0, 70.0, 600.0))
    placement = show.place(
        write.face(9.999), write.face(10.0), write.face(69.0), write.face(69.001)
    )
    assert times(placement) == [10.0, 69.0]
    assert reasons(placement) == ["out_of_range", "out_of_range"]


def test_a_line_may_be_shifted_past_the_end_of_its_window(show, write, times):
    show = show.saying((119.0, 121.0, "Mm."))
    assert times(show.place(write.line(119.5))) == [121.2]


def test_nothing_is_shifted_into_the_last_second(show, write, reasons):
    show = show.saying((597.0, 599.5, "Mm."))
    placement = show.place(write.line(597.5), window=4)
    assert reasons(placement) == ["spoiler"]


@pytest.mark.parametrize(
    ("start", "end"),
    [(30.0, 30.0), (35.0, 30.0), (5.0, 36.0), (30.0, 41.0), (39.5, 40.0)],
    ids=["empty", "backwards", "too long", "not seen yet", "no distance"],
)
def test_a_replay_shows_a_passage_that_was_just_seen(show, write, reasons, start, end):
    assert reasons(show.place(write.replay(40.0, start, end))) == ["out_of_range"]
    assert reasons(show.place(write.replay(40.0, 30.0, 35.0))) == []


def test_a_seek_lands_in_the_video_and_somewhere_else(show, write, reasons):
    show = show.but(limits=Limits(0.0, 600.0, 600.0, forward_seeks=True))
    assert reasons(show.place(write.seek(40.0, 600.5))) == ["out_of_range"]
    assert reasons(show.place(write.seek(40.0, 41.0))) == ["out_of_range"]
    assert reasons(show.place(write.seek(40.0, 38.999))) == []


def test_the_farewell_comes_last_in_the_last_window_and_once(show, write, reasons):
    placement = show.place(
        write.ending(580.0, importance=0.9), write.ending(585.0), write.face(590.0), window=4
    )
    assert [(a.action_type, a.trigger_timestamp) for a in placement.actions] == [
        ("EXPRESSION", 590.0),
        ("END_REACTION", 590.0),
    ]
    assert reasons(placement) == ["repeated"]
    assert reasons(show.place(write.ending(100.0))) == ["out_of_range"]


def test_the_farewell_comes_behind_a_jump_of_its_instant(show, write):
    placement = show.place(write.ending(580.0), write.seek(580.0, 570.0), window=4)
    assert [a.action_type for a in placement.actions] == ["SEEK", "END_REACTION"]


def test_ten_thousand_earlier_actions_are_no_burden(show, write):
    earlier = tuple(Speak(trigger_timestamp=20.0 * i, text=f"{i} sheep") for i in range(10_000))
    show = show.but(limits=Limits(0.0, 200_120.0, 200_120.0), window_seconds=200_000.0)
    (action,) = show.place(write.line(200_060.0), window=1, earlier=earlier).actions
    assert action.trigger_timestamp == 200_060.0
