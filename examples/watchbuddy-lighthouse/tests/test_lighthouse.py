"""The characters can be read, and have something to say."""

import asyncio

import pytest
from watchbuddy_lighthouse import PEOPLE

from watchbuddy_core.actions import Speak
from watchbuddy_core.character import Character
from watchbuddy_core.characters import load_folder
from watchbuddy_core.generation.offline import OfflineGenerator
from watchbuddy_core.testing import briefs_for


def test_both_are_there() -> None:
    assert [character.id for character in load_folder(PEOPLE)] == ["gull", "keeper"]


@pytest.mark.parametrize("character", load_folder(PEOPLE), ids=lambda one: one.id)
def test_each_has_words_for_a_film(character: Character) -> None:
    async def lines() -> list[str]:
        return [
            draft.action.text
            for brief in briefs_for(character)
            async for draft in OfflineGenerator().generate(brief)
            if isinstance(draft.action, Speak)
        ]

    assert len(asyncio.run(lines())) >= 10
