"""Somebody is brought along to the page, and has the face of their card."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from watchbuddy_core.actions import Emotion, Expression, Speak

RED, GREEN, BLUE = (200, 0, 0), (0, 150, 0), (0, 0, 200)


def picture(colour: tuple[int, int, int]) -> bytes:
    """Two pixels wide and three high."""
    rows = (b"\0" + bytes(colour) * 2) * 3
    head = struct.pack(">IIBBBBB", 2, 3, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
        for kind, body in chunks
    )


def asset(kind: str, name: str, content: bytes) -> dict[str, str]:
    url = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return {"type": kind, "name": name, "uri": url, "ext": "png"}


@pytest.fixture
def card(tmp_path: Path) -> Path:
    path = tmp_path / "aqua.json"
    data = {
        "name": "<b>Aqua</b>",
        "creator_notes": "<img src=x onerror=alert(1)>Keeps a well.",
        "first_mes": "Sit down with me.",
        "assets": [
            asset("icon", "main", picture(RED)),
            asset("emotion", "neutral", picture(GREEN)),
            asset("emotion", "happy", picture(BLUE)),
            asset("emotion", "anger", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ],
    }
    path.write_text(json.dumps({"spec": "chara_card_v3", "spec_version": "3.0", "data": data}))
    return path


def shown(page: Any, where: str) -> list[int]:
    """The colour of the picture that stands for a face."""
    return list(
        page.evaluate(
            """async (where) => {
                const image = new Image();
                image.src = document.querySelector(`${where} .picture`).getAttribute("href");
                await image.decode();
                const canvas = new OffscreenCanvas(1, 1).getContext("2d");
                canvas.drawImage(image, 0, 0);
                return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
            }""",
            where,
        )
    )


def test_a_card_is_brought_along_and_watches_with_the_faces_that_it_has(
    house: Any, viewer: Any, card: Path
) -> None:
    page = viewer.page
    page.goto(house.url)
    page.wait_for_selector(".card")
    page.set_input_files(".bring-card", card)
    page.wait_for_selector(".card .pictured")
    chosen = page.locator(".card:has(:checked)")
    assert chosen.locator(".name").inner_text() == "<b>Aqua</b>"
    assert chosen.locator(".about").inner_text() == "Keeps a well."
    assert page.evaluate("document.activeElement.value") == "b-aqua-b"
    assert shown(page, ".card:has(:checked)") == [*GREEN]
    assert page.locator(".card .pictured").count() == 1

    joy = Expression(trigger_timestamp=0.5, emotion=Emotion.JOY)
    anger = Expression(trigger_timestamp=20.0, emotion=Emotion.ANGER)
    line = Speak(trigger_timestamp=20.5, text="Look! " * 20)
    viewer.watch(house.url, house.session(joy, anger, line, character="b-aqua-b"))
    page.wait_for_selector(".buddy .picture[data-emotion=joy]")
    assert shown(page, ".buddy") == [*BLUE]
    viewer.set_video("currentTime", 19.8)
    viewer.wait_for(anger)
    page.wait_for_selector(".buddy .picture[data-emotion=neutral]")
    assert shown(page, ".buddy") == [*GREEN]
    page.wait_for_selector(".buddy .face.speaking")
    assert page.locator(".buddy .breath").is_hidden()


def test_who_is_there_already_is_replaced_only_where_the_viewer_says_so(
    house: Any, viewer: Any, card: Path
) -> None:
    page = viewer.page
    page.goto(house.url)
    page.wait_for_selector(".card")
    for text in ("first", "second"):
        page.evaluate(
            """(text) => {
                const dataTransfer = new DataTransfer();
                const card = JSON.stringify({ name: "Miao", description: text });
                dataTransfer.items.add(new File([card], "miao.json"));
                document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
            }""",
            text,
        )
        page.get_by_role("button", name="Keep both").click()
        viewer.wait(f"document.querySelector('.card:has(:checked) .about').innerText === '{text}'")
    ids = "[...document.querySelectorAll('.card input')].map(({value}) => value)"
    assert {"miao", "miao-2", "miao-3"} <= set(page.evaluate(ids))
    card.write_text("[]")
    page.set_input_files(".bring-card", card)
    viewer.wait("document.querySelector('.bring .refusal').textContent !== ''")
    assert "no character card" in page.locator(".bring .refusal").inner_text()
    assert page.get_by_role("button", name="Keep both").is_hidden()
