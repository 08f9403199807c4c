"""/ws/{session_id} over a real server: what is sent, what is answered, how it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from backstage import is_of_a_session
from litestar import Litestar
from litestar.testing import TestClient
from logged import warnings_in
from patience import PATIENCE, until
from raw_sockets import vanish
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from watchbuddy_core.entries import Cancelled, Delivered, Failed, Placed, Ready
from watchbuddy_core.errors import StaleFence, StorageFull
from watchbuddy_core.events import PlayerEvent
from watchbuddy_core.session import Delivery
from watchbuddy_core.settings import Limits
from watchbuddy_server.websocket import MOST_INVALID

READY = {"type": "session_ready"}


def is_invalid(message: Any) -> bool:
    return (
        set(message) == {"type", "error_code", "message"}
        and message["type"] == "error"
        and message["error_code"] == "INVALID_MESSAGE"
        and bool(message["message"])
    )


# --- from the session to the client ----------------------------------------------------


def test_an_unknown_session_is_closed_with_a_reason(watching: Any) -> None:
    async def test(viewer: Any) -> None:
        for session_id in ("ses_ffffffffffffffff", "x", "%00", "ses_" + "9" * 5000, "喵"):
            async with viewer(session_id) as client:
                assert await client.end() == (4404, "SESSION_NOT_FOUND")

    watching(test)


def test_ready_comes_once_and_actions_follow_the_position(
    watching: Any, backstage: Any, speak: Any
) -> None:
    async def test(viewer: Any) -> None:
        first, second = speak(1.0, "喵～～"), speak(2.0)
        async with viewer(await backstage.ready(first, second)) as client:
            assert await client.hear() == READY
            await client.say(type="timestamp_update", timestamp=0.9)
            await client.say(type="timestamp_update", timestamp=1.0)
            async with asyncio.timeout(PATIENCE):
                frame = await client.socket.recv()
            assert frame == (
                f'{{"id":"{first.id}","trigger_timestamp":1.0,"comment":"",'
                '"action_type":"SPEAK","text":"喵～～","pause_video":false}'
            )
            await client.say(type="timestamp_update", timestamp=2.5)
            assert (await client.hear())["id"] == second.id

    watching(test)


def test_a_client_that_comes_early_is_told_when_the_script_is_there(
    watching: Any, backstage: Any, speak: Any
) -> None:
    async def test(viewer: Any) -> None:
        session_id = await backstage.session()
        async with viewer(session_id) as client:
            for n in range(10):
                await client.say(type="timestamp_update", timestamp=n / 10)
            await until(lambda: backstage.connections() == 1)
            action = speak(0.5)
            await backstage.says(session_id, Placed(window=0, actions=(action,)), Ready())
            assert await client.hear() == READY
            assert (await client.hear())["id"] == action.id

    watching(test)


def test_a_failure_is_told_and_the_connection_closed(watching: Any, backstage: Any) -> None:
    async def test(viewer: Any) -> None:
        failed_before = await backstage.failed()
        failing = await backstage.session()
        async with viewer(failing) as client:
            await until(lambda: backstage.connections() == 1)
            await backstage.says(
                failing, Failed(code="VIDEO_UNREADABLE", message="It is no video.")
            )
            assert await client.hear() == {
                "type": "processing_error",
                "error_code": "VIDEO_UNREADABLE",
                "message": "It is no video.",
            }
            assert (await client.end())[0] == 4500
        for _ in range(2):
            async with viewer(failed_before) as client:
                assert (await client.hear())["type"] == "processing_error"
                assert (await client.end())[0] == 4500

    watching(test)


def test_a_cancelled_session_says_so(watching: Any, backstage: Any, speak: Any) -> None:
    async def test(viewer: Any) -> None:
        session_id = await backstage.ready(speak(1.0))
        async with viewer(session_id) as client:
            assert await client.hear() == READY
            await backstage.says(session_id, Cancelled())
            message = await client.hear()
            assert message["type"] == "processing_error"
            assert message["error_code"] == "SESSION_CANCELLED"
            assert await client.end() == (4410, "SESSION_CANCELLED")

    watching(test)


def test_a_newer_connection_takes_over(watching: Any, backstage: Any, speak: Any) -> None:
    async def test(viewer: Any) -> None:
        one, two = speak(1.0), speak(2.0)
        session_id = await backstage.ready(one, two)
        async with viewer(session_id) as older:
            assert await older.hear() == READY
            await older.say(type="timestamp_update", timestamp=1.2)
            assert (await older.hear())["id"] == one.id
            async with viewer(session_id) as newer:
                assert await newer.hear() == READY
                assert await older.end() == (4409, "REPLACED")
                await newer.say(type="timestamp_update", timestamp=2.2)
                assert (await newer.hear())["id"] == two.id

    watching(test)


def test_of_many_connections_at_once_the_last_one_stays(
    watching: Any, backstage: Any, speak: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(viewer: Any) -> None:
        session_id = await backstage.ready(speak(1.0))
        async with asyncio.TaskGroup() as tasks:

            async def take_over() -> tuple[int | None, str | None]:
                async with viewer(session_id) as client:
                    try:
                        while True:
                            if await client.hear() == READY:
                                await client.say(type="timestamp_update", timestamp=0.5)
                    except ConnectionClosed:
                        return client.socket.close_code, client.socket.close_reason

            ends = [tasks.create_task(take_over()) for _ in range(8)]
            await until(lambda: sum(end.done() for end in ends) == 7)
            await asyncio.sleep(0.05)
            assert sum(end.done() for end in ends) == 7
            done = {end.result() for end in ends if end.done()}
            assert done == {(4409, "REPLACED")}
            for end in ends:
                end.cancel()

    watching(test)
    assert warnings_in(caplog) == []


def test_a_take_over_between_two_steps_of_connecting_is_a_take_over(
    watching: Any, backstage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> int:
        raise StaleFence("deliverer", 1, 2)

    async def test(viewer: Any) -> None:
        session_id = await backstage.ready()
        monkeypatch.setattr(backstage.store, "append", refuse)
        async with viewer(session_id) as client:
            assert await client.end() == (4409, "REPLACED")

    watching(test)


@pytest.fixture
def closes_when_the_store_fails(
    watching: Any, backstage: Any, monkeypatch: pytest.MonkeyPatch, speak: Any
) -> Callable[[Exception], None]:
    """See that a connection is closed with 1011 where a write to the store fails so."""

    def closes(error: Exception) -> None:
        async def fail(*_: object) -> int:
            raise error

        async def test(viewer: Any) -> None:
            async with viewer(await backstage.ready(speak(1.0))) as client:
                assert await client.hear() == READY
                monkeypatch.setattr(backstage.store, "append", fail)
                await client.say(type="timestamp_update", timestamp=1.5)
                assert await client.end() == (1011, "INTERNAL_ERROR")

        watching(test)

    return closes


@pytest.mark.parametrize("error", [RuntimeError, OSError])
def test_a_store_that_fails_closes_with_1011_and_tells_the_log_alone(
    error: type[Exception],
    closes_when_the_store_fails: Callable[[Exception], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    closes_when_the_store_fails(error("/var/disk is full"))
    assert sum("/var/disk" in str(record.exc_info) for record in caplog.records) == 1


def test_a_store_without_room_for_a_connection_closes_it_and_tells_its_operator_itself(
    closes_when_the_store_fails: Callable[[Exception], None], caplog: pytest.LogCaptureFixture
) -> None:
    closes_when_the_store_fails(StorageFull("The server has no room to keep sessions."))
    assert warnings_in(caplog) == []


# --- from the client -------------------------------------------------------------------

INVALID = [
    "",
    "not json",
    "{",
    "[]",
    "null",
    "7",
    '"timestamp_update"',
    "{}",
    '{"timestamp": 1.0}',
    '{"type": "timestamp_update"}',
    '{"type": "timestamp_update", "timestamp": null}',
    '{"type": "timestamp_update", "timestamp": "1"}',
    '{"type": "timestamp_update", "timestamp": true}',
    '{"type": "timestamp_update", "timestamp": [1]}',
    '{"type": "timestamp_update", "timestamp": NaN}',
    '{"type": "timestamp_update", "timestamp": Infinity}',
    '{"type": "timestamp_update", "timestamp": -Infinity}',
    '{"type": "timestamp_update", "timestamp": 1e999}',
    '{"type": "timestamp_update", "timestamp": ' + "9" * 400 + "}",
    '{"type": "timestamp_update", "timestamp": ' + "9" * 5000 + "}",
    '{"type": "timestamp_update", "timestamp": 1, "paused": "yes"}',
    '{"type": "timestamp_update", "timestamp": 1, "playback_rate": 0}',
    '{"type": "timestamp_update", "timestamp": 1, "playback_rate": NaN}',
    '{"type": "seek_update"}',
    '{"type": "seek_update", "timestamp": NaN}',
    '{"type": "seek_update", "timestamp": 1, "cause": "wind"}',
    '{"type": "action_completed"}',
    '{"type": "action_completed", "action_id": 7}',
    '{"type": "action_completed", "action_id": "' + "x" * 5000 + '"}',
    '{"type": "action_completed", "action_id": "a", "outcome": "burnt"}',
    '{"type": null}',
    '{"type": ["timestamp_update"]}',
    '{"type": "\\ud800"}',
    "[" * 5000 + "]" * 5000,
    b"\xff\xfe\x00",
    b"",
    b'{"type": "timestamp_update", "timestamp": \xff}',
]


@pytest.mark.parametrize("frame", INVALID, ids=lambda frame: repr(frame[:60]))
def test_what_is_no_message_gets_an_answer_and_changes_nothing(
    client: TestClient[Litestar], backstage: Any, speak: Any, frame: str | bytes
) -> None:
    action = speak(1.0)
    session_id = asyncio.run(backstage.ready(action))
    with client.websocket_connect(f"/ws/{session_id}") as socket:
        assert socket.receive_json(timeout=PATIENCE) == READY
        socket.send(frame, mode="binary" if isinstance(frame, bytes) else "text")
        answer = socket.receive_json(timeout=PATIENCE)
        assert is_invalid(answer), answer
        log = asyncio.run(backstage.store.read(session_id))
        assert {logged.entry.kind for logged in log} <= {"placed", "ready", "joined", "moved"}
        socket.send_json({"type": "timestamp_update", "timestamp": 1.0})
        assert socket.receive_json(timeout=PATIENCE)["id"] == action.id


def test_times_beyond_any_video_are_clamped(watching: Any, backstage: Any, speak: Any) -> None:
    async def test(viewer: Any) -> None:
        async with viewer(await backstage.ready(speak(1.0))) as client:
            assert await client.hear() == READY
            for timestamp in (-1e300, -5, 10**300, 1.7e308, 0):
                await client.say(type="seek_update", timestamp=timestamp)
                await client.say(type="timestamp_update", timestamp=timestamp)
            await client.say(type="nothing of the kind")
            assert is_invalid(await client.hear())

    watching(test)


def test_a_binary_frame_of_json_is_read_like_a_text(
    watching: Any, backstage: Any, speak: Any
) -> None:
    async def test(viewer: Any) -> None:
        action = speak(1.0)
        async with viewer(await backstage.ready(action)) as client:
            assert await client.hear() == READY
            await client.socket.send(b'{"type": "timestamp_update", "timestamp": 1.0}')
            assert (await client.hear())["id"] == action.id

    watching(test)


def test_twenty_invalid_messages_in_a_row_end_the_connection(watching: Any, backstage: Any) -> None:
    async def test(viewer: Any) -> None:
        async with viewer(await backstage.ready()) as client:
            assert await client.hear() == READY
            for _ in range(3 * MOST_INVALID):
                await client.socket.send("junk")
            for _ in range(MOST_INVALID):
                assert is_invalid(await client.hear())
            assert (await client.end())[0] == 4400

    watching(test)


def test_a_valid_message_between_starts_the_count_anew(watching: Any, backstage: Any) -> None:
    async def test(viewer: Any) -> None:
        async with viewer(await backstage.ready()) as client:
            assert await client.hear() == READY
            for _ in range(3):
                for _ in range(MOST_INVALID - 1):
                    await client.socket.send("junk")
                    assert is_invalid(await client.hear())
                await client.say(type="timestamp_update", timestamp=0.1)
            await client.socket.send("junk")
            assert is_invalid(await client.hear())

    watching(test)


def test_unknown_types_get_an_answer_and_do_not_count(watching: Any, backstage: Any) -> None:
    async def test(viewer: Any) -> None:
        async with viewer(await backstage.ready()) as client:
            assert await client.hear() == READY
            for _ in range(3 * MOST_INVALID):
                await client.say(type="user_message", text="hello")
                assert is_invalid(await client.hear())

    watching(test)


def test_an_unknown_action_id_is_ignored(watching: Any, backstage: Any, speak: Any) -> None:
    async def test(viewer: Any) -> None:
        action = speak(1.0)
        async with viewer(await backstage.ready(action)) as client:
            assert await client.hear() == READY
            await client.say(type="action_completed", action_id="nobody's")
            await client.say(type="action_completed", action_id=action.id)
            await client.say(type="timestamp_update", timestamp=1.0)
            assert (await client.hear())["id"] == action.id

    watching(test)


def test_a_frame_above_64_kib_closes_with_1009(
    watching: Any, backstage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(viewer: Any) -> None:
        session_id = await backstage.ready()
        async with viewer(session_id) as client:
            assert await client.hear() == READY
            most = Limits().frame_bytes
            filler = "x" * (most - 50)
            await client.say(type="timestamp_update", timestamp=1.0, filler=filler[:-40])
            await client.say(type="later", filler=filler[:-40])
            assert is_invalid(await client.hear())
            await client.say(type="timestamp_update", timestamp=1.0, filler="x" * most)
            assert (await client.end())[0] == 1009
        await until(lambda: backstage.connections() == 0)

    watching(test)
    assert warnings_in(caplog) == []


# --- ends ------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["before ready", "idle", "while sending"])
def test_a_client_that_vanishes_leaves_nothing_behind(
    watching: Any,
    backstage: Any,
    speak: Any,
    moment: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def tasks() -> int:
        """Those of connections."""
        return sum(not is_of_a_session(task) for task in asyncio.all_tasks())

    async def test(viewer: Any) -> None:
        tasks_before = tasks()
        actions = [speak(n / 100, "x" * 1500) for n in range(100)]
        for _ in range(20):
            session_id = await (
                backstage.session() if moment == "before ready" else backstage.ready(*actions)
            )
            async with viewer(session_id) as client:
                await until(lambda: backstage.connections() == 1)
                if moment == "while sending":
                    for n in range(20):
                        await client.say(type="timestamp_update", timestamp=n / 10)
                        await client.say(type="seek_update", timestamp=0)
                vanish(client.socket.transport)
            await until(lambda: backstage.connections() == 0)
        await until(lambda: tasks() <= tasks_before)

    watching(test)
    assert warnings_in(caplog) == []


def test_a_client_that_says_goodbye_leaves_nothing_behind(
    watching: Any, backstage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(viewer: Any) -> None:
        for code in (1000, 1001, 3000, 4999):
            async with viewer(await backstage.ready()) as client:
                assert await client.hear() == READY
                await client.socket.close(code, "bye")
            await until(lambda: backstage.connections() == 0)

    watching(test)
    assert warnings_in(caplog) == []


def test_a_client_that_never_reads_costs_bounded_memory_and_is_still_heard(
    watching: Any, backstage: Any, speak: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reports are coalesced, and error replies beyond the bound are dropped."""
    heard_reports = 0
    receive = Delivery.receive

    def count_and_receive(self: Delivery, event: PlayerEvent, *, now: float) -> None:
        nonlocal heard_reports
        heard_reports += 1
        receive(self, event, now=now)

    monkeypatch.setattr(Delivery, "receive", count_and_receive)

    async def test(viewer: Any) -> None:
        session_id = await backstage.ready(*[speak(10.0 * n, "x" * 2000) for n in range(1, 2000)])

        def delivered() -> int:
            log = backstage.store._logs[session_id]
            return sum(len(e.entry.ids) for e in log if isinstance(e.entry, Delivered))

        async with viewer(session_id, max_queue=1, compression=None) as client:
            client.socket.transport.pause_reading()
            said = 0
            unsent = 0
            while unsent < 300:
                before = delivered()
                for _ in range(100):
                    said += 1
                    await client.say(type="timestamp_update", timestamp=10.0 * said)
                    await client.socket.send('{"type": "unheard of"}')
                    await client.socket.send("junk")
                    await asyncio.sleep(0)
                await until(lambda said=said: heard_reports == said)
                unsent = unsent + 100 if delivered() == before else 0
            assert said < 1999, "the network takes more than this test can send"
            stuck_at = delivered()
            await client.say(type="seek_update", timestamp=19_990)
            client.socket.transport.resume_reading()
            errors = 0
            heard: dict[str, Any] = {}
            while heard.get("trigger_timestamp") != 19_990:
                heard = await client.hear()
                errors += heard.get("type") == "error"
            assert delivered() <= stuck_at + 2
            assert errors < 2 * said
            vanish(client.socket.transport)

    watching(test)


def test_a_server_that_shuts_down_closes_with_1012(
    app: Any, serve: Any, backstage: Any, speak: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with serve(app) as (server, url):
            address = url.replace("http", "ws")
            waiting = await connect(f"{address}/ws/{await backstage.session()}", proxy=None)
            watching = await connect(f"{address}/ws/{await backstage.ready()}", proxy=None)
            assert json.loads(await watching.recv()) == READY
            await until(lambda: backstage.connections() == 2)
            server.should_exit = True
            for socket_ in (waiting, watching):
                with pytest.raises(ConnectionClosed):
                    await asyncio.wait_for(socket_.recv(), PATIENCE)
                assert socket_.close_code == 1012
        assert backstage.connections() == 0

    asyncio.run(main())
    assert warnings_in(caplog) == []
