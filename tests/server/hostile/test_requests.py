"""HTTP as bytes: bodies of another length than is said, and requests that read as two."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from raw_sockets import Hall

from watchbuddy_server import bodies

BODY = json.dumps({"video_url": "https://youtu.be/x", "character_id": "nobody"}).encode()
"""It is read to its end, and then refused for the character."""
REFUSED = b'"error":"UNKNOWN_CHARACTER"'


def post(*headers: str, body: bytes = b"", kind: str = "application/json") -> bytes:
    lines = (
        "POST /api/v1/sessions HTTP/1.1",
        "Host: 127.0.0.1",
        f"Content-Type: {kind}",
        *headers,
        "",
        "",
    )
    return "\r\n".join(lines).encode("latin-1") + body


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


SECOND = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
"""What would be answered as well, if it were taken for a request."""
LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = "Transfer-Encoding: chunked"

AMBIGUOUS: dict[str, bytes] = {
    "a length and chunks": post("Content-Length: 5", CHUNKED, body=chunked() + SECOND),
    "chunks and a length": post(CHUNKED, "Content-Length: 5", body=chunked() + SECOND),
    "two lengths": post(LENGTH, "Content-Length: 0", body=BODY + SECOND),
    "a length twice, not alike": post(f"{LENGTH}, 0", body=BODY + SECOND),
    "a negative length": post("Content-Length: -1", body=SECOND),
    "a length with a sign": post("Content-Length: +0", body=SECOND),
    "a length in hexadecimal": post("Content-Length: 0x10", body=SECOND),
    "a length of 400 digits": post("Content-Length: " + "9" * 400, body=SECOND),
    "a space before the colon": post("Content-Length : 0", CHUNKED, body=chunked() + SECOND),
    "chunks by another name": post("Transfer-Encoding: xchunked", body=chunked() + SECOND),
    "chunks twice": post(CHUNKED, CHUNKED, body=chunked() + SECOND),
    "chunks, and then none": post(CHUNKED, "Transfer-Encoding: identity", body=SECOND),
    "chunks with a vertical tab": post("Transfer-Encoding: \x0bchunked", body=chunked() + SECOND),
    "chunks in HTTP/1.0": post(CHUNKED, body=chunked() + SECOND).replace(b"/1.1", b"/1.0", 1),
    "a bare CR in a header": post("X: a\rContent-Length: 0", body=SECOND),
    "a NUL in a header": post("X: a\x00b", LENGTH, body=BODY + SECOND),
    "a CR in a chunk's size": post(CHUNKED, body=b"0\r0\r\n\r\n" + SECOND),
    "a chunk of a negative size": post(CHUNKED, body=b"-1\r\n\r\n" + SECOND),
    "a chunk longer than it says": post(CHUNKED, body=b"2\r\n{}{}\r\n0\r\n\r\n" + SECOND),
    "a chunk of an endless size": post(CHUNKED, body=b"f" * 300 + b"\r\n{}" + SECOND),
    "an address with a line in it": b"GET /a\r\nb HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + SECOND,
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "an older HTTP": b"GET /\r\n" + SECOND,
    "no host": b"GET /health/live HTTP/1.1\r\n\r\n" + SECOND,
    "a head of 1 MB": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: y\r\n" * 170_000,
}


@pytest.mark.parametrize("sent", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_what_may_be_read_in_two_ways_is_refused_as_a_whole(hall: Any, sent: bytes) -> None:
    """One answer, an error, and the end of the connection: whatever follows is no request."""

    async def scenario(hall: Hall) -> None:
        async with hall.raw() as client:
            await client.send(sent)
            answer = await client.rest()
            if answer or len(sent) < 100_000:  # of more, the end may come as a reset
                assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 ")), answer[:200]
                assert answer.count(b"HTTP/1.1 ") == 1
                assert b'{"detail":{"error":"' in answer
                assert b"x-content-type-options: nosniff" in answer.lower()

    hall(scenario)


SOUND: dict[str, bytes] = {
    "a length": post(LENGTH, body=BODY),
    "the same length twice": post(LENGTH, LENGTH, body=BODY),
    "one chunk": post(CHUNKED, body=chunked(BODY)),
    "a chunk per byte": post(CHUNKED, body=chunked(*(bytes([one]) for one in BODY))),
    "chunks with a trailer": post(CHUNKED, body=chunked(BODY)[:-2] + b"X: y\r\n\r\n"),
    "chunks with extensions": post(
        CHUNKED, body=b'%x;a="b"\r\n%s\r\n0\r\n\r\n' % (len(BODY), BODY)
    ),
    "a header in two lines": post(LENGTH, "X: a", " b", body=BODY),
}


@pytest.mark.parametrize("sent", SOUND.values(), ids=SOUND.keys())
def test_what_can_be_read_in_one_way_is_read(hall: Any, sent: bytes) -> None:
    async def scenario(hall: Hall) -> None:
        async with hall.raw() as client:
            await client.send(sent + SECOND.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            answer = await client.rest()
            assert answer.count(b"HTTP/1.1 ") == 2
            assert REFUSED in answer
            assert answer.endswith(b'{"status":"ok"}')

    hall(scenario)


COMPRESSED = gzip.compress(b" " * 50_000_000 + BODY)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "identity"])
def test_a_bomb_is_not_unpacked(hall: Any, encoding: str) -> None:
    assert len(COMPRESSED) < 64 * 1024

    async def scenario(hall: Hall) -> None:
        head = post(f"Content-Encoding: {encoding}", f"Content-Length: {len(COMPRESSED)}")
        async with hall.raw() as client:
            await client.send(head + COMPRESSED)
            assert (await client.answer()).startswith(b"HTTP/1.1 400 ")

    hall(scenario)


@pytest.mark.parametrize("kind", ["", "text/plain", "application/jsonx", "a" * 9000, "\xff;\x01"])
def test_a_body_that_is_not_said_to_be_json_is_refused(hall: Any, kind: str) -> None:
    async def scenario(hall: Hall) -> None:
        async with hall.raw() as client:
            await client.send(post(LENGTH, body=BODY, kind=kind))
            answer = await client.answer()
            assert answer.startswith((b"HTTP/1.1 415 ", b"HTTP/1.1 400 "))

    hall(scenario)


@pytest.mark.parametrize("sent", [0, 1, len(BODY) - 1])
@pytest.mark.parametrize("framing", [LENGTH, CHUNKED])
def test_a_body_that_stops_is_not_waited_for(
    hall: Any, monkeypatch: pytest.MonkeyPatch, framing: str, sent: int
) -> None:
    monkeypatch.setattr(bodies, "_BODY_SECONDS", 0.2)
    body = BODY if framing == LENGTH else b"%x\r\n%s" % (len(BODY), BODY)

    async def scenario(hall: Hall) -> None:
        async with hall.raw() as client:
            await client.send(post(framing, body=body[:sent]))
            assert (await client.answer()).startswith(b"HTTP/1.1 408 ")
        async with hall.raw() as client:
            await client.send(post(framing, body=body[:sent]))
            client.reset()

    hall(scenario)


@examples(60)
@given(
    at=st.integers(0, 220),
    noise=st.one_of(
        st.sampled_from([b"\r", b"\n", b"\r\n", b"\0", b"\r\n\r\n", b" "]), st.binary()
    ),
    cut=st.integers(0, 400),
)
def test_a_request_with_noise_in_it_is_answered_or_refused(
    hall: Any, at: int, noise: bytes, cut: int
) -> None:
    """And never fails, never hangs, and never becomes two that are served."""

    async def scenario(hall: Hall) -> None:
        whole = post(LENGTH, body=BODY)
        noisy = whole[:at] + noise + whole[at:]
        async with hall.raw() as client:
            await client.send(noisy[:cut])
            await asyncio.sleep(0)
            await client.send(noisy[cut:])
            client.writer.write_eof()
            answer = await client.rest()
            statuses = {line[:12] for line in answer.split(b"\r\n") if line.startswith(b"HTTP/")}
            assert all(status.startswith(b"HTTP/1.1 4") for status in statuses), answer

    hall(scenario)
