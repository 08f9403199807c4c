"""A real server, and what clients may not leave behind."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from backstage import Backstage, is_of_a_session
from hurry import HURRIED
from litestar import Litestar
from patience import PATIENCE, until
from raw_sockets import Hall

from watchbuddy_core.character import Character
from watchbuddy_core.session import Parts
from watchbuddy_core.sources.hosts import USUAL_SITES
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.testing import ScriptedGenerator
from watchbuddy_server.app import base_url, create_app, listen, server_config


@pytest.fixture(scope="module")
def backstage() -> Backstage:
    return Backstage(MemoryStore())


@pytest.fixture(scope="module")
def app(backstage: Backstage) -> Litestar:
    parts = Parts(
        sources=[],
        generator=ScriptedGenerator(),
        characters={"miao": Character(id="miao", name={"en": "Miao"})},
        allowed_hosts=USUAL_SITES,
    )
    return create_app(parts=parts, store=backstage.store, limits=HURRIED)


@asynccontextmanager
async def _hall(app: Litestar) -> AsyncIterator[Hall]:
    with listen("127.0.0.1", 0) as listening:
        # Small, and so inherited: a client that does not read is felt at once.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
        server = uvicorn.Server(server_config(app, shutdown_seconds=5))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:
            await asyncio.sleep(0.005)
        yield Hall(server, base_url(listening))
        server.should_exit = True
        await serving


@pytest.fixture(scope="module")
def _open_hall(app: Litestar) -> Iterator[tuple[asyncio.Runner, Hall]]:
    """One server for a file: each scenario goes on where the one before it has left it."""
    with asyncio.Runner() as runner:
        opening = _hall(app)
        yield runner, runner.run(opening.__aenter__())
        runner.run(opening.__aexit__(None, None, None))


Scenario = Callable[[Hall], Awaitable[None]]


@pytest.fixture
def hall(
    _open_hall: tuple[asyncio.Runner, Hall], caplog: pytest.LogCaptureFixture
) -> Iterator[Callable[[Scenario], None]]:
    """Runs a scenario against the real server. Nothing that a client does is worth an error in
    the log, and nothing of a client is left when it is over."""
    runner, hall = _open_hall

    async def play(scenario: Scenario) -> None:
        before = asyncio.all_tasks()
        async with asyncio.timeout(PATIENCE):
            await scenario(hall)
            await hall.is_empty()
        # What a viewer who is gone had begun may have to wait for a disk before it ends.
        await until(lambda: all(map(is_of_a_session, asyncio.all_tasks() - before)))

    yield lambda scenario: runner.run(play(scenario))
    told = [
        one for one in caplog.get_records("call") if one.levelno >= logging.ERROR or one.exc_info
    ]
    assert [f"{one.getMessage()} {one.exc_text}" for one in told] == []
