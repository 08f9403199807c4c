"""The JobRunner of programs that are several processes: others do the work."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from types import TracebackType
from typing import Self

from watchbuddy_core.errors import RateLimited, StorageFull, StoreFailed, TooManySessions
from watchbuddy_core.session.job_queue import JobQueue, end, failures_told, open_queue, require_saq
from watchbuddy_core.session.tally import Bounds, Tally
from watchbuddy_core.session.workshop import Asker
from watchbuddy_core.storage import Store
from watchbuddy_core.stores.redis import RedisStore

_CANCELLING_SECONDS = 3.0
"""So long is waited for a worker that is to end a job. It may be gone: then nobody ends it, and
nothing that it would write counts."""
_LOOK_SECONDS = 5.0
"""From one look at the queue to the next."""
_UNSEEN_SECONDS = 20.0
"""A problem that lasts for so long is worth a word to the operator: after a Redis was away, workers
have not said yet that they are there."""
_NOBODY = (
    "Nobody prepares sessions: there is no `watchbuddy worker` at this Redis that can think of what"
    " to say. What is ready plays on."
)
_UNKNOWN = "It cannot be seen whether anybody prepares sessions."

_log = logging.getLogger("watchbuddy.jobs")

_admission: ContextVar[str] = ContextVar("admission", default="")
"""Under which name the session is counted that is being created here."""


class SaqJobs:
    """Has scripts produced by the workers of an installation (`watchbuddy worker`).

    An async context manager. What it counts and refuses, it does for all processes together.

    Args:
        store: where sessions are kept: the workers have the same.
        url: of its Redis.
        most: so many sessions may be worked on, or wait for that.
        per_user: of those, of one user of a caller.
        per_caller: of one caller. None: as many as there is room for.
        per_address: from one address, likewise.

    Raises:
        MissingExtra: SAQ is not installed.
    """

    generator_works = True
    """That is for the workers to know: those of which it does not are not among `workers`."""

    def __init__(
        self,
        *,
        store: RedisStore,
        url: str,
        most: int = 68,
        per_user: int = 8,
        per_caller: int | None = None,
        per_address: int | None = None,
    ) -> None:
        require_saq()
        self._store: Store = store
        self._redis = store
        self._url = url
        self._bounds = Bounds(
            all=most,
            per_user=per_user,
            per_caller=most if per_caller is None else per_caller,
            per_address=most if per_address is None else per_address,
        )
        self.busy = 0
        """How many sessions are worked on, or wait for that; as of a few seconds ago, like all
        that follow."""
        self.idle = 0
        """How many jobs wait for what their viewers want next."""
        self.waiting = 0
        """How many jobs no worker has taken up yet."""
        self.workers: int | None = None
        """How many workers there are that can think of what to say. None: not known yet."""

    async def __aenter__(self) -> Self:
        self._tally = Tally(self._redis.line)
        self._opening = open_queue(self._url, is_hasty=True)
        self._queue: JobQueue = await self._opening.__aenter__()
        self._looking = asyncio.create_task(self._look(), name="look at the queue")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await end([self._looking])
        await self._opening.__aexit__(None, None, None)

    @asynccontextmanager
    async def admit(
        self, user_id: str | None, *, caller: str = "", address: str | None = None
    ) -> AsyncIterator[None]:
        """Room for one more session, held as long as the context lasts.

        Raises, on entering:
            TooManySessions, RateLimited: there is none.
            StoreFailed, StorageFull: nobody can tell.
        """
        asker = Asker(user_id, caller, address)
        admission = f"admission:{secrets.token_hex(8)}"
        crowded = await self._tally.admit(admission, asker, self._bounds)
        if crowded is not None:
            if crowded.is_everybody:
                raise TooManySessions
            raise RateLimited(
                f"{crowded.held} of your sessions are still being prepared. Wait for one of them."
            )
        before = _admission.get()
        _admission.set(admission)
        try:
            yield
        finally:
            _admission.set(before)
            with suppress(StoreFailed, StorageFull):  # it is over soon by itself
                await self._tally.dismiss(admission, asker)

    async def submit(self, session_id: str) -> None:
        """See that there is a job; where there is, it looks once more at the log before it ends.

        Raises:
            SessionNotFound: there is no such session.
            StoreFailed, StorageFull
        """
        asker = Asker.of(await self._store.get(session_id))
        await self._tally.enter(session_id, asker, admission=_admission.get())
        try:
            await self._queue.put(session_id)
        except (StoreFailed, StorageFull) as exc:  # a worker sees to it: it is known now
            _log.info("session %s: its job has to wait: %s", session_id, exc)

    async def cancel(self, session_id: str) -> None:
        """End the job, and wait a while until it has ended.

        Raises:
            StoreFailed, StorageFull
        """
        await self._tally.leave(session_id)
        async with failures_told():
            try:
                async with asyncio.timeout(_CANCELLING_SECONDS):
                    await self._abort(session_id)
            except TimeoutError:
                await self._queue.forget(session_id)

    async def _abort(self, session_id: str) -> None:
        from saq.job import ACTIVE_STATUSES, TERMINAL_STATUSES

        pause = 0.02
        while True:
            job = await self._queue.job(session_id)
            if job is None or job.status in TERMINAL_STATUSES:
                return
            if job.status in ACTIVE_STATUSES:
                await self._queue.abort(job, "the session is over")
            else:
                await asyncio.sleep(pause)
                pause = min(2 * pause, 0.2)

    async def _look(self) -> None:
        """See how much there is to do, and whether anybody does it."""
        loop = asyncio.get_running_loop()
        problem, since, told = "", loop.time(), ""
        while True:
            before, reason = problem, ""
            try:
                await self._count()
                problem = "" if self.workers else _NOBODY
            except (StoreFailed, StorageFull) as exc:  # also of the queue alone
                problem, reason = _UNKNOWN, f" {exc}"
            if problem != before:
                since = loop.time()
            if not problem and told:
                told = ""
                _log.warning("There is a worker again.")
            elif problem != told and problem and loop.time() - since > _UNSEEN_SECONDS:
                told = problem
                _log.warning("%s", problem + reason)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _count(self) -> None:
        jobs, self.busy = await self._tally.counts()
        self.idle = max(jobs - self.busy, 0)
        async with failures_told(), asyncio.timeout(_LOOK_SECONDS):
            info = await self._queue.info()
        self.waiting = info["queued"]
        told = (worker["metadata"] or {} for worker in info["workers"].values())
        self.workers = sum(bool(one.get("generator_works")) for one in told)
