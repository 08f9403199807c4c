"""Properties of the Timeline, over sessions that no player would think of.

A generated session is a script, parameters and a list of abstract steps: "play on by
5 s in no time", "land 1 s beside the target". A `Viewing` makes events of them as it
goes, since where a jump lands depends on what was sent. The grids are small, so that
equal triggers, barriers and limits meet often.

The numbers in the docstrings are those of the list of invariants.
"""

from __future__ import annotations

import copy
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import pytest
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st

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
    Due,
    PlayerEvent,
    SeekUpdate,
    Skipped,
    TimelineState,
    TimestampUpdate,
)
from watchbuddy_core.timeline import Timeline

# --- what is done to a scheduler ---------------------------------------------------------


@dataclass(frozen=True)
class Add:
    actions: tuple[Action, ...]
    once: bool = False


@dataclass(frozen=True)
class Withdraw:
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Receive:
    event: PlayerEvent
    now: float


Call = Add | Withdraw | Receive


def apply(scheduler: Any, call: Call) -> list[Due]:
    match call:
        case Add(actions, once):
            scheduler.add(actions, once=once)
        case Withdraw(ids):
            scheduler.withdraw(ids)
        case Receive(event, now):
            scheduler.receive(event, now=now)
    due: list[Due] = scheduler.actions_due()
    return due


def micro(seconds: float) -> int:
    return round(seconds * 1_000_000)


def is_jump(action: Action) -> bool:
    return isinstance(action, Seek | ReplaySegment)


# --- generated sessions ------------------------------------------------------------------

GRID = (0.0, 0.25, 1.0, 2.0, 4.75, 5.0, 6.0, 8.0, 10.0, 11.0, 12.0, 15.0, 20.0, 21.0, 30.0, 40.0)
AMOUNTS = (0.25, 0.5, 1.0, 1.000001, 2.0, 3.0, 3.5, 5.0, 5.000001, 6.0, 8.5, 30.0, 31.0)
OFFSETS = (0.0, 0.25, -0.25, 0.5, -0.5, 1.0, -1.0, 1.000001, -1.000001, 2.0)

STEPS = {
    "nothing": 1,  # what an unneeded step shrinks to: long sessions find more
    "play": 22,
    "report again": 4,
    "go back": 6,
    "report anywhere": 6,
    "land": 8,
    "return": 6,
    "old place": 6,
    "add": 10,
    "withdraw": 2,
    "acknowledge": 6,
    "acknowledge the jump": 4,
    "acknowledge nothing": 1,
    "seek": 5,
    "echo": 3,
    "seek by action": 2,
    "land by seek": 4,
    "return by seek": 3,
    "connect": 4,
}


class Step(NamedTuple):
    kind: str
    amount: float
    pace: int
    number: int


@dataclass(frozen=True)
class Session:
    parameters: dict[str, Any]
    script: tuple[Action, ...]
    more: tuple[tuple[Action, ...], ...]
    steps: tuple[Step, ...]


PARAMETERS = {
    "start": (0.0, 0.0, 5.0),
    "end": (None, None, 20.0, 30.0),
    "max_lateness": (5.0, 5.0, 2.0, 1.0),
    "back_tolerance": (1.0, 1.0, 0.25),
    "landing_tolerance": (1.0, 1.0, 0.5, 2.0),
    "landing_lookback": (0.25, 0.25, 0.0, 1.0),
    "hold_seconds": (5.0, 5.0, 2.0),
    "stale_seconds": (2.0, 2.0, 1.0),
    "rearm_on_user_seek": (True, True, True, False),
}


class _Sketch(NamedTuple):
    """What an action is made from; cheap to draw, cheap to shrink."""

    kind: str
    number: int
    trigger: float
    target: float
    length: float

    def action(self) -> Action:
        common: dict[str, Any] = {"id": f"a{self.number}", "trigger_timestamp": self.trigger}
        end = self.target + self.length
        match self.kind:
            case "speak":
                return Speak(**common, text="Look!", pause_video=self.number % 2 == 0)
            case "face":
                return Expression(**common, emotion=Emotion.JOY)
            case "pause":
                return PauseVideo(**common, duration_seconds=1.0)
            case "seek":
                return Seek(**common, target_timestamp=self.target)
            case "replay":
                return ReplaySegment(**common, start_timestamp=self.target, end_timestamp=end)
            case "replay and stay":
                return ReplaySegment(
                    **common,
                    start_timestamp=self.target,
                    end_timestamp=end,
                    post_replay_behavior=PostReplay.STAY_PAUSED_AT_END,
                )
            case _:
                return EndReaction(**common)


STILL = ("speak",) * 6 + ("face", "face", "pause", "end")
JUMPS = ("seek", "seek", "replay", "replay", "replay and stay")


def scripts(*, jumps: bool = True, size: int = 10) -> st.SearchStrategy[tuple[Action, ...]]:
    sketch = st.builds(
        _Sketch,
        st.sampled_from(STILL + JUMPS if jumps else STILL),
        st.integers(0, 19),
        st.sampled_from(GRID),
        st.sampled_from(GRID),
        st.sampled_from((1.0, 2.0, 6.0)),
    )
    return st.lists(sketch, max_size=size).map(lambda all_: tuple(one.action() for one in all_))


def steps(without: Sequence[str] = ()) -> st.SearchStrategy[Step]:
    kinds = {kind: n for kind, n in STEPS.items() if kind not in without}
    return st.builds(
        Step,
        st.sampled_from([kind for kind, weight in kinds.items() for _ in range(weight)]),
        st.sampled_from(AMOUNTS),
        st.integers(0, 9),
        st.integers(0, 15),
    )


def parameters(**fixed: Any) -> st.SearchStrategy[dict[str, Any]]:
    grids = {name: st.sampled_from(values) for name, values in PARAMETERS.items()}
    return st.fixed_dictionaries(grids | {name: st.just(value) for name, value in fixed.items()})


def sessions(
    *, jumps: bool = True, without: Sequence[str] = (), **fixed: Any
) -> st.SearchStrategy[Session]:
    return st.builds(
        Session,
        parameters(**fixed),
        scripts(jumps=jumps),
        st.lists(scripts(jumps=jumps, size=3), max_size=6).map(tuple),
        st.lists(steps(without), min_size=20, max_size=50).map(tuple),
    )


# --- how a session goes ------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """One call, the state before and after it, and what was sent."""

    call: Call
    before: TimelineState
    sent: list[Due]
    after: TimelineState

    @property
    def new(self) -> list[Action]:
        return [due.action for due in self.sent if not due.redelivered]

    @property
    def again(self) -> list[Action]:
        return [due.action for due in self.sent if due.redelivered]

    @property
    def report(self) -> TimestampUpdate | None:
        match self.call:
            case Receive(TimestampUpdate() as event, _):
                return event
        return None


@dataclass
class Viewing:
    """Makes calls of a session's steps, and remembers what a player would remember."""

    session: Session
    timeline: Timeline = field(init=False)
    calls: list[Call] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    now: float = 100.0
    position: float = 0.0
    left: float = 0.0
    """Where the player was before its last seek."""
    sought: float = 0.0
    """Where that seek went."""
    target: float = 0.0
    """Of the last jump that was sent."""
    origin: float = 0.0
    """Where the player was when it was sent."""
    jump_id: str = "none"
    sent_ids: list[str] = field(default_factory=list)
    batches: Iterator[tuple[Action, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self.timeline = Timeline(**self.session.parameters)
        self.batches = iter(self.session.more)
        self.do(Add(self.session.script))

    def go(self) -> Viewing:
        for step in self.session.steps:
            self.take(step)
        return self

    def take(self, step: Step) -> Seen | None:
        self.now = max(0.0, self.now + self.wall(step))
        call = self.call(step)
        return None if call is None else self.do(call)

    def wall(self, step: Step) -> float:
        """Quarters of a second, so that sums of them stay exact."""
        as_played = math.ceil(step.amount * 4) / 4
        barely_playable = math.ceil(max(0.0, step.amount - 1) / 2.5 * 4) / 4
        paces = (as_played, as_played, 0.25, 0.0, barely_playable)
        return (*paces, 1.0, 2.0, 5.0, 3600.0)[step.pace % 9]

    def call(self, step: Step) -> Call | None:
        place = GRID[step.number % len(GRID)]
        offset = OFFSETS[step.number % len(OFFSETS)]
        match step.kind:
            case "nothing":
                return None
            case "play":
                return self.report(self.position + step.amount)
            case "report again":
                return self.report(self.position)
            case "go back":
                return self.report(self.position - step.amount)
            case "report anywhere":
                return self.report(place)
            case "land":
                return self.report(self.target + offset)
            case "return":
                return self.report(self.origin + offset)
            case "old place":
                return self.report(self.left + offset)
            case "seek":
                return self.seek(place, None if step.number % 2 else "user")
            case "seek by action":
                return self.seek(place, "action")
            case "echo":
                return self.seek(self.sought + offset, None)
            case "land by seek":
                return self.seek(self.target + offset, "action" if step.pace % 2 else None)
            case "return by seek":
                return self.seek(self.origin + offset, "action" if step.pace % 2 else None)
            case "acknowledge":
                if not self.sent_ids:
                    return None
                return self.acknowledge(self.sent_ids[-1 - step.number % len(self.sent_ids)])
            case "acknowledge the jump":
                return self.acknowledge(self.jump_id)
            case "acknowledge nothing":
                return self.acknowledge(f"a{step.number}")
            case "connect":
                lookahead = (0.0, 0.0, 2.0, 6.0, 50.0)[step.number % 5]
                return Receive(Connected(lookahead), self.now)
            case "add":
                batch = next(self.batches, None)
                return None if batch is None else Add(batch, once=step.number % 4 == 0)
            case "withdraw":
                return Withdraw((f"a{step.number}", f"a{step.number + 1}"))
        raise AssertionError(step)

    def report(self, position: float) -> Receive:
        self.position = round(max(0.0, position), 6)
        return Receive(TimestampUpdate(self.position), self.now)

    def seek(self, position: float, cause: Any) -> Receive:
        self.left, self.position = self.position, round(max(0.0, position), 6)
        self.sought = self.position
        return Receive(SeekUpdate(self.position, cause), self.now)

    def acknowledge(self, action_id: str) -> Receive:
        return Receive(ActionCompleted(action_id), self.now)

    def do(self, call: Call) -> Seen:
        before = self.timeline.snapshot()
        sent = apply(self.timeline, call)
        seen = Seen(call, before, sent, self.timeline.snapshot())
        self.calls.append(call)
        self.seen.append(seen)
        for due in sent:
            self.sent_ids.append(due.action.id)
            match due.action:
                case Seek(target_timestamp=target) | ReplaySegment(start_timestamp=target):
                    self.jump_id, self.target = due.action.id, target
                    self.origin = (seen.after.playhead.head or 0) / 1e6
        return seen

    @property
    def actions(self) -> dict[str, Action]:
        """Everything that was ever added, by id; of two with one id, the first."""
        known: dict[str, Action] = {}
        for call in self.calls:
            if isinstance(call, Add):
                for action in call.actions:
                    known.setdefault(action.id, action)
        return known


def view(session: Session) -> list[Seen]:
    return Viewing(session).go().seen


def is_open(state: TimelineState) -> bool:
    playhead = state.playhead
    return bool(playhead.jump or playhead.replay or playhead.settle)


def position_key(action: Action) -> tuple[int, bool]:
    return micro(action.trigger_timestamp), is_jump(action)


def lateness_at(seen: Seen, session: Session) -> int:
    """L for this call, grown by catch-up."""
    limit = micro(session.parameters["max_lateness"])
    before, after = seen.before.playhead, seen.after.playhead
    if seen.report is None or before.head is None or after.head is None:
        return limit
    assert isinstance(seen.call, Receive)
    gap = after.head - before.head
    wall = max(0.0, seen.call.now - before.head_at)
    playable = gap <= micro(2.5 * wall + 1.0)
    return max(limit, min(gap, micro(30))) if playable else limit


# --- the invariants ----------------------------------------------------------------------


@given(sessions())
def test_nothing_is_sent_before_its_time(session: Session) -> None:
    """1. No action is sent with trigger > head + lookahead; no jump with trigger > head."""
    for seen in view(session):
        playhead = seen.after.playhead
        for due in seen.sent:
            assert playhead.head is not None
            reach = 0 if is_jump(due.action) else playhead.lookahead
            assert micro(due.action.trigger_timestamp) <= playhead.head + reach


@given(sessions())
def test_nothing_outside_the_range_is_sent(session: Session) -> None:
    """2. No action outside [start, end] is ever sent."""
    start, end = session.parameters["start"], session.parameters["end"]
    for seen in view(session):
        for due in seen.sent:
            assert start <= due.action.trigger_timestamp <= (math.inf if end is None else end)


@given(sessions())
def test_an_action_is_sent_once_per_pass(session: Session) -> None:
    """3. For every (id, epoch) there is at most one send that is no redelivery."""
    passes = Counter(
        (action.id, seen.after.playhead.epoch) for seen in view(session) for action in seen.new
    )
    assert set(passes.values()) <= {1}


@given(sessions())
def test_a_jump_is_sent_once_per_session(session: Session) -> None:
    """4. A jump action has at most one send that is no redelivery in the whole session."""
    jumps = Counter(a.id for seen in view(session) for a in seen.new if is_jump(a))
    assert set(jumps.values()) <= {1}


@given(sessions())
def test_what_is_sent_together_is_in_order(session: Session) -> None:
    """5. New sends of one event are non-decreasing in (trigger, is_jump, insertion)."""
    viewing = Viewing(session).go()
    insertion = {action_id: n for n, action_id in enumerate(viewing.actions)}
    withdrawn = {id_ for call in viewing.calls if isinstance(call, Withdraw) for id_ in call.ids}
    for seen in viewing.seen:
        keys = [
            (*position_key(action), insertion[action.id])
            for action in seen.new
            if action.id not in withdrawn  # these may have been inserted twice
        ]
        assert keys == sorted(keys)


@given(sessions())
def test_a_jump_is_the_last_of_what_is_sent_together(session: Session) -> None:
    """6. A jump is the last new send of its event."""
    for seen in view(session):
        assert not any(is_jump(action) for action in seen.new[:-1])


@given(sessions())
def test_nothing_is_sent_too_late(session: Session) -> None:
    """7. Every send has head - trigger <= L, L grown by catch-up.

    END_REACTION is exempt, and so is a jump that is redelivered while in transit.
    """
    for seen in view(session):
        limit = lateness_at(seen, session)
        for due in seen.sent:
            if isinstance(due.action, EndReaction) or (due.redelivered and is_jump(due.action)):
                continue
            assert seen.after.playhead.head is not None
            assert seen.after.playhead.head - micro(due.action.trigger_timestamp) <= limit


@given(sessions())
def test_nothing_due_is_left_behind(session: Session) -> None:
    """8. Drained: applying the due rule again right after any event yields nothing.

    After `Connected`, which sends nothing itself, the first report comes first.
    """
    viewing = Viewing(session)
    for step in session.steps:
        seen = viewing.take(step)
        if seen is not None and not seen.after.playhead.resync:
            again = copy.deepcopy(viewing.timeline)
            again.add([])
            assert again.actions_due() == []


@given(sessions())
def test_the_same_report_again_sends_nothing(session: Session) -> None:
    """9. Repeating `timestamp_update(t)` at once yields nothing with nothing open."""
    viewing = Viewing(session)
    for step in session.steps:
        seen = viewing.take(step)
        if seen is not None and seen.report is not None and not is_open(seen.after):
            again = copy.deepcopy(viewing.timeline)
            assert apply(again, seen.call) == []


@given(
    parameters(max_lateness=5.0),
    scripts(jumps=False),
    st.sampled_from(GRID),
    st.lists(st.sampled_from((0.25, 0.5, 1.0, 1.75, 5.0)), max_size=8),
    st.sampled_from((0.0, 2.0)),
)
def test_how_often_a_player_reports_changes_nothing(
    parameters: dict[str, Any],
    script: tuple[Action, ...],
    start: float,
    strides: list[float],
    lookahead: float,
) -> None:
    """10. Refinement: for c - a <= L and no jumps, going from a to c in one update or in any
    number of monotone steps sends the same ids in the same order."""
    stops = [start]
    for stride in strides:
        if stops[-1] + stride <= start + 5.0:
            stops.append(stops[-1] + stride)

    def sent(positions: list[float]) -> list[str]:
        timeline = Timeline(**parameters)
        timeline.add(script)
        timeline.receive(Connected(lookahead), now=0.0)
        ids = []
        for n, position in enumerate(positions):
            due = apply(timeline, Receive(TimestampUpdate(position), float(n)))
            ids += [one.action.id for one in due]
        return ids

    assert sent(stops) == sent([start, stops[-1]])


@given(
    parameters(),
    scripts(jumps=False),
    st.lists(st.integers(0, 12), min_size=10, max_size=10),
    st.lists(st.sampled_from((0.25, 1.0, 2.0, 5.0, 6.0, 8.5)), min_size=3, max_size=12),
    st.lists(st.sampled_from((0.0, 0.25, 5.0)), min_size=13, max_size=13),
)
def test_when_an_action_was_added_changes_nothing(
    parameters: dict[str, Any],
    script: tuple[Action, ...],
    added_at: list[int],
    strides: list[float],
    walls: list[float],
) -> None:
    """11. Append time does not matter: a jump-free action added any time before the head
    reaches it is sent on the same update as if it had been there from the start."""
    script = tuple({action.id: action for action in script}.values())
    positions = [0.0]
    for stride in strides:
        positions.append(positions[-1] + stride)

    def latest(action: Action) -> int:
        reached = [n for n, p in enumerate(positions) if p >= action.trigger_timestamp]
        return reached[0] if reached else len(positions) - 1

    adding = {a.id: min(n, latest(a)) for a, n in zip(script, added_at, strict=False)}

    def sent(before_update: Callable[[Action], int]) -> list[set[str]]:
        timeline = Timeline(**parameters)
        now, ids = 0.0, []
        for n, position in enumerate(positions):
            timeline.add([action for action in script if before_update(action) == n])
            now += walls[n]
            due = apply(timeline, Receive(TimestampUpdate(position), now))
            ids.append({one.action.id for one in due})
        return ids

    together = sent(lambda action: 0)
    lines_crowd = any(
        sum(isinstance(a, Speak) and a.id in ids for a in script) == 2 for ids in together
    )
    one_by_one = sent(lambda action: adding[action.id])
    if lines_crowd:
        # Of equal lines the later added ones stay, so which ones may differ; never how many.
        assert [len(ids) for ids in one_by_one] == [len(ids) for ids in together]
    else:
        assert one_by_one == together


@given(sessions(), st.sampled_from((0.0, 0.000001, 0.1, 0.25, 0.9, 1.0)))
def test_jitter_changes_nothing(session: Session, back: float) -> None:
    """12. With nothing open, an update with 0 < head - t <= B sends nothing and changes no
    state."""
    viewing = Viewing(session)
    for step in session.steps:
        seen = viewing.take(step)
        if seen is None or is_open(seen.after) or seen.after.playhead.resync:
            continue
        head = seen.after.playhead.head
        back = min(back, session.parameters["back_tolerance"])
        if head is None or not 0 < micro(back) <= head:
            continue
        jitter = copy.deepcopy(viewing.timeline)
        position = (head - micro(back)) / 1e6
        assert apply(jitter, Receive(TimestampUpdate(position), viewing.now + 1.0)) == []
        assert jitter.snapshot() == seen.after


@given(
    sessions(),
    st.sampled_from((math.nan, math.inf, -math.inf, True, False, "1.0", None, 1j, [1.0])),
    st.sampled_from((TimestampUpdate, SeekUpdate)),
)
def test_a_time_that_is_no_time_changes_nothing(session: Session, value: Any, event: Any) -> None:
    """13. A non-finite or non-numeric time raises and leaves the state as it was."""
    viewing = Viewing(session).go()
    before = viewing.timeline.snapshot()
    with pytest.raises(InvalidPosition) as caught:
        viewing.timeline.receive(event(value), now=viewing.now)
    assert isinstance(caught.value, ValueError)
    assert viewing.timeline.snapshot() == before
    assert viewing.timeline.actions_due() == []


@pytest.mark.parametrize("position", [-1.0, -1e308, 1e308, 10**400, -(10**400), 7])
def test_a_time_far_out_is_clamped(position: float) -> None:
    """13. What is finite is clamped before it is scaled, however large it is."""
    timeline = Timeline(end=60.0)
    timeline.receive(TimestampUpdate(position), now=0.0)
    assert timeline.snapshot().playhead.head == micro(min(max(position, 0), 60))


@given(
    sessions(jumps=False, rearm_on_user_seek=True, without=("add", "withdraw")),
    st.sampled_from(GRID),
    st.sampled_from((0.25, 1.0, 3.5, 5.0)),
)
def test_after_a_user_seek_everything_behind_it_comes_once_more(
    session: Session, target: float, stride: float
) -> None:
    """14. After a user seek to s, playing on in steps <= L to the end sends every in-range
    non-jump action with trigger >= s exactly once more."""
    viewing = Viewing(session).go()
    viewing.now += 10.0
    last = session.parameters["end"] or 50.0
    assume(target <= last)
    seeks = viewing.timeline.snapshot().playhead.epoch
    seen = [viewing.do(Receive(SeekUpdate(target, "user"), viewing.now))]
    assume(seen[0].after.playhead.epoch > seeks)
    stride = min(stride, session.parameters["max_lateness"])
    position = target
    while position < last:
        position += stride
        viewing.now += stride
        seen.append(viewing.do(Receive(TimestampUpdate(min(position, last)), viewing.now)))

    sent = Counter(action.id for one in seen for action in one.new)
    start = max(target, session.parameters["start"])
    for action in viewing.actions.values():
        if start <= action.trigger_timestamp <= last:
            assert sent[action.id] == 1


@given(sessions())
def test_sends_are_bounded_by_the_passes(session: Session) -> None:
    """15. Total new sends <= number of actions x (1 + user seeks)."""
    viewing = Viewing(session).go()
    total = sum(len(seen.new) for seen in viewing.seen)
    removed = sum(len(call.ids) for call in viewing.calls if isinstance(call, Withdraw))
    user_seeks = viewing.seen[-1].after.playhead.epoch
    assert total <= (len(viewing.actions) + removed) * (1 + user_seeks)


@given(sessions(), st.integers(0, 19))
def test_a_second_acknowledgement_is_nothing(session: Session, number: int) -> None:
    """17. `action_completed` is idempotent, and for an unknown or never-sent id a no-op."""
    viewing = Viewing(session).go()
    state = viewing.timeline.snapshot()
    known_sent = set(viewing.sent_ids)
    for action_id in (f"a{number}", "never heard of"):
        if action_id not in known_sent:
            viewing.do(Receive(ActionCompleted(action_id), viewing.now))
            assert viewing.seen[-1].sent == []
            assert viewing.timeline.snapshot() == state
    for action_id in list(viewing.sent_ids[-3:]):
        first = viewing.do(Receive(ActionCompleted(action_id), viewing.now))
        second = viewing.do(Receive(ActionCompleted(action_id), viewing.now + 0.5))
        if action_id not in {action.id for action in first.new}:
            assert second.sent == []
            assert second.after == first.after


@given(sessions())
def test_what_was_acknowledged_is_not_delivered_again(session: Session) -> None:
    """18. An action acknowledged in this epoch is never redelivered."""
    acknowledged: set[tuple[str, int]] = set()
    sent_in: set[tuple[str, int]] = set()
    for seen in view(session):
        epoch = seen.after.playhead.epoch
        assert not acknowledged & {(action.id, epoch) for action in seen.again}
        match seen.call:
            case Receive(ActionCompleted(action_id), _) if (action_id, epoch) in sent_in:
                acknowledged.add((action_id, epoch))
        sent_in |= {(due.action.id, epoch) for due in seen.sent}


@given(sessions())
def test_redelivery_happens_once_per_reconnect_and_never_unasked(session: Session) -> None:
    """18. Only the first report after `Connected` redelivers, each action once, and never to a
    client that has not acknowledged at all. (Nobody was sent anything ahead here.)"""
    sent: set[str] = set()
    acks, connected = False, False
    for seen in view(_without_lookahead(session)):
        match seen.call:
            case Receive(Connected(), _):
                connected = True
            case Receive(ActionCompleted(action_id), _):
                acks = acks or action_id in sent
        if seen.again:
            assert acks
            assert connected
            assert seen.report is not None
            assert max(Counter(action.id for action in seen.again).values()) == 1
            connected = False
        sent |= {due.action.id for due in seen.sent}


def _without_lookahead(session: Session) -> Session:
    calm = tuple(s._replace(number=0) if s.kind == "connect" else s for s in session.steps)
    return replace(session, steps=calm)


@given(sessions())
def test_an_unacknowledged_action_is_delivered_again(session: Session) -> None:
    """18. An unacknowledged action within L is redelivered exactly once per reconnect."""
    viewing = Viewing(_without_lookahead(session))
    for step in session.steps:
        seen = viewing.take(step._replace(number=0) if step.kind == "connect" else step)
        if seen is None or is_open(seen.after):
            continue
        playhead = seen.after.playhead
        if playhead.head is None or not playhead.acks:
            continue
        again = copy.deepcopy(viewing.timeline)
        report = Receive(TimestampUpdate(playhead.head / 1e6), viewing.now)
        apply(again, Receive(Connected(), viewing.now))
        oldest = playhead.head - micro(session.parameters["max_lateness"])
        near = [
            viewing.actions[id_]
            for id_ in seen.after.unacked
            if oldest <= micro(viewing.actions[id_].trigger_timestamp) <= playhead.head
        ]
        expected = {action.id for action in near}
        assert {due.action.id for due in apply(again, report) if due.redelivered} == expected
        assert apply(again, report) == []


@given(sessions())
def test_the_head_moves_back_only_when_something_moved_it(session: Session) -> None:
    """19. `head` decreases only in an event that is a seek (explicit or implicit), a landing
    or a return."""
    for seen in view(session):
        before, after = seen.before.playhead, seen.after.playhead
        if before.head is None or after.head is None or after.head >= before.head:
            continue
        assert isinstance(seen.call, Receive)
        explicit = isinstance(seen.call.event, SeekUpdate)
        user_seek = seen.report is not None and _is_far_back(seen, session)
        arrived = before.jump is not None and before.jump != after.jump
        returned = before.replay is not None and before.replay != after.replay
        assert explicit or user_seek or arrived or returned


def _is_far_back(seen: Seen, session: Session) -> bool:
    before = seen.before.playhead
    assert seen.report is not None
    assert before.head is not None
    back = micro(session.parameters["back_tolerance"])
    return micro(seen.report.position) < before.head - back


@given(sessions(), st.sampled_from(GRID))
def test_no_hold_outlasts_its_time(session: Session, position: float) -> None:
    """20. HOLD ends at the first timestamp_update that is hold_seconds after it began, at the
    latest."""
    viewing = Viewing(session)
    for step in session.steps:
        seen = viewing.take(step)
        if seen is None or seen.after.playhead.jump is None:
            continue
        jump = seen.after.playhead.jump
        later = copy.deepcopy(viewing.timeline)
        over = jump.since + session.parameters["hold_seconds"]
        settle = seen.after.playhead.settle
        if settle is not None:  # a stale report is no report
            over = max(over, settle.since + session.parameters["stale_seconds"])
        later.receive(TimestampUpdate(position), now=over)
        after = later.snapshot().playhead.jump
        assert after is None or after.action_id != jump.action_id


@given(sessions(), st.integers(0, 40))
def test_a_restored_timeline_goes_on_as_if_nothing_had_happened(
    session: Session, restored_at: int
) -> None:
    """21. Purity: replaying the log on a fresh Timeline, or on one that was written to JSON
    and restored at any point, gives identical sends."""
    viewing = Viewing(session).go()
    sent = [seen.sent for seen in viewing.seen]

    fresh = Timeline(**session.parameters)
    assert [apply(fresh, call) for call in viewing.calls] == sent

    plain = [replace(c, once=False) if isinstance(c, Add) else c for c in viewing.calls]
    reference, other = Timeline(**session.parameters), Timeline(**session.parameters)
    script: dict[str, Action] = {}
    for n, call in enumerate(plain):
        assert apply(other, call) == apply(reference, call)
        match call:
            case Add(actions, _):
                for action in actions:
                    script.setdefault(action.id, action)
            case Withdraw(ids):
                for id_ in ids:
                    if id_ not in reference.snapshot().fired:
                        script.pop(id_, None)
        if n == restored_at:
            raw = json.dumps(json.loads(other.snapshot().model_dump_json()))
            state = TimelineState.model_validate_json(raw)
            assert state == other.snapshot()
            other = Timeline.restore(state, script.values(), **session.parameters)
            assert other.snapshot() == state


@given(sessions(without=("go back",)), st.sampled_from((0.5, 1.0, 7.0, 1000.0)))
def test_only_differences_of_time_matter(session: Session, shift: float) -> None:
    """22. Shift: adding c >= 0 to start, end, all triggers, targets and positions leaves the
    ids sent unchanged."""
    viewing = Viewing(session).go()
    last = session.parameters["end"]
    moved = Timeline(
        **session.parameters
        | {
            "start": session.parameters["start"] + shift,
            "end": None if last is None else last + shift,
        }
    )
    for seen in viewing.seen:
        due = apply(moved, _shifted_call(seen.call, shift))
        assert [(one.action.id, one.redelivered) for one in due] == [
            (one.action.id, one.redelivered) for one in seen.sent
        ]


def _shifted_call(call: Call, shift: float) -> Call:
    match call:
        case Add(actions, once):
            return Add(tuple(_shifted(action, shift) for action in actions), once)
        case Receive(TimestampUpdate(position), now):
            return Receive(TimestampUpdate(round(position + shift, 6)), now)
        case Receive(SeekUpdate(position, cause), now):
            return Receive(SeekUpdate(round(position + shift, 6), cause), now)
    return call


def _shifted(action: Action, shift: float) -> Action:
    times = ("trigger_timestamp", "target_timestamp", "start_timestamp", "end_timestamp")
    moved = {name: getattr(action, name) + shift for name in times if hasattr(action, name)}
    return action.model_copy(update=moved)


@given(sessions())
def test_no_forward_report_is_taken_for_a_seek(session: Session) -> None:
    """23. A forward update without `seek_update` never changes `epoch`."""
    for seen in view(session):
        before, after = seen.before.playhead, seen.after.playhead
        forward = seen.report is not None and (
            before.head is None or micro(seen.report.position) >= before.head
        )
        if forward:
            assert after.epoch == before.epoch


@given(sessions())
def test_memory_does_not_grow_with_the_reports(session: Session) -> None:
    """25. |fired|, |unacked| <= number of actions, independent of the number of updates."""
    viewing = Viewing(session).go()
    state, known = viewing.timeline.snapshot(), set(viewing.actions)
    for ids in (state.fired, state.unacked, state.playhead.crowded_out, state.playhead.resend):
        assert len(set(ids)) == len(ids)
        assert set(ids) <= known


# --- what is left out ------------------------------------------------------------------


def skips(session: Session) -> Iterator[tuple[Seen, list[Skipped]]]:
    viewing = Viewing(session)
    yield viewing.seen[0], viewing.timeline.drain_skipped()
    for step in session.steps:
        seen = viewing.take(step)
        if seen is not None:
            yield seen, viewing.timeline.drain_skipped()


@given(sessions(without=("withdraw",)))
def test_what_was_sent_in_a_pass_is_not_told_as_skipped_in_it(session: Session) -> None:
    for seen, skipped in skips(session):
        epoch = seen.after.playhead.epoch
        assert not [one for one in skipped if seen.after.fired.get(one.action_id) == epoch]


AI_MOVES = ("seek by action", "land by seek", "return by seek")
"""Steps after which a passage may be played twice in one pass."""


@given(sessions(jumps=False, rearm_on_user_seek=True, without=("withdraw", *AI_MOVES)))
def test_what_playing_passes_without_sending_it_is_told_once(session: Session) -> None:
    """Every in-range action that playback passes without sending it is told exactly once in
    that pass. (END_REACTION is never passed; what was added with `once` is left out here.)"""
    told: Counter[tuple[str, int]] = Counter()
    once: set[str] = set()
    known: dict[str, Action] = {}
    start, end = session.parameters["start"], session.parameters["end"] or math.inf
    late = micro(session.parameters["max_lateness"])
    for seen, skipped in skips(session):
        playhead = seen.after.playhead
        told.update((one.action_id, playhead.epoch) for one in skipped)
        assert set(told.values()) <= {1}
        if isinstance(seen.call, Add):
            once |= {a.id for a in seen.call.actions if seen.call.once and a.id not in known}
            for action in seen.call.actions:
                known.setdefault(action.id, action)
        if playhead.head is None:
            continue
        for action in known.values():
            trigger = micro(action.trigger_timestamp)
            passed = playhead.floor <= trigger < playhead.head - late
            sent = seen.after.fired.get(action.id) == playhead.epoch
            exempt = isinstance(action, EndReaction) or action.id in once
            in_range = start <= action.trigger_timestamp <= end
            if passed and in_range and not (sent or exempt):
                assert told[action.id, playhead.epoch] == 1


# --- 24: agreement with the oracle -------------------------------------------------------


@settings(max_examples=settings().max_examples * 4)
@given(sessions(), st.data())
def test_timeline_and_brute_force_agree_on_every_event(
    brute_force: Callable[..., Any], session: Session, data: st.DataObject
) -> None:
    """24. The bisect implementation and the brute-force predicate send identical lists for
    every event. (And 21 once more: at some points nothing but the state as JSON survives.)"""
    oracle = brute_force(**session.parameters)
    viewing = Viewing(session)
    apply(oracle, viewing.calls[0])

    def compare(seen: Seen | None) -> None:
        if seen is None:
            return
        note(f"{seen.call}\n    -> {[due.action.id for due in seen.sent]}")
        if seen is not viewing.seen[0]:
            assert seen.sent == apply(oracle, seen.call)
        playhead = seen.after.playhead
        assert (playhead.head, playhead.floor) == (oracle.head, oracle.floor)
        assert playhead.epoch == oracle.epoch
        assert seen.after.fired == oracle.fired
        assert list(seen.after.unacked) == oracle.unacked
        skipped = viewing.timeline.drain_skipped()
        crowded, oracle.crowded_out = oracle.crowded_out, []
        assert [one for one in skipped if one.reason == "crowded_out"] == crowded

    restored_at = data.draw(st.integers(0, 50), label="restored before step")
    compare(viewing.seen[0])
    for n, step in enumerate(session.steps):
        if n == restored_at:
            compare(_write_and_restore(viewing, oracle))
        compare(viewing.take(step))


def _write_and_restore(viewing: Viewing, oracle: Any) -> Seen | None:
    """What was added with `once` is not in the state: it is added again, behind the rest."""
    state = TimelineState.model_validate_json(viewing.timeline.snapshot().model_dump_json())
    once = tuple(action for action in oracle.script if action.id in oracle.once)
    others = [action for action in oracle.script if action.id not in oracle.once]
    viewing.timeline = Timeline.restore(state, others, **viewing.session.parameters)
    oracle.script = [*others, *once]
    return viewing.do(Add(once, once=True)) if once else None
