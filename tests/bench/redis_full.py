"""When a Redis is full: `python tests/bench/redis_full.py`.

What comes most often, by far, is that a viewer's position is appended to the log of their session
and published to the process that delivers it and the one that works on it. Here it comes as fast
as the Redis takes it: the very script of the store, for a thousand sessions, from a few
connections that send a batch and wait for its answers, as each process does; and two more that
are subscribed to all sessions.

Told are, for each way of writing the append-only file, appends a second, the share of one core
that the Redis used, and what a core of its own would take. A machine that does much else, or on
which what asks competes with it for cores, shows fewer a second, but the same per core.

Then, what it takes to keep the queue of jobs, of which there is one for each session that is
watched: that its worker says that it is there, that workers look whether it is to end, and that
the queue is swept. Told is for how long the Redis does nothing else each time.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "support"))

from redis_server import RedisServer, redis_server
from saq.job import Status

from watchbuddy_core.entries import Wanted
from watchbuddy_core.session.job_queue import open_queue
from watchbuddy_core.stores import redis_scripts
from watchbuddy_core.stores.redis import RedisStore

SESSIONS = 1000
CONNECTIONS = 4
FOLLOWERS = 2
_HOUR_MS = 3_600_000


def _key(session: int, part: str) -> str:
    return f"watchbuddy:{{ses_{session:016x}}}:{part}"


def packed(*words: object) -> bytes:
    """A command, as it goes over the wire."""
    encoded = [str(word).encode() for word in words]
    lengths = (b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)
    return b"*%d\r\n" % len(encoded) + b"".join(lengths)


def append(session: int, order: int) -> bytes:
    keys = [_key(session, part) for part in ("head", "log", "record", "news")]
    entry = Wanted(position=float(order)).model_dump_json()
    arguments = (0, "bench", order, "", 0, _HOUR_MS, 200_000, "dispensable", entry)
    return packed("EVALSHA", redis_scripts.APPEND.name, len(keys), *keys, *arguments)


async def follow(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 20):
        pass


async def drive(server: RedisServer, first: int, batch: int, stop: float) -> int:
    """Appends, one batch after the other; how many."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    sessions = range(first, SESSIONS, CONNECTIONS)
    commands = [append(session, 1) for session in sessions]
    done = at = 0
    while time.monotonic() < stop:
        some = [commands[(at + i) % len(commands)] for i in range(batch)]
        at += batch
        writer.write(b"".join(some))
        await writer.drain()
        for _ in some:  # an array of two: `*2`, `$4`, `kept`, `:17`
            answer = await reader.readline()
            assert answer == b"*2\r\n", answer
            for _ in range(3):
                await reader.readline()
        done += batch
    writer.close()
    return done


async def measure(fsync: str, batch: int, seconds: float) -> None:
    with redis_server("--appendfsync", fsync) as server:
        async with RedisStore(server.url):
            server.tell("SCRIPT", "LOAD", redis_scripts.APPEND.text)
        following = []
        for _ in range(FOLLOWERS):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(packed("SUBSCRIBE", *(_key(one, "news") for one in range(SESSIONS))))
            following.append((asyncio.create_task(follow(reader)), writer))
        before, kept, began = _busy(server), _kept(server), time.monotonic()
        drives = (drive(server, i, batch, began + seconds) for i in range(CONNECTIONS))
        done = sum(await asyncio.gather(*drives))
        took, busy = time.monotonic() - began, _busy(server) - before
        for task, writer in following:
            task.cancel()
            writer.close()
        print(
            f"appendfsync {fsync:8} batches of {batch:3}: {done / took:7.0f} a second with"
            f" {100 * busy / took:3.0f} % of a core, {1e6 * busy / done:5.1f} µs of it each:"
            f" {done / busy:7.0f} a second of a whole one;"
            f" {(_kept(server) - kept) / done:.0f} B of the file each",
            flush=True,
        )


async def keep_jobs(jobs: int, rounds: int = 20) -> None:
    with redis_server() as server:
        async with open_queue(server.url) as queue:
            queue.worker_id = "beef"
            taken = []
            for number in range(jobs):
                await queue.put(f"ses_{number:016x}")
                job = await queue.dequeue()
                assert job is not None
                job.worker_id, job.attempts = queue.worker_id, 1
                await queue.update(job, status=Status.ACTIVE)
                taken.append(job)
            assert not await queue.touch(taken)
            for name, work in (
                ("its worker says that it is there", lambda: queue.touch(taken)),
                ("its worker looks whether it is to end", lambda: queue.jobs(j.key for j in taken)),
                ("the queue is swept", lambda: queue.sweep(lock=1)),
            ):
                before = _busy(server)
                for _ in range(rounds):
                    server.tell("DEL", queue._sweep)
                    await work()
                busy = (_busy(server) - before) / rounds
                assert not await queue.touch(taken)
                print(
                    f"{jobs} jobs, {name}: {1000 * busy:.1f} ms, {1e6 * busy / jobs:.1f} µs a job",
                    flush=True,
                )


def _busy(server: RedisServer) -> float:
    """Seconds of its processor. Its other threads write to the disk."""
    told = server.tell("INFO", "cpu")
    return float(told["used_cpu_user_main_thread"]) + float(told["used_cpu_sys_main_thread"])


def _kept(server: RedisServer) -> int:
    """Bytes of the append-only file."""
    return int(server.tell("INFO", "persistence")["aof_current_size"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    seconds = parser.parse_args().seconds
    for fsync in ("always", "everysec"):
        for batch in (1, 16, 128):
            asyncio.run(measure(fsync, batch, seconds))
    asyncio.run(keep_jobs(1000))


if __name__ == "__main__":
    main()
