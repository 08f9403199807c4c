"""A Timeline and a player, talking to each other until the video is over."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbuddy_core.actions import (
    Action,
    Emotion,
    EndReaction,
    Expression,
    Jump,
    PauseVideo,
    PostReplay,
    PostSeek,
    ReplaySegment,
    Seek,
    Speak,
)
from watchbuddy_core.events import Connected
from watchbuddy_core.testing import FakePlayer, Habits, Observed
from watchbuddy_core.timeline import Timeline

DURATION = 60.0
STEP = 0.05
"""How long an answer of the server takes at most, in monotonic seconds."""


def watch(
    timeline: Timeline, player: FakePlayer, *, at_most: float, lookahead: float = 0.0
) -> list[Observed]:
    """Play until the video is over and stays so, or `at_most` monotonic seconds."""
    said = []
    timeline.receive(Connected(lookahead), now=player.now)
    limit = player.now + at_most
    last_moved = player.now
    while player.now < min(limit, last_moved + 3.0):
        for observed in player.step(STEP):
            said.append(observed)
            timeline.receive(observed.event, now=observed.now)
            for due in timeline.actions_due():
                player.perform(due.action)
        if not player.ended:
            last_moved = player.now
    return said


def longest_watch(script: list[Action], habits: Habits) -> float:
    """Each jump, sent once, costs at most the video again, its replay, and its pauses."""
    seconds = DURATION
    for action in script:
        match action:
            case Seek():
                seconds += DURATION + habits.seek_duration + habits.resumes_after
            case ReplaySegment():
                seconds += 2 * DURATION + habits.seek_duration + habits.resumes_after
            case PauseVideo(duration_seconds=duration):
                seconds += duration
            case Speak():
                seconds += 1.0
    return seconds + 15.0


moments = st.sampled_from((0.0, 5.0, 5.0, 8.0, 10.0, 10.5, 12.0, 20.0, 20.0, 40.0, 58.0))
seeks = st.builds(
    Seek,
    trigger_timestamp=moments,
    target_timestamp=moments,
    post_seek_behavior=st.sampled_from(PostSeek),
)
passages = st.tuples(moments, moments).map(sorted)
replays = st.builds(
    lambda at, passage, after: ReplaySegment(
        trigger_timestamp=at,
        start_timestamp=passage[0],
        end_timestamp=passage[1],
        post_replay_behavior=after,
    ),
    moments,
    passages,
    st.sampled_from(PostReplay),
)
lines = st.builds(
    Speak, trigger_timestamp=moments, text=st.just("Look!"), pause_video=st.booleans()
)
pauses = st.builds(PauseVideo, trigger_timestamp=moments, duration_seconds=st.just(2.0))
scripts = st.lists(st.one_of(seeks, replays, lines, pauses), max_size=8)

obedient = st.builds(
    Habits,
    report_interval=st.sampled_from((0.25, 1.0)),
    report_jitter=st.sampled_from((0.0, 0.3)),
    lost_reports=st.sampled_from((0.0, 0.3)),
    reports_while_paused=st.booleans(),
    seek_duration=st.sampled_from((0.0, 0.25, 0.5, 2.0)),
    stale_seconds=st.sampled_from((0.0, 0.5)),
    seek_updates=st.sampled_from((0, 1, 2)),
    tells_cause=st.booleans(),
    acknowledges=st.sampled_from(("never", "on receipt", "when done")),
)


@given(scripts, obedient, st.integers(0, 3))
def test_an_obedient_client_reaches_the_end(
    script: list[Action], habits: Habits, seed: int
) -> None:
    """16. Closed loop: a client that obeys every SEEK and REPLAY_SEGMENT, however it tells of
    them, reaches the end in bounded time."""
    timeline = Timeline(end=DURATION)
    timeline.add(script)
    player = FakePlayer(DURATION, habits=habits, random=Random(seed), line_seconds=lambda text: 1.0)
    watch(timeline, player, at_most=longest_watch(script, habits))
    assert player.ended
    jumps = Counter(done.action.id for done in player.performed if isinstance(done.action, Jump))
    assert set(jumps.values()) <= {1}


@given(scripts, obedient, st.booleans(), st.booleans())
def test_a_disobedient_client_reaches_the_end_too(
    script: list[Action], habits: Habits, obeys_seeks: bool, obeys_replays: bool
) -> None:
    """16. Whatever a client ignores: a hold that nobody ends does not wedge the rest."""
    habits = replace(
        habits, obeys_seeks=obeys_seeks, obeys_replays=obeys_replays, obeys_pauses=False
    )
    timeline = Timeline(end=DURATION)
    timeline.add([*script, EndReaction(id="bye", trigger_timestamp=59.0)])
    player = FakePlayer(DURATION, habits=habits, line_seconds=lambda text: 1.0)
    watch(timeline, player, at_most=longest_watch(script, habits))
    assert player.ended


script_with_a_replay: list[Action] = [
    Speak(id="before", trigger_timestamp=8.0, text="Watch this."),
    Speak(id="with", trigger_timestamp=10.0, text="Once more!"),
    ReplaySegment(id="replay", trigger_timestamp=10.0, start_timestamp=7.0, end_timestamp=9.0),
    Speak(id="at the origin", trigger_timestamp=10.2, text="There."),
    PauseVideo(id="pause", trigger_timestamp=20.0, duration_seconds=3.0),
    Speak(id="after", trigger_timestamp=20.0, text="Well.", pause_video=True),
    EndReaction(id="bye", trigger_timestamp=59.0),
]


@pytest.mark.parametrize("acknowledges", ["never", "on receipt", "when done"])
@pytest.mark.parametrize("seek_updates", [0, 1, 2])
@pytest.mark.parametrize("tells_cause", [False, True])
@pytest.mark.parametrize("seek_duration", [0.0, 0.5])
def test_a_replay_repeats_no_line_and_loses_none(
    acknowledges: Any, seek_updates: int, tells_cause: bool, seek_duration: float
) -> None:
    habits = Habits(
        acknowledges=acknowledges,
        seek_updates=seek_updates,
        tells_cause=tells_cause,
        seek_duration=seek_duration,
    )
    timeline = Timeline(end=DURATION)
    timeline.add(script_with_a_replay)
    player = FakePlayer(DURATION, habits=habits, line_seconds=lambda text: 1.0)
    watch(timeline, player, at_most=120.0)
    assert player.ended
    early_return = habits.acknowledges == "on receipt"  # says that it is over as it begins
    expected = [action.id for action in script_with_a_replay]
    received = [action.id for action in player.received]
    if early_return:
        assert list(dict.fromkeys(received)) == expected
    else:
        assert received == expected
        assert timeline.snapshot().playhead.epoch == 0


@pytest.mark.parametrize("interval", [1.0, 10.0])
def test_a_throttled_tab_gets_everything_but_crowds(interval: float) -> None:
    script = [PauseVideo(trigger_timestamp=3.0 * n, duration_seconds=1.0) for n in range(1, 20)]
    timeline = Timeline(end=DURATION)
    timeline.add(script)
    player = FakePlayer(DURATION, habits=Habits(obeys_pauses=False))
    watch(timeline, player, at_most=1.0)
    player.throttle(interval)
    watch(timeline, player, at_most=100.0)
    assert player.received == script


def test_a_tab_hidden_for_minutes_gets_the_last_half_minute_and_two_lines_of_it() -> None:
    script = [Speak(trigger_timestamp=5.0 * n, text="Hm.") for n in range(1, 13)]
    faces = [Expression(trigger_timestamp=t, emotion=Emotion.JOY) for t in (30.0, 31.5, 60.5)]
    timeline = Timeline()
    timeline.add([*script, *faces])
    player = FakePlayer(130.0)
    watch(timeline, player, at_most=1.0)
    player.throttle(60.0)
    watch(timeline, player, at_most=61.0)
    assert player.position == pytest.approx(62.0, abs=0.1)
    assert player.received == [faces[1], script[-2], script[-1], faces[2]]


def test_a_viewer_who_seeks_back_hears_the_lines_again() -> None:
    timeline = Timeline(end=DURATION)
    timeline.add(script_with_a_replay)
    player = FakePlayer(DURATION, line_seconds=lambda text: 1.0)
    watch(timeline, player, at_most=15.0)
    player.seek(7.5)
    watch(timeline, player, at_most=100.0)
    heard = Counter(done.action.id for done in player.performed)
    assert heard["before"] == heard["with"] == heard["at the origin"] == 2
    assert heard["replay"] == 1


def test_a_client_that_holds_is_exact() -> None:
    """Sent ahead, an action begins when the playhead is there, however seldom it reports."""
    script = [Speak(id=f"{n}", trigger_timestamp=3.137 * n, text="Hm.") for n in range(1, 15)]
    timeline = Timeline(end=DURATION)
    timeline.add(script)
    player = FakePlayer(DURATION, habits=Habits(holds=True), line_seconds=lambda text: 0.5)
    watch(timeline, player, at_most=100.0, lookahead=2.0)
    assert [done.action.id for done in player.performed] == [action.id for action in script]
    for done in player.performed:
        assert done.position == pytest.approx(done.action.trigger_timestamp)


def test_a_reconnect_in_the_middle_loses_and_repeats_nothing() -> None:
    script = [Speak(id=f"{n}", trigger_timestamp=2.0 * n + 1, text="Hm.") for n in range(25)]
    timeline = Timeline(end=DURATION)
    timeline.add(script)
    player = FakePlayer(DURATION, line_seconds=lambda text: 0.5)
    watch(timeline, player, at_most=20.2)
    player.step(4.0)  # nobody listens
    player.reconnect()
    watch(timeline, player, at_most=100.0)
    assert [done.action.id for done in player.performed] == [action.id for action in script]
