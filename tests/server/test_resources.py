"""What can be asked of a server beside creating sessions; and its OpenAPI document."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from watchbuddy_core.actions import Expression, Speak
from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.entries import (
    Drop,
    Failed,
    Placed,
    Ready,
    Scripted,
    Spent,
    Stage,
    Usage,
    Wanted,
)
from watchbuddy_core.session import Parts
from watchbuddy_core.settings import Limits
from watchbuddy_core.sources.local import LocalSource
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.tracks import read_track
from watchbuddy_core.video import Window
from watchbuddy_core.wire import CreateSession
from watchbuddy_server.app import create_app
from watchbuddy_server.errors import STATUS_OF
from watchbuddy_server.plugin import WatchBuddyPlugin

SESSIONS = "/api/v1/sessions"
REQUEST = {"video_url": "library:clip.mp4", "character_id": "miao"}

Client = TestClient[Litestar]


def error_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["detail"]["error"]


# --- a session -----------------------------------------------------------------------------


def test_a_session_tells_how_far_it_is(client: Client, source: Any) -> None:
    session_id = client.post(SESSIONS, json=REQUEST | {"density": "chatty"}).json()["session_id"]
    source.next_request()
    answer = client.get(f"{SESSIONS}/{session_id}")
    assert answer.status_code == 200
    assert answer.json() == {
        "session_id": session_id,
        "status": "preparing",
        "stage": "fetching",
        "title": None,
        "character_id": "miao",
        "density": "chatty",
        "duration": None,
        "start_time": None,
        "end_time": None,
        "coverage": [],
        "watched": [],
        "actions": {},
        "drops": {},
        "notes": [],
        "estimate": None,
        "usage": {"calls": 0, "prompt_tokens": 0, "completion_tokens": 0, "cost": 0.0},
        "cost": 0.0,
        "windows": [],
        "error": None,
    }


def test_it_tells_what_was_made_dropped_watched_and_spent(client: Client, backstage: Any) -> None:
    async def write() -> str:
        drop = Drop(reason="no_gap", trigger_timestamp=3.0, action_type="SPEAK", text="Oh.")
        session_id: str = await backstage.session(
            Stage(
                stage="generating",
                title="A film",
                duration=90.0,
                start=0.0,
                end=80.0,
                notes=("No pirates.",),
            ),
            Spent(
                window=0,
                model="m",
                usage=Usage(calls=1, prompt_tokens=10, completion_tokens=5, cost=0.25),
            ),
            Scripted(window=Window(index=0, start=0.0, end=45.0), drafts=(), generator="test"),
            Placed(
                window=0,
                actions=(
                    Speak(trigger_timestamp=1.0, text="Hm?"),
                    Expression(trigger_timestamp=1.0, emotion="joy"),
                ),
                dropped=(drop, drop),
            ),
            Wanted(position=1.0),
            Wanted(position=4.0),
            Ready(),
        )
        return session_id

    with client.portal() as portal:
        session_id = portal.call(write)
    told = client.get(f"{SESSIONS}/{session_id}").json()
    assert told["status"] == "ready"
    assert (told["title"], told["duration"], told["end_time"]) == ("A film", 90.0, 80.0)
    assert told["coverage"] == [[0.0, 45.0]]
    assert told["watched"] == [[1.0, 4.0]]
    assert told["actions"] == {"SPEAK": 1, "EXPRESSION": 1}
    assert told["drops"] == {"no_gap": 2}
    assert told["notes"] == ["No pirates."]
    assert told["cost"] == 0.25


def test_a_failed_session_tells_why(client: Client, backstage: Any) -> None:
    with client.portal() as portal:
        session_id = portal.call(
            backstage.session, Failed(code="VIDEO_UNREADABLE", message="It is no video.")
        )
    told = client.get(f"{SESSIONS}/{session_id}").json()
    assert told["status"] == "failed"
    assert told["error"] == {"code": "VIDEO_UNREADABLE", "message": "It is no video."}


def test_a_session_is_deleted(client: Client, source: Any) -> None:
    session_id = client.post(SESSIONS, json=REQUEST).json()["session_id"]
    source.next_request()
    for _ in range(2):
        answer = client.delete(f"{SESSIONS}/{session_id}")
        assert (answer.status_code, answer.content) == (204, b"")
    assert source.cancelled == 1
    assert client.get(f"{SESSIONS}/{session_id}").json()["status"] == "cancelled"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("session_id", ["ses_ffffffffffffffff", "x", "%E5%96%B5"])
def test_an_unknown_session_is_not_found(client: Client, method: str, session_id: str) -> None:
    answer = client.request(method, f"{SESSIONS}/{session_id}")
    assert error_of(answer) == (404, "SESSION_NOT_FOUND")


def test_deleting_closes_the_connection_with_4410(watching: Any, app: Litestar) -> None:
    async def test(viewer: Any) -> None:
        sessions = app.plugins.get(WatchBuddyPlugin).sessions
        session = await sessions.start(CreateSession.model_validate(REQUEST), created_at=0.0)
        async with viewer(session.session_id) as client:
            await client.say(type="nonsense")
            assert (await client.hear())["type"] == "error"
            await sessions.end(session.session_id)
            assert (await client.hear())["error_code"] == "SESSION_CANCELLED"
            assert await client.end() == (4410, "SESSION_CANCELLED")
        async with viewer(session.session_id) as client:
            assert (await client.hear())["error_code"] == "SESSION_CANCELLED"
            assert await client.end() == (4410, "SESSION_CANCELLED")

    watching(test)


def test_a_full_server_says_when_to_come_back(parts: Parts) -> None:
    limits = Limits(preparing=1, waiting=1, waiting_per_user=1)
    app = create_app(parts=parts, store=MemoryStore(), limits=limits)
    with TestClient(app) as client:
        assert client.post(SESSIONS, json=REQUEST | {"user_id": "ann"}).status_code == 202
        refused = client.post(SESSIONS, json=REQUEST | {"user_id": "ann"})
        assert error_of(refused) == (429, "RATE_LIMITED")
        assert int(refused.headers["Retry-After"]) > 0
        assert client.post(SESSIONS, json=REQUEST).status_code == 202
        refused = client.post(SESSIONS, json=REQUEST)
        assert error_of(refused) == (503, "TOO_MANY_SESSIONS")
        assert int(refused.headers["Retry-After"]) > 0


def test_the_script_can_be_had_in_every_format(client: Client, backstage: Any) -> None:
    line, face = (
        Speak(trigger_timestamp=1.0, text="喵?"),
        Expression(trigger_timestamp=2.0, emotion="joy"),
    )
    with client.portal() as portal:
        session_id = portal.call(
            backstage.session,
            Stage(stage="generating", title="A film", duration=90.0, start=0.0, end=80.0),
            Placed(window=0, actions=(line, face)),
        )
    for format, kind, whole in (
        ("json", "application/json", True),
        ("vtt", "text/vtt; charset=utf-8", True),
        ("srt", "application/x-subrip; charset=utf-8", False),
        ("ass", "text/x-ssa; charset=utf-8", True),
    ):
        answer = client.get(f"{SESSIONS}/{session_id}/script?format={format}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
        track = read_track(answer.content, format)
        assert [a.text for a in track.actions if isinstance(a, Speak)] == ["喵?"]
        assert (track.actions == (line, face)) is whole
    assert (
        client.get(f"{SESSIONS}/{session_id}/script").headers["content-type"] == "application/json"
    )
    refused = client.get(f"{SESSIONS}/{session_id}/script?format=doc")
    assert error_of(refused) == (422, "VALIDATION_ERROR")
    assert refused.json()["detail"]["fields"][0]["field"] == "format"
    assert error_of(client.get(f"{SESSIONS}/ses_0/script")) == (404, "SESSION_NOT_FOUND")


# --- what there is -------------------------------------------------------------------------


def test_the_characters_are_listed(client: Client) -> None:
    answer = client.get("/api/v1/characters")
    assert answer.status_code == 200
    assert answer.json() == {
        "characters": [
            {
                "id": "miao",
                "name": {"en": "Miao"},
                "description": {},
                "languages": ["en"],
                "examples": [],
                "look": None,
                "pictures": None,
            }
        ]
    }


@pytest.fixture
def library(tmp_path: Path, parts: Parts) -> Any:
    folder = tmp_path / "films"
    (folder / "deep" / ".hidden").mkdir(parents=True)
    shots = [Shot(2.0, Picture.DAY, Tone.CALM)]
    make_clip(folder / "b 你好.mp4", shots, size=(64, 36), frame_rate=5)
    make_clip(folder / "deep" / "a.mp4", shots, size=(64, 36), frame_rate=5)
    (folder / "broken.mkv").write_text("no video")
    (folder / "notes.txt").write_text("no video either")
    (folder / ".secret.mp4").write_text("hidden")
    (folder / "deep" / ".hidden" / "c.mp4").write_text("hidden")
    (tmp_path / "outside.mp4").write_text("outside")
    (folder / "link.mp4").symlink_to(tmp_path / "outside.mp4")
    app = create_app(parts=replace(parts, sources=[LocalSource([folder])]), store=MemoryStore())
    with TestClient(app) as client:
        yield client


def test_the_library_is_listed_with_durations_and_nothing_from_outside(library: Client) -> None:
    answer = library.get("/api/v1/library").json()
    assert answer["total"] == 3
    urls = [video["video_url"] for video in answer["videos"]]
    assert urls == ["library:b 你好.mp4", "library:broken.mkv", "library:deep/a.mp4"]
    first, broken, deep = answer["videos"]
    assert (first["title"], deep["title"]) == ("b 你好", "a")
    assert first["duration"] == pytest.approx(2.0, abs=0.3)
    assert first["size_bytes"] > 1000
    assert broken["duration"] is None


def test_the_library_comes_in_pages(library: Client) -> None:
    pages = [library.get(f"/api/v1/library?offset={n}&limit=1").json() for n in range(4)]
    assert [len(page["videos"]) for page in pages] == [1, 1, 1, 0]
    assert {page["total"] for page in pages} == {3}
    for query in ("offset=-1", "limit=0", "limit=501", "offset=x"):
        refused = library.get(f"/api/v1/library?{query}")
        assert error_of(refused) == (422, "VALIDATION_ERROR")
        assert refused.json()["detail"]["fields"][0]["field"] == query.split("=")[0]


# --- the document --------------------------------------------------------------------------


def operations(document: Any) -> dict[tuple[str, str], Any]:
    return {
        (path, method.upper()): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_the_document_describes_every_route_and_its_errors(client: Client) -> None:
    described = operations(client.get("/schema/openapi.json").json())
    found = {key: " ".join(sorted(one["responses"])) for key, one in described.items()}
    assert found == {
        ("/api/v1/sessions", "POST"): "202 400 401 403 408 413 415 422 429 500 503 507",
        ("/api/v1/sessions/{session_id}", "GET"): "200 400 401 403 404 429 500 503",
        ("/api/v1/sessions/{session_id}", "DELETE"): "204 400 401 403 404 429 500 503 507",
        ("/api/v1/sessions/{session_id}/script", "GET"): "200 400 401 403 404 422 429 500 503",
        ("/api/v1/sessions/{session_id}/video", "GET"): "200 400 401 403 404 429 500 503",
        ("/media/{session_id}", "GET"): "200 206 400 401 403 404 409 416 422 429 500 502 503",
        ("/media/{session_id}", "HEAD"): "200 206 400 401 403 404 409 416 422 429 500 502 503",
        ("/api/v1/sessions/{session_id}/tickets", "POST"): (
            "201 400 401 403 404 408 413 415 422 429 500 503"
        ),
        ("/api/v1/characters", "GET"): "200 401 403 429 500",
        ("/api/v1/characters", "POST"): "201 400 401 403 408 409 413 422 429 500 507",
        ("/api/v1/characters/{character_id}/picture", "GET"): "200 304 400 401 403 404 429 500",
        ("/api/v1/characters/{character_id}/emotions/{emotion}", "GET"): (
            "200 304 400 401 403 404 429 500"
        ),
        ("/api/v1/uploads", "POST"): "201 400 401 403 408 413 422 429 500 507",
        ("/api/v1/library", "GET"): "200 400 401 403 422 429 500",
        ("/health/live", "GET"): "200 403 500",
        ("/health/ready", "GET"): "200 403 500 503",
        ("/metrics", "GET"): "200 401 403 429 500",
    }
    for operation in described.values():
        assert operation["summary"]
        assert operation["operationId"]


def test_the_document_names_every_code_where_it_may_come(client: Client) -> None:
    described = operations(client.get("/schema/openapi.json").json())
    post, upload, card = (
        described[f"/api/v1/{name}", "POST"] for name in ("sessions", "uploads", "characters")
    )
    named = " ".join(
        response["description"]
        for operation in (post, upload, card, described["/media/{session_id}", "GET"])
        for response in operation["responses"].values()
    )
    elsewhere = {"NOT_FOUND", "SESSION_NOT_FOUND", "METHOD_NOT_ALLOWED", "UNAUTHORIZED"}
    for code in STATUS_OF.keys() - elsewhere:
        assert code in named
    body = post["requestBody"]["content"]["application/json"]["schema"]
    assert sorted(body["required"]) == ["character_id", "video_url"]
    assert set(body["properties"]) == {
        *("video_url", "start_time", "end_time", "text", "character_id", "user_id", "density"),
        "language",
    }
    assert set(upload["requestBody"]["content"]) == {
        *("application/octet-stream", "multipart/form-data")
    }


def test_every_error_in_the_document_has_the_one_body(client: Client) -> None:
    document = client.get("/schema/openapi.json").json()
    for (path, _), operation in operations(document).items():
        for status, response in operation["responses"].items():
            others = (("/health/ready", "503"), ("/media/{session_id}", "416"))
            if int(status) >= 400 and (path, status) not in others:
                schema = response["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorBody"}
    detail = document["components"]["schemas"]["ErrorDetail"]
    assert set(detail["required"]) == {"error", "message"}
