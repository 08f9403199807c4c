"""The default Scheduler: which actions are due, from nothing but what the player says.

Theory
======

There is no cursor. What the Timeline knows is where the playhead is and what it has
sent; *due* is a predicate over the actions near the playhead. An action at `t` is sent
after an event if

    start <= t <= head + lookahead, t <= end    it has been reached
    t >= head - lateness                        it is not stale
    t >= floor                                  no seek left it out (one that was never
                                                sent may lie `landing_lookback` before)
    it was not sent in this epoch               once per pass
    it was never sent, if it is a jump or       once per session
        was added with `once`

in the order (trigger, jumps last, insertion). A jump (SEEK, REPLAY_SEGMENT) ends its
batch and *holds* everything behind it until it has landed. A user's seek begins a new
epoch, which re-arms what lies ahead; moves that an action caused do not. END_REACTION
is exempt from lateness and floor: once per pass, when the head is at or past it.

    head    the furthest position reported since the last move; None: no report yet
    floor   where this stretch of playing began
    epoch   counts the user's seeks
    fired   the epoch in which each action was sent last

States
======

    IDLE    head is None            FOLLOW  none of the others
    HOLD    jump is set             REPLAY  replay is set: a replayed passage is playing
    SETTLE  settle is set: the playhead was moved explicitly (goes with FOLLOW, REPLAY)

    event               IDLE            FOLLOW                  HOLD
    ------------------  --------------  ----------------------  --------------------------
    report, ahead       join            follow, send            near the target: land;
    report, back <= B   -               nothing (jitter)          5 s over or 3 s past the
    report, back > B    -               user seek, send           origin: give the jump
                                                                  up, follow; else nothing
    seek                join, send      user seek, send         near the target: land;
                                                                  else user seek
    completed           nothing         forget as unacked       the jump: land
    connected           nothing before the client has said where it is: redeliver at the
                          first report that is not a seek

    REPLAY, checked first: a leap to near the origin returns; playing past both the end
    and the origin, or a seek elsewhere, forgets the return; its completion returns.
    SETTLE, checked before all: a report from the old place is stale and ignored for 2 s;
    a repeated seek to the same place is an echo and ignored.

Forward leaps without a seek are playing at coarse resolution, never seeks: a throttled
tab reports once a second, or once a minute.

Work per event
==============

The script finds a window by bisection. Everything up to the key `_examined` has had
its chance in this stretch of playing, so it is not looked at again; `_wake` is the
position before which no report can send anything. A report that reaches nothing costs
a comparison. Times inside are integer microseconds.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from math import isfinite
from typing import TypedDict, Unpack

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
    JumpState,
    PlayerEvent,
    Playhead,
    SeekUpdate,
    SettleState,
    Skipped,
    SkipReason,
    TimelineState,
    TimestampUpdate,
)
from watchbuddy_core.script import BEFORE_ALL, SECOND, Key, Script, first_at, last_at

_CATCH_UP_LIMIT = 30 * SECOND
_CATCH_UP_SPEAKS = 2
_PLAYED_PAST_ORIGIN = 3 * SECOND
_STALE_RADIUS = 2 * SECOND
_LOOKAHEAD_LIMIT = 30.0


def _microseconds(value: object, *, most: float = MAX_SECONDS) -> int:
    """Clamp to [0, most], then scale: scaling 1.8e308 first would overflow."""
    if isinstance(value, float):
        if 0.0 <= value <= most:  # False for NaN
            return round(value * SECOND)
        if isfinite(value):
            return 0 if value < 0.0 else round(most * SECOND)
    elif isinstance(value, int) and not isinstance(value, bool):
        return round(min(max(value, 0), most) * SECOND)
    raise InvalidPosition(value)


class TimelineOptions(TypedDict, total=False):
    """The keyword arguments of `Timeline`."""

    start: float
    end: float | None
    max_lateness: float
    back_tolerance: float
    landing_tolerance: float
    landing_lookback: float
    hold_seconds: float
    stale_seconds: float
    rearm_on_user_seek: bool


class Timeline:
    """Decides which actions are due. Performs no I/O and never reads a clock.

    Positions are media seconds from the start of the video; `now` is monotonic seconds
    from any origin. After every `add` and `receive`, call `actions_due` for what is to be
    sent. Deterministic: the same calls give the same answers.

    Args:
        start: of the range that is watched, in media seconds. Actions outside the range are kept
            and never due.
        end: of the range, likewise. None: that of the video.
        max_lateness: how long after its trigger an action may still be sent, in media
            seconds. It grows to the distance between two reports, up to 30 s, where that
            distance can have been played in the time between them.
        back_tolerance: a report this far back, in media seconds, is jitter; more is a seek.
        landing_tolerance: how near its target a jump counts as landed, in media seconds.
        landing_lookback: how far before a landing an action may lie that was never sent.
        hold_seconds: how long a jump may take to land, in monotonic seconds.
        stale_seconds: how long after a seek reports from the old place are ignored.
        rearm_on_user_seek: whether what was sent may be sent again after a user's seek.
    """

    def __init__(
        self,
        *,
        start: float = 0.0,
        end: float | None = None,
        max_lateness: float = 5.0,
        back_tolerance: float = 1.0,
        landing_tolerance: float = 1.0,
        landing_lookback: float = 0.25,
        hold_seconds: float = 5.0,
        stale_seconds: float = 2.0,
        rearm_on_user_seek: bool = True,
    ) -> None:
        self._last_position = MAX_SECONDS if end is None else end
        self._start = _microseconds(start)
        self._end = _microseconds(self._last_position)
        self._lateness = _microseconds(max_lateness)
        self._back = _microseconds(back_tolerance)
        self._near = _microseconds(landing_tolerance)
        self._lookback = _microseconds(landing_lookback)
        self._hold_seconds = hold_seconds
        self._stale_seconds = stale_seconds
        self._rearm = rearm_on_user_seek

        self._script = Script()
        self._once: set[str] = set()

        self._head: int | None = None
        self._head_at = 0.0
        self._now = 0.0
        self._floor = 0
        self._epoch = 0
        self._lookahead = 0
        self._jump: JumpState | None = None
        self._replay: JumpState | None = None
        self._settle: SettleState | None = None
        self._resync = False
        self._acks = False
        self._fired: dict[str, int] = {}
        self._unacked: dict[str, None] = {}
        self._crowded_out: set[str] = set()
        self._resend: set[str] = set()

        self._examined = BEFORE_ALL
        self._wake = 0
        self._moves = 0
        self._due: list[Due] = []
        self._skipped: dict[str, SkipReason] = {}

    # --- what goes in ------------------------------------------------------------------

    def add(self, actions: Iterable[Action], *, once: bool = False) -> None:
        """Take actions into the script, all or none.

        One that lies at the playhead, or less than the lateness behind it, is due at once;
        where a client has come back, as soon as it has said where it is.
        An id that is known already is left as it was: streams are retried.

        Args:
            once: send each at most once per session, as jumps always are.

        Raises:
            TypeError: something is not an action.
        """
        batch = list(actions)
        for action in batch:
            if not isinstance(getattr(action, "trigger_timestamp", None), float):
                raise TypeError(f"not an action: {action!r:.80}")
        for action in batch:
            if action.id not in self._script:
                self._store(action, once=once)
        self._now = self._head_at
        self._send_due(self._lateness)

    def withdraw(self, ids: Iterable[str]) -> None:
        """Take actions out of the script. What was sent stays sent; unknown ids are ignored."""
        for id in ids:
            if id not in self._script or id in self._fired:
                continue
            self._script.remove(id)
            self._once.discard(id)
            self._crowded_out.discard(id)
            self._resend.discard(id)
            self._skipped.pop(id, None)
        self._now = self._head_at
        self._send_due(self._lateness)  # a jump that is gone no longer cuts the lookahead

    def receive(self, event: PlayerEvent, *, now: float) -> None:
        """Take in what the player says.

        Raises:
            InvalidPosition: a time is not a finite number; the state is as it was.
        """
        if type(event) is TimestampUpdate:
            u = _microseconds(event.position, most=self._last_position)
            if (
                self._wake > u >= (self._head or 0)
                and self._settle is None
                and not self._resync
                and self._jump is None
                and self._replay is None
            ):
                self._head = u
                self._head_at = now
                return
            self._now = now
            self._report(u, now)
        elif isinstance(event, SeekUpdate):
            u = _microseconds(event.position, most=self._last_position)
            self._now = now
            self._seek(u, event, now)
        elif isinstance(event, ActionCompleted):
            self._now = now
            self._complete(event, now)
        elif isinstance(event, Connected):
            self._connect(event)
        else:
            raise TypeError(f"not a player event: {event!r:.80}")

    def was_sent(self, action_id: str) -> bool:
        """Whether the action has gone out in this session."""
        return action_id in self._fired

    def gives_up(self, action_id: str, report: TimestampUpdate, *, now: float) -> bool:
        """Whether this report would end the wait for a jump, as for one that was not made."""
        jump = self._jump
        if jump is None or jump.action_id != action_id:
            return False
        return self._is_given_up(jump, _microseconds(report.position), now)

    # --- what comes out ----------------------------------------------------------------

    def comes_again(self, action_id: str) -> bool:
        """Whether it is sent in each pass that plays over it, and not once in all."""
        return action_id not in self._once

    def actions_due(self) -> list[Due]:
        """Hand out, once, what is to be sent now, in order."""
        if not self._due:
            return []
        due, self._due = self._due, []
        return due

    def drain_skipped(self) -> list[Skipped]:
        """Hand out, once, what will not be sent in this pass, and why."""
        skipped = [Skipped(id, reason) for id, reason in self._skipped.items()]
        self._skipped.clear()
        return skipped

    def snapshot(self) -> TimelineState:
        """The state, without the actions: what `restore` needs."""
        return TimelineState(
            playhead=self.playhead, fired=dict(self._fired), unacked=tuple(self._unacked)
        )

    @property
    def playhead(self) -> Playhead:
        """The small part of the state, without the history of what was sent."""
        return Playhead(
            head=self._head,
            head_at=self._head_at,
            floor=self._floor,
            epoch=self._epoch,
            lookahead=self._lookahead,
            resync=self._resync,
            acks=self._acks,
            jump=self._jump,
            replay=self._replay,
            settle=self._settle,
            crowded_out=tuple(sorted(self._crowded_out)),
            resend=tuple(sorted(self._resend)),
        )

    @property
    def moves(self) -> int:
        """Grows whenever the playhead was moved, a jump ended or a client connected."""
        return self._moves

    @property
    def position(self) -> float | None:
        """The head in media seconds; None before the first report."""
        return None if self._head is None else self._head / SECOND

    @classmethod
    def restore(
        cls,
        state: TimelineState,
        actions: Iterable[Action],
        *,
        once: Container[str] = (),
        **options: Unpack[TimelineOptions],
    ) -> Timeline:
        """A Timeline that goes on where `snapshot` was taken, with the same options.

        Args:
            once: the ids of the actions that were added with `once`.

        It sends nothing by itself before the next event. `now` may come from another
        clock: waits that lie in that clock's future begin anew.
        """
        timeline = cls(**options)
        for action in actions:
            if action.id not in timeline._script:
                timeline._store(action, once=action.id in once)
        playhead = state.playhead
        timeline._head = playhead.head
        timeline._head_at = playhead.head_at
        timeline._floor = playhead.floor
        timeline._epoch = playhead.epoch
        timeline._lookahead = playhead.lookahead
        timeline._resync = playhead.resync
        timeline._acks = playhead.acks
        timeline._jump = playhead.jump
        timeline._replay = playhead.replay
        timeline._settle = playhead.settle
        timeline._crowded_out = set(playhead.crowded_out)
        timeline._resend = set(playhead.resend)
        timeline._fired = dict(state.fired)
        timeline._unacked = dict.fromkeys(state.unacked)
        timeline._examine_anew()
        return timeline

    # --- events ------------------------------------------------------------------------

    def _report(self, u: int, now: float) -> None:
        if self._settle is not None and self._is_stale(u, now):
            return
        epoch, waiting = self._epoch, len(self._due)
        unacked = tuple(self._unacked) if self._resync and self._acks else ()
        self._resync = False
        if self._head is None:
            self._join(u, now)
        elif self._jump is not None:
            self._report_in_hold(self._jump, u, now)
        else:
            self._follow(u, now)
        if self._epoch == epoch:
            self._due[waiting:waiting] = self._again(unacked)

    def _again(self, ids: Iterable[str]) -> list[Due]:
        """What a client that has come back may have missed, of what it has not completed."""
        head = self._head
        assert head is not None
        first, last = head - self._lateness, head + self._lookahead
        in_transit = self._jump.action_id if self._jump is not None else None
        keys = sorted(
            key
            for id, key in self._keys_of(id for id in ids if id in self._unacked)
            if first <= key[0] <= last or id == in_transit
        )
        return [Due(self._script[key], redelivered=True) for key in keys]

    def _report_in_hold(self, jump: JumpState, u: int, now: float) -> None:
        if abs(u - jump.target) <= self._near:
            self._land(u, now)
            self._send_due(self._lateness)
        elif self._is_given_up(jump, u, now):
            self._close_jump()
            self._follow(u, now)
        elif now < jump.since:
            self._jump = jump.model_copy(update={"since": now})

    def _is_given_up(self, jump: JumpState, u: int, now: float) -> bool:
        is_over = self._waited(jump.since, now) >= self._hold_seconds
        return is_over or u > jump.origin + _PLAYED_PAST_ORIGIN

    def _follow(self, u: int, now: float) -> None:
        head = self._head
        assert head is not None
        replay = self._replay
        if replay is not None:
            leapt = u < head - self._back or (u > head and not self._playable(u - head, now))
            if leapt and abs(u - replay.origin) <= self._near:
                self._return(max(u, replay.origin), now)
                return self._send_due(self._lateness)
            if u > max(replay.end, replay.origin) + self._near:
                self._forget_return()
        if u < head - self._back:
            self._user_seek(u, now)
            return self._send_due(self._lateness)
        if u < head:
            # Jitter moves nothing; but a hold may just have ended, or a client come back.
            return self._send_due(self._lateness)
        gap = u - head
        catching_up = gap > self._lateness and self._playable(gap, now)
        self._head = u
        self._head_at = now
        if catching_up:
            return self._send_due(
                max(self._lateness, min(gap, _CATCH_UP_LIMIT)), most_speaks=_CATCH_UP_SPEAKS
            )
        return self._send_due(self._lateness)

    def _seek(self, u: int, event: SeekUpdate, now: float) -> None:
        by_action = event.cause == "action"
        if self._head is None:
            self._resync = False
            self._move(u, now)
            self._settle = SettleState(origin=u, target=u, by_action=False, since=now)
            return self._send_due(self._lateness)
        if self._settle is not None and self._is_echo(u, now):
            return None
        origin = self._head
        jump, replay = self._jump, self._replay
        if jump is not None and (by_action or abs(u - jump.target) <= self._near):
            origin, by_action = jump.origin, True
            self._land(u, now)
        elif replay is not None and abs(u - replay.origin) <= self._near:
            by_action = True
            self._return(max(u, replay.origin), now)
        elif by_action:
            self._forget_return()
            self._move(u, now)
        else:
            self._user_seek(u, now)
            self._resync = False
        self._settle = SettleState(origin=origin, target=u, by_action=by_action, since=now)
        return self._send_due(self._lateness)

    def _complete(self, event: ActionCompleted, now: float) -> None:
        id = event.action_id
        if id in self._resend:
            self._resend.discard(id)
            self._fired[id] = self._epoch
        if id not in self._fired or self._head is None:
            return
        self._acks = True
        self._unacked.pop(id, None)
        jump = self._jump if self._jump is not None and self._jump.action_id == id else None
        replay = self._replay if self._replay is not None and self._replay.action_id == id else None
        if event.outcome in ("skipped", "interrupted"):
            # The playhead is where its reports say, not where the jump would have left it.
            if jump is not None:
                self._close_jump()
            elif replay is not None:
                self._forget_return()
        elif jump is not None:
            self._land(jump.target, now)
            if jump.returns:
                self._return(jump.origin, now)
            elif jump.end != jump.target:
                self._move(jump.end, now)
            self._settle_at(jump.origin, now)
        elif replay is not None:
            left = self._head
            self._return(replay.origin, now)
            self._settle_at(left, now)
        self._send_due(self._lateness)

    def _settle_at(self, left: int, now: float) -> None:
        """An action has moved the playhead here; reports from where it `left` are stale."""
        assert self._head is not None
        self._settle = SettleState(origin=left, target=self._head, by_action=True, since=now)

    def _connect(self, event: Connected) -> None:
        lookahead = _microseconds(event.lookahead, most=_LOOKAHEAD_LIMIT)
        if self._head is not None and self._lookahead:
            # The new client holds nothing: what went to the old one ahead of its playhead
            # cannot have been executed, so it counts as not sent.
            for id, (trigger, is_jump, _) in self._keys_of(tuple(self._unacked)):
                if trigger > self._head and not is_jump:
                    del self._unacked[id], self._fired[id]
                    self._resend.add(id)
        self._lookahead = lookahead
        self._resync = True
        self._examine_anew()

    # --- moves -------------------------------------------------------------------------

    def _join(self, u: int, now: float) -> None:
        from_the_start = u <= self._start + self._lateness
        if not from_the_start:
            self._note_jumped_over(self._start, u)
        self._head, self._head_at = u, now
        self._floor = self._start if from_the_start else u
        self._examine_anew()
        self._send_due(self._lateness)

    def _move(self, u: int, now: float) -> None:
        """Put the playhead somewhere else: what lies between is not played."""
        self._note_jumped_over(self._start if self._head is None else self._head, u)
        self._head, self._head_at, self._floor = u, now, u
        self._examine_anew()

    def _user_seek(self, u: int, now: float) -> None:
        self._close_jump()
        self._replay = None
        self._settle = None
        self._unacked.clear()
        self._move(u, now)
        if self._rearm:
            self._epoch += 1
            self._crowded_out.clear()
            self._resend.clear()

    def _land(self, u: int, now: float) -> None:
        jump = self._jump
        assert jump is not None
        self._close_jump()
        self._replay = jump if jump.returns else None
        self._move(u, now)

    def _return(self, u: int, now: float) -> None:
        replay = self._replay
        assert replay is not None
        self._replay = None
        self._head, self._head_at, self._floor = u, now, replay.floor
        self._examine_anew()

    def _forget_return(self) -> None:
        if self._replay is not None:
            self._replay = None
            self._examine_anew()

    def _close_jump(self) -> None:
        if self._jump is not None:
            self._unacked.pop(self._jump.action_id, None)
            self._jump = None
            self._examine_anew()

    # --- judging -----------------------------------------------------------------------

    def _playable(self, gap: int, now: float) -> bool:
        """Whether so much can have been played since the head was last confirmed."""
        return gap <= 2.5 * self._waited(self._head_at, now) * SECOND + SECOND

    @staticmethod
    def _waited(since: float, now: float) -> float:
        return max(now - since, 0.0)

    def _is_stale(self, u: int, now: float) -> bool:
        """Whether a report still shows the place that an explicit move has left.

        A polling client may report it for some hundred milliseconds. Taken at its word it
        would be a jump of its own.
        """
        settle = self._settle
        assert settle is not None
        if now < settle.since:
            settle = self._settle = settle.model_copy(update={"since": now})
        over = now - settle.since >= self._stale_seconds
        if settle.settled or over:
            if over:
                self._settle = None
            return False
        if settle.target - self._back <= u <= settle.target + self._lateness:
            self._settle = settle.model_copy(update={"settled": True})
            return False
        if abs(u - settle.origin) <= _STALE_RADIUS:
            return True
        self._settle = None
        return False

    def _is_echo(self, u: int, now: float) -> bool:
        """Whether a seek repeats the last one, as `seeking` and `seeked` of a page do."""
        settle = self._settle
        assert settle is not None
        assert self._head is not None
        if self._waited(settle.since, now) >= self._stale_seconds:
            return False
        if settle.by_action:
            return abs(u - settle.target) <= self._near
        played_on = self._head - settle.target
        return abs(u - settle.target) <= self._lookback and played_on <= self._lookback

    # --- sending -----------------------------------------------------------------------

    def _send_due(self, lateness: int, *, most_speaks: int | None = None) -> None:
        """Apply the one rule, and move on past everything that it has judged."""
        head = self._head
        if head is None or self._jump is not None or self._resync:
            return
        last = self._last_key(head)
        oldest = first_at(max(self._start, head - lateness, self._floor - self._lookback))
        for key in self._script.between(self._examined, min(oldest, last)):
            self._note_missed(key)

        first = max(self._examined, oldest)
        endings = [key for key in self._script.endings(first) if key[0] >= self._start]
        batch: list[Action] = []
        for key in (*endings, *self._script.between(first, last)):
            action = self._script[key]
            if self._may_fire(key, action, head):
                batch.append(action)
                if key[1]:
                    last = key
                    break
        self._examined = max(self._examined, last)
        if most_speaks is not None:
            batch = self._thinned(batch, most_speaks)
        for action in batch:
            self._send(action)
        self._wake = self._script.next_trigger(self._examined) - self._lookahead

    def _last_key(self, head: int) -> Key:
        """The end of what has been reached: jumps at the head, others `lookahead` on.

        Nothing goes out past a jump still to come: it may never be played.
        """
        ahead = min(head + self._lookahead, self._end)
        if ahead <= head:
            return last_at(head)
        for key in self._script.jumps(after=last_at(head)):
            if key[0] > ahead:
                break
            if key[0] >= self._start and self._script[key].id not in self._fired:
                ahead = key[0]
                break
        return last_at(ahead, jumps=False)

    def _may_fire(self, key: Key, action: Action, head: int) -> bool:
        trigger, is_jump, _ = key
        id = action.id
        epoch = self._fired.get(id)
        if epoch == self._epoch or id in self._crowded_out:
            return False
        if epoch is not None and id in self._once:
            return False
        if is_jump and (self._replay is not None or trigger > head):
            return False
        if isinstance(action, EndReaction) or trigger >= self._floor:
            return True
        return epoch is None and trigger >= self._floor - self._lookback

    def _thinned(self, batch: list[Action], most_speaks: int) -> list[Action]:
        lines = [action.id for action in batch if isinstance(action, Speak)]
        too_many = lines[: max(0, len(lines) - most_speaks)]
        self._crowded_out.update(too_many)
        self._skipped.update(dict.fromkeys(too_many, "crowded_out"))
        return [action for action in batch if action.id not in too_many]

    def _send(self, action: Action) -> None:
        id = action.id
        self._due.append(Due(action, redelivered=id in self._resend))
        self._resend.discard(id)
        self._fired[id] = self._epoch
        self._unacked.pop(id, None)
        self._unacked[id] = None
        self._skipped.pop(id, None)
        if isinstance(action, Seek):
            target = end = _microseconds(action.target_timestamp)
            self._open_jump(id, target, end, returns=False)
        elif isinstance(action, ReplaySegment):
            target = _microseconds(action.start_timestamp)
            end = _microseconds(action.end_timestamp)
            returns = action.post_replay_behavior is PostReplay.RESUME_FROM_ORIGINAL
            self._open_jump(id, target, end, returns=returns)

    def _open_jump(self, id: str, target: int, end: int, *, returns: bool) -> None:
        assert self._head is not None
        self._jump = JumpState(
            action_id=id,
            origin=self._head,
            target=min(target, self._end),
            end=min(end, self._end),
            returns=returns,
            floor=self._floor,
            since=self._now,
        )

    # --- the script --------------------------------------------------------------------

    def _store(self, action: Action, *, once: bool) -> None:
        key = self._script.add(action)
        if once or key[1]:
            self._once.add(action.id)
        self._examine_again(key)

    def _keys_of(self, ids: Iterable[str]) -> list[tuple[str, Key]]:
        return [(id, self._script.key_of(id)) for id in ids if id in self._script]

    def _examine_again(self, key: Key) -> None:
        """Give an action that has come, or come back, its chance."""
        if key <= self._examined:
            if key[0] < self._examine_since():
                return self._note_missed(key)
            self._examined = (key[0], key[1], key[2] - 1)
        self._wake = min(self._wake, key[0] - self._lookahead)

    def _examine_anew(self) -> None:
        """Give everything near the playhead its chance again: it, or a rule, has changed."""
        self._examined = first_at(self._examine_since())
        self._wake = 0
        self._moves += 1

    def _examine_since(self) -> int:
        """Nothing before this position can be sent in this stretch of playing."""
        if self._head is None:
            return -1
        return max(self._start, self._head - self._lateness, self._floor - self._lookback)

    # --- what is left out --------------------------------------------------------------

    def _note_jumped_over(self, origin: int, u: int) -> None:
        for key in self._script.between(last_at(origin), first_at(u - self._lookback)):
            self._note(key, "jumped_over")

    def _note_missed(self, key: Key) -> None:
        self._note(key, "late" if key[0] >= self._floor else "jumped_over")

    def _note(self, key: Key, reason: SkipReason) -> None:
        action = self._script[key]
        if (
            self._start <= key[0] <= self._end
            and self._fired.get(action.id) != self._epoch
            and action.id not in self._crowded_out
            and not (action.id in self._once and action.id in self._fired)
            and not isinstance(action, EndReaction)
        ):
            self._skipped[action.id] = reason
