"""The queue of SAQ, as jobs of sessions need it.

A job is called like its session, so there is never more than one of it in the queue. A worker
takes many: most of them wait for their viewers. What SAQ does for a job at a time, and would
hold a connection for, is done for all of them together.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from watchbuddy_core.errors import MissingExtra, StorageFull, StoreFailed
from watchbuddy_core.stores.redis_failures import failure_of

if TYPE_CHECKING:
    from redis.commands.core import AsyncScript
    from saq.job import Job, Status
    from saq.queue.redis import RedisQueue
else:
    # A mixin: what it is mixed into is loaded by `open_queue`, for those who want it.
    RedisQueue = object

FUNCTION = "produce"
"""What a job asks a worker for."""
HEARTBEAT_SECONDS = 6
"""A worker of which nothing was heard for so long loses its jobs."""

_NAME = "watchbuddy"
_WORKER = "watchbuddy:worker:"
_LIMBO = "watchbuddy:jobs:limbo"
_ENDING = "watchbuddy:jobs:ending"
_ENDING_SECONDS = 60
"""A worker that has not heard in so long that a job is to end has lost it."""
_BEGINNING_SECONDS = 3
"""A worker that has taken a job begins it by then, or never."""
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
_NOT_ALLOWED = (
    "The Redis that keeps sessions does not let this user have the queue of jobs in it, which takes"
    " `~saq:*` and `&saq:*`."
)
ENDED_BY_WORKER = "cancelled"
"""What SAQ calls it when a worker gives a job back since it ends itself."""

_TOUCH = """
redis.call('SET', KEYS[1], '', 'PX', ARGV[2])
local lost = {}
for i = 2, #KEYS do
    local job = redis.call('GET', KEYS[i]) or ''
    local is_ours = string.match(job, '"worker_id": ?"(%x+)"') == ARGV[1]
        and string.match(job, '"attempts": ?(%d+)') == ARGV[i + 1]
    if not is_ours or string.find(job, '"status": ?"queued"') then lost[#lost + 1] = i - 1 end
end
return lost
"""
"""Keys: of the worker, and of the jobs that it has. It takes no parsing: a quotation mark inside
of a text has a backslash before it."""

_SILENT = """
if not redis.call('SET', KEYS[1], '', 'NX', 'EX', ARGV[1]) then return {} end
local now = tonumber(redis.call('TIME')[1])
local known = {}
local before = redis.call('HGETALL', KEYS[3])
for i = 1, #before, 2 do known[before[i]] = tonumber(before[i + 1]) end
redis.call('DEL', KEYS[3])
local silent = {}
for _, key in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
    local job = redis.call('GET', key)
    local worker = job and string.match(job, '"worker_id": ?"(%x+)"')
    local is_active = job and string.find(job, '"status": ?"active"')
    if not (is_active and worker and redis.call('EXISTS', ARGV[2] .. worker) == 1) then
        local since = known[key] or now
        if is_active or now - since >= tonumber(ARGV[3]) then
            silent[#silent + 1] = {key, job}
        else
            redis.call('HSET', KEYS[3], key, since)
        end
    end
end
return silent
"""
"""Keys: a lock, the jobs that workers have, and those of these that no worker has begun yet, by
when that was seen first."""

_SETTLE = """
local job = redis.call('GET', KEYS[1])
if not job then return 0 end
local status = string.match(job, '"status": ?"(%l+)"')
local worker = string.match(job, '"worker_id": ?"(%x+)"') or ''
local attempts = string.match(job, '"attempts": ?(%d+)') or '0'
if worker ~= ARGV[1] or attempts ~= ARGV[2] then return 0 end
if worker ~= '' and status ~= 'active' and status ~= 'aborting' then return 0 end
redis.call('LREM', KEYS[2], 1, KEYS[1])
if ARGV[4] == '' then
    redis.call('ZREM', KEYS[3], KEYS[1])
    redis.call('SET', KEYS[1], ARGV[3], 'EX', ARGV[5])
else
    redis.call('LREM', KEYS[4], 1, KEYS[1])
    redis.call('ZADD', KEYS[3], ARGV[4], KEYS[1])
    redis.call('SET', KEYS[1], ARGV[3])
    if ARGV[4] == '0' then redis.call('RPUSH', KEYS[4], KEYS[1]) end
end
return 1
"""
"""Keys: of the job, the jobs that workers have, all jobs by when they are due, and those that
wait. It is told whose job it was in which attempt, and what it is from now on; then when it is due
again, 0 for at once; else for how long it is remembered."""

_END = """
local now = redis.call('TIME')[1]
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[2])
"""
"""Of the jobs that are to end, note one; those of long ago are forgotten."""

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

    Versions of redis-py, and of Python, are known to lose a cancellation that comes together with
    an answer.
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
    _scripts: dict[str, AsyncScript]
    _waiter: asyncio.Task[object] | None = None
    _is_closed = False
    _is_left = False

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
                heartbeat=0,  # of its worker: see `touch`
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

    async def forget(self, session_id: str) -> None:
        """Its job is to end, and nobody seems to be there who would: it need not be known long."""
        async with failures_told(), asyncio.timeout(_PUTTING_SECONDS):
            await self.redis.expire(self.job_id(session_id), _REMEMBERED_SECONDS)

    def place_of(self, session_id: str) -> tuple[str, str]:
        """The sorted set that holds every job, and its name in it."""
        return self._incomplete, self.job_id(session_id)

    def close(self) -> None:
        """From now on, none is taken up."""
        self._is_closed = True
        if self._waiter is not None:
            self._waiter.cancel()

    async def touch(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Say that this worker is there, and look after the jobs that it has.

        Returns:
            those that have been taken from it.

        Raises:
            StorageFull, StoreFailed
        """
        keys = [_WORKER + self.worker_id, *(job.id for job in jobs)]
        attempts = [job.attempts for job in jobs]
        words: list[str | int] = [self.worker_id, HEARTBEAT_SECONDS * 1000, *attempts]
        async with failures_told():
            lost = await self._run(_TOUCH, keys, words)
        return [jobs[int(i) - 1] for i in lost]

    async def leave(self) -> None:
        """This worker is there no more: whatever it still has is for others to take, and what
        comes of that is theirs to say.

        Raises:
            StorageFull, StoreFailed
        """
        self._is_left = True
        async with failures_told():
            await self.redis.delete(_WORKER + self.worker_id)

    async def _run(
        self, script: str, keys: Sequence[str], words: Sequence[str | bytes | float] = ()
    ) -> Any:
        """What Lua returns that is sent to the Redis but once."""
        if script not in self._scripts:
            self._scripts[script] = self.redis.register_script(script)
        return await self._scripts[script](keys=keys, args=words)

    # --- as SAQ calls it ---------------------------------------------------------------

    async def dequeue(self, timeout: float = 0.0, poll_interval: float = 0.0) -> Job | None:
        """One waits at a time: each that waits holds a connection."""
        async with self._taking:
            self._waiter = asyncio.current_task()
            try:
                if self.room is not None and not self._is_closed:
                    await self.room()
                pause = 0.1
                while not self._is_closed:  # also where a cancellation was lost: see `end`
                    try:
                        async with failures_told(), asyncio.timeout(2 * _WAITING_SECONDS):
                            return await super().dequeue(_WAITING_SECONDS)
                    except (StorageFull, StoreFailed):  # told by the store
                        await asyncio.sleep(pause)
                        pause = min(2 * pause, 2.0)
                return None
            finally:
                self._waiter = None

    async def abort(self, job: Job, error: str, ttl: float = 5) -> None:
        await self._run(_END, [_ENDING], [job.key, _ENDING_SECONDS])
        await super().abort(job, error, ttl)

    async def jobs(self, job_keys: Iterable[str]) -> list[Job | None]:
        """Of these, the ones that may have to end: that is what a worker asks twice a second of
        all that it has taken up."""
        ending = {key.decode() for key in await self.redis.zrange(_ENDING, 0, -1)}
        keys = [key for key in job_keys if key in ending]
        return await super().jobs(keys) if keys else []

    async def sweep(self, lock: int = 60, abort: float = 5.0) -> list[str]:
        """Take their jobs from workers of which nothing is heard.

        SAQ has each job say by itself that it is worked on: that would be most of what is
        written to the Redis, as most jobs do nothing but wait. It also takes a job from who is
        about to begin it, and waits for the end of each that it takes: here that need not end,
        since what it would write is refused.
        """
        if not self.may_sweep():
            return []
        with suppress(StorageFull, StoreFailed):  # the next time, then
            async with failures_told():
                return await self._take_from_silent(lock)
        return []

    async def _take_from_silent(self, lock: int) -> list[str]:
        from saq.job import Status

        keys = [self._sweep, self._active, _LIMBO]
        silent = await self._run(_SILENT, keys, [lock, _WORKER, _BEGINNING_SECONDS])
        for key, text in silent:
            job = self.deserialize(text)
            if job is None:
                await self.redis.lrem(self._active, 0, key)  # type: ignore[misc]
                await self.redis.zrem(self._incomplete, key)
            elif job.retryable:
                await self.retry(job, self.swept_error_message)
            else:
                await self.finish(job, Status.ABORTED, error=self.swept_error_message)
        return [key.decode() for key, _ in silent]

    async def _retry(self, job: Job, error: str | None) -> None:
        worker_id, attempts = job.worker_id, job.attempts
        if error == ENDED_BY_WORKER:
            job.attempts -= 1
        if error == ENDED_BY_WORKER or job.attempts < _AT_ONCE:
            job.retry_delay, job.retry_backoff = 0.0, False
        else:
            job.retry_delay, job.retry_backoff = _FIRST_PAUSE, _LONGEST_PAUSE
        job.worker_id = None
        delay = job.next_retry_delay()
        await self._settle(job, worker_id, attempts, due=time.time() + delay if delay else 0)

    async def _finish(
        self, job: Job, status: Status, *, result: Any = None, error: str | None = None
    ) -> None:
        if self.worker_id:
            await self._settle(job, job.worker_id, job.attempts)
        else:  # it has just been taken out of those that wait
            await super()._finish(job, status, result=result, error=error)

    async def _settle(
        self, job: Job, worker_id: str | None, attempts: int, *, due: float | None = None
    ) -> None:
        """Write down what comes of an attempt, unless that was settled already: by who found its
        worker silent, or by that worker, which was but slow.

        SAQ writes down whatever it is told. Two that act on one attempt would take the job from
        the next one, whose work is paid for by then.

        Args:
            due: in seconds since 1970, when it is to be begun again. None: never.
        """
        if self._is_left:
            return
        keys = [job.id, self._active, self._incomplete, self._queued]
        text = self.serialize(job)
        when: str | float = "" if due is None else due
        if await self._run(_SETTLE, keys, [worker_id or "", attempts, text, when, job.ttl]):
            await self.notify(job)


def require_saq() -> None:
    """Raises: MissingExtra: SAQ is not installed."""
    try:
        import saq.queue.redis  # noqa: F401
    except ImportError as exc:
        raise MissingExtra("scale", "Working in several processes") from exc


async def check_queue(url: str) -> None:
    """See whether this Redis lets its user have a queue in it. Whoever only tries to take jobs up
    would wait without a word.

    Raises:
        MissingExtra: SAQ is not installed.
        StorageFull, StoreFailed: it does not, or cannot be asked.
    """
    async with open_queue(url, is_hasty=True) as queue, failures_told():
        from redis.exceptions import NoPermissionError

        try:
            await queue.redis.exists(queue.namespace("queued"))
            await queue.redis.publish(queue.job_id("check"), "")
        except NoPermissionError:
            raise StoreFailed(_NOT_ALLOWED) from None


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
        # With one, redis-py sends by asyncio.wait_for, which loses cancellations in Python 3.11.
        # How long is waited is decided here; a machine that is gone is found out by TCP.
        "socket_timeout": None,
        "socket_connect_timeout": 2.0,
        "health_check_interval": 0,
        "max_connections": _CONNECTIONS,
        "timeout": None,  # for a free one of them
        "retry_on_error": [RuntimeError],  # of uvloop: see `failures_told`
        "retry": Retry(
            ExponentialBackoff(cap=1.0, base=0.05), _HASTY_RETRIES if is_hasty else _RETRIES
        ),
    }
    if not url.startswith("unix:"):
        how["socket_keepalive"] = True
        how["socket_keepalive_options"] = _keepalive()
    kind = type("JobQueue", (JobQueue, Base), {})
    pool = BlockingConnectionPool.from_url(url, **how)
    async with Redis.from_pool(pool) as client:
        queue: JobQueue = kind(client, name=_NAME)
        queue._taking, queue._scripts = asyncio.Lock(), {}
        yield queue


def _keepalive() -> dict[int, int]:
    """A connection whose other end is gone is found out within some ten seconds, where the
    system can."""
    wanted = {
        "TCP_KEEPIDLE": 5,
        "TCP_KEEPINTVL": 2,
        "TCP_KEEPCNT": 3,
        "TCP_USER_TIMEOUT": 10_000,  # milliseconds
    }
    return {getattr(socket, one): value for one, value in wanted.items() if hasattr(socket, one)}
