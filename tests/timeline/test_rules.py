"""The rules of delivery by example: each row of the state table, then R1 to R17.

Every example runs twice: against `Timeline`, and against the brute-force reading that
the properties trust. R15 (two connections) is the session's business and R16 (evidence)
that of placement; the Timeline knows of neither.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from watchbuddy_core.actions import (
    Action,
    Emotion,
    EndReaction,
    Expression,
    PauseVideo,
    PostReplay,
    ReplaySegment,
    Seek,
    Speak,
)
from watchbuddy_core.errors import InvalidPosition
from watchbuddy_core.events import (
    ActionCompleted,
    Connected,
    PlayerEvent,
    SeekCause,
    SeekUpdate,
    TimestampUpdate,
)
from watchbuddy_core.timeline import Timeline


def line(name: str, at: float) -> Action:
    return Speak(id=name, trigger_timestamp=at, text="Look!")


def face(name: str, at: float) -> Action:
    return Expression(id=name, trigger_timestamp=at, emotion=Emotion.JOY)


def jump(name: str, at: float, *, to: float) -> Action:
    return Seek(id=name, trigger_timestamp=at, target_timestamp=to)


def replay(name: str, at: float, *, of: tuple[float, float], stay: bool = False) -> Action:
    return ReplaySegment(
        id=name,
        trigger_timestamp=at,
        start_timestamp=of[0],
        end_timestamp=of[1],
        post_replay_behavior=PostReplay.STAY_PAUSED_AT_END
        if stay
        else PostReplay.RESUME_FROM_ORIGINAL,
    )


def goodbye(name: str, at: float) -> Action:
    return EndReaction(id=name, trigger_timestamp=at)


class Viewer:
    """Tells a scheduler what a player does; each call answers with what was sent then.

    The answer is the ids in order, as one text; a redelivered one has a `+` before it.
    `after` is the monotonic time since the call before, in seconds.
    """

    def __init__(self, scheduler: Any, actions: tuple[Action, ...]) -> None:
        self.scheduler = scheduler
        self.now = 1000.0
        scheduler.add(actions)

    def at(self, position: float, *, after: float = 0.25) -> str:
        return self._tell(TimestampUpdate(position), after)

    def seeks(self, position: float, *, by: SeekCause | None = None, after: float = 0.25) -> str:
        return self._tell(SeekUpdate(position, by), after)

    def completes(self, action_id: str, *, after: float = 0.25) -> str:
        return self._tell(ActionCompleted(action_id), after)

    def connects(self, *, lookahead: float = 0.0) -> str:
        return self._tell(Connected(lookahead), 0.25)

    def is_given(self, *actions: Action, once: bool = False) -> str:
        self.scheduler.add(actions, once=once)
        return self._sent()

    def _tell(self, event: PlayerEvent, after: float) -> str:
        self.now += after
        self.scheduler.receive(event, now=self.now)
        return self._sent()

    def _sent(self) -> str:
        return " ".join("+" * d.redelivered + d.action.id for d in self.scheduler.actions_due())


Watch = Callable[..., Viewer]


@pytest.fixture
def watch(make: Callable[..., Any]) -> Watch:
    def begin(*actions: Action, **parameters: Any) -> Viewer:
        return Viewer(make(**parameters), actions)

    return begin


# --- the state table: IDLE ---------------------------------------------------------------


def test_nothing_is_due_before_the_first_position(watch: Watch) -> None:
    viewer = watch(line("a", 0.0))
    assert viewer.connects() == ""
    assert viewer.completes("a") == ""
    assert viewer.is_given(line("b", 0.0)) == ""


def test_a_first_report_near_the_start_counts_from_the_start(watch: Watch) -> None:
    """R11: u <= start+L: floor=start."""
    assert watch(line("a", 0.0), line("b", 4.0)).at(5.0) == "a b"
    assert watch(line("a", 60.0), start=60.0).at(62.0) == "a"


def test_a_first_report_further_on_joins_in_the_middle(watch: Watch) -> None:
    """R11: else floor=u; nothing old is sent."""
    assert watch(line("a", 0.0), line("b", 3.0), line("c", 5.1)).at(5.1) == "c"


def test_a_first_seek_begins_at_its_target(watch: Watch) -> None:
    viewer = watch(line("a", 2.0), line("b", 3.0))
    assert viewer.seeks(3.0) == "b"
    assert viewer.at(3.0) == ""


# --- FOLLOW ------------------------------------------------------------------------------


def test_playing_on_sends_what_was_reached(watch: Watch) -> None:
    """R1: the boundary is inclusive: sent on the first report with t >= trigger."""
    viewer = watch(line("a", 10.0))
    assert viewer.at(9.999999) == ""
    assert viewer.at(10.0) == "a"
    assert viewer.at(10.0) == ""


def test_jitter_backwards_is_nothing(watch: Watch) -> None:
    """R4: back by at most 1 s is jitter; the head does not move back."""
    viewer = watch(line("a", 10.0), line("b", 10.5))
    assert viewer.at(10.2) == "a"
    assert viewer.at(9.2) == ""
    assert viewer.at(10.4) == ""
    assert viewer.at(10.5) == "b"


def test_further_back_is_a_seek_that_rearms(watch: Watch) -> None:
    """R4: a video loop is a new pass."""
    viewer = watch(line("a", 10.0))
    assert viewer.at(10.2) == "a"
    assert viewer.at(9.1) == ""
    assert viewer.at(10.0) == "a"


def test_a_user_seek_sends_what_lies_at_its_target(watch: Watch) -> None:
    """R5: nothing between the old and the new position; what is exactly at it."""
    viewer = watch(line("a", 10.0), line("b", 20.0), line("c", 30.0))
    viewer.at(9.0)
    assert viewer.seeks(20.0, by="user") == "b"
    assert viewer.at(30.0) == "c"


def test_an_inexact_landing_includes_a_little_before_it(watch: Watch) -> None:
    """R5: 0.25 s before a landing counts, if it was never sent."""
    viewer = watch(line("a", 20.0))
    viewer.at(9.0)
    assert viewer.seeks(20.25) == "a"
    viewer.at(20.25, after=3.0)
    assert viewer.seeks(20.1, after=3.0) == ""
    assert viewer.seeks(20.0, after=3.0) == "a"


def test_without_rearming_a_seek_repeats_nothing(watch: Watch) -> None:
    viewer = watch(line("a", 10.0), line("b", 11.0), rearm_on_user_seek=False)
    assert viewer.at(10.0) == "a"
    assert viewer.seeks(5.0) == ""
    assert viewer.at(10.0) == ""
    assert viewer.at(11.0) == "b"


def test_a_move_that_an_action_caused_is_no_new_pass(watch: Watch) -> None:
    viewer = watch(line("a", 10.0), line("b", 20.0), line("c", 30.0))
    assert viewer.at(10.0) == "a"
    assert viewer.seeks(5.0, by="action") == ""
    assert viewer.at(10.0, after=5.0) == ""
    assert viewer.seeks(25.0, by="action") == ""
    assert viewer.at(30.0, after=5.0) == "c"


def test_an_action_added_at_the_playhead_goes_out_at_once(watch: Watch) -> None:
    """R10: behind by at most L, or at the head: sent from `add` itself."""
    viewer = watch()
    viewer.at(5.0)
    viewer.at(10.0)
    assert viewer.is_given(line("a", 10.0), line("b", 5.0), line("c", 4.9)) == "b a"
    assert viewer.is_given(line("d", 10.1)) == ""
    assert viewer.at(10.1) == "d"


def test_of_two_actions_with_one_id_the_first_stays(watch: Watch) -> None:
    """R10: streams are retried."""
    viewer = watch(line("a", 10.0))
    assert viewer.is_given(line("a", 2.0)) == ""
    assert viewer.at(5.0) == ""
    assert viewer.at(10.0) == "a"
    assert viewer.is_given(line("a", 10.0)) == ""


def test_something_that_is_no_action_spoils_its_whole_batch() -> None:
    """R10: validate the whole batch before storing any."""
    timeline = Timeline()
    timeline.receive(TimestampUpdate(0.0), now=0.0)
    with pytest.raises(TypeError):
        timeline.add([line("a", 0.0), "b"])  # type: ignore[list-item]
    assert timeline.actions_due() == []


def test_what_is_withdrawn_is_not_sent(watch: Watch) -> None:
    viewer = watch(line("a", 10.0), line("b", 10.0))
    viewer.scheduler.withdraw(["a", "unknown"])
    assert viewer.at(10.0) == "b"
    assert viewer.is_given(line("a", 10.0)) == "a"


def test_withdrawing_what_was_sent_changes_nothing(watch: Watch) -> None:
    viewer = watch(jump("s", 10.0, to=30.0), line("a", 30.0))
    assert viewer.at(10.0) == "s"
    viewer.scheduler.withdraw(["s"])
    assert viewer.at(10.5) == ""
    assert viewer.at(30.0) == "a"


# --- HOLD: a jump is in transit ----------------------------------------------------------


def test_a_jump_holds_everything_until_it_has_landed(watch: Watch) -> None:
    """R8: the playhead is about to leave."""
    viewer = watch(jump("s", 10.0, to=30.0), line("a", 11.0), line("b", 30.5))
    assert viewer.at(10.0) == "s"
    assert viewer.at(11.0) == ""
    assert viewer.is_given(line("c", 11.0)) == ""
    assert viewer.at(31.0) == "", "at most 1 s from the target, but the line lies before it"
    assert viewer.at(31.1) == ""


def test_a_report_near_the_target_lands(watch: Watch) -> None:
    viewer = watch(jump("s", 10.0, to=30.0), line("a", 29.9), line("b", 30.5))
    assert viewer.at(10.0) == "s"
    assert viewer.at(30.0) == "a", "never sent, and at most 0.25 s before the landing"
    assert viewer.at(30.5) == "b"


@pytest.mark.parametrize("cause", ["user", "action", None])
def test_a_seek_near_the_target_lands_whoever_is_said_to_have_caused_it(
    watch: Watch, cause: SeekCause | None
) -> None:
    viewer = watch(line("a", 4.0), jump("s", 10.0, to=3.0))
    assert viewer.at(4.0) == "a"
    assert viewer.at(10.0) == "s"
    assert viewer.seeks(3.5, by=cause) == ""
    assert viewer.at(4.0) == "", "no new pass"


def test_a_seek_by_the_action_lands_however_far_it_is_off(watch: Watch) -> None:
    viewer = watch(line("a", 7.0), jump("s", 10.0, to=3.0))
    assert viewer.at(7.0) == "a"
    assert viewer.at(10.0) == "s"
    assert viewer.seeks(6.0, by="action") == ""
    assert viewer.at(7.0) == ""


def test_a_seek_elsewhere_drops_the_jump(watch: Watch) -> None:
    viewer = watch(line("a", 10.0), jump("s", 10.0, to=3.0), line("b", 20.0))
    assert viewer.at(10.0) == "a s"
    assert viewer.seeks(20.0) == "b"
    assert viewer.seeks(10.0, after=3.0) == "a", "a new pass, but jumps are sent once"


def test_a_hold_ends_after_its_time(watch: Watch) -> None:
    viewer = watch(jump("s", 10.0, to=30.0), line("a", 10.5))
    assert viewer.at(10.0) == "s"
    assert viewer.at(10.5, after=4.75) == ""
    assert viewer.at(10.5, after=0.25) == "a"


def test_what_waited_for_a_hold_goes_out_when_it_ends_whatever_ends_it(watch: Watch) -> None:
    viewer = watch(line("b", 10.0), jump("s", 10.0, to=30.0), jump("t", 10.0, to=40.0))
    assert viewer.at(9.0) == ""
    assert viewer.at(10.5) == "b s"
    assert viewer.at(10.0, after=5.0) == "t", "also a report that is jitter"
    assert viewer.at(10.0, after=4.75) == "", "and its own hold began only then"
    assert viewer.at(40.0) == ""


def test_a_hold_ends_when_the_player_plays_on(watch: Watch) -> None:
    viewer = watch(jump("s", 10.0, to=30.0), line("a", 10.5))
    assert viewer.at(10.0) == "s"
    assert viewer.at(13.0) == ""
    assert viewer.at(13.1) == "a"


def test_a_completed_jump_has_landed_on_its_target(watch: Watch) -> None:
    viewer = watch(jump("s", 10.0, to=30.0), line("a", 30.0), line("b", 31.0))
    assert viewer.at(10.0) == "s"
    assert viewer.completes("s") == "a"
    assert viewer.at(10.2) == "", "stale: the report still shows the old place"
    assert viewer.at(31.0) == "b"


def test_a_replay_completed_in_transit_is_over(watch: Watch) -> None:
    viewer = watch(replay("r", 10.0, of=(2.0, 4.0)), line("a", 10.0), line("b", 11.0))
    assert viewer.at(10.0) == "a r"
    assert viewer.completes("r") == ""
    assert viewer.at(11.0) == "b"


def test_a_replay_that_stays_leaves_the_playhead_at_its_end(watch: Watch) -> None:
    viewer = watch(
        replay("r", 10.0, of=(2.0, 4.0), stay=True), face("f", 4.0), line("a", 10.5), start=3.0
    )
    assert viewer.at(4.0) == "f"
    assert viewer.at(10.0) == "r"
    assert viewer.completes("r") == ""
    assert viewer.at(10.5, after=5.0) == "a"


# --- REPLAY: a replayed passage is playing -----------------------------------------------


def replaying(watch: Watch) -> Viewer:
    """At 2 s, in a passage from 2 to 4 s that comes back to 10 s."""
    viewer = watch(
        line("a", 3.0),
        line("b", 9.9),
        replay("r", 10.0, of=(2.0, 4.0)),
        jump("s", 10.0, to=50.0),
        jump("t", 3.5, to=60.0),
        line("c", 10.5),
    )
    viewer.scheduler.withdraw(["t"])
    assert viewer.at(3.0) == "a"
    assert viewer.at(9.9) == "b"
    assert viewer.at(10.0) == "r"
    assert viewer.at(2.0) == ""
    return viewer


def test_a_replayed_passage_repeats_nothing_and_lets_no_jump_out(watch: Watch) -> None:
    viewer = replaying(watch)
    assert viewer.at(3.0, after=1.0) == ""
    assert viewer.is_given(jump("u", 3.0, to=40.0), line("d", 3.0)) == "d"


def test_a_leap_to_the_origin_returns(watch: Watch) -> None:
    """What waited behind the barrier is sent then."""
    viewer = replaying(watch)
    viewer.at(4.0, after=2.0)
    assert viewer.at(10.2) == "s"


def test_a_seek_to_the_origin_returns_without_a_new_pass(watch: Watch) -> None:
    viewer = replaying(watch)
    viewer.at(4.0, after=2.0)
    assert viewer.seeks(9.5) == "s", "b, at 9.9, is not repeated"


def test_the_completed_replay_returns(watch: Watch) -> None:
    viewer = replaying(watch)
    viewer.at(4.0, after=2.0)
    assert viewer.completes("r") == "s"


def test_playing_on_past_the_origin_forgets_the_return(watch: Watch) -> None:
    viewer = replaying(watch)
    position = 2.0
    while position < 10.75:
        position += 0.25
        assert viewer.at(position) in ("", "c")
    assert viewer.at(11.25) == "s"


def test_a_seek_elsewhere_in_a_replay_is_the_users(watch: Watch) -> None:
    viewer = replaying(watch)
    assert viewer.seeks(3.0, after=5.0) == "a"
    assert viewer.at(9.9) == "b"


# --- SETTLE: after an explicit move ------------------------------------------------------


def test_reports_from_the_old_place_are_ignored_for_a_while(watch: Watch) -> None:
    """R6: a polling client may report the old position for some hundred milliseconds."""
    viewer = watch(line("a", 100.0), line("b", 10.0))
    viewer.at(100.0)
    assert viewer.seeks(10.0) == "b"
    assert viewer.at(100.2) == ""
    assert viewer.at(10.1) == ""
    assert viewer.seeks(10.0, after=3.0) == "b"


def test_after_a_while_the_old_place_is_a_place_again(watch: Watch) -> None:
    viewer = watch(line("a", 100.0), line("b", 10.0))
    viewer.at(100.0)
    viewer.seeks(10.0)
    assert viewer.at(100.0, after=2.0) == "a"


def test_a_third_place_is_no_stale_report(watch: Watch) -> None:
    viewer = watch(line("a", 50.0))
    viewer.at(100.0)
    viewer.seeks(10.0)
    assert viewer.at(50.0) == "a"


def test_the_same_seek_again_is_an_echo(watch: Watch) -> None:
    """R5: HTML clients tell `seeking` and `seeked`."""
    viewer = watch(line("a", 10.0))
    viewer.at(0.0)
    assert viewer.seeks(10.0) == "a"
    assert viewer.seeks(10.25) == ""
    assert viewer.seeks(10.0) == ""
    assert viewer.seeks(10.0, after=2.0) == "a", "later it is a seek of its own"


def test_the_echo_of_a_jump_may_be_less_exact(watch: Watch) -> None:
    viewer = watch(line("a", 4.0), jump("s", 10.0, to=3.0))
    viewer.at(4.0)
    viewer.at(10.0)
    viewer.seeks(3.0)
    assert viewer.seeks(4.0) == ""
    assert viewer.at(4.0) == ""


def test_the_late_echo_of_a_jump_is_no_seek(watch: Watch) -> None:
    """Within `stale_seconds`, however far the playhead has played on since it landed."""
    viewer = watch(jump("s", 10.0, to=3.0), line("a", 4.0))
    viewer.at(10.0)
    assert viewer.seeks(3.0) == ""
    assert viewer.at(4.5) == "a"
    assert viewer.seeks(3.0) == ""
    assert viewer.at(4.5) == "", "no new pass"


def test_a_user_who_seeks_back_to_the_same_place_later_means_it(watch: Watch) -> None:
    viewer = watch(line("a", 10.0))
    viewer.at(0.0)
    assert viewer.seeks(10.0) == "a"
    assert viewer.at(10.5) == ""
    assert viewer.seeks(10.0) == "a"


# --- connections -------------------------------------------------------------------------


def test_a_reconnect_repeats_what_was_not_acknowledged(watch: Watch) -> None:
    """R14: at the first report, and never again."""
    viewer = watch(line("a", 9.0), line("b", 10.0), line("c", 10.5), line("d", 4.0))
    viewer.at(4.0)
    viewer.at(9.0)
    viewer.at(10.0)
    viewer.completes("a")
    assert viewer.connects() == ""
    assert viewer.at(10.5) == "+b c", "d lies further back than L"
    assert viewer.at(10.5) == ""
    viewer.connects()
    assert viewer.at(10.5) == "+b +c"


def test_a_client_that_never_acknowledges_is_not_told_twice(watch: Watch) -> None:
    viewer = watch(line("a", 9.0))
    viewer.at(9.0)
    viewer.connects()
    assert viewer.at(9.5) == ""


def test_a_client_that_is_back_is_sent_nothing_before_it_says_where_it_is(watch: Watch) -> None:
    """What it completes first would make due what the report then finds unacknowledged."""
    viewer = watch(line("a", 4.0), line("b", 5.0))
    assert viewer.connects(lookahead=2.0) == ""
    assert viewer.at(3.5) == "a b"
    assert viewer.connects(lookahead=2.0) == ""
    assert viewer.completes("a") == ""
    assert viewer.is_given(line("c", 3.5)) == ""
    assert viewer.at(4.5) == "c +b"
    assert viewer.at(5.0) == ""


def test_a_reconnect_repeats_nothing_of_a_pass_that_is_over(watch: Watch) -> None:
    viewer = watch(line("a", 9.0), line("b", 10.0))
    viewer.at(9.0)
    viewer.at(10.0)
    viewer.completes("a")
    viewer.connects()
    assert viewer.at(5.0) == "", "it turned out to be a seek"
    assert viewer.at(9.0) == "a"


def test_a_jump_in_transit_is_repeated_and_its_hold_goes_on(watch: Watch) -> None:
    viewer = watch(face("f", 10.0), jump("s", 10.0, to=30.0), line("a", 10.2))
    viewer.at(10.0)
    viewer.completes("f")
    viewer.connects()
    assert viewer.at(10.2) == "+s"
    assert viewer.at(10.2) == ""
    assert viewer.at(10.2, after=5.0) == "a", "since the first time it was sent"


def test_a_jump_that_was_given_up_is_not_repeated(watch: Watch) -> None:
    viewer = watch(face("f", 10.0), jump("s", 10.0, to=30.0))
    viewer.at(10.0)
    viewer.completes("f")
    assert viewer.at(10.5, after=5.0) == ""
    viewer.connects()
    assert viewer.at(10.5) == ""


# --- lookahead ---------------------------------------------------------------------------


def test_a_client_that_holds_gets_actions_ahead(watch: Watch) -> None:
    viewer = watch(line("a", 2.0), line("b", 2.1))
    viewer.connects(lookahead=2.0)
    assert viewer.at(0.0) == "a"
    assert viewer.at(0.1) == "b"
    assert viewer.at(2.1) == ""


def test_jumps_are_never_sent_ahead_and_nothing_goes_past_one(watch: Watch) -> None:
    viewer = watch(line("a", 1.0), jump("s", 1.0, to=30.0), line("b", 1.5))
    viewer.connects(lookahead=2.0)
    assert viewer.at(0.0) == "a"
    assert viewer.at(1.0) == "s"


def test_what_was_held_by_a_lost_connection_is_sent_again(watch: Watch) -> None:
    """A client that has just connected holds nothing, whether it acknowledges or not."""
    viewer = watch(line("a", 0.5), line("b", 2.0))
    viewer.connects(lookahead=2.0)
    assert viewer.at(0.0) == "a b"
    assert viewer.at(0.6) == ""
    viewer.connects(lookahead=2.0)
    assert viewer.at(0.7) == "+b"
    assert viewer.at(2.0) == ""


def test_a_jump_outside_the_range_cuts_no_lookahead(watch: Watch) -> None:
    viewer = watch(jump("s", 2.0, to=30.0), line("a", 5.5), start=5.0)
    viewer.connects(lookahead=10.0)
    assert viewer.at(0.0) == "a"


def test_what_a_new_client_takes_ahead_goes_out_with_its_first_report(watch: Watch) -> None:
    """Even one that is jitter: after every report, nothing that is due is left."""
    viewer = watch(line("a", 2.0))
    assert viewer.at(1.0) == ""
    assert viewer.connects(lookahead=2.0) == ""
    assert viewer.at(0.9) == "a"


def test_what_was_reached_before_a_jump_back_is_not_taken_for_held(watch: Watch) -> None:
    """Without lookahead, a client that never acknowledges hears nothing twice."""
    viewer = watch(line("a", 10.0), jump("s", 10.0, to=5.0))
    assert viewer.at(10.0) == "a s"
    assert viewer.at(5.0) == ""
    viewer.connects()
    assert viewer.at(5.5) == ""
    assert viewer.at(10.0) == ""


# --- R1 to R17, where the table has not shown them ---------------------------------------


def test_r2_missed_actions_are_sent_late_and_in_order(watch: Watch) -> None:
    viewer = watch(line("b", 7.0), line("a", 6.0), line("c", 10.0), line("old", 4.9))
    viewer.at(0.0)
    assert viewer.at(10.0) == "a b c"


def test_r2_a_slow_reporter_loses_nothing_but_a_crowd_of_lines(watch: Watch) -> None:
    viewer = watch(face("f", 1.0), line("a", 2.0), line("b", 5.0), line("c", 9.0))
    viewer.at(0.0)
    assert viewer.at(10.0, after=10.0) == "f b c"
    assert viewer.seeks(2.0, after=10.0) == "a", "what was crowded out comes in the next pass"


def test_r2_what_was_crowded_out_is_told() -> None:
    timeline = Timeline()
    timeline.add([line("a", 2.0), line("b", 5.0), line("c", 9.0)])
    timeline.receive(TimestampUpdate(0.0), now=0.0)
    timeline.receive(TimestampUpdate(10.0), now=10.0)
    assert [(s.action_id, s.reason) for s in timeline.drain_skipped()] == [("a", "crowded_out")]
    assert timeline.drain_skipped() == []


def test_r2_catch_up_reaches_back_thirty_seconds_at_most(watch: Watch) -> None:
    viewer = watch(face("old", 29.9), face("f", 30.0), face("g", 59.0))
    viewer.at(0.0)
    assert viewer.at(60.0, after=60.0) == "f g"


def test_r2_the_goodbye_is_never_too_late(watch: Watch) -> None:
    """END_REACTION is exempt from lateness and from the floor: once per pass."""
    viewer = watch(goodbye("bye", 50.0))
    viewer.at(0.0)
    assert viewer.seeks(90.0) == "bye"
    assert viewer.at(95.0) == ""
    assert viewer.seeks(10.0) == ""
    assert viewer.seeks(90.0) == "bye"


def test_r3_a_leap_forward_without_a_seek_is_no_seek(watch: Watch) -> None:
    """It costs at most L seconds of comments on what was not seen."""
    viewer = watch(line("a", 10.0), line("b", 96.0), line("c", 94.0))
    assert viewer.at(0.0) == ""
    assert viewer.at(100.0) == "b"
    assert viewer.at(101.0) == ""


def test_r7_a_jump_is_sent_once_per_session(watch: Watch) -> None:
    viewer = watch(jump("s", 10.0, to=3.0), line("a", 10.0))
    assert viewer.at(10.0) == "a s"
    assert viewer.seeks(5.0, by="user", after=6.0) == ""
    assert viewer.at(10.0, after=5.0) == "a"


def test_r7_so_is_what_was_added_with_once(watch: Watch) -> None:
    viewer = watch(line("a", 10.0))
    viewer.is_given(line("answer", 10.0), once=True)
    assert viewer.at(10.0) == "a answer"
    viewer.seeks(5.0, after=6.0)
    assert viewer.at(10.0, after=5.0) == "a"


def test_r8_a_pause_is_no_barrier(watch: Watch) -> None:
    pause = PauseVideo(id="p", trigger_timestamp=10.0, duration_seconds=3.0)
    aloud = Speak(id="a", trigger_timestamp=10.0, text="Look!", pause_video=True)
    assert watch(pause, aloud, face("f", 10.0)).at(10.0) == "p a f"


def test_r8_jumps_come_last_in_their_second(watch: Watch) -> None:
    viewer = watch(jump("s", 10.0, to=30.0), jump("t", 10.0, to=40.0), line("a", 10.0))
    assert viewer.at(10.0) == "a s"
    assert viewer.at(30.0) == ""


def test_r9_order_is_by_trigger_then_insertion(watch: Watch) -> None:
    viewer = watch(face("c", 2.0), face("b", 1.0), line("a", 2.0), line("d", 1.0))
    assert viewer.at(2.0) == "b d c a"


def test_r12_what_lies_outside_the_range_is_never_due(watch: Watch) -> None:
    viewer = watch(
        line("a", 9.9), line("b", 10.0), line("c", 20.0), line("d", 20.1), start=10.0, end=20.0
    )
    assert viewer.at(9.95) == ""
    assert viewer.at(10.0) == "b"
    assert viewer.at(25.0) == "c"


def test_r12_positions_are_clamped_to_the_video(watch: Watch) -> None:
    viewer = watch(line("a", 0.0), line("b", 20.0), end=20.0)
    assert viewer.at(-3.0) == "a"
    assert viewer.seeks(1e300) == "b"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "3", None])
def test_r13_what_is_no_number_is_refused(watch: Watch, value: Any) -> None:
    viewer = watch(line("a", 10.0))
    viewer.at(9.0)
    for tell in (viewer.at, viewer.seeks):
        with pytest.raises(InvalidPosition):
            tell(value)
    assert viewer.at(10.0) == "a"


def test_r13_times_are_compared_as_microseconds(watch: Watch) -> None:
    viewer = watch(line("a", 4.0))
    assert viewer.at(3.9999994) == ""
    assert viewer.at(3.9999996) == "a"


def test_r14_an_unknown_acknowledgement_is_nothing(watch: Watch) -> None:
    viewer = watch(line("a", 9.0), line("b", 20.0))
    viewer.at(9.0)
    viewer.completes("b")
    viewer.completes("who?")
    viewer.connects()
    assert viewer.at(9.0) == "", "it has never acknowledged anything that was sent"


def test_r17_a_machine_that_slept_goes_on(watch: Watch) -> None:
    viewer = watch(jump("s", 10.0, to=30.0), line("a", 10.1))
    viewer.at(10.0)
    assert viewer.at(10.1, after=8 * 3600.0) == "a"
