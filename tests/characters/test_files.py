"""Reading character files."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchbuddy_core.characters import load_character, load_folder
from watchbuddy_core.errors import InvalidCharacterFile

MINIMAL = 'id = "owl"\n[name]\nen = "Owl"\n'


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
