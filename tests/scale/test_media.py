"""A session's video on a machine that has not fetched it: it is had from somewhere, or it is said
why not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from event_loop import in_event_loop
from machines import Site, machine, prepared, refusal, seen_elsewhere
from redis_server import RedisServer

from watchbuddy_core.session import screening


@in_event_loop
async def test_a_link_is_fetched_again_once_for_however_many_viewers(
    redis: RedisServer, film: bytes, tmp_path: Path
) -> None:
    with Site(film).open() as site:
        allowed = {"allow_hosts": (f"127.0.0.1:{site.port}",)}
        session_id = await seen_elsewhere(redis, site.url)
        async with machine(redis, tmp_path, **allowed) as other:
            described = (await other.get(f"/api/v1/sessions/{session_id}/video")).json()
            assert (described["media_type"], described["error"]) == (None, None)
            assert site.served == 0  # a description fetches nothing
            answers = await asyncio.gather(*(other.get(f"/media/{session_id}") for _ in range(50)))
            assert {answer.content for answer in answers} == {film}
            assert site.served == 2  # a look at what it is, and the file
            part = await other.get(f"/media/{session_id}", headers={"Range": "bytes=5-9"})
            assert (part.status_code, part.content) == (206, film[5:10])


@in_event_loop
async def test_a_link_that_takes_long_is_not_ready_until_it_is(
    redis: RedisServer, film: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Site(film).open() as site:
        allowed = {"allow_hosts": (f"127.0.0.1:{site.port}",)}
        session_id = await seen_elsewhere(redis, site.url)
        async with machine(redis, tmp_path, **allowed) as other:
            site.may_go.clear()
            monkeypatch.setattr(screening, "_FETCH_PATIENCE", 0.05)
            for _ in range(3):
                answer = await other.get(f"/media/{session_id}")
                assert refusal(answer)[:2] == (409, "VIDEO_NOT_READY")
                assert answer.headers["Retry-After"] == "2"
            site.may_go.set()
            monkeypatch.undo()
            assert (await other.get(f"/media/{session_id}")).content == film
            assert site.served == 2


@in_event_loop
async def test_the_library_is_each_machine_s_own_and_the_same_everywhere(
    redis: RedisServer, film: bytes, tmp_path: Path
) -> None:
    library = tmp_path / "films"
    library.mkdir()
    (library / "film.mp4").write_bytes(film)
    session_id = await seen_elsewhere(redis, "library:film.mp4")
    async with machine(redis, tmp_path / "a", libraries=(library,)) as other:
        described = (await other.get(f"/api/v1/sessions/{session_id}/video")).json()
        assert (described["media_type"], described["error"]) == ("video/mp4", None)
        assert (await other.get(f"/media/{session_id}")).content == film
    async with machine(redis, tmp_path / "b") as without:
        status, code, message = refusal(await without.get(f"/media/{session_id}"))
        assert (status, code) == (404, "VIDEO_UNAVAILABLE")
        assert "All machines need the same files below their library folders" in message
        described = (await without.get(f"/api/v1/sessions/{session_id}/video")).json()
        assert described["media_type"] is None
        assert described["error"] == {"code": code, "message": message}


@in_event_loop
async def test_an_upload_is_shown_by_every_machine_that_shares_the_folder(
    redis: RedisServer, film: bytes, tmp_path: Path
) -> None:
    async with (
        machine(redis, tmp_path / "shared") as one,
        machine(redis, tmp_path / "shared") as other,
    ):
        upload = (await one.post("/api/v1/uploads?name=film.mp4", content=film)).json()
        session_id = await prepared(other, upload["video_url"])
        for client in (one, other):
            described = (await client.get(f"/api/v1/sessions/{session_id}/video")).json()
            assert described["media_type"] == "video/mp4"
            assert (await client.get(f"/media/{session_id}")).content == film
    elsewhere = await seen_elsewhere(redis, upload["video_url"])
    async with machine(redis, tmp_path / "apart") as apart:
        status, code, message = refusal(await apart.get(f"/media/{elsewhere}"))
        assert (status, code) == (404, "VIDEO_UNAVAILABLE")
        assert "share the folder of uploads between all machines" in message
        described = (await apart.get(f"/api/v1/sessions/{elsewhere}/video")).json()
        assert described["error"] == {"code": code, "message": message}
