"""`create_session` and `session_status` against small HTTP servers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from watchbuddy_core.client import create_session, session_status
from watchbuddy_core.errors import ConnectionLost, RequestRefused, UnsupportedVideoSource
from watchbuddy_core.wire import CreateSession

pytestmark = pytest.mark.anyio
REQUEST = CreateSession(video_url="library:a.mp4", character_id="miao", text="喵～～")

Answering = Callable[[int, bytes], str]


@pytest.fixture
def asked() -> list[tuple[str, object]]:
    return []


@pytest.fixture
def answering(asked) -> Iterator[Answering]:
    """Start a server that answers everything like this; gives its address."""
    servers = []

    def start(status: int, body: bytes) -> str:
        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                self.answer(json.loads(self.rfile.read(length)))

            def do_GET(self) -> None:
                self.answer(None)

            def answer(self, posted: object) -> None:
                asked.append((self.path, posted))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def refusal(code: str, message: str) -> bytes:
    return json.dumps({"detail": {"error": code, "message": message}}).encode()


async def test_the_request_is_posted_and_the_id_comes_back(answering, asked):
    server = answering(202, b'{"session_id": "ses_0123456789abcdef"}')
    assert await create_session(server + "/", REQUEST) == "ses_0123456789abcdef"
    body = {"video_url": "library:a.mp4", "character_id": "miao", "text": "喵～～"}
    assert asked == [("/api/v1/sessions", body)]


async def test_a_refusal_is_the_librarys_error_of_that_code(answering):
    message = "The provided video URL from 'vimeo.com' is not supported."
    server = answering(422, refusal("UNSUPPORTED_VIDEO_SOURCE", message))
    with pytest.raises(UnsupportedVideoSource) as raised:
        await create_session(server, REQUEST)
    assert raised.value.message == message


async def test_a_refusal_of_another_code_keeps_it(answering):
    server = answering(503, refusal("TOO_MANY_SESSIONS", "Come back later."))
    with pytest.raises(RequestRefused) as raised:
        await create_session(server, REQUEST)
    assert (raised.value.code, raised.value.message) == ("TOO_MANY_SESSIONS", "Come back later.")


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>"), (200, b"[]"), (200, b"{}"), (404, b"<html>"), (502, b"{}"), (422, b"[1]")],
)
async def test_another_kind_of_server_is_told_as_such(answering, status, body):
    server = answering(status, body)
    with pytest.raises(ConnectionLost, match="no AI Watch Buddy server"):
        await create_session(server, REQUEST)


STATUS = {
    "session_id": "ses_0123456789abcdef",
    "status": "preparing",
    "stage": "generating",
    "title": None,
    "character_id": "miao",
    "density": "normal",
    "duration": 90.5,
    "start_time": 0.0,
    "end_time": 60.0,
    "coverage": [[0.0, 45.0]],
    "watched": [],
    "actions": {"SPEAK": 3},
    "drops": {},
    "notes": [],
    "cost": None,
    "error": None,
}


async def test_the_status_of_a_session_is_asked_for_by_its_id(answering, asked):
    server = answering(200, json.dumps({**STATUS, "of a newer server": 1}).encode())
    status = await session_status(server, "ses_0123456789abcdef")
    assert (status.duration, status.end_time, status.stage) == (90.5, 60.0, "generating")
    assert asked == [("/api/v1/sessions/ses_0123456789abcdef", None)]


async def test_a_server_that_cannot_tell_the_status_refuses(answering):
    server = answering(405, refusal("METHOD_NOT_ALLOWED", "Not here."))
    with pytest.raises(RequestRefused) as raised:
        await session_status(server, "ses_0")
    assert raised.value.code == "METHOD_NOT_ALLOWED"


async def test_what_is_no_status_is_told_as_such(answering):
    with pytest.raises(ConnectionLost, match="no AI Watch Buddy server"):
        await session_status(answering(200, b"{}"), "ses_0")


async def test_no_server_is_told_as_such(answering):
    with pytest.raises(ConnectionLost, match="No server answers"):
        await create_session("http://127.0.0.1:1", REQUEST)


@pytest.mark.parametrize("server", ["", "nonsense", "http://", "http://[", "gopher://127.0.0.1"])
async def test_no_address_is_told_as_such(server):
    with pytest.raises(ConnectionLost):
        await create_session(server, REQUEST)
