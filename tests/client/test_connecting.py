"""Connections: made, lost, made again, and given up."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from patience import PATIENCE

from watchbuddy_core.actions import Speak
from watchbuddy_core.client import Disconnected, Ready, WatchClient
from watchbuddy_core.errors import (
    ActionGenerationFailed,
    ConnectionLost,
    ProcessingFailed,
    SessionCancelled,
    SessionNotFound,
)
from watchbuddy_core.player import ClockPlayer, WallClock
from watchbuddy_core.wire import (
    ActionCompletedMessage,
    ProcessingErrorMessage,
    SeekUpdateMessage,
    TimestampUpdateMessage,
    encode,
)

pytestmark = pytest.mark.anyio


async def failure(room) -> BaseException:
    async with asyncio.timeout(PATIENCE):
        await asyncio.wait([room.running])
    error = room.running.exception()
    assert error is not None
    return error


async def test_connects_to_the_address_of_the_session(server, watching):
    async with watching():
        await server.connections(1)
    assert server.paths == ["/ws/ses_0123456789abcdef?features=hold"]


async def test_readiness_is_told_once_however_often_it_comes(server, watching):
    async with watching() as room:
        await server.ready()
        await server.break_off()
        await server.connections(2)
        await server.ready()
        await server.send(Speak(id="a", trigger_timestamp=0.0, text="hello"))
        await server.completes()
    assert room.happened.count(Ready()) == 1


async def test_a_lost_connection_is_made_again_while_the_video_plays_on(server, watching):
    async with watching(position=10.0) as room:
        await server.until(lambda: len(server.reports) >= 1)
        await server.break_off()
        await server.connections(2)
        heard = len(server.heard)
        await server.until(lambda: len(server.heard) > heard)
        assert not room.player.paused
    assert [type(one) for one in room.happened] == [Disconnected]
    assert isinstance(server.heard[heard], TimestampUpdateMessage)


async def test_what_happens_while_disconnected_is_told_afterwards_in_order(server, watching):
    """Seeks and acknowledgements are kept; the time that is reported is the present one."""
    finish = asyncio.Event()

    async def speak(_: Speak) -> None:
        await finish.wait()

    async with watching(position=10.0, speak=speak) as room:
        await server.send(Speak(id="a", trigger_timestamp=10.0, text="hello"))
        await room.until(lambda: bool(room.begun))
        await server.shut()
        await room.until(lambda: Disconnected in [type(one) for one in room.happened])
        finish.set()
        await room.until(lambda: bool(room.ended))
        await room.player.seek(500.0)
        room.client.notice()
        heard = len(server.heard)
        await server.open()
        await server.connections(2)
        await server.until(lambda: len(server.heard) >= heard + 3)
        completed, seek, report = server.heard[heard : heard + 3]
    assert completed == ActionCompletedMessage(action_id="a", outcome="done")
    assert isinstance(seek, SeekUpdateMessage)
    assert isinstance(report, TimestampUpdateMessage)
    assert report.timestamp >= 500.0


async def test_an_action_that_is_sent_again_after_a_reconnect_is_not_done_again(server, watching):
    action = Speak(id="a", trigger_timestamp=0.0, text="hello")
    async with watching() as room:
        await server.send(action)
        await server.completes(1)
        await server.break_off()
        await server.connections(2)
        await server.send(action)
        await server.completes(2)
    assert len(room.spoken) == 1


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (4400, ConnectionLost),
        (4404, SessionNotFound),
        (4409, ConnectionLost),
        (4410, SessionCancelled),
        (4500, ConnectionLost),
    ],
)
async def test_some_closes_are_for_good(server, watching, code, error):
    async with watching() as room:
        await server.close(code, "REASON")
        raised = await failure(room)
    assert type(raised) is error
    if isinstance(raised, ConnectionLost):
        assert raised.close_code == code
        assert "REASON" in raised.message
    assert len(server.paths) == 1


@pytest.mark.parametrize("code", [1001, 1011, 1012])
async def test_other_closes_are_not(server, watching, code):
    async with watching():
        await server.close(code)
        await server.connections(2)


async def test_a_failed_session_is_an_error_with_the_servers_words(server, watching):
    message = "Failed to generate actions for the video: no picture, no sound"
    async with watching() as room:
        await server.say(
            encode(ProcessingErrorMessage(error_code="ACTION_GENERATION_FAILED", message=message))
        )
        raised = await failure(room)
    assert type(raised) is ActionGenerationFailed
    assert raised.message == message


async def test_an_error_code_that_is_not_known_here_is_kept(server, watching):
    async with watching() as room:
        await server.say(encode(ProcessingErrorMessage(error_code="NEW_CODE", message="New.")))
        raised = await failure(room)
    assert isinstance(raised, ProcessingFailed)
    assert (raised.code, raised.message) == ("NEW_CODE", "New.")


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "[]",
        "not json",
        '{"type": "confetti"}',
        '{"type": 7}',
        '{"action_type": "DANCE", "trigger_timestamp": 0.0}',
        '{"action_type": "SPEAK", "trigger_timestamp": "soon", "text": "hello"}',
        '{"type": "error", "error_code": "INVALID_MESSAGE", "message": "What?"}',
    ],
)
async def test_what_is_not_understood_is_ignored(server, watching, frame):
    async with watching() as room:
        await server.say(frame)
        await server.send(Speak(id="a", trigger_timestamp=0.0, text="hello"))
        assert await server.completes() == [("a", "done")]
    assert room.arrived == ["a"]


async def test_a_server_that_was_never_there_is_not_waited_for(server):
    await server.shut()
    clock = WallClock()
    client = WatchClient(server.url, "ses_0", ClockPlayer(10.0, clock=clock), clock=clock)
    with pytest.raises(ConnectionLost, match="No server can be reached") as raised:
        await client.run()
    assert raised.value.close_code is None


@pytest.mark.parametrize("server_url", ["", "nonsense", "http://", "http://[", "ftp://127.0.0.1"])
async def test_what_is_no_address_is_an_error_too(server_url):
    clock = WallClock()
    client = WatchClient(server_url, "ses_0", ClockPlayer(10.0, clock=clock), clock=clock)
    with pytest.raises(ConnectionLost):
        await client.run()


async def test_a_server_that_does_not_come_back_is_given_up(server, watching):
    async with watching(patience=3.0) as room:
        await server.connections(1)
        await server.shut()
        raised = await failure(room)
    assert isinstance(raised, ConnectionLost)
    assert "did not come back" in raised.message
    waits = [one.retry_seconds for one in room.happened if isinstance(one, Disconnected)]
    assert len(waits) >= 2
    assert all(0.25 <= wait <= 8.0 for wait in waits)


WITHOUT_WEBSOCKETS = """
import asyncio, sys
sys.modules["websockets"] = None
from watchbuddy_core.client import WatchClient
from watchbuddy_core.errors import MissingExtra
from watchbuddy_core.player import ClockPlayer, WallClock
clock = WallClock()
client = WatchClient("http://127.0.0.1:1", "ses_0", ClockPlayer(1.0, clock=clock), clock=clock)
try:
    asyncio.run(client.run())
except MissingExtra as exc:
    sys.exit(exc.message)
"""


def test_without_the_extra_the_module_is_there_and_running_names_the_extra():
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_WEBSOCKETS], capture_output=True, text=True, check=False
    )
    assert "pip install 'watchbuddy[client]'" in ran.stderr
    assert "Traceback" not in ran.stderr
