"""Tracks that are bad in one way, each worse in the figure that is about it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbuddy_core.actions import (
    Action,
    Expression,
    PauseVideo,
    ReplaySegment,
    Seek,
    Speak,
)
from watchbuddy_core.errors import InvalidReference
from watchbuddy_core.scoring import (
    OFFLINE,
    Bound,
    Reference,
    ReferenceEvent,
    crossed,
    mean_figures,
    read_reference,
    score,
)
from watchbuddy_core.tracks import Track
from watchbuddy_core.video import Cue

SHARES = ("coverage", "talked_over", "own_overlap", "speech_share", "duplicates", "distinct_2")


def with_lines(perfect: Track, change: Callable[[Speak], list[Action]]) -> Track:
    actions = [one for line in perfect.actions if isinstance(line, Speak) for one in change(line)]
    return Track(actions=actions, end_time=perfect.end_time)


def later(line: Speak, seconds: float) -> Speak:
    return Speak(trigger_timestamp=line.trigger_timestamp + seconds, text=line.text)


BAD: dict[str, tuple[Callable[[Speak], list[Action]], dict[str, int]]] = {
    "talks over people": (lambda line: [later(line, 5)], {"talked_over": 1}),
    "talks over itself": (
        lambda line: [line, later(line, 0.5)],
        {"own_overlap": 1, "redundancy": 1},
    ),
    "names who is not there yet": (
        lambda line: [Speak(trigger_timestamp=line.trigger_timestamp, text="Where is Egon?")],
        {"leaks": 1},
    ),
    "tells what happens before it does": (
        lambda line: [Speak(trigger_timestamp=line.trigger_timestamp, text="The kraken comes!")],
        {"leaks": 1},
    ),
    "jumps to what nobody has seen": (
        lambda line: [line, Seek(trigger_timestamp=line.trigger_timestamp, target_timestamp=119.0)],
        {"leaks": 1, "jumps": 1},
    ),
    "shows again what was not shown yet": (
        lambda line: [
            line,
            ReplaySegment(
                trigger_timestamp=line.trigger_timestamp,
                start_timestamp=line.trigger_timestamp,
                end_timestamp=line.trigger_timestamp + 3,
            ),
        ],
        {"leaks": 1, "jumps": 1},
    ),
    "says the same again and again": (
        lambda line: [Speak(trigger_timestamp=line.trigger_timestamp, text="That was great!")],
        {"duplicates": 1, "distinct_2": -1},
    ),
    "says nearly the same": (
        lambda line: [
            Speak(
                trigger_timestamp=line.trigger_timestamp,
                text=f"That was great{'!' * int(line.trigger_timestamp)}",
            )
        ],
        {"duplicates": 1},
    ),
    "talks all the time": (
        lambda line: [later(line, seconds) for seconds in (-4, -2, 0, 2, 4)],
        {
            "redundancy": 1,
            "precision@1": -1,
            "f1@1": -1,
            "lines_per_minute": 1,
            "speech_share": 1,
            "gap_distance": 1,
        },
    ),
    "says nothing": (
        lambda line: [Expression(trigger_timestamp=line.trigger_timestamp, emotion="joy")],
        {
            "time_diff": 1,
            "coverage": -1,
            "redundancy": 1,
            "recall@5": -1,
            "f1@5": -1,
            "longest_silence": 1,
            "gap_distance": 1,
        },
    ),
    "is slow": (
        lambda line: [later(line, 4)],
        {"time_diff": 1, "precision@3": -1, "recall@3": -1, "f1@3": -1},
    ),
    "is early": (
        lambda line: [later(line, -4)],
        {"time_diff": 1, "precision@3": -1, "recall@3": -1, "f1@3": -1},
    ),
    "stops the video for each line": (
        lambda line: [line.model_copy(update={"pause_video": True})],
        {"pauses": 1, "paused_seconds": 1},
    ),
    "stops the video for long": (
        lambda line: [
            line,
            PauseVideo(trigger_timestamp=line.trigger_timestamp, duration_seconds=30),
        ],
        {"pauses": 1, "paused_seconds": 1},
    ),
}


@pytest.mark.parametrize(("change", "worse"), BAD.values(), ids=BAD.keys())
def test_a_track_that_is_bad_in_one_way_scores_worse_in_it(
    perfect: Track,
    reference: Reference,
    change: Callable[[Speak], list[Action]],
    worse: dict[str, int],
) -> None:
    best = score(perfect, reference).figures()
    bad = score(with_lines(perfect, change), reference).figures()
    for figure, direction in worse.items():
        assert (bad[figure] - best[figure]) * direction > 0, figure


def test_a_perfect_track_is_at_the_bound_of_every_figure_that_has_one(
    perfect: Track, reference: Reference
) -> None:
    figures = score(perfect, reference).figures()
    at_best = {name: 1.0 for name in figures if "@" in name}
    at_best.update(time_diff=0, coverage=1, redundancy=0, talked_over=0, own_overlap=0)
    at_best.update(gap_distance=0, pauses=0, paused_seconds=0, jumps=0)
    at_best.update(duplicates=0, distinct_2=1, leaks=0)
    assert {name: figures[name] for name in at_best} == at_best
    assert figures["lines_per_minute"] == 3
    assert figures["longest_silence"] < 20


def test_silence_spoils_nothing_and_reaches_nothing(reference: Reference) -> None:
    figures = score(Track(actions=()), reference).figures()
    assert (figures["leaks"], figures["talked_over"], figures["duplicates"]) == (0, 0, 0)
    assert (figures["coverage"], figures["recall@5"], figures["f1@5"]) == (0, 0, 0)
    assert figures["time_diff"] == pytest.approx((5 * 20 + 10) / 6, abs=1e-3)
    assert (figures["redundancy"], figures["longest_silence"]) == (1, 120)


def test_the_figures_of_timing_are_those_of_livestar() -> None:
    """Worked out by hand: stretches 10-20 with two lines, 20-40 with none, 40-60 with one."""
    reference = Reference(end_time=60.0, events=[ReferenceEvent(at=at) for at in (10, 20, 40)])
    lines = [Speak(trigger_timestamp=at, text="Oh.") for at in (5.0, 12.0, 18.0, 43.0)]
    timing = score(Track(actions=lines), reference).timing
    assert timing is not None
    assert timing.time_diff == pytest.approx((2 + 20 + 3) / 3)
    assert timing.coverage == pytest.approx(2 / 3)
    assert timing.redundancy == pytest.approx((1 + 1 + 0) / 3)
    # 12 and 10, 18 and 20, 43 and 40; nothing for the line at 5.
    assert (timing.at[3.0].precision, timing.at[3.0].recall) == (3 / 4, 1)


def most_pairs(lines: list[int], events: list[int], tolerance: float) -> int:
    """By trying every line for every event, with a path that gives way (Kuhn)."""
    taken: dict[int, int] = {}

    def finds(line: int, seen: set[int]) -> bool:
        for event, at in enumerate(events):
            if abs(lines[line] - at) <= tolerance and event not in seen:
                seen.add(event)
                if event not in taken or finds(taken[event], seen):
                    taken[event] = line
                    return True
        return False

    return sum(finds(line, set()) for line in range(len(lines)))


@given(
    st.lists(st.integers(0, 40), max_size=8),
    st.lists(st.integers(0, 40), min_size=1, max_size=8),
)
def test_lines_and_events_are_paired_as_often_as_they_can_be(
    lines: list[int], events: list[int]
) -> None:
    reference = Reference(end_time=41, events=[ReferenceEvent(at=float(at)) for at in events])
    track = Track(actions=[Speak(trigger_timestamp=float(at), text="Oh.") for at in lines])
    timing = score(track, reference).timing
    assert timing is not None
    for tolerance, agreement in timing.at.items():
        pairs = most_pairs(lines, events, tolerance)
        assert agreement.recall * len(events) == pytest.approx(pairs)
        if lines:
            assert agreement.precision * len(lines) == pytest.approx(pairs)


_times = st.integers(0, 60_000).map(lambda milliseconds: milliseconds / 1000)
_texts = st.one_of(st.sampled_from(("Oh.", "哇！好厉害喵～～", "Oh!", "…")), st.text(min_size=1))
_actions = st.one_of(
    st.builds(Speak, trigger_timestamp=_times, text=_texts, pause_video=st.booleans()),
    st.builds(PauseVideo, trigger_timestamp=_times, duration_seconds=st.floats(0.1, 9)),
    st.builds(Seek, trigger_timestamp=_times, target_timestamp=_times),
)
_cues = st.builds(
    lambda start, length, text: Cue(start=start, end=start + length, text=text),
    _times,
    st.floats(0.0, 9.0),
    _texts,
)


@given(
    st.lists(_actions, max_size=10),
    st.lists(_cues, max_size=6),
    st.lists(st.builds(ReferenceEvent, at=_times), max_size=6),
)
def test_every_figure_stays_within_its_range(
    actions: list[Action], dialogue: list[Cue], events: list[ReferenceEvent]
) -> None:
    reference = Reference(end_time=60.0, dialogue=tuple(dialogue), events=tuple(events))
    figures = score(Track(actions=tuple(actions)), reference).figures()
    assert ("time_diff" in figures) == bool(events)
    for name, figure in figures.items():
        assert figure >= 0, name
        if name in SHARES or "@" in name:
            assert figure <= 1, name
    assert figures["longest_silence"] <= 60
    assert figures["gap_distance"] <= 60


def test_gaps_are_as_far_apart_as_they_have_to_be_moved() -> None:
    """Gaps of 20, 20 and 20 against 10, 10 and 40: two by ten seconds and one by twenty."""
    reference = Reference(end_time=60.0, events=[ReferenceEvent(at=at) for at in (10.0, 20.0)])
    track = Track(actions=[Speak(trigger_timestamp=at, text="Oh.") for at in (20.0, 40.0)])
    assert score(track, reference).comfort.gap_distance == pytest.approx(40 / 3)


def test_what_lies_outside_of_the_reference_is_not_scored(
    perfect: Track, reference: Reference
) -> None:
    part = reference.model_copy(update={"start_time": 25.0, "end_time": 75.0})
    found = score(perfect, part)
    assert (found.seconds, found.lines) == (50, 3)
    assert found.figures()["coverage"] == 1


def test_a_track_is_scored_without_a_reference_as_far_as_it_can_be(perfect: Track) -> None:
    found = score(perfect)
    assert (found.seconds, found.lines, found.timing) == (120, 6, None)
    assert not {"coverage", "talked_over", "gap_distance", "leaks"} & found.figures().keys()
    assert {"lines_per_minute", "pauses", "duplicates"} <= found.figures().keys()
    assert score(Track(actions=())).lines == 0


def test_phrases_of_the_companion_give_nothing_away(reference: Reference) -> None:
    line = Speak(trigger_timestamp=1.0, text="Found nobody? And who is Egon?")
    phrase = "Found nobody? And who is {word}?"
    spoilt = reference.model_copy(
        update={"dialogue": (Cue(start=50, end=52, text="Nobody, nobody."), *reference.dialogue)}
    )
    (leak,) = score(Track(actions=[line]), spoilt, phrases=[phrase]).leaks
    assert (leak.at, leak.until) == (1, 105)  # its slot does: Egon is named at 95 to 105
    harmless = line.model_copy(update={"text": "Found nobody? And who is there?"})
    assert not score(Track(actions=[harmless]), spoilt, phrases=[phrase]).leaks
    assert score(Track(actions=[harmless]), spoilt).leaks


def test_means_count_each_video_alike_and_add_leaks_up(
    perfect: Track, reference: Reference
) -> None:
    leaking = [Speak(trigger_timestamp=1.0, text="The kraken comes!")]
    scores = [score(perfect, reference), score(Track(actions=leaking), reference)]
    mean = mean_figures([*scores, scores[1]])
    assert mean["leaks"] == 2
    assert mean["coverage"] == pytest.approx(1 / 3, abs=1e-3)
    assert mean_figures([]) == {}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "JSON"),
        ("{}", "end_time"),
        ('{"end_time": 0}', "end_time is not after start_time"),
        ('{"end_time": 9, "events": [{"at": -1}]}', "events.0.at"),
        ('{"end_time": 9, "version": 2}', "version"),
    ],
)
def test_a_reference_that_is_none_is_told(content: str, problem: str) -> None:
    with pytest.raises(InvalidReference, match=problem):
        read_reference(content)


def test_bounds_say_what_crosses_them() -> None:
    bounds = (Bound("leaks", at_most=0), Bound("coverage", at_least=0.5))
    assert not list(crossed({"leaks": 0, "coverage": 0.5}, bounds))
    assert list(crossed({"leaks": 1}, bounds)) == [
        "leaks: at most 0, and it is 1.",
        "coverage: at least 0.5, and it was not measured.",
    ]
    assert {bound.figure for bound in OFFLINE} >= {"leaks", "talked_over", "f1@3", "pauses"}
