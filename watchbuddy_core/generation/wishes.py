"""What a viewer wishes in their own words, as far as rules can read it.

Two things can be followed without a model: how lines end or begin, and the language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Language = Literal["zh", "en"]

_LONGEST = 20
_QUOTED = (
    r"[“”\"‘’'「『《«]\s*(?P<{0}quoted>[^“”\"‘’'」』》»]{{1,"
    + str(_LONGEST)
    + r"}}?)\s*[“”\"‘’'」』》»]"
)
_BARE_ZH = r"(?P<{0}bare>[^\s，。,.!！?？;；“”\"‘’'「」『』]{{1,8}}?)"
_BARE_EN = r"(?P<{0}bare>[\w~～'-]{{1,20}}[!~～]*)"

_EVERY_ZH = r"(?:(?:你|请|要)?(?:说的?|讲的?)?(?:每一?(?:句话?|个句子)|句子|说话)[^，。,.]{0,6}?)?"
_EVERY_EN = (
    r"(?:(?:every|each|all)?\s*(?:of\s+)?(?:your|the)?\s*"
    r"(?:sentences?|lines?|phrases?|messages?|words)?)"
)


def _pattern(template: str, bare: str) -> re.Pattern[str]:
    quoted = _QUOTED.format("") + "|" + bare.format("")
    return re.compile(template.replace("<X>", f"(?:{quoted})"), re.IGNORECASE)


_ENDINGS = (
    _pattern(
        rf"{_EVERY_ZH}(?:都|会|要|都会|都要)?(?:以|用|拿)\s*<X>\s*(?:来|作为?|做)?(?:结尾|结束|收尾|作结)",
        _BARE_ZH,
    ),
    _pattern(
        rf"{_EVERY_ZH}(?:的|后面?|在)*(?:结尾|末尾|句尾|句末|最后|后面)(?:处|都|要|会|请)*(?:加上?|带上?|说|用|是)(?:一个|个)?\s*<X>(?=$|[，。,.!！\s])",
        _BARE_ZH,
    ),
    _pattern(rf"(?:end|finish|close)(?:s|ing)?\s+{_EVERY_EN}\s*with\s+(?:an?\s+)?<X>", _BARE_EN),
    _pattern(
        rf"{_EVERY_EN}\s*(?:should|must|shall|to)?\s*ends?\s+(?:with|in)\s+(?:an?\s+)?<X>", _BARE_EN
    ),
)
_BEGINNINGS = (
    _pattern(
        rf"{_EVERY_ZH}(?:都|会|要|都会|都要)?(?:以|用|拿)\s*<X>\s*(?:来|作为?|做)?(?:开头|开始|起头|打头)",
        _BARE_ZH,
    ),
    _pattern(
        rf"{_EVERY_ZH}(?:的|前面?|在)*(?:开头|句首|前面)(?:处|都|要|会|请)*(?:加上?|带上?|说|用|是)(?:一个|个)?\s*<X>(?=$|[，。,.!！\s])",
        _BARE_ZH,
    ),
    _pattern(
        rf"(?:start|begin|open)(?:s|ning|ing)?\s+{_EVERY_EN}\s*with\s+(?:an?\s+)?<X>", _BARE_EN
    ),
    _pattern(
        rf"{_EVERY_EN}\s*(?:should|must|shall|to)?\s*(?:starts?|begins?)\s+with\s+(?:an?\s+)?<X>",
        _BARE_EN,
    ),
)
_LANGUAGES: tuple[tuple[Language, re.Pattern[str]], ...] = (
    (
        "en",
        re.compile(
            r"(?:请|要)?(?:用|说|讲|以)?(?:英文|英语)(?:回答|说话|来说|吧|讲)?"
            r"|(?:please\s+)?(?:speak|reply|answer|talk|comment|respond)?\s*(?:only\s+)?(?:in\s+)?\benglish\b(?:\s+please)?",
            re.IGNORECASE,
        ),
    ),
    (
        "zh",
        re.compile(
            r"(?:请|要)?(?:用|说|讲|以)?(?:中文|汉语|普通话)(?:回答|说话|来说|吧|讲)?"
            r"|(?:please\s+)?(?:speak|reply|answer|talk|comment|respond)?\s*(?:only\s+)?(?:in\s+)?\b(?:chinese|mandarin)\b(?:\s+please)?",
            re.IGNORECASE,
        ),
    ),
)
_HAN = re.compile(r"[\u4e00-\u9fff]")
_LETTER = re.compile(r"[^\W\d_]")
_STRIPPED = " \t\r\n，。,.;；!！?？、:：-—"


@dataclass(frozen=True, slots=True)
class Wish:
    """What was understood of a viewer's wish."""

    ending: str = ""
    """How every line ends."""
    beginning: str = ""
    """How every line begins."""
    language: Language | None = None
    """The language that was named, or else the one that the wish itself is written in."""
    unfulfilled: str = ""
    """What is left of it, in the viewer's words."""


def read_wish(text: str) -> Wish:
    """Read a wish. Whatever it says, this understands it or leaves it in `unfulfilled`."""
    rest = text.strip()
    ending, rest = _affix(_ENDINGS, rest)
    beginning, rest = _affix(_BEGINNINGS, rest)
    language: Language | None = None
    for named, pattern in _LANGUAGES:
        if match := pattern.search(rest):
            language = named
            rest = rest[: match.start()] + rest[match.end() :]
            break
    rest = rest.strip(_STRIPPED)
    return Wish(
        ending=ending,
        beginning=beginning,
        language=language or _written_in(text),
        unfulfilled=rest if len(_LETTER.findall(rest)) >= 2 else "",
    )


def _affix(patterns: tuple[re.Pattern[str], ...], text: str) -> tuple[str, str]:
    for pattern in patterns:
        if match := pattern.search(text):
            found = (match["quoted"] or match["bare"] or "").strip()
            if found and found.isprintable():
                return found, text[: match.start()] + text[match.end() :]
    return "", text


def _written_in(text: str) -> Language | None:
    letters = len(_LETTER.findall(text))
    if not letters:
        return None
    if len(_HAN.findall(text)) / letters > 0.3:
        return "zh"
    return "en" if letters >= 10 and text.isascii() else None
