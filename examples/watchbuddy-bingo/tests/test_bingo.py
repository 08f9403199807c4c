"""It keeps to the contract of generators, and calls what was said."""

import asyncio

from watchbuddy_bingo import BingoGenerator

from watchbuddy_core.actions import Speak
from watchbuddy_core.testing import briefs_for, check_generator


def test_it_is_a_generator() -> None:
    asyncio.run(check_generator(BingoGenerator(), deterministic=True))
    asyncio.run(check_generator(BingoGenerator(["lamp", "ladder"]), deterministic=True))


def test_it_calls_a_word_when_it_has_been_said() -> None:
    async def lines() -> list[Speak]:
        return [
            draft.action
            for brief in briefs_for()
            async for draft in BingoGenerator(["ladder"]).generate(brief)
            if isinstance(draft.action, Speak)
        ]

    called = asyncio.run(lines())
    assert called
    assert {line.text for line in called} == {"Bingo! “ladder”."}
