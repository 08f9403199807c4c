"""The pictures of a card, by what they show. Nothing is fetched: what lies elsewhere is ignored."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from watchbuddy_core.actions import Emotion
from watchbuddy_core.characters.cards import png
from watchbuddy_core.characters.cards.card import Card
from watchbuddy_core.characters.cards.document import text_of
from watchbuddy_core.characters.cards.limits import MOST_ASSETS, MOST_PIXELS

NAMES: Mapping[Emotion, tuple[str, ...]] = {
    Emotion.NEUTRAL: ("neutral", "normal", "default", "calm", "idle"),
    Emotion.COLDNESS: ("coldness", "cold", "disapproval", "annoyance", "annoyed", "serious"),
    Emotion.DISGUST: ("disgust", "disgusted", "disapproval"),
    Emotion.SAD: ("sad", "sadness", "grief", "disappointment", "remorse", "cry", "crying"),
    Emotion.WORRY: ("worry", "worried", "nervousness", "nervous", "fear", "scared", "caring"),
    Emotion.CONFUSION: ("confusion", "confused", "puzzled", "thinking", "realization"),
    Emotion.ANGER: ("anger", "angry", "rage", "mad", "annoyance", "annoyed"),
    Emotion.SURPRISE: ("surprise", "surprised", "realization", "amazed", "shocked", "shock"),
    Emotion.EXPECTATION: ("expectation", "anticipation", "curiosity", "curious", "optimism"),
    Emotion.JOY: (
        *("joy", "happy", "happiness", "smile", "smiling", "amusement"),
        *("laugh", "gratitude", "approval", "love"),
    ),
    Emotion.EXCITEMENT: ("excitement", "excited", "admiration", "joy", "happy"),
    Emotion.PRIDE: ("pride", "proud", "smug", "approval"),
    Emotion.SHY: ("shy", "shyness", "blush", "blushing", "love", "embarrassment", "embarrassed"),
    Emotion.STUNNED: ("stunned", "shock", "shocked", "fear", "surprise", "surprised"),
    Emotion.EMBARRASSED: ("embarrassed", "embarrassment", "flustered", "nervousness", "remorse"),
    Emotion.PLAY_COOL: ("play_cool", "cool", "smug", "smirk", "pride", "amusement"),
    Emotion.DRINK_TEA: ("drink_tea", "tea", "relaxed", "relief", "calm", "content"),
}
"""What pictures of each emotion are called in cards; the first that is there is shown.

The names are ours, then the 28 that SillyTavern's expressions know (they are the labels of
GoEmotions), and such as people give.
"""

_VARIANT = re.compile(r"[-_. ]?(?:\d{1,6}|alt)$")
_DATA_URL = re.compile(r"data:[\w.+/-]*;base64,", re.IGNORECASE)
_EMBEDDED = ("embeded://", "embedded://")
"""The first is how the specification spells it."""
_ASSET = "__asset:"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, and what it really is."""

    content: bytes = field(repr=False)
    media_type: str


@dataclass(frozen=True, slots=True)
class Pictures:
    """What a card has to show of its character."""

    main: Picture
    emotions: Mapping[Emotion, Picture]
    """Those that it has a face for, its own or one that comes near."""


def pictures_of(card: Card) -> Pictures | None:
    """The pictures of a card; None, where it has none that a browser shows."""
    named: dict[str, Picture] = {}
    icons: list[tuple[bool, Picture]] = []
    for asset in _assets(card):
        picture = _picture(card, asset)
        if picture is None:
            continue
        if text_of(asset, "type") == "emotion":
            named.setdefault(_plain(text_of(asset, "name")), picture)
        else:
            icons.append((text_of(asset, "name") != "main", picture))
    emotions = {
        emotion: named[found]
        for emotion, names in NAMES.items()
        if (found := next((name for name in names if name in named), None)) is not None
    }
    icons.sort(key=lambda icon: icon[0])
    likely = [emotions.get(Emotion.NEUTRAL), *(picture for _, picture in icons), *named.values()]
    if icons:
        likely.insert(0, icons[0][1])
    main = next((picture for picture in likely if picture is not None), None)
    return Pictures(main, emotions) if main is not None else None


def media_type_of(content: bytes) -> str | None:
    """What a picture is by its first bytes; None: none that is shown. SVG is a document."""
    if content.startswith(png.SIGNATURE):
        width, height = png.size_of(content)
        return "image/png" if 0 < width * height <= MOST_PIXELS else None
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content[4:8] == b"ftyp" and content[8:12] in (b"avif", b"avis"):
        return "image/avif"
    return None


def content_of(card: Card, uri: str) -> bytes | None:
    """What an asset's address names; None, where it is not in the card, or no base64."""
    if uri == "ccdefault:":
        return card.picture
    if found := _DATA_URL.match(uri):
        try:
            return base64.b64decode(uri[found.end() :], validate=True)
        except (binascii.Error, ValueError):
            return None
    for prefix in (*_EMBEDDED, _ASSET):
        if uri.startswith(prefix):
            return card.beside.get(uri.removeprefix(prefix))
    return None


def _assets(card: Card) -> Iterator[Mapping[str, Any]]:
    """Those that show the character; without any, the card itself does."""
    assets = card.data.get("assets")
    if not isinstance(assets, list):
        assets = [{"type": "icon", "uri": "ccdefault:", "name": "main", "ext": "png"}]
    for asset in assets[:MOST_ASSETS]:
        if isinstance(asset, dict) and asset.get("type") in ("icon", "emotion"):
            yield asset


def _picture(card: Card, asset: Mapping[str, Any]) -> Picture | None:
    content = content_of(card, text_of(asset, "uri"))
    media_type = media_type_of(content) if content is not None else None
    return Picture(content, media_type) if content is not None and media_type else None


def _plain(name: str) -> str:
    """`joy` for `Joy.png`, `joy-2` and `joy alt`."""
    name = name.strip().lower().removesuffix(".png").removesuffix(".webp")
    return _VARIANT.sub("", name).replace(" ", "_").replace("-", "_")
