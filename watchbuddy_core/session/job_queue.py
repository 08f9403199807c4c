"""The queue of SAQ, as jobs of sessions need it.

A job is called like its session, so there is never more than one of it in the queue. A worker
takes many: most of them wait for their viewers. What SAQ does for a job at a time, and would
hold a connection for, is done for all of them together.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from watchbuddy_core.errors import MissingExtra, StorageFull, StoreFailed
from watchbuddy_core.stores.redis_failures import failure_of

if TYPE_CHECKING:
    from saq.job import Job, Status
    from saq.queue.redis import RedisQueue
    from saq.types import ListenCallback
else:
    # A mixin: what it is mixed into is loaded by `open_queue`, for those who want it.
    RedisQueue = object

FUNCTION = "produce"
"""What a job asks a worker for."""
HEARTBEAT_SECONDS = 6
"""A job of which nothing was heard for so long is taken from its worker."""

_NAME = "watchbuddy"
_ATTEMPTS = 20
"""So often may a job be the last that is heard of its worker."""
_AT_ONCE = 2
"""So many times it is begun again without a pause."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_REMEMBERED_SECONDS = 60
"""For so long it is known of a job that it has ended."""
_WAITING_SECONDS = 5
"""An answer is asked for anew so often while there is no job: whoever is asked may be gone."""
_RETRIES = 20
"""Of a worker's commands, within some fifteen seconds."""
_HASTY_RETRIES = 6
"""Of the commands that a viewer waits for, within some two."""
_PUTTING_SECONDS = 6.0
_CONNECTIONS = 32
_CANCELLED_AGAIN_SECONDS = 0.5
ENDED_BY_WORKER = "cancelled"
"""What SAQ calls it when a worker gives a job back since it ends itself."""

_TOUCH = """
local lost = {}
for i, key in ipairs(KEYS) do
    local text = redis.call('GET', key)
    local job = text and cjson.decode(text) or {}
    local is_ours = job.worker_id == ARGV[2] and job.attempts == tonumber(ARGV[2 + i])
    if is_ours and job.status == 'active' then
        job.touched = tonumber(ARGV[1])
        redis.call('SET', key, cjson.encode(job))
    elseif not is_ours or job.status == 'queued' then
        lost[#lost + 1] = i
    end
end
return lost
"""

_ENDING = """
local ending = {}
for _, text in ipairs(redis.call('MGET', unpack(KEYS))) do
    if text and string.find(text, '"status": ?"abort') then ending[#ending + 1] = text end
end
return ending
"""

_log = logging.getLogger("watchbuddy.jobs")


@asynccontextmanager
async def failures_told() -> AsyncIterator[None]:
    """Raises: StorageFull, StoreFailed: in the place of what redis-py raises.

    A RuntimeError is what uvloop raises where a connection is lost while it is being made.
    """
    from redis.exceptions import RedisError

    try:
        yield
    except (RedisError, OSError, TimeoutError, RuntimeError) as exc:
        raise failure_of(exc) from None


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks that talk to the queue, and wait until they have ended.

    A cancellation that meets redis-py while it connects is sometimes lost there.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_CANCELLED_AGAIN_SECONDS)


class JobQueue(RedisQueue):
    """Jobs by session. Made by `open_queue`."""

    worker_id = ""
    """Whose queue this is; empty for those who only ask for work."""
    room: Callable[[], Awaitable[object]] | None = None
    """Waited for before a job is taken up."""
    may_sweep: Callable[[], bool] = staticmethod(lambda: True)
    """Whether what is silent can be told from what could not be heard."""
    _taking: asyncio.Lock
    _waiter: asyncio.Task[object] | None = None
    _is_closed = False

    def __repr__(self) -> str:
        return f"JobQueue({self.name})"

    async def put(self, session_id: str) -> None:
        """See that there is a job.

        Raises:
            StorageFull, StoreFailed
        """
        async with failures_told(), asyncio.timeout(_PUTTING_SECONDS):
            await self.enqueue(
                FUNCTION,
                key=session_id,
                # How long may be worked on a session is for the session to say.
                timeout=0,
                heartbeat=HEARTBEAT_SECONDS,
                retries=_ATTEMPTS,
                ttl=_REMEMBERED_SECONDS,
                session_id=session_id,
            )

    async def missing(self, session_ids: Sequence[str]) -> Sequence[str]:
        """Those that have no job.

        Raises:
            StorageFull, StoreFailed
        """
        if not session_ids:
            return ()
        async with failures_told():
            scores = await self.redis.zmscore(
                self._incomplete, [self.job_id(one) for one in session_ids]
            )
        pairs = zip(session_ids, scores, strict=True)
        return [session_id for session_id, score in pairs if score is None]

    async def is_hopeless(self, session_id: str) -> bool:
        """Whether its job was begun again so often that nobody begins it once more.

        Raises:
            StorageFull, StoreFailed
        """
        from saq.job import UNSUCCESSFUL_TERMINAL_STATUSES

        async with failures_told():
            job = await self.job(session_id)
        return (
            job is not None and job.status in UNSUCCESSFUL_TERMINAL_STATUSES and not job.retryable
        )

    def place_of(self, session_id: str) -> tuple[str, str]:
        """The sorted set that holds every job, and its name in it."""
        return self._incomplete, self.job_id(session_id)

    def close(self) -> None:
        """From now on, none is taken up."""
        self._is_closed = True
        if self._waiter is not None:
            self._waiter.cancel()

    async def touch(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Say that there is still somebody who works on them.

        Returns:
            those that have been taken from us.

        Raises:
            StorageFull, StoreFailed
        """
        from saq.utils import now

        command = ["PING"]
        if jobs:
            keys = [job.id for job in jobs]
            attempts = [str(job.attempts) for job in jobs]
            command = ["EVAL", _TOUCH, str(len(keys)), *keys, str(now()), self.worker_id, *attempts]
        async with failures_told():
            lost = await self.redis.execute_command(*command)  # type: ignore[no-untyped-call]
        if not jobs:
            return ()
        return [jobs[int(i) - 1] for i in lost]

    # --- as SAQ calls it ---------------------------------------------------------------

    async def dequeue(self, timeout: float = 0.0, poll_interval: float = 0.0) -> Job | None:
        """One waits at a time: each that waits holds a connection."""
        async with self._taking:
            if self._is_closed:
                return None
            self._waiter = asyncio.current_task()
            try:
                if self.room is not None:
                    await self.room()
                pause = 0.1
                while True:
                    try:
                        async with failures_told():
                            return await super().dequeue(_WAITING_SECONDS)
                    except (StorageFull, StoreFailed):  # told by the store
                        await asyncio.sleep(pause)
                        pause = min(2 * pause, 2.0)
            finally:
                self._waiter = None

    async def jobs(self, job_keys: Iterable[str]) -> list[Job | None]:
        """Of these, the ones that are to end: that is what a worker asks twice a second of all
        that it has taken up, and each is some 400 bytes."""
        keys = [self.job_id(key) for key in job_keys]
        if not keys:
            return []
        ending = await self.redis.eval(_ENDING, len(keys), *keys)  # type: ignore[misc]
        return [self.deserialize(text) for text in ending]

    async def listen(
        self,
        job_keys: Iterable[str],
        callback: ListenCallback,
        timeout: float | None = 10,
        poll_interval: float = 0.5,
    ) -> None:
        """SAQ waits for the end of each job that it takes from a worker. It need not end there:
        what it would write is refused."""

    async def sweep(self, lock: int = 60, abort: float = 5.0) -> list[str]:
        if not self.may_sweep():
            return []
        return await super().sweep(lock, abort)

    async def _retry(self, job: Job, error: str | None) -> None:
        if await self._is_lost(job):
            return
        if error == ENDED_BY_WORKER:
            job.attempts -= 1
        if error == ENDED_BY_WORKER or job.attempts < _AT_ONCE:
            job.retry_delay, job.retry_backoff = 0.0, False
        else:
            job.retry_delay, job.retry_backoff = _FIRST_PAUSE, _LONGEST_PAUSE
        await super()._retry(job, error)

    async def _finish(
        self, job: Job, status: Status, *, result: Any = None, error: str | None = None
    ) -> None:
        if not await self._is_lost(job):
            await super()._finish(job, status, result=result, error=error)

    async def _is_lost(self, job: Job) -> bool:
        """Whether it is ours, and was taken from us: then it is another's to say how it went."""
        from saq.job import Status

        if not self.worker_id or job.worker_id != self.worker_id:
            return False
        kept = await self.job(job.key)
        if kept is None:
            return True
        is_ours = (kept.worker_id, kept.attempts) == (job.worker_id, job.attempts)
        return not is_ours or kept.status == Status.QUEUED


def require_saq() -> None:
    """Raises: MissingExtra: SAQ is not installed."""
    try:
        import saq.queue.redis  # noqa: F401
    except ImportError as exc:
        raise MissingExtra("scale", "Working in several processes") from exc


@asynccontextmanager
async def open_queue(url: str, *, is_hasty: bool = False) -> AsyncIterator[JobQueue]:
    """The queue in this Redis. Connects when it is first asked.

    Args:
        is_hasty: somebody waits: what cannot be done in about two seconds fails.

    Raises:
        MissingExtra: SAQ is not installed.
    """
    require_saq()
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import ExponentialBackoff
    from saq.queue.redis import RedisQueue as Base

    how: dict[str, Any] = {
        "client_name": "watchbuddy-jobs",
        "protocol": 2,
        # Longer than is waited for a job; else the defaults differ from version to version.
        "socket_timeout": 2.0 * _WAITING_SECONDS,
        "socket_connect_timeout": 2.0,
        "health_check_interval": 0,
        "max_connections": _CONNECTIONS,
        "timeout": None,  # for a free one of them
        "retry_on_error": [RuntimeError],  # of uvloop: see `failures_told`
        "retry": Retry(
            ExponentialBackoff(cap=1.0, base=0.05), _HASTY_RETRIES if is_hasty else _RETRIES
        ),
    }
    if is_hasty:
        how["socket_timeout"] = 2.0
    kind = type("JobQueue", (JobQueue, Base), {})
    pool = BlockingConnectionPool.from_url(url, **how)
    async with Redis.from_pool(pool) as client:
        queue: JobQueue = kind(client, name=_NAME)
        queue._taking = asyncio.Lock()
        yield queue
