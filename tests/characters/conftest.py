"""A film in which everything happens, and the lines that are drafted for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest

from watchbuddy_core.actions import Speak
from watchbuddy_core.character import Character
from watchbuddy_core.generation.offline import OfflineGenerator
from watchbuddy_core.protocols import Brief
from watchbuddy_core.video import Chapter, Cue, Scene, Sound, Understanding, Window

MINUTES = 20
LENGTH = 60.0 * MINUTES

TOLD = {
    "en": (
        ("The keeper's winter notebook, number {n}, lists forty ships.", "Ada"),
        ("Who carried the lantern up the tower?", "Ben"),
        ("Nobody believed the frozen harbour would open!!", "Ada"),
        ("The grandmother wrote letters to strangers every evening.", None),
        ("Haha, page {n}, exactly.", None),
    ),
    "zh": (
        ("第{n}本日记里写着四十条船的名字，都是冬天", "阿珍"),
        ("这就是他提上去的灯笼吗？", "老林"),
        ("港口结冰的冬天，全村守着那座最老的灯塔！！", "阿珍"),
        ("他说这叫做守灯人", None),
        ("哈哈哈，第{n}页，没错。", None),
    ),
}
"""What is said in each minute, and by whom; {n} is the minute."""


def _cues(language: str) -> Iterator[Cue]:
    """Most of each minute has something to hear; every fourth minute has nothing."""
    for n in range(MINUTES):
        if n % 4 == 3:
            continue
        minute = 60.0 * n
        mark = ("door slams", "laughs", "theme music")[n % 4]
        yield Cue(start=minute + 5, end=minute + 6, text="", sounds=(mark,))
        # Each minute begins with another sentence: so all of them have their turn.
        for i in range(len(TOLD[language])):
            text, speaker = TOLD[language][(i + n) % len(TOLD[language])]
            start = minute + 14 + 9 * i
            yield Cue(start=start, end=start + 2.5, text=text.format(n=n + 1), speaker=speaker)


def _scenes() -> Iterator[Scene]:
    """Three cuts in each minute, and a picture that stands still in the quiet ones."""
    for n in range(MINUTES):
        minute = 60.0 * n
        is_still = n % 4 == 3
        for start, end in ((0.0, 10.0), (10.0, 25.0), (25.0, 60.0)):
            yield Scene(
                start=minute + start,
                end=minute + end,
                change=0.5 if is_still else 0.9,
                motion=0.02 if is_still else 0.6,
            )


def _sounds() -> Iterator[Sound]:
    """Every other minute a burst, and in the others a hush."""
    for n in range(MINUTES):
        at = 60.0 * n + 31
        if n % 2:
            yield Sound(kind="quiet", start=at, end=at + 6, level=-24.0)
        else:
            yield Sound(kind="loud", start=at, end=at + 2, level=10.0 + n)


@pytest.fixture(scope="session")
def films() -> Mapping[str, Understanding]:
    """By language: twenty minutes with every kind of moment."""
    return {
        language: Understanding(
            start=0.0,
            end=LENGTH,
            cues=tuple(_cues(language)),
            scenes=tuple(_scenes()),
            sounds=tuple(_sounds()),
            chapters=tuple(
                Chapter(start=240.0 * i + 8, end=240.0 * (i + 1) + 8, title=f"Part {i + 1}")
                for i in range(4)
            ),
            language=language,
        )
        for language in TOLD
    }


@pytest.fixture(scope="session")
def lines_of() -> Callable[[Character, Understanding], list[str]]:
    """What a character would say to a film, all of it, in order."""

    def said(character: Character, film: Understanding) -> list[str]:
        brief = Brief(
            title="The Lamp",
            window=Window(index=0, start=film.start, end=film.end),
            range_start=film.start,
            range_end=film.end,
            understanding=film,
            character=character,
        )

        async def drafted() -> list[str]:
            return [
                draft.action.text
                async for draft in OfflineGenerator().generate(brief)
                if isinstance(draft.action, Speak)
            ]

        return asyncio.run(drafted())

    return said
