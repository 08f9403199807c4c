"""What the companion can do, as it goes over the wire; and a draft of it.

An action is a flat JSON object. Its keys and their order are those of the API
document: `id`, `trigger_timestamp`, `comment`, `action_type`, then its own.
Times are media seconds from the start of the video, in whole milliseconds.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal
from uuid import uuid4

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

MAX_SECONDS = 1e9
"""No media time lies beyond this (31 years): what is larger is a mistake."""


def _to_milliseconds(seconds: float) -> float:
    return round(seconds, 3)


MediaSeconds = Annotated[
    float,
    Field(strict=True, ge=0, le=MAX_SECONDS, allow_inf_nan=False),
    AfterValidator(_to_milliseconds),
]
"""A finite, non-negative media time; numbers only (no text, no booleans)."""


Density = Literal["muted", "quiet", "normal", "chatty"]
"""How much of the companion there is, from faces alone to a lot."""


class Emotion(StrEnum):
    """The faces a client can be asked to show."""

    NEUTRAL = "neutral"
    COLDNESS = "coldness"
    DISGUST = "disgust"
    SAD = "sad"
    WORRY = "worry"
    CONFUSION = "confusion"
    ANGER = "anger"
    SURPRISE = "surprise"
    EXPECTATION = "expectation"
    JOY = "joy"
    EXCITEMENT = "excitement"
    PRIDE = "pride"
    SHY = "shy"
    STUNNED = "stunned"
    EMBARRASSED = "embarrassed"
    PLAY_COOL = "play_cool"
    DRINK_TEA = "drink_tea"


class PostSeek(StrEnum):
    """What the player does once a SEEK has landed."""

    RESUME_PLAYBACK = "RESUME_PLAYBACK"
    STAY_PAUSED = "STAY_PAUSED"


class PostReplay(StrEnum):
    """What the player does once a REPLAY_SEGMENT has been played."""

    RESUME_FROM_ORIGINAL = "RESUME_FROM_ORIGINAL"
    STAY_PAUSED_AT_END = "STAY_PAUSED_AT_END"


class _Action(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(default_factory=lambda: str(uuid4()), min_length=1, max_length=64)
    """A UUID. Placement gives every action that leaves a session an id of its own."""
    trigger_timestamp: MediaSeconds
    """When the action is due, in media seconds."""
    comment: str = Field(default="", max_length=1000)
    """Why the action is there; for people who read the script, never spoken."""


class Speak(_Action):
    """Say a line. Clients say one line after another."""

    action_type: Literal["SPEAK"] = "SPEAK"
    text: str = Field(min_length=1, max_length=2000)
    pause_video: bool = False
    """The player pauses while the line is spoken and goes on after it."""


class PauseVideo(_Action):
    """Pause the video for a while."""

    action_type: Literal["PAUSE_VIDEO"] = "PAUSE_VIDEO"
    duration_seconds: Annotated[float, Field(strict=True, gt=0, le=600, allow_inf_nan=False)]


class Seek(_Action):
    """Jump to another position."""

    action_type: Literal["SEEK"] = "SEEK"
    target_timestamp: MediaSeconds
    post_seek_behavior: PostSeek = PostSeek.RESUME_PLAYBACK


class ReplaySegment(_Action):
    """Play a passage once more."""

    action_type: Literal["REPLAY_SEGMENT"] = "REPLAY_SEGMENT"
    start_timestamp: MediaSeconds
    end_timestamp: MediaSeconds
    post_replay_behavior: PostReplay = PostReplay.RESUME_FROM_ORIGINAL


class Expression(_Action):
    """Make a face."""

    action_type: Literal["EXPRESSION"] = "EXPRESSION"
    emotion: Emotion


class EndReaction(_Action):
    """The companion has said goodbye. The video goes on."""

    action_type: Literal["END_REACTION"] = "END_REACTION"


Action = Annotated[
    Speak | PauseVideo | Seek | ReplaySegment | Expression | EndReaction,
    Field(discriminator="action_type"),
]
"""Any action. Decode with `ACTION.validate_json(raw)`, encode with `ACTION.dump_json(action)`."""

Jump = Seek | ReplaySegment
"""The actions that move the playhead."""

ACTION: TypeAdapter[Action] = TypeAdapter(Action)


class Draft(BaseModel):
    """An action as a generator proposes it, with what placement needs to judge it.

    The draft's own `action.id` means nothing: placement gives ids.
    """

    model_config = ConfigDict(frozen=True)

    action: Action
    evidence_until: MediaSeconds | None = None
    """The latest media second that the action shows, quotes or gives away.

    None: the generator claims nothing, and placement works it out from the cues.
    """
    importance: float = Field(default=0.5, ge=0, le=1, allow_inf_nan=False)
    """0 to 1. Where not everything fits, the least important goes first."""
    cues: tuple[int, ...] = ()
    """Indices, in the brief's understanding, of the cues that the action refers to."""
