"""Character files, and the character that comes with the library."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from watchbuddy_core.character import Character, MomentKind
from watchbuddy_core.characters import built_in, load_character, load_folder
from watchbuddy_core.errors import InvalidCharacterFile

MINIMAL = 'id = "owl"\n[name]\nen = "Owl"\n'
SLOT = re.compile(r"\{(\w+)\}")
SLOTS = {"quote", "word", "speaker", "sound", "chapter", "title", "time", "minutes", "seconds"}


@pytest.fixture(scope="module")
def miao() -> Character:
    (found,) = (character for character in built_in() if character.id == "miao")
    return found


def test_a_file_needs_little(tmp_path: Path) -> None:
    path = tmp_path / "owl.toml"
    path.write_text(MINIMAL)
    owl = load_character(path)
    assert (owl.id, owl.languages) == ("owl", ("en",))


def test_the_revision_follows_the_content_and_not_its_form(tmp_path: Path) -> None:
    for name, content in {
        "a.toml": MINIMAL,
        "b.toml": "# a remark\n" + MINIMAL,
        "c.toml": MINIMAL.replace('"Owl"', '"Old Owl"'),
    }.items():
        (tmp_path / name).write_text(content)
    a, b, c = load_folder(tmp_path)
    assert a.revision == b.revision
    assert a.revision != c.revision
    assert a.revision


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("id = ", "not TOML"),
        ('[name]\nen = "Owl"\n', "id"),
        ('id = "Not An Id"\n[name]\nen = "Owl"\n', "id"),
        ('id = "owl"\n', "name"),
        (MINIMAL + '[phrases.en]\ndancing = [{ text = "x" }]\n', "phrases.en"),
        (MINIMAL + '[phrases.en]\nscene = [{ text = "x", emotion = "bored" }]\n', "emotion"),
        (MINIMAL + '[phrases.en]\nscene = [{ words = "x" }]\n', "text"),
        ("feathers = 3\n" + MINIMAL, "feathers"),
    ],
)
def test_a_wrong_file_is_told_by_its_name_and_field(
    tmp_path: Path, content: str, complaint: str
) -> None:
    path = tmp_path / "owl.toml"
    path.write_text(content)
    with pytest.raises(InvalidCharacterFile, match=complaint) as refused:
        load_character(path)
    assert str(refused.value).startswith("owl.toml")
    assert str(tmp_path) not in str(refused.value)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "owl.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidCharacterFile):
        load_character(path)
    with pytest.raises(InvalidCharacterFile):
        load_character(tmp_path / "missing.toml")
    path.write_bytes(b"#" * 2_000_000)
    with pytest.raises(InvalidCharacterFile, match="larger"):
        load_character(path)


def test_miao_speaks_chinese_and_english_about_every_moment(miao: Character) -> None:
    assert miao.languages == ("zh", "en")
    for phrases in miao.phrases.values():
        assert set(phrases) == set(MomentKind)


def test_miao_has_enough_to_say_and_says_nothing_twice(miao: Character) -> None:
    for phrases in miao.phrases.values():
        texts = [phrase.text for of_a_kind in phrases.values() for phrase in of_a_kind]
        assert len(texts) >= 140
        assert len(set(texts)) == len(texts)
        for kind in ("scene", "question", "saying", "lull", "exclamation", "loud"):
            assert len(phrases[MomentKind(kind)]) >= 12
        assert all(len(of_a_kind) >= 5 for of_a_kind in phrases.values())


def test_every_phrase_of_miao_fits_its_second(miao: Character) -> None:
    """It quotes, names a sound, a chapter, a time: no line that would fit anywhere."""
    for phrases in miao.phrases.values():
        for of_a_kind in phrases.values():
            for phrase in of_a_kind:
                assert set(SLOT.findall(phrase.text)) <= SLOTS
                assert SLOT.findall(phrase.text)
                assert phrase.emotion is not None


def test_the_phrases_of_miao_are_short(miao: Character) -> None:
    for phrase in (p for of_a_kind in miao.phrases["zh"].values() for p in of_a_kind):
        assert len(re.findall("[\u4e00-\u9fff]", SLOT.sub("", phrase.text))) <= 26
    for phrase in (p for of_a_kind in miao.phrases["en"].values() for p in of_a_kind):
        assert len(SLOT.sub("", phrase.text).split()) <= 16
