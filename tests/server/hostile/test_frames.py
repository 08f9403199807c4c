"""A WebSocket as bytes: cut anywhere, put together wrongly, or never ended."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import PATIENCE
from properties import examples
from raw_sockets import Hall, Op, close_frame, frame, handshake

from watchbuddy_core.entries import Delivered
from watchbuddy_core.settings import Limits
from watchbuddy_server.connections import HttpProtocol, WebSocketProtocol

MAX_FRAME_BYTES = Limits().frame_bytes
READY = b'{"type":"session_ready"}'


def report(at: float) -> bytes:
    return json.dumps({"type": "timestamp_update", "timestamp": at}).encode()


def of_size(size: int) -> bytes:
    """A message of an unknown type, so that there is an answer to it, in so many bytes."""
    around = len(b'{"type": "unheard of", "filler": ""}')
    return b'{"type": "unheard of", "filler": "%s"}' % (b"x" * (size - around))


def is_error(payload: bytes) -> bool:
    return bool(json.loads(payload)["type"] == "error")


async def is_served(hall: Hall, backstage: Any, speak: Any) -> None:
    """Another session is as it should be."""
    action = speak(1.0)
    async with hall.raw() as other:
        await other.upgrade(await backstage.ready(action))
        assert await other.hear() == (Op.TEXT, READY)
        await other.send(frame(Op.TEXT, report(1.0)))
        assert json.loads((await other.hear())[1])["id"] == action.id


# --- messages, however they are cut ------------------------------------------------------


@st.composite
def cut_up(draw: st.DrawFn) -> tuple[list[bytes], bytes, list[bytes], list[int]]:
    """Messages; the bytes of their frames; the pings among them; where the stream is cut."""
    messages = draw(
        st.lists(
            st.one_of(
                st.just(report(0.5)),
                st.integers(40, 400).map(of_size),
                st.sampled_from([b"", b"junk", "喵".encode(), b"[]", b'{"type": 1}']),
            ),
            max_size=8,
        )
    )
    stream = b""
    pings = []
    for message in messages:
        cuts = sorted(draw(st.lists(st.integers(0, len(message)), max_size=5)))
        pieces = [message[a:b] for a, b in zip([0, *cuts], [*cuts, len(message)], strict=True)]
        op = draw(st.sampled_from([Op.TEXT, Op.BINARY]))
        for number, piece in enumerate(pieces):
            if draw(st.booleans()):
                payload = draw(st.binary(max_size=125))
                pings.append(payload)
                stream += frame(Op.PING, payload)
            if draw(st.booleans()):
                stream += frame(Op.PONG, b"nobody asked")
            stream += frame(Op.CONT if number else op, piece, fin=number == len(pieces) - 1)
    return messages, stream, pings, sorted(draw(st.lists(st.integers(0, len(stream)), max_size=6)))


@examples(60)
@given(sent=cut_up())
def test_messages_are_the_same_however_they_are_cut(
    hall: Any, backstage: Any, speak: Any, sent: tuple[list[bytes], bytes, list[bytes], list[int]]
) -> None:
    messages, stream, pings, cuts = sent

    async def scenario(hall: Hall) -> None:
        action = speak(1.0)
        async with hall.raw() as client:
            await client.upgrade(await backstage.ready(action))
            assert await client.hear() == (Op.TEXT, READY)
            for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True):
                await client.send(stream[a:b])
                await asyncio.sleep(0)
            await client.send(frame(Op.TEXT, report(1.0)))
            pongs = []
            errors = 0
            while True:
                op, payload = await client.hear()
                if op == Op.PONG:
                    pongs.append(payload)
                elif is_error_frame(payload):
                    errors += 1
                else:
                    break
            assert json.loads(payload)["id"] == action.id
            assert pongs == pings
            assert errors == sum(message != report(0.5) for message in messages)
            await client.send(close_frame(1000))
            assert await client.end() == 1000

    def is_error_frame(payload: bytes) -> bool:
        return json.loads(payload).get("type") == "error"

    hall(scenario)


@examples(60)
@given(
    noise=st.lists(
        st.one_of(
            st.binary(max_size=200),
            st.builds(
                frame,
                st.integers(0, 15),
                st.binary(max_size=130),
                fin=st.booleans(),
                reserved=st.sampled_from([0, 0, 0, 1, 2, 4]),
                masked=st.sampled_from([True, True, True, False]),
                length=st.one_of(st.none(), st.integers(0, 200), st.integers(0, 2**64 - 1)),
                wide=st.sampled_from([0, 0, 16, 64]),
            ),
        ),
        max_size=6,
    )
)
def test_noise_ends_in_a_documented_way_and_harms_nobody(
    hall: Any, backstage: Any, speak: Any, noise: list[bytes]
) -> None:
    async def scenario(hall: Hall) -> None:
        async with hall.raw() as client:
            await client.upgrade(await backstage.ready(speak(1.0)))
            for piece in noise:
                await client.send(piece)
            await client.send(close_frame(1000))
            client.writer.write_eof()
            code = await client.end()
            # Of a frame that has not ended, the server cannot tell that nothing more comes.
            assert code in (None, 1000, 1002, 1003, 1005, 1007, 1009, 4400) or code >= 3000
        await is_served(hall, backstage, speak)

    hall(scenario)


# --- what RFC 6455 forbids ---------------------------------------------------------------

FORBIDDEN: dict[str, tuple[bytes, int]] = {
    **{f"reserved bit {bit}": (frame(Op.TEXT, b"{}", reserved=bit), 1002) for bit in (1, 2, 4)},
    **{f"opcode {op}": (frame(op, b"{}"), 1002) for op in (3, 7, 11, 15)},
    "not masked": (frame(Op.TEXT, b"{}", masked=False), 1002),
    "no UTF-8": (frame(Op.TEXT, b'{"type": "\xff"}'), 1007),
    "no UTF-8, in pieces": (
        frame(Op.TEXT, b"\xe5\x96", fin=False) + frame(Op.CONT, b"\xff"),
        1007,
    ),
    "half a surrogate pair": (frame(Op.TEXT, b'"\xed\xa0\x80"'), 1007),
    "an overlong zero": (frame(Op.TEXT, b"\xc0\x80"), 1007),
    "a ping of 126 bytes": (frame(Op.PING, b"x" * 126), 1002),
    "a ping in pieces": (frame(Op.PING, b"x", fin=False), 1002),
    "a continuation of nothing": (frame(Op.CONT, b"x"), 1002),
    "a message within another": (frame(Op.TEXT, b"{", fin=False) + frame(Op.TEXT, b"}"), 1002),
    "64 KiB and one byte": (frame(Op.TEXT, of_size(MAX_FRAME_BYTES + 1)), 1009),
    "64 KiB and one byte, in pieces": (
        frame(Op.TEXT, b"x" * MAX_FRAME_BYTES, fin=False) + frame(Op.CONT, b"x"),
        1009,
    ),
    "the largest length": (frame(Op.TEXT, length=2**63 - 1), 1009),
    "a negative length": (frame(Op.TEXT, length=2**64 - 1), 1009),
    "a close of one byte": (frame(Op.CLOSE, b"x"), 1002),
    "a close with no code": (close_frame(1005), 1002),
    "a close with a reason in no UTF-8": (close_frame(1000, b"\xff"), 1007),
}


@pytest.mark.parametrize(("sent", "code"), FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_what_the_standard_forbids_closes_with_its_code(
    hall: Any, backstage: Any, speak: Any, sent: bytes, code: int
) -> None:
    async def scenario(hall: Hall) -> None:
        async with hall.raw() as client:
            await client.upgrade(await backstage.ready())
            await client.send(sent + frame(Op.TEXT, report(1.0)))
            assert await client.end() == code
        await is_served(hall, backstage, speak)

    hall(scenario)


@pytest.mark.parametrize("size", [MAX_FRAME_BYTES - 1, MAX_FRAME_BYTES])
@pytest.mark.parametrize("pieces", [1, 7])
def test_a_message_of_64_kib_is_read(hall: Any, backstage: Any, size: int, pieces: int) -> None:
    async def scenario(hall: Hall) -> None:
        async with hall.raw() as client:
            await client.upgrade(await backstage.ready())
            assert await client.hear() == (Op.TEXT, READY)
            message = of_size(size)
            step = -(-size // pieces)
            for start in range(0, size, step):
                op = Op.CONT if start else Op.TEXT
                piece = message[start : start + step]
                await client.send(frame(op, piece, fin=start + step >= size))
            assert is_error((await client.hear())[1])

    hall(scenario)


def test_fragments_without_an_end_cost_no_more_than_one_message(
    hall: Any, backstage: Any, speak: Any
) -> None:
    async def scenario(hall: Hall) -> None:
        async with hall.raw() as client:
            await client.upgrade(await backstage.ready())
            assert await client.hear() == (Op.TEXT, READY)
            (protocol,) = hall.open
            await client.send(frame(Op.TEXT, b"{", fin=False))
            for _ in range(20):
                await client.send(frame(Op.CONT, fin=False) * 5_000)
            await client.send(frame(Op.PING, b"read"))
            assert await client.hear() == (Op.PONG, b"read")
            assert len(protocol.frames) <= 1
            await client.send(frame(Op.CONT, of_size(100)[1:]))
            assert is_error((await client.hear())[1])

    hall(scenario)


# --- clients that go, or never come ------------------------------------------------------

IN_THE_MIDDLE = {
    "of a head": frame(Op.TEXT, b"x" * 300)[:3],
    "of a mask": frame(Op.TEXT, b"x" * 300)[:6],
    "of a payload": frame(Op.TEXT, b"x" * 300)[:200],
    "of a message": frame(Op.TEXT, b"x", fin=False),
    "of a ping in a message": frame(Op.TEXT, b"x", fin=False) + frame(Op.PING, b"hello")[:4],
    "of a close": close_frame(1000, b"bye")[:5],
}


@pytest.mark.parametrize("how", ["reset", "finish"])
@pytest.mark.parametrize("sent", IN_THE_MIDDLE.values(), ids=IN_THE_MIDDLE.keys())
def test_a_client_that_goes_in_the_middle_leaves_nothing_behind(
    hall: Any, backstage: Any, speak: Any, sent: bytes, how: str
) -> None:
    async def scenario(hall: Hall) -> None:
        for and_send in (b"", sent):
            async with hall.raw() as client:
                await client.upgrade(await backstage.ready(), and_send=and_send)
                await client.send(sent)
                client.leave(how)
            await hall.is_empty()
        assert backstage.connections() == 0
        await is_served(hall, backstage, speak)

    hall(scenario)


@examples(30)
@given(kept=st.floats(0, 1), how=st.sampled_from(["reset", "finish"]))
def test_a_handshake_that_is_left_in_the_middle_leaves_nothing_behind(
    hall: Any, backstage: Any, kept: float, how: str
) -> None:
    async def scenario(hall: Hall) -> None:
        whole = handshake(f"/ws/{await backstage.ready()}")
        for _ in range(3):
            async with hall.raw() as client:
                await client.send(whole[: int(len(whole) * kept)])
                client.leave(how)
        await hall.is_empty()
        assert backstage.connections() == 0

    hall(scenario)


@pytest.mark.parametrize(
    "begun",
    [b"", b"G", b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ", handshake("/ws/x")[:-2]],
    ids=["nothing", "a letter", "half a request", "half a handshake"],
)
def test_a_request_that_never_comes_is_not_waited_for(
    hall: Any, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor one that comes a byte at a time."""
    monkeypatch.setattr(HttpProtocol, "head_seconds", 0.3)

    async def scenario(hall: Hall) -> None:
        async with hall.raw() as silent, hall.raw() as slow:
            await silent.send(begun)
            waiting = asyncio.create_task(silent.rest())
            dripping = asyncio.create_task(slow.rest())
            while not dripping.done():
                await slow.send(begun[:1] or b"G")
                await asyncio.sleep(0.02)
            assert await waiting == await dripping == b""

    hall(scenario)


def test_a_second_request_is_not_waited_for_either(
    hall: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

    async def scenario(hall: Hall) -> None:
        async with hall.raw() as client:
            for head_seconds in (20.0, 0.3):  # for the head of what comes after it
                monkeypatch.setattr(HttpProtocol, "head_seconds", head_seconds)
                await client.send(request)
                assert (await client.answer()).startswith(b"HTTP/1.1 200 ")
                assert await client.reader.readexactly(len(b'{"status":"ok"}'))
            await client.send(request[:-2])
            assert await client.rest() == b""

    hall(scenario)


@pytest.mark.parametrize("sent", [b"x", b"x" * 50], ids=["and stops", "a byte at a time"])
def test_the_rest_of_a_body_that_is_answered_is_not_waited_for(
    hall: Any, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """uvicorn lets go of a client that sends nothing more, but of none that has sent a byte."""
    monkeypatch.setattr(HttpProtocol, "rest_seconds", 0.3)
    request = b"POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n"

    async def scenario(hall: Hall) -> None:
        async with hall.raw() as client:
            await client.send(request)
            assert (await client.answer()).startswith(b"HTTP/1.1 404 ")
            gone = asyncio.create_task(client.rest())
            for number in range(len(sent)):
                await client.send(sent[number : number + 1])
                await asyncio.sleep(0.02)
            async with asyncio.timeout(PATIENCE):
                assert b"HTTP/1.1" not in await gone

    hall(scenario)


def test_a_body_that_comes_to_its_end_after_the_answer_costs_nothing(hall: Any) -> None:
    """The connection waits for the next request, and for nothing else."""
    request = b"POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n"

    async def waits(hall: Hall, seconds: float) -> None:
        (protocol,) = hall.open
        await hall.until(lambda: protocol._waiting_with == seconds)

    async def scenario(hall: Hall) -> None:
        async with hall.raw() as client:
            for _ in range(2):
                await client.send(request)
                assert b"HTTP/1.1 404 " in await client.answer()
                await client.send(b"x")
                await waits(hall, HttpProtocol.rest_seconds)
                await client.send(b"x")
                await waits(hall, HttpProtocol.head_seconds)

    hall(scenario)


# --- clients that do not read ------------------------------------------------------------


def test_a_client_that_takes_nothing_of_its_answers_is_let_go(
    hall: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HttpProtocol, "taking_seconds", 0.3)
    request = b"GET /schema/openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

    async def scenario(hall: Hall) -> None:
        async with hall.raw(receive_buffer=4096) as client:
            client.writer.write(request * 500)
            async with asyncio.timeout(PATIENCE):
                while not client.writer.is_closing():
                    client.writer.write(b"X")  # is told that nobody is there any more
                    await asyncio.sleep(0.05)

    hall(scenario)


def test_pings_of_a_client_that_takes_no_pongs_cost_bounded_memory(
    hall: Any, backstage: Any, speak: Any
) -> None:
    async def scenario(hall: Hall) -> None:
        async with hall.raw(receive_buffer=4096) as client:
            await client.upgrade(await backstage.ready())
            assert await client.hear() == (Op.TEXT, READY)
            client.writer.transport.pause_reading()
            (protocol,) = hall.open
            most = 0
            for number in range(400):
                await client.send(frame(Op.PING, b"%03d" % number + b"x" * 122) * 100)
                most = max(most, protocol.transport.get_write_buffer_size())
                await asyncio.sleep(0)
            assert most < 1_000_000, "of more than 5 MB of pongs"
            await is_served(hall, backstage, speak)
            client.writer.transport.resume_reading()
            last = b""
            while not last.startswith(b"399"):
                _, last = await client.hear()

    hall(scenario)


def test_a_client_that_takes_nothing_is_let_go(
    hall: Any, backstage: Any, speak: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection is not closed before all is sent: whoever takes nothing would stay for ever.
    Until then, a newer connection to the session is served."""

    async def scenario(hall: Hall) -> None:
        monkeypatch.setattr(WebSocketProtocol, "parting_seconds", 0.3)
        session_id = await backstage.ready(*[speak(n / 10, "x" * 2000) for n in range(1, 400)])

        def delivered() -> int:
            log = backstage.store._logs[session_id]
            return sum(len(one.entry.ids) for one in log if isinstance(one.entry, Delivered))

        async with hall.raw(receive_buffer=4096) as client:
            await client.upgrade(session_id)
            client.writer.transport.pause_reading()
            before, at = -1, 0.0
            while delivered() > before or at < 5:
                before = delivered()
                for _ in range(10):
                    at += 0.1
                    await client.send(frame(Op.TEXT, report(at)))
                    await asyncio.sleep(0.002)
            (stuck,) = hall.open
            assert stuck.transport.get_write_buffer_size() > 0
            async with hall.raw() as newer:
                await newer.upgrade(session_id)
                assert await newer.hear() == (Op.TEXT, READY)
                await newer.send(frame(Op.TEXT, report(39.0)))
                assert json.loads((await newer.hear())[1])["action_type"] == "SPEAK"
            await hall.is_empty()
            assert backstage.connections() == 0

    hall(scenario)


# --- handshakes that are none ------------------------------------------------------------

HANDSHAKES: dict[str, bytes] = {
    "of another method": handshake("/ws/ses_0", method="POST"),
    "of a method with a body": handshake("/ws/ses_0", "Content-Length: 4", method="POST") + b"body",
    "with a body": handshake("/ws/ses_0", "Content-Length: 4") + b"body",
    "in chunks": handshake("/ws/ses_0", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "of HTTP/1.0": handshake("/ws/ses_0", version="HTTP/1.0"),
    "of an old version": handshake("/ws/ses_0").replace(b"Version: 13", b"Version: 8"),
    "without a key": handshake("/ws/ses_0").replace(b"Sec-WebSocket-Key", b"X"),
    "with a key that is none": handshake("/ws/ses_0").replace(b"Key: ", b"Key: !"),
    "with two keys": handshake("/ws/ses_0", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="),
    "with 200 headers": handshake("/ws/ses_0", *[f"X-{n}: x" for n in range(200)]),
    "with a header of 10 KB": handshake("/ws/ses_0", f"X: {'x' * 10_000}"),
    "with a head of 100 KB": handshake("/ws/ses_0", *[f"X: {'x' * 10_000}"] * 10),
    "with an address of 9 KB": handshake("/ws/" + "x" * 9_000),
    "with a header beyond ASCII": handshake("/ws/ses_0", "X: caf\xe9\xff"),
    "with an origin beyond ASCII": handshake("/ws/ses_0", "Origin: http://\xe9.example"),
    "with an origin that is no address": handshake("/ws/ses_0", "Origin: http://["),
    "with a host that is no name": handshake("/ws/ses_0").replace(b"127.0.0.1", b"[::"),
    "with two hosts": handshake("/ws/ses_0", "Host: evil.example"),
    "with no host": handshake("/ws/ses_0").replace(b"Host", b"X"),
    "with odd features": handshake("/ws/ses_0?features=%ff%00&features=hold&&=&%"),
    "to an odd id": handshake("/ws/%ff%00%2f..%2f"),
    "to nothing": handshake("/ws/"),
    "to no WebSocket": handshake("/api/v1/characters"),
    "to a WebSocket of no such name": handshake("/nowhere"),
    "with a folded header": handshake("/ws/ses_0", "X: a", " b: c"),
    "with an odd subprotocol": handshake("/ws/ses_0", "Sec-WebSocket-Protocol: ,,\x01é"),
    "with an odd extension": handshake("/ws/ses_0", "Sec-WebSocket-Extensions: ;;=,\x7f"),
}


@pytest.mark.parametrize("sent", HANDSHAKES.values(), ids=HANDSHAKES.keys())
def test_a_handshake_that_is_none_is_refused_or_taken_for_one(
    hall: Any, backstage: Any, speak: Any, sent: bytes
) -> None:
    async def scenario(hall: Hall) -> None:
        async with hall.raw() as client:
            await client.send(sent)
            answer = await client.answer()
            assert answer.startswith((b"HTTP/1.1 101 ", b"HTTP/1.1 4")), answer[:200]
            if not answer.startswith(b"HTTP/1.1 101 "):
                assert b"x-content-type-options: nosniff" in answer.lower()
                assert b'{"detail":{"error":"' in await client.rest()
        await is_served(hall, backstage, speak)

    hall(scenario)


@examples(40)
@given(at=st.integers(0, 300), noise=st.binary(min_size=1, max_size=40), replaced=st.booleans())
def test_a_handshake_with_noise_in_it_is_refused_or_taken_for_one(
    hall: Any, backstage: Any, at: int, noise: bytes, replaced: bool
) -> None:
    async def scenario(hall: Hall) -> None:
        whole = handshake(f"/ws/{await backstage.ready()}?features=hold", "Origin: http://[::1]")
        async with hall.raw() as client:
            await client.send(whole[:at] + noise + whole[at + len(noise) * replaced :])
            client.writer.write_eof()
            answer = await client.rest()
            assert answer.startswith((b"HTTP/1.1 101 ", b"HTTP/1.1 4", b"HTTP/1.1 2")) or (
                answer == b""
            )

    hall(scenario)
