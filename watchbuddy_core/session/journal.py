"""The producer's side of the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from watchbuddy_core.entries import Entry, Fence, Stage
from watchbuddy_core.errors import StaleFence, StorageFull, StoreFailed
from watchbuddy_core.session.history import History
from watchbuddy_core.storage import SessionLog

_LONGEST_PAUSE = 5.0
"""Seconds after which writing is tried again; the first time sooner."""


class Journal:
    """What the producer writes, and what others write meanwhile, folded into one History.

    Its own entries count as soon as they stand; those of others when they are read. Where
    nothing can be written, it waits: what was made, and may have been paid for, is not lost
    while the program runs.
    """

    def __init__(self, session_id: str, *, log: SessionLog, fence: Fence, history: History) -> None:
        self._session_id = session_id
        self._log = log
        self._fence = fence
        self.history = history
        self.seen = history.position
        """The position up to which it has seen what others write."""
        self._own: set[int] = set()
        """Positions of its own entries that it has not met in the log yet."""
        self._writing = asyncio.Lock()
        self._owed: list[Entry] = []
        """What is to be written with the next ones."""

    async def write(self, *entries: Entry) -> None:
        """Append all entries or none, as soon as they can be written.

        Raises:
            StaleFence: a newer attempt has taken over.
        """
        pause = _LONGEST_PAUSE / 16
        while True:
            owed, self._owed = self._owed, []
            try:
                await self._append(*owed, *entries)
            except (StorageFull, StoreFailed):
                self._owed = owed + self._owed
            else:
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def note(self, entry: Entry) -> None:
        """Append an entry; where nothing can be written, together with the next ones.

        Raises:
            StaleFence: a newer attempt has taken over.
        """
        try:
            await self._append(entry)
        except (StorageFull, StoreFailed):
            self._owed.append(entry)

    async def _append(self, *entries: Entry) -> None:
        async with self._writing:
            last = await self._log.append(self._session_id, entries, self._fence)
            first = last - len(entries) + 1
            for position, entry in enumerate(entries, first):
                self._own.add(position)
                self.history.apply(position, entry)

    async def others(self) -> AsyncIterator[Entry]:
        """What others write, as they write it; never ends by itself.

        Raises:
            StaleFence: a newer attempt has begun.
        """
        async for logged in self._log.follow(self._session_id, self.seen):
            # Followers may be told of an entry before the one who wrote it is.
            async with self._writing:
                is_own = logged.position in self._own
            self._own.discard(logged.position)
            self.seen = logged.position
            if not is_own:
                self._refuse_newer(logged.entry)
                self.history.apply(logged.position, logged.entry)
                yield logged.entry

    def _refuse_newer(self, entry: Entry) -> None:
        """An attempt that was thought dead ends when it hears of its successor, not only when
        it writes: meanwhile it would pay for what nobody takes."""
        if isinstance(entry, Stage) and entry.attempt > self._fence.number:
            raise StaleFence("producer", self._fence.number, entry.attempt)
