"""What a worker is told, and what it tells: one JSON object a line.

    → Order     what to look for
    ← Found     what there is, without the video; or Failed
    → Go        fetch it
    ← Arriving  again and again
    ← Fetched   the files; or Failed

What a worker says comes from a site. It is checked before it is believed.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from watchbuddy_core.sources.ytdlp.troubles import Trouble


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True)


class Order(_Message):
    url: str
    exempt: tuple[str, ...] = ()
    """Places that may be connected to wherever they lie, as HOST:PORT."""
    proxy: str | None = None
    cookies: str | None = None
    """The content of a cookies file."""


class FoundChapter(_Message):
    start: float
    end: float
    title: str


class Found(_Message):
    type: Literal["found"] = "found"
    key: str | None
    """The site and its own name for the video. None: there is no such thing."""
    title: str
    duration: float | None = None
    """Seconds, as far as the site says it."""
    is_live: bool = False
    chapters: tuple[FoundChapter, ...] = ()


class Go(_Message):
    folder: str
    room: int
    """Bytes that all files together may have."""
    words_only: bool = False
    """Nothing but the subtitles is wanted."""
    lines: int
    """That the picture should have."""


class Arriving(_Message):
    type: Literal["arriving"] = "arriving"
    received: int
    whole: int | None = None
    """Bytes of all files, as far as they are known."""


class FetchedSubtitles(_Message):
    file: str
    language: str | None = None
    automatic: bool = False


class Fetched(_Message):
    type: Literal["fetched"] = "fetched"
    picture: str | None = None
    """The name of a file in the folder; it may have sound as well. None: it was not wanted."""
    sound: str | None = None
    subtitles: tuple[FetchedSubtitles, ...] = ()


class Failed(_Message):
    type: Literal["failed"] = "failed"
    trouble: Trouble
    detail: str = ""
    """For the log of the program, not for viewers."""


Told = Annotated[Found | Arriving | Fetched | Failed, Field(discriminator="type")]
TOLD: TypeAdapter[Found | Arriving | Fetched | Failed] = TypeAdapter(Told)
