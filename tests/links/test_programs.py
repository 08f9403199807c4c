"""Links through the whole program: the command, and the server with real clients."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from patience import AT_ONCE, PATIENCE
from websockets.asyncio.client import connect

from watchbuddy_core.settings import Settings
from watchbuddy_server.serving import serving

WORKER = "watchbuddy_core.sources.ytdlp.worker"


def slowly(body: bytes, pieces: int, pause: float, told: Callable[[], int] | None = None) -> Any:
    """Piece by piece: when that many more shares were told, or after a pause in any case."""

    def respond(visit: Any) -> None:
        visit.begin(
            **{"Content-Length": str(len(body)), "Content-Type": "video/mp4", "ETag": '"1"'}
        )
        for i in range(pieces):
            first, last = i * len(body) // pieces, (i + 1) * len(body) // pieces
            before = told() if told else 0
            visit.send(body[first:last])
            goes_on = time.monotonic() + (pause if last < len(body) else 0.0)
            while time.monotonic() < goes_on and not (told and told() > before):
                time.sleep(0.01)

    return respond


def stalling(body: bytes) -> Any:
    def respond(visit: Any) -> None:
        visit.begin(**{"Content-Length": "1000000", "Content-Type": "video/mp4"})
        visit.send(body[:60_000])
        visit.handler.connection.recv(1)

    return respond


def plain(printed: bytes) -> str:
    """Without what steers the terminal."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed.decode(errors="replace"))


def shares(printed: bytes) -> list[int]:
    """What was told of how much has come, in percent."""
    return [int(share) for share in re.findall(r"MB … +(\d+)%", plain(printed))]


def test_the_command_shows_each_stage_and_then_plays(site: Any, clip: Path, tmp_path: Path) -> None:
    """In a terminal, where progress is drawn."""
    printed = bytearray()
    url = site.answers(
        "/clip.mp4", slowly(clip.read_bytes(), 6, 1.0, lambda: len(set(shares(printed))))
    )
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "watchbuddy_server.cli", "watch", url, "--speed", "10"]
    with subprocess.Popen(
        [*command, "--allow-host", f"127.0.0.1:{site.port}"],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env={
            **os.environ,
            "XDG_DATA_HOME": str(tmp_path),
            "TERM": "xterm",
            "COLUMNS": "90",
            "PYTHONIOENCODING": "utf-8",
        },
    ) as process:
        os.close(theirs)
        while True:
            try:
                more = os.read(ours, 65536)
            except OSError:  # how a terminal ends
                break
            if not more:
                break
            printed += more
        os.close(ours)
        assert process.wait(timeout=PATIENCE) == 0
    text = plain(printed)
    assert len(set(shares(printed))) >= 3
    assert shares(printed) == sorted(shares(printed))
    assert "Fetching the video" in text
    assert "playing" in text
    assert re.search(r"\d+ actions: .*SPEAK", text)
    assert list((tmp_path / "watchbuddy" / "videos").glob("*/video.json"))


@asynccontextmanager
async def server(site: Any, folder: Path, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    told = {"port": 0, "data_dir": folder, "allow_hosts": [f"127.0.0.1:{site.port}"], **settings}
    async with (
        serving(Settings.model_validate(told)) as url,
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as http,
    ):
        yield http


async def begin(http: httpx.AsyncClient, url: str) -> str:
    asked = {"video_url": url, "character_id": "miao"}
    answer = await http.post("/api/v1/sessions", json=asked)
    assert answer.status_code == 202, answer.text
    session_id: str = answer.json()["session_id"]
    return session_id


async def heard(
    http: httpx.AsyncClient,
    session_id: str,
    last: str,
    found: list[dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """Messages up to the first of a type; in a list that is given as they come."""
    address = str(http.base_url).replace("http", "ws", 1)
    found = [] if found is None else found
    async with (
        asyncio.timeout(PATIENCE),
        connect(f"{address}/ws/{session_id}?features=progress", proxy=None) as socket,
    ):
        async for frame in socket:
            found.append(json.loads(frame))
            if found[-1]["type"] == last:
                break
    return found


def test_a_client_hears_of_each_stage_and_is_ready(
    site: Any, clip: Path, tmp_path: Path, run: Any
) -> None:
    messages: list[dict[str, Any]] = []

    def told() -> int:
        return len({m["fraction"] for m in list(messages) if m["type"] == "progress"})

    url = site.answers("/clip.mp4", slowly(clip.read_bytes(), 5, 1.0, told))

    async def scenario() -> None:
        async with server(site, tmp_path) as http:
            await heard(http, await begin(http, url), "session_ready", messages)
            told = [m for m in messages if m["type"] == "progress"]
            stages = list(dict.fromkeys(m["stage"] for m in told))
            assert stages[0] == "fetching"  # later ones may be over before they are told
            fetched = [m["fraction"] for m in told if m["stage"] == "fetching" and m["fraction"]]
            assert len(fetched) >= 2
            assert fetched == sorted(fetched)

    run(scenario())


def test_two_sessions_on_one_video_fetch_it_once(
    site: Any, clip: Path, tmp_path: Path, run: Any
) -> None:
    url = site.answers("/clip.mp4", slowly(clip.read_bytes(), 4, 0.2))

    async def scenario() -> None:
        async with server(site, tmp_path) as http:
            sessions = [await begin(http, url) for _ in range(3)]
            for session_id in sessions:
                assert (await heard(http, session_id, "session_ready"))[-1]
            assert site.visits.count("/clip.mp4") == 4  # three looks at its head, and one fetch

    run(scenario())


@pytest.mark.parametrize("address", ["/clip.mp4", "/page"], ids=["file", "site"])
def test_deleting_a_session_ends_its_download_at_once_and_leaves_nothing(
    site: Any, clip: Path, tmp_path: Path, run: Any, address: str
) -> None:
    site.answers("/clip.mp4", stalling(clip.read_bytes()))
    page = "<html><title>x</title><video src='/clip.mp4'></video></html>"
    site.serves("/page", page, kind="text/html")

    async def scenario() -> None:
        async with server(site, tmp_path) as http:
            session_id = await begin(http, f"{site.url}{address}")
            while not (site.open and list((tmp_path / "videos").glob(".arriving-*/*"))):
                await asyncio.sleep(0.02)
            begun = time.monotonic()
            assert (await http.delete(f"/api/v1/sessions/{session_id}")).status_code == 204
            assert time.monotonic() - begun < AT_ONCE
            assert list((tmp_path / "videos").iterdir()) == []
            children = psutil.Process().children(recursive=True)
            assert not [p for p in children if p.is_running() and WORKER in p.cmdline()]

    run(scenario())
    site.wait_until_quiet()


def test_a_link_that_leads_inwards_is_told_as_the_api_says(
    site: Any, tmp_path: Path, run: Any
) -> None:
    inwards = site.answers("/a.mp4", lambda v: v.answer(b"", 302, Location="http://127.0.0.1:9/"))

    async def scenario() -> None:
        async with server(site, tmp_path) as http:
            error = (await heard(http, await begin(http, inwards), "processing_error"))[-1]
            assert error["error_code"] == "VIDEO_UNAVAILABLE"
            assert "not open to everybody" in error["message"]
            refused = await http.post(
                "/api/v1/sessions",
                json={"video_url": "http://127.0.0.1:9/a.mp4", "character_id": "miao"},
            )
            assert refused.status_code == 422
            assert refused.json()["detail"]["error"] == "UNSUPPORTED_VIDEO_SOURCE"

    run(scenario())


def test_a_video_that_lasts_too_long_is_refused(
    site: Any, clip: Path, tmp_path: Path, run: Any
) -> None:
    url = site.serves("/clip.mp4", clip.read_bytes())

    async def scenario() -> None:
        async with server(site, tmp_path, limits={"video_seconds": 5}) as http:
            error = (await heard(http, await begin(http, url), "processing_error"))[-1]
            assert error["error_code"] == "VIDEO_TOO_LONG"
            assert "0:06" in error["message"]

    run(scenario())
