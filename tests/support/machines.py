"""Machines of one installation: servers with a Redis in common, each with a data folder."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from hurry import HURRIED
from patience import PATIENCE
from redis_server import RedisServer

from watchbuddy_core.entries import Ready, Stage
from watchbuddy_core.settings import Settings
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.redis import RedisStore
from watchbuddy_core.video import Video
from watchbuddy_server.serving import serving


@asynccontextmanager
async def machine(
    redis: RedisServer, data_dir: Path, **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A web process of its own, as far as the others can see; gives a client of it."""
    told = Settings(
        **{"data_dir": data_dir, "port": 0, "uploads": "on", "limits": HURRIED, **settings}
    )
    async with (
        RedisStore(redis.url) as store,
        serving(told, store=store, lasts=True) as url,
        httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client,
    ):
        yield client


async def prepared(client: httpx.AsyncClient, video_url: str) -> str:
    """A session that is ready; its id."""
    request = {"video_url": video_url, "character_id": "miao"}
    answer = await client.post("/api/v1/sessions", json=request)
    session_id: str = answer.json()["session_id"]
    await ready(client, session_id)
    return session_id


async def ready(client: httpx.AsyncClient, session_id: str, *, at: str = "") -> None:
    """Wait until a session is.

    Args:
        at: the address of the server that is asked, where the client has none.
    """
    async with asyncio.timeout(PATIENCE):
        while True:
            status = (await client.get(f"{at}/api/v1/sessions/{session_id}")).json()
            if status["status"] in ("ready", "failed"):
                assert status["status"] == "ready", status
                return
            await asyncio.sleep(0.02)


async def seen_elsewhere(redis: RedisServer, video_url: str, *, caller: str = "") -> str:
    """A session that another machine has prepared, with a file of its own; its id."""
    session_id = f"ses_{secrets.token_hex(8)}"
    video = Video(content_id="film", title="film", path=Path("/another/machine/film.mp4"))
    async with RedisStore(redis.url) as store:
        await store.put(
            SessionRecord(
                session_id=session_id,
                video_url=video_url,
                character_id="miao",
                caller=caller,
                created_at=time.time(),
            )
        )
        stage = Stage(stage="generating", title="film", duration=3.0, video=video)
        await store.append(session_id, [stage, Ready()], None)
    return session_id


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, code and sentence of an error."""
    detail = answer.json()["detail"]
    return answer.status_code, detail["error"], detail["message"]


@dataclass
class Site:
    """Serves one file, as often as it is asked to."""

    content: bytes
    port: int = 0
    may_go: threading.Event = field(default_factory=threading.Event)
    """What is asked for waits for this."""
    served: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/film.mp4"

    @contextmanager
    def open(self) -> Iterator[Site]:
        site = self

        class Visit(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.may_go.wait(PATIENCE)
                site.served += 1
                self.send_response(200)
                self.send_header("Content-Type", "video/mp4")
                self.send_header("Content-Length", str(len(site.content)))
                self.send_header("ETag", '"1"')
                self.end_headers()
                with suppress(ConnectionError):  # it is only looked at
                    self.wfile.write(site.content)

            def log_message(self, format: str, *args: object) -> None: ...

        with ThreadingHTTPServer(("127.0.0.1", 0), Visit) as server:
            self.port = server.server_address[1]
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
            self.may_go.set()
            try:
                yield self
            finally:
                self.may_go.set()
                server.shutdown()
