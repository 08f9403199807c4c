"""The contracts between the parts, each of one to four methods.

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

from watchbuddy_core.actions import Action, Density, Draft
from watchbuddy_core.character import Character
from watchbuddy_core.entries import (
    Entry,
    Fence,
    Logged,
    Notice,
    OutlinePoint,
    Role,
    Rung,
    StageName,
    Usage,
)
from watchbuddy_core.events import Due, PlayerEvent
from watchbuddy_core.rates import Rate
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

        Its actions are carried out at once, one after another, whatever their times.

        Args:
            brief: with `position`, `watched` and `talk`.
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


class SessionRecord(BaseModel):
    """What a session was created with."""

    model_config = ConfigDict(frozen=True)

    session_id: str
    video_url: str
    start_time: float = 0.0
    end_time: float | None = None
    text: str = ""
    character_id: str
    user_id: str | None = None
    caller: str = ""
    """Who pays: whoever created the session, by token or network (see `network_of`). Not what
    they say of themselves."""
    address: str | None = None
    """The network that it was created from; see `network_of`. None: it is not known."""
    density: Density | None = None
    language: str | None = None
    """The viewer's, where they say it."""
    created_at: float
    """Seconds since 1970."""


@runtime_checkable
class SessionLog(Protocol):
    """An append-only sequence of entries per session, with fences."""

    async def fence(self, session_id: str, role: Role) -> Fence:
        """Take the role over: from now on only this fence may write in it."""
        ...

    async def append(self, session_id: str, entries: Sequence[Entry], fence: Fence | None) -> int:
        """Append all entries or none; returns the position of the last.

        `fence` is None for what is said about a session from outside (`cancelled`).

        Raises:
            StaleFence: the role has been taken over.
        """
        ...

    async def read(self, session_id: str, after: int = 0) -> Sequence[Logged]:
        """The entries behind position `after`."""
        ...

    def follow(self, session_id: str, after: int = 0) -> AsyncIterator[Logged]:
        """The entries behind position `after`, and then each new one; never ends by itself."""
        ...


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """How far the preparation of a session is."""

    stage: StageName
    fraction: float | None
    """Of this stage, 0 to 1. None: it cannot be told."""
    message: str


@runtime_checkable
class ProgressChannel(Protocol):
    """Carries what is of no interest any more a moment later, and is kept in no log."""

    def publish(self, session_id: str, report: ProgressReport) -> None:
        """Tell whoever listens now. Never waits, never fails."""
        ...

    def reports(self, session_id: str) -> AsyncIterator[ProgressReport]:
        """The latest report, and each new one; a slow reader is spared what is outdated."""
        ...


@runtime_checkable
class Records(Protocol):
    """What is kept of each session."""

    async def get(self, session_id: str) -> SessionRecord:
        """Raises: SessionNotFound."""
        ...

    async def put(self, record: SessionRecord) -> None:
        """Keep it, in the place of another one of its id."""
        ...

    async def list(self) -> Sequence[SessionRecord]:
        """All of them."""
        ...

    async def count(self, *, caller: str | None = None, address: str | None = None) -> int:
        """How many there are, of this caller and this address, where they are named.

        It is asked for whenever a session is created: no record is to be read for it.
        """
        ...

    async def delete(self, session_id: str) -> None:
        """Forget a session and its log. Unknown ids are ignored."""
        ...


@runtime_checkable
class Upkeep(Protocol):
    """What it takes to keep no more than is needed."""

    async def needs(self) -> Mapping[str, float]:
        """By session, when it was needed last, in seconds since 1970."""
        ...

    async def note_needs(self, needs: Mapping[str, float]) -> None:
        """Keep when sessions were needed last; unknown ids are ignored."""
        ...

    async def size_bytes(self) -> int:
        """How much of a disk sessions take; what may be forgotten does not count."""
        ...

    async def shrink(self) -> None:
        """Give back what deleted sessions took."""
        ...


@runtime_checkable
class Ledger(Protocol):
    """What was spent, by account. An account that was never paid from is empty.

    The account of a session (see `accounts`) goes with the session.
    """

    async def reserve(self, limits: Mapping[str, float], amount: float) -> None:
        """Take `amount` US dollars from each of the accounts, or from none.

        Args:
            limits: by account, what may be spent from it in all.

        Raises:
            BudgetReached: one of them has less left; `account` says which.
        """
        ...

    async def settle(self, accounts: Collection[str], reserved: float, spent: float) -> None:
        """Put back what was reserved and take what was really spent, whatever the limits."""
        ...

    async def forget_days(self, before: str) -> None:
        """Forget what was spent on the days before this one, such as `2026-01-31`."""
        ...


@runtime_checkable
class Preferences(Protocol):
    """What is kept of users, whichever session they said it in."""

    async def preference(self, caller: str, user_id: str) -> Density | None:
        """How much a user wanted to hear last. None: they never said."""
        ...

    async def prefer(self, caller: str, user_id: str, density: Density) -> None:
        """Keep how much a user wants to hear from now on."""
        ...


@runtime_checkable
class Checkable(Protocol):
    """A store that can say whether it works."""

    async def check(self) -> None:
        """Read and write a trifle.

        Raises:
            StorageFull, StoreFailed: nothing new can be kept, or what is kept cannot be read.
        """
        ...


@runtime_checkable
class Cache(Protocol):
    """Values by key; may forget anything at any time. It never fails: it knows nothing, then."""

    async def get(self, key: str) -> bytes | None:
        """What was kept. None: it is not known, or not any more."""
        ...

    async def put(self, key: str, value: bytes) -> None:
        """Keep it, as long as there is room."""
        ...


@runtime_checkable
class Caches(Protocol):
    """Somewhere to keep what may be forgotten."""

    def cache(self, name: str, *, most_bytes: int) -> Cache:
        """The cache of this name, which keeps no more than that: what was not used for longest
        goes first."""
        ...


@runtime_checkable
class Store(SessionLog, Records, Upkeep, ProgressChannel, Ledger, Preferences, Caches, Protocol):
    """Everything that is kept of sessions, in one place."""


@runtime_checkable
class Rates(Protocol):
    """How fast each of many goes, by names of rates."""

    async def take(self, *goers: tuple[str, str]) -> float:
        """Count one more for all of these, or for none where one has gone too fast.

        Args:
            goers: each the name of a rate, and who goes: `("requests", "203.0.113.7")`.

        Returns:
            Seconds until there is one more for all of them. 0.0: it was counted.
        """
        ...


@runtime_checkable
class Commons(Protocol):
    """What the processes of an installation have in common beside sessions.

    Where nobody can say what the others count, each counts for itself: a viewer is not turned
    away for that. But a ticket is then not taken.
    """

    def rates(self, rates: Mapping[str, Rate]) -> Rates:
        """Count who goes how fast, at these rates, by name."""
        ...

    def hold(self, bounds: Mapping[str, int]) -> AbstractAsyncContextManager[bool]:
        """One place more in each of these as long as the context lasts; or in none.

        Gives whether there was one. What a process held that was killed is free a while later.

        Args:
            bounds: how many places there are, by a name for what has them.
        """
        ...

    async def ticket_key(self) -> bytes:
        """What tickets are signed with.

        Raises:
            StoreFailed: it cannot be had.
        """
        ...

    async def use_once(self, ticket: bytes, seconds: float) -> bool:
        """Whether nobody has used this ticket yet; from now on somebody has.

        Args:
            seconds: after so many it would not be good any more, and need not be remembered.

        Raises:
            StoreFailed: nobody can tell.
        """
        ...


@runtime_checkable
class Whereabouts(Protocol):
    """Which processes of an installation hold which files."""

    async def tell(self, place: str, files: Mapping[str, str], seconds: float) -> None:
        """Say that files are to be had at a place, for so long.

        Args:
            place: an address at which others reach the process.
            files: by name, what others need to know of it.

        Raises:
            StoreFailed, StorageFull: nobody hears of it.
        """
        ...

    async def find(self, file: str) -> tuple[str | None, Sequence[str]]:
        """What is known of a file, and where it is to be had. None: nobody has it.

        Raises:
            StoreFailed: nobody can tell.
        """
        ...


@runtime_checkable
class Shared(Protocol):
    """A store that several processes use at a time."""

    @property
    def commons(self) -> Commons:
        """What they have in common beside sessions."""
        ...

    @property
    def whereabouts(self) -> Whereabouts:
        """Which of them holds which files."""
        ...


@runtime_checkable
class JobRunner(Protocol):
    """Runs one job per session: the production of its script."""

    def admit(
        self, user_id: str | None, *, caller: str = "", address: str | None = None
    ) -> AbstractAsyncContextManager[None]:
        """Room for one more session, of this user of this caller, from this address.

        It is held as long as the context lasts, in which the session is created and submitted;
        what was created is never refused.

        Raises, on entering:
            TooManySessions, RateLimited: there is none.
        """
        ...

    async def submit(self, session_id: str) -> None:
        """Start the job; where it runs already, see that it misses nothing of the log."""
        ...

    async def cancel(self, session_id: str) -> None:
        """End the job and wait until it has ended."""
        ...
