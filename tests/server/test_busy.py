"""A server that is hard at work still answers."""

from __future__ import annotations

import asyncio
import threading

import httpx
from litestar import Litestar
from patience import PATIENCE


def test_requests_do_not_queue_behind_work_in_the_default_executor(app: Litestar) -> None:
    async def scenario() -> int:
        gate = threading.Event()
        loop = asyncio.get_running_loop()
        busy = [loop.run_in_executor(None, gate.wait) for _ in range(64)]
        try:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://127.0.0.1"
            ) as client:
                answer = await asyncio.wait_for(
                    client.post("/api/v1/sessions", content=b"{"), PATIENCE
                )
        finally:
            gate.set()
            await asyncio.gather(*busy)
        return answer.status_code

    assert asyncio.run(scenario()) == 415
