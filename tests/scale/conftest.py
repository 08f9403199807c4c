"""A Redis, films, and what runs around it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE
from processes import NewProcess, Process
from redis_server import RedisServer, redis_server
from shared import made_once

from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.session import job_queue, screening, worker
from watchbuddy_core.video import SubtitleFile, Video

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


@pytest.fixture
def redis(server: RedisServer) -> RedisServer:
    """One that runs, and is empty."""
    server.tell("FLUSHALL")
    return server


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Three seconds."""
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    make_clip(path, [Shot(3.0, Picture.DAY, Tone.CALM)], size=(64, 36), frame_rate=4)
    return path.read_bytes()


@pytest.fixture(scope="session")
def long_film(tmp_path_factory: pytest.TempPathFactory) -> Video:
    """Three windows long, with subtitles: then nobody has to listen for who speaks."""

    def make(folder: Path) -> None:
        folder.mkdir()
        shots = [Shot(300.0, Picture.STILL, Tone.SILENCE)]
        make_clip(folder / "film.mp4", shots, size=(64, 36), frame_rate=1)
        (folder / "film.srt").write_text("1\n00:00:05,000 --> 00:00:06,000\nWell.\n")

    folder = made_once(tmp_path_factory, "scale/long", make)
    subtitles = (SubtitleFile(path=folder / "film.srt"),)
    return Video(content_id="film", title="A film", path=folder / "film.mp4", subtitles=subtitles)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """Of the event loop in which an installation runs, as long as a module tries it."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def run(runner: asyncio.Runner) -> Run:
    return lambda scenario: runner.run(asyncio.wait_for(scenario, PATIENCE))


@pytest.fixture
def process(
    redis: RedisServer, long_film: Video, tmp_path_factory: pytest.TempPathFactory
) -> NewProcess:
    """Makes one of those that run inside this one: see `processes`."""
    folder = tmp_path_factory.getbasetemp() / "jobs"  # its own: others have a film as well

    def process(waits: dict[int, asyncio.Event] | None = None) -> Process:
        return Process(redis, long_film, folder, waits=waits or {})

    return process


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What workers look at every few seconds is looked at often."""
    for module in (job_queue, worker):
        monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 2)
    monkeypatch.setattr(worker, "_BEAT_SECONDS", 0.2)
    monkeypatch.setattr(worker, "_SWEEP_SECONDS", 1)
    monkeypatch.setattr(worker, "_MARK_SECONDS", 0.05)
    monkeypatch.setattr(worker, "_RECONCILE_SECONDS", 0.3)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk is waited for, however much the machine has to do."""
    monkeypatch.setattr(screening, "_LOOK_PATIENCE", PATIENCE)
