"""Real processes of `watchbuddy` around one Redis, for benches."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx

_MANY = "1000000"
_LIMITS = (
    "CONNECTIONS_PER_ADDRESS",
    "CONNECTS_PER_MINUTE",
    "CREATIONS_PER_MINUTE",
    "CREATIONS_PER_MINUTE_PER_ADDRESS",
    "REQUESTS_PER_MINUTE",
    "SESSIONS_PER_CALLER",
    "SESSIONS_PER_ADDRESS",
    "WAITING",
    "WAITING_PER_ADDRESS",
    "WAITING_PER_CALLER",
    "WAITING_PER_USER",
)
"""All viewers come from one address, and all at once."""


@contextmanager
def program(*arguments: str, data: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {
        **os.environ,
        **{f"WATCHBUDDY_LIMITS__{name}": _MANY for name in _LIMITS},
        "WATCHBUDDY_BUDGET__DAY": _MANY,
        "WATCHBUDDY_DATA_DIR": str(data),
    }
    command = [sys.executable, "-m", "watchbuddy_server.cli", *arguments]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        yield running
    finally:
        running.terminate()
        running.wait()


@asynccontextmanager
async def web(*arguments: str, data: Path) -> AsyncIterator[str]:
    """The address of a process that serves, as soon as it is ready."""
    with program("serve", "--port", "0", *arguments, data=data) as running:
        assert running.stdout is not None
        url = (await asyncio.to_thread(running.stdout.readline)).split()[-1]
        async with httpx.AsyncClient() as client:
            while (await client.get(f"{url}/health/ready")).status_code != 200:
                await asyncio.sleep(0.1)
        yield url


async def create(url: str, videos: list[str]) -> list[str]:
    """A session on each; their ids."""
    session_ids = []
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        for video in videos:
            wanted = {"video_url": video, "character_id": "miao"}
            answer = await client.post("/api/v1/sessions", json=wanted)
            answer.raise_for_status()
            session_ids.append(answer.json()["session_id"])
    return session_ids
