"""A generator that takes its time, and writes down each time that it is asked."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from math import ceil
from random import Random

from watchbuddy_core.actions import Draft, EndReaction, Expression, Speak
from watchbuddy_core.entries import Usage
from watchbuddy_core.protocols import Brief

_STEP = 3
"""Media seconds from one line to the next: more than placement keeps."""
_EMOTIONS = ("joy", "surprise", "sad", "pride", "shy", "worry")
_COST = 0.001


class Unhurried:
    """Says the same of the same window whenever it is asked.

    Args:
        calls: the file that each call is noted in, before anything is yielded and at its end.
        seconds: how long one window takes.
    """

    def __init__(self, *, calls: str, seconds: float) -> None:
        self._calls = calls
        self._seconds = seconds

    async def generate(self, brief: Brief) -> AsyncIterator[Draft]:
        self._note("begun", brief)
        most = Usage(calls=1, cost=_COST)
        async with brief.desk.paying("unhurried", most) as payment:
            payment.used = most
            drafts = list(_drafts(brief))
            for draft in drafts:
                await asyncio.sleep(self._seconds / len(drafts))
                yield draft
        self._note("ended", brief)

    def _note(self, what: str, brief: Brief) -> None:
        line = json.dumps([time.monotonic(), what, brief.wish, brief.window.index, os.getpid()])
        with open(self._calls, "a", encoding="ascii") as file:
            file.write(f"{line}\n")
            file.flush()
            os.fsync(file.fileno())


def _drafts(brief: Brief) -> list[Draft]:
    window = brief.window
    drafts: list[Draft] = []
    for at in range(ceil(window.start), int(window.end), _STEP):
        chance = Random(at)
        words = " ".join(_word(chance) for _ in range(2))
        importance = round(chance.random(), 3)
        line = Speak(trigger_timestamp=float(at), text=f"{words.capitalize()}.")
        face = Expression(trigger_timestamp=float(at), emotion=chance.choice(_EMOTIONS))
        drafts += [Draft(action=line, importance=importance), Draft(action=face)]
    if brief.is_last:
        drafts.append(Draft(action=EndReaction(trigger_timestamp=window.end - 1.5)))
    return drafts


def _word(chance: Random) -> str:
    """Of no language: no word of it is in a subtitle, or in another line."""
    return "".join(chance.choice("bdfgklmnprtvz") + chance.choice("aeiou") for _ in range(3))
