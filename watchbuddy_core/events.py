"""What a player tells the Timeline, what the Timeline answers, and what it remembers.

`position` is in media seconds from the start of the video. The moment at which
an event was observed travels beside it as `now`, in monotonic seconds: the two
clocks are never mixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from watchbuddy_core.actions import Action

SeekCause = Literal["user", "action"]
Outcome = Literal["done", "skipped", "interrupted"]
SkipReason = Literal["late", "jumped_over", "crowded_out"]


@dataclass(frozen=True, slots=True)
class TimestampUpdate:
    """The player is at `position`."""

    position: float
    paused: bool | None = None
    """None: the player does not say."""
    playback_rate: float | None = None
    """1.0 is normal speed. None: the player does not say."""


@dataclass(frozen=True, slots=True)
class SeekUpdate:
    """The player was moved to `position`."""

    position: float
    cause: SeekCause | None = None
    """Who moved it; None: the player does not say, which is read as the user."""
    action_id: str | None = None
    """The SEEK or REPLAY_SEGMENT that moved it, where an action did."""


@dataclass(frozen=True, slots=True)
class ActionCompleted:
    """The player is through with an action."""

    action_id: str
    outcome: Outcome | None = None
    heard_text: str | None = None
    """The part of a line that was really heard, where it was interrupted."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A client has connected, for the first time or again. It holds nothing yet."""

    lookahead: float = 0.0
    """How far ahead, in media seconds, it takes actions and holds them itself."""


PlayerEvent = TimestampUpdate | SeekUpdate | ActionCompleted | Connected
"""What a Scheduler is told of the player."""


@dataclass(frozen=True, slots=True)
class Due:
    """An action to send now."""

    action: Action
    redelivered: bool = False
    """It was sent before, and its completion was never reported."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """An action that will not be sent in this pass, and why.

    late: the position had moved further past it than the lateness limit.
    jumped_over: a seek or a jump left it out.
    crowded_out: one report covered too many lines at once.
    """

    action_id: str
    reason: SkipReason


class _State(BaseModel):
    model_config = ConfigDict(frozen=True)


class JumpState(_State):
    """A SEEK or REPLAY_SEGMENT that was sent and has not landed yet."""

    action_id: str
    origin: int
    target: int
    """Where it lands, in microseconds, as `origin` is."""
    end: int
    """Where it leaves the playhead: the target, or the end of a replayed passage."""
    returns: bool
    """A replay whose client goes back to `origin` afterwards."""
    floor: int
    """The floor before the jump, in force again after a return."""
    since: float
    """`now` when it was sent."""


class SettleState(_State):
    """A place the playhead was explicitly moved to, and may not have reported from yet."""

    origin: int
    target: int
    by_action: bool
    since: float
    settled: bool = False
    """A report from the target has come; only the echo of the seek is still expected."""


class Playhead(_State):
    """The Timeline's state without its history; about 200 bytes of JSON.

    Media times are integer microseconds, `…_at` and `since` are monotonic seconds.
    """

    head: int | None = None
    head_at: float = 0.0
    """`now` when the head was last reported or set."""
    floor: int = 0
    epoch: int = 0
    lookahead: int = 0
    resync: bool = False
    acks: bool = False
    jump: JumpState | None = None
    replay: JumpState | None = None
    settle: SettleState | None = None
    crowded_out: tuple[str, ...] = ()
    """Passed over in this epoch, since one report covered too many lines at once."""
    resend: tuple[str, ...] = ()
    """Sent ahead to an older connection that cannot have executed them any more."""


class TimelineState(_State):
    """All that a Timeline needs, beside its actions, to go on exactly where it was."""

    playhead: Playhead = Playhead()
    fired: dict[str, int] = {}
    """The epoch in which each action was sent last."""
    unacked: tuple[str, ...] = ()
    """Sent in this epoch and not reported as completed, oldest first."""
