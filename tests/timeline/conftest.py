"""A second reading of the rules of delivery: slow, plain, and independent of the first.

`BruteForce` goes through every action at every event and keeps no index, so that
each sentence of the rules can be found in it. The properties compare `Timeline`
with it. It is one class on purpose: an oracle is read from top to bottom.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from watchbuddy_core.actions import (
    MAX_SECONDS,
    Action,
    EndReaction,
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
    TimestampUpdate,
)
from watchbuddy_core.timeline import Timeline

settings.register_profile(
    "default",
    deadline=None,
    derandomize=True,
    max_examples=60,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "thorough",
    deadline=None,
    max_examples=2000,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def micro(seconds: float) -> int:
    return round(seconds * 1_000_000)


MAX_CATCH_UP = micro(30)
MAX_LINES_PER_CATCH_UP = 2
SAME_PLACE = micro(2)
"""A report this near to the place that was left still shows that place."""
PLAYED_ON = micro(3)
"""Who plays this far past the origin of a jump does not obey it."""


@dataclass(frozen=True)
class Move:
    """A jump on its way, or a replay that has landed and should come back."""

    id: str
    origin: int
    target: int
    end: int
    returns: bool
    floor: int
    since: float


@dataclass(frozen=True)
class Guard:
    """The playhead was explicitly moved from `origin` to `target`."""

    origin: int
    target: int
    by_action: bool
    since: float
    settled: bool = False


@dataclass
class BruteForce:
    """The rules, applied to every action after every event. Times in integer microseconds."""

    start: float = 0.0
    end: float | None = None
    max_lateness: float = 5.0
    back_tolerance: float = 1.0
    landing_tolerance: float = 1.0
    landing_lookback: float = 0.25
    hold_seconds: float = 5.0
    stale_seconds: float = 2.0
    rearm_on_user_seek: bool = True

    script: list[Action] = field(default_factory=list)
    once: set[str] = field(default_factory=set)
    head: int | None = None
    head_at: float = 0.0
    floor: int = 0
    epoch: int = 0
    lookahead: int = 0
    fired: dict[str, int] = field(default_factory=dict)
    unacked: list[str] = field(default_factory=list)
    jump: Move | None = None
    ret: Move | None = None
    guard: Guard | None = None
    resync: bool = False
    acks: bool = False
    crowded: set[str] = field(default_factory=set)
    resend: set[str] = field(default_factory=set)
    due: list[Due] = field(default_factory=list)
    crowded_out: list[Skipped] = field(default_factory=list)
    lateness: int = 0
    """L at the last event, grown by catch-up."""
    now: float = 0.0
    """Of the last event; `add` brings none of its own, and takes that of the head."""

    # --- the interface of a Scheduler --------------------------------------------------

    def add(self, actions: Iterable[Action], *, once: bool = False) -> None:
        """In the rules: "Duplicate id: first wins, no error." "store; send due"."""
        for action in actions:
            if action.id not in {known.id for known in self.script}:
                self.script.append(action)
                if once:
                    self.once.add(action.id)
        self.lateness, self.now = micro(self.max_lateness), self.head_at
        self.send_due()

    def withdraw(self, ids: Iterable[str]) -> None:
        """In the rules: "no effect on what was sent, or on unknown ids".

        What waited behind a jump that is gone may be due.
        """
        self.lateness, self.now = micro(self.max_lateness), self.head_at
        gone = {id_ for id_ in ids if id_ not in self.fired}
        self.script = [action for action in self.script if action.id not in gone]
        self.once -= gone
        self.crowded -= gone
        self.resend -= gone
        self.send_due()

    def receive(self, event: PlayerEvent, *, now: float) -> None:
        self.lateness = micro(self.max_lateness)
        match event:
            case TimestampUpdate(position):
                u = self.position(position)
                self.now = now
                self.timestamp_update(u, now)
            case SeekUpdate(position, cause):
                u = self.position(position)
                self.now = now
                self.seek_update(u, cause == "action", now)
            case ActionCompleted(action_id):
                self.now = now
                self.action_completed(action_id, now)
            case Connected(lookahead):
                self.now = now
                self.connected(lookahead)

    def actions_due(self) -> list[Due]:
        due, self.due = self.due, []
        return due

    # --- times --------------------------------------------------------------------------

    def position(self, seconds: object) -> int:
        """In the rules: "refuse NaN and +-inf", "bool and str". "Clamp before scaling"."""
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise InvalidPosition(seconds)
        try:
            finite = math.isfinite(seconds)
        except OverflowError:  # an int too large for a float is finite all the same
            finite = True
        if not finite:
            raise InvalidPosition(seconds)
        last = MAX_SECONDS if self.end is None else self.end
        return micro(min(max(seconds, 0.0), last))

    def playable(self, gap: int, now: float) -> bool:
        """In the rules: "at most 2.5 x the wall gap + 1 s". A wall gap below 0 counts as 0."""
        wall = max(0.0, now - self.head_at)
        return gap <= micro(2.5 * wall + 1.0)

    def move_head(self, u: int, now: float) -> None:
        self.head, self.head_at = u, now

    # --- timestamp_update ---------------------------------------------------------------

    def timestamp_update(self, u: int, now: float) -> None:
        if self.head is None:
            # "u <= start+L: floor=start, else floor=u; head=u; send due"
            start = micro(self.start)
            self.floor = start if u <= start + micro(self.max_lateness) else u
            self.move_head(u, now)
        elif self.is_stale(u, now):
            return
        elif self.jump is not None:
            self.report_in_transit(self.jump, u, now)
        else:
            self.follow(u, now)
        # "first timestamp_update with resync: normal result, preceded by unacked sends"
        if self.resync:
            self.resync = False
            if self.acks:
                self.redeliver()
        self.send_due()

    def is_stale(self, u: int, now: float) -> bool:
        """In the rules: "within [target-B, target+L]: settled, go on. Within 2 s of the old
        position: nothing for stale_seconds. Else go on"."""
        guard = self.guard
        if guard is None:
            return False
        back, ahead = micro(self.back_tolerance), micro(self.max_lateness)
        if guard.target - back <= u <= guard.target + ahead:
            self.guard = replace(guard, settled=True)
            return False
        if guard.settled:
            return False
        in_time = now - guard.since < self.stale_seconds
        if abs(u - guard.origin) <= SAME_PLACE and in_time:
            return True
        self.guard = None
        return False

    def report_in_transit(self, jump: Move, u: int, now: float) -> None:
        # "abs(u-target)<=T: land"
        if abs(u - jump.target) <= micro(self.landing_tolerance):
            self.land(jump, u, now)
        # "until hold_seconds are over or u > origin + 3 s of plain playing:
        #  then drop the jump, treat as FOLLOW"
        elif now - jump.since >= self.hold_seconds or u > jump.origin + PLAYED_ON:
            self.close_jump()
            self.follow(u, now)

    def follow(self, u: int, now: float) -> None:
        assert self.head is not None
        back = micro(self.back_tolerance)
        if self.ret is not None:
            unplayable = u > self.head and not self.playable(u - self.head, now)
            jump_like = u < self.head - back or unplayable
            # "jump-like report within T of origin: head=max(u,origin), floor=saved"
            if jump_like and abs(u - self.ret.origin) <= micro(self.landing_tolerance):
                self.come_back(max(u, self.ret.origin), now)
                return
            # "Played past max(end,origin)+T: forget the return"
            played_past = max(self.ret.end, self.ret.origin) + micro(self.landing_tolerance)
            if u > played_past:
                self.close_return()
        if u >= self.head:
            # "L grows to the media gap since the last report, at most 30 s,
            #  if that gap is at most 2.5 x the wall gap + 1 s"
            gap = u - self.head
            if gap > self.lateness and self.playable(gap, now):
                self.lateness = max(self.lateness, min(gap, MAX_CATCH_UP))
            self.move_head(u, now)
        elif u < self.head - back:
            self.user_seek(u, now)
        # "head-B<=u<head: nothing"

    # --- seek_update --------------------------------------------------------------------

    def seek_update(self, u: int, by_action: bool, now: float) -> None:
        if self.head is None:
            # "head=floor=u"; nothing was sent yet, so no action can have moved it
            self.guard = Guard(u, u, False, now)
            self.floor = u
            self.move_head(u, now)
            self.resync = False
        elif self.is_echo(u, now):
            return
        else:
            self.moved(u, by_action, now)
        self.send_due()

    def moved(self, u: int, by_action: bool, now: float) -> None:
        assert self.head is not None
        left = self.head
        tolerance = micro(self.landing_tolerance)
        if self.jump is not None and (by_action or abs(u - self.jump.target) <= tolerance):
            self.land(self.jump, u, now)
            self.guard = Guard(left, u, True, now)
        elif self.ret is not None and abs(u - self.ret.origin) <= tolerance:
            self.come_back(max(u, self.ret.origin), now)
            self.guard = Guard(left, u, True, now)
        elif by_action:
            # an AI-caused move that nothing waits for: no new pass, and nothing comes back
            self.ret = None
            self.floor = u
            self.move_head(u, now)
            self.guard = Guard(left, u, True, now)
        else:
            self.user_seek(u, now)
            self.guard = Guard(left, u, False, now)

    def is_echo(self, u: int, now: float) -> bool:
        """In the rules: "same place again (T if AI-caused, K if user): echo, no epoch+1"."""
        guard = self.guard
        if guard is None or now - guard.since >= self.stale_seconds:
            return False
        assert self.head is not None
        lookback = micro(self.landing_lookback)
        if guard.by_action:
            return abs(u - guard.target) <= micro(self.landing_tolerance)
        return abs(u - guard.target) <= lookback and self.head <= guard.target + lookback

    def user_seek(self, u: int, now: float) -> None:
        """In the rules: "user seek: epoch+1, head=floor=u, drop unacked"; nothing stays open."""
        self.floor = u
        self.move_head(u, now)
        self.unacked = []
        self.jump = self.ret = self.guard = None
        self.resync = False
        if self.rearm_on_user_seek:
            self.epoch += 1
            self.crowded = set()
            self.resend = set()

    # --- jumps --------------------------------------------------------------------------

    def land(self, jump: Move, u: int, now: float) -> None:
        """In the rules: "Landing sets head=floor=u"; a replay that comes back is now open."""
        self.close_jump()
        self.floor = u
        self.move_head(u, now)
        if jump.returns:
            self.ret = jump

    def come_back(self, to: int, now: float) -> None:
        assert self.ret is not None
        self.floor = self.ret.floor
        self.move_head(to, now)
        self.close_return()

    def close_jump(self) -> None:
        """In the rules: "A jump that closes in any way leaves unacked"."""
        assert self.jump is not None
        self.forget_unacked(self.jump.id)
        self.jump = None

    def close_return(self) -> None:
        self.ret = None

    # --- action_completed and connected -------------------------------------------------

    def action_completed(self, action_id: str, now: float) -> None:
        if action_id in self.resend:  # it was executed after all
            self.resend.discard(action_id)
            self.fired[action_id] = self.epoch
        # "unknown / never sent id acked: ignored"
        if action_id not in self.fired:
            return
        self.acks = True
        self.forget_unacked(action_id)
        left = self.head
        if self.jump is not None and self.jump.id == action_id:
            jump = self.jump
            self.close_jump()
            assert left is not None
            if jump.returns:
                # "REPLAY is over, head=origin, floor=saved"
                self.floor = jump.floor
                self.move_head(jump.origin, now)
            else:
                # "SEEK lands on its target"
                self.floor = jump.end
                self.move_head(jump.end, now)
            assert self.head is not None
            self.guard = Guard(left, self.head, True, now)
        elif self.ret is not None and self.ret.id == action_id:
            assert left is not None
            target = self.ret.origin
            self.come_back(target, now)
            self.guard = Guard(left, target, True, now)
        # "drop from unacked; send due (normally none)"
        self.send_due()

    def forget_unacked(self, action_id: str) -> None:
        self.unacked = [id_ for id_ in self.unacked if id_ != action_id]

    def connected(self, lookahead: float) -> None:
        """In the rules: "resync=true; sends nothing itself". "A Connected client holds nothing
        yet": what an older connection was sent ahead and is still ahead was not executed."""
        if self.head is not None and self.lookahead > 0:
            for action in self.script:
                ahead = micro(action.trigger_timestamp) > self.head
                open_jump = self.jump is not None and self.jump.id == action.id
                if action.id in self.unacked and ahead and not open_jump:
                    del self.fired[action.id]
                    self.forget_unacked(action.id)
                    self.resend.add(action.id)
        self.resync = True
        self.lookahead = micro(min(max(lookahead, 0.0), 30.0))

    # --- what is sent -------------------------------------------------------------------

    def in_order(self) -> list[Action]:
        """In the rules: "ordered by (trigger, moves?, insertion)"."""
        return sorted(self.script, key=lambda a: (micro(a.trigger_timestamp), is_jump(a)))

    def in_range(self, action: Action) -> bool:
        last = math.inf if self.end is None else micro(self.end)
        return micro(self.start) <= micro(action.trigger_timestamp) <= last

    def due_now(self) -> list[Action]:
        """The one rule: "Outside a hold, after every event, send every action for which".
        And "sends nothing itself": a client that has come back first says where it is."""
        if self.head is None or self.jump is not None or self.resync:
            return []
        head = self.head
        ahead_until: float = head + self.lookahead
        # "lookahead does not apply to jumps, nor past a jump still to come"
        for action in self.script:
            t = micro(action.trigger_timestamp)
            if is_jump(action) and action.id not in self.fired and self.in_range(action):
                ahead_until = min(ahead_until, t) if t > head else ahead_until
        chosen: list[Action] = []
        for action in self.in_order():
            t = micro(action.trigger_timestamp)
            never_fired = action.id not in self.fired
            last = head if is_jump(action) else ahead_until
            if not self.in_range(action) or t > last:
                continue
            if self.fired.get(action.id) == self.epoch or action.id in self.crowded:
                continue
            if not never_fired and (is_jump(action) or action.id in self.once):
                continue
            if is_jump(action) and self.ret is not None:
                continue
            if not isinstance(action, EndReaction):
                if t < head - self.lateness:
                    continue
                near_enough = never_fired and t >= self.floor - micro(self.landing_lookback)
                if t < self.floor and not near_enough:
                    continue
            chosen.append(action)
            # "and stop after the first jump sent (barrier)"
            if is_jump(action):
                break
        return chosen

    def send_due(self) -> None:
        chosen = self.due_now()
        # "one event sends at most the latest 2 SPEAKs, earlier ones are crowded_out"
        if self.lateness > micro(self.max_lateness):
            lines = [action.id for action in chosen if isinstance(action, Speak)]
            left_out = lines[:-MAX_LINES_PER_CATCH_UP]
            self.crowded |= set(left_out)
            self.crowded_out += [Skipped(id_, "crowded_out") for id_ in left_out]
            chosen = [action for action in chosen if action.id not in left_out]
        for action in chosen:
            self.due.append(Due(action, redelivered=action.id in self.resend))
            self.resend.discard(action.id)
            self.fired[action.id] = self.epoch
            self.forget_unacked(action.id)
            self.unacked.append(action.id)
            if is_jump(action):
                self.jump = self.move_of(action)

    def move_of(self, action: Action) -> Move:
        assert self.head is not None
        origin = self.head
        match action:
            case Seek():
                target = end = self.position(action.target_timestamp)
                returns = False
            case ReplaySegment():
                target = self.position(action.start_timestamp)
                end = self.position(action.end_timestamp)
                returns = action.post_replay_behavior is PostReplay.RESUME_FROM_ORIGINAL
            case _:
                raise AssertionError(action)
        return Move(action.id, origin, target, end, returns, self.floor, self.now)

    def redeliver(self) -> None:
        """In the rules: "unacked sends of this epoch with head-L <= t <= head+lookahead", and
        "the open jump too"."""
        assert self.head is not None
        for action in self.in_order():
            t = micro(action.trigger_timestamp)
            oldest = self.head - micro(self.max_lateness)
            near = oldest <= t <= self.head + self.lookahead
            in_transit = self.jump is not None and self.jump.id == action.id
            if action.id in self.unacked and (near or in_transit):
                self.due.append(Due(action, redelivered=True))


def is_jump(action: Action) -> bool:
    return isinstance(action, Seek | ReplaySegment)


@pytest.fixture(scope="session")
def brute_force() -> type[BruteForce]:
    """The class of the oracle."""
    return BruteForce


@pytest.fixture(params=[Timeline, BruteForce], ids=["timeline", "brute_force"])
def make(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Makes a scheduler: once the real one, once the oracle, which is thus tried as well."""
    factory: Callable[..., Any] = request.param
    return factory
