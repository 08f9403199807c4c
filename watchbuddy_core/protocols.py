"""What plugins promise: the contracts of sources, generators, transcribers and schedulers, each of
one to four methods.

A class fulfils one by having its methods; nothing needs to be inherited.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from watchbuddy_core.actions import Action, Draft
from watchbuddy_core.character import Character
from watchbuddy_core.entries import Notice, OutlinePoint, Rung, Usage
from watchbuddy_core.events import Due, PlayerEvent
from watchbuddy_core.video import (
    Cue,
    KeyFrame,
    Overview,
    Understanding,
    Video,
    VideoRequest,
    Window,
)

Progress = Callable[[float | None, str], None]
"""Called with a fraction done (0 to 1, or None where unknown) and what is happening."""


def untold(fraction: float | None, message: str) -> None:
    """A Progress that nobody follows."""


class Match(IntEnum):
    """How well a source and a URL fit. The highest wins."""

    NO = 0
    FALLBACK = 1
    """May work; anything that knows the site goes first."""
    SITE = 2
    """Made for this site."""
    OVERRIDE = 3
    """Goes before the built-in source for the site."""


@runtime_checkable
class VideoSource(Protocol):
    """Fetches videos from one kind of place."""

    def match(self, url: str) -> Match:
        """Say whether this source opens `url`. Cheap; performs no I/O."""
        ...

    async def open(self, request: VideoRequest, progress: Progress) -> Video:
        """Fetch the video, or enough of it to be understood.

        Cancelling it leaves nothing half-done behind.

        Raises:
            ProcessingFailed: VideoUnavailable, VideoDownloadFailed and the like.
        """
        ...


@dataclass(frozen=True, slots=True)
class ListedVideo:
    """A file that a source holds, as it was when it was listed."""

    url: str
    path: Path
    size_bytes: int
    modified_at: float
    """Seconds since 1970."""


@runtime_checkable
class Catalogue(Protocol):
    """A source that can say what it holds."""

    async def listing(self) -> Sequence[ListedVideo]:
        """Everything that can be asked for, in any order."""
        ...


@runtime_checkable
class Keeper(Protocol):
    """A source that keeps files for as long as sessions need them.

    It belongs to the sessions of one store: of others it is told nothing.
    """

    async def tidy(self, in_use: Collection[str]) -> None:
        """Delete what no session needs any more.

        Called when the program starts, now and then, and when a session has ended. Calls
        may overlap.

        Args:
            in_use: the `video_url` of every session that has not ended.
        """
        ...


@dataclass(slots=True)
class Payment:
    """What a call is known to have used so far. Keep it up to date: the call may be cut off."""

    used: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class WorkReport:
    """What a generator tells of its work on one window, beside its drafts."""

    rung: Rung | None = None
    """What it really worked from, where it has a choice."""
    memory: str = ""
    """What is to be remembered in later windows: a few sentences."""
    notices: tuple[Notice, ...] = ()
    """What the viewer is told."""
    remarks: tuple[str, ...] = ()
    """What stands in the session's status alone, in sentences."""
    rejected: Mapping[str, int] = field(default_factory=dict)
    """What could not be made into drafts: how often, by reason."""
    is_whole: bool = True
    """Whether it came to its end: what did not is made anew when it is wanted again."""
    retracted: int = 0
    """So many of the first drafts do not count: the model was but thinking aloud."""


@runtime_checkable
class Desk(Protocol):
    """Where a generator works: what it may look at, what it may spend, and whom it tells."""

    async def pictures(self) -> Sequence[KeyFrame]:
        """Pictures of the window, in order. They are decoded when they are asked for.

        None, where there is no picture, or nobody here holds the video.
        """
        ...

    def paying(self, model: str, most: Usage) -> AbstractAsyncContextManager[Payment]:
        """Enter it for a call that costs money or tokens, and keep the payment up to date.

        Args:
            most: what the call may use, which is reserved until it has ended.

        Raises:
            BudgetReached: on entering; the call is not to be made.
        """
        ...

    def report(self, report: WorkReport) -> None:
        """Tell how the work went; the last report counts."""
        ...


class EmptyDesk:
    """A Desk with nothing to look at, nothing to pay, and nobody who listens."""

    async def pictures(self) -> Sequence[KeyFrame]:
        return ()

    @asynccontextmanager
    async def paying(self, model: str, most: Usage) -> AsyncIterator[Payment]:
        yield Payment()

    def report(self, report: WorkReport) -> None: ...


class Spoken(BaseModel):
    """A line that the companion has already placed."""

    model_config = ConfigDict(frozen=True)

    trigger_timestamp: float
    text: str


class Exchange(BaseModel):
    """Something that was said between the viewer and the companion."""

    model_config = ConfigDict(frozen=True)

    who: Literal["viewer", "companion"]
    text: str
    """Of the companion: as far as the viewer has heard it."""


@dataclass(frozen=True, slots=True)
class Brief:
    """All that a generator is told about one window; nothing later than its end."""

    title: str
    window: Window
    range_start: float
    range_end: float
    """The part of the video that is watched, in media seconds."""
    understanding: Understanding
    """Up to the window's end."""
    character: Character
    wish: str = ""
    """What the viewer asked for in their own words (`text` of the request)."""
    outline: tuple[OutlinePoint, ...] = ()
    """What happens up to the window's end, in a few points; of the rest there is none."""
    memory: str = ""
    """What the generator wanted remembered when it worked on the nearest earlier window."""
    last_lines: tuple[Spoken, ...] = ()
    """The lines spoken last before the window, oldest first."""
    said: tuple[str, ...] = ()
    """Lines that stand elsewhere, outside of what `understanding` covers: not to be said
    again, and nothing to draw on, since they may be about what is still to come."""
    position: float | None = None
    """Where the viewer is, when they say something. In media seconds, as all that follows."""
    watched: tuple[tuple[float, float], ...] = ()
    """What they have seen by then, ascending and apart. `understanding` holds no more."""
    talk: tuple[Exchange, ...] = ()
    """What was said before, the oldest first."""
    begun: tuple[str, ...] = ()
    """What was said already of the answer that is asked for, before it was cut off."""
    language: str | None = None
    """The viewer's, as an ISO 639 code. What their wish says goes before it."""
    video_url: str = ""
    """What was asked for, such as the address of a page."""
    desk: Desk = field(default_factory=EmptyDesk, compare=False)

    @property
    def is_first(self) -> bool:
        """Whether nothing of the range lies before its window."""
        return self.window.start <= self.range_start

    @property
    def is_last(self) -> bool:
        """Whether nothing of the range lies behind its window."""
        return self.window.end >= self.range_end


@runtime_checkable
class ActionGenerator(Protocol):
    """Thinks of things to say and do in one window."""

    def generate(self, brief: Brief) -> AsyncIterator[Draft]:
        """Yield drafts, richest density, each with its importance; in any order.

        Raises:
            ActionGenerationFailed: no script can be made for this window.
        """
        ...


@runtime_checkable
class Conversation(Protocol):
    """A generator that can be talked to."""

    def reply(self, brief: Brief, message: str) -> AsyncIterator[Draft]:
        """Yield the answer, from nothing but what the viewer has seen.

        Its actions are carried out at once, one after another, whatever their times. Those that
        stand already, where an answer was cut off and is asked for again, are left out: it need
        not know of `begun`.

        Args:
            brief: with `position`, `watched`, `talk` and `begun`.
            message: what the viewer says; several lines, where they said several things.

        Raises:
            ActionGenerationFailed: there is no answer.
        """
        ...


@runtime_checkable
class Outliner(Protocol):
    """A generator that wants to read the whole before it talks about a part."""

    async def outline(
        self, title: str, overview: Overview, start: float, end: float, desk: Desk
    ) -> Sequence[OutlinePoint]:
        """What happens from `start` to `end`, from the subtitles: a few points, ascending.

        Raises:
            ActionGenerationFailed: it cannot be told.
        """
        ...


@runtime_checkable
class Estimator(Protocol):
    """A generator that costs something."""

    async def estimate(self, url: str, overview: Overview, windows: Sequence[Window]) -> Usage:
        """What the script of these windows will use, more or less.

        Args:
            url: what was asked for.
        """
        ...


@runtime_checkable
class Preparer(Protocol):
    """A generator that has something to do before it can work."""

    async def prepare(self) -> Sequence[str]:
        """Load what takes long to load, and tell what is amiss, in sentences for its operator."""
        ...


@runtime_checkable
class Repeatable(Protocol):
    """A generator whose drafts are worth keeping: they cost something, and hold for long."""

    def fingerprint(self, brief: Brief | None) -> str:
        """What its drafts depend on beside the video, the character and the wish.

        Its model, its options, its prompts, and what it would work from now. Without a brief:
        what its outline depends on.
        """
        ...


@runtime_checkable
class Onlooker(Protocol):
    """A generator that can look at a video where it is."""

    def looks_at(self, url: str) -> bool:
        """Whether it does: then nobody needs to fetch the video. Cheap; performs no I/O."""
        ...


@runtime_checkable
class WishReader(Protocol):
    """A generator that can say beforehand what it cannot do."""

    def notes(self, wish: str, character: Character) -> tuple[str, ...]:
        """What of the viewer's wish it cannot follow, in sentences for the viewer."""
        ...


@dataclass(frozen=True, slots=True)
class Recording:
    """A passage of a video's sound in which somebody speaks."""

    wav: bytes
    """A WAV file: one channel, 16,000 samples a second of 16 bits."""
    duration: float
    """Seconds."""
    language: str | None = None
    """What is probably spoken, as an ISO 639-1 code."""


@runtime_checkable
class Transcriber(Protocol):
    """Writes down what is said."""

    async def transcribe(self, recording: Recording) -> Sequence[Cue]:
        """What is said, with times in seconds from the beginning of the recording.

        Raises:
            TranscriptionFailed: nothing could be written down, with a sentence for the viewer.
        """
        ...


@runtime_checkable
class Scheduler(Protocol):
    """Decides which actions are due. Performs no I/O and reads no clock."""

    def add(self, actions: Iterable[Action], *, once: bool = False) -> None:
        """Take further actions in, in any order. One whose id is known already is left out.

        Args:
            once: they are sent at most once, also where the viewer goes back.
        """
        ...

    def withdraw(self, ids: Iterable[str]) -> None:
        """Send these no more. What was sent already, or is not known, does not matter."""
        ...

    def receive(self, event: PlayerEvent, *, now: float) -> None:
        """Take in what the player says.

        Args:
            now: when, in monotonic seconds from any origin.

        Raises:
            InvalidPosition: a time in it is none. Nothing has changed then.
        """
        ...

    def actions_due(self) -> list[Due]:
        """What is to be sent now, in this order. The next call has it no more."""
        ...
