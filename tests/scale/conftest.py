"""A Redis, and a film."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from patience import PATIENCE
from redis_server import RedisServer, redis_server

from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.session import screening


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


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk is waited for, however much the machine has to do."""
    monkeypatch.setattr(screening, "_LOOK_PATIENCE", PATIENCE)
