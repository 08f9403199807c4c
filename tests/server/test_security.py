"""Which browsers may talk to the server, and how that is said to them."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from litestar import Litestar, get
from litestar.testing import TestClient
from patience import PATIENCE
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from watchbuddy_core.session import Parts
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_server.app import create_app
from watchbuddy_server.plugin import WatchBuddyPlugin
from watchbuddy_server.security import Admission, is_loopback
from watchbuddy_server.tokens import Tokens

SESSIONS = "/api/v1/sessions"
REQUEST = {"video_url": "library:clip.mp4", "character_id": "miao"}

LOCAL = [
    "http://localhost",
    "http://localhost:5173",
    "https://localhost:8443",
    "http://127.0.0.1:3000",
    "http://127.9.9.9",
    "http://[::1]:8080",
    "http://app.localhost:3000",
]
FOREIGN = [
    "https://evil.example",
    "http://localhost.evil.example",
    "http://127.0.0.1.evil.example",
    "http://evil.example:127",
    "http://localhost@evil.example",
    "http://192.168.1.5:3000",
    "http://0.0.0.0:3000",
    "null",
    "file://",
    "ftp://localhost",
    "chrome-extension://localhost",
    "",
    "http://[",
]


@pytest.mark.parametrize("origin", LOCAL)
def test_pages_on_this_machine_are_let_in(client: TestClient[Litestar], origin: str) -> None:
    response = client.post(SESSIONS, json=REQUEST, headers={"Origin": origin})
    assert response.status_code == 202
    assert response.headers["access-control-allow-origin"] == origin
    assert "origin" in response.headers["vary"].lower()


@pytest.mark.parametrize("origin", FOREIGN)
def test_pages_from_elsewhere_are_not(
    client: TestClient[Litestar], backstage: Any, origin: str
) -> None:
    response = client.post(SESSIONS, json=REQUEST, headers={"Origin": origin})
    assert response.status_code == 403
    assert response.json()["detail"]["error"] == "FORBIDDEN"
    assert "access-control-allow-origin" not in response.headers
    assert asyncio.run(backstage.store.list()) == ()


def test_an_error_can_be_read_by_the_page_it_is_meant_for(client: TestClient[Litestar]) -> None:
    for path in (SESSIONS, "/nope"):
        response = client.post(path, json={}, headers={"Origin": "http://localhost:5173"})
        assert response.status_code in (422, 404)
        assert response.headers["access-control-allow-origin"] == "http://localhost:5173"


def preflight(client: TestClient[Litestar], origin: str) -> Any:
    return client.options(
        SESSIONS,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        },
    )


def test_a_browser_may_ask_beforehand(client: TestClient[Litestar]) -> None:
    response = preflight(client, "http://localhost:5173")
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == "http://localhost:5173"
    assert "POST" in response.headers["access-control-allow-methods"]
    assert "content-type" in response.headers["access-control-allow-headers"].lower()
    refused = preflight(client, "https://evil.example")
    assert "access-control-allow-origin" not in refused.headers


def test_other_origins_can_be_allowed(parts: Parts, backstage: Any) -> None:
    app = create_app(
        parts=parts, store=backstage.store, allow_origins=["https://tv.example/", "null"]
    )
    with TestClient(app) as client:
        for origin, status in {
            "https://tv.example": 202,
            "null": 202,
            "http://localhost": 202,
            "http://tv.example": 403,
            "https://tv.example:444": 403,
        }.items():
            response = client.post(SESSIONS, json=REQUEST, headers={"Origin": origin})
            assert response.status_code == status, origin
        assert preflight(client, "https://tv.example").status_code == 204


def test_all_origins_can_be_allowed(parts: Parts, backstage: Any) -> None:
    app = create_app(parts=parts, store=backstage.store, allow_origins="*")
    with TestClient(app) as client:
        response = client.post(SESSIONS, json=REQUEST, headers={"Origin": "https://any.example"})
        assert response.status_code == 202
        assert response.headers["access-control-allow-origin"] == "*"


def test_a_handshake_is_refused_where_a_request_would_be(
    app: Litestar, serve: Callable[..., Any], backstage: Any
) -> None:
    async def main() -> None:
        session_id = await backstage.ready()
        async with serve(app) as (_, url):
            address = f"{url.replace('http', 'ws')}/ws/{session_id}"
            for origin in ("http://localhost:5173", "http://[::1]"):
                async with connect(address, origin=origin, proxy=None) as socket:
                    assert json.loads(await socket.recv()) == {"type": "session_ready"}
            for origin in ("https://evil.example", "null"):
                with pytest.raises(InvalidStatus) as refused:
                    await connect(address, origin=origin, proxy=None)
                answer = refused.value.response
                assert answer.status_code == 403
                assert json.loads(answer.body)["detail"]["error"] == "FORBIDDEN"
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert answer.headers["cache-control"] == "no-store"

    asyncio.run(main())


def test_a_loopback_server_does_not_answer_to_a_name_from_elsewhere(
    app: Litestar, serve: Callable[..., Any], backstage: Any
) -> None:
    """A page of evil.example whose name is made to mean 127.0.0.1 is of its own origin there."""

    def request(netloc: str, method: str, path: str, host: str) -> int:
        connection = http.client.HTTPConnection(netloc, timeout=PATIENCE)
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host)
        connection.endheaders()
        try:
            return connection.getresponse().status
        finally:
            connection.close()

    async def main() -> None:
        session_id = await backstage.ready()
        async with serve(app) as (_, url):
            netloc = urlsplit(url).netloc
            port = urlsplit(url).port
            for host, schema, post in (
                (netloc, 200, 415),
                (f"localhost:{port}", 200, 415),
                ("[::1]", 200, 415),
                ("evil.example", 403, 403),
                (f"evil.example:{port}", 403, 403),
                (f"192.168.1.5:{port}", 403, 403),
                ("[", 403, 403),
                ("", 403, 403),
            ):
                ask = asyncio.to_thread(request, netloc, "GET", "/schema/openapi.json", host)
                assert await ask == schema, host
                ask = asyncio.to_thread(request, netloc, "POST", SESSIONS, host)
                assert await ask == post, host
            with pytest.raises(InvalidStatus) as refused:
                await connect(
                    f"ws://evil.example:{port}/ws/{session_id}",
                    host="127.0.0.1",
                    port=port,
                    proxy=None,
                )
            assert refused.value.response.status_code == 403

    asyncio.run(main())


def test_a_name_can_be_given_and_is_insisted_on() -> None:
    admission = Admission.of(hosts=["Buddy.example"])
    assert admission.admits_host("buddy.example", reached_at="127.0.0.1")
    assert admission.admits_host("BUDDY.example.:8000", reached_at="::1")
    assert not admission.admits_host("other.example", reached_at="127.0.0.1")
    assert not admission.admits_host("other.example", reached_at="192.168.1.5")
    assert admission.admits_host("192.168.1.5:8000", reached_at="192.168.1.5")
    assert not admission.admits_host("192.168.1.5:8000", reached_at="127.0.0.1")
    nameless = Admission.of()
    assert nameless.admits_host("other.example", reached_at="192.168.1.5")
    assert nameless.admits_host("other.example", reached_at=None)
    assert not nameless.admits_host("other.example", reached_at="127.0.0.1")
    assert Admission.of(hosts="*").admits_host("other.example", reached_at="127.0.0.1")


@pytest.mark.parametrize(
    ("host", "is_known"),
    [
        ("192.168.1.5:8000", True),
        ("[fd00::5]:8000", True),
        ("localhost", True),
        ("buddy.example", True),
        ("nas", True),
        ("nas.local.:8000", True),
        ("NAS.home.arpa", True),
        (socket.gethostname(), True),
        ("evil.example", False),
        ("192.168.1.5.evil.example", False),
        ("nas.local.evil.example", False),
        ("local.example", False),
        ("", False),
    ],
)
def test_an_open_server_is_known_by_no_name_that_a_stranger_can_have(
    host: str, is_known: bool
) -> None:
    """A page whose name is made to lead to the server would be let in as its own."""
    admission = Admission.of(hosts=["buddy.example"], is_open=True)
    assert admission.admits_host(host, reached_at="192.168.1.5") is is_known
    origin = f"http://{host}"
    if host not in ("localhost", ""):
        assert admission.admits_origin(origin, host=host) is is_known
    assert not admission.admits_origin(origin, host="other") or host == "localhost"
    here = Admission.of(is_open=True)
    assert not here.admits_host("nas.local", reached_at="127.0.0.1"), "another network's DNS"


def test_a_page_whose_name_leads_to_an_open_server_reads_nothing(parts: Parts) -> None:
    app = create_app(parts=parts, store=MemoryStore(), tokens=Tokens(), need_token="never")
    for url, status in {"http://192.168.1.5:8000": 200, "http://evil.example:8000": 403}.items():
        with TestClient(app, base_url=url) as client:
            answer = client.get("/api/v1/library")  # of its own origin: a browser names none
            assert answer.status_code == status, url
    assert "--server-name" in answer.json()["detail"]["message"]


@pytest.mark.parametrize(
    ("origin", "host", "is_own"),
    [
        ("https://buddy.example", "buddy.example", True),
        ("https://Buddy.example:8443", "buddy.example:8443", True),
        ("http://192.168.1.5:8000", "192.168.1.5:8000", True),
        ("http://[fd00::5]:8000", "[fd00::5]:8000", True),
        ("https://buddy.example", "buddy.example:8443", False),
        ("http://192.168.1.5:9000", "192.168.1.5:8000", False),
        ("http://192.168.1.6:8000", "192.168.1.5:8000", False),
        ("http://rebound.example:8000", "rebound.example:8000", False),
        ("http://buddy.example@evil.example", "buddy.example@evil.example", False),
        ("null", "", False),
        ("http://", "", False),
    ],
)
def test_the_servers_own_page_is_let_in_by_a_name_that_nobody_else_has(
    origin: str, host: str, is_own: bool
) -> None:
    assert Admission.of(hosts=["buddy.example"]).admits_origin(origin, host=host) is is_own


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("a.localhost", True),
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("localhost.example", False),
        ("notlocalhost", False),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_what_is_this_machine(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


PLACES = {"{session_id}": "ses_0000000000000000", "{name}": "app.js", "{path}": "openapi.json"}
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")


def test_every_answer_tells_browsers_what_not_to_do_with_it(
    client: TestClient[Litestar], backstage: Any
) -> None:
    """Of every route that there is, by every method, and of what is none."""
    paths = ["/nope", "/web/nope", f"{SESSIONS}/x/y/z", "/api/v1", "/schema/nope", "//", "/%00"]
    for route in client.app.routes:
        path = str(getattr(route, "path_format", route.path))
        for slot, place in PLACES.items():
            path = path.replace(slot, place)
        paths.append(path)
    assert "/media/ses_0000000000000000" in paths
    statuses = set()
    for method in METHODS:
        for path in paths:
            answer = client.request(method, path, follow_redirects=False)
            statuses.add(answer.status_code)
            headers = answer.headers
            assert headers["x-content-type-options"] == "nosniff", (method, path)
            assert headers["cache-control"] in ("no-store", "no-cache"), (method, path)
            assert headers["referrer-policy"], (method, path)
            policies = headers.get_list("content-security-policy")
            assert len(policies) == 1, (method, path)
            assert "default-src 'none'" in policies[0], (method, path)
            assert headers["cross-origin-resource-policy"] == "same-origin", (method, path)
    assert statuses >= {200, 204, 404, 405, 415}


def test_a_host_application_keeps_its_own_headers(parts: Parts) -> None:
    @get("/own", sync_to_thread=False)
    def own() -> str:
        return "ours"

    plugin = WatchBuddyPlugin(parts=parts, store=MemoryStore(), path="/buddy")
    with TestClient(Litestar([own], plugins=[plugin])) as client:
        assert "content-security-policy" not in client.get("/own").headers
        assert client.get("/buddy/health/live").headers["cache-control"] == "no-store"
