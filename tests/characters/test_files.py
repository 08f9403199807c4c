"""Character files, and the character that comes with the library."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from watchbuddy_core.character import Character, MomentKind
from watchbuddy_core.characters import SLOTS, built_in, load_character, load_folder
from watchbuddy_core.errors import InvalidCharacterFile

MINIMAL = 'id = "owl"\n[name]\nen = "Owl"\n'
SLOT = re.compile(r"\{(\w+)\}")


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
        (
            MINIMAL + '[phrases.en]\nscene = [{ text = "a {thing}" }]\n',
            "phrases.en.scene.0: .*{thing}",
        ),
        (MINIMAL + '[phrases.en]\nscene = [{ text = "a { brace" }]\n', "phrases.en.scene.0"),
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


COMMON = ("scene", "loud", "quiet", "question", "exclamation", "saying", "lull", "still")


def test_miao_has_enough_to_say_and_says_nothing_twice(miao: Character) -> None:
    for phrases in miao.phrases.values():
        texts = [phrase.text for of_a_kind in phrases.values() for phrase in of_a_kind]
        assert len(set(texts)) == len(texts)
        assert all(len(phrases[MomentKind(kind)]) >= 14 for kind in COMMON)
        assert all(len(of_a_kind) >= 8 for of_a_kind in phrases.values())


def test_nearly_every_phrase_of_miao_fits_its_second(miao: Character) -> None:
    """It quotes, names a sound, a chapter, a time, a length."""
    for phrases in miao.phrases.values():
        for of_a_kind in phrases.values():
            slotless = [phrase for phrase in of_a_kind if not SLOT.search(phrase.text)]
            assert len(slotless) <= len(of_a_kind) / 5
            assert all(set(SLOT.findall(phrase.text)) <= SLOTS for phrase in of_a_kind)


def test_miao_shows_many_faces_and_stops_the_video_now_and_then(miao: Character) -> None:
    for phrases in miao.phrases.values():
        all_of_them = [phrase for of_a_kind in phrases.values() for phrase in of_a_kind]
        assert all(phrase.emotion is not None for phrase in all_of_them)
        assert len({phrase.emotion for phrase in all_of_them}) >= 14
        assert 3 <= sum(phrase.pause for phrase in all_of_them) <= len(all_of_them) / 10


def test_miao_leaves_it_to_the_viewer_how_lines_end(miao: Character) -> None:
    for of_a_kind in miao.phrases["zh"].values():
        assert not any(phrase.text.rstrip("。！？～").endswith("喵") for phrase in of_a_kind)


def test_the_phrases_of_miao_are_short(miao: Character) -> None:
    for phrase in (p for of_a_kind in miao.phrases["zh"].values() for p in of_a_kind):
        assert len(re.findall("[\u4e00-\u9fff]", SLOT.sub("", phrase.text))) <= 26
    for phrase in (p for of_a_kind in miao.phrases["en"].values() for p in of_a_kind):
        assert len(SLOT.sub("", phrase.text).split()) <= 16
