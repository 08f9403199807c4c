"""The queue of jobs, and a Redis that is lost at the wrong moment."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis.asyncio import Connection
from redis_server import redis_server

from watchbuddy_core.errors import StoreFailed
from watchbuddy_core.session.job_queue import open_queue

SESSION = "ses_00000000000000aa"


def test_a_connection_that_is_lost_while_it_is_made_is_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """uvloop says so with a RuntimeError, which redis-py knows nothing of."""
    send, times = Connection.send_packed_command, 0

    async def lost(self: Connection, *args: Any, **more: Any) -> None:
        nonlocal times
        times -= 1
        if times >= 0:
            raise RuntimeError("unable to perform operation on <TCPTransport>; it is closed")
        await send(self, *args, **more)

    async def scenario(url: str) -> None:
        nonlocal times
        async with open_queue(url, is_hasty=True) as queue:
            times = 2
            await queue.put(SESSION)
            times = 0
            assert await queue.missing([SESSION]) == []
        async with open_queue(url, is_hasty=True) as queue:
            times = 1000
            with pytest.raises(StoreFailed):
                await queue.put(SESSION)

    monkeypatch.setattr(Connection, "send_packed_command", lost)
    with redis_server() as server:
        asyncio.run(scenario(server.url))
