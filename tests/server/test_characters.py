"""Characters over HTTP: listed, brought along as cards, and shown as their cards show them."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from patience import PATIENCE

from watchbuddy_core.characters.cards import MOST_BYTES
from watchbuddy_core.characters.cast import Cast
from watchbuddy_core.characters.folder import CardFolder
from watchbuddy_core.session import Parts
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_server.app import create_app

CHARACTERS = "/api/v1/characters"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
JPEG = b"\xff\xd8\xff\xe0 and so on"

Client = TestClient[Litestar]


def picture(red: int) -> bytes:
    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes((0, red, 0, 0)))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
        for kind, body in chunks
    )


def asset(content: bytes, name: str, type: str = "emotion") -> dict[str, str]:
    url = f"data:text/html;base64,{base64.b64encode(content).decode()}"
    return {"type": type, "name": name, "uri": url, "ext": "svg"}


def card(name: str = "Aqua", **more: Any) -> bytes:
    data = {"name": name, "description": "A keeper.", **more}
    return json.dumps({"spec": "chara_card_v3", "spec_version": "3.0", "data": data}).encode()


def with_pictures() -> bytes:
    assets = [
        asset(picture(1), "main", "icon"),
        asset(JPEG, "happy"),
        asset(SVG, "anger"),
        {"type": "emotion", "name": "sad", "uri": "https://example.com/x.png", "ext": "png"},
    ]
    return card(assets=assets)


def error_of(response: Any) -> tuple[int, str]:
    assert set(response.json()["detail"]) == {"error", "message"}
    return response.status_code, response.json()["detail"]["error"]


@pytest.fixture
def folder(tmp_path: Path) -> CardFolder:
    return CardFolder(tmp_path / "characters", most=4)


@pytest.fixture
def cast(parts: Parts, folder: CardFolder) -> Cast:
    return Cast(parts.characters, folder=folder)


@pytest.fixture
def welcoming(parts: Parts, cast: Cast) -> Iterator[Client]:
    """A server to which viewers may bring characters."""
    app = create_app(parts=replace(parts, characters=cast), store=MemoryStore(), uploads=True)
    with TestClient(app) as client:
        yield client


def ids(client: Client) -> list[str]:
    return [one["id"] for one in client.get(CHARACTERS).json()["characters"]]


def test_a_card_that_is_brought_along_can_be_watched_with_at_once(
    welcoming: Client, folder: CardFolder
) -> None:
    answer = welcoming.post(CHARACTERS, content=card(first_mes="Hello there."))
    assert answer.status_code == 201
    assert answer.json() == {
        "id": "aqua",
        "name": {"en": "Aqua"},
        "description": {"en": "A keeper."},
        "languages": ["en"],
        "examples": ["Hello there."],
        "look": None,
        "pictures": None,
    }
    assert ids(welcoming) == ["aqua", "miao"]
    assert folder.file_of("aqua").read_bytes() == card(first_mes="Hello there.")
    session = {"video_url": "library:clip.mp4", "character_id": "aqua"}
    assert welcoming.post("/api/v1/sessions", json=session).status_code == 202


def test_a_card_may_come_in_a_form(welcoming: Client) -> None:
    answer = welcoming.post(CHARACTERS, files={"file": ("aqua.json", card())})
    assert (answer.status_code, answer.json()["id"]) == (201, "aqua")
    assert error_of(welcoming.post(CHARACTERS, data={"file": "x"}, files={})) == (
        *(422, "INVALID_CHARACTER"),
    )


def test_one_that_another_program_imports_is_there_without_a_restart(
    welcoming: Client, folder: CardFolder
) -> None:
    CardFolder(folder.path).add(card("Ben"))
    session = {"video_url": "library:clip.mp4", "character_id": "ben"}
    assert welcoming.post("/api/v1/sessions", json=session).status_code == 202
    assert ids(welcoming) == ["ben", "miao"]


def test_nobody_is_replaced_unless_the_viewer_says_so(welcoming: Client) -> None:
    welcoming.post(CHARACTERS, content=card())
    other = card(personality="loud")
    assert error_of(welcoming.post(CHARACTERS, content=other)) == (409, "CHARACTER_EXISTS")
    assert welcoming.post(CHARACTERS, content=card()).status_code == 201  # the very same
    both = welcoming.post(f"{CHARACTERS}?clash=both", content=other)
    assert both.json()["id"] == "aqua-2"
    replaced = welcoming.post(f"{CHARACTERS}?clash=replace", content=other)
    assert (replaced.status_code, replaced.json()["id"]) == (201, "aqua")
    named = welcoming.post(f"{CHARACTERS}?id=miao&clash=replace", content=other)
    assert error_of(named) == (409, "CHARACTER_EXISTS")
    assert ids(welcoming) == ["aqua", "aqua-2", "miao"]


def test_what_the_operator_imported_is_replaced_by_nobody(
    welcoming: Client, folder: CardFolder
) -> None:
    folder.add(card())
    replacing = welcoming.post(f"{CHARACTERS}?clash=replace", content=card(personality="loud"))
    assert error_of(replacing) == (409, "CHARACTER_EXISTS")
    assert folder.file_of("aqua").read_bytes() == card()


def test_what_is_no_card_is_refused_and_leaves_nothing(
    welcoming: Client, folder: CardFolder
) -> None:
    for content in (b"", SVG, picture(1), b"[" * 100_000, card(name="")):
        answer = welcoming.post(CHARACTERS, content=content)
        assert error_of(answer) == (422, "INVALID_CHARACTER")
    for id in ("../../x", "A", "con"):
        answer = welcoming.post(CHARACTERS, params={"id": id}, content=card())
        assert error_of(answer) == (422, "INVALID_CHARACTER")
    answer = welcoming.post(CHARACTERS, content=bytes(MOST_BYTES + 1))
    assert error_of(answer) == (413, "REQUEST_TOO_LARGE")
    clash = welcoming.post(f"{CHARACTERS}?clash=fight", content=card())
    assert clash.json()["detail"]["error"] == "VALIDATION_ERROR"
    assert not folder.path.exists()


def test_so_many_are_kept_and_no_more(welcoming: Client) -> None:
    for n in range(4):
        assert welcoming.post(CHARACTERS, content=card(f"n{n}")).status_code == 201
    assert error_of(welcoming.post(CHARACTERS, content=card("n4"))) == (507, "STORAGE_FULL")


def test_a_server_without_uploads_or_without_a_folder_takes_none(parts: Parts, cast: Cast) -> None:
    for characters, uploads in ((cast, False), (parts.characters, True)):
        closed = create_app(
            parts=replace(parts, characters=characters), store=MemoryStore(), uploads=uploads
        )
        with TestClient(closed) as client:
            assert error_of(client.post(CHARACTERS, content=card())) == (403, "FORBIDDEN")
            assert ids(client) == ["miao"]


# --- pictures ------------------------------------------------------------------------------


def test_pictures_are_given_as_what_they_are_and_nothing_that_runs(welcoming: Client) -> None:
    told = welcoming.post(CHARACTERS, content=with_pictures()).json()["pictures"]
    assert told["emotions"] == ["joy", "excitement"]
    assert told["version"]
    (listed, _) = welcoming.get(CHARACTERS).json()["characters"]
    assert listed["pictures"] == told

    own = welcoming.get(f"{CHARACTERS}/aqua/picture")
    assert (own.status_code, own.content) == (200, picture(1))
    assert own.headers["content-type"] == "image/png"
    joy = welcoming.get(f"{CHARACTERS}/aqua/emotions/joy")
    assert (joy.headers["content-type"], joy.content) == ("image/jpeg", JPEG)
    for answer in (own, joy):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    again = welcoming.get(
        f"{CHARACTERS}/aqua/picture", headers={"If-None-Match": own.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        *("aqua/emotions/anger", "aqua/emotions/sad", "aqua/emotions/..", "aqua/emotions/hungry"),
        *("miao/picture", "nobody/picture", "..%2f..%2fetc/picture", "miao/emotions/joy"),
    ],
)
def test_where_there_is_no_picture_there_is_nothing(welcoming: Client, path: str) -> None:
    welcoming.post(CHARACTERS, content=with_pictures())
    assert error_of(welcoming.get(f"{CHARACTERS}/{path}")) == (404, "NOT_FOUND")


# --- at once -------------------------------------------------------------------------------


def test_cards_that_come_at_once_are_taken_in_a_few_at_a_time(
    parts: Parts, cast: Cast, serve: Any
) -> None:
    """Each is held in memory: eight are on their way at most, and the others come again."""
    app = create_app(parts=replace(parts, characters=cast), store=MemoryStore(), uploads=True)

    async def main() -> None:
        async with serve(app) as (_, url), asyncio.timeout(PATIENCE):
            place = urlsplit(url)
            coming = [await asyncio.open_connection(place.hostname, place.port) for _ in range(10)]
            for n, (_, writer) in enumerate(coming):
                content = card(f"n{n % 3}")
                head = [
                    f"POST {CHARACTERS}?clash=replace HTTP/1.1",
                    f"Host: {place.netloc}",
                    f"Content-Length: {len(content)}",
                ]
                writer.write("\r\n".join([*head, "", ""]).encode() + content[:-1])
            answers = [asyncio.create_task(reader.readline()) for reader, _ in coming]
            while sum(answer.done() for answer in answers) < 2:
                await asyncio.sleep(0.005)
            refused = [answer.result() for answer in answers if answer.done()]
            assert all(b" 429 " in line for line in refused)
            for (_, writer), answer in zip(coming, answers, strict=True):
                if not answer.done():
                    writer.write(b"}")
            lines = await asyncio.gather(*answers)
            assert sum(b" 201 " in line for line in lines) == 8
            for _, writer in coming:
                writer.close()

    asyncio.run(main())
