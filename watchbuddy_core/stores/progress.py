"""The ProgressChannel of stores that serve one process."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

from watchbuddy_core.storage import ProgressReport


class ProgressBoard:
    """Holds the latest report of each session, for whoever listens in this process."""

    def __init__(self) -> None:
        self._latest: dict[str, ProgressReport] = {}
        self._listeners: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def publish(self, session_id: str, report: ProgressReport) -> None:
        self._latest[session_id] = report
        for listener in self._listeners.get(session_id, ()):
            listener.set()

    async def reports(self, session_id: str) -> AsyncIterator[ProgressReport]:
        told: ProgressReport | None = None
        published = asyncio.Event()
        self._listeners[session_id].add(published)
        try:
            while True:
                published.clear()
                latest = self._latest.get(session_id)
                if latest is not None and latest is not told:
                    yield latest
                    told = latest
                else:
                    await published.wait()
        finally:
            self._listeners[session_id].discard(published)
            if not self._listeners[session_id]:
                del self._listeners[session_id]

    def forget(self, session_id: str) -> None:
        """The session is deleted."""
        self._latest.pop(session_id, None)
