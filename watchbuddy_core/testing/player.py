"""A video player with a viewer before it, in virtual time. Two seconds of a film:

player = FakePlayer(duration=60.0)
for now, event in player.step(2.0):
    timeline.receive(event, now=now)
    for due in timeline.actions_due():
        player.perform(due.action)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random
from typing import Literal, NamedTuple

from watchbuddy_core.actions import (
    Action,
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
from watchbuddy_core.events import (
    ActionCompleted,
    Outcome,
    PlayerEvent,
    SeekUpdate,
    TimestampUpdate,
)

_ECHO_DELAY = 0.1
"""Monotonic seconds between the reports of one seek, as between `seeking` and `seeked`."""
_ROUNDING = 1e-9
"""Media seconds by which sums of steps may miss a place."""


class Observed(NamedTuple):
    """What a player says, and when."""

    now: float
    """Monotonic seconds."""
    event: PlayerEvent


class Performed(NamedTuple):
    """What a player began to do, when, and where its playhead was."""

    now: float
    """Monotonic seconds."""
    position: float
    """Media seconds."""
    action: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How a player reports and obeys. The default is a good player: four reports a second,
    every action obeyed at once and acknowledged when it is done."""

    report_interval: float = 0.25
    """Monotonic seconds from one report of the position to the next."""
    report_jitter: float = 0.0
    """Each report comes up to this many monotonic seconds later than that."""
    lost_reports: float = 0.0
    """The share of reports, 0 to 1, that never arrive. Seeks always arrive."""
    reports_while_paused: bool = True
    tells_state: bool = False
    """Reports say whether the video is paused, and at which rate it plays."""

    obeys_seeks: bool = True
    obeys_replays: bool = True
    obeys_pauses: bool = True
    """PAUSE_VIDEO, and SPEAK with `pause_video`. Lines are said in any case."""
    seek_duration: float = 0.0
    """Monotonic seconds that a SEEK or REPLAY_SEGMENT takes to move the playhead, which
    plays on until then."""
    stale_seconds: float = 0.0
    """For so many monotonic seconds after any seek, reports still show the place it left."""
    seek_updates: int = 1
    """How often a seek is told: 0 never, 2 like a page that tells `seeking` and `seeked`."""
    tells_cause: bool = False
    """Seeks say whether the viewer or an action moved the playhead."""
    acknowledges: Literal["never", "on receipt", "when done"] = "when done"
    holds: bool = False
    """Actions that arrive ahead of the playhead wait for it; a viewer's seek drops them."""
    resumes_after: float = 1.0
    """Where an action leaves the video paused, the viewer presses play after so many
    monotonic seconds. `math.inf`: never."""

    def __post_init__(self) -> None:
        if not self.report_interval > 0.0:
            raise ValueError("report_interval must be more than 0 seconds")


def seconds_to_say(text: str) -> float:
    """A rough length of a spoken line: half a second, and fifteen characters a second."""
    return 0.5 + len(text) / 15


@dataclass(frozen=True, slots=True)
class _Replay:
    action: ReplaySegment
    origin: float
    end: float


class FakePlayer:
    """A video player with a viewer before it, in virtual time. Performs no I/O.

    It has no clock of its own: `step` or `advance` lets time pass and hands out what the
    player said meanwhile; `perform` gives it an action. Driven by a test it takes no time
    at all; over a real connection, call `advance` with the real (or scaled) monotonic time,
    at the latest at `wake_at`. Each `Observed.now` says when the event belongs.

    An action whose id is known from the same pass is a redelivery and ignored, apart from
    an acknowledgement that is repeated. The viewer's own seek begins a new pass.

    Args:
        duration: length of the video in media seconds.
        habits: how it reports and obeys.
        line_seconds: how long a line takes to say, in monotonic seconds. Lines are said
            one after another.
        random: decides jitter and losses; the same seed gives the same events.
        now: the monotonic second at which it begins.
        position: the media second at which it begins, playing at rate 1.
    """

    def __init__(
        self,
        duration: float,
        *,
        habits: Habits | None = None,
        line_seconds: Callable[[str], float] = seconds_to_say,
        random: Random | None = None,
        now: float = 0.0,
        position: float = 0.0,
    ) -> None:
        self.duration = duration
        self.habits = habits if habits is not None else Habits()
        self.now = now
        """Monotonic seconds."""
        self.position = position
        """Where the playhead really is, in media seconds, whatever was reported."""
        self.rate = 1.0
        """Media seconds per monotonic second while it plays; more than 0. May be set."""
        self.received: list[Action] = []
        """Everything given to `perform`, redeliveries too, in order."""
        self.performed: list[Performed] = []
        """What it began to do, in order. A line counts when it begins to be said."""

        self._line_seconds = line_seconds
        self._random = random if random is not None else Random(0)
        self._report_interval = self.habits.report_interval
        self._next_report = now
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._entries = 0
        self._outbox: list[Observed] = []
        self._paused_by: set[str] = set()
        self._voice_free_at = now
        self._known: set[str] = set()
        self._done: set[str] = set()
        self._held: list[Action] = []
        self._jump: Jump | None = None
        self._replay: _Replay | None = None
        self._stale_until = now
        self._stale_position = position

    # --- time ----------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        return bool(self._paused_by)

    @property
    def ended(self) -> bool:
        """Whether the playhead is at the end of the video."""
        return self.position >= self.duration

    @property
    def wake_at(self) -> float:
        """The monotonic second at which something happens next by itself."""
        moments = [self._next_report]
        if self._agenda:
            moments.append(self._agenda[0][0])
        if not self.paused:
            moments += [self.now + (to - self.position) / self.rate for to in self._places_ahead()]
        return max(self.now, min(moments))

    def step(self, seconds: float) -> list[Observed]:
        """Let `seconds` of monotonic time pass; see `advance`."""
        return self.advance(self.now + seconds)

    def advance(self, now: float) -> list[Observed]:
        """Let time pass until the monotonic second `now`, which is never earlier than before.

        Returns what the player has said since the last call, in order.
        """
        while (at := self.wake_at) <= now:
            self._pass_until(at)
            self._take_turn()
        self._pass_until(now)
        said, self._outbox = self._outbox, []
        return said

    # --- the viewer's hands ----------------------------------------------------------------

    def seek(self, position: float) -> None:
        """The viewer moves the playhead to a media second."""
        self._held.clear()
        self._known.clear()
        self._jump = None
        self._replay = None
        self._move(position, action_id=None)

    def pause(self) -> None:
        """The viewer pauses the video, whatever else pauses it."""
        self._paused_by.add("viewer")

    def play(self) -> None:
        """The viewer presses play: the video plays, even if an action had paused it."""
        self._paused_by.clear()

    def throttle(self, report_interval: float) -> None:
        """From now on report at this interval, as a hidden tab does at 1 or at 60 s.

        `throttle(player.habits.report_interval)` ends it.
        """
        if not report_interval > 0.0:
            raise ValueError("report_interval must be more than 0 seconds")
        self._report_interval = report_interval
        self._next_report = self.now + report_interval

    def reconnect(self) -> None:
        """The connection was lost and has been made anew: what was held is gone.

        The next report comes at once.
        """
        self._known -= {action.id for action in self._held}
        self._held.clear()
        self._next_report = self.now

    # --- actions ---------------------------------------------------------------------------

    def perform(self, action: Action) -> None:
        """Take in an action that was sent, now. What it leads to comes with the next step."""
        self.received.append(action)
        if action.id in self._known:
            if action.id in self._done:
                self._acknowledge(action, "done")
            return
        self._known.add(action.id)
        self._done.discard(action.id)
        if self.habits.acknowledges == "on receipt":
            self._say(ActionCompleted(action.id, "done"))
        if self.habits.holds and action.trigger_timestamp > self.position:
            self._held.append(action)
            self._held.sort(key=lambda held: held.trigger_timestamp)
        else:
            self._execute(action)

    def _execute(self, action: Action) -> None:
        match action:
            case Speak():
                start = max(self.now, self._voice_free_at)
                self._voice_free_at = start + self._line_seconds(action.text)
                self._at(start, lambda: self._begin_line(action))
                return
            case PauseVideo():
                obeyed = self.habits.obeys_pauses
            case Seek():
                obeyed = self.habits.obeys_seeks
            case ReplaySegment():
                obeyed = self.habits.obeys_replays
            case Expression() | EndReaction():
                obeyed = True
        if not obeyed:
            self._finish(action, "skipped")
            return
        self.performed.append(Performed(self.now, self.position, action))
        match action:
            case PauseVideo():
                self._pause_for(action, action.duration_seconds)
            case Seek() | ReplaySegment():
                self._leave_replay()
                self._jump = action
                self._at(self.now + self.habits.seek_duration, lambda: self._land(action))
            case _:
                self._finish(action, "done")

    def _begin_line(self, line: Speak) -> None:
        self.performed.append(Performed(self.now, self.position, line))
        seconds = self._line_seconds(line.text)
        if line.pause_video and self.habits.obeys_pauses:
            self._pause_for(line, seconds)
        else:
            self._at(self.now + seconds, lambda: self._finish(line, "done"))

    def _pause_for(self, action: Action, seconds: float) -> None:
        self._paused_by.add(action.id)

        def go_on() -> None:
            self._paused_by.discard(action.id)
            self._finish(action, "done")

        self._at(self.now + seconds, go_on)

    def _land(self, jump: Jump) -> None:
        if self._jump is not jump:  # the viewer, or another jump, was quicker
            self._finish(jump, "interrupted")
            return
        self._jump = None
        match jump:
            case Seek():
                self._move(jump.target_timestamp, action_id=jump.id)
                if jump.post_seek_behavior is PostSeek.STAY_PAUSED:
                    self._stay_paused(jump)
                self._finish(jump, "done")
            case ReplaySegment():
                end = min(jump.end_timestamp, self.duration)
                self._replay = _Replay(jump, origin=self.position, end=end)
                self._move(jump.start_timestamp, action_id=jump.id)

    def _end_replay(self, replay: _Replay) -> None:
        self._replay = None
        if replay.action.post_replay_behavior is PostReplay.RESUME_FROM_ORIGINAL:
            self._move(replay.origin, action_id=replay.action.id)
        else:
            self._stay_paused(replay.action)
        self._finish(replay.action, "done")

    def _leave_replay(self) -> None:
        if self._replay is not None:
            self._finish(self._replay.action, "interrupted")
            self._replay = None

    def _stay_paused(self, action: Action) -> None:
        self._paused_by.add(action.id)
        if math.isfinite(self.habits.resumes_after):
            self._at(
                self.now + self.habits.resumes_after,
                lambda: self._paused_by.discard(action.id),
            )

    def _finish(self, action: Action, outcome: Outcome) -> None:
        self._done.add(action.id)
        self._acknowledge(action, outcome)

    def _acknowledge(self, action: Action, outcome: Outcome) -> None:
        if self.habits.acknowledges == "when done":
            self._say(ActionCompleted(action.id, outcome))

    # --- what happens by itself --------------------------------------------------------------

    def _places_ahead(self) -> Iterable[float]:
        """Media seconds at which something happens when the playhead gets there."""
        if self._replay is not None:
            yield self._replay.end
        if self._held:
            yield self._held[0].trigger_timestamp
        if not self.ended:
            yield self.duration

    def _pass_until(self, now: float) -> None:
        if not self.paused:
            reached = self.position + (now - self.now) * self.rate
            self.position = min(reached, self.duration)
            if self.duration - self.position < _ROUNDING:
                self.position = self.duration
        self.now = now

    def _take_turn(self) -> None:
        while self._agenda and self._agenda[0][0] <= self.now:
            heappop(self._agenda)[2]()
        while self._held and self._is_reached(self._held[0].trigger_timestamp):
            self._execute(self._held.pop(0))
        if self._replay is not None and self._is_reached(self._replay.end):
            self._end_replay(self._replay)
        if self._next_report <= self.now:
            self._report()

    def _is_reached(self, place: float) -> bool:
        return self.position >= place - _ROUNDING

    def _at(self, now: float, what: Callable[[], None]) -> None:
        self._entries += 1
        heappush(self._agenda, (now, self._entries, what))

    def _move(self, position: float, *, action_id: str | None) -> None:
        self._stale_until = self.now + self.habits.stale_seconds
        self._stale_position = self.position
        self.position = min(max(position, 0.0), self.duration)
        told = SeekUpdate(self.position)
        if self.habits.tells_cause:
            told = SeekUpdate(self.position, "action" if action_id else "user", action_id)
        for n in range(self.habits.seek_updates):
            if n == 0:
                self._say(told)
            else:
                self._at(self.now + n * _ECHO_DELAY, lambda: self._say(told))

    def _report(self) -> None:
        late = self._random.uniform(0.0, self.habits.report_jitter)
        self._next_report = self.now + self._report_interval + late
        lost = self._random.random() < self.habits.lost_reports
        if lost or (self.paused and not self.habits.reports_while_paused):
            return
        shown = self._stale_position if self.now < self._stale_until else self.position
        if self.habits.tells_state:
            self._say(TimestampUpdate(shown, self.paused, self.rate))
        else:
            self._say(TimestampUpdate(shown))

    def _say(self, event: PlayerEvent) -> None:
        self._outbox.append(Observed(self.now, event))
