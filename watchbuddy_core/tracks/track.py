"""The script of a session as a value, and as JSON."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from watchbuddy_core.actions import Action, Jump, MediaSeconds
from watchbuddy_core.entries import Drop
from watchbuddy_core.errors import InvalidTrack

TrackFormat = Literal["json", "vtt", "srt", "ass"]
"""What a script's file is; also the ending of its name."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class TrackVideo(_Part):
    """The video that a script was made for."""

    url: str
    """How it was asked for: a link, or `library:` and a path."""
    title: str | None = None
    duration: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Of the whole video, in seconds."""


def _in_order(actions: tuple[Action, ...]) -> tuple[Action, ...]:
    """By trigger, and jumps last at theirs: the order in which they are sent."""
    return tuple(
        sorted(actions, key=lambda action: (action.trigger_timestamp, isinstance(action, Jump)))
    )


def _each_once(actions: tuple[Action, ...]) -> tuple[Action, ...]:
    for id, count in Counter(action.id for action in actions).most_common(1):
        if count > 1:
            raise ValueError(f"{count} actions have the id {id}")
    return actions


class Track(_Part):
    """What a companion does in one video, from its first action to its last.

    All times are media seconds from the start of the whole video. Unknown keys are
    ignored: within a version the format gains optional ones only.
    """

    version: Literal[1] = 1
    video: TrackVideo | None = None
    start_time: MediaSeconds = 0.0
    end_time: MediaSeconds | None = None
    """The part of the video that is scripted. No end: that is not known."""
    character_id: str | None = None
    """Who watches along."""
    language: str | None = None
    """Of the spoken lines: an ISO 639-1 code."""
    generator: str | None = None
    """The name of the plugin that thought of the actions."""
    actions: Annotated[tuple[Action, ...], AfterValidator(_in_order), AfterValidator(_each_once)]
    """As they go over the wire, in the order in which they are sent."""
    dropped: tuple[Drop, ...] = ()
    """What was drafted and not kept, and why; by time."""


def to_json(track: Track) -> str:
    return track.model_dump_json(indent=2) + "\n"


def from_json(text: str) -> Track:
    """Raises: InvalidTrack."""
    try:
        return Track.model_validate_json(text)
    except ValidationError as exc:
        raise invalid(exc) from exc


def invalid(exc: ValidationError) -> InvalidTrack:
    """The first thing that is wrong, by the name of its field."""
    error = exc.errors(include_url=False, include_context=False, include_input=False)[0]
    if error["type"] == "json_invalid":
        return InvalidTrack("The track cannot be read: it is not valid JSON.")
    if error["loc"] == ("version",):
        return InvalidTrack("The track cannot be read: it was written by a newer version.")
    path = ".".join(map(str, error["loc"]))
    field = f"{path}: " if path else ""
    problem = error["msg"].removeprefix("Value error, ")
    if error["type"] == "union_tag_invalid":  # whose message repeats what was read
        problem = "there is no such action_type"
    return InvalidTrack(f"The track cannot be read: {field}{problem}.")
