"""The JobRunner of programs that are one process."""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import Self

from watchbuddy_core.protocols import Store
from watchbuddy_core.session.parts import Parts
from watchbuddy_core.session.watch import WatchSession

_log = logging.getLogger("watchbuddy.session")


class LocalJobs:
    """Produces scripts in tasks of this process. An async context manager.

    Leaving the context cancels what still runs and waits until it has ended.
    """

    def __init__(self, *, store: Store, parts: Parts) -> None:
        self._store = store
        self._parts = parts
        self._tasks = asyncio.TaskGroup()
        self._running: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._running.values():
            task.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def submit(self, session_id: str) -> None:
        """Start producing, unless it runs already.

        Raises:
            SessionNotFound: there is no such session.
        """
        if session_id in self._running:
            return
        session = await WatchSession.find(session_id, store=self._store, parts=self._parts)
        task = self._tasks.create_task(_run(session), name=f"produce {session_id}")
        self._running[session_id] = task
        task.add_done_callback(lambda _: self._running.pop(session_id, None))

    async def cancel(self, session_id: str) -> None:
        """End the production, if it runs, and wait until it has ended."""
        task = self._running.get(session_id)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])


async def _run(session: WatchSession) -> None:
    """One job's failure is its own: it must not end the others of the group."""
    try:
        await session.produce()
    except Exception:  # noqa: BLE001 - where the job ends
        _log.exception("session %s: its log cannot be written", session.session_id)
