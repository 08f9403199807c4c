"""What is written over the film is text, and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from watchbuddy_mpv import Mpv, Screen
from watchbuddy_mpv.screen import escaped

pytestmark = pytest.mark.anyio

HOSTILE = [
    r"{\pos(0,0)\fs400}boo",
    r"one\Ntwo\hthree",
    r"\{\fs400}",
    "\\\\{\\fs400}",
    '"]}\n{"command": ["quit"]}\nset pause yes',
    "${path} ${=pause}",
    "one\r\x0b\x85\u2028two",
    "\u202eevil",
    "\x1b]0;title\x07",
    "{\\an2}" * 50,
]


class Recording(Mpv):
    """Keeps what it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self.told: list[tuple[Sequence[object], Mapping[str, object]]] = []

    def ask(self, *words: object, then: Any = None, **named: object) -> None:
        self.told.append((words, named))
        super().ask(*words, then=then, **named)


@pytest.mark.parametrize("text", HOSTILE)
async def test_no_line_can_be_more_than_one_request(text, tmp_path) -> None:
    """An mpv that writes down what reaches it."""
    lines: list[bytes] = []
    ended = asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.extend([line async for line in reader])
        writer.close()
        ended.set()

    async with await asyncio.start_unix_server(take, tmp_path / "mpv"):
        async with Mpv.at(tmp_path / "mpv") as mpv, Screen(mpv).line(text):
            pass
        await ended.wait()
    shown, cleared = [json.loads(line)["command"] for line in lines]
    assert (shown["name"], cleared["name"]) == ("osd-overlay", "osd-overlay")
    assert (shown["format"], cleared["format"]) == ("ass-events", "none")
    assert shown["data"].isprintable() or "\ufeff" in shown["data"]


async def test_each_is_drawn_as_it_stands_there(opened) -> None:
    """mpv tells which part of the screen it covers. What steers would make it higher, or move
    it; what is text is as high as other text, in the same place."""
    async with opened() as socket, Recording.at(socket) as mpv:
        assert isinstance(mpv, Recording)

        async def covered(text: str) -> Mapping[str, float]:
            async with Screen(mpv).line(text):
                told = mpv.told[-1]
            bounds: Mapping[str, float] = await mpv.command(
                *told[0], **told[1], compute_bounds=True
            )
            return bounds

        harmless = await covered("Ág{}")
        for text in HOSTILE:
            drawn = await covered(text[:40])
            assert abs(drawn["y1"] - harmless["y1"]) < 10, text
            assert abs((drawn["x0"] + drawn["x1"]) / 2 - 640) < 20, text


def test_a_text_without_anything_special_stays_as_it_is() -> None:
    assert escaped("“你好”, she said… 🙂") == "“你好”, she said… 🙂"
