"""A server process, and a client that knows the API document and nothing else.

The client uses nothing of the server's project: it speaks HTTP and WebSocket, and reads
and writes JSON as the page shows it. Only the video is made with the project's own tool.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from patience import PATIENCE
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.video import Cue

Json = dict[str, Any]


def is_over(actions: list[Json]) -> bool:
    """The companion has said goodbye."""
    return any(action["action_type"] == "END_REACTION" for action in actions)


class Connection:
    """One WebSocket connection as the document describes it."""

    def __init__(self, connection: ClientConnection) -> None:
        self.socket = connection
        self.position = 0.0
        """The last playback time that the server was told."""

    def receive(self, timeout: float = PATIENCE) -> Json:
        """The next message.

        Raises:
            TimeoutError: none came.
            ConnectionClosed: the server has closed the connection.
        """
        frame = self.socket.recv(timeout)
        assert isinstance(frame, str), "a message is a text frame"
        message = json.loads(frame)
        assert isinstance(message, dict)
        return message

    def receive_raw(self) -> str:
        frame = self.socket.recv(PATIENCE)
        assert isinstance(frame, str)
        return frame

    def pending(self, quiet: float = 0.05) -> list[Json]:
        """What comes until nothing has come for `quiet` seconds."""
        messages = []
        try:
            while True:
                messages.append(self.receive(quiet))
        except TimeoutError:
            return messages

    def until(self, done: Callable[[list[Json]], bool], quiet: float = 0.3) -> list[Json]:
        """What comes until all has come that is waited for, and then `pending`."""
        messages: list[Json] = []
        while not done(messages):
            messages.append(self.receive())
        return messages + self.pending(quiet)

    def close_code(self) -> int | None:
        """Wait until the server closes the connection."""
        try:
            frame = self.socket.recv(PATIENCE)
        except ConnectionClosed:
            return self.socket.close_code
        raise AssertionError(f"not closed, but sent {frame!r}")

    def timestamp_update(self, timestamp: float) -> None:
        self.position = timestamp
        self.socket.send(json.dumps({"type": "timestamp_update", "timestamp": timestamp}))

    def seek_update(self, timestamp: float) -> None:
        self.position = timestamp
        self.socket.send(json.dumps({"type": "seek_update", "timestamp": timestamp}))

    def action_completed(self, action_id: str) -> None:
        self.socket.send(json.dumps({"type": "action_completed", "action_id": action_id}))

    def abort(self) -> None:
        """Vanish without a word, as a program that is killed does."""
        self.socket.socket.shutdown(socket.SHUT_RDWR)


@dataclass
class Viewing:
    """What a client that plays the video to its end has met."""

    received: list[tuple[float, Json]] = field(default_factory=list)
    """Each action, with the playback time that the server had been told by then."""

    @property
    def actions(self) -> list[Json]:
        return [action for _, action in self.received]

    @property
    def lines(self) -> list[str]:
        return [action["text"] for action in self.actions if action["action_type"] == "SPEAK"]


class Page:
    """The document's client: REST to begin with, then the WebSocket."""

    def __init__(self, address: str) -> None:
        self.address = address

    def post(self, body: Json | bytes) -> tuple[int, bytes]:
        """`POST /api/v1/sessions`: the status code and the body of the answer."""
        host = urlsplit(self.address)
        connection = http.client.HTTPConnection(host.hostname or "", host.port, timeout=PATIENCE)
        try:
            connection.request(
                "POST",
                "/api/v1/sessions",
                body if isinstance(body, bytes) else json.dumps(body).encode(),
                {"Content-Type": "application/json"},
            )
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def create(self, **body: Any) -> str:
        """Create a session; its id."""
        status, answer = self.post(body)
        assert status == 202, answer
        return str(json.loads(answer)["session_id"])

    @contextmanager
    def connection(self, session_id: str) -> Iterator[Connection]:
        address = self.address.replace("http://", "ws://")
        with connect(f"{address}/ws/{session_id}", proxy=None, close_timeout=1) as connection:
            yield Connection(connection)

    @contextmanager
    def ready(self, session_id: str) -> Iterator[Connection]:
        """A connection whose session is ready."""
        with self.connection(session_id) as connection:
            assert connection.receive() == {"type": "session_ready"}
            yield connection

    def play(
        self,
        connection: Connection,
        *,
        start: float,
        end: float,
        done: Callable[[list[Json]], bool] = is_over,
        step: float = 0.5,
    ) -> Viewing:
        """Play from `start` to `end`, do what the actions say, and report all of it.

        Args:
            done: whether all actions have come that were to come until then.
        """
        viewing = Viewing()
        position = start
        while True:
            connection.timestamp_update(round(position, 3))
            for action in connection.pending(quiet=0.02):
                viewing.received.append((connection.position, action))
                self._obey(connection, action)
            if position >= end:
                late = connection.until(lambda late: done(viewing.actions + late))
                viewing.received += [(connection.position, action) for action in late]
                return viewing
            position = min(position + step, end)

    @staticmethod
    def _obey(connection: Connection, action: Json) -> None:
        origin = connection.position
        if action["action_type"] == "SEEK":
            connection.seek_update(action["target_timestamp"])
        elif action["action_type"] == "REPLAY_SEGMENT":
            connection.seek_update(action["start_timestamp"])
            connection.timestamp_update(action["end_timestamp"])
            connection.seek_update(origin)
        connection.action_completed(action["id"])


ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


@contextmanager
def server_process(*command: str, folder: Path, python_path: Path | None = None) -> Iterator[str]:
    """A server process, until the end of the context; its address, as it printed it."""
    environment = {"PYTHONPATH": str(python_path)} if python_path else {}
    errors = folder / "stderr.txt"
    with (
        errors.open("wb") as stderr,
        subprocess.Popen(
            [sys.executable, "-u", *command],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={
                "XDG_DATA_HOME": str(folder),
                "PYTHONIOENCODING": "utf-8",
                # Nothing of a test leaves this machine: there is no such proxy.
                "WATCHBUDDY_PLUGINS": '{"yt-dlp": {"proxy": "http://127.0.0.1:9"}}',
                **environment,
            },
        ) as process,
    ):
        try:
            assert process.stdout is not None
            address = None
            while address is None:
                line = process.stdout.readline()
                assert line, f"the server did not start: {errors.read_text()}"
                address = ADDRESS.search(line)
            yield address[0]
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
    assert "Traceback" not in errors.read_text(), errors.read_text()


SHOTS = [
    Shot(5.0, Picture.DAWN, Tone.CALM),
    Shot(5.0, Picture.SEA, Tone.MELODY),
    Shot(6.0, Picture.STORM, Tone.BANG),
    Shot(5.0, Picture.NIGHT, Tone.SILENCE),
    Shot(5.0, Picture.DAY, Tone.CALM),
    Shot(4.0, Picture.DUSK, Tone.MELODY),
]
SUBTITLES = [
    Cue(start=1.0, end=3.0, text="The lighthouse keeper wakes before the gulls."),
    Cue(start=6.0, end=8.0, text="Where did the little boat go?"),
    Cue(start=11.5, end=13.0, text="Hold on to the rope!", sounds=("thunder",)),
    Cue(start=17.0, end=19.0, text="", sounds=("wind howls",)),
    Cue(start=22.0, end=24.0, text="There it is, behind the island.", sounds=("laughs",)),
    Cue(start=26.5, end=28.5, text="Then let us have breakfast."),
]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with half a minute of video, and a file that is none."""
    folder = tmp_path_factory.mktemp("library")
    make_clip(folder / "clip.mp4", SHOTS, size=(320, 180), frame_rate=12, subtitles=SUBTITLES)
    (folder / "no-video.mp4").write_text("This is no video.")
    return folder


@pytest.fixture(scope="session")
def page(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The client of a server that was started with no options but where its videos are."""
    command = ("-m", "watchbuddy_server.cli", "serve", "--library", str(library), "--port", "0")
    with server_process(*command, folder=tmp_path_factory.mktemp("server")) as address:
        yield Page(address)


@pytest.fixture(scope="module")
def failing_page(tmp_path_factory: pytest.TempPathFactory, library: Path) -> Iterator[Page]:
    """The client of a server whose generator, a plugin, cannot do its work."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "failing.py").write_text(
        "from watchbuddy_core.errors import ActionGenerationFailed\n"
        "class Failing:\n"
        "    async def generate(self, brief):\n"
        "        raise ActionGenerationFailed('the well of ideas is dry')\n"
        "        yield\n"
    )
    metadata = folder / "failing-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: failing\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[watchbuddy.generators]\nfailing = failing:Failing\n"
    )
    program = folder / "program.py"
    program.write_text(
        "import asyncio\n"
        "from pathlib import Path\n"
        "from watchbuddy_core.settings import Settings\n"
        "from watchbuddy_server.serving import serving\n"
        "async def main():\n"
        f"    libraries = (Path({str(library)!r}),)\n"
        "    settings = Settings(libraries=libraries, port=0, generator='failing')\n"
        "    async with serving(settings) as address:\n"
        "        print(address)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    with server_process(str(program), folder=folder, python_path=folder) as address:
        yield Page(address)


VIDEO = {"video_url": "library:clip.mp4", "character_id": "miao"}


@pytest.fixture(scope="module")
def session_id(page: Page) -> str:
    """A session of the clip. Tests that need its delivery untouched create their own."""
    return page.create(**VIDEO)


@pytest.fixture(scope="session")
def viewing(page: Page) -> Viewing:
    """The whole clip, watched by a client that does what it is told."""
    with page.ready(page.create(**VIDEO)) as connection:
        return page.play(connection, start=0.0, end=30.0)
