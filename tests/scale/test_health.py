"""Whether a server is ready whose Redis is away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from event_loop import in_event_loop
from machines import machine
from patience import PATIENCE
from redis_server import RedisServer

from watchbuddy_server import health


@in_event_loop
async def test_a_server_without_its_redis_is_not_ready_and_is_again(
    redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_HOLDS", 0.0)
    async with machine(redis, tmp_path) as client, asyncio.timeout(PATIENCE):

        async def told(status: int) -> str | None:
            while (answer := await client.get("/health/ready")).status_code != status:
                await asyncio.sleep(0.05)
            reason: str | None = answer.json().get("reason")
            return reason

        assert await told(200) is None
        redis.kill()
        try:
            assert await told(503) == "store"
            assert (await client.get("/health/live")).status_code == 200
            assert (await client.get("/api/v1/characters")).status_code == 200
        finally:
            redis.start()
        assert await told(200) is None
