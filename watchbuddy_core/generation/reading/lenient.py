"""The keys and values of one object, be it JSON or something that resembles it."""

from __future__ import annotations

import json
import re

from watchbuddy_core.generation.reading.scanner import GAP, end_of_string
from watchbuddy_core.generation.reading.words import KEY, plain_key

Value = str | float | bool | None
"""What a key can have; a whole number is a float as well."""

_JSON = json.JSONDecoder(strict=False)
_SKIP = re.compile(rf"(?:{GAP}[,，;]?){{0,8}}")
_BARE_KEY = re.compile(r"[\w -]{1,40}?(?=\s*[:：])")
_COLON = re.compile(rf"{GAP}[:：]{GAP}")
_BARE = re.compile(rf"(?:(?![,，]{GAP}(?:{KEY}|[}}\]]|$)|[}}\]\n]|\s+{KEY}).)*", re.IGNORECASE)
_QUOTES = "\"'“‘`「『"
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")
_WORDS: dict[str, bool | None] = {
    "true": True,
    "false": False,
    "yes": True,
    "no": False,
    "null": None,
    "none": None,
    "undefined": None,
    "nan": None,
}
_DEEPEST = 4


class Unreadable(ValueError):
    """It ends in the middle of a value, or is no object at all."""


def read_object(text: str) -> dict[str, Value]:
    """The values by key, each as the actions have it.

    Objects within are dissolved into it, as long as their keys are not there already. What
    is neither text, nor a number, nor a truth value is left out.

    Raises:
        Unreadable
    """
    try:
        found = _JSON.decode(text)
    except (ValueError, RecursionError):
        found, _ = _object(text, 0, 0)
    return _flat(found)


def _flat(found: object) -> dict[str, Value]:
    flat: dict[str, Value] = {}
    if isinstance(found, dict):
        for key, value in found.items():
            if isinstance(value, str | bool | int | float) or value is None:
                flat.setdefault(plain_key(key), value)
        for value in found.values():
            for key, inner in _flat(value).items():
                flat.setdefault(key, inner)
    return flat


def _object(text: str, at: int, depth: int) -> tuple[dict[str, object], int]:
    """The object that begins at `at`, and where it ends. That its brace is missing is forgiven."""
    if depth > _DEEPEST:
        raise Unreadable("too deep")
    found: dict[str, object] = {}
    at += 1
    while True:
        at = _skipped(text, at)
        if at >= len(text):
            return found, at
        if text[at] in "}]":
            return found, at + 1
        key, at = _key(text, at)
        colon = _COLON.match(text, at)
        if colon is None:
            raise Unreadable("a key without a value")
        value, at = _value(text, colon.end(), depth)
        found.setdefault(key, value)


def _key(text: str, at: int) -> tuple[str, int]:
    if text[at] in _QUOTES:
        return _string(text, at)
    if bare := _BARE_KEY.match(text, at):
        return bare[0], bare.end()
    raise Unreadable("no key")


def _value(text: str, at: int, depth: int) -> tuple[object, int]:
    if at >= len(text):
        raise Unreadable("no value")
    if text[at] in _QUOTES:
        return _string(text, at)
    if text[at] == "{":
        return _object(text, at, depth + 1)
    if text[at] == "[":
        return _list(text, at, depth)
    bare = _BARE.match(text, at)
    word = bare[0].strip() if bare else ""
    if not word:
        raise Unreadable("no value")
    at += len(bare[0]) if bare else 0
    if _NUMBER.fullmatch(word):
        return float(word), at
    return _WORDS.get(word.casefold(), word), at


def _list(text: str, at: int, depth: int) -> tuple[None, int]:
    """Lists say nothing that an action has; they are but stepped over."""
    at += 1
    while True:
        at = _skipped(text, at)
        if at >= len(text):
            raise Unreadable("a list that does not end")
        if text[at] == "]":
            return None, at + 1
        if text[at] == "}":
            return None, at
        _, at = _value(text, at, depth + 1)


def _skipped(text: str, at: int) -> int:
    while (skip := _SKIP.match(text, at)) and skip.end() > at:
        at = skip.end()
    return at


def read_string(text: str, at: int) -> str:
    """The string whose opening quote stands at `at`.

    Raises:
        Unreadable: it does not end.
    """
    return _string(text, at)[0]


def _string(text: str, at: int) -> tuple[str, int]:
    end = end_of_string(text, at)
    if end is None:
        raise Unreadable("a string that does not end")
    return _unescaped(text[at + 1 : end - 1]), end


_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": " ", "f": " "}


def _unescaped(raw: str) -> str:
    def letter(escape: re.Match[str]) -> str:
        sign = escape[1]
        if len(sign) == 5:
            return chr(int(sign[1:], 16))
        return _ESCAPED.get(sign, sign)

    text = _ESCAPE.sub(letter, raw)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
