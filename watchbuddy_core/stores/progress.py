"""The ProgressChannel of stores that serve one process."""

from __future__ import annotations

from collections.abc import AsyncIterator

from watchbuddy_core.storage import ProgressReport
from watchbuddy_core.stores.listeners import Listeners


class ProgressBoard:
    """Holds the latest report of each session, for whoever listens in this process."""

    def __init__(self) -> None:
        self._latest: dict[str, ProgressReport] = {}
        self._listeners = Listeners()

    def publish(self, session_id: str, report: ProgressReport) -> None:
        self._latest[session_id] = report
        self._listeners.wake(session_id)

    async def reports(self, session_id: str) -> AsyncIterator[ProgressReport]:
        told: ProgressReport | None = None
        with self._listeners.listening(session_id) as published:
            while True:
                published.clear()
                latest = self._latest.get(session_id)
                if latest is not None and latest is not told:
                    yield latest
                    told = latest
                else:
                    await published.wait()

    def forget(self, session_id: str) -> None:
        """The session is deleted."""
        self._latest.pop(session_id, None)
