"""Character cards at the command line: in, used, out again, and gone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from watchbuddy_core.errors import WatchBuddyError
from watchbuddy_server.cli.characters import characters

AQUA = {
    "spec": "chara_card_v2",
    "spec_version": "2.0",
    "data": {
        "name": "Aqua",
        "description": "A keeper of wells.",
        "creator_notes": "Keeps a well.",
        "first_mes": "Sit down with me.",
        "extensions": {"stranger": [1]},
    },
}


@pytest.fixture
def card(tmp_path: Path) -> Path:
    path = tmp_path / "card.json"
    path.write_text(json.dumps(AQUA))
    return path


Answer = tuple[int, str]


@pytest.fixture
def ask(environment: dict[str, str]) -> Callable[..., Answer]:
    """Runs `watchbuddy characters …` in this process; its exit code, and what it says."""

    def ask(*arguments: object) -> Answer:
        ran = CliRunner(env=environment).invoke(characters, [*map(str, arguments)])
        if isinstance(ran.exception, WatchBuddyError):
            return 1, ran.exception.message
        assert ran.exception is None or isinstance(ran.exception, SystemExit)
        return ran.exit_code, ran.output

    return ask


def test_a_card_is_imported_exported_and_removed(ask: Any, card: Path, tmp_path: Path) -> None:
    assert ask("import", card) == (0, "aqua: Aqua\n")
    _, listed = ask()
    assert "aqua       Aqua [en]: Keeps a well." in listed
    assert "characters/aqua.json, revision " in listed

    exported, original = tmp_path / "aqua.json", tmp_path / "original.json"
    assert ask("export", "aqua", "-o", exported)[0] == 0
    assert ask("export", "aqua", "-o", original, "--original")[0] == 0
    assert original.read_bytes() == card.read_bytes()
    written = json.loads(exported.read_text())
    assert (written["spec"], written["spec_version"]) == ("chara_card_v3", "3.0")
    assert written["data"].items() >= AQUA["data"].items()  # type: ignore[attr-defined]

    assert ask("rm", "aqua") == (0, "Deleted 1 character.\n")
    assert "Aqua" not in ask()[1]


def test_a_name_steers_no_terminal(ask: Any, card: Path) -> None:
    card.write_text(json.dumps({"name": "A\0\u009b31mqua", "description": "Red."}))
    assert ask("import", card, "--id", "aqua") == (0, "aqua: A  31mqua\n")
    assert "A  31mqua" in ask()[1]


def test_a_built_in_character_is_exported_as_a_card(ask: Any, tmp_path: Path) -> None:
    file = tmp_path / "shen.json"
    assert ask("export", "shen", "-o", file)[0] == 0
    assert ask("import", file, "--id", "old-shen") == (0, "old-shen: 沈师傅\n")
    assert "old-shen   Master Shen [zh, en]" in ask()[1]


def test_what_cannot_be_done_is_told_in_one_sentence(ask: Any, card: Path, tmp_path: Path) -> None:
    assert ask("--data-dir", tmp_path / "data", "import", card)[0] == 0
    assert (tmp_path / "data" / "characters" / "aqua.json").is_file()
    here = ("--data-dir", tmp_path / "data")
    endless = tmp_path / "endless.json"
    with endless.open("wb") as file:
        file.truncate(1024**4)  # of no memory could all of it be in
    for arguments, complaint in {
        ("import", card, "--id", "../x", *here): "An id is of small letters",
        ("import", card, "--id", "miao", *here): "a character 'miao' already",
        ("import", endless, *here): "endless.json: The card is larger than 16 MB",
        ("import", Path(__file__), *here): "test_characters.py: The card's JSON cannot be read",
        ("export", "aqua", "-o", tmp_path / "a.gif", *here): "called .png, .json or .charx",
        ("export", "aqua", "-o", tmp_path / "a.png", *here): "no PNG for its picture",
        ("export", "aqua", "-o", card, *here): "--force replaces it",
        ("export", "ben", "-o", tmp_path / "b.json", *here): "There is no such character.",
        ("rm", "miao", *here): "There is no such character.",
    }.items():
        code, said = ask(*arguments)
        assert code != 0, arguments
        assert complaint in said
    assert ask("import", card, "--id", "miao", "--replace", *here) == (0, "miao: Aqua\n")
    _, listed = ask(*here)
    assert "miao       Aqua" in listed
    assert "A cute cat girl" not in listed
