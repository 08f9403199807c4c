"""A card: what it says, and the file that it came in."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from watchbuddy_core.characters.cards import charx, png
from watchbuddy_core.characters.cards.document import Document, parsed
from watchbuddy_core.characters.cards.limits import MOST_BYTES
from watchbuddy_core.errors import InvalidCharacterFile, NoCharacterCard

CardFormat = Literal["png", "json", "charx"]
"""What a card's file is; also the ending of its name."""

V3, V2 = "ccv3", "chara"
"""The keywords of a PNG's texts that are cards. The first is preferred, where both are there."""
ASSET_TEXTS = ("chara-ext-asset_:", "chara-ext-asset_")
"""What the keywords of a PNG's texts begin with that are pictures."""


@dataclass(frozen=True, slots=True)
class Card:
    """A character card of any version and carrier."""

    format: CardFormat
    version: int
    """1, 2 or 3: in which it is written."""
    document: Document
    """The whole card in version 3, with what is not known of it."""
    original: bytes = field(repr=False)
    """The file, as it came."""
    beside: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """What else came in it: of a CHARX file the entries by name, `card.json` left out; of a
    PNG the pictures in texts, by what stands behind `__asset:` where they are named."""

    @property
    def data(self) -> Mapping[str, Any]:
        """The card's fields."""
        data: Mapping[str, Any] = self.document["data"]
        return data

    @property
    def picture(self) -> bytes | None:
        """Of a PNG: itself, without what it says of the character."""
        if self.format != "png":
            return None
        names = png.texts_in(self.original)
        unwanted = [name for name in names if name in (V3, V2) or name.startswith(ASSET_TEXTS)]
        return png.without_texts(self.original, unwanted)


def read_card(content: bytes) -> Card:
    """Read a card; what it is, its first bytes tell.

    Raises:
        NoCharacterCard: it may be a picture or a document, and no card.
        InvalidCharacterFile: it is broken, or more than a card may be.
    """
    if len(content) > MOST_BYTES:
        raise InvalidCharacterFile(f"The card is larger than {MOST_BYTES // 1024**2} MB.")
    if content.startswith(png.SIGNATURE):
        return _of_png(content)
    if content.startswith(charx.SIGNATURE):
        return _of_charx(content)
    version, document = parsed(content)
    return Card("json", version, document, content)


def format_of(name: str) -> CardFormat:
    """What a file of this name should be.

    Raises:
        InvalidCharacterFile: its ending is none of a card.
    """
    ending = name.lower().rpartition(".")[2]
    known: dict[str, CardFormat] = {"png": "png", "json": "json", "charx": "charx"}
    if ending not in known:
        raise InvalidCharacterFile("A card's file is called .png, .json or .charx.")
    return known[ending]


def _of_png(content: bytes) -> Card:
    texts = png.texts_in(content)
    if V3 not in texts and V2 not in texts:
        raise NoCharacterCard("The PNG is a picture, and no character card.")
    version, document = parsed(_decoded(texts.get(V3) or texts.get(V2, b""), "The text of the PNG"))
    beside = {}
    for keyword, text in texts.items():
        prefix = next((one for one in ASSET_TEXTS if keyword.startswith(one)), None)
        if prefix is not None:
            beside[keyword.removeprefix(prefix)] = _decoded(text, "A picture in the PNG")
    return Card("png", version, document, content, beside)


def _of_charx(content: bytes) -> Card:
    entries = charx.unzipped(content)
    if charx.CARD not in entries:
        raise NoCharacterCard(f"The zip file has no {charx.CARD}, so it is no character card.")
    version, document = parsed(entries.pop(charx.CARD))
    return Card("charx", version, document, content, entries)


def _decoded(text: bytes, what: str) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error as exc:
        raise InvalidCharacterFile(f"{what} is not written in base64.") from exc
