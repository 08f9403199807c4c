"""From a card to a companion, and back."""

from __future__ import annotations

import hashlib
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any

from watchbuddy_core.character import Character, MomentKind
from watchbuddy_core.characters.cards.card import Card
from watchbuddy_core.characters.cards.document import new_document, text_of, written
from watchbuddy_core.characters.cards.lines import example_lines, language_of, spoken, told
from watchbuddy_core.characters.checking import checked
from watchbuddy_core.errors import InvalidCharacterFile

OWN_FIELDS = "ai_watch_buddy"
"""Where in a card's `extensions` the fields of `Character` stand."""

_NAMELESS = "card-"
"""What an id begins with that no letters of a name are in."""
_LONGEST_PERSONA = 12_000
"""Letters. What is longer would be paid for with every window, and leave no room for the film."""
_LONGEST_NOTE = 160
_LONGEST_NAME = 60
_MOST_EXAMPLES = 12
_AT_ANY_TIME = (MomentKind.LULL, MomentKind.STILL)
"""Moments for which a line need not fit anything."""
_NO_FILE_NAMES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)$")
_ITSELF = frozenset(("id", "revision"))


def character_of(card: Card, id: str, *, with_instructions: bool = False) -> Character:
    """The companion that a card describes.

    What the card has in `extensions.ai_watch_buddy` goes before what is made of the rest.

    Args:
        with_instructions: whether its `system_prompt` and `post_history_instructions` are
            taken into who it is. They are written for role play, and often against a model's
            rules.

    Raises:
        InvalidCharacterFile: our own fields in it do not say what they must.
    """
    own = _own_fields(card)
    return checked(
        id, {**_derived(card.data, with_instructions=with_instructions), **own, "id": id}
    )


def card_of(character: Character) -> Card:
    """A card of version 3 that says all that is known of a character."""
    lines = [*character.examples, *_slotless(character, MomentKind.LULL)]
    greeting = next(iter(_slotless(character, MomentKind.OPENING)), "") or next(iter(lines), "")
    fields = character.model_dump(mode="json", exclude=set(_ITSELF), exclude_none=True)
    notes = character.description
    document = new_document(
        name=next(iter(character.name.values())),
        description=character.persona.strip(),
        first_mes=greeting,
        mes_example="\n".join(f"<START>\n{{{{char}}}}: {line}" for line in character.examples),
        creator_notes=notes.get("en") or next(iter(notes.values()), ""),
        **({"creator_notes_multilingual": dict(notes)} if notes else {}),
        character_version=character.revision,
        extensions={OWN_FIELDS: fields},
        assets=[],
    )
    return Card("json", 3, document, written(document, indent=2))


def id_in(card: Card) -> str:
    """An id for a card: of its name, or of one that it has in another language, where the
    first has no letters for one."""
    extensions = card.data.get("extensions")
    own = extensions.get(OWN_FIELDS) if isinstance(extensions, dict) else None
    others = own.get("name") if isinstance(own, dict) else None
    names = [text_of(card.data, "name")]
    names += (
        filter(None, (text_of(others, one) for one in others)) if isinstance(others, dict) else []
    )
    ids = [id_for(name) for name in names]
    return next((id for id in ids if not id.startswith(_NAMELESS)), ids[0])


def id_for(name: str) -> str:
    """An id made of a name: the same for the same name, and safe as the name of a file.

    Of what is such an id, it is that.
    """
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name) and not _NO_FILE_NAMES.match(name):
        return name
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    id = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:48].rstrip("-")
    if not re.search(r"[a-z]", id) or _NO_FILE_NAMES.match(id):
        digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
        return f"{_NAMELESS}{digest}"
    return id


def _own_fields(card: Card) -> Mapping[str, Any]:
    extensions = card.data.get("extensions")
    own = extensions.get(OWN_FIELDS, {}) if isinstance(extensions, dict) else {}
    if not isinstance(own, dict):
        raise InvalidCharacterFile(f"extensions.{OWN_FIELDS}: it is no object.")
    return {field: value for field, value in own.items() if field not in _ITSELF}


def _derived(data: Mapping[str, Any], *, with_instructions: bool) -> dict[str, Any]:
    name = " ".join((text_of(data, "nickname") or text_of(data, "name")).split())[:_LONGEST_NAME]
    fields = ("description", "personality", "first_mes", "mes_example", "scenario")
    language = language_of(text_of(data, field) for field in fields)
    names = dict.fromkeys((name, text_of(data, "name")))
    examples = list(dict.fromkeys(example_lines(text_of(data, "mes_example"), names, language)))[
        :_MOST_EXAMPLES
    ]
    greeting = next(spoken(text_of(data, "first_mes"), name, language), None)
    return {
        "name": {language: name},
        "description": _notes(data, name, language),
        "persona": _persona(data, name, language, with_instructions=with_instructions),
        "examples": examples or ([greeting] if greeting else []),
        "phrases": _phrases(language, greeting, examples),
    }


def _persona(data: Mapping[str, Any], name: str, language: str, *, with_instructions: bool) -> str:
    fields = ["description", "personality", "scenario"]
    if with_instructions:
        fields += ["system_prompt", "post_history_instructions"]
    parts = [told(text_of(data, field), name, language) for field in fields]
    return _bounded("\n\n".join(filter(None, parts)), _LONGEST_PERSONA)


def _notes(data: Mapping[str, Any], name: str, language: str) -> dict[str, str]:
    """Who it is in one line, by language."""
    several = data.get("creator_notes_multilingual")
    several = several if isinstance(several, dict) else {}
    notes = {
        code: text_of(several, code)
        for code in several
        if re.fullmatch(r"[a-z]{2}", code) and text_of(several, code).strip()
    }
    if not notes:
        fields = ("creator_notes", "personality", "description")
        note = next((text for field in fields if (text := text_of(data, field).strip())), "")
        notes = {language_of([note]) if note else language: note}
    told_notes = {
        code: told(re.sub(r"<[^<>]*>", " ", note), name, code) for code, note in notes.items()
    }
    return {
        code: _bounded(" ".join(note.split()), _LONGEST_NOTE)
        for code, note in told_notes.items()
        if note
    }


def _phrases(
    language: str, greeting: str | None, examples: Iterable[str]
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """What it says where no model does: its own lines where they fit, else what anybody says.

    Nobody has written what this character says of a cut or a bang. A language without such
    lines has its own ones alone, and English for the rest.
    """
    anybody = _anybody()
    usual = anybody.get(language, {})
    own: dict[str, list[dict[str, Any]]] = {kind: list(usual.get(kind, ())) for kind in MomentKind}
    if greeting is not None:
        own[MomentKind.OPENING] = [{"text": greeting}]
    lines = [{"text": line} for line in examples]
    for n, kind in enumerate(_AT_ANY_TIME):
        own[kind] += lines[n :: len(_AT_ANY_TIME)]
    phrases = {language: {kind: said for kind, said in own.items() if said}}
    return phrases if usual else {**phrases, "en": dict(anybody["en"])}


@cache
def _anybody() -> Mapping[str, Mapping[str, list[dict[str, Any]]]]:
    """By language, by moment."""
    text = (resources.files(__package__) / "anybody.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _slotless(character: Character, kind: MomentKind) -> list[str]:
    phrases = character.phrases.get(character.languages[0], {}).get(kind, ())
    return [phrase.text for phrase in phrases if "{" not in phrase.text]


def _bounded(text: str, most: int) -> str:
    """Cut at the end of a sentence, or of a word."""
    if len(text) <= most:
        return text
    cut = text[:most]
    for mark in (". ", ".\n", "。", "\n", " "):
        at = cut.rfind(mark)
        if at > most // 2:
            return cut[: at + 1].rstrip() + ("" if mark in (". ", ".\n", "。") else "…")
    return f"{cut[: most - 1]}…"
