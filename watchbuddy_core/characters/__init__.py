"""Characters: reading their files, and the one that comes with the library.

A character file is TOML with the fields of `Character`. Its revision is derived from its
content, so whatever was made for another revision is not mistaken for this one's.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from watchbuddy_core.character import Character
from watchbuddy_core.errors import InvalidCharacterFile

SLOTS = frozenset(
    ("quote", "word", "speaker", "sound", "chapter", "title", "time", "minutes", "seconds")
)
"""What a phrase can leave open; see `Phrase`."""

_LARGEST_FILE = 1024 * 1024
_BRACES = re.compile(r"\{([^{}]*)\}|[{}]")


def load_character(path: Path) -> Character:
    """Read a character file.

    Raises:
        InvalidCharacterFile: it cannot be read, or a field is not what it should be.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InvalidCharacterFile(f"{path.name} is larger than a megabyte.")
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidCharacterFile(f"{path.name} cannot be read as text.") from exc
    return _character(path.name, content)


def load_folder(folder: Path) -> tuple[Character, ...]:
    """Read every `.toml` file of a folder, in order of their names.

    Raises:
        InvalidCharacterFile: one of them is none.
    """
    return tuple(load_character(path) for path in sorted(folder.glob("*.toml")))


def built_in() -> tuple[Character, ...]:
    """The characters that come with the library."""
    files = sorted(
        (file for file in resources.files(__name__).iterdir() if file.name.endswith(".toml")),
        key=lambda file: file.name,
    )
    return tuple(_character(file.name, file.read_text(encoding="utf-8")) for file in files)


def _character(name: str, content: str) -> Character:
    try:
        fields = tomllib.loads(content)
    except tomllib.TOMLDecodeError as exc:
        raise InvalidCharacterFile(f"{name} is not TOML: {exc}") from exc
    try:
        character = Character.model_validate(fields)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidCharacterFile(f"{name}: {field}: {first['msg']}") from exc
    for field, text in _phrases(character):
        for braces in _BRACES.finditer(text):
            if braces.group(1) not in SLOTS:
                raise InvalidCharacterFile(f"{name}: {field}: there is no slot {braces.group()!r}")
    canonical = character.model_dump_json(exclude={"revision"})
    revision = hashlib.sha256(canonical.encode()).hexdigest()[:12]
    return character.model_copy(update={"revision": revision})


def _phrases(character: Character) -> Iterator[tuple[str, str]]:
    """Every phrase, with the name of its field."""
    for field, by_language in (("phrases", character.phrases), ("answers", character.answers)):
        for language, by_kind in by_language.items():
            for kind, phrases in by_kind.items():
                for i, phrase in enumerate(phrases):
                    yield f"{field}.{language}.{kind}.{i}", phrase.text
