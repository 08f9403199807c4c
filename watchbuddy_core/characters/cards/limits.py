"""How much of a card is read."""

from __future__ import annotations

from typing import Final

MOST_BYTES: Final = 16 * 1024 * 1024
"""Of a card's file, whatever it is."""
MOST_JSON_BYTES: Final = 2 * 1024 * 1024
"""Of its JSON, without the pictures that may stand in it as `data:` URLs."""
MOST_DEPTH: Final = 64
"""So many lists and objects may stand in each other."""
MOST_CHUNKS: Final = 20_000
"""Of a PNG."""
MOST_ENTRIES: Final = 1_000
"""Of a zip file."""
MOST_UNPACKED_BYTES: Final = 64 * 1024 * 1024
"""Of all that is in a zip file, unpacked."""
MOST_ASSETS: Final = 500
"""That are looked at for pictures; the others are kept."""
MOST_PIXELS: Final = 64_000_000
"""Of a picture that is shown."""
