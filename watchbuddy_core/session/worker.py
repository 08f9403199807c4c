"""The process that produces scripts for others: `watchbuddy worker`."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, NoReturn, cast

from watchbuddy_core.entries import Asked, Failed, Feedback
from watchbuddy_core.errors import (
    SessionNotFound,
    StaleFence,
    StorageFull,
    StoreFailed,
    WatchBuddyError,
)
from watchbuddy_core.log import about
from watchbuddy_core.protocols import Keeper
from watchbuddy_core.session.history import History
from watchbuddy_core.session.job_queue import (
    ENDED_BY_WORKER,
    FUNCTION,
    HEARTBEAT_SECONDS,
    JobQueue,
    end,
    failures_told,
    open_queue,
)
from watchbuddy_core.session.parts import Parts
from watchbuddy_core.session.tally import Tally
from watchbuddy_core.session.watch import WatchSession
from watchbuddy_core.session.workshop import Asker, Job, Workshop
from watchbuddy_core.storage import Store
from watchbuddy_core.stores.observed import StoreObserver, observed
from watchbuddy_core.stores.redis import RedisStore

if TYPE_CHECKING:
    from saq.job import Job as QueuedJob
    from saq.types import Context, WorkerInfo
    from saq.worker import Worker as AnyWorker

    SaqWorker = AnyWorker[Context]
else:
    SaqWorker = object  # a mixin, as JobQueue is

_MOST_JOBS = 1000
"""So many are taken up at a time, by one worker. Most of them wait for their viewers."""
_AHEAD = 4
"""So many sessions for each turn have something to do, then no further one is taken up: another
worker may have nothing. Of those that are taken up, each user's get their turns."""
_BEAT_SECONDS = 1.5
_SWEEP_SECONDS = 2
_TELL_SECONDS = 5
"""How often a worker says that it is there."""
_MARK_SECONDS = 0.5
_RECONCILE_SECONDS = 10.0
_TIDY_SECONDS = 60.0
_GIVING_BACK_SECONDS = 1.0
_ANSWER_SECONDS = 10.0

_log = logging.getLogger("watchbuddy.jobs")


class Worker:
    """Takes up the jobs of sessions, and does them.

    What it does is in the log of each session, entry by entry: so another goes on where it ends,
    told to or not.

    Args:
        store: where sessions are kept.
        url: of its Redis, which holds the queue as well.
        concurrency: so many pieces of work (a video looked through, a window scripted) are done
            at a time.
        stop_seconds: so long may work take to end when it is told to.
        observer: is told what is written to sessions.
    """

    def __init__(
        self,
        *,
        store: RedisStore,
        parts: Parts,
        url: str,
        concurrency: int = 4,
        stop_seconds: float = 5.0,
        observer: StoreObserver | None = None,
    ) -> None:
        self._redis = store
        self._store: Store = store if observer is None else observed(store, observer)
        self._parts = parts
        self._url = url
        self._concurrency = concurrency
        self._stop_seconds = stop_seconds
        self._workshop = Workshop(parts, preparing=concurrency)
        self._jobs: dict[str, Job] = {}
        """Those that it has taken up, by session."""
        self._changed: set[str] = set()
        """Of these, those of which it is not told yet whether there is something to do."""
        self._news = asyncio.Event()
        self._heard_since: float | None = None
        """Since when the Redis has been there without a break, in the loop's seconds."""
        self._heard_at = 0.0
        """When it was asked last."""

    @property
    def busy(self) -> int:
        """Of how many of its sessions something is done, or waits for a turn."""
        return sum(job.pieces > 0 for job in [*self._jobs.values()])

    @property
    def idle(self) -> int:
        """How many of them wait for what their viewers want next."""
        return len(self._jobs) - self.busy

    @property
    def waiting(self) -> int:
        """How many pieces of work wait for a turn."""
        return self._workshop.waiting

    async def run(self) -> NoReturn:
        """Work until cancelled. What is in work then is left to others."""
        async with open_queue(self._url) as queue, asyncio.TaskGroup() as tasks:
            self._queue = queue
            self._tally = Tally(self._redis.line)
            queue.worker_id = secrets.token_hex(8)
            queue.room, queue.may_sweep = self._room, self._may_sweep
            self._saq = self._new_worker(queue)
            with suppress(StoreFailed, StorageFull):  # before it takes up anything
                await queue.touch([])
            working = tasks.create_task(self._saq.start(), name="jobs")
            beside = [
                tasks.create_task(self._workshop.prepare()),
                tasks.create_task(self._beat()),
                tasks.create_task(self._mark()),
                tasks.create_task(self._reconcile()),
                tasks.create_task(self._tidy()),
            ]
            try:
                await asyncio.wait([working])
                raise RuntimeError("the worker has ended by itself")
            finally:
                self._saq.event.set()
                await end(beside)
                await asyncio.wait([working])

    def _new_worker(self, queue: JobQueue) -> _Hands:
        from saq.worker import Worker as Base

        kind = type("Worker", (_Hands, Base), {})
        made = kind(
            queue,
            [(FUNCTION, self._produce)],
            id=queue.worker_id,
            concurrency=_MOST_JOBS,
            after_process=self._look_again,
            # The types say whole seconds; what counts is asyncio.sleep.
            timers={
                "schedule": 1,
                "sweep": _SWEEP_SECONDS,
                "worker_info": _TELL_SECONDS,
                "abort": 0.5,
            },
            cancellation_hard_deadline_s=1.0,
        )
        worker = cast(_Hands, made)
        worker.stop_seconds = self._stop_seconds
        worker.about_us = lambda: {"generator_works": self._workshop.generator_works}
        return worker

    # --- a job -------------------------------------------------------------------------

    async def _produce(self, ctx: Context, *, session_id: str) -> int | None:
        """Up to which position of its log a session was looked after."""
        try:
            session = await WatchSession.find(session_id, store=self._store, parts=self._parts)
        except SessionNotFound:
            return None
        asker = Asker.of(session.record)
        job = Job(asker, tell=lambda: self._tell(session_id))
        self._jobs[session_id] = job
        try:
            with about(session_id):
                _log.info("session %s is taken up", session_id)
                await self._tally.enter(session_id, asker)
                return await self._workshop.produce(session, job)
        except SessionNotFound:
            return None
        finally:
            if self._jobs.get(session_id) is job:
                del self._jobs[session_id]
            self._news.set()

    async def _look_again(self, ctx: Context) -> None:
        """What was written while a job ended, and asks for it, is not to be missed."""
        from saq.job import Status

        job = ctx["job"]
        if job.status != Status.COMPLETE:
            return
        with suppress(StoreFailed, StorageFull):  # `_reconcile` does it, then
            if job.result is not None:
                behind = await self._store.read(job.key, after=job.result)
                if any(isinstance(one.entry, Asked | Feedback) for one in behind):
                    await self._queue.put(job.key)
                    return
            await self._tally.leave(job.key, unless=self._queue.place_of(job.key))

    # --- how much it takes up ----------------------------------------------------------

    def _tell(self, session_id: str) -> None:
        self._changed.add(session_id)
        self._news.set()

    async def _room(self) -> None:
        """Wait until there is room for one more job."""
        while self.busy >= _AHEAD * self._concurrency:
            self._news.clear()
            await self._news.wait()

    async def _mark(self) -> NoReturn:
        """Tell which sessions have something to do, so that no more are let in than can be.

        Between two pieces of work there is nothing to do for a moment. That is not told.
        """
        resting: set[str] = set()
        while True:
            await asyncio.sleep(_MARK_SECONDS)
            changed, self._changed = self._changed, set()
            rested, resting = resting, set()
            for session_id in changed:
                job = self._jobs.get(session_id)
                if job is None:
                    continue
                if not job.pieces and session_id not in rested:
                    resting.add(session_id)
                    self._changed.add(session_id)
                    continue
                try:
                    await self._tally.mark(session_id, job.asker, is_busy=job.pieces > 0)
                except (StoreFailed, StorageFull):
                    self._changed.add(session_id)

    # --- what SAQ does not see to ------------------------------------------------------

    async def _beat(self) -> NoReturn:
        """Say of all jobs that there is somebody who works on them; end those that were taken."""
        loop = asyncio.get_running_loop()
        while True:
            at_work = dict(self._saq.job_task_contexts)
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS / 2):
                    lost = await self._queue.touch([*at_work])
            except (StoreFailed, StorageFull, TimeoutError):
                self._heard_since = None
            else:
                if self._heard_since is None or self._is_late():
                    self._heard_since = loop.time()
                self._heard_at = loop.time()
                for job in lost:
                    _log.info("session %s was taken up by another attempt", job.key)
                    at_work[job]["task"].cancel()
            await asyncio.sleep(_BEAT_SECONDS)

    def _may_sweep(self) -> bool:
        """Whether others had the time to say that they are there, since the Redis is, and since
        this process was held up itself: so may they have been."""
        if self._heard_since is None or self._is_late():
            return False
        now = asyncio.get_running_loop().time()
        return now - self._heard_since > HEARTBEAT_SECONDS

    def _is_late(self) -> bool:
        now = asyncio.get_running_loop().time()
        return now - self._heard_at > HEARTBEAT_SECONDS / 2

    async def _tidy(self) -> NoReturn:
        """Have the sources delete what no session needs any more: what is fetched here is kept
        here."""
        keepers = [source for source in self._parts.sources if isinstance(source, Keeper)]
        while True:
            await asyncio.sleep(_TIDY_SECONDS)
            for keeper in keepers:
                try:
                    records = await self._store.list()
                    await keeper.tidy(frozenset(record.video_url for record in records))
                except (StorageFull, StoreFailed) as exc:
                    _log.info("nothing is tidied for the time being: %s", exc)
                except Exception:  # noqa: BLE001 - what it keeps too long is no job's business
                    _log.exception("%s could not be tidied", type(keeper).__name__)

    async def _reconcile(self) -> NoReturn:
        """See now and then that each session that is to have a job has one: whoever was about to
        see to it may have been killed. One worker does it for all."""
        while True:
            await asyncio.sleep(_RECONCILE_SECONDS)
            with suppress(StoreFailed, StorageFull):
                if await self._tally.take_turn(_RECONCILE_SECONDS * 0.9):
                    await self._see_to_all(await self._queue.missing(await self._tally.entered()))

    async def _see_to_all(self, session_ids: Sequence[str]) -> None:
        """Each of them, whatever is the matter with another."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _RECONCILE_SECONDS
        for session_id in session_ids:
            with about(session_id):
                try:
                    await self._see_to(session_id)
                except (SessionNotFound, StaleFence):  # somebody sees to it
                    continue
                except (StoreFailed, StorageFull) as exc:
                    _log.info("session %s: its job has to wait: %s", session_id, exc)
                    if loop.time() > until:  # it is the Redis, and not the session
                        return
                except Exception:  # noqa: BLE001 - of one session
                    _log.exception("session %s: nobody can see to its job", session_id)

    async def _see_to(self, session_id: str) -> None:
        if await self._queue.is_hopeless(session_id):
            await self._give_up(session_id)
        else:
            await self._queue.put(session_id)

    async def _give_up(self, session_id: str) -> None:
        """Whoever works on it dies of it, as far as anybody can tell."""
        with about(session_id):
            _log.error("session %s: its job was begun too often, and never ended", session_id)
        history = History(await self._store.read(session_id))
        # A ready one plays on as it is. One that has failed was given up by a worker that was
        # killed before its job was out of the list.
        if not history.ready and history.failed is None:
            error = WatchBuddyError("The server failed. Its log says more.")
            fence = await self._store.fence(session_id, "producer")
            failed = Failed(code=error.code, message=error.message)
            await self._store.append(session_id, [failed], fence)
        await self._tally.leave(session_id)


class _Hands(SaqWorker):
    """SAQ's Worker, which leaves signals to the program, and says nothing while the Redis is
    away: the store does."""

    SIGNALS = []  # noqa: RUF012 - as it is there
    queue: JobQueue
    stop_seconds = 5.0
    about_us: Callable[[], dict[str, object]] = staticmethod(dict)

    async def stop(self) -> None:
        """Take up nothing more, and give back what is in work, each as soon as it has ended; and
        what does not end as well.

        Where the Redis does not answer it takes some two seconds more than the work.
        """
        self.event.set()
        self.queue.close()
        for task in self.tasks:
            if task.get_name() != "process":
                task.cancel()
        at_work = {job: one["task"] for job, one in self.job_task_contexts.items()}
        async with asyncio.TaskGroup() as tasks:
            for job, task in at_work.items():
                tasks.create_task(self._give_back(job, task))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._leave())
            if self.tasks:
                await asyncio.wait(self.tasks, timeout=_GIVING_BACK_SECONDS)
        self.tasks.clear()  # SAQ would wait for what is left, for as long as it takes
        await super().stop()

    async def _give_back(self, job: QueuedJob, task: asyncio.Task[object]) -> None:
        task.cancel()
        await asyncio.wait([task], timeout=self.stop_seconds)
        if task.cancelled() or not task.done():
            async with _unheard(), asyncio.timeout(_GIVING_BACK_SECONDS):
                await self.queue.retry(job, ENDED_BY_WORKER)

    async def _leave(self) -> None:
        async with _unheard(), asyncio.timeout(_GIVING_BACK_SECONDS):
            await self.queue.leave()

    async def abort(self, abort_threshold: float) -> None:
        async with _unheard():
            await super().abort(abort_threshold)

    async def schedule(self, lock: int = 1) -> None:
        async with _unheard():
            await super().schedule(lock)

    async def worker_info(self, ttl: int = 60) -> WorkerInfo:
        self._metadata = self.about_us()
        async with _unheard():
            return await super().worker_info(ttl)
        return {"queue_key": None, "stats": None, "metadata": None}


@asynccontextmanager
async def _unheard() -> AsyncIterator[None]:
    """Where the Redis is away it is tried again, the next time that it is its turn."""
    with suppress(StoreFailed, StorageFull):
        async with failures_told(), asyncio.timeout(_ANSWER_SECONDS):
            yield
