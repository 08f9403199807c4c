"""Fields that make a character, and the revision that they have."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from watchbuddy_core.character import Character
from watchbuddy_core.errors import InvalidCharacterFile

SLOTS = frozenset(
    ("quote", "word", "speaker", "sound", "chapter", "title", "time", "minutes", "seconds")
)
"""What a phrase can leave open; see `Phrase`."""

_BRACES = re.compile(r"\{([^{}]*)\}|[{}]")


def checked(name: str, fields: Mapping[str, Any]) -> Character:
    """The character of these fields. Its revision is that of its content.

    Args:
        name: what the fields come from, for whoever has to mend them.

    Raises:
        InvalidCharacterFile: a field is not what it should be.
    """
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
