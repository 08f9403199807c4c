"""Behind a reverse proxy: a real one, with a name and a part of a site for the server."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from patience import PATIENCE
from pydantic import ValidationError
from websockets.asyncio.client import connect
from websockets.typing import Origin

from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.settings import Settings
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_server.serving import serving
from watchbuddy_server.tokens import hash_of, new_token

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
TOKEN = new_token()
SHOWN = {"Authorization": f"Bearer {TOKEN}"}
NAME = "buddy.example"
OWN = {"Host": NAME, "Origin": f"https://{NAME}"}
REQUEST = {"video_url": "library:film.mp4", "character_id": "miao"}
CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  server {{
    listen 127.0.0.1:{port};
    location /buddy/ {{
      proxy_pass {upstream};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto https;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    shots = [Shot(2.0, Picture.DAY, Tone.CALM)]
    make_clip(folder / "film.mp4", shots, size=(64, 36), frame_rate=10)
    return folder


@dataclass
class Site:
    """The server, and the proxy before it."""

    proxy: str
    server: str
    store: MemoryStore

    @asynccontextmanager
    async def client(self, base: str, address: str) -> AsyncIterator[httpx.AsyncClient]:
        """A client at this address of the loopback network."""
        transport = httpx.AsyncHTTPTransport(local_address=address)
        async with httpx.AsyncClient(
            base_url=base, transport=transport, timeout=PATIENCE
        ) as client:
            yield client

    async def caller(self, session_id: str) -> str:
        return (await self.store.get(session_id)).caller


Opened = Callable[..., AbstractAsyncContextManager[Site]]


@pytest.fixture
def site(films: Path, tmp_path: Path) -> Opened:
    if NGINX is None:
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    program = NGINX

    @asynccontextmanager
    async def opened(*, strips: bool, **changes: Any) -> AsyncIterator[Site]:
        settings = Settings(
            libraries=(films,),
            data_dir=tmp_path / "data",
            port=0,
            server_names=(NAME,),
            trusted_proxies=("127.0.0.1",),
            path_prefix="/buddy/",
            token_hashes=(hash_of(TOKEN),),
        ).model_copy(update=changes)
        store = MemoryStore()
        async with serving(settings, store=store, shutdown_seconds=1) as url:
            assert url.endswith("/buddy")
            server, port = url.removesuffix("/buddy"), free_port()
            configuration = CONFIGURATION.format(
                folder=tmp_path, port=port, upstream=f"{server}/" if strips else server
            )
            (tmp_path / "nginx.conf").write_text(configuration)
            proxy = await asyncio.create_subprocess_exec(
                program, "-c", tmp_path / "nginx.conf", "-p", tmp_path
            )
            try:
                while not await asyncio.to_thread(listens, port):
                    assert proxy.returncode is None, (tmp_path / "errors").read_text()
                yield Site(f"http://127.0.0.1:{port}", server, store)
            finally:
                proxy.terminate()
                await proxy.wait()

    return opened


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("strips", [False, True], ids=["passes paths on", "strips the prefix"])
def test_everything_works_at_a_part_of_a_site(site: Opened, films: Path, strips: bool) -> None:
    async def main() -> None:
        async with site(strips=strips) as it, it.client(it.proxy, "127.0.0.2") as client:
            page = await client.get("/buddy/", headers={"Host": NAME})
            assert page.status_code == 200
            assert '<base href="/buddy/">' in page.text
            assert f"wss://{NAME}" in page.headers["content-security-policy"]
            script = await client.get("/buddy/web/app.js", headers={"Host": NAME})
            assert script.status_code == 200
            framed = await client.get("/buddy/overlay", headers={"Host": NAME})
            assert '<base href="/buddy/">' in framed.text
            live = await client.get("/buddy/health/live", headers={"Host": NAME})
            assert live.json() == {"status": "ok"}
            other = await client.get("/buddy/health/live", headers={"Host": "other.example"})
            assert other.status_code == 403

            path = "/buddy/api/v1/sessions"
            refused = await client.post(path, json=REQUEST, headers=OWN)
            assert refused.status_code == 401
            created = await client.post(path, json=REQUEST, headers={**OWN, **SHOWN})
            assert created.status_code == 202, created.text
            session_id = created.json()["session_id"]
            asked = await client.post(
                f"{path}/{session_id}/tickets",
                json={"purpose": "connect"},
                headers={**OWN, **SHOWN},
            )
            port = int(it.proxy.rpartition(":")[2])
            async with connect(
                f"ws://{NAME}:{port}/buddy/ws/{session_id}?ticket={asked.json()['ticket']}",
                host="127.0.0.1",
                port=port,
                origin=Origin(f"http://{NAME}:{port}"),
                proxy=None,
            ) as watching:
                async with asyncio.timeout(PATIENCE):
                    assert json.loads(await watching.recv()) == {"type": "session_ready"}
            film = await client.get(
                f"/buddy/media/{session_id}",
                headers={"Host": NAME, "Range": "bytes=0-99", **SHOWN},
            )
            assert (film.status_code, len(film.content)) == (206, 100)
            described = await client.get(
                "/buddy/schema/openapi.json", headers={"Host": NAME, **SHOWN}
            )
            assert "/buddy/api/v1/sessions" in described.json()["paths"]

    asyncio.run(main())


def test_only_the_named_proxy_is_believed_who_a_client_is(site: Opened) -> None:
    lie = {"X-Forwarded-For": "198.51.100.1", "X-Forwarded-Proto": "https"}

    async def create(client: httpx.AsyncClient, **headers: str) -> str:
        answer = await client.post("/buddy/api/v1/sessions", json=REQUEST, headers=headers)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["session_id"])

    async def main() -> None:
        async with site(strips=False, access="open") as it:
            async with it.client(it.proxy, "127.0.0.2") as client:
                through = await create(client, Host=NAME, **lie)
            assert await it.caller(through) == "127.0.0.2", "the last that the proxy did not add"
            async with it.client(it.server, "127.0.0.3") as client:
                past = await create(client, **lie)
            assert await it.caller(past) == "127.0.0.3"
            async with it.client(it.server, "127.0.0.1") as client:
                named = await create(client, **lie)
            assert await it.caller(named) == "198.51.100.1"

    asyncio.run(main())


def test_nobody_is_believed_where_no_proxy_is_named(films: Path, tmp_path: Path) -> None:
    async def main() -> None:
        store = MemoryStore()
        settings = Settings(libraries=(films,), data_dir=tmp_path, port=0, access="open")
        async with (
            serving(settings, store=store, shutdown_seconds=1) as url,
            httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as client,
        ):
            answer = await client.post(
                "/api/v1/sessions", json=REQUEST, headers={"X-Forwarded-For": "198.51.100.1"}
            )
            record = await store.get(answer.json()["session_id"])
            assert record.caller == "127.0.0.1"
            assert "server" not in answer.headers

    asyncio.run(main())


@pytest.mark.parametrize(
    "setting",
    [
        *({"trusted_proxies": [one]} for one in ("*", "proxy.example", "10.0.0.1/8", "")),
        *({"path_prefix": one} for one in ("buddy", "/a//b", "/a?b", "//evil.example", "/ ")),
        *({"token_hashes": [one]} for one in ("wb_secret", "A" * 64, "")),
    ],
)
def test_what_names_no_proxy_no_path_and_no_token_is_refused(setting: Any) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(setting)
