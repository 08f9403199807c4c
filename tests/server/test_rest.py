"""POST /api/v1/sessions: what it takes, and the one form of every refusal."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from litestar import Litestar, get
from litestar.exceptions import TooManyRequestsException
from litestar.testing import TestClient
from logged import warnings_in
from patience import PATIENCE

from watchbuddy_core.session import Parts
from watchbuddy_core.settings import Limits
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_server.app import create_app
from watchbuddy_server.errors import RETRY_AFTER, STATUS_OF
from watchbuddy_server.plugin import WatchBuddyPlugin

SESSIONS = "/api/v1/sessions"
REQUEST = {"video_url": "library:clip.mp4", "character_id": "miao"}
JSON = {"Content-Type": "application/json"}

Client = TestClient[Litestar]


def assert_error(response: Any, status: int, code: str) -> dict[str, Any]:
    """The response is this error in the one body; returns `detail`."""
    assert (response.status_code, response.json()["detail"]["error"]) == (status, code)
    assert set(response.json()) == {"detail"}
    detail = response.json()["detail"]
    assert set(detail) <= {"error", "message", "fields"}
    assert isinstance(detail["message"], str)
    assert detail["message"]
    assert response.headers["content-type"].startswith("application/json")
    return detail


def test_a_session_is_created_with_an_unguessable_id(client: Client) -> None:
    ids = set()
    for _ in range(5):
        response = client.post(SESSIONS, json=REQUEST)
        assert response.status_code == 202
        assert list(response.json()) == ["session_id"]
        ids.add(response.json()["session_id"])
    assert len(ids) == 5
    assert all(re.fullmatch(r"ses_[0-9a-f]{16}", id) for id in ids)


def test_what_was_asked_for_reaches_the_source(client: Client, source: Any) -> None:
    client.post(SESSIONS, json=REQUEST | {"start_time": 3, "end_time": 9.5})
    client.post(SESSIONS, json=REQUEST)
    requests = [source.next_request(), source.next_request()]
    assert [(r.url, r.start_time, r.end_time) for r in requests] == [
        ("library:clip.mp4", 3.0, 9.5),
        ("library:clip.mp4", 0.0, None),
    ]


def test_null_and_empty_text_mean_that_a_field_is_absent(client: Client) -> None:
    optional = ("start_time", "end_time", "text", "user_id", "density", "language")
    for empty in (None, ""):
        response = client.post(SESSIONS, json=REQUEST | dict.fromkeys(optional, empty))
        assert response.status_code == 202, response.text


def test_unknown_keys_are_ignored(client: Client) -> None:
    assert client.post(SESSIONS, json=REQUEST | {"colour": "red"}).status_code == 202


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_the_content_type_may_have_parameters_and_any_case(
    client: Client, content_type: str
) -> None:
    response = client.post(
        SESSIONS, content=json.dumps(REQUEST), headers={"Content-Type": content_type}
    )
    assert response.status_code == 202


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/json-patch+json",
    ],
)
def test_what_is_not_declared_as_json_is_unsupported(
    client: Client, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    response = client.post(SESSIONS, content=json.dumps(REQUEST), headers=headers)
    assert_error(response, 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json",
        b'{"video_url": }',
        b'{"video_url": "library:\xff.mp4", "character_id": "miao"}',
        b"\xff\xfe",
        b'{"video_url": "\\ud800", "character_id": "miao"}',
        b"[" * 20_000 + b"]" * 20_000,
        b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
        b"{} {}",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_not_json_is_malformed(client: Client, body: bytes) -> None:
    assert_error(client.post(SESSIONS, content=body, headers=JSON), 400, "MALFORMED_REQUEST")


@pytest.mark.parametrize("body", ["[]", "null", "1", '"text"', "true"])
def test_what_is_no_object_is_not_valid(client: Client, body: str) -> None:
    assert_error(client.post(SESSIONS, content=body, headers=JSON), 422, "VALIDATION_ERROR")


SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"video_url": None}, "video_url"),
        ({"video_url": ""}, "video_url"),
        ({"video_url": 1}, "video_url"),
        ({"video_url": SECRET * 1000}, "video_url"),
        ({"character_id": ""}, "character_id"),
        ({"character_id": [SECRET]}, "character_id"),
        ({"start_time": SECRET}, "start_time"),
        ({"start_time": "1"}, "start_time"),
        ({"start_time": True}, "start_time"),
        ({"start_time": -1}, "start_time"),
        ({"end_time": {}}, "end_time"),
        ({"text": 5}, "text"),
        ({"text": SECRET * 1000}, "text"),
        ({"user_id": [SECRET]}, "user_id"),
        ({"density": SECRET}, "density"),
        ({"language": SECRET}, "language"),
        ({"language": 7}, "language"),
    ],
)
def test_a_wrong_field_is_named_and_not_echoed(
    client: Client, change: dict[str, object], field: str
) -> None:
    response = client.post(SESSIONS, json=REQUEST | change)
    detail = assert_error(response, 422, "VALIDATION_ERROR")
    assert [entry["field"] for entry in detail["fields"]] == [field]
    assert all(set(entry) == {"field", "message"} for entry in detail["fields"])
    assert field in detail["message"]
    assert SECRET not in response.text


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity", "9" * 400])
def test_a_time_that_is_no_finite_number_is_refused(client: Client, number: str) -> None:
    body = f'{{"video_url": "library:a.mp4", "character_id": "miao", "start_time": {number}}}'
    assert_error(client.post(SESSIONS, content=body, headers=JSON), 422, "VALIDATION_ERROR")


def test_all_wrong_fields_are_named_at_once(client: Client) -> None:
    detail = assert_error(client.post(SESSIONS, json={}), 422, "VALIDATION_ERROR")
    assert [entry["field"] for entry in detail["fields"]] == ["video_url", "character_id"]


@pytest.mark.parametrize(("start", "end"), [(5, 5), (5, 4), (0, 0), (None, 0)])
def test_an_end_that_is_not_after_the_start_is_refused(
    client: Client, start: float | None, end: float
) -> None:
    response = client.post(SESSIONS, json=REQUEST | {"start_time": start, "end_time": end})
    assert_error(response, 422, "INVALID_TIME_RANGE")


def test_an_unknown_character_is_refused_with_those_there_are(client: Client) -> None:
    response = client.post(SESSIONS, json=REQUEST | {"character_id": SECRET})
    detail = assert_error(response, 422, "UNKNOWN_CHARACTER")
    assert "miao" in detail["message"]
    assert SECRET not in response.text


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "https://vimeo.com/76979871",
            "The provided video URL from 'vimeo.com' is not supported.",
        ),
        (
            "https://WWW.Vimeo.com/76979871?key=s3cr3t",
            "The provided video URL from 'vimeo.com' is not supported.",
        ),
        ("http://[", "The provided video URL is not supported."),
        ("just words", "The provided video URL is not supported."),
    ],
)
def test_a_video_from_elsewhere_is_refused_by_its_host_alone(
    client: Client, url: str, message: str
) -> None:
    response = client.post(SESSIONS, json=REQUEST | {"video_url": url})
    assert assert_error(response, 422, "UNSUPPORTED_VIDEO_SOURCE")["message"] == message


def test_a_body_above_64_kib_is_too_large(client: Client) -> None:
    response = client.post(SESSIONS, json=REQUEST | {"more": "x" * 65536})
    assert_error(response, 413, "REQUEST_TOO_LARGE")


def test_a_body_of_unknown_length_is_counted_as_it_comes(client: Client) -> None:
    pieces = (b" " * 1024 for _ in range(65))
    assert_error(client.post(SESSIONS, content=pieces, headers=JSON), 413, "REQUEST_TOO_LARGE")


def test_a_body_of_64_kib_is_read(client: Client) -> None:
    body = json.dumps(REQUEST).encode().ljust(65536)
    assert client.post(SESSIONS, content=body, headers=JSON).status_code == 202


def test_the_limit_can_be_set(parts: Parts) -> None:
    app = create_app(parts=parts, store=MemoryStore(), limits=Limits(body_bytes=100))
    with TestClient(app) as client:
        response = client.post(SESSIONS, json=REQUEST | {"more": "x" * 100})
        assert_error(response, 413, "REQUEST_TOO_LARGE")


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/web/",
        "/web/nope.js",
        "/web/../app.py",
        "/media/",
        "/api/v1",
        "/api/v2/sessions",
        f"{SESSIONS}/x/y",
        "/ws/",
        "/%00",
    ],
)
def test_an_unknown_address_is_not_found(client: Client, path: str) -> None:
    assert_error(client.get(path), 404, "NOT_FOUND")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_another_method_is_not_allowed(client: Client, method: str) -> None:
    response = client.request(method, SESSIONS)
    assert_error(response, 405, "METHOD_NOT_ALLOWED")
    assert "POST" in response.headers["allow"]


class _BrokenStore(MemoryStore):
    async def put(self, record: object) -> None:
        raise RuntimeError(f"/var/{SECRET}/disk is full")


def test_a_failure_inside_is_told_to_the_log_once_and_to_nobody_else(
    parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(parts=parts, store=_BrokenStore())
    with TestClient(app, raise_server_exceptions=False) as client:
        response = client.post(SESSIONS, json=REQUEST)
    assert_error(response, 500, "INTERNAL_ERROR")
    assert SECRET not in response.text
    assert "RuntimeError" not in response.text
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.name for record in errors] == ["watchbuddy.server"]
    assert SECRET in caplog.text


def test_who_is_refused_for_now_is_told_when_to_come_back(parts: Parts) -> None:
    @get("/limited")
    async def limited() -> None:
        raise TooManyRequestsException(headers={"Retry-After": "7"})

    @get("/full")
    async def full() -> None:
        raise TooManyRequestsException

    app = create_app(parts=parts, store=MemoryStore())
    app.register(limited)
    app.register(full)
    with TestClient(app) as client:
        response = client.get("/limited")
        assert_error(response, 429, "RATE_LIMITED")
        assert response.headers["retry-after"] == "7"
        response = client.get("/full")
        assert response.headers["retry-after"] == str(RETRY_AFTER["RATE_LIMITED"])


def test_only_what_passes_by_itself_has_a_time_to_retry() -> None:
    assert {code: STATUS_OF[code] for code in RETRY_AFTER} == {
        "RATE_LIMITED": 429,
        "STORE_UNAVAILABLE": 503,
        "TOO_MANY_SESSIONS": 503,
        "VIDEO_NOT_READY": 409,
    }


def test_the_description_of_the_routes_is_there(client: Client) -> None:
    schema = client.get("/schema/openapi.json")
    assert schema.status_code == 200
    assert SESSIONS in schema.json()["paths"]


def test_no_page_of_the_server_loads_anything_from_elsewhere(client: Client) -> None:
    for path in ("/schema", "/schema/openapi.json"):
        response = client.get(path)
        assert response.headers["content-type"].startswith("application/")
        assert "cdn" not in response.text


def test_leaving_the_server_ends_the_work_in_hand(app: Litestar, source: Any) -> None:
    with TestClient(app) as client:
        for _ in range(3):
            assert client.post(SESSIONS, json=REQUEST).status_code == 202
            source.next_request()
    assert source.cancelled == 3


def test_a_request_that_breaks_off_in_the_middle_does_no_harm(
    app: Litestar, serve: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    def break_off(address: str) -> None:
        connection = http.client.HTTPConnection(address, timeout=PATIENCE)
        connection.putrequest("POST", SESSIONS)
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", "1000")
        connection.endheaders(b'{"video_url": ')
        connection.close()

    async def main() -> None:
        async with serve(app) as (_, url):
            await asyncio.to_thread(break_off, urlsplit(url).netloc)

    asyncio.run(main())
    assert warnings_in(caplog) == []


def test_the_routes_can_be_mounted_in_an_application_of_somebody_else(parts: Parts) -> None:
    @get("/hello")
    async def hello() -> str:
        return "hello"

    app = Litestar([hello], plugins=[WatchBuddyPlugin(parts=parts, store=MemoryStore())])
    with TestClient(app) as client:
        assert client.get("/hello").text == "hello"
        assert client.post(SESSIONS, json=REQUEST).status_code == 202
        assert_error(client.post(SESSIONS, json={}), 422, "VALIDATION_ERROR")
        theirs = client.get("/nope").json()
        assert "detail" in theirs
        assert "error" not in theirs["detail"]
