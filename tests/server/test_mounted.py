"""The plugin in an application that has a life of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar, Request, Response, get
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency, Provide
from litestar.exceptions import (
    HTTPException,
    NotAuthorizedException,
    NotFoundException,
    WebSocketDisconnect,
)
from litestar.handlers import BaseRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.testing import TestClient

from watchbuddy_core.session import Parts
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_server.plugin import WatchBuddyPlugin


@get("/films")
async def films(sessions: NamedDependency[list[str]]) -> list[str]:
    return sessions


@get("/missing")
async def missing() -> None:
    raise NotFoundException("No such film.")


@get("/broken")
async def broken() -> None:
    raise ValueError("The projector is on fire.")


def sorry(_: Request[Any, Any, Any], error: Exception) -> Response[dict[str, str]]:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return Response({"sorry": str(error)}, status_code=status)


async def members_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    if connection.headers.get("x-member") == "no":
        raise NotAuthorizedException("Who are you?", headers={"WWW-Authenticate": "Basic"})


def application(*plugins: WatchBuddyPlugin) -> Litestar:
    """A film club that answers for every error in its own way."""
    return Litestar(
        [films, missing, broken],
        dependencies={"sessions": Provide(lambda: ["matinee", "soiree"], sync_to_thread=False)},
        exception_handlers={
            **dict.fromkeys([400, 401, 404, 405, 413, 415, 422, 500], sorry),
            HTTPException: sorry,
            NotFoundException: sorry,
            Exception: sorry,
        },
        guards=[members_only],
        plugins=list(plugins),
        openapi_config=OpenAPIConfig(title="Film club", version="1.0.0"),
    )


@pytest.fixture
def plugin(parts: Parts) -> WatchBuddyPlugin:
    return WatchBuddyPlugin(parts=parts, store=MemoryStore(), path="/buddy")


@pytest.fixture
def mounted(plugin: WatchBuddyPlugin) -> Iterator[TestClient[Litestar]]:
    with TestClient(application(plugin), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def alone() -> Iterator[TestClient[Litestar]]:
    """The same application without the companion."""
    with TestClient(application(), raise_server_exceptions=False) as client:
        yield client


REQUEST = {"video_url": "library:clip.mp4", "character_id": "miao"}
JSON = {"Content-Type": "application/json"}


def test_a_session_is_created_and_found_under_the_path(mounted: TestClient[Litestar]) -> None:
    answer = mounted.post("/buddy/api/v1/sessions", json=REQUEST)
    assert answer.status_code == 202
    session_id = answer.json()["session_id"]
    with mounted.websocket_connect(f"/buddy/ws/{session_id}") as socket:
        socket.send_text("?")
        assert socket.receive_json()["error_code"] == "INVALID_MESSAGE"


@pytest.mark.parametrize("path", ["/buddy", "/buddy/", "buddy", "/a/b", "/"])
def test_the_path_may_be_written_in_any_way(parts: Parts, path: str) -> None:
    plugin = WatchBuddyPlugin(parts=parts, store=MemoryStore(), path=path)
    under = path.strip("/")
    with TestClient(application(plugin)) as client:
        url = f"/{under}/api/v1/sessions" if under else "/api/v1/sessions"
        assert client.post(url, json=REQUEST).status_code == 202
        assert client.get("/films").status_code == 200


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "/films"),
        ("GET", "/missing"),
        ("GET", "/broken"),
        ("GET", "/no-such-address"),
        ("POST", "/films"),
        ("OPTIONS", "/films"),
    ],
)
def test_the_rest_answers_as_it_does_without_the_companion(
    mounted: TestClient[Litestar], alone: TestClient[Litestar], method: str, url: str
) -> None:
    headers = {"Origin": "https://elsewhere.example", "Host": "films.example"}
    ours = mounted.request(method, url, headers=headers)
    theirs = alone.request(method, url, headers=headers)
    assert (ours.status_code, ours.text) == (theirs.status_code, theirs.text)
    assert dict(ours.headers) == dict(theirs.headers)


def test_the_state_and_the_dependencies_of_the_application_are_its_own(
    plugin: WatchBuddyPlugin,
) -> None:
    mounted, alone = application(plugin), application()
    assert mounted.state.dict() == alone.state.dict()
    assert set(mounted.dependencies) == set(alone.dependencies)
    assert set(mounted.exception_handlers) == set(alone.exception_handlers)
    assert mounted.cors_config is None


@pytest.mark.parametrize(
    ("status", "code", "request_"),
    [
        (
            422,
            "UNSUPPORTED_VIDEO_SOURCE",
            {"json": {**REQUEST, "video_url": "https://vimeo.com/1"}},
        ),
        (422, "VALIDATION_ERROR", {"json": {}}),
        (415, "UNSUPPORTED_MEDIA_TYPE", {"content": b"{}"}),
        (
            400,
            "MALFORMED_REQUEST",
            {"content": b"{", "headers": JSON},
        ),
        (413, "REQUEST_TOO_LARGE", {"content": b" " * 70_000, "headers": JSON}),
        (403, "FORBIDDEN", {"json": REQUEST, "headers": {"Origin": "https://evil.example"}}),
        (401, "UNAUTHORIZED", {"json": REQUEST, "headers": {"X-Member": "no"}}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_companion_refuses_in_the_words_of_its_api(
    mounted: TestClient[Litestar], status: int, code: str, request_: dict[str, Any]
) -> None:
    answer = mounted.post("/buddy/api/v1/sessions", **request_)
    assert answer.status_code == status
    assert answer.json()["detail"]["error"] == code


def test_what_a_guard_of_the_application_asks_for_reaches_the_client(
    mounted: TestClient[Litestar],
) -> None:
    answer = mounted.post("/buddy/api/v1/sessions", json=REQUEST, headers={"X-Member": "no"})
    assert answer.headers["WWW-Authenticate"] == "Basic"


def test_two_companions_in_one_application_share_nothing(parts: Parts) -> None:
    plugins = [
        WatchBuddyPlugin(parts=parts, store=MemoryStore(), path=path) for path in ("/one", "/two")
    ]
    with TestClient(application(*plugins)) as client:
        session_id = client.post("/one/api/v1/sessions", json=REQUEST).json()["session_id"]
        with client.websocket_connect(f"/one/ws/{session_id}") as socket:
            socket.send_text("?")
            assert socket.receive_json()["type"] == "error"
        with client.websocket_connect(f"/two/ws/{session_id}") as socket:
            with pytest.raises(WebSocketDisconnect) as closed:
                socket.receive()
            assert closed.value.code == 4404
        described = client.get("/schema/openapi.json").json()["paths"]
        assert {"/one/api/v1/sessions", "/two/api/v1/sessions"} <= set(described)


def test_the_documentation_of_the_application_gains_the_routes(
    mounted: TestClient[Litestar], alone: TestClient[Litestar]
) -> None:
    ours = mounted.get("/schema/openapi.json").json()
    theirs = alone.get("/schema/openapi.json").json()
    assert ours["info"] == theirs["info"]
    added = set(ours["paths"]) - set(theirs["paths"])
    assert "/buddy/api/v1/sessions" in added
    assert all(path.startswith("/buddy/") for path in added)
    for path, described in theirs["paths"].items():
        assert ours["paths"][path] == described


def test_an_application_may_be_started_again(plugin: WatchBuddyPlugin) -> None:
    app = application(plugin)
    for _ in range(2):
        with TestClient(app) as client:
            assert client.post("/buddy/api/v1/sessions", json=REQUEST).status_code == 202


def test_the_plugin_brings_neither_a_server_nor_a_command_line() -> None:
    program = (
        "import json, sys, watchbuddy_server.plugin\n"
        "print(json.dumps([name for name in sys.modules if 'uvicorn' in name\n"
        "                  or name in ('watchbuddy_server.cli', 'watchbuddy_server.app')]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []


def test_the_page_lies_where_the_plugin_does_and_only_where_it_is_wanted(parts: Parts) -> None:
    plugin = WatchBuddyPlugin(parts=parts, store=MemoryStore(), path="/buddy", page=True)
    with TestClient(application(plugin)) as client:
        page = client.get("/buddy")
        assert '<base href="/buddy/">' in page.text
        assert '<base href="/buddy/">' in client.get("/buddy/overlay").text
        module = client.get("/buddy/web/app.js")
        assert module.headers["content-type"] == "text/javascript; charset=utf-8"
        tag = {"If-None-Match": module.headers["etag"]}
        assert client.get("/buddy/web/app.js", headers=tag).status_code == 304
        assert client.get("/").status_code == 404
    with TestClient(application(WatchBuddyPlugin(parts=parts, store=MemoryStore()))) as client:
        assert client.get("/").status_code == 404
