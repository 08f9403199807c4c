"""Characters: reading their files, and those that come with the library.

A character file is TOML with the fields of `Character`, or a character card (cards/). Its
revision is derived from its content, so whatever was made for another revision is not mistaken
for this one's.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import resources
from pathlib import Path

from watchbuddy_core.character import Character
from watchbuddy_core.characters.cards import MOST_BYTES, character_of, id_for, read_card
from watchbuddy_core.characters.checking import SLOTS, checked
from watchbuddy_core.errors import InvalidCharacterFile, NoCharacterCard

__all__ = [
    "CARD_FILES",
    "HOW_IMPORTED",
    "SLOTS",
    "brought_by",
    "built_in",
    "how_imported",
    "is_character_file",
    "load_character",
    "load_folder",
]

CARD_FILES = (".png", ".json", ".charx")
"""The endings of files that are character cards."""

HOW_IMPORTED = ".import"
"""The ending of a file beside a card that says how it was imported; see `how_imported`."""

_LARGEST_FILE = 1024 * 1024


def load_character(path: Path) -> Character:
    """Read a character file, or a card, whose id is then made of the name of the file.

    Raises:
        NoCharacterCard: it is a picture or a document, and no card.
        InvalidCharacterFile: it cannot be read, or a field is not what it should be.
    """
    is_card = path.suffix.lower() in CARD_FILES
    content = _bytes_of(path, MOST_BYTES if is_card else _LARGEST_FILE)
    if is_card:
        try:
            return character_of(
                read_card(content),
                id_for(path.stem),
                with_instructions=_said_beside(path).get("with_instructions") is True,
            )
        except InvalidCharacterFile as exc:
            raise type(exc)(f"{path.name}: {exc}") from exc
    try:
        text = content.decode()
    except UnicodeDecodeError as exc:
        raise InvalidCharacterFile(f"{path.name} cannot be read as text.") from exc
    return _of_toml(path.name, text)


def is_character_file(path: Path) -> bool:
    """Whether a file is called as those are that can be loaded."""
    return path.suffix.lower() in (".toml", *CARD_FILES) and not path.name.startswith(".")


def load_folder(folder: Path) -> tuple[Character, ...]:
    """Read every character file and card of a folder, in order of their names.

    Pictures and documents in it that are no cards are passed over.

    Raises:
        InvalidCharacterFile: one of them is broken.
    """
    loaded = []
    for path in sorted(filter(is_character_file, folder.iterdir())):
        with suppress(NoCharacterCard):
            loaded.append(load_character(path))
    return tuple(loaded)


@cache
def built_in() -> tuple[Character, ...]:
    """The characters that come with the library; read once, since they do not change."""
    files = sorted(
        (file for file in resources.files(__name__).iterdir() if file.name.endswith(".toml")),
        key=lambda file: file.name,
    )
    return tuple(_of_toml(file.name, file.read_text(encoding="utf-8")) for file in files)


def _bytes_of(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as exc:
        raise InvalidCharacterFile(f"{path.name} cannot be read.") from exc
    if len(content) > most:
        raise InvalidCharacterFile(f"{path.name} is larger than {most // 1024**2} MB.")
    return content


def how_imported(*, with_instructions: bool, by: str = "") -> bytes:
    """What a file beside a card says of how it is to be read, and who has brought it."""
    return json.dumps({"with_instructions": with_instructions, "by": by}).encode()


def brought_by(card: Path) -> str:
    """Who has brought a card; empty: the operator.

    Raises:
        InvalidCharacterFile: the file beside it does not say.
    """
    by = _said_beside(card).get("by", "")
    return by if isinstance(by, str) else ""


def _said_beside(card: Path) -> Mapping[str, object]:
    beside = card.with_suffix(HOW_IMPORTED)
    try:
        said = json.loads(_bytes_of(beside, _LARGEST_FILE)) if beside.exists() else {}
    except (ValueError, RecursionError) as exc:
        raise InvalidCharacterFile(f"{beside.name} does not say how the card is read.") from exc
    return said if isinstance(said, dict) else {}


def _of_toml(name: str, content: str) -> Character:
    try:
        fields = tomllib.loads(content)
    except tomllib.TOMLDecodeError as exc:
        raise InvalidCharacterFile(f"{name} is not TOML: {exc}") from exc
    return checked(name, fields)
