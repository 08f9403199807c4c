"""The sessions that a server serves."""

from __future__ import annotations

import time
from dataclasses import dataclass

from watchbuddy_core.protocols import JobRunner, Store
from watchbuddy_core.session import Parts, WatchSession
from watchbuddy_core.wire import CreateSession


@dataclass(frozen=True, slots=True)
class Sessions:
    """Where sessions are kept, what they are made of, and who produces their scripts."""

    store: Store
    parts: Parts
    jobs: JobRunner

    async def start(self, request: CreateSession) -> WatchSession:
        """Create a session and begin to produce its script.

        Raises:
            RequestRefused: the request cannot be served as it was made.
        """
        session = await WatchSession.create(
            request, store=self.store, parts=self.parts, created_at=time.time()
        )
        await self.jobs.submit(session.session_id)
        return session

    async def find(self, session_id: str) -> WatchSession:
        """Raises: SessionNotFound."""
        return await WatchSession.find(session_id, store=self.store, parts=self.parts)

    async def produce_on(self, session_id: str) -> None:
        """See to it that what a session's log asks for is done."""
        await self.jobs.submit(session_id)
