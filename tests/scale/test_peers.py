"""Uploads that lie on another machine, and no folder that machines share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from crashing.place import free_port
from event_loop import in_event_loop
from machines import machine, prepared, refusal, seen_elsewhere
from redis_server import RedisServer

from watchbuddy_core.sources import web
from watchbuddy_core.stores.redis import RedisStore
from watchbuddy_core.tickets import Tickets


@asynccontextmanager
async def holder(
    redis: RedisServer, data_dir: Path, **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A machine that others reach."""
    port = free_port()
    peer_url = f"http://127.0.0.1:{port}"
    async with machine(redis, data_dir, port=port, peer_url=peer_url, **settings) as client:
        yield client


async def uploaded(client: httpx.AsyncClient, content: bytes) -> str:
    answer = await client.post("/api/v1/uploads?name=f%C3%BCr%20dich.mp4", content=content)
    video_url: str = answer.json()["video_url"]
    return video_url


@in_event_loop
async def test_an_upload_is_got_once_from_the_machine_that_holds_it(
    redis: RedisServer, film: bytes, tmp_path: Path
) -> None:
    async with holder(redis, tmp_path / "a") as one, machine(redis, tmp_path / "b") as other:
        video_url = await uploaded(one, film)
        session_id = await seen_elsewhere(redis, video_url)
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(other.get(f"/media/{session_id}")) for _ in range(20)]
            preparing = [tasks.create_task(prepared(other, video_url)) for _ in range(2)]
        answers = [asked.result() for asked in asking]
        assert {answer.content for answer in answers} == {film}
        part = await other.get(f"/media/{session_id}", headers={"Range": "bytes=5-9"})
        assert (part.status_code, part.content) == (206, film[5:10])
        described = (await other.get(f"/api/v1/sessions/{session_id}/video")).json()
        assert (described["media_type"], described["error"]) == ("video/mp4", None)
        status = await other.get(f"/api/v1/sessions/{preparing[0].result()}")
        assert status.json()["title"] == "für dich"
        numbers = (await one.get("/metrics")).text.splitlines()
        lent = [line for line in numbers if "internal" in line and "http_requests_total" in line]
        assert [line.rpartition(" ")[2] for line in lent] == ["1.0"]


@in_event_loop
async def test_nobody_gets_an_upload_without_a_ticket_for_it(
    redis: RedisServer, film: bytes, tmp_path: Path
) -> None:
    async with holder(redis, tmp_path / "a") as one:
        names = [(await uploaded(one, film)).partition(":")[2].partition("/")[0] for _ in range(2)]
        async with RedisStore(redis.url) as store:
            tickets = Tickets(store.commons)
            good = await tickets.give("peer", names[0])
            other = await tickets.give("media", names[0])
        path = f"/internal/uploads/{names[0]}"
        for query in ("", "?ticket=", "?ticket=wbt_x", f"?ticket={other}"):
            assert refusal(await one.get(path + query))[:2] == (401, "UNAUTHORIZED")
        answer = await one.get(f"/internal/uploads/{names[1]}?ticket={good}")
        assert refusal(answer)[:2] == (401, "UNAUTHORIZED")
        called = {"Host": "buddy-1.example:8000"}  # by a name that no page needs to know
        assert (await one.get(f"{path}?ticket={good}", headers=called)).content == film
        assert refusal(await one.get("/api/v1/characters", headers=called))[0] == 403
        assert "/internal" not in (await one.get("/schema/openapi.json")).text


@in_event_loop
async def test_a_machine_that_does_not_give_what_it_holds_is_told_of(
    redis: RedisServer, film: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "_AGAIN", ())
    async with holder(redis, tmp_path / "a") as one:
        video_url = await uploaded(one, film)
    session_id = await seen_elsewhere(redis, video_url)
    async with machine(redis, tmp_path / "b") as other:
        status, code, message = refusal(await other.get(f"/media/{session_id}"))
        assert (status, code) == (404, "VIDEO_UNAVAILABLE")
        assert "lies on another machine, which does not give it" in message


@in_event_loop
async def test_what_comes_damaged_is_not_kept(
    redis: RedisServer, film: bytes, tmp_path: Path
) -> None:
    async with holder(redis, tmp_path / "a") as one, machine(redis, tmp_path / "b") as other:
        session_id = await seen_elsewhere(redis, await uploaded(one, film))
        for path in (tmp_path / "a" / "uploads" / "shared").iterdir():
            if not path.suffix:
                path.write_bytes(bytes(len(film)))
        _, code, message = refusal(await other.get(f"/media/{session_id}"))
        assert (code, "lies on another machine" in message) == ("VIDEO_UNAVAILABLE", True)
        assert not [
            path
            for path in (tmp_path / "b" / "uploads").rglob("*")
            if path.is_file() and path.stat().st_size
        ]
