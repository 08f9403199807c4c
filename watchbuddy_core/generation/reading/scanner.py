"""Finding the objects in a text that comes in pieces.

An object begins at an *anchor*: a brace and a key that actions have. Everything else, be it
prose, fences, wrappers or lists of other things, is passed over. From its anchor on it is
read until

    its brace closes                   it is whole
    another object begins instead      it was never closed: what there is of it is broken off
    it is longer than `MOST_LETTERS`   it is given up

Strings are what makes that hard. In JSON a quote within a string is escaped, and models
forget it. So a quote ends a string only if what comes behind it can follow a string: in
JSON that is always so, and hardly ever behind a quote in the middle of a sentence.

Any two ways of cutting a text into pieces find the same objects. What looks ahead waits
until `_AHEAD` letters are there, and looks no further. Only what is JSON to the letter is
handed out at once: for that the rules above say the same, whatever follows. (Not where it
has a bracket: then it may be a wrapper of the real ones.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from watchbuddy_core.generation.reading.words import BEGINNING, KEY, SURE_BEGINNING

MOST_LETTERS = 16_000
"""Of one object. A longer one is no action."""
MOST_PROSE = 16_000
"""Letters of what stands outside of objects that are kept."""

_AHEAD = 400
_MOST_TRIES = 16
"""So often an object is tried as JSON before the other rules decide on it alone."""

_COMMENT = r"(?://[^\n]{0,200}\n|/\*(?:[^*]|\*(?!/)){0,200}\*/|\#[^\n]{0,200}\n)"
GAP = rf"(?:\s|{_COMMENT}){{0,40}}+"
_ANCHOR = re.compile(rf"\{{{GAP}{KEY}", re.IGNORECASE)
_NO_ANCHOR = re.compile(r"\{\s*(?:\"\w+\"\s*:|[^\s\"'“”‘’`\w/#-])")
"""What tells at once that a brace is none. Anything else needs a look ahead."""
_BEGINNING = re.compile(rf"\{{{GAP}{BEGINNING}", re.IGNORECASE)
_SURE_BEGINNING = re.compile(rf"\{{{GAP}{SURE_BEGINNING}", re.IGNORECASE)
_QUOTED_BEGINNING = re.compile(rf"\{{{GAP}(?=\"){BEGINNING}", re.IGNORECASE)
_CLOSERS = {'"': '"', "'": "'", "“": '”"', "‘": "’'", "`": "`", "「": "」", "『": "』"}
"""By the quote that begins a string: those that may end it."""
_AFTER_STRING = re.compile(
    rf"{GAP}(?:[}}\]:：]|{KEY}|[,，;]{GAP}(?:[}}\]{{\[\"'“‘`「『]|{KEY}|\Z)|\Z)", re.IGNORECASE
)
_IN_STRING = {
    quote: re.compile(rf"[\\{{{re.escape(closers)}]") for quote, closers in _CLOSERS.items()
}
_OUTSIDE = re.compile(r"[\"'“‘`「『{}\[\]/#]")
_COMMENT_HERE = re.compile(_COMMENT)
_LOOK = re.compile(r"[{<]")
_NAMES = ("think", "thinking", "thought", "reasoning")
_TAG = re.compile(rf"<(/?)(?:{'|'.join(_NAMES)})>", re.IGNORECASE)
_TAGS = tuple(f"<{slash}{name}>" for slash in ("", "/") for name in _NAMES)
_JSON = json.JSONDecoder(strict=False)


class Close(Enum):
    """How an object ended."""

    WHOLE = auto()
    BROKEN_OFF = auto()
    """Another one began before it was closed."""
    TOO_LONG = auto()


@dataclass(frozen=True, slots=True)
class Found:
    """An object, as it stands in the text."""

    text: str
    close: Close


class Retracted:
    """All that was found so far was the model thinking aloud, and is not meant."""


class Scanner:
    """Takes pieces of text and finds objects in them.

    Takes time in proportion to the text, and keeps no more of it than an object may be long.
    """

    def __init__(self) -> None:
        self._text = ""
        self._at = 0
        """Everything before is done with."""
        self._pending: list[str] = []
        self._is_over = False
        self._thinks = False
        self._object: _Object | None = None
        self.prose = ""
        """What stands outside of objects: its first `MOST_PROSE` letters."""
        self.tail = ""
        """What stands behind the last object, likewise."""

    def feed(self, text: str) -> Iterator[Found | Retracted]:
        """The objects that are clear by now."""
        self._pending.append(text)
        if "}" in text or ">" in text:
            yield from self._scan()

    def close(self) -> Iterator[Found | Retracted]:
        """The text has ended. One that was not closed is not handed out."""
        self._is_over = True
        yield from self._scan()

    @property
    def is_within(self) -> bool:
        """Whether an object has begun and not ended."""
        return self._object is not None

    def _scan(self) -> Iterator[Found | Retracted]:
        self._text = self._text[self._at :] + "".join(self._pending)
        self._at = 0
        self._pending.clear()
        while True:
            if self._object is None:
                step = self._look()
                if step is None:
                    return
                if isinstance(step, Retracted):
                    yield step
                continue
            found = self._object.read(self._text, is_over=self._is_over)
            if found is None:
                shift = self._object.start
                self._at = shift
                self._object = self._object.moved(-shift)
                return
            self._at = self._object.at
            self._object = None
            self.tail = ""
            yield found

    def _look(self) -> Retracted | bool | None:
        """Go on to the next anchor or tag; None: more text is needed, or there is none."""
        text = self._text
        found = _LOOK.search(text, self._at)
        if found is None:
            self._pass(len(text))
            return None
        self._pass(found.start())
        at = self._at
        has_enough = self._is_over or len(text) - at >= _AHEAD
        if text[at] == "<":
            if tag := _TAG.match(text, at):
                return self._take_tag(tag)
            rest = text[at : at + 16].casefold()
            if not self._is_over and any(one.startswith(rest) for one in _TAGS):
                return None
        elif not self._thinks:
            if _ANCHOR.match(text, at, at + _AHEAD):
                self._object = _Object(at)
                return True
            if not has_enough and not _NO_ANCHOR.match(text, at):
                return None
        self._pass(at + 1)
        return True

    def _take_tag(self, tag: re.Match[str]) -> Retracted | bool:
        self._at = tag.end()
        was_thinking, self._thinks = self._thinks, not tag[1]
        if tag[1] and not was_thinking:
            # Some templates open the section themselves, and the model only closes it.
            self.prose = self.tail = ""
            return Retracted()
        return True

    def _pass(self, to: int) -> None:
        if not self._thinks:
            passed = self._text[self._at : to]
            self.prose = (self.prose + passed)[:MOST_PROSE]
            self.tail = (self.tail + passed)[:MOST_PROSE]
        self._at = to


class _Object:
    """One object that is being read."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.at = start
        """Where reading goes on; behind the object, once it has ended."""
        self._brackets = ""
        """Those that are open, the outermost first."""
        self._quote = ""
        """What began the string that is being read."""
        self._tries = 0
        self._tried_to = start

    def moved(self, by: int) -> _Object:
        """The same where the text begins elsewhere."""
        self.start += by
        self.at += by
        self._tried_to += by
        return self

    def read(self, text: str, *, is_over: bool) -> Found | None:
        """The object as soon as it has ended. None: that is not clear yet, or never was."""
        if found := self._as_json(text):
            return found
        while True:
            looked = _IN_STRING[self._quote] if self._quote else _OUTSIDE
            sign = looked.search(text, self.at)
            here = sign.start() if sign is not None else len(text)
            if here - self.start > MOST_LETTERS:
                self.at = self.start + MOST_LETTERS
                return Found(text[self.start : self.at], Close.TOO_LONG)
            if sign is None or (not is_over and len(text) - here < _AHEAD):
                self.at = here
                return None
            self.at = here + 1
            end = self._in_string(text, here) if self._quote else self._outside(text, here)
            if end is not None:
                return end

    def _as_json(self, text: str) -> Found | None:
        """At once, where it is JSON to the letter, and no wrapper of others."""
        last = text.rfind("}")
        if last < self._tried_to or self._tries >= _MOST_TRIES:
            return None
        self._tries += 1
        self._tried_to = last + 1
        try:
            _, end = _JSON.raw_decode(text, self.start)
        except (ValueError, RecursionError):
            return None
        if end - self.start > MOST_LETTERS or "[" in text[self.start : end]:
            return None
        self.at = end
        return Found(text[self.start : end], Close.WHOLE)

    def _in_string(self, text: str, here: int) -> Found | None:
        sign = text[here]
        if sign == "\\":
            self.at = here + 2
        elif sign == "{":
            # In JSON all strings have this quote, and none begins an object within.
            begins = _QUOTED_BEGINNING if self._quote == '"' else _BEGINNING
            if begins.match(text, here, here + _AHEAD):
                return self._broken_off(text, here)
        elif _AFTER_STRING.match(text, here + 1, here + _AHEAD):
            self._quote = ""
        return None

    def _outside(self, text: str, here: int) -> Found | None:
        sign = text[here]
        match sign:
            case "{":
                before = text[max(self.start, here - _AHEAD) : here].rstrip()
                is_value = before[-1:] in (":", "：", "")
                begins = _BEGINNING if self._brackets[-1:] == "{" else _SURE_BEGINNING
                if self._brackets and not is_value and begins.match(text, here, here + _AHEAD):
                    return self._broken_off(text, here)
                self._brackets += sign
            case "[":
                self._brackets += sign
            case "}":
                # A list that was not closed ends with the object that it is in.
                self._brackets = self._brackets[: self._brackets.rfind("{")]
                if not self._brackets:
                    return Found(text[self.start : self.at], Close.WHOLE)
            case "]":
                if self._brackets[-1:] == "[":
                    self._brackets = self._brackets[:-1]
                elif "[" not in self._brackets:
                    return self._broken_off(text, here)
            case "/" | "#":
                if comment := _COMMENT_HERE.match(text, here, here + _AHEAD):
                    self.at = comment.end()
            case _:
                self._quote = sign
        return None

    def _broken_off(self, text: str, here: int) -> Found:
        self.at = here
        return Found(text[self.start : here], Close.BROKEN_OFF)


def end_of_string(text: str, start: int) -> int | None:
    """Where the string that begins with the quote at `start` ends; None: it does not."""
    signs = _IN_STRING[text[start]]
    at = start + 1
    while sign := signs.search(text, at):
        at = sign.end()
        if sign[0] == "\\":
            at += 1
        elif sign[0] != "{" and _AFTER_STRING.match(text, at, at + _AHEAD):
            return at
    return None
