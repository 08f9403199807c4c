"""Sessions in this process's memory: gone when it ends."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from watchbuddy_core.entries import Entry, Fence, Logged, Role
from watchbuddy_core.errors import SessionNotFound, StaleFence
from watchbuddy_core.protocols import SessionRecord

if TYPE_CHECKING:
    from collections.abc import Iterator


class MemoryStore:
    """A SessionLog and Records for one event loop. Nothing is durable."""

    def __init__(self) -> None:
        self._records: dict[str, SessionRecord] = {}
        self._logs: dict[str, list[Logged]] = {}
        self._newest: dict[tuple[str, Role], int] = {}
        self._followers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    # --- Records -----------------------------------------------------------------------

    async def get(self, session_id: str) -> SessionRecord:
        try:
            return self._records[session_id]
        except KeyError:
            raise SessionNotFound from None

    async def put(self, record: SessionRecord) -> None:
        self._records[record.session_id] = record

    async def list(self) -> Sequence[SessionRecord]:
        return tuple(self._records.values())

    async def delete(self, session_id: str) -> None:
        self._records.pop(session_id, None)
        self._logs.pop(session_id, None)
        self._newest.pop((session_id, "producer"), None)
        self._newest.pop((session_id, "deliverer"), None)

    # --- SessionLog --------------------------------------------------------------------

    async def fence(self, session_id: str, role: Role) -> Fence:
        number = self._newest.get((session_id, role), 0) + 1
        self._newest[session_id, role] = number
        return Fence(role, number)

    async def append(self, session_id: str, entries: Sequence[Entry], fence: Fence | None) -> int:
        if fence is not None:
            newest = self._newest.get((session_id, fence.role), 0)
            if fence.number != newest:
                raise StaleFence(fence.role, fence.number, newest)
        log = self._logs.setdefault(session_id, [])
        log += [Logged(position, entry) for position, entry in enumerate(entries, len(log) + 1)]
        for follower in self._followers.get(session_id, ()):
            follower.set()
        return len(log)

    async def read(self, session_id: str, after: int = 0) -> Sequence[Logged]:
        return self._logs.get(session_id, [])[after:]

    async def follow(self, session_id: str, after: int = 0) -> AsyncIterator[Logged]:
        with self._following(session_id) as grown:
            while True:
                grown.clear()
                for logged in await self.read(session_id, after):
                    yield logged
                    after = logged.position
                if after >= len(self._logs.get(session_id, ())):
                    await grown.wait()

    @contextmanager
    def _following(self, session_id: str) -> Iterator[asyncio.Event]:
        grown = asyncio.Event()
        self._followers[session_id].add(grown)
        try:
            yield grown
        finally:
            self._followers[session_id].discard(grown)
            if not self._followers[session_id]:
                del self._followers[session_id]
