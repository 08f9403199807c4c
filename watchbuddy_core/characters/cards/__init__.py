"""Character cards: characters as SillyTavern and its relatives write them down.

A card is JSON (versions 1, 2 and 3), alone, in a text chunk of a PNG, or in a zip file with
pictures beside it (CHARX). `read_card` reads any of them, `character_of` makes a companion of
one, `write_card` writes it as version 3, and `card_of` makes a card of any character.

A card comes from a stranger. Whatever is in it, nothing is fetched, nothing is unpacked to the
disk, and no more is held in memory than the limits in `limits.py` say.

Sources: "Character Card V3 Specification" (kwaroran), "Character Card V2" (malfoyslastname),
"PNG Specification", third edition, section 11.3.3.
"""

from watchbuddy_core.characters.cards.becoming import (
    OWN_FIELDS,
    card_of,
    character_of,
    id_for,
    id_in,
)
from watchbuddy_core.characters.cards.card import Card, CardFormat, format_of, read_card
from watchbuddy_core.characters.cards.limits import MOST_BYTES
from watchbuddy_core.characters.cards.pictures import Picture, Pictures, pictures_of
from watchbuddy_core.characters.cards.writing import write_card

__all__ = [
    "MOST_BYTES",
    "OWN_FIELDS",
    "Card",
    "CardFormat",
    "Picture",
    "Pictures",
    "card_of",
    "character_of",
    "format_of",
    "id_for",
    "id_in",
    "pictures_of",
    "read_card",
    "write_card",
]
