"""Who comes in: tokens, whose session it is, and tickets where no token can be sent."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar, WebSocket, get, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.testing import TestClient
from patience import PATIENCE
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from watchbuddy_core.client import create_session, media_address, session_status, upload
from watchbuddy_core.errors import SessionNotFound, Unauthorized
from watchbuddy_core.redaction import Redaction
from watchbuddy_core.session import Parts
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.wire import CreateSession
from watchbuddy_server.app import create_app
from watchbuddy_server.plugin import WatchBuddyPlugin
from watchbuddy_server.tokens import TokenFile, Tokens, caller_of, hash_of, new_token

Client = TestClient[Litestar]

SESSIONS = "/api/v1/sessions"
REQUEST = {"video_url": "https://youtu.be/dQw4w9WgXcQ", "character_id": "miao"}
ANNA, BERT, FORGED = (new_token() for _ in range(3))
REFUSED = (401, "UNAUTHORIZED")
NOT_THERE = (404, "SESSION_NOT_FOUND")
FORWARDED = {"X-Forwarded-For": "203.0.113.7"}


def shown(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def outcome(response: httpx.Response) -> tuple[int, str]:
    is_json = response.headers.get("content-type") == "application/json"
    body = response.json() if is_json else {}
    return response.status_code, body.get("detail", {}).get("error", "")


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(hashes=[hash_of(ANNA), hash_of(BERT)])


@pytest.fixture
def open_client(parts: Parts, backstage: Any, tokens: Tokens) -> Iterator[Client]:
    """A server that no other machine reaches."""
    app = create_app(
        parts=parts, store=backstage.store, tokens=tokens, need_token="forwarded", uploads=True
    )
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def strict_app(parts: Parts, backstage: Any, tokens: Tokens) -> Litestar:
    return create_app(
        parts=parts, store=backstage.store, tokens=tokens, need_token="always", uploads=True
    )


@pytest.fixture
def client(strict_app: Litestar) -> Iterator[Client]:
    """A server that needs a token."""
    with TestClient(strict_app, raise_server_exceptions=False) as client:
        yield client


def created(client: Client, token: str | None) -> str:
    headers = shown(token) if token else {}
    answer = client.post(SESSIONS, json=REQUEST, headers=headers)
    assert answer.status_code == 202
    return str(answer.json()["session_id"])


def ticket_for(client: Client, session_id: str, purpose: str, token: str | None = ANNA) -> str:
    answer = client.post(
        f"{SESSIONS}/{session_id}/tickets",
        json={"purpose": purpose},
        headers=shown(token) if token else {},
    )
    assert answer.status_code == 201
    assert answer.json()["expires_in"] > 0
    return str(answer.json()["ticket"])


def of_session(session_id: str) -> list[tuple[str, str, Any]]:
    """Every way to ask for a session over HTTP."""
    path = f"{SESSIONS}/{session_id}"
    return [
        ("GET", path, None),
        ("GET", f"{path}/script", None),
        ("GET", f"{path}/video", None),
        ("POST", f"{path}/tickets", {"purpose": "connect"}),
        ("GET", f"/media/{session_id}", None),
        ("DELETE", path, None),
    ]


# --- tokens --------------------------------------------------------------------------------


NO_GOOD = [
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer "},
    {"Authorization": ANNA},
    {"Authorization": f"Basic {ANNA}"},
    shown(FORGED),
    shown(ANNA[:-1]),
    shown(f"{ANNA} {BERT}"),
    shown(hash_of(ANNA)),
    shown("x" * 8000),
    shown("wb_\xff"),
]


def test_without_a_good_token_there_is_nothing_and_no_hint(client: Client) -> None:
    session_id = created(client, ANNA)
    wanted = [
        ("POST", SESSIONS, REQUEST),
        ("POST", "/api/v1/uploads", None),
        ("GET", "/api/v1/library", None),
        ("GET", "/api/v1/characters", None),
        ("GET", "/schema/openapi.json", None),
        *of_session(session_id),
        *of_session("ses_0000000000000000"),
    ]
    bodies = set()
    for headers in NO_GOOD:
        raw = {name: value.encode("latin-1") for name, value in headers.items()}
        for method, path, body in wanted:
            answer = client.request(method, path, json=body, headers=raw)
            assert answer.headers["www-authenticate"] == "Bearer"
            assert outcome(answer) == REFUSED, (path, headers)
            bodies.add(answer.text)
    assert len(bodies) == 1


def test_every_route_that_is_not_public_needs_a_token(client: Client) -> None:
    """Whatever routes there are: those that need none are named here."""
    public = {"/", "/overlay", "/web/{name:path}", "/health/live", "/health/ready"}
    asked = 0
    for route in client.app.routes:
        path = route.path_format if hasattr(route, "path_format") else route.path
        if not hasattr(route, "methods") or route.path in public:
            continue
        for method in set(route.methods) - {"OPTIONS"}:
            address = path.replace("{session_id}", "ses_0000000000000000").replace("{path}", "x")
            assert client.request(method, address).status_code == 401, (method, path)
            asked += 1
    assert asked > 10
    for path in ("/", "/overlay", "/web/app.js", "/health/live", "/health/ready"):
        assert client.get(path).status_code == 200


def test_a_session_belongs_to_the_token_that_it_was_created_with(
    client: Client, backstage: Any
) -> None:
    session_id = created(client, ANNA)
    assert asyncio.run(backstage.store.get(session_id)).caller == caller_of(hash_of(ANNA))
    for method, path, body in of_session(session_id):
        answer = client.request(method, path, json=body, headers=shown(BERT))
        assert outcome(answer) == NOT_THERE, path
    none = client.get(f"{SESSIONS}/ses_0000000000000000", headers=shown(BERT))
    assert none.text == answer.text, "whether there is one cannot be told"
    for method, path, body in of_session(session_id):
        answer = client.request(method, path, json=body, headers=shown(ANNA))
        assert answer.status_code in (200, 201, 204, 409), path


def test_what_was_created_without_a_token_is_nobodys_where_one_is_needed(
    client: Client, backstage: Any
) -> None:
    session_id = asyncio.run(backstage.ready())
    for method, path, body in of_session(session_id):
        answer = client.request(method, path, json=body, headers=shown(ANNA))
        assert outcome(answer) == NOT_THERE, path


def test_a_server_of_ones_own_needs_no_token_and_knows_one(
    open_client: Client, backstage: Any
) -> None:
    session_id = created(open_client, None)
    assert asyncio.run(backstage.store.get(session_id)).caller == "testclient"
    assert open_client.get(f"{SESSIONS}/{session_id}").status_code == 200
    assert open_client.get(f"{SESSIONS}/{session_id}", headers=shown(BERT)).status_code == 200
    own = created(open_client, ANNA)
    assert open_client.get(f"{SESSIONS}/{own}", headers=shown(ANNA)).status_code == 200
    assert outcome(open_client.get(f"{SESSIONS}/{own}", headers=shown(BERT))) == NOT_THERE
    assert outcome(open_client.get(f"{SESSIONS}/{own}")) == NOT_THERE
    forged = open_client.post(SESSIONS, json=REQUEST, headers=shown(FORGED))
    assert outcome(forged) == REFUSED
    login = {"Authorization": "Basic YW5uYTpwYXNz"}
    assert open_client.post(SESSIONS, json=REQUEST, headers=login).status_code == 202


def test_a_proxy_that_nobody_told_of_makes_a_token_needed(open_client: Client) -> None:
    for header in ("X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "Via", "X-Real-IP"):
        passed_on = {header: "for=203.0.113.7"}
        answer = open_client.post(SESSIONS, json=REQUEST, headers=passed_on)
        assert outcome(answer) == REFUSED
        assert "--open" in answer.json()["detail"]["message"]
        answer = open_client.post(SESSIONS, json=REQUEST, headers={**passed_on, **shown(ANNA)})
        assert answer.status_code == 202


def test_an_address_cannot_pass_for_a_token(parts: Parts, backstage: Any, tokens: Tokens) -> None:
    app = create_app(parts=parts, store=backstage.store, tokens=tokens)
    with TestClient(app) as client:
        own = created(client, ANNA)

    async def told(scope: Any, receive: Any, send: Any) -> None:
        """A proxy that passes on whatever a client says of its address."""
        scope["client"] = (caller_of(hash_of(ANNA)), 1)
        await app(scope, receive, send)

    with TestClient(told) as client:
        assert outcome(client.get(f"{SESSIONS}/{own}")) == NOT_THERE


def test_who_has_a_network_of_ipv6_has_one_budget_and_not_one_for_each_address(
    parts: Parts, backstage: Any
) -> None:
    app = create_app(parts=parts, store=backstage.store)

    async def caller_at(host: str) -> str:
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, client=(host, 1)), base_url="http://localhost"
        )
        answer = await client.post(SESSIONS, json=REQUEST)
        return str((await backstage.store.get(answer.json()["session_id"])).caller)

    async def main() -> None:
        async with app.lifespan():
            assert await caller_at("2001:db8::1") == await caller_at("2001:db8::ffff:2")
            assert await caller_at("2001:db8::1") != await caller_at("2001:db8:0:1::1")
            assert await caller_at("203.0.113.5") == "203.0.113.5"

    asyncio.run(main())


def test_a_page_elsewhere_may_send_its_token(parts: Parts, backstage: Any, tokens: Tokens) -> None:
    app = create_app(
        parts=parts,
        store=backstage.store,
        tokens=tokens,
        need_token="always",
        allow_origins=["https://tv.example"],
    )
    origin = {"Origin": "https://tv.example"}
    with TestClient(app) as client:
        asked = client.options(
            SESSIONS,
            headers={
                **origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type",
            },
        )
        assert asked.status_code == 204
        assert "authorization" in asked.headers["access-control-allow-headers"].lower()
        refused = client.post(SESSIONS, json=REQUEST, headers=origin)
        assert refused.headers["access-control-allow-origin"] == "https://tv.example"
        assert outcome(refused) == REFUSED
        elsewhere = {"Origin": "https://evil.example", **shown(ANNA)}
        assert client.post(SESSIONS, json=REQUEST, headers=elsewhere).status_code == 403


def test_in_another_application_its_logins_are_left_to_it(parts: Parts) -> None:
    plugin = WatchBuddyPlugin(parts=parts, store=MemoryStore(), path="/buddy")
    with TestClient(Litestar(plugins=[plugin])) as client:
        login = {"Authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x", **FORWARDED}
        path = f"/buddy{SESSIONS}"
        session_id = client.post(path, json=REQUEST, headers=login).json()["session_id"]
        assert client.get(f"{path}/{session_id}").status_code == 200


def test_a_route_that_forgets_to_ask_lets_nobody_in(parts: Parts, tokens: Tokens) -> None:
    """A WebSocket that does not say that it asks for itself is asked for."""

    class More(WatchBuddyPlugin):
        def _router(self, path: str, *routes: object) -> Any:
            @websocket("/more")
            async def more(socket: WebSocket[Any, Any, Any]) -> None:
                await socket.accept()

            @get("/other")
            async def other() -> str:
                return "secret"

            return super()._router(path, *routes, more, other)

    plugin = More(parts=parts, store=MemoryStore(), tokens=tokens, need_token="always")
    with TestClient(Litestar(plugins=[plugin])) as client:
        assert client.get("/other").status_code == 401
        with pytest.raises(WebSocketDisconnect):
            client.websocket_connect("/more").__enter__()


# --- over the WebSocket --------------------------------------------------------------------


class Connected:
    """What a server that needs a token says to those who connect."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def end(self, session_id: str, token: str | None = None, query: str = "") -> Any:
        """How the connection ends at once; None: it does not, and it is spoken to."""
        address = f"{self.url.replace('http', 'ws')}/ws/{session_id}{query}"
        headers = shown(token) if token else {}
        async with connect(address, additional_headers=headers, proxy=None) as socket:
            try:
                async with asyncio.timeout(PATIENCE):
                    assert json.loads(await socket.recv())["type"] in ("session_ready", "welcome")
            except ConnectionClosed:
                return socket.close_code, socket.close_reason
        return None

    async def ticket(self, session_id: str, purpose: str = "connect", token: str = ANNA) -> str:
        async with httpx.AsyncClient(
            base_url=self.url, trust_env=False, timeout=PATIENCE
        ) as client:
            answer = await client.post(
                f"{SESSIONS}/{session_id}/tickets", json={"purpose": purpose}, headers=shown(token)
            )
        return str(answer.json()["ticket"])

    async def film(self, session_id: str, ticket: str) -> httpx.Response:
        async with httpx.AsyncClient(
            base_url=self.url, trust_env=False, timeout=PATIENCE
        ) as client:
            return await client.get(f"/media/{session_id}?ticket={ticket}")


@pytest.fixture
def connected(strict_app: Litestar, serve: Callable[..., Any]) -> Callable[[], Any]:
    @asynccontextmanager
    async def run() -> AsyncIterator[Connected]:
        async with serve(strict_app) as (_, url):
            yield Connected(url)

    return run


def test_programs_connect_with_their_token_and_browsers_with_a_ticket(
    connected: Callable[[], Any], backstage: Any
) -> None:
    async def main() -> None:
        session_id, other = [
            await backstage.ready(caller=caller_of(hash_of(token))) for token in (ANNA, BERT)
        ]
        unauthorized, not_found = (4401, "UNAUTHORIZED"), (4404, "SESSION_NOT_FOUND")
        async with connected() as it:
            assert await it.end(session_id, ANNA) is None
            assert await it.end(session_id, BERT) == not_found
            assert await it.end("ses_0000000000000000", BERT) == not_found
            for missing in (session_id, "ses_0000000000000000"):
                assert await it.end(missing) == unauthorized
                assert await it.end(missing, FORGED) == unauthorized
                assert await it.end(missing, query="?ticket=") == unauthorized
                assert await it.end(missing, query="?ticket=wbt_nonsense") == unauthorized

            ticket = await it.ticket(session_id)
            assert await it.end(other, query=f"?ticket={ticket}") == unauthorized
            assert await it.end(session_id, query=f"?ticket={ticket}") is None
            assert await it.end(session_id, query=f"?ticket={ticket}") == unauthorized, "used"
            media = await it.ticket(session_id, "media")
            assert await it.end(session_id, query=f"?ticket={media}") == unauthorized

    asyncio.run(main())


def test_the_client_shows_its_token(
    connected: Callable[[], Any], backstage: Any, tmp_path: Path
) -> None:
    file = tmp_path / "film.mp4"
    file.write_bytes(b"none")
    request = CreateSession.model_validate(REQUEST)

    async def main() -> None:
        async with connected() as it:
            session_id = await create_session(it.url, request, token=ANNA)
            assert (await session_status(it.url, session_id, token=ANNA)).session_id == session_id
            with pytest.raises(SessionNotFound):
                await session_status(it.url, session_id, token=BERT)
            address = await media_address(it.url, session_id, token=ANNA)
            assert address.startswith(f"{it.url}/media/{session_id}?ticket=wbt_")
            async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as player:
                assert outcome(await player.get(address)) == (409, "VIDEO_NOT_READY")
            with pytest.raises(SessionNotFound):
                await media_address(it.url, session_id, token=BERT)
            for wrong in (None, FORGED):
                with pytest.raises(Unauthorized):
                    await create_session(it.url, request, token=wrong)
                with pytest.raises(Unauthorized):
                    await upload(it.url, file, token=wrong)

    asyncio.run(main())


def test_a_token_that_is_taken_back_ends_what_it_had_begun(
    parts: Parts, backstage: Any, serve: Callable[..., Any], tmp_path: Path
) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    token = file.add("anna", now=0.0)
    now = 0.0
    app = create_app(
        parts=parts,
        store=backstage.store,
        tokens=Tokens(file, now=lambda: now),
        need_token="always",
    )

    async def main() -> None:
        nonlocal now
        session_id = await backstage.ready(caller=caller_of(hash_of(token)))
        report = json.dumps({"type": "timestamp_update", "timestamp": 1.0})
        async with serve(app) as (_, url):
            address = f"{url.replace('http', 'ws')}/ws/{session_id}"
            it = Connected(url)
            film, seat = (
                await it.ticket(session_id, "media", token),
                await it.ticket(session_id, "connect", token),
            )
            assert (await it.film(session_id, film)).status_code != 401
            async with connect(address, additional_headers=shown(token), proxy=None) as socket:
                assert json.loads(await socket.recv()) == {"type": "session_ready"}
                await socket.send(report)
                file.remove("anna")
                now += 1.0  # and nothing is said any more
                async with asyncio.timeout(PATIENCE):
                    await socket.wait_closed()
            assert (socket.close_code, socket.close_reason) == (4401, "UNAUTHORIZED")
            assert outcome(await it.film(session_id, film)) == REFUSED
            assert await it.end(session_id, query=f"?ticket={seat}") == (4401, "UNAUTHORIZED")
            with pytest.raises(Unauthorized):
                await session_status(url, session_id, token=token)

    asyncio.run(main())


def test_a_ticket_does_not_stand_in_a_log(
    connected: Callable[[], Any], backstage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in the form in which the program writes them; uvicorn tells whole addresses."""

    async def main() -> str:
        session_id = await backstage.ready(caller=caller_of(hash_of(ANNA)))
        async with connected() as it:
            ticket = await it.ticket(session_id)
            await it.end(session_id, query=f"?features=hold,chat&ticket={ticket}")
            await it.end(session_id, ANNA)
        return ticket

    with caplog.at_level(logging.DEBUG):
        ticket = asyncio.run(main())
    formatter = Redaction(logging.Formatter("%(message)s"))
    own = [one for one in caplog.records if one.name.split(".")[0] in ("uvicorn", "watchbuddy")]
    told = "\n".join(map(formatter.format, own))
    assert "/ws/" in told
    for secret in (ticket, ticket[4:40], ANNA):
        assert secret not in told


# --- the video -----------------------------------------------------------------------------


def test_a_ticket_shows_one_video_and_nothing_else(client: Client, backstage: Any) -> None:
    session_id, other = created(client, ANNA), created(client, ANNA)
    ticket = ticket_for(client, session_id, "media")
    once = ticket_for(client, session_id, "connect")
    waiting = (409, "VIDEO_NOT_READY")
    for _ in range(2):
        for method in ("GET", "HEAD"):
            answer = client.request(method, f"/media/{session_id}?ticket={ticket}")
            assert answer.status_code == 409
    assert outcome(client.get(f"/media/{session_id}", headers=shown(ANNA))) == waiting
    assert outcome(client.get(f"/media/{other}?ticket={ticket}")) == REFUSED
    assert outcome(client.get(f"/media/{session_id}?ticket={once}")) == REFUSED
    assert outcome(client.get(f"/media/{session_id}?ticket=")) == REFUSED
    for method, path, body in of_session(session_id):
        if not path.startswith("/media"):
            answer = client.request(method, f"{path}?ticket={ticket}", json=body)
            assert outcome(answer) == REFUSED, path
    assert client.delete(f"{SESSIONS}/{session_id}", headers=shown(ANNA)).status_code == 204
    assert outcome(client.get(f"/media/{session_id}?ticket={ticket}")) == NOT_THERE


def test_a_ticket_is_asked_for_in_json(open_client: Client) -> None:
    path = f"{SESSIONS}/{created(open_client, None)}/tickets"
    for body, content_type, status in (
        (b'{"purpose": "connect"}', "application/json", 201),
        (b'{"purpose": "connect"}', "text/plain", 415),
        (b'{"purpose": "everything"}', "application/json", 422),
        (b"{}", "application/json", 422),
        (b"", "application/json", 400),
        (b"[]", "application/json", 422),
    ):
        answer = open_client.post(path, content=body, headers={"Content-Type": content_type})
        assert answer.status_code == status, body
