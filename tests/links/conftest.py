"""A site on loopback that does what sites do, and what they should not."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import pytest
from patience import PATIENCE

from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.protocols import VideoSource
from watchbuddy_core.sources import web
from watchbuddy_core.sources.cache import VideoCache
from watchbuddy_core.sources.guard import AddressGuard
from watchbuddy_core.sources.hosts import HostRule
from watchbuddy_core.sources.links import LinkSource
from watchbuddy_core.sources.ytdlp import YtDlpSource
from watchbuddy_core.video import Video, VideoRequest

Respond = Callable[["Visit"], None]
SUBTITLES = "WEBVTT\n\n00:01.000 --> 00:02.000\nHow far is the sea?\n"


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds, two shots."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    shots = [Shot(3.0, Picture.DAWN, Tone.CALM), Shot(3.0, Picture.NIGHT, Tone.BANG)]
    make_clip(path, shots, size=(160, 90))
    return path


@pytest.fixture(scope="session")
def stream(clip: Path) -> dict[str, bytes]:
    """The clip as an HLS stream: its files by name. The picture's clock begins at 1.4 s or so."""
    folder = clip.parent / "stream"
    folder.mkdir()
    options = {
        "hls_time": "2",
        "hls_playlist_type": "vod",
        "hls_segment_filename": str(folder / "s%d.ts"),
    }
    with (
        av.open(str(clip)) as given,
        av.open(str(folder / "media.m3u8"), "w", format="hls", options=options) as out,
    ):
        streams = {s: out.add_stream_from_template(s) for s in given.streams if s.type != "data"}
        for packet in given.demux(list(streams)):
            if packet.dts is not None:
                packet.stream = streams[packet.stream]
                out.mux(packet)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may pass is tried again as often as ever, but without waiting seconds for it."""
    monkeypatch.setattr(web, "_AGAIN", tuple(0.05 for _ in web._AGAIN))


@dataclass
class Visit:
    """One request, and the means to answer it."""

    handler: BaseHTTPRequestHandler
    path: str
    headers: dict[str, str]
    number: int
    """How many requests for this path there have been before."""

    def answer(
        self, body: bytes = b"", status: int = 200, kind: str = "video/mp4", **headers: str
    ) -> None:
        self.begin(status, **{"Content-Length": str(len(body)), "Content-Type": kind, **headers})
        self.send(body)

    def begin(self, status: int = 200, **headers: str) -> None:
        self.handler.send_response_only(status)
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.end_headers()

    def send(self, body: bytes) -> None:
        self.handler.wfile.write(body)
        self.handler.wfile.flush()

    def cut(self) -> None:
        """End the connection in the middle."""
        with suppress(OSError):
            self.handler.connection.shutdown(socket.SHUT_RDWR)


@dataclass
class Site:
    """An HTTP server whose answers a test writes."""

    port: int
    pages: dict[str, Respond] = field(default_factory=dict)
    visits: list[str] = field(default_factory=list)
    open: int = 0
    """Requests that are being answered."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serves(self, path: str, body: bytes | str, kind: str = "video/mp4", **more: Any) -> str:
        content = body.encode() if isinstance(body, str) else body
        return self.answers(path, lambda visit: visit.answer(content, kind=kind, **more))

    def answers(self, path: str, respond: Respond) -> str:
        self.pages[path] = respond
        return f"{self.url}{path}"

    def wait_until_quiet(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.open and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not self.open


@pytest.fixture
def site() -> Iterator[Site]:
    here: list[Site] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            place = here[0]
            path = self.path.partition("?")[0]
            headers = {name.lower(): value for name, value in self.headers.items()}
            visit = Visit(self, self.path, headers, place.visits.count(path))
            place.visits.append(path)
            place.open += 1
            try:
                with suppress(OSError):
                    place.pages.get(path, _missing)(visit)
            finally:
                place.open -= 1

        def do_HEAD(self) -> None:
            self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None: ...

    server = Server(("127.0.0.1", 0), Handler)
    here.append(Site(server.server_address[1]))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield here[0]
    server.shutdown()
    server.server_close()
    thread.join()


def _missing(visit: Visit) -> None:
    visit.answer(b"nothing here", status=404, kind="text/plain")


@dataclass
class Shop:
    """The sources that open links, with one cache between them."""

    folder: Path
    cache: VideoCache
    links: LinkSource
    ytdlp: YtDlpSource
    told: list[tuple[float | None, str]] = field(default_factory=list)

    async def fetch(self, url: str, by: VideoSource | None = None) -> Video:
        return await (by or self.links).open(
            VideoRequest(url=url), lambda *report: self.told.append(report)
        )

    def open(self, url: str, by: VideoSource | None = None) -> Video:
        return asyncio.run(asyncio.wait_for(self.fetch(url, by), PATIENCE))

    def leftovers(self) -> list[str]:
        """What is in the folder beside whole videos."""
        if not self.folder.exists():
            return []
        return [path.name for path in self.folder.iterdir() if not (path / "video.json").is_file()]


@pytest.fixture
def shop(tmp_path: Path, site: Site) -> Callable[..., Shop]:
    """Makes sources that may connect to the site."""

    def make(**options: Any) -> Shop:
        folder = tmp_path / "videos"
        cache = VideoCache(folder, **{"free_bytes": 0, **options})
        guard = AddressGuard([HostRule("127.0.0.1", site.port)])
        return Shop(
            folder,
            cache,
            LinkSource(cache=cache, guard=guard, most_seconds=600.0),
            YtDlpSource(cache=cache, guard=guard, most_seconds=600.0),
        )

    return make


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    return lambda scenario: asyncio.run(asyncio.wait_for(scenario, PATIENCE))
