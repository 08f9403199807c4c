"""What a store promises: the contracts of whatever keeps sessions, each of one to five methods.

A class fulfils one by having its methods; nothing needs to be inherited.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from watchbuddy_core.actions import Density
from watchbuddy_core.entries import Entry, Fence, Logged, Role, StageName


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
