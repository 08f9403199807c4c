"""Who sees to it that the scripts of sessions are produced."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable


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
