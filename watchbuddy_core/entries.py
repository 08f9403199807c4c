"""What can stand in a session's log.

The log is the seam between the one who makes a script (the producer) and the one
who delivers it (a connection's deliverer): they share nothing else. It is only
ever appended to. Reconnecting, taking over, restarting after a crash and
delivering from another process are all the same thing: reading the log.

Entries are tagged by `kind` and carry the `version` of their form. What delivery
has done is the fold of the log: `delivered` says which actions went out, and the
last `delivered` or `moved` holds the rest of the Timeline's state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from watchbuddy_core.actions import Action, Density, Draft, MediaSeconds
from watchbuddy_core.events import Outcome, Playhead
from watchbuddy_core.video import Chapter, Cue, Loudness, Speech, Video, Window

StageName = Literal["fetching", "understanding", "generating"]
FeedbackWish = Literal["less", "more", "mute", "unmute"]
Role = Literal["producer", "deliverer"]
Rung = Literal["video", "frames", "transcript"]
"""What a model works from: the video itself, pictures and text, or text alone."""
Purpose = Literal["window", "outline", "reply"]
"""What a model is asked for."""


class Notice(BaseModel):
    """Something is not as it could be, and the session goes on."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    """For the viewer."""


class Usage(BaseModel):
    """What model calls use, or may use."""

    model_config = ConfigDict(frozen=True)

    calls: int = Field(default=0, ge=0)
    prompt_tokens: int = Field(default=0, ge=0)
    completion_tokens: int = Field(default=0, ge=0)
    cost: float | None = Field(default=0.0, ge=0, allow_inf_nan=False)
    """In US dollars. None: the price of one is not known."""

    def __add__(self, other: Usage) -> Usage:
        known = self.cost is not None and other.cost is not None
        return Usage(
            calls=self.calls + other.calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cost=(self.cost or 0.0) + (other.cost or 0.0) if known else None,
        )


class OutlinePoint(BaseModel):
    """What happens in one passage."""

    model_config = ConfigDict(frozen=True)

    start: MediaSeconds
    end: MediaSeconds
    text: str


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1


class Stage(_Entry):
    """Producer: where the work is. What is known by then comes with it."""

    kind: Literal["stage"] = "stage"
    stage: StageName
    title: str | None = None
    duration: float | None = None
    """Of the whole video, in seconds; from the stage `generating` on."""
    start: MediaSeconds | None = None
    end: MediaSeconds | None = None
    """The range that will be scripted."""
    notes: tuple[str, ...] = ()
    """What cannot be done as wished, in sentences for the viewer."""
    estimate: Usage | None = None
    """What the whole script will use. None: it costs nothing, or nobody knows."""
    video: Video | None = None
    """What the source has handed over: files on the machine that fetched them."""
    chapters: tuple[Chapter, ...] = ()
    """Of the whole video; from the stage `generating` on."""
    attempt: int = 0
    """The number of the producer's fence; 0 in what was written before it was kept."""


class Failed(_Entry):
    """Producer: why it ended."""

    kind: Literal["failed"] = "failed"
    code: str
    message: str
    retryable: bool = False


class Ready(_Entry):
    """Producer: the whole range is scripted."""

    kind: Literal["ready"] = "ready"


class Spent(_Entry):
    """Producer: what one model call used."""

    kind: Literal["spent"] = "spent"
    purpose: Purpose = "window"
    window: int | None = None
    """Its index, where it was one."""
    model: str
    usage: Usage


class Outlined(_Entry):
    """Producer: what happens in the whole range, as its generator has read it."""

    kind: Literal["outlined"] = "outlined"
    points: tuple[OutlinePoint, ...] = ()
    problem: str | None = None
    """Why there are none."""


class Heard(_Entry):
    """Producer: what was heard in one window of a video without subtitles."""

    kind: Literal["heard"] = "heard"
    window: Window
    speech: tuple[Speech, ...] = ()
    """When somebody speaks."""
    cues: tuple[Cue, ...] = ()
    """What they say, as far as somebody has written it down."""
    problem: str | None = None
    """Why not all of it is: a sentence for the viewer."""


class Scripted(_Entry):
    """Producer: one window's drafts, as generated, before placement."""

    kind: Literal["window"] = "window"
    window: Window
    drafts: tuple[Draft, ...]
    generator: str
    """The name of the plugin that made them."""
    rung: Rung | None = None
    """What it worked from, where it has a choice."""
    memory: str = ""
    """What is to be remembered in later windows."""
    notices: tuple[Notice, ...] = ()
    remarks: tuple[str, ...] = ()
    """What the status tells and the viewer is not bothered with."""
    rejected: dict[str, int] = {}
    """What could not be made into drafts: how often, by reason."""
    loudness: Loudness | None = None
    """How loud the window is. None: nobody has listened, or there is no sound."""
    cached: bool = False
    """Whether the drafts were made for somebody else, or earlier."""
    problem: str | None = None
    """Why there are no drafts, where generating failed for good: a sentence for the viewer."""


class Drop(BaseModel):
    """A draft that placement did not keep, or that delivery skipped."""

    model_config = ConfigDict(frozen=True)

    reason: str
    """`spoiler`, `no_gap`, `density`, `pauses`, `repeated`, `jumps`, `out_of_range`, …"""
    trigger_timestamp: MediaSeconds
    action_type: str
    text: str | None = None


class Placed(_Entry):
    """Producer: actions placed from one window's drafts, and what was dropped."""

    kind: Literal["placed"] = "placed"
    window: int
    actions: tuple[Action, ...]
    dropped: tuple[Drop, ...] = ()


class Withdrawn(_Entry):
    """Either: actions that must not be sent any more."""

    kind: Literal["withdrawn"] = "withdrawn"
    ids: tuple[str, ...]
    reason: str


class Joined(_Entry):
    """Deliverer: a connection has taken the session over. Older ones end on reading it."""

    kind: Literal["joined"] = "joined"
    connection: int
    lookahead: float = 0.0
    early_ready: bool = False


class Wanted(_Entry):
    """Deliverer: where the viewer is; at most one a second, and at once after a seek."""

    kind: Literal["wanted"] = "wanted"
    position: MediaSeconds
    moved: bool = False
    """The playhead was moved here, rather than having played on."""
    paused: bool | None = None
    ahead: int | None = None
    """How many windows to script ahead of the position. None: all."""


class Delivered(_Entry):
    """Deliverer: actions that are sent as soon as this entry stands."""

    kind: Literal["delivered"] = "delivered"
    ids: tuple[str, ...]
    lateness: tuple[float, ...] = ()
    """How far the playhead was behind the trigger of each of them, in media seconds."""
    redelivered: tuple[str, ...] = ()
    playhead: Playhead


class Moved(_Entry):
    """Deliverer: the playhead was moved, or a jump has ended."""

    kind: Literal["moved"] = "moved"
    playhead: Playhead


class Acked(_Entry):
    """Deliverer: the client is through with an action."""

    kind: Literal["acked"] = "acked"
    action_id: str
    outcome: Outcome | None = None
    heard_text: str | None = None
    seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """How long the line took to say. None: it is no line, or was disturbed."""


class Asked(_Entry):
    """Deliverer: the viewer said something to the companion."""

    kind: Literal["asked"] = "asked"
    message_id: str
    text: str
    position: MediaSeconds


class Replied(_Entry):
    """Producer: a part of the answer; its actions fire at most once."""

    kind: Literal["replied"] = "replied"
    message_id: str
    """Of the last message that is answered: several in a row have one answer."""
    actions: tuple[Action, ...]
    finished: bool
    dropped: tuple[Drop, ...] = ()
    problem: str | None = None
    """Why it is no whole answer: a sentence for the viewer."""


class Interrupted(_Entry):
    """Deliverer: the viewer wants to hear no more of an answer, or none."""

    kind: Literal["interrupted"] = "interrupted"


class LeftOut(_Entry):
    """Deliverer: actions that were due and not sent, in this pass."""

    kind: Literal["left_out"] = "left_out"
    ids: tuple[str, ...]
    reason: str


class Feedback(_Entry):
    """Deliverer: the viewer wants more, or less."""

    kind: Literal["feedback"] = "feedback"
    wish: FeedbackWish
    density: Density
    """What is in force from here on."""


class Cancelled(_Entry):
    """Control: the session was deleted."""

    kind: Literal["cancelled"] = "cancelled"
    message: str | None = None
    """Why, for the viewer. None: somebody has deleted it."""


Entry = Annotated[
    Stage
    | Failed
    | Ready
    | Spent
    | Outlined
    | Heard
    | Scripted
    | Placed
    | Withdrawn
    | Joined
    | Wanted
    | Delivered
    | Moved
    | Acked
    | Asked
    | Replied
    | Interrupted
    | LeftOut
    | Feedback
    | Cancelled,
    Field(discriminator="kind"),
]

ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)

DISPENSABLE = frozenset({"wanted", "acked", "left_out"})
"""Kinds of entries that tell where a viewer was, and no more: what a store may pass over when it
has little room. Without them nothing is sent twice."""


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry and its place in the log, counted from 1."""

    position: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class Fence:
    """The right to write: a connection's or an attempt's number.

    The newest of a role may append; entries of older ones are refused.
    """

    role: Role
    number: int
