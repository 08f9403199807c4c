"""The characters that come with the library: what holds for each, and for all together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from pathlib import Path

import pytest

from watchbuddy_core import characters
from watchbuddy_core.actions import Emotion
from watchbuddy_core.character import Character, MomentKind, Phrase
from watchbuddy_core.characters import built_in, load_character
from watchbuddy_core.generation.composing import slots_of
from watchbuddy_core.speech import spoken_seconds
from watchbuddy_core.video import Understanding

ALL = built_in()
LANGUAGES = ("zh", "en")
SLOT = re.compile(r"\{(\w+)\}")

Lines = Callable[[Character, Understanding], list[str]]
Films = Mapping[str, Understanding]


@pytest.fixture(params=ALL, ids=lambda character: character.id)
def character(request: pytest.FixtureRequest) -> Character:
    """Each of them in turn."""
    found: Character = request.param
    return found


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def phrases_of(character: Character, language: str) -> list[Phrase]:
    return [phrase for phrases in character.phrases[language].values() for phrase in phrases]


def letters(text: str) -> str:
    """What remains of a phrase when only its words count; slots are words."""
    return "".join(SLOT.sub(r" \1 ", text).casefold().split()).translate(
        {ord(mark): None for mark in "，。！？…：；、“”《》,.!?:;'"}
    )


# --- each ------------------------------------------------------------------------------


def test_there_are_three() -> None:
    assert [character.id for character in ALL] == ["miao", "quinn", "shen"]


def test_each_introduces_itself_in_both_languages_and_to_models(character: Character) -> None:
    assert character.languages == LANGUAGES
    assert set(character.name) == set(character.description) == set(LANGUAGES)
    assert all(len(description) <= 120 for description in character.description.values())
    assert len(character.persona.split()) >= 40
    assert len(character.examples) >= 3


def test_each_has_something_to_say_about_every_moment(character: Character, language: str) -> None:
    assert set(character.phrases[language]) == set(MomentKind)


def test_none_has_less_to_say_than_the_others(language: str) -> None:
    for kind in MomentKind:
        numbers = [len(character.phrases[language][kind]) for character in ALL]
        assert min(numbers) >= 8
        assert min(numbers) >= 0.8 * max(numbers)
    assert all(len(phrases_of(character, language)) >= 230 for character in ALL)


def test_nearly_every_phrase_fits_its_second(character: Character, language: str) -> None:
    """It quotes, names a sound, a chapter, a time, a length."""
    for kind, phrases in character.phrases[language].items():
        slotless = [phrase.text for phrase in phrases if not slots_of(phrase)]
        assert len(slotless) <= len(phrases) / 5, (kind, slotless)


def test_phrases_are_short(character: Character, language: str) -> None:
    """Some seconds each, before the words that are filled in; many are said in two."""
    seconds = {
        phrase.text: spoken_seconds(SLOT.sub("", phrase.text))
        for phrase in phrases_of(character, language)
    }
    assert not [text for text, needed in seconds.items() if needed > 6.0]
    assert sum(needed <= 3.0 for needed in seconds.values()) >= len(seconds) / 5


def test_each_shows_many_faces_and_stops_the_video_now_and_then(
    character: Character, language: str
) -> None:
    phrases = phrases_of(character, language)
    faces = Counter(phrase.emotion for phrase in phrases)
    assert None not in faces
    assert len(faces) >= 14
    assert max(faces.values()) <= len(phrases) / 4
    assert 3 <= sum(phrase.pause for phrase in phrases) <= len(phrases) / 10


def test_each_leaves_it_to_the_viewer_how_lines_end(character: Character) -> None:
    for phrase in phrases_of(character, "zh"):
        assert not phrase.text.rstrip("。！？～").endswith("喵")


def test_the_length_of_a_passage_is_not_told_as_the_way_back_to_it(
    character: Character, language: str
) -> None:
    """{seconds} of a replay is how long it takes, and it began longer ago than that."""
    way_back = re.compile(
        r"back \{seconds\}|\{seconds\} seconds (?:ago|back)|[退回]\{seconds\}|\{seconds\}秒前",
        re.IGNORECASE,
    )
    for phrase in character.phrases[language][MomentKind.REPLAY]:
        assert not way_back.search(phrase.text)


# --- together --------------------------------------------------------------------------


def test_no_phrase_comes_twice_in_a_character_or_in_two(language: str) -> None:
    said = Counter(
        letters(phrase.text) for character in ALL for phrase in phrases_of(character, language)
    )
    assert not [phrase for phrase, times in said.items() if times > 1]


def test_together_they_show_every_face(language: str) -> None:
    shown = {phrase.emotion for character in ALL for phrase in phrases_of(character, language)}
    assert shown == set(Emotion)


def test_their_revisions_follow_their_content(character: Character, tmp_path: Path) -> None:
    content = (resources.files(characters) / f"{character.id}.toml").read_text(encoding="utf-8")
    copy, changed = tmp_path / "copy.toml", tmp_path / "changed.toml"
    copy.write_text(content, encoding="utf-8")
    one = character.phrases["en"][MomentKind.LULL][0].text
    changed.write_text(content.replace(one, f"{one} Well."), encoding="utf-8")
    assert load_character(copy) == character
    assert load_character(changed).revision != character.revision
    assert len({other.revision for other in ALL}) == len(ALL)


# --- watching --------------------------------------------------------------------------


def slot_sets(language: str) -> Iterator[tuple[MomentKind, frozenset[str]]]:
    """Which slots are open together, by kind of moment, in any of the characters."""
    found = {
        (kind, slots_of(phrase))
        for character in ALL
        for kind, phrases in character.phrases[language].items()
        for phrase in phrases
    }
    return ((kind, slots) for kind, slots in found if slots)


def test_every_slot_can_be_filled_at_its_kind_of_moment(
    language: str, films: Films, lines_of: Lines
) -> None:
    """A phrase whose slots never come together would never be said."""
    never_said = []
    for kind, slots in slot_sets(language):
        phrase = Phrase(text=" ".join(f"{{{slot}}}" for slot in sorted(slots)))
        probe = Character(
            id="probe", name={language: "Probe"}, phrases={language: {kind: (phrase,)}}
        )
        if not lines_of(probe, films[language]):
            never_said.append((kind, slots))
    assert not never_said


def test_twenty_minutes_repeat_no_line_and_leave_no_slot_open(
    character: Character, language: str, films: Films, lines_of: Lines
) -> None:
    said = lines_of(character, films[language])
    assert len(said) >= 60
    assert len(set(said)) == len(said)
    assert not any(SLOT.search(line) for line in said)


def test_at_most_one_line_in_four_would_fit_anywhere(
    character: Character, language: str, films: Films, lines_of: Lines
) -> None:
    slotless = {p.text for p in phrases_of(character, language) if not slots_of(p)}
    said = lines_of(character, films[language])
    assert sum(line in slotless for line in said) <= len(said) / 4


def test_two_of_them_have_no_line_in_common(language: str, films: Films, lines_of: Lines) -> None:
    said = Counter(line for character in ALL for line in set(lines_of(character, films[language])))
    assert set(said.values()) == {1}
