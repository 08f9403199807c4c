"""What a session costs the Redis between processes: `python tests/bench/redis_cost.py`.

A real Redis with an append-only file, and real processes of `watchbuddy`. Sessions on one film
are created, scripted by the offline companion, and watched in real time, with four reports a
second and an acknowledgement of each action, as the page does it. Before and after each of
these, the Redis is asked what it has done: commands by kind (those that came in, and those that
scripts have called), bytes in and out, seconds of its processor, and the memory of a session's
keys. What it is asked while nothing happens is measured first, and taken off.

Then, what a further follower of a session adds, since that is how a second process hears of it;
and what it costs that many sessions are kept: a process looks at all of them now and then, and
when it starts.

    --jobs saq   a web process and a worker, instead of one process that does both
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

sys.path.append(str(Path(__file__).parents[1] / "support"))

from fleet import create, program, web
from redis_server import RedisServer, redis_server

from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.entries import Ready
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.redis import RedisStore

STEP = 0.25
"""Seconds between two reports, and media seconds."""
FEATURES = "hold,progress,chat,feedback"
PARTS = ("record", "head", "log", "spent", "progress")
"""Of what is kept of a session."""
_QUIET_SECONDS = 20.0
_SWEEP_SECONDS = 60.0
"""At the latest so often a process looks after its sessions."""
_OURS = {"info", "memory|usage", "xrevrange", "client|setinfo", "dbsize", "auth", "hello", "config"}
"""Commands of this bench's own."""


@dataclass(frozen=True)
class Reading:
    """What the Redis has done, until a moment or since one."""

    seconds: float
    commands: Counter[str]
    bytes_in: float
    bytes_out: float
    busy: float
    """Seconds of its processor."""

    @classmethod
    def of(cls, server: RedisServer) -> Reading:
        stats, cpu = server.tell("INFO", "stats"), server.tell("INFO", "cpu")
        calls = {
            name.removeprefix("cmdstat_"): told["calls"]
            for name, told in server.tell("INFO", "commandstats").items()
        }
        return cls(
            seconds=time.monotonic(),
            commands=Counter({kind: n for kind, n in calls.items() if kind not in _OURS}),
            bytes_in=float(stats["total_net_input_bytes"]),
            bytes_out=float(stats["total_net_output_bytes"]),
            busy=float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"]),
        )

    def since(self, earlier: Reading) -> Reading:
        return Reading(
            self.seconds - earlier.seconds,
            self.commands - earlier.commands,
            self.bytes_in - earlier.bytes_in,
            self.bytes_out - earlier.bytes_out,
            self.busy - earlier.busy,
        )

    def beyond(self, idle: Reading) -> Reading:
        """Without what would have come in the same time had nothing happened."""
        share = self.seconds / idle.seconds
        quiet = Counter({kind: round(n * share) for kind, n in idle.commands.items()})
        return Reading(
            self.seconds,
            self.commands - quiet,
            self.bytes_in - share * idle.bytes_in,
            self.bytes_out - share * idle.bytes_out,
            self.busy - share * idle.busy,
        )

    def tell(self, what: str, per: float) -> None:
        kinds = ", ".join(f"{kind} {n / per:.1f}" for kind, n in self.commands.most_common(12))
        print(
            f"{what}: {self.commands.total() / per:.1f} commands, {self.bytes_in / per:.0f} B in,"
            f" {self.bytes_out / per:.0f} B out, {1e6 * self.busy / per:.0f} µs of a core\n"
            f"    {kinds}",
            flush=True,
        )


def memory(server: RedisServer, session_ids: list[str]) -> dict[str, float]:
    """Bytes of a session on the average, by part."""
    used: Counter[str] = Counter()
    for session_id in session_ids:
        for part in PARTS:
            key = f"watchbuddy:{{{session_id}}}:{part}"
            used[part] += server.tell("MEMORY", "USAGE", key, "SAMPLES", 0) or 0
    return {part: used[part] / len(session_ids) for part in PARTS}


def tell_memory(server: RedisServer, session_ids: list[str], when: str) -> None:
    used = memory(server, session_ids)
    parts = ", ".join(f"{part} {number:.0f}" for part, number in used.items() if number)
    length = sum(
        server.tell("XLEN", f"watchbuddy:{{{session_id}}}:log") for session_id in session_ids
    )
    print(
        f"memory of a session, {when}: {sum(used.values()):.0f} B ({parts}),"
        f" {length / len(session_ids):.0f} entries",
        flush=True,
    )


# --- the viewers -----------------------------------------------------------------------------


async def scripted(server: RedisServer, session_ids: list[str]) -> None:
    for session_id in session_ids:
        while True:
            key = f"watchbuddy:{{{session_id}}}:log"
            last = server.tell("XREVRANGE", key, "+", "-", "COUNT", 1)
            if last and b'"ready"' in last[0][1][b"e"]:
                break
            await asyncio.sleep(0.5)


class Viewer:
    """Watches from the beginning, says where it is, and acknowledges what it is sent."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._position = 0.0
        self.actions = 0
        self.ready = asyncio.Event()

    async def hear(self) -> None:
        with suppress(ConnectionClosed):  # the session is ended
            async for text in self._socket:
                message = json.loads(text)
                if message.get("type") == "session_ready":
                    self.ready.set()
                if "action_type" in message:
                    self.actions += 1
                    told = {"type": "action_completed", "action_id": message["id"]}
                    await self._socket.send(json.dumps(told))

    async def watch(self, seconds: float) -> None:
        began = time.monotonic()
        for number in range(int(seconds / STEP)):
            told = {"type": "timestamp_update", "timestamp": self._position, "paused": False}
            await self._socket.send(json.dumps(told))
            self._position += STEP
            await asyncio.sleep(max(0.0, began + STEP * (number + 1) - time.monotonic()))


async def watch_all(viewers: list[Viewer], seconds: float) -> None:
    async with asyncio.TaskGroup() as tasks:
        for number, viewer in enumerate(viewers):
            await asyncio.sleep(STEP / len(viewers) * (number > 0))
            tasks.create_task(viewer.watch(seconds))


# --- the measuring ---------------------------------------------------------------------------


async def measure(sessions: int, minutes: float, kept: int, jobs: str) -> None:
    async with AsyncExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="cost-")))
        films = folder / "films"
        films.mkdir()
        length = 2 * minutes * 60 + 30
        looks = [(Picture.DAY, Tone.CALM), (Picture.SEA, Tone.MELODY), (Picture.DUSK, Tone.BANG)]
        shots = [Shot(6.0, *looks[number % 3]) for number in range(int(length / 6) + 1)]
        make_clip(films / "film.mp4", shots, size=(320, 180), frame_rate=5)
        redis = held.enter_context(redis_server())
        shared = ("--store", redis.url, "--library", str(films))
        if jobs == "saq":
            held.enter_context(program("worker", *shared, data=folder / "worker"))
            shared += ("--jobs", jobs)
        url = await held.enter_async_context(web(*shared, data=folder / "web"))
        await asyncio.sleep(5)

        before = Reading.of(redis)
        await asyncio.sleep(_QUIET_SECONDS)
        idle = Reading.of(redis).since(before)
        idle.tell("nothing happens, a minute", _QUIET_SECONDS / 60)

        before = Reading.of(redis)
        first = await create(url, ["library:film.mp4"])
        await scripted(redis, first)
        Reading.of(redis).since(before).beyond(idle).tell(
            f"the first session on a film of {length:.0f} seconds, created and scripted", 1
        )
        before = Reading.of(redis)
        others = await create(url, ["library:film.mp4"] * sessions)
        await scripted(redis, others)
        Reading.of(redis).since(before).beyond(idle).tell("a further one", sessions)
        tell_memory(redis, others, "scripted")

        before = Reading.of(redis)
        viewers = []
        async with asyncio.TaskGroup() as hearing:
            for session_id in others:
                address = f"{url.replace('http', 'ws')}/ws/{session_id}?features={FEATURES}"
                viewers.append(Viewer(await held.enter_async_context(connect(address))))
                hearing.create_task(viewers[-1].hear())
            for viewer in viewers:
                await viewer.ready.wait()
            await asyncio.sleep(1)
            Reading.of(redis).since(before).beyond(idle).tell("a viewer comes", sessions)

            before = Reading.of(redis)
            await watch_all(viewers, minutes * 60)
            alone = Reading.of(redis).since(before).beyond(idle)
            alone.tell("a minute of watching", sessions * minutes)
            actions = sum(viewer.actions for viewer in viewers)
            print(f"    with {actions / sessions / minutes:.1f} actions")
            tell_memory(redis, others, f"watched for {minutes:g} minutes")

            async with RedisStore(redis.url) as store, asyncio.TaskGroup() as tasks:
                following = [tasks.create_task(_follow(store, one)) for one in others]
                await asyncio.sleep(2)
                before = Reading.of(redis)
                await watch_all(viewers, minutes * 60)
                Reading.of(redis).since(before).beyond(idle).tell(
                    "the next minute, with one process more that follows", sessions * minutes
                )
                for task in following:
                    task.cancel()
                tell_memory(redis, others, f"watched for {2 * minutes:g} minutes")

            before = Reading.of(redis)
            async with httpx.AsyncClient(base_url=url, timeout=60) as client:
                for session_id in others:
                    (await client.delete(f"/api/v1/sessions/{session_id}")).raise_for_status()
            await asyncio.sleep(1)
            Reading.of(redis).since(before).beyond(idle).tell("a session is ended", sessions)
        before = Reading.of(redis)
        async with RedisStore(redis.url) as store:
            for session_id in others:
                await store.delete(session_id)
        Reading.of(redis).since(before).beyond(idle).tell("and forgotten", sessions)
        left = sum(memory(redis, others).values())
        print(f"memory of a session that is forgotten: {left:.0f} B")

        await keep(redis, kept)
        await asyncio.sleep(5)
        before = Reading.of(redis)
        await asyncio.sleep(2 * _SWEEP_SECONDS)
        Reading.of(redis).since(before).beyond(idle).tell(
            f"one of {kept} sessions that are kept, a minute", 2 * kept
        )
        before = Reading.of(redis)
        began = time.monotonic()
        await held.enter_async_context(web(*shared, data=folder / "another"))
        took = time.monotonic() - began
        Reading.of(redis).since(before).beyond(idle).tell(
            f"a web process starts with {kept} sessions and is ready after {took:.1f} s: of one",
            kept,
        )


async def _follow(store: RedisStore, session_id: str) -> None:
    async for _ in store.follow(session_id):
        pass


async def keep(server: RedisServer, count: int) -> None:
    """So many sessions that are there, and nothing else."""
    async with RedisStore(server.url) as store:
        for number in range(count):
            session_id = f"ses_{number:016x}"
            record = SessionRecord(
                session_id=session_id,
                video_url="library:film.mp4",
                character_id="miao",
                created_at=time.time(),
            )
            await store.put(record)
            await store.append(session_id, [Ready()], None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--kept", type=int, default=2000)
    parser.add_argument("--jobs", choices=("local", "saq"), default="local")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.sessions, arguments.minutes, arguments.kept, arguments.jobs))


if __name__ == "__main__":
    main()
