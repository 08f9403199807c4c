"""The producer's side of the log."""

from __future__ import annotations

from collections.abc import AsyncIterator

from watchbuddy_core.entries import Entry, Fence
from watchbuddy_core.protocols import SessionLog
from watchbuddy_core.session.history import History


class Journal:
    """What the producer writes, and what others write meanwhile, folded into one History.

    Its own entries count as soon as they stand; those of others when they are read.
    """

    def __init__(self, session_id: str, *, log: SessionLog, fence: Fence, history: History) -> None:
        self._session_id = session_id
        self._log = log
        self._fence = fence
        self.history = history
        self._since = history.position
        self._own: set[int] = set()
        """Positions of its own entries that it has not met in the log yet."""

    async def write(self, *entries: Entry) -> None:
        """Append all entries or none.

        Raises:
            StaleFence: a newer attempt has taken over.
        """
        last = await self._log.append(self._session_id, entries, self._fence)
        first = last - len(entries) + 1
        for position, entry in enumerate(entries, first):
            self._own.add(position)
            self.history.apply(position, entry)

    async def others(self) -> AsyncIterator[Entry]:
        """What others write, as they write it; never ends by itself."""
        async for logged in self._log.follow(self._session_id, self._since):
            if logged.position in self._own:
                self._own.discard(logged.position)
            else:
                self.history.apply(logged.position, logged.entry)
                yield logged.entry
