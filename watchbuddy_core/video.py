"""A video, and what is known about it.

All times are media seconds from the start of the whole video, whatever part of
it a session watches.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from watchbuddy_core.actions import MediaSeconds


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True)


class VideoRequest(_Fact):
    """What to watch, and which part of it."""

    url: str
    start_time: float = 0.0
    end_time: float | None = None
    """None: to the end of the video."""
    words_only: bool = False
    """Nobody here needs to see it: what is said is enough. A source may fetch all the same."""


class SubtitleFile(_Fact):
    """Subtitles that lie beside a video."""

    path: Path
    language: str | None = None
    """An ISO 639 code, where it is known."""
    automatic: bool = False


class Chapter(_Fact):
    start: MediaSeconds
    end: MediaSeconds
    title: str


class Video(_Fact):
    """What a source hands over. Its content is probed before it is believed."""

    content_id: str
    """The same for the same content, whoever asks: the key of every cache."""
    title: str
    path: Path | None
    """A local file. None: nobody here sees the video, there are but its subtitles."""
    subtitles: tuple[SubtitleFile, ...] = ()
    """In order of preference."""
    chapters: tuple[Chapter, ...] = ()
    """By its site, where the file names none."""
    duration: float | None = None
    """Seconds, by its site, where there is no file to tell."""


class Stream(_Fact):
    kind: Literal["video", "audio", "subtitle"]
    codec: str
    language: str | None = None
    width: int | None = None
    height: int | None = None
    frame_rate: float | None = None
    sample_rate: int | None = None


class Cue(_Fact):
    """A subtitle: what is said, or heard, from `start` to `end`."""

    start: MediaSeconds
    end: MediaSeconds
    text: str
    """What is said, without markup, speaker names and sound marks. May be empty."""
    speaker: str | None = None
    sounds: tuple[str, ...] = ()
    """Sound marks such as `laughs` or `♪`, without their brackets."""


class Scene(_Fact):
    """A passage between two cuts."""

    start: MediaSeconds
    end: MediaSeconds
    change: float = Field(ge=0, le=1)
    """How unlike the picture before it is: 0 the same, 1 nothing in common."""
    motion: float | None = Field(default=None, ge=0, le=1)
    """How much the picture changes within: 0 stands still. None: nobody has looked."""


class Sound(_Fact):
    """A passage that sounds different from what is around it."""

    kind: Literal["loud", "quiet", "silence"]
    start: MediaSeconds
    end: MediaSeconds
    level: float
    """Loudness in dB against the median of the surroundings; below 0 is quieter."""


class Speech(_Fact):
    """A passage in which somebody speaks, whatever they say."""

    start: MediaSeconds
    end: MediaSeconds


class Loudness(_Fact):
    """How loud a passage is, second by second."""

    start: MediaSeconds
    levels: tuple[int, ...]
    """In dB of full scale, from -60 (nothing is heard) to 0. The last may be of less than a
    second."""


class Overview(_Fact):
    """What demuxing alone tells about the whole video, without decoding a picture."""

    duration: float = Field(gt=0, allow_inf_nan=False)
    streams: tuple[Stream, ...]
    chapters: tuple[Chapter, ...] = ()
    keyframes: tuple[float, ...] = ()
    """Times of the keyframes, ascending."""
    cues: tuple[Cue, ...] = ()
    """All subtitles, ascending by start."""
    language: str | None = None
    """Of the subtitles: an ISO 639-1 code, where it is known."""


class KeyFrame(BaseModel):
    """A picture of the video that is worth showing to a model."""

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    at: MediaSeconds
    jpeg: bytes
    """Base64 in JSON."""
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    reason: Literal["scene", "loud", "between"]
    """It stands for its scene; it was loud then; or it fills a long gap."""


class Window(_Fact):
    """One piece of the range: the unit of work, of retry, of caching and of cost."""

    index: int = Field(ge=0)
    start: MediaSeconds
    end: MediaSeconds


class Understanding(_Fact):
    """What is known of a stretch of the range, up to `end`; nothing later.

    The stretch begins with the range, or where the viewer has leapt ahead of what was
    looked into. Subtitles and chapters are known from the start of the range in any case.
    """

    start: MediaSeconds
    """Where the stretch begins: there are no scenes and sounds before it."""
    end: MediaSeconds
    cues: tuple[Cue, ...] = ()
    scenes: tuple[Scene, ...] = ()
    sounds: tuple[Sound, ...] = ()
    loudness: tuple[Loudness, ...] = ()
    """Of each window that was listened to, ascending."""
    speech: tuple[Speech, ...] | None = None
    """Ascending. None: nobody has listened for it, since there are subtitles to tell."""
    chapters: tuple[Chapter, ...] = ()
    """Those that have begun by `end`."""
    has_picture: bool = True
    has_sound: bool = True
    language: str | None = None


def clock(seconds: float) -> str:
    """A position as players show it: `1:05`, `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
