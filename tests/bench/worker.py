"""What one `watchbuddy worker` does: `python tests/bench/worker.py`.

A real Redis, a web process, and a worker. Told are, of sessions that are all created at once:

    on films that nobody has looked into   windows a second, and of a second of a core
    on the same films again                likewise: what is known of them is in the Redis
    that are watched by somebody           what one that is taken up costs the worker: memory,
                                           and the share of a core
    with a model that takes seconds        windows a second, beside what `--concurrency` and the
                                           model allow; and the share of a core

The films are small pictures of four minutes, so looking into them is little work; how much it is
for larger ones, `python tests/bench/understanding.py` tells.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from websockets.asyncio.client import connect

sys.path.append(str(Path(__file__).parents[1] / "support"))

from fleet import create, program, web
from redis_server import RedisServer, redis_server

from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.entries import Failed, Placed, Ready
from watchbuddy_core.stores.redis import RedisStore

FILM_SECONDS = 240.0
CUES = 120
_WATCHED_SECONDS = 20.0


# --- what is watched -------------------------------------------------------------------------


def make_films(folder: Path, count: int) -> list[str]:
    """Films that differ in nothing but what nobody sees: each is looked into on its own."""
    first = folder / "film0.mp4"
    looks = [(Picture.DAY, Tone.CALM), (Picture.SEA, Tone.MELODY), (Picture.DUSK, Tone.BANG)]
    shots = [Shot(6.0, *looks[number % 3]) for number in range(int(FILM_SECONDS / 6))]
    make_clip(first, shots, size=(320, 180), frame_rate=5)
    for number in range(1, count):
        path = folder / f"film{number}.mp4"
        shutil.copyfile(first, path)
        with path.open("ab") as file:  # a box that players pass over
            text = f"{number:08}".encode()
            file.write((8 + len(text)).to_bytes(4, "big") + b"free" + text)
    return [f"library:film{number}.mp4" for number in range(count)]


def make_subtitles(folder: Path, count: int) -> list[str]:
    for number in range(count):
        cues = [
            f"{i + 1}\n00:{2 * i // 60:02}:{2 * i % 60:02},000 --> "
            f"00:{2 * i // 60:02}:{2 * i % 60 + 1:02},000\nLine {i} of film {number}.\n"
            for i in range(CUES)
        ]
        (folder / f"text{number}.srt").write_text("\n".join(cues), encoding="utf-8")
    return [f"library:text{number}.srt" for number in range(count)]


# --- the worker ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Usage:
    """Of the worker, and what it has started."""

    seconds: float
    """Of a processor."""
    megabytes: float

    @classmethod
    def of(cls, running: subprocess.Popen[str]) -> Usage:
        process = psutil.Process(running.pid)
        times = process.cpu_times()
        # Programs that it has started and that have ended count for it.
        busy = times.user + times.system + times.children_user + times.children_system
        return cls(busy, process.memory_info().rss / 1e6)


async def windows(redis: RedisServer, session_ids: list[str]) -> int:
    """How many are scripted, once all sessions are ready."""
    placed = 0
    async with RedisStore(redis.url) as store:
        for session_id in session_ids:
            async for logged in store.follow(session_id):
                if isinstance(logged.entry, Failed):
                    raise AssertionError(logged.entry)
                placed += isinstance(logged.entry, Placed)
                if isinstance(logged.entry, Ready):
                    break
    return placed


async def produce(
    name: str, redis: RedisServer, url: str, worker: subprocess.Popen[str], videos: list[str]
) -> list[str]:
    before, began = Usage.of(worker), time.monotonic()
    session_ids = await create(url, videos)
    done = await windows(redis, session_ids)
    took, used = time.monotonic() - began, Usage.of(worker).seconds - before.seconds
    print(
        f"{name}: {len(videos)} sessions, {done} windows in {took:.1f} s:"
        f" {done / took:.2f} a second, {done / used:.2f} of a second of a core,"
        f" which was used to {100 * used / took:.0f} %",
        flush=True,
    )
    return session_ids


async def watch(url: str, worker: subprocess.Popen[str], videos: list[str], count: int) -> None:
    """What it costs the worker that sessions are watched whose script is there."""

    async def view(session_id: str, stop: float) -> None:
        address = f"{url.replace('http', 'ws')}/ws/{session_id}"
        async with connect(address) as socket:
            position = 0.0
            while time.monotonic() < stop:
                told = {"type": "timestamp_update", "timestamp": position}
                await socket.send(json.dumps(told))
                await asyncio.sleep(1)
                position += 1

    before = Usage.of(worker)
    session_ids = await create(url, [videos[n % len(videos)] for n in range(count)])
    created = Usage.of(worker)
    stop = time.monotonic() + 2 * _WATCHED_SECONDS
    async with asyncio.TaskGroup() as tasks:
        for session_id in session_ids:
            tasks.create_task(view(session_id, stop))
        await asyncio.sleep(_WATCHED_SECONDS)
        settled, since = Usage.of(worker), time.monotonic()
        await asyncio.sleep(_WATCHED_SECONDS - 1)
        after, took = Usage.of(worker), time.monotonic() - since
    print(
        f"taken up and watched: {count} sessions,"
        f" {1000 * (after.megabytes - before.megabytes) / count:.0f} kB each,"
        f" {100 * (after.seconds - settled.seconds) / took / count:.3f} % of a core each"
        f" ({before.megabytes:.0f} MB before, {created.megabytes:.0f} when all were created,"
        f" {after.megabytes:.0f} in the end)",
        flush=True,
    )


# --- the model -------------------------------------------------------------------------------


def _model_server() -> Any:
    path = Path(__file__).parents[1] / "mind" / "conftest.py"
    spec = importlib.util.spec_from_file_location("model_server", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["model_server"] = module
    spec.loader.exec_module(module)
    return module


async def with_model(folder: Path, concurrency: int, seconds: float, count: int) -> None:
    """A worker whose model answers after so many seconds, as often at a time as it is asked."""
    made = _model_server()
    model = made.ModelServer()
    under_way: set[asyncio.Event] = set()
    most = 0

    def answer(call: Any) -> Any:
        nonlocal most
        comes = asyncio.Event()
        under_way.add(comes)
        most = max(most, len(under_way))
        loop = asyncio.get_running_loop()
        loop.call_later(seconds, comes.set)
        loop.call_later(seconds, under_way.discard, comes)
        return made.Reply(made.good(call).text, first=comes)

    model.answer = answer
    listening = await asyncio.start_server(model.serve, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    films = folder / "texts"
    films.mkdir()
    videos = make_subtitles(films, count)
    async with AsyncExitStack() as held:
        redis = held.enter_context(redis_server())
        shared = ("--store", redis.url, "--library", str(films))
        thinks = ("--model", "openai/test", "--api-base", base, "--concurrency", str(concurrency))
        worker = held.enter_context(program("worker", *shared, *thinks, data=folder / "thinks"))
        address = web(*shared, "--jobs", "saq", data=folder / "web 2")
        url = await held.enter_async_context(address)
        await produce("to warm up", redis, url, worker, videos[:1])
        most = 0
        name = f"with a model that takes {seconds:g} s, --concurrency {concurrency}"
        await produce(name, redis, url, worker, videos[1:])
    calls = len(model.calls)
    print(
        f"    {calls} calls in all, {most} at a time at the most, so {most / seconds:.1f} a second"
    )
    listening.close()


async def measure(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="worker-") as name:
        folder = Path(name)
        films = folder / "films"
        films.mkdir()
        videos = make_films(films, arguments.films + 1)
        async with AsyncExitStack() as held:
            redis = held.enter_context(redis_server())
            shared = ("--store", redis.url, "--library", str(films))
            at_once = ("--concurrency", str(arguments.concurrency))
            data = folder / "worker"
            worker = held.enter_context(program("worker", *shared, *at_once, data=data))
            address = web(*shared, "--jobs", "saq", data=folder / "web")
            url = await held.enter_async_context(address)
            await produce("to warm up", redis, url, worker, videos[:1])
            await produce("new films", redis, url, worker, videos[1:])
            await produce("the same again", redis, url, worker, videos[1:])
            await watch(url, worker, videos[1:], arguments.watched)
        for concurrency in (2, 8):
            shutil.rmtree(folder / "texts", ignore_errors=True)
            await with_model(folder, concurrency, arguments.model_seconds, 4 * concurrency + 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=int, default=8)
    parser.add_argument("--watched", type=int, default=200)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--model-seconds", type=float, default=3.0)
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
