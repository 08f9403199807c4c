"""Sessions that come and go, and what is left of them: `python tests/bench/soak.py --minutes 30`.

A real `watchbuddy serve` over a film of a minute. Viewers create sessions, watch them at forty
times the speed, seek, talk, come back, take over from one another, vanish without a word, hold
still, leave before the end, delete; what nobody deletes is forgotten after a few seconds. All the
while the server's memory, files, tasks, threads and the size of its database are looked at.

After a third of the time, to warm up, nothing may grow: by the least-squares line through what
was measured, over what remains of the time. And when everybody has gone, there is as much as
before anybody came. Ends with 1, and says why, where that is not so, or where a session has
ended otherwise than the protocol says.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import socket as sockets
import struct
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from watchbuddy_core.clips import Picture, Shot, Tone, make_clip

FILM_SECONDS = 60.0
IDLE_SECONDS = 2.0
"""After which a session that nobody watches is forgotten."""
STEP = 0.8
"""Media seconds between two reports."""
REPORT_SECONDS = 0.02
FEATURES = ("", "?features=", "?features=hold", "?features=early_ready,progress,chat,feedback")

GROWTH = {"memory, MB": 0.05, "threads": 0.0, "files": 0.0, "tasks": 0.0, "database, MB": 0.25}
"""What the line may rise by, as a share of what there is on average."""
SLACK = {"memory, MB": 4.0, "threads": 3.0, "files": 6.0, "tasks": 12.0, "database, MB": 2.0}
"""And what besides, since viewers come and go as they please."""
PATIENCE = 60.0
"""Seconds: on a machine that has much else to do, an answer takes its time."""
SETTLED_SECONDS = 120.0
"""By then, what is loaded and kept is there, and what a server seldom collects has its room: of a
longer run, only what comes behind is looked at."""
FILLING = {"memory, MB": 60.0, "database, MB": 8.0}
"""And in a shorter run: all of that is still on its way up."""


class Wrong(Exception):
    """Something was otherwise than the protocol says."""


@dataclass
class Soak:
    """The viewers, and what became of their sessions."""

    url: str
    chance: random.Random
    ends: Counter[str] = field(default_factory=Counter)
    actions: int = 0
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = httpx.AsyncClient(base_url=self.url, timeout=30)

    async def come_and_go(self, until: float) -> None:
        """One seat, with one viewer after the other."""
        while time.monotonic() < until:
            try:
                async with asyncio.timeout(60):
                    self.ends[await self._visit()] += 1
            except (Wrong, TimeoutError, OSError, ConnectionClosed) as exc:
                self.problems.append(f"{type(exc).__name__}: {exc}")

    async def _visit(self) -> str:
        asked = {
            "video_url": "library:film.mp4",
            "character_id": self.chance.choice(["miao", "quinn", "shen"]),
            "density": "chatty",
            "user_id": f"viewer {self.chance.randrange(5)}",
        }
        answer = await self.client.post("/api/v1/sessions", json=asked)
        if answer.status_code in (429, 503):
            await asyncio.sleep(1)
            return "turned away"
        if answer.status_code != 202:
            raise Wrong(f"creating: {answer.status_code} {answer.text}")
        path = f"/api/v1/sessions/{answer.json()['session_id']}"
        manner = self.chance.choice(
            [
                "watched",
                "watched",
                "vanished",
                "replaced",
                "deleted",
                "left",
                "deaf",
                "junk",
                "twice",
            ]
        )
        await getattr(self, f"_{manner}")(answer.json()["session_id"])
        if manner in ("watched", "twice") and self.chance.random() < 0.5:
            for part in ("", "/script", "/video"):
                if (told := await self.client.get(path + part)).status_code != 200:
                    raise Wrong(f"{part}: {told.status_code} {told.text}")
            if (gone := await self.client.delete(path)).status_code != 204:
                raise Wrong(f"deleting: {gone.status_code} {gone.text}")
        return manner

    def _connect(self, session_id: str) -> Any:
        address = f"{self.url.replace('http', 'ws')}/ws/{session_id}"
        return connect(address + self.chance.choice(FEATURES), proxy=None, compression=None)

    async def _play(
        self, socket: ClientConnection, *, until: float = FILM_SECONDS, seeks: bool = True
    ) -> None:
        """Report a playhead that runs to `until`, and acknowledge what comes."""
        hearing = asyncio.create_task(self._hear(socket))
        try:
            at = 0.0
            while at < until and not hearing.done():
                await socket.send(json.dumps({"type": "timestamp_update", "timestamp": at}))
                at += STEP
                if seeks and self.chance.random() < 0.01:
                    at = self.chance.uniform(0, FILM_SECONDS)
                    await socket.send(json.dumps({"type": "seek_update", "timestamp": at}))
                if self.chance.random() < 0.01:
                    await socket.send(json.dumps({"type": "user_message", "text": "And now?"}))
                await asyncio.sleep(REPORT_SECONDS)
        finally:
            hearing.cancel()
            await asyncio.wait([hearing])
        if not hearing.cancelled():
            hearing.result()

    async def _hear(self, socket: ClientConnection) -> None:
        async for frame in socket:
            message = json.loads(frame)
            if "action_type" in message:
                self.actions += 1
                done = {"type": "action_completed", "action_id": message["id"]}
                await socket.send(json.dumps(done))
            elif message["type"] == "processing_error":
                raise Wrong(f"a session failed: {message}")

    async def _ready(self, socket: ClientConnection) -> None:
        while json.loads(await socket.recv()).get("type") != "session_ready":
            pass

    async def _watched(self, session_id: str) -> None:
        async with self._connect(session_id) as socket:
            await self._ready(socket)
            await self._play(socket)

    async def _left(self, session_id: str) -> None:
        async with self._connect(session_id) as socket:
            await self._play(socket, until=self.chance.uniform(1, 20))

    async def _twice(self, session_id: str) -> None:
        await self._vanished(session_id)
        await self._watched(session_id)

    async def _vanished(self, session_id: str) -> None:
        async with self._connect(session_id) as socket:
            await self._play(socket, until=self.chance.uniform(1, 30))
            raw = socket.transport.get_extra_info("socket")
            raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, LINGER)
            socket.transport.abort()

    async def _deaf(self, session_id: str) -> None:
        """It takes nothing for a while, and is gone then."""
        async with self._connect(session_id) as socket:
            socket.transport.pause_reading()
            for n in range(40):
                await socket.send(json.dumps({"type": "timestamp_update", "timestamp": n * 1.0}))
            await asyncio.sleep(0.5)
            socket.transport.abort()

    async def _replaced(self, session_id: str) -> None:
        async with self._connect(session_id) as older:
            await self._ready(older)
            async with self._connect(session_id) as newer:
                await self._closes(older, 4409)
                await self._ready(newer)
                await self._play(newer, until=20)

    async def _deleted(self, session_id: str) -> None:
        async with self._connect(session_id) as socket:
            await asyncio.sleep(self.chance.uniform(0, 0.3))
            gone = await self.client.delete(f"/api/v1/sessions/{session_id}")
            if gone.status_code != 204:
                raise Wrong(f"deleting: {gone.status_code} {gone.text}")
            await self._closes(socket, 4410)

    async def _junk(self, session_id: str) -> None:
        async with self._connect(session_id) as socket:
            for _ in range(20):
                await socket.send("junk")
            await self._closes(socket, 4400)

    async def _closes(self, socket: ClientConnection, code: int) -> None:
        try:
            while True:
                await socket.recv()
        except ConnectionClosed:
            if socket.close_code != code:
                raise Wrong(f"closed with {socket.close_code} instead of {code}") from None


LINGER = struct.pack("ii", 1, 0)


# --- the server, and what it takes -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sample:
    at: float
    """Seconds since the first viewer came."""
    values: dict[str, float]
    sessions: float
    deleted: float
    """Sessions of which it is only known, for a minute, that they were deleted."""
    connections: float


class Server:
    """`watchbuddy serve`, and a look at it from outside."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._database = folder / "data" / "sessions.sqlite"

    async def start(self) -> None:
        films = self._folder / "films"
        films.mkdir()
        shots = [Shot(6.0, picture, Tone.CALM) for picture in list(Picture) * 4]
        shots = shots[: int(FILM_SECONDS / 6)]
        make_clip(films / "film.mp4", shots, size=(64, 36), frame_rate=5)
        many = {
            **{
                f"WATCHBUDDY_LIMITS__{name}_PER_MINUTE": "1000000"
                for name in (
                    "CREATIONS",
                    "REQUESTS",
                    "CONNECTS",
                )
            },
            "WATCHBUDDY_LIMITS__CREATIONS_PER_MINUTE_PER_ADDRESS": "1000000",
            "WATCHBUDDY_LIMITS__IDLE_SECONDS": str(IDLE_SECONDS),
        }
        self._errors = (self._folder / "stderr").open("w+")
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "watchbuddy_server.cli", "serve", "--port", "0"),
            *("--library", str(films), "--data-dir", str(self._folder / "data")),
            stdout=asyncio.subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **many, "HOME": str(self._folder)},
        )
        assert self._process.stdout is not None
        line = (await self._process.stdout.readline()).decode()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, line
        self.url = found[0]
        self._watched = psutil.Process(self._process.pid)

    async def end(self) -> str:
        """What it has written on its standard error."""
        self._process.terminate()
        await self._process.wait()
        self._errors.seek(0)
        with self._errors:
            return self._errors.read()

    async def look(self, at: float) -> Sample:
        async with httpx.AsyncClient(timeout=PATIENCE) as client:
            told = (await client.get(f"{self.url}/metrics")).text
        numbers = {
            name: float(value)
            for name, value in re.findall(r"^(\w+(?:\{[^}]*\})?) (\S+)$", told, flags=re.M)
        }
        files = self._database.parent.glob(f"{self._database.name}*")
        values = {
            "memory, MB": self._watched.memory_info().rss / 1e6,
            "threads": float(self._watched.num_threads()),
            "files": float(self._watched.num_fds()),
            "tasks": numbers["watchbuddy_tasks"],
            "database, MB": sum(file.stat().st_size for file in files) / 1e6,
        }
        kept = {
            state: numbers[f'watchbuddy_sessions{{state="{state}"}}']
            for state in ("preparing", "ready", "failed", "cancelled")
        }
        deleted = kept.pop("cancelled")
        return Sample(at, values, sum(kept.values()), deleted, numbers["watchbuddy_connections"])


def slope(points: list[tuple[float, float]]) -> float:
    """Of the least-squares line, per second."""
    count = len(points)
    middle = sum(x for x, _ in points) / count
    level = sum(y for _, y in points) / count
    spread = sum((x - middle) ** 2 for x, _ in points)
    return sum((x - middle) * (y - level) for x, y in points) / spread if spread else 0.0


def judge(samples: list[Sample], before: Sample, after: Sample) -> list[str]:
    """Print what was measured; says what has grown."""
    measured = samples[len(samples) // 3 :]
    is_long = samples[-1].at > SETTLED_SECONDS
    if is_long:
        settled_at = min(SETTLED_SECONDS, 0.8 * samples[-1].at)
        measured = [one for one in measured if one.at >= settled_at]
    seconds = measured[-1].at - measured[0].at
    grown = []
    print(f"\n{'':14}{'before':>9}{'mean':>9}{'most':>9}{'rise':>9}{'allowed':>9}{'after':>9}")
    for name, share in GROWTH.items():
        points = [(one.at, one.values[name]) for one in measured]
        mean = sum(y for _, y in points) / len(points)
        rise = slope(points) * seconds
        allowed = mean * share + SLACK[name]
        if not is_long:
            allowed += FILLING.get(name, 0.0)
        most = max(y for _, y in points)
        row = (before.values[name], mean, most, rise, allowed, after.values[name])
        print(f"{name:14}" + "".join(f"{value:9.1f}" for value in row))
        if rise > allowed:
            grown.append(f"{name} rises by {rise:.1f} in {seconds:.0f} s")
    # Threads are kept for the next work, and the database has its files open by now.
    for name, more in {"threads": 40, "files": 8, "tasks": 0}.items():
        if after.values[name] > before.values[name] + more:
            grown += [f"{name}: {after.values[name]} are left, of {before.values[name]}"]
    if after.connections or after.sessions:
        grown.append(f"{after.sessions} sessions and {after.connections} connections are left")
    if after.deleted and is_long:
        grown.append(f"{after.deleted} deleted sessions are remembered still")
    return grown


async def main(seconds: float, seats: int, seed: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        await server.start()
        before = await server.look(0)
        soak = Soak(server.url, random.Random(seed))
        began = time.monotonic()
        samples: list[Sample] = []
        async with asyncio.TaskGroup() as tasks:
            sitting = [tasks.create_task(soak.come_and_go(began + seconds)) for _ in range(seats)]
            told = 0.0
            while not all(seat.done() for seat in sitting):
                await asyncio.sleep(min(2.0, seconds / 40))
                samples.append(await server.look(time.monotonic() - began))
                if samples[-1].at - told >= 60:
                    told = samples[-1].at
                    print(f"{told:6.0f} s  {dict(soak.ends)}  {samples[-1].values}", flush=True)
        await soak.client.aclose()
        after = await server.look(time.monotonic() - began)
        emptied = time.monotonic() + 120
        while time.monotonic() < emptied and (
            after.sessions or after.connections or (after.deleted and seconds >= SETTLED_SECONDS)
        ):
            await asyncio.sleep(1)
            after = await server.look(time.monotonic() - began)
        errors = await server.end()
    print(f"{sum(soak.ends.values())} visits in {seconds:.0f} s, {soak.actions} actions:")
    print("  " + ", ".join(f"{count} {end}" for end, count in soak.ends.most_common()))
    wrong = [*judge(samples, before, after), *dict.fromkeys(soak.problems)]
    if errors:
        wrong.append(f"the server said: {errors[:2000]}")
    for line in wrong:
        print(f"WRONG: {line}")
    print("flat" if not wrong else "not flat")
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--seats", type=int, default=12, help="viewers at a time")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    sys.exit(asyncio.run(main(given.minutes * 60 + given.seconds or 30, given.seats, given.seed)))
