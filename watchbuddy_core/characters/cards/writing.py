"""Writing a card as version 3, into any of its carriers, without losing what it says or shows."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from watchbuddy_core.characters.cards import charx, png
from watchbuddy_core.characters.cards.card import V3, Card, CardFormat
from watchbuddy_core.characters.cards.document import Document, written
from watchbuddy_core.characters.cards.limits import MOST_BYTES
from watchbuddy_core.characters.cards.pictures import content_of, media_type_of, pictures_of
from watchbuddy_core.errors import InvalidCharacterFile

_EMBEDDED = "embeded://"
_ENDINGS = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/avif": "avif",
}
_Moved = Callable[[Mapping[str, Any], bytes], str]
"""Where an asset lies from then on."""


def write_card(card: Card, format: CardFormat) -> bytes:
    """The card as a file of version 3. One that is that already is given as it came.

    Raises:
        InvalidCharacterFile: a PNG is asked for, and the card has no picture that is one; or
            the file would be larger than a card may be.
    """
    if card.format == format and card.version == 3:
        return card.original
    match format:
        case "json":
            content = written(_with_assets(card, _as_data_url), indent=2)
        case "png":
            content = _as_png(card)
        case "charx":
            content = _as_charx(card)
    if len(content) > MOST_BYTES:
        raise InvalidCharacterFile(
            f"The card would be larger than {MOST_BYTES // 1024**2} MB as .{format}."
        )
    return content


def _as_png(card: Card) -> bytes:
    if card.format == "png":
        # Only what it says changes: what points into the file goes on doing so, and a card
        # of version 2 stays beside the new one, for programs that know no other.
        return png.with_texts(card.original, {V3: _in_base64(card.document)})
    shown = pictures_of(card)
    if shown is None or shown.main.media_type != "image/png":
        raise InvalidCharacterFile(
            "The card has no PNG for its picture: write it as .json or .charx."
        )
    document = _with_assets(card, _as_data_url)
    return png.with_texts(shown.main.content, {V3: _in_base64(document)})


def _as_charx(card: Card) -> bytes:
    if card.format == "charx":
        return charx.zipped({charx.CARD: written(card.document, indent=2), **card.beside})
    files: dict[str, bytes] = {}

    def put(asset: Mapping[str, Any], content: bytes) -> str:
        kind = "icon" if asset.get("type") == "icon" else "emotion"
        ending = _ENDINGS.get(media_type_of(content) or "", "bin")
        name = f"assets/{kind}/images/{len(files)}.{ending}"
        files[name] = content
        return f"{_EMBEDDED}{name}"

    document = _with_assets(card, put)
    return charx.zipped({charx.CARD: written(document, indent=2), **files})


def _with_assets(card: Card, moved: _Moved) -> Document:
    """The document, with all that lies in the card's file taken along."""
    assets = card.data.get("assets")
    if assets is None and card.picture is not None:
        assets = [{"type": "icon", "uri": "ccdefault:", "name": "main", "ext": "png"}]
    if not isinstance(assets, list):
        return card.document
    taken = [_moved(card, asset, moved) for asset in assets]
    return {**card.document, "data": {**card.data, "assets": taken}}


def _moved(card: Card, asset: object, moved: _Moved) -> object:
    uri = asset.get("uri") if isinstance(asset, dict) else None
    if not isinstance(asset, dict) or not isinstance(uri, str):
        return asset
    content = content_of(card, uri)
    if content is None:
        return asset
    return {**asset, "uri": moved(asset, content)}


def _as_data_url(asset: Mapping[str, Any], content: bytes) -> str:
    uri = asset.get("uri")
    if isinstance(uri, str) and uri.lower().startswith("data:"):
        return uri
    kind = media_type_of(content) or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _in_base64(document: Document) -> bytes:
    return base64.b64encode(written(document))
