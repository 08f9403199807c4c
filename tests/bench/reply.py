"""From a model's first whole action to the client's socket: how long the way through takes.

    python tests/bench/reply.py

A real server process, a real WebSocket, real litellm, and a model server on loopback that
notes when it has sent the last letter of the first action of an answer. In the same run, the
same letters through a bare socket, which is what any way would cost. Prints medians and the
longest, in milliseconds.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from watchbuddy_core.client import create_session
from watchbuddy_core.wire import CreateSession

QUESTIONS = 40
_FOLDER = Path(__file__).parents[1]


def _model_server() -> Any:
    path = _FOLDER / "mind" / "conftest.py"
    spec = importlib.util.spec_from_file_location("model_server", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["model_server"] = module
    spec.loader.exec_module(module)
    return module


async def main() -> None:
    made = _model_server()
    whole_at: list[float] = []
    first = {"action_type": "SPEAK", "trigger_timestamp": 5, "text": ""}

    class Server(made.ModelServer):  # type: ignore[misc, name-defined]
        def _event(self, writer: Any, delta: Any, finish: Any = None) -> None:
            super()._event(writer, delta, finish)
            if "}" in str(delta.get("content", "")) and self.waits_for_first:
                self.waits_for_first = False
                whole_at.append(time.perf_counter())

        waits_for_first = False

    model = Server()

    def answer(call: Any) -> Any:
        if "The viewer says to you" not in call.prompt:
            return made.good(call)
        model.waits_for_first = True
        number = len(whole_at)
        lines = [{**first, "text": made.thought(1000 * number + i)} for i in range(3)]
        return made.Reply(json.dumps({"actions": lines}))

    model.answer = answer
    listening = await asyncio.start_server(model.serve, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.srt"
        film.write_text("1\n00:00:01,000 --> 00:00:03,000\nHello.\n", encoding="utf-8")
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "watchbuddy_server.cli", "serve", "--port", "0"),
            *("--library", folder, "--data-dir", f"{folder}/data"),
            *("--model", "openai/test", "--api-base", base),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert server.stdout is not None
            address = (await server.stdout.readline()).decode().split()[-1]
            took = await _ask(address, whole_at)
        finally:
            server.terminate()
            await server.wait()
    bare = await _bare()
    print(f"{QUESTIONS} answers: from the first whole action to the client's socket")
    for name, times in (("watchbuddy", took), ("a bare socket", bare)):
        print(f"{name:14} median {statistics.median(times):7.2f} ms  longest {max(times):7.2f} ms")


async def _ask(address: str, whole_at: list[float]) -> list[float]:
    request = CreateSession(video_url="library:film.srt", character_id="quinn")
    session_id = await create_session(address, request)
    took = []
    url = f"{address.replace('http', 'ws')}/ws/{session_id}?features=chat"
    async with connect(url) as socket:
        while "session_ready" not in str(await socket.recv()):
            pass
        await socket.send(json.dumps({"type": "timestamp_update", "timestamp": 5.0}))
        for number in range(QUESTIONS):
            await socket.send(json.dumps({"type": "user_message", "text": f"Question {number}?"}))
            came = None
            while True:
                message = json.loads(await socket.recv())
                if message.get("action_type") == "SPEAK" and came is None:
                    came = time.perf_counter()
                if message.get("type") == "reply_finished":
                    break
            assert came is not None
            took.append((came - whole_at[number]) * 1000)
    return took


async def _bare() -> list[float]:
    """The same number of letters from one socket to another of this process."""
    times: list[float] = []
    sent: list[float] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            sent.append(time.perf_counter())
            writer.write(b"x" * 150 + b"\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    for _ in range(QUESTIONS):
        writer.write(b"\n")
        await reader.readline()
        times.append((time.perf_counter() - sent[-1]) * 1000)
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.01)  # the other end hears of it
    server.close()
    return times


if __name__ == "__main__":
    asyncio.run(main())
