"""The examples as their readers run them: processes of their own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from patience import PATIENCE
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.video import Cue

EXAMPLES = Path(__file__).parents[2] / "examples"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds in a folder of their own."""
    path = tmp_path_factory.mktemp("films") / "snail.mp4"
    make_clip(
        path,
        [Shot(5.0, Picture.DAWN), Shot(4.0, Picture.STORM, Tone.BANG), Shot(3.0, Picture.SEA)],
        size=(160, 90),
        frame_rate=10,
        subtitles=[Cue(start=0.5, end=1.5, text="How far is the sea?")],
    )
    return path


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run an example to its end, in an empty folder."""

    def run_example(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "error", EXAMPLES / name, *map(str, arguments)],
            capture_output=True,
            encoding="utf-8",
            cwd=tmp_path,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )

    return run_example


class Viewer:
    """One connection, spoken to in the words of the protocol page."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, **message: object) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self) -> Any:
        async with asyncio.timeout(PATIENCE):
            return json.loads(await self.socket.recv())

    async def end(self) -> tuple[int | None, str | None]:
        """Wait until the server closes; its code and reason. Nothing else may come before."""
        with pytest.raises(ConnectionClosed):
            await self.hear()
        return self.socket.close_code, self.socket.close_reason

    async def play(self, *, end: float) -> list[Any]:
        """Watch from the start to `end` or the goodbye, as fast as it goes; the actions.

        Each report is followed by a message of no known type. Its answer says that the
        report has been heard, so nothing depends on how long anything takes.
        """
        heard: list[Any] = []
        for quarter in range(int(4 * end) + 1):
            await self.say(type="timestamp_update", timestamp=quarter / 4)
            await self.say(type="heard_me?")
            while (message := await self.hear()).get("type") != "error":
                heard.append(message)
        while not heard or heard[-1]["action_type"] != "END_REACTION":
            heard.append(await self.hear())
        return heard


@dataclass(frozen=True, slots=True)
class Site:
    """A running example, and where the companion is in it."""

    url: str
    path: str

    @property
    def companion(self) -> str:
        return f"{self.url}{self.path}"

    async def get(self, path: str) -> tuple[int, Any]:
        return await asyncio.to_thread(_request, f"{self.url}{path}", None)

    async def post_session(self, **body: object) -> tuple[int, Any]:
        return await asyncio.to_thread(_request, f"{self.companion}/api/v1/sessions", body)

    async def create(self, video_url: str) -> str:
        status, body = await self.post_session(video_url=video_url, character_id="miao")
        assert status == 202, body
        return str(body["session_id"])

    @asynccontextmanager
    async def watching(self, session_id: str) -> AsyncIterator[Viewer]:
        address = f"{self.companion.replace('http', 'ws', 1)}/ws/{session_id}"
        async with connect(address, proxy=None) as socket:
            yield Viewer(socket)


def _request(url: str, body: dict[str, object] | None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=PATIENCE) as answer:
            return answer.status, json.load(answer)
    except HTTPError as exc:
        with exc:
            return exc.code, json.load(exc)


@contextmanager
def _serving(name: str, folder: Path, path: str) -> Iterator[Site]:
    with subprocess.Popen(
        [sys.executable, "-W", "error", EXAMPLES / name, folder, "--port", "0"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            assert process.stderr is not None
            log = ""
            while (found := re.search(r"running on (http://[\d.:]+)", log)) is None:
                line = process.stderr.readline()
                assert line, f"{name} has ended: {log}"
                log += line
            yield Site(found[1], path)
        finally:
            process.terminate()
            log += process.communicate(timeout=PATIENCE)[1]
    assert "Application shutdown complete" in log
    assert "Traceback" not in log, log


@pytest.fixture(scope="module", params=["fastapi_companion.py", "litestar_app.py"])
def site(request: pytest.FixtureRequest, film: Path) -> Iterator[Site]:
    """Each of the examples that serve. Whatever a test did to it, it has ended in good order."""
    path = {"fastapi_companion.py": "", "litestar_app.py": "/buddy"}[request.param]
    with _serving(request.param, film.parent, path) as site:
        yield site


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
