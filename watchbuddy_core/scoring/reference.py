"""What a track is held against: what is said in a video, and what happens in it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator

from watchbuddy_core.actions import MediaSeconds
from watchbuddy_core.errors import InvalidReference
from watchbuddy_core.video import Cue


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class ReferenceEvent(_Part):
    """A moment that is worth a word."""

    at: MediaSeconds
    """When somebody who watches knows of it, in media seconds."""
    text: str = ""
    """What happens, for people who read the reference."""
    reveals: tuple[str, ...] = ()
    """Words that give it away: a line with one of them before `at` is a leak."""


def _ascending(events: tuple[ReferenceEvent, ...]) -> tuple[ReferenceEvent, ...]:
    return tuple(sorted(events, key=lambda event: event.at))


class Reference(_Part):
    """What is known of a video by those who made it, or have marked it up.

    All times are media seconds from the start of the whole video. What lies outside of
    `start_time` to `end_time` is not scored.
    """

    version: Literal[1] = 1
    title: str = ""
    """Its words give nothing away."""
    start_time: MediaSeconds = 0.0
    end_time: MediaSeconds
    dialogue: tuple[Cue, ...] = ()
    """What is said in the video."""
    events: Annotated[tuple[ReferenceEvent, ...], AfterValidator(_ascending)] = ()

    @model_validator(mode="after")
    def _has_a_length(self) -> Reference:
        if self.end_time <= self.start_time:
            raise ValueError("end_time is not after start_time")
        return self


def read_reference(content: bytes | str) -> Reference:
    """Of JSON.

    Raises:
        InvalidReference: it is none.
    """
    try:
        return Reference.model_validate_json(content)
    except ValidationError as exc:
        error = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        path = ".".join(map(str, error["loc"]))
        problem = error["msg"].removeprefix("Value error, ")
        raise InvalidReference(
            f"The reference cannot be read: {f'{path}: ' if path else ''}{problem}."
        ) from exc
