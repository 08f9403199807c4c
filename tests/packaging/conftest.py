"""What is built, and installed in an environment that has nothing else in it.

A new environment gets our wheel, and what a program may import beside it is a folder with links
to the packages that an extra asks for, and to no others. So what an extra does not name cannot
be found, whatever the environment of the tests has.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import venv
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path

import pytest
from dependencies import packages
from shared import made_once

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).with_name("programs")

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist."""

    def build(folder: Path) -> None:
        command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    return made_once(tmp_path_factory, "packaging/dist", build)


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory, built: Path) -> Path:
    """A virtual environment with our wheel and not even pip."""

    def make(folder: Path) -> None:
        venv.create(folder, symlinks=True)
        (wheel,) = built.glob("*.whl")
        pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
        offline = ["--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", *offline, str(wheel)], check=True, timeout=100)

    return made_once(tmp_path_factory, "packaging/environment", make)


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory, environment: Path) -> Start:
    """Start a program of that environment, with what an extra brings; empty: with no extra."""

    def start(extra: str, program: str, *arguments: object) -> subprocess.Popen[str]:
        def link(folder: Path) -> None:
            folder.mkdir()
            for package in packages(extra=extra):
                for path in distribution(package.name).files or ():
                    top = path.parts[0]
                    if top not in ("..", "__pycache__") and not (folder / top).is_symlink():
                        target = Path(str(distribution(package.name).locate_file(top)))
                        (folder / top).symlink_to(target)

        beside = made_once(tmp_path_factory, f"packaging/with-{extra or 'nothing'}", link)
        home = tmp_path_factory.mktemp("home")
        command = [environment / "bin" / program]
        if program.endswith(".py"):
            command = [environment / "bin" / "python", PROGRAMS / program]
        return subprocess.Popen(
            [str(part) for part in (*command, *arguments)],
            cwd=home,
            env={
                "PATH": os.defpath,
                "HOME": str(home),
                "PYTHONPATH": str(beside),
                "COLUMNS": "80",
                "NO_COLOR": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    return start


@pytest.fixture(scope="session")
def run(start: Start) -> Callable[..., str]:
    """Run a program likewise, to its end; gives what it printed."""

    def run(extra: str, program: str, *arguments: object, code: int = 0) -> str:
        process = start(extra, program, *arguments)
        try:
            out, err = process.communicate(timeout=100)
        finally:
            process.kill()
        assert process.returncode == code, err
        return out if code == 0 else err

    return run


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory, run: Callable[..., str]) -> Path:
    """A film of twelve seconds, made with the extra `media` alone."""

    def make(path: Path) -> None:
        seconds = float(run("media", "media.py", path))
        assert seconds == pytest.approx(12.0, abs=0.3)

    return made_once(tmp_path_factory, "packaging/library/clip.mp4", make)


@pytest.fixture
def services(clip: Path) -> Iterator[str]:
    """The address of a server that answers as OpenAI does, and holds a film."""
    film = clip.read_bytes()
    spoken = {"text": "Hello there.", "segments": [{"start": 0, "end": 1, "text": "Hello there."}]}
    chunks = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hello there."}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ]
    head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "small"}
    written = [f"data: {json.dumps({**head, **chunk})}\n\n" for chunk in chunks]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            if self.path.endswith("/audio/transcriptions"):
                self._answer("application/json", json.dumps(spoken).encode())
            else:
                self._answer("text/event-stream", "".join([*written, "data: [DONE]\n\n"]).encode())

        def do_GET(self) -> None:
            self._answer("video/mp4", film)

        def do_HEAD(self) -> None:
            self._answer("video/mp4", film, has_body=False)

        def _answer(self, kind: str, body: bytes, *, has_body: bool = True) -> None:
            self.send_response_only(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if has_body:
                self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
