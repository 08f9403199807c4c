"""Cards that are brought along: kept as they came, found at once, and never lost by accident."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from watchbuddy_core.actions import Emotion
from watchbuddy_core.assembly import build_parts
from watchbuddy_core.character import Character
from watchbuddy_core.characters.cards import read_card, write_card
from watchbuddy_core.characters.cast import Cast
from watchbuddy_core.characters.folder import CardFolder
from watchbuddy_core.errors import (
    CharacterExists,
    InvalidCharacterFile,
    StorageFull,
    UnknownCharacter,
)
from watchbuddy_core.settings import Settings


def card(name: str = "Aqua", **more: Any) -> bytes:
    return json.dumps({"name": name, "description": "A keeper.", **more}).encode()


def picture(colour: int = 0) -> bytes:
    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes((0, colour, 0, 0)))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
        for kind, body in chunks
    )


def with_joy(joy: bytes) -> bytes:
    url = f"data:image/png;base64,{base64.b64encode(joy).decode()}"
    assets = [{"type": "emotion", "name": "joy", "uri": url, "ext": "png"}]
    data = {"name": "Aqua", "description": "", "assets": assets}
    return json.dumps({"spec": "chara_card_v3", "spec_version": "3.0", "data": data}).encode()


OWL = Character(id="owl", name={"en": "Owl"})


@pytest.fixture
def folder(tmp_path: Path) -> CardFolder:
    return CardFolder(tmp_path / "data" / "characters", most=3)


def test_a_card_is_kept_as_it_came_and_found_in_the_next_run(folder: CardFolder) -> None:
    assert folder.files() == []
    content = card()
    character = folder.add(content)
    assert character.id == "aqua"
    (file,) = CardFolder(folder.path).files()
    assert (file.name, file.read_bytes()) == ("aqua.json", content)
    assert CardFolder(folder.path).load(file) == character


def test_a_card_that_comes_twice_is_one_character(folder: CardFolder) -> None:
    assert folder.add(card()) == folder.add(card()) == folder.add(card(), clash="both")
    assert len(folder.files()) == 1


def test_another_card_of_a_name_replaces_nobody_unless_it_is_told_to(folder: CardFolder) -> None:
    folder.add(card())
    other = card(personality="loud")
    with pytest.raises(CharacterExists, match="'aqua'") as refused:
        folder.add(other)
    assert refused.value.id == "aqua"
    assert folder.file_of("aqua").read_bytes() == card()
    assert folder.add(other, clash="both").id == "aqua-2"
    assert folder.add(other, id="well").id == "well"
    folder.add(other, clash="replace")
    assert folder.file_of("aqua").read_bytes() == other


def test_a_card_of_another_kind_takes_the_place_of_the_older_one(folder: CardFolder) -> None:
    folder.add(with_joy(picture()), with_instructions=True)
    assert {file.name for file in folder.path.iterdir()} >= {"aqua.json", "aqua.import"}
    folder.add(write_card(read_card(with_joy(picture())), "charx"), clash="replace")
    assert [file.name for file in folder.files()] == ["aqua.charx"]
    assert not (folder.path / "aqua.import").exists()


def test_that_its_own_instructions_are_used_is_remembered(folder: CardFolder) -> None:
    told = {"spec": "chara_card_v2", "data": {"name": "Aqua", "system_prompt": "Sing."}}
    character = folder.add(json.dumps(told).encode(), with_instructions=True)
    assert character.persona == "Sing."
    assert folder.load(folder.file_of("aqua")) == character
    (folder.path / "aqua.import").write_text("{")
    with pytest.raises(InvalidCharacterFile, match=r"aqua\.import"):
        folder.load(folder.file_of("aqua"))


def test_who_brings_a_card_replaces_nothing_but_their_own(folder: CardFolder) -> None:
    folder.add(card(), by="token:a")
    other = card(personality="loud")
    with pytest.raises(CharacterExists, match="Somebody else"):
        folder.add(other, clash="replace", by="token:b")
    folder.add(other, clash="replace", by="token:a")
    assert folder.file_of("aqua").read_bytes() == other
    assert folder.add(other, by="token:b").id == "aqua"  # the very same stays whose it was
    folder.add(card(), clash="replace", by="token:a")
    folder.add(other, clash="replace")  # the operator may
    with pytest.raises(CharacterExists):
        folder.add(card(), clash="replace", by="token:a")


@pytest.mark.parametrize("id", ["../x", "A", "", "a/b", "con", "x" * 65, "-a", "a.b"])
def test_an_id_is_never_a_path(folder: CardFolder, id: str) -> None:
    with pytest.raises(InvalidCharacterFile, match="An id is"):
        folder.add(card(), id=id)
    with pytest.raises(UnknownCharacter):
        folder.file_of(id)
    assert not folder.path.exists()


def test_so_many_are_kept_and_no_more(folder: CardFolder) -> None:
    for name in ("one", "two", "three"):
        folder.add(card(name))
    with pytest.raises(StorageFull, match="3 character cards"):
        folder.add(card("four"))
    folder.add(card("three", scenario="x"), clash="replace")
    folder.remove("one")
    folder.add(card("four"))


def test_cards_that_come_at_once_are_all_taken_in(folder: CardFolder) -> None:
    with ThreadPoolExecutor(8) as threads:
        same = [threads.submit(folder.add, card(), clash="replace") for _ in range(24)]
        other = [threads.submit(folder.add, card(tags=[n]), clash="both") for n in range(2)]
        assert {one.result().id for one in same} == {"aqua"}
        assert len({one.result().id for one in other} | {"aqua"}) == 3
    assert len(folder.files()) == 3
    assert list((folder.path / ".arriving").iterdir()) == []


def test_two_programs_take_cards_in_one_after_the_other(folder: CardFolder) -> None:
    programs = [CardFolder(folder.path) for _ in range(4)]
    with ThreadPoolExecutor(16) as threads:
        brought = [
            threads.submit(programs[n % 4].add, card(tags=[n]), clash="both") for n in range(24)
        ]
        assert len({one.result().id for one in brought}) == 24
    assert len(folder.files()) == 24


def test_a_folder_that_takes_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "characters").write_text("a file in the way")
    with pytest.raises(StorageFull):
        CardFolder(tmp_path / "characters" / "below").add(card())


# --- the cast ------------------------------------------------------------------------------


def test_who_is_brought_along_is_there_at_once_and_who_leaves_goes(folder: CardFolder) -> None:
    cast = Cast({"owl": OWL}, folder=folder)
    assert list(cast) == ["owl"]
    aqua = cast.add(card())
    assert cast["aqua"] == aqua
    assert sorted(cast) == ["aqua", "owl"]
    assert len(cast) == 2
    # Another program does the same, such as `watchbuddy characters import`.
    CardFolder(folder.path).add(card("Ben"))
    assert "ben" in cast
    CardFolder(folder.path).remove("aqua")
    assert "aqua" not in cast
    assert sorted(cast) == ["ben", "owl"]
    assert cast["aqua"] == aqua  # for a session that has begun
    assert cast.get("nobody") is None


def test_nobody_who_was_not_brought_along_is_replaced(folder: CardFolder) -> None:
    cast = Cast({"owl": OWL}, own={"keeper": OWL}, folder=folder)
    for clash in ("refuse", "replace"):
        for name in ("Owl", "Keeper"):
            with pytest.raises(CharacterExists):
                cast.add(card(name), clash=clash)  # type: ignore[arg-type]
    assert cast.add(card("Owl"), clash="both").id == "owl-2"
    assert cast["owl"] == OWL


def test_an_operators_own_character_goes_before_a_card_and_that_before_an_installed_one(
    folder: CardFolder,
) -> None:
    folder.add(card("Owl"))
    folder.add(card("Keeper"))
    keeper = Character(id="keeper", name={"en": "Mine"})
    cast = Cast({"owl": OWL}, own={"keeper": keeper}, folder=folder)
    assert cast["owl"].persona == "A keeper."
    assert cast["keeper"] == keeper


def test_a_broken_file_in_the_folder_is_passed_over(
    folder: CardFolder, caplog: pytest.LogCaptureFixture
) -> None:
    folder.add(card())
    (folder.path / "broken.json").write_text('{"spec": "chara_card_v2", "data": {}}')
    (folder.path / "picture.png").write_bytes(picture())
    assert list(Cast({}, folder=folder)) == ["aqua"]
    assert [record.message for record in caplog.records] == [
        "broken.json: data.name: the card has no name. It is passed over."
    ]


def test_the_pictures_of_a_card_are_those_it_has_now(folder: CardFolder) -> None:
    cast = Cast({"owl": OWL}, folder=folder)
    cast.add(with_joy(picture(1)))
    before = cast.faces("aqua")
    assert before is not None
    assert set(before.emotions) == {Emotion.JOY, Emotion.EXCITEMENT}
    shown = cast.picture("aqua", Emotion.JOY)
    assert shown is not None
    assert (shown.content, shown.media_type) == (picture(1), "image/png")
    assert cast.picture("aqua", Emotion.SAD) is None
    assert cast.picture("aqua") == shown
    cast.add(with_joy(picture(2)), clash="replace")
    after = cast.faces("aqua")
    assert after is not None
    assert after.version != before.version
    assert cast.picture("aqua", Emotion.JOY) != shown
    assert cast.faces("owl") is cast.picture("owl") is cast.faces("nobody") is None


def test_programs_find_what_lies_in_the_data_folder(tmp_path: Path) -> None:
    CardFolder(tmp_path / "characters").add(card())
    own = tmp_path / "own"
    own.mkdir()
    (own / "Ben.json").write_bytes(with_joy(picture()))
    parts = build_parts(Settings(data_dir=tmp_path, characters=(own,)))
    assert {"aqua", "ben", "miao"} <= parts.characters.keys()
    assert isinstance(parts.characters, Cast)
    assert parts.characters.faces("ben") is not None
    assert parts.characters.folder is not None
    assert parts.characters.folder.path == tmp_path / "characters"
