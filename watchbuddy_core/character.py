"""Who is watching along.

A character is data: who it is, in words for a model, and phrases for the
generator that works without one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from watchbuddy_core.actions import Density, Emotion


class MomentKind(StrEnum):
    """What can happen in a video that a companion reacts to."""

    OPENING = "opening"
    """The first seconds of the range."""
    SCENE = "scene"
    """A cut to a clearly different picture."""
    STILL = "still"
    """The picture has hardly moved for long."""
    LOUD = "loud"
    """It suddenly gets loud."""
    QUIET = "quiet"
    """It suddenly goes quiet, or silent."""
    QUESTION = "question"
    """Somebody asks something."""
    EXCLAMATION = "exclamation"
    """Somebody cries out."""
    SAYING = "saying"
    """Somebody says something worth picking up."""
    LAUGHTER = "laughter"
    MUSIC = "music"
    SOUND = "sound"
    """Subtitles name a sound: a door, thunder, steps."""
    CHAPTER = "chapter"
    """A chapter begins."""
    LULL = "lull"
    """Nothing of note has happened for a while; the time that passed is the topic."""
    REPLAY = "replay"
    """A moment is worth seeing twice."""
    ENDING = "ending"
    """The end of the range is near."""


class AnswerKind(StrEnum):
    """What a viewer can say that is answered without understanding it."""

    HELLO = "hello"
    """A greeting, or thanks."""
    SAID = "said"
    """What was said just now?"""
    WHERE = "where"
    """How far are we?"""
    UNKNOWN = "unknown"
    """Anything else: it takes a language model to know."""
    UNSEEN = "unseen"
    """The answer would tell what is still to come, or nothing was seen yet."""


class Phrase(BaseModel):
    """A line with slots, such as `“{quote}” … {quote}?`.

    Slots: {quote} words just said, {word} one of them, {speaker} who said them,
    {sound} a named sound, {chapter} a title, {title} the video's, {time} the
    position in words, {minutes} whole minutes watched, {seconds} a length.
    A phrase is used only where each of its slots can be filled.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(min_length=1, max_length=300)
    emotion: Emotion | None = None
    """The face that goes with it."""
    pause: bool = False
    """Worth stopping the video for."""


Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
"""Red, green and blue, such as `#ff8800`."""


class Look(BaseModel):
    """What a drawn face of the character looks like. What is left out is the drawer's choice."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    skin: Colour | None = None
    hair: Colour | None = None
    """Of the hair, the brows, the beard, and of a cat's ears."""
    eyes: Colour | None = None
    clothes: Colour | None = None
    """Also what marks the character elsewhere on the screen."""
    style: Literal["short", "bob", "long", "curly", "bun", "bald"] | None = None
    """Of the hair."""
    ears: Literal["human", "cat", "none"] | None = None
    glasses: bool = False
    beard: bool = False


class Character(BaseModel):
    """One companion. `revision` changes whenever anything else in it does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    name: dict[str, str] = Field(min_length=1)
    """By language (ISO 639-1); the first is the character's own."""
    description: dict[str, str] = {}
    """By language: who it is, in one line for people."""
    persona: str = ""
    """Who it is and how it talks, in words for a model."""
    examples: tuple[str, ...] = ()
    """Lines in its voice."""
    look: Look | None = None
    """None: somebody, always the same for the same id."""
    density: Density | None = None
    """How much it says where the viewer does not ask for anything else; None: what is usual."""
    phrases: dict[str, dict[MomentKind, tuple[Phrase, ...]]] = {}
    """By language, by moment."""
    answers: dict[str, dict[AnswerKind, tuple[Phrase, ...]]] = {}
    """By language, by what was asked: what it answers where no model does. What is missing
    is said as anybody would say it."""
    revision: str = ""

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages it speaks, its own first."""
        return tuple(self.phrases) or tuple(self.name)
