"""What the processes of an installation share, beside the sessions that they keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

from watchbuddy_core.rates import Rate


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
