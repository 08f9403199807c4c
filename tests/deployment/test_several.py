"""Several processes, as docs/scaling.md sets them up: its Redis, its nginx."""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from event_loop import in_event_loop
from machines import prepared
from nginx import EXAMPLES, NAME, NGINX, changed, proxy
from patience import PATIENCE
from redis_server import redis_server
from websockets.asyncio.client import unix_connect

from watchbuddy_core.assembly import build_parts
from watchbuddy_core.errors import StoreFailed
from watchbuddy_core.session.worker import Worker
from watchbuddy_core.settings import Settings
from watchbuddy_core.stores.redis import RedisStore
from watchbuddy_server.serving import serving
from watchbuddy_server.tokens import hash_of, new_token

FILM = "1\n00:00:01,000 --> 00:00:03,000\nHello.\n"


def redis_configuration(folder: Path, password: str) -> Path:
    """That of the example; where it listens and what is its folder, the test says."""
    example = (EXAMPLES / "redis.conf").read_text(encoding="utf-8")
    place = {"bind 127.0.0.1 10.0.0.5\nport 6379\n": "", "dir /var/lib/redis\n": ""}
    file = folder / "redis.conf"
    file.write_text(changed(example, {**place, "CHANGE-ME": password}), encoding="utf-8")
    return file


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed (nginx-light)")
@in_event_loop
async def test_a_session_is_begun_here_prepared_there_and_watched_elsewhere(tmp_path: Path) -> None:
    """Over https, with a Redis that wants a password and lets its user do only what it takes."""
    films, password, token = tmp_path / "films", secrets.token_hex(16), new_token()
    films.mkdir()
    (films / "film.srt").write_text(FILM, encoding="utf-8")
    told = Settings(
        libraries=(films,),
        port=0,
        jobs="saq",
        server_names=(NAME,),
        trusted_proxies=("127.0.0.1",),
        token_hashes=(hash_of(token),),
        data_dir=tmp_path / "data",
    )
    async with AsyncExitStack() as held:
        redis = held.enter_context(
            redis_server("--include", str(redis_configuration(tmp_path, password)))
        )
        with pytest.raises(StoreFailed, match="password"):
            await RedisStore(redis.url).__aenter__()
        url = redis.url.replace("//", f"//watchbuddy:{password}@")
        told = told.model_copy(update={"store": url})
        store = await held.enter_async_context(RedisStore(url))
        working = asyncio.create_task(
            Worker(store=store, parts=build_parts(told, store=store), url=url).run()
        )
        held.callback(working.cancel)
        addresses = []
        for _ in range(2):
            own = await held.enter_async_context(RedisStore(url))
            server = serving(told, store=own, lasts=True, shutdown_seconds=1)
            addresses.append(await held.enter_async_context(server))
        places = ("10.0.0.11:8001", "10.0.0.12:8001")
        folder = tmp_path / "nginx"
        folder.mkdir()
        upstreams = {
            place: address.removeprefix("http://")
            for place, address in zip(places, addresses, strict=True)
        }
        listening = await held.enter_async_context(proxy(folder, "nginx-several.conf", upstreams))
        trust = ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
        transport = httpx.AsyncHTTPTransport(uds=listening, verify=trust)
        client = await held.enter_async_context(
            httpx.AsyncClient(
                base_url=f"https://{NAME}",
                transport=transport,
                timeout=PATIENCE,
                headers={"Authorization": f"Bearer {token}"},
            )
        )
        session_id = await prepared(client, "library:film.srt")
        for _ in range(2):  # the one that has fewest connections, so each in turn
            path = f"/api/v1/sessions/{session_id}/tickets"
            ticket = (await client.post(path, json={"purpose": "connect"})).json()["ticket"]
            address = f"wss://{NAME}/ws/{session_id}?ticket={ticket}"
            socket = await held.enter_async_context(unix_connect(listening, address, ssl=trust))
            async with asyncio.timeout(PATIENCE):
                assert json.loads(await socket.recv()) == {"type": "session_ready"}
        assert await connections(addresses, token) == [1, 1]
        assert (await client.delete(f"/api/v1/sessions/{session_id}")).is_success


async def connections(addresses: list[str], token: str) -> list[int]:
    """How many viewers have ever come to each server."""
    counted = []
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
        for address in addresses:
            numbers: Counter[str] = Counter()
            for line in (await client.get(f"{address}/metrics")).text.splitlines():
                name, _, value = line.rpartition(" ")
                if name.startswith(("watchbuddy_connections", "watchbuddy_websocket_closes_total")):
                    numbers["all"] += int(float(value))
            counted.append(numbers["all"])
    return counted
