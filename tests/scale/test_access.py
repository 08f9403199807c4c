"""Tokens and tickets, where a viewer meets now one process and now another."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from event_loop import in_event_loop
from hurry import HURRIED
from machines import machine, seen_elsewhere
from patience import PATIENCE
from redis_server import RedisServer
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from watchbuddy_server import tokens, websocket
from watchbuddy_server.tokens import TokenFile, caller_of, hash_of


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "shared" / "tokens.json")


def watching(client: httpx.AsyncClient, session_id: str, query: str = "", **options: Any) -> Any:
    url = f"{client.base_url}".replace("http:", "ws:").rstrip("/")
    return connect(f"{url}/ws/{session_id}?features=hold{query}", **options)


async def welcome(socket: ClientConnection) -> None:
    assert '"welcome"' in str(await asyncio.wait_for(socket.recv(), PATIENCE))


async def end_of(socket: ClientConnection) -> int | None:
    """With which code it is closed."""
    async with asyncio.timeout(PATIENCE):
        with suppress(ConnectionClosed):
            async for _ in socket:
                pass
    return socket.close_code


@in_event_loop
async def test_a_ticket_of_one_process_opens_another_once(
    redis: RedisServer, file: TokenFile
) -> None:
    token = file.add("anna", now=0.0)
    session_id = await seen_elsewhere(redis, "library:film.mp4", caller=caller_of(hash_of(token)))
    shown = {"Authorization": f"Bearer {token}"}
    folder = file.path.parent
    async with (
        machine(redis, folder, access="token") as one,
        machine(redis, folder, access="token") as other,
    ):
        wish = {"purpose": "connect"}
        path = f"/api/v1/sessions/{session_id}/tickets"
        ticket = (await one.post(path, json=wish, headers=shown)).json()["ticket"]
        async with watching(other, session_id, f"&ticket={ticket}") as socket:
            await welcome(socket)
        for client in (one, other):
            async with watching(client, session_id, f"&ticket={ticket}") as socket:
                assert await end_of(socket) == 4401


@in_event_loop
async def test_a_token_that_is_taken_back_ends_connections_at_every_process(
    redis: RedisServer, file: TokenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(websocket, "_LOOK_SECONDS", 0.05)
    token = file.add("anna", now=0.0)
    caller = caller_of(hash_of(token))
    sessions = [await seen_elsewhere(redis, "library:film.mp4", caller=caller) for _ in range(2)]
    shown = {"Authorization": f"Bearer {token}"}
    folder = file.path.parent
    async with (
        machine(redis, folder, access="token") as one,
        machine(redis, folder, access="token") as other,
        watching(one, sessions[0], additional_headers=shown) as first,
        watching(other, sessions[1], additional_headers=shown) as second,
    ):
        await welcome(first)
        await welcome(second)
        file.remove("anna")
        assert [await end_of(first), await end_of(second)] == [4401, 4401]
        for client in (one, other):
            answer = await client.get(f"/api/v1/sessions/{sessions[0]}", headers=shown)
            assert answer.status_code == 401


@in_event_loop
async def test_limits_of_a_server_hold_for_all_of_them(redis: RedisServer, tmp_path: Path) -> None:
    session_id = await seen_elsewhere(redis, "library:film.mp4")
    limits = HURRIED.model_copy(update={"connections_per_session": 1, "uploads_per_minute": 2})
    async with (
        machine(redis, tmp_path, limits=limits) as one,
        machine(redis, tmp_path, limits=limits) as other,
    ):
        async with watching(one, session_id) as socket:
            await welcome(socket)
            async with watching(other, session_id) as second:
                assert await end_of(second) == 4429
        statuses = [
            (await client.post("/api/v1/uploads", content=b"no film")).status_code
            for client in (one, other, one, other)
        ]
        assert statuses == [422, 422, 429, 429]
