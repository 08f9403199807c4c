"""What a server logs: every record about a session says which, and none tells a secret."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from patience import PATIENCE
from websockets.sync.client import connect

from watchbuddy_core.errors import VideoUnreadable
from watchbuddy_core.log import JSONLines, SessionIds, TextLines, about
from watchbuddy_core.understanding.work import in_thread

SECRET = "sk-abcdefgh12345678"
PLUGIN = f"""
class Failing:
    def __init__(self):
        pass

    async def generate(self, brief):
        raise RuntimeError("the key {SECRET} was refused")
        yield
"""


# --- the formats ---------------------------------------------------------------------------


class Kept(logging.Handler):
    """Keeps what it is told, as a formatter says it."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.addFilter(SessionIds())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    log = logging.getLogger("watchbuddy.test")
    log.propagate = False
    log.setLevel(logging.DEBUG)
    yield log
    log.handlers.clear()
    log.propagate = True
    log.setLevel(logging.NOTSET)


def test_json_says_when_how_grave_who_and_what(log: logging.Logger) -> None:
    kept = Kept(JSONLines())
    log.addHandler(kept)
    log.warning('"%s"\n}', "quoted")
    (line,) = kept.lines
    told = json.loads(line)
    assert list(told) == ["time", "level", "logger", "message"]
    assert told["message"] == '"quoted"\n}'
    assert (told["level"], told["logger"]) == ("warning", "watchbuddy.test")
    moment = datetime.fromisoformat(told["time"])
    assert told["time"].endswith("Z")
    assert abs(moment.timestamp() - time.time()) < 60


def test_json_has_the_code_and_the_traceback_of_an_error(log: logging.Logger) -> None:
    kept = Kept(JSONLines())
    log.addHandler(kept)
    try:
        raise VideoUnreadable("It is no video.")
    except VideoUnreadable:
        log.exception("failed")
    log.info("failed", extra={"code": "VIDEO_TOO_LONG"})
    first, second = map(json.loads, kept.lines)
    assert first["code"] == "VIDEO_UNREADABLE"
    assert first["exception"].startswith("Traceback (most recent call last):\n")
    assert second["code"] == "VIDEO_TOO_LONG"
    assert "exception" not in second


@pytest.mark.parametrize("text", ["Bearer abc", "api_key=abc", "https://me:abc@example.com"])
def test_what_looks_like_a_key_is_left_out_and_it_is_still_json(
    log: logging.Logger, text: str
) -> None:
    kept = Kept(JSONLines())
    log.addHandler(kept)
    try:
        raise RuntimeError(text)
    except RuntimeError:
        log.exception("sent %s", text)
    (line,) = kept.lines
    assert "***" in json.loads(line)["message"]
    assert "***" in json.loads(line)["exception"]
    assert "abc" not in line.replace(f'"{text}"', "")


def test_text_names_the_session_once(log: logging.Logger) -> None:
    kept = Kept(TextLines("watchbuddy: %(message)s"))
    log.addHandler(kept)
    log.info("nobody's")
    with about("ses_1"):
        log.info("something")
        log.info("session %s has ended", "ses_1")
    assert kept.lines == [
        "watchbuddy: nobody's",
        "watchbuddy: session ses_1: something",
        "watchbuddy: session ses_1 has ended",
    ]


def test_no_text_begins_a_line_of_its_own(log: logging.Logger) -> None:
    kept = Kept(TextLines("watchbuddy: %(message)s"))
    log.addHandler(kept)
    log.warning("there is no %s", "x\nwatchbuddy: all is well\r\nwatchbuddy: quite")
    (line,) = kept.lines
    assert not [one for one in line.splitlines()[1:] if not one.startswith("    ")]


def test_tasks_and_threads_of_a_session_are_its_own(log: logging.Logger) -> None:
    kept = Kept(JSONLines())
    log.addHandler(kept)

    async def work(session_id: str) -> None:
        with about(session_id):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(further(session_id))

    async def further(session_id: str) -> None:
        await asyncio.sleep(0)
        log.info("in a task of %s", session_id)
        await in_thread(lambda _: log.info("in a thread of %s", session_id))
        await asyncio.to_thread(log.info, "in another of %s", session_id)

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            for n in range(3):
                tasks.create_task(work(f"ses_{n}"))
        log.info("afterwards")

    asyncio.run(main())
    told = [json.loads(line) for line in kept.lines]
    assert len(told) == 10
    for one in told[:-1]:
        assert one["message"].endswith(one["session_id"])
    assert "session_id" not in told[-1]


# --- a real server -------------------------------------------------------------------------


def test_a_server_logs_json_and_nothing_else(tmp_path: Path) -> None:
    package = tmp_path / "failing"
    metadata = package / "failing-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: failing\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[watchbuddy.generators]\nfailing = failing:Failing\n"
    )
    (package / "failing.py").write_text(PLUGIN)
    films = tmp_path / "films"
    films.mkdir()
    (films / "words.srt").write_text("1\n00:00:01,000 --> 00:00:30,000\nA good evening.\n")
    (films / "junk.mp4").write_bytes(b"this is no video" * 100)

    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "watchbuddy_server.cli", "serve", "--port", "0"),
            *("--library", str(films), "--store", "memory", "--data-dir", str(tmp_path)),
            *("--generator", "failing", "--log-format", "json", "--log-level", "debug"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "HOME": str(tmp_path),
            "PYTHONPATH": str(package),
            "WATCHBUDDY_NO_SETTING": "1",
            "PYTHONWARNINGS": "default",
        },
    )
    assert process.stdout is not None
    found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
    assert found
    url = found[0]
    try:
        sessions = {name: failed_session(url, name) for name in ("words.srt", "junk.mp4")}
        httpx.get(f"{url}/api/v1/sessions/{SECRET}?api_key={SECRET}", timeout=PATIENCE)
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=PATIENCE)
    told: list[dict[str, Any]] = [json.loads(line) for line in log.splitlines()]
    assert all({"time", "level", "logger", "message"} <= one.keys() for one in told)
    assert SECRET not in log
    assert any("WATCHBUDDY_NO_SETTING" in one["message"] for one in told)
    failures = {
        one["session_id"]: one["code"]
        for one in told
        if one["logger"] == "watchbuddy.session"
        if "code" in one
    }
    assert failures == {
        sessions["junk.mp4"]: "VIDEO_UNREADABLE",
        sessions["words.srt"]: "ACTION_GENERATION_FAILED",
    }
    (raised,) = [one for one in told if one["message"] == "a generator failed"]
    assert raised["session_id"] == sessions["words.srt"]
    assert "RuntimeError: the key *** was refused" in raised["exception"]
    came = [one for one in told if one["message"].endswith("a viewer has come")]
    assert {one["session_id"] for one in came} == set(sessions.values())


def test_no_stranger_fills_the_log_of_a_server(start: Any) -> None:
    """What is no HTTP, and no handshake, is answered and not told."""
    process = start("serve", "--port", 0, "--store", "memory")
    found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
    assert found
    strange = [
        b"\x16\x03\x01\x02\x00\x01" * 40,
        b"GET / HTTP/1.1\r\nUpgrade: h3\r\n\r\n",
        b"\0" * 100,
    ]
    for bytes_of_stranger in strange:
        with socket.create_connection(("127.0.0.1", int(found[1])), timeout=PATIENCE) as stranger:
            stranger.sendall(bytes_of_stranger + b"\r\n\r\n")
            assert stranger.recv(1024).startswith(b"HTTP/1.1 400 ")
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=PATIENCE)
    assert log == ""


def failed_session(url: str, name: str) -> str:
    asked = {"video_url": f"library:{name}", "character_id": "miao"}
    answer = httpx.post(f"{url}/api/v1/sessions", json=asked, timeout=PATIENCE)
    session_id: str = answer.json()["session_id"]
    with connect(f"{url.replace('http', 'ws')}/ws/{session_id}", proxy=None) as viewer:
        while json.loads(viewer.recv(timeout=PATIENCE))["type"] != "processing_error":
            pass
    return session_id
