"""The JobRunner of programs that are one process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from watchbuddy_core.errors import RateLimited, SessionNotFound, TooManySessions
from watchbuddy_core.log import about
from watchbuddy_core.session.parts import Parts
from watchbuddy_core.session.watch import WatchSession
from watchbuddy_core.session.workshop import Asker, Job, Workshop
from watchbuddy_core.storage import Store

_log = logging.getLogger("watchbuddy.session")


_RETRIES = (1.0, 4.0, 15.0, 60.0)
"""Seconds after which a job is begun again that ended unforeseen."""


@dataclass(slots=True)
class _LocalJob(Job):
    task: asyncio.Task[None] | None = None
    again: bool = False
    """Something was written that it may have missed: it is to look once more."""


class LocalJobs:
    """Produces scripts in tasks of this process. An async context manager.

    Leaving the context cancels what still runs and waits until it has ended. It may be
    entered again then, as the lifespan of an application is that is started twice.

    Args:
        preparing: so many pieces of work (a video looked through, a window scripted) are
            done at a time. The others wait, user by user and each user's in order.
        waiting: so many sessions may wait for that.
        per_user: so many sessions of one user of a caller may be in preparation.
        per_caller: so many of one caller. None: as many as there is room for.
        per_address: so many from one address, likewise.
    """

    def __init__(
        self,
        *,
        store: Store,
        parts: Parts,
        preparing: int = 4,
        waiting: int = 64,
        per_user: int = 8,
        per_caller: int | None = None,
        per_address: int | None = None,
    ) -> None:
        self._store = store
        self._most = preparing + waiting
        self._per_user = per_user
        self._per_caller = self._most if per_caller is None else per_caller
        self._per_address = self._most if per_address is None else per_address
        self._workshop = Workshop(parts, preparing=preparing)
        self._jobs: dict[str, _LocalJob] = {}
        self._admitted: list[Asker] = []
        """Whose sessions are being created."""
        self._parts = parts
        self._preparing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        self._preparing = self._tasks.create_task(self._workshop.prepare())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for job in self._jobs.values():
            if job.task is not None:
                job.task.cancel()
        if self._preparing is not None:
            self._preparing.cancel()
        await self._tasks.__aexit__(None, None, None)

    workers = None
    """How many others do the work: nobody else does."""

    @property
    def generator_works(self) -> bool:
        """Whether somebody can think of what to say, as far as it is known beforehand."""
        return self._workshop.generator_works

    @property
    def busy(self) -> int:
        """How many sessions are worked on, or wait for a turn."""
        return sum(job.pieces > 0 for job in self._jobs.values())

    @property
    def idle(self) -> int:
        """How many jobs wait for what their viewers want next."""
        return len(self._jobs) - self.busy

    @property
    def waiting(self) -> int:
        """How many pieces of work wait for a turn."""
        return self._workshop.waiting

    @asynccontextmanager
    async def admit(
        self, user_id: str | None, *, caller: str = "", address: str | None = None
    ) -> AsyncIterator[None]:
        """Room for one more session, held as long as the context lasts.

        Raises, on entering:
            TooManySessions, RateLimited: there is none.
        """
        asker = Asker(user_id, caller, address)
        self._refuse(asker)
        self._admitted.append(asker)
        try:
            yield
        finally:
            self._admitted.remove(asker)

    def _refuse(self, asker: Asker) -> None:
        busy = [job.asker for job in self._jobs.values() if job.pieces] + self._admitted
        if len(busy) >= self._most:
            raise TooManySessions
        of_caller = [one for one in busy if one.caller == asker.caller]
        of_user = [one for one in of_caller if one.user_id == asker.user_id is not None]
        of_address = [one for one in busy if one.address == asker.address is not None]
        for theirs, most in (
            (of_user, self._per_user),
            (of_caller, self._per_caller),
            (of_address, self._per_address),
        ):
            if len(theirs) >= most:
                raise RateLimited(
                    f"{len(theirs)} of your sessions are still being prepared."
                    " Wait for one of them."
                )

    async def submit(self, session_id: str) -> None:
        """Start producing; where that runs already, see that it misses nothing.

        Raises:
            SessionNotFound: there is no such session.
        """
        if self._goes_on(session_id):
            return
        session = await WatchSession.find(session_id, store=self._store, parts=self._parts)
        if self._goes_on(session_id):
            return
        job = self._jobs[session_id] = _LocalJob(Asker.of(session.record))
        with about(session_id):
            job.task = self._tasks.create_task(
                self._run(session, job), name=f"produce {session_id}"
            )
        job.task.add_done_callback(lambda _: self._leave(session_id, job))

    def _goes_on(self, session_id: str) -> bool:
        """Whether there is a job, which looks once more then. One that has looked for the last
        time, or is being ended, is none."""
        job = self._jobs.get(session_id)
        if job is None or (job.task is not None and (job.task.done() or job.task.cancelling())):
            return False
        job.again = True
        return True

    def _leave(self, session_id: str, job: _LocalJob) -> None:
        if self._jobs.get(session_id) is job:  # and not one that came after it
            del self._jobs[session_id]

    async def cancel(self, session_id: str) -> None:
        """End the production, if it runs, and wait until it has ended."""
        job = self._jobs.get(session_id)
        if job is not None and job.task is not None:
            job.task.cancel()
            await asyncio.wait([job.task])

    async def _run(self, session: WatchSession, job: _LocalJob) -> None:
        """One job's failure is its own: it must not end the others of the group."""
        for wait in (*_RETRIES, None):
            try:
                while True:
                    job.again = False
                    await self._workshop.produce(session, job)
                    if not job.again:
                        return
            except SessionNotFound:
                return
            except Exception:  # noqa: BLE001 - where the job ends
                _log.exception("session %s: its job failed", session.session_id)
            if wait is not None:
                await asyncio.sleep(wait)
