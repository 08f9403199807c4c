"""Made-up films, told as what would be understood of them, and their scripts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random

import pytest

from watchbuddy_core.actions import Draft
from watchbuddy_core.character import Character
from watchbuddy_core.characters import built_in
from watchbuddy_core.generation.offline import OfflineGenerator
from watchbuddy_core.protocols import Brief
from watchbuddy_core.video import Chapter, Cue, Scene, Sound, Understanding, Window

LENGTH = 1200.0
GRID = (0.0, 45.0, *(165.0 + 120 * i for i in range(9)), LENGTH)

SENTENCES = {
    "en": (
        "We started with almost nothing, a garage and two computers.",
        "What would you have done in our place?",
        "I could not believe it!",
        "The committee rejected the proposal three times, and then the winter came early.",
        "Nobody expected the lighthouse",
        "to survive until the following spring.",
        "The secret ingredient was patience.",
        "And where do you think we found it?",
        "Haha, exactly.",
    ),
    "zh": (
        "我们当时只有一个车库和两台旧电脑。",
        "换作是你会怎么办？",
        "我简直不敢相信！",
        "委员会一连三次否决了这个方案，而那一年的冬天来得特别早。",
        "没有人想到灯塔能熬过那个冬天",
        "这就是我们的秘密",
        "你们猜后来怎么样了呢",
        "哈哈哈 没错",
    ),
}


def _talk(language: str) -> Understanding:
    random = Random(1)
    cues: list[Cue] = []
    at = 4.0
    while at < LENGTH - 6:
        end = round(at + random.uniform(1.5, 4), 3)
        speaker = "Ada" if len(cues) % 4 == 0 else None
        text = random.choice(SENTENCES[language])
        cues.append(Cue(start=at, end=end, text=text, speaker=speaker))
        at = round(end + random.choice([0.1, 0.4, 1.0, 4.0]), 3)
    return Understanding(start=0.0, end=LENGTH, cues=tuple(cues), language=language)


def _silent_film() -> Understanding:
    random = Random(2)
    cuts = [0.0]
    while cuts[-1] < LENGTH:
        cuts.append(min(cuts[-1] + random.choice([2.0, 5.0, 8.0, 15.0, 70.0]), LENGTH))
    scenes = tuple(
        Scene(
            start=a,
            end=b,
            change=round(random.uniform(0.3, 1.0), 3),
            motion=0.02 if b - a > 40 else 0.6,
        )
        for a, b in pairwise(cuts)
    )
    return Understanding(start=0.0, end=LENGTH, scenes=scenes, has_sound=False)


def _action_film() -> Understanding:
    random = Random(3)
    sounds: list[Sound] = []
    cues: list[Cue] = []
    for i in range(80):
        at = 10.0 + 14.5 * i
        kind = random.choice(["loud", "silence", "quiet"])
        level = random.uniform(8, 22) if kind == "loud" else -random.uniform(12, 35)
        end = at + random.choice([1.0, 5.0])
        sounds.append(Sound.model_validate({"kind": kind, "start": at, "end": end, "level": level}))
        mark = random.choice(["door slams", "laughs", "♪", "thunder", "theme music"])
        text = random.choice(["", "", "Get down!", "Where is everybody?"])
        cues.append(Cue(start=at + 7, end=at + 8, text=text, sounds=(mark,)))
    chapters = tuple(
        Chapter(start=300.0 * i, end=300.0 * (i + 1), title=f"Part {i + 1}") for i in range(4)
    )
    return Understanding(
        start=0.0,
        end=LENGTH,
        sounds=tuple(sounds),
        cues=tuple(cues),
        scenes=_silent_film().scenes,
        chapters=chapters,
    )


FILMS = {
    "an English talk": _talk("en"),
    "a Chinese talk": _talk("zh"),
    "a silent film": _silent_film(),
    "an action film": _action_film(),
    "nothing at all": Understanding(start=0.0, end=LENGTH, has_sound=False, has_picture=False),
}


@pytest.fixture(scope="session")
def films() -> dict[str, Understanding]:
    return FILMS


@pytest.fixture(params=FILMS.values(), ids=FILMS.keys())
def film(request: pytest.FixtureRequest) -> Understanding:
    """Each of the films in turn."""
    known: Understanding = request.param
    return known


@pytest.fixture(scope="session")
def miao() -> Character:
    (found,) = (character for character in built_in() if character.id == "miao")
    return found


def known_until(film: Understanding, end: float) -> Understanding:
    """What is known of a film where a window ends."""
    return film.model_copy(
        update={
            "end": end,
            "cues": tuple(c for c in film.cues if c.start < end),
            "chapters": tuple(c for c in film.chapters if c.start < end),
            "sounds": tuple(
                s.model_copy(update={"end": min(s.end, end)}) for s in film.sounds if s.start < end
            ),
            "scenes": tuple(
                s.model_copy(update={"end": min(s.end, end)}) for s in film.scenes if s.start < end
            ),
        }
    )


@pytest.fixture
def briefs(miao: Character) -> Callable[..., list[Brief]]:
    """The briefs for a film, window by window."""

    def make(
        film: Understanding,
        wish: str = "",
        *,
        grid: Sequence[float] = GRID,
        character: Character = miao,
        language: str | None = None,
    ) -> list[Brief]:
        return [
            Brief(
                title="The Lighthouse",
                window=Window(index=index, start=start, end=end),
                range_start=grid[0],
                range_end=grid[-1],
                understanding=known_until(film, end),
                character=character,
                wish=wish,
                language=language,
            )
            for index, (start, end) in enumerate(pairwise(grid))
        ]

    return make


@pytest.fixture
def drafts_of() -> Callable[[Brief], list[Draft]]:
    """What the generator drafts for one brief."""

    def collect(brief: Brief) -> list[Draft]:
        async def run() -> list[Draft]:
            return [draft async for draft in OfflineGenerator().generate(brief)]

        return asyncio.run(run())

    return collect


@pytest.fixture(scope="session")
def scripts() -> dict[tuple[object, ...], tuple[Understanding, list[Draft]]]:
    """The scripts made so far; the film is kept, so that its id stays its own."""
    return {}


@pytest.fixture
def script(
    briefs: Callable[..., list[Brief]],
    drafts_of: Callable[[Brief], list[Draft]],
    scripts: dict[tuple[object, ...], tuple[Understanding, list[Draft]]],
) -> Callable[..., list[Draft]]:
    """All drafts for a film, in order of the windows. The same is made once in a run."""

    def make(film: Understanding, wish: str = "", **options: object) -> list[Draft]:
        key = (id(film), wish, repr(options))
        if key not in scripts:
            made = [draft for brief in briefs(film, wish, **options) for draft in drafts_of(brief)]
            scripts[key] = (film, made)
        return scripts[key][1]

    return make
