"""The JSON of a card: read within bounds, and brought to version 3 without losing anything."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, NoReturn

from watchbuddy_core.characters.cards.limits import MOST_BYTES, MOST_DEPTH, MOST_JSON_BYTES
from watchbuddy_core.errors import InvalidCharacterFile, NoCharacterCard

Document = Mapping[str, Any]
"""A card of version 3 as an object of JSON, with all that is not known of it."""

_DATA_URL = re.compile(rb'"data:[\w.+-]+/[\w.+-]+;base64,[A-Za-z0-9+/=]*"')
_OF_VERSION_1 = (
    *("name", "description", "personality", "scenario"),
    *("first_mes", "mes_example"),
)
_SPECS = {"chara_card_v2": 2, "chara_card_v3": 3}
_USUAL: Mapping[str, Any] = {
    "name": "",
    "description": "",
    "tags": [],
    "creator": "",
    "character_version": "",
    "mes_example": "",
    "extensions": {},
    "system_prompt": "",
    "post_history_instructions": "",
    "first_mes": "",
    "alternate_greetings": [],
    "personality": "",
    "scenario": "",
    "creator_notes": "",
    "group_only_greetings": [],
}
"""What a card of version 3 must have, and what stands there where nobody has written it."""


def parsed(text: bytes) -> tuple[int, Document]:
    """The version in which a card is written, and the card in version 3.

    What is not known of it stays where it was.

    Raises:
        NoCharacterCard: it is JSON, and no card.
        InvalidCharacterFile: it is not JSON, larger or deeper than a card may be, or a card
            that lacks what every card has.
    """
    content = _json(text)
    if not isinstance(content, dict):
        raise NoCharacterCard("The JSON is no object, so it is no character card.")
    spec = content.get("spec")
    if spec is None and "data" not in content:
        return 1, _named(_of_version_1(content))
    version = _SPECS.get(spec) if isinstance(spec, str) else None
    data = content.get("data")
    if version is None:
        raise NoCharacterCard("The JSON is no character card of version 1, 2 or 3.")
    if not isinstance(data, dict):
        raise InvalidCharacterFile("data: the card has none.")
    if version == 3:
        return 3, _named(content)
    upgraded = {**content, "spec": "chara_card_v3", "spec_version": "3.0"}
    return 2, _named({**upgraded, "data": {**_USUAL, **data}})


def written(document: Document, *, indent: int | None = None) -> bytes:
    """The JSON of a card, in UTF-8."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=indent)
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair can only be written as an escape
        return json.dumps(document, allow_nan=False, indent=indent).encode()


def new_document(**data: Any) -> Document:
    """A card of version 3 with these fields, and the usual ones."""
    return {"spec": "chara_card_v3", "spec_version": "3.0", "data": {**_USUAL, **data}}


def text_of(data: Mapping[str, Any], field: str) -> str:
    """A field that should be text; empty, where it is none. Half letters are replaced."""
    text = data.get(field)
    return text.encode("utf-8", "replace").decode() if isinstance(text, str) else ""


def _of_version_1(content: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(content.get("name"), str) or not content.keys() & set(_OF_VERSION_1[1:]):
        raise NoCharacterCard("The JSON has no name and no description, so it is no card.")
    data = {field: content[field] for field in _OF_VERSION_1 if field in content}
    rest = {field: value for field, value in content.items() if field not in data}
    card = {"spec": "chara_card_v3", "spec_version": "3.0", "data": {**_USUAL, **data}}
    return {**card, **rest}


def _named(document: dict[str, Any]) -> Document:
    if not text_of(document["data"], "name").strip():
        raise InvalidCharacterFile("data.name: the card has no name.")
    return document


def _json(text: bytes) -> object:
    if len(text) > MOST_BYTES:
        raise InvalidCharacterFile("The card's JSON is larger than a card may be.")
    pictures = sum(len(found[0]) for found in _DATA_URL.finditer(text))
    if len(text) - pictures > MOST_JSON_BYTES:
        raise InvalidCharacterFile(
            f"The card has more than {MOST_JSON_BYTES // 1024**2} MB of text."
        )
    try:
        content = json.loads(
            text.decode("utf-8-sig"), parse_constant=_refuse_number, parse_float=_finite
        )
    except UnicodeDecodeError as exc:
        raise InvalidCharacterFile("The card's JSON is not UTF-8.") from exc
    except RecursionError as exc:
        raise InvalidCharacterFile("The card's JSON is nested too deeply.") from exc
    except ValueError as exc:
        raise InvalidCharacterFile("The card's JSON cannot be read.") from exc
    _refuse_depth(content)
    return content


def _refuse_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        _refuse_number(digits)
    return number


def _refuse_depth(content: object) -> None:
    level = [content]
    for _ in range(MOST_DEPTH):
        inner: list[object] = []
        for value in level:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list):
                inner += value
        level = [value for value in inner if isinstance(value, dict | list)]
        if not level:
            return
    raise InvalidCharacterFile("The card's JSON is nested too deeply.")
