"""The configuration for nginx, in a real one: with other ports and files, and else as it is."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path

import httpx
import pytest
from nginx import NAME, NGINX, proxy
from patience import PATIENCE
from websockets.asyncio.client import unix_connect
from websockets.typing import Origin

from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.settings import Settings
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_server.serving import serving
from watchbuddy_server.tokens import hash_of, new_token

OWN = f"https://{NAME}"

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (nginx-light)")


def test_the_page_the_api_and_the_socket_work_through_it(tmp_path: Path) -> None:
    """Over https, by the public name, with a token; and no ticket gets into the proxy's log."""
    films = tmp_path / "films"
    films.mkdir()
    make_clip(films / "film.mp4", [Shot(2.0, Picture.DAY, Tone.CALM)], size=(64, 36), frame_rate=5)
    folder = tmp_path / "nginx"
    folder.mkdir()
    token = new_token()
    settings = Settings(
        libraries=(films,),
        data_dir=tmp_path / "data",
        port=0,
        server_names=(NAME,),
        # A socket has no address: to the server the proxy is the machine that they share.
        trusted_proxies=("127.0.0.1",),
        token_hashes=(hash_of(token),),
    )

    async def main() -> None:
        async with (
            serving(settings, store=MemoryStore(), shutdown_seconds=1) as url,
            proxy(folder, "nginx.conf", {"http://127.0.0.1:8000": url}) as listening,
        ):
            trust = ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
            transport = httpx.AsyncHTTPTransport(uds=listening, verify=trust)
            async with httpx.AsyncClient(
                base_url=OWN, transport=transport, timeout=PATIENCE
            ) as client:
                await watch(client, listening, trust)
        log = (folder / "log").read_text(encoding="utf-8")
        assert "GET /ws/ses_" in log
        assert "ticket=" not in log

    async def watch(client: httpx.AsyncClient, listening: str, trust: ssl.SSLContext) -> None:
        shown = {"Authorization": f"Bearer {token}", "Origin": OWN}
        page = await client.get("/")
        assert page.status_code == 200
        assert f"wss://{NAME}" in page.headers["content-security-policy"]
        asked = {"video_url": "library:film.mp4", "character_id": "miao"}
        assert (await client.post("/api/v1/sessions", json=asked)).status_code == 401
        created = await client.post("/api/v1/sessions", json=asked, headers=shown)
        assert created.status_code == 202, created.text
        session_id = created.json()["session_id"]
        path = f"/api/v1/sessions/{session_id}/tickets"
        got = await client.post(path, json={"purpose": "connect"}, headers=shown)
        address = f"wss://{NAME}/ws/{session_id}?ticket={got.json()['ticket']}"
        origin = Origin(OWN)
        async with unix_connect(listening, address, ssl=trust, origin=origin) as socket:
            async with asyncio.timeout(PATIENCE):
                assert json.loads(await socket.recv()) == {"type": "session_ready"}
        part = {"Range": "bytes=0-99"}
        film = await client.get(f"/media/{session_id}", headers={**shown, **part})
        assert (film.status_code, len(film.content)) == (206, 100)

    asyncio.run(main())
