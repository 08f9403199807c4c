"""What is written over the film: lines, faces and notes, each in a place of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum

from watchbuddy_mpv.ipc import Mpv

_WIDTH, _HEIGHT = 1280, 720
"""The sizes below are parts of a screen of so many dots, however large it is."""


class Place(IntEnum):
    """One thing can be written in each at a time."""

    LINE = 1
    FACE = 2
    NOTE = 3


_STYLES = {
    Place.LINE: r"{\an8\fs44\bord2.5\shad0}",
    Place.FACE: r"{\an9\fs30\bord2\shad0\i1}",
    Place.NOTE: r"{\an7\fs26\bord2\shad0}",
}
"""At the top, where subtitles are not: in the middle, at the right, at the left."""


class Screen:
    """Writes over what mpv shows. What it is given to write is text, whatever is in it.

    mpv knows two ways: `show-text` expands `${…}`, `osd-overlay` draws ASS. The latter is
    taken, since text for it can be escaped, and it stays for as long as it is wanted.
    """

    def __init__(self, mpv: Mpv) -> None:
        self._mpv = mpv
        self._clearing: dict[Place, asyncio.TimerHandle] = {}

    @asynccontextmanager
    async def line(self, text: str) -> AsyncIterator[None]:
        """A line stands there for as long as the context lasts."""
        self._write(Place.LINE, text)
        try:
            yield
        finally:
            self._clear(Place.LINE)

    def face(self, emotion: str, *, seconds: float = 3.0) -> None:
        """How the companion feels, for a while."""
        self._write(Place.FACE, emotion.replace("_", " "))
        self._clear_in(seconds, Place.FACE)

    def note(self, text: str, *, seconds: float = 5.0) -> None:
        """Something about the watching itself; the next takes its place."""
        self._write(Place.NOTE, text)
        self._clear_in(seconds, Place.NOTE)

    def clear(self) -> None:
        for place in Place:
            self._clear(place)

    def _write(self, place: Place, text: str) -> None:
        self._forget(place)
        self._mpv.ask(
            "osd-overlay",
            id=int(place),
            format="ass-events",
            data=_STYLES[place] + escaped(text),
            res_x=_WIDTH,
            res_y=_HEIGHT,
        )

    def _clear(self, place: Place) -> None:
        self._forget(place)
        self._mpv.ask("osd-overlay", id=int(place), format="none", data="")

    def _clear_in(self, seconds: float, place: Place) -> None:
        loop = asyncio.get_running_loop()
        self._clearing[place] = loop.call_later(seconds, self._clear, place)

    def _forget(self, place: Place) -> None:
        if (clearing := self._clearing.pop(place, None)) is not None:
            clearing.cancel()


def escaped(text: str) -> str:
    r"""The text, to be drawn as it is.

    ASS knows no escape for a backslash: what follows it is kept apart by a sign without a
    width, as mpv's own scripts do. What does not print is a space; a line break would begin
    another event, and others turn the direction of what follows.
    """
    printed = "".join(sign if sign.isprintable() else " " for sign in text)
    return printed.replace("\\", "\\\ufeff").replace("{", "\\{").replace("}", "\\}")
