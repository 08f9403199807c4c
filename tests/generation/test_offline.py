"""The companion without a model, over made-up films that are known to the tests alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from watchbuddy_core.actions import Draft, EndReaction, PauseVideo, ReplaySegment, Speak
from watchbuddy_core.character import Character
from watchbuddy_core.characters import built_in
from watchbuddy_core.generation.offline import OfflineGenerator
from watchbuddy_core.protocols import ActionGenerator, Brief, Spoken, WishReader
from watchbuddy_core.video import Chapter, Cue, Scene, Sound, Understanding, Window

LENGTH = 1200.0
BORDERS = [0.0, 45.0, *(165.0 + 120 * i for i in range(9)), LENGTH]
API_EXAMPLE = "你是个可爱的猫娘，你说的每句话都会以 “喵～～” 结尾"


@pytest.fixture(scope="module")
def miao() -> Character:
    (found,) = (character for character in built_in() if character.id == "miao")
    return found


# --- films -----------------------------------------------------------------------------------

SENTENCES = {
    "en": [
        "We started with almost nothing, a garage and two computers.",
        "What would you have done in our place?",
        "I could not believe it!",
        "The committee rejected the proposal three times.",
        "Nobody expected the lighthouse to survive the winter.",
        "The secret ingredient was patience.",
    ],
    "zh": [
        "我们当时只有一个车库和两台旧电脑。",
        "换作是你会怎么办？",
        "我简直不敢相信！",
        "委员会一连三次否决了这个方案。",
        "没有人想到灯塔能熬过那个冬天。",
        "秘密配方其实就是耐心。",
    ],
}


def talk(language: str) -> Understanding:
    random = Random(1)
    cues, at = [], 4.0
    while at < LENGTH - 6:
        end = at + random.uniform(2, 4)
        number = len(cues)
        text = random.choice(SENTENCES[language])
        cues.append(Cue(start=at, end=end, text=text, speaker="Ada" if number % 4 == 0 else None))
        at = end + random.choice([0.4, 1.0, 4.0, 8.0])
    return Understanding(start=0.0, end=LENGTH, cues=tuple(cues), language=language)


def silent_film() -> Understanding:
    random = Random(2)
    cuts = [0.0]
    while cuts[-1] < LENGTH:
        cuts.append(min(cuts[-1] + random.choice([3.0, 8.0, 15.0, 70.0]), LENGTH))
    scenes = tuple(
        Scene(start=a, end=b, change=0.8, motion=0.02 if b - a > 40 else 0.6)
        for a, b in pairwise(cuts)
    )
    return Understanding(start=0.0, end=LENGTH, scenes=scenes, has_sound=False)


def action_film() -> Understanding:
    random = Random(3)
    sounds, cues = [], []
    for i in range(80):
        at = 10.0 + 14.5 * i
        kind = random.choice(["loud", "silence", "quiet"])
        level = 18.0 if kind == "loud" else -30.0
        sounds.append(Sound(kind=kind, start=at, end=at + random.choice([1.0, 5.0]), level=level))
        mark = random.choice(["door slams", "laughs", "♪", "thunder"])
        cues.append(Cue(start=at + 7, end=at + 8, text="", sounds=(mark,)))
    chapters = tuple(
        Chapter(start=300.0 * i, end=300.0 * (i + 1), title=f"Part {i + 1}") for i in range(4)
    )
    return Understanding(
        start=0.0, end=LENGTH, sounds=tuple(sounds), cues=tuple(cues), chapters=chapters
    )


def nothing() -> Understanding:
    return Understanding(start=0.0, end=LENGTH, has_sound=False, has_picture=False)


FILMS = {
    "a talk": talk("en"),
    "a Chinese talk": talk("zh"),
    "a silent film": silent_film(),
    "an action film": action_film(),
    "nothing": nothing(),
}


def known_until(film: Understanding, end: float) -> Understanding:
    """What is known of a film at a window's end."""
    return film.model_copy(
        update={
            "end": end,
            "cues": tuple(cue for cue in film.cues if cue.start < end),
            "sounds": tuple(s for s in film.sounds if s.end <= end),
            "scenes": tuple(
                scene.model_copy(update={"end": min(scene.end, end)})
                for scene in film.scenes
                if scene.start < end
            ),
            "chapters": tuple(c for c in film.chapters if c.start < end),
        }
    )


def briefs(film: Understanding, character: Character, wish: str = "") -> Iterator[Brief]:
    for index, (start, end) in enumerate(pairwise(BORDERS)):
        yield Brief(
            title="A film",
            window=Window(index=index, start=start, end=end),
            range_start=0.0,
            range_end=LENGTH,
            understanding=known_until(film, end),
            character=character,
            wish=wish,
        )


def drafts(film: Understanding, character: Character, wish: str = "") -> list[Draft]:
    async def collect() -> list[Draft]:
        generator = OfflineGenerator()
        return [
            draft
            for brief in briefs(film, character, wish)
            async for draft in generator.generate(brief)
        ]

    return asyncio.run(collect())


def lines(found: list[Draft]) -> list[Speak]:
    return [draft.action for draft in found if isinstance(draft.action, Speak)]


every_film = pytest.mark.parametrize("film", FILMS.values(), ids=FILMS.keys())


# --- what holds for every film ---------------------------------------------------------------


def test_it_is_a_generator_and_reads_wishes() -> None:
    assert isinstance(OfflineGenerator(), ActionGenerator)
    assert isinstance(OfflineGenerator(), WishReader)


@every_film
def test_the_same_film_gives_the_same_script(film: Understanding, miao: Character) -> None:
    def content(found: list[Draft]) -> list[dict[str, object]]:
        return [draft.model_dump(exclude={"action": {"id"}}) for draft in found]

    assert content(drafts(film, miao)) == content(drafts(film, miao))


@every_film
def test_nothing_is_drafted_outside_its_window_or_before_its_evidence(
    film: Understanding, miao: Character
) -> None:
    async def check() -> None:
        for brief in briefs(film, miao):
            async for draft in OfflineGenerator().generate(brief):
                at = draft.action.trigger_timestamp
                assert brief.window.start <= at < brief.window.end
                assert at <= LENGTH - 1.0
                assert draft.evidence_until is not None
                assert draft.evidence_until <= at
                for cue in draft.cues:
                    assert brief.understanding.cues[cue].start <= at

    asyncio.run(check())


@every_film
def test_twenty_minutes_do_not_repeat_a_line(film: Understanding, miao: Character) -> None:
    said = [line.text for line in lines(drafts(film, miao))]
    assert len(set(said)) == len(said)


@every_film
def test_there_is_enough_to_choose_from_and_the_best_stand_out(
    film: Understanding, miao: Character
) -> None:
    found = drafts(film, miao)
    per_minute = len(lines(found)) / (LENGTH / 60)
    assert 2.0 <= per_minute <= 10.0
    assert {draft.importance for draft in found} != {0.5}


@every_film
def test_it_says_goodbye_once_at_the_end(film: Understanding, miao: Character) -> None:
    found = drafts(film, miao)
    assert isinstance(found[-1].action, EndReaction)
    assert sum(isinstance(draft.action, EndReaction) for draft in found) == 1
    assert LENGTH - 10 < lines(found)[-1].trigger_timestamp < found[-1].action.trigger_timestamp


@every_film
def test_a_long_quote_comes_at_most_once_a_minute(film: Understanding, miao: Character) -> None:
    last = -60.0
    for line in lines(drafts(film, miao)):
        for quote in re.findall("“([^”]*)”", line.text):
            han = len(re.findall("[\u4e00-\u9fff]", quote))
            words = len(re.sub("[\u4e00-\u9fff]", "", quote).split())
            if han > 12 or words > 6:
                assert line.trigger_timestamp - last >= 60
                last = line.trigger_timestamp


@every_film
def test_faces_come_with_most_lines(film: Understanding, miao: Character) -> None:
    found = drafts(film, miao)
    faces = [d.action.trigger_timestamp for d in found if d.action.action_type == "EXPRESSION"]
    said = lines(found)
    assert sum(line.trigger_timestamp in faces for line in said) >= 0.9 * len(said)


def test_a_replay_shows_what_was_just_seen_and_comes_now_and_then(miao: Character) -> None:
    found = drafts(FILMS["an action film"], miao)
    replays = [d.action for d in found if isinstance(d.action, ReplaySegment)]
    assert 2 <= len(replays) <= LENGTH / 300 + 1
    for replay in replays:
        assert 1.5 <= replay.end_timestamp - replay.start_timestamp <= 6
        assert replay.end_timestamp < replay.trigger_timestamp < replay.end_timestamp + 10
    for one, other in pairwise(replays):
        assert other.trigger_timestamp - one.trigger_timestamp >= 290


def test_a_weighty_silence_stops_the_video_now_and_then(miao: Character) -> None:
    found = drafts(FILMS["an action film"], miao)
    pauses = [d.action for d in found if isinstance(d.action, PauseVideo)]
    assert 1 <= len(pauses) <= LENGTH / 120
    assert all(1 <= pause.duration_seconds <= 3 for pause in pauses)


# --- language and wishes ---------------------------------------------------------------------


def is_chinese(text: str) -> bool:
    spoken = re.sub("“[^”]*”|《[^》]*》", "", text)
    return bool(re.search("[\u4e00-\u9fff]", spoken))


def test_it_speaks_the_language_of_the_film_unless_asked_otherwise(miao: Character) -> None:
    assert not any(is_chinese(line.text) for line in lines(drafts(FILMS["a talk"], miao)))
    for film, wish in [
        (FILMS["a talk"], "说中文"),
        (FILMS["a Chinese talk"], ""),
        (FILMS["nothing"], ""),
    ]:
        assert all(is_chinese(line.text) for line in lines(drafts(film, miao, wish)))


def test_the_wish_of_the_api_document_is_followed_in_every_line(miao: Character) -> None:
    said = lines(drafts(FILMS["an action film"], miao, API_EXAMPLE))
    assert said
    assert all(line.text.endswith("喵～～") for line in said)
    assert not any(re.search("[。！？…]喵～～$", line.text) for line in said)


def test_what_it_cannot_follow_it_says(miao: Character) -> None:
    (note,) = OfflineGenerator().notes(API_EXAMPLE, miao)
    assert "你是个可爱的猫娘" in note
    (note,) = OfflineGenerator().notes("talk like a pirate, please", miao)
    assert "talk like a pirate" in note
    assert OfflineGenerator().notes("每句话以“喵”结尾", miao) == ()


def test_a_character_without_phrases_is_silent_and_leaves_at_the_end() -> None:
    mute = Character(id="mute", name={"en": "Mute"})
    (only,) = drafts(FILMS["a talk"], mute)
    assert isinstance(only.action, EndReaction)


def test_lines_that_were_just_said_are_not_said_again(miao: Character) -> None:
    first, *_ = briefs(FILMS["nothing"], miao)

    async def collect(brief: Brief) -> list[Draft]:
        return [draft async for draft in OfflineGenerator().generate(brief)]

    opening = lines(asyncio.run(collect(first)))[0]
    again = replace(first, last_lines=(Spoken(trigger_timestamp=0.0, text=opening.text),))
    assert opening.text not in [line.text for line in lines(asyncio.run(collect(again)))]
