"""A generator that takes its time, and writes down each time that it is asked."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from math import ceil
from random import Random

from watchbuddy_core.actions import (
    Action,
    Draft,
    EndReaction,
    Expression,
    ReplaySegment,
    Seek,
    Speak,
)
from watchbuddy_core.entries import Usage
from watchbuddy_core.protocols import Brief

JUMPS: Mapping[str, Action] = {
    "a jump back": Seek(trigger_timestamp=46.6, target_timestamp=44.0),
    "a replay": ReplaySegment(trigger_timestamp=46.6, start_timestamp=42.5, end_timestamp=45.0),
}
"""What viewers may wish for, by the words that they do it in.

They lead back less far than is played in the five seconds for which a landing is waited for: who
tells nothing of it, and was away just then, may be taken for a user who sought back otherwise,
and hears again what lies between. No line comes with a jump: it would be said once a session."""
_STEP = 3
"""Media seconds from one line to the next: more than placement keeps."""
_EMOTIONS = ("joy", "surprise", "sad", "pride", "shy", "worry")
_ANSWER_LINES = 3
_COST = 0.001


class Unhurried:
    """Says the same of the same window whenever it is asked, and the same to the same message.

    Args:
        calls: the file that each call is noted in, before anything is yielded and at its end.
        seconds: how long one window takes, or one answer.
    """

    def __init__(self, *, calls: str, seconds: float) -> None:
        self._calls = calls
        self._seconds = seconds

    async def generate(self, brief: Brief) -> AsyncIterator[Draft]:
        async with aclosing(self._make(brief, brief.window.index, _drafts(brief))) as drafts:
            async for draft in drafts:
                yield draft

    async def reply(self, brief: Brief, message: str) -> AsyncIterator[Draft]:
        async with aclosing(self._make(brief, message, _answer(message))) as drafts:
            async for draft in drafts:
                yield draft

    async def _make(
        self, brief: Brief, wanted: int | str, drafts: Sequence[Draft]
    ) -> AsyncGenerator[Draft]:
        self._note("begun", brief, wanted)
        most = Usage(calls=1, cost=_COST)
        async with brief.desk.paying("unhurried", most) as payment:
            payment.used = most
            for draft in drafts:
                await asyncio.sleep(self._seconds / len(drafts))
                yield draft
        self._note("ended", brief, wanted)

    def _note(self, what: str, brief: Brief, wanted: int | str) -> None:
        line = json.dumps([time.monotonic(), what, brief.wish, wanted, os.getpid()])
        with open(self._calls, "a", encoding="ascii") as file:
            file.write(f"{line}\n")
            file.flush()
            os.fsync(file.fileno())


def _drafts(brief: Brief) -> list[Draft]:
    window = brief.window
    drafts: list[Draft] = []
    for at in range(ceil(window.start), int(window.end), _STEP):
        chance = Random(at)
        importance = round(chance.random(), 3)
        line = Speak(trigger_timestamp=float(at), text=_line(chance))
        face = Expression(trigger_timestamp=float(at), emotion=chance.choice(_EMOTIONS))
        drafts += [Draft(action=line, importance=importance), Draft(action=face)]
    for wish, jump in JUMPS.items():
        if wish in brief.wish and window.start <= jump.trigger_timestamp < window.end:
            drafts.append(Draft(action=jump))
    if brief.is_last:
        drafts.append(Draft(action=EndReaction(trigger_timestamp=window.end - 1.5)))
    return drafts


def _answer(message: str) -> list[Draft]:
    chance = Random(message)
    return [
        Draft(action=Speak(trigger_timestamp=0.0, text=_line(chance))) for _ in range(_ANSWER_LINES)
    ]


def _line(chance: Random) -> str:
    return f"{_word(chance)} {_word(chance)}.".capitalize()


def _word(chance: Random) -> str:
    """Of no language: no word of it is in a subtitle, or in another line."""
    return "".join(chance.choice("bdfgklmnprtvz") + chance.choice("aeiou") for _ in range(3))
