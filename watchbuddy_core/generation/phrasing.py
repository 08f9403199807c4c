"""From a moment to a line: which phrase, and what stands in its slots."""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random
from string import Formatter

from watchbuddy_core.character import Character, MomentKind, Phrase
from watchbuddy_core.generation.moments import Moment
from watchbuddy_core.generation.wishes import Wish
from watchbuddy_core.protocols import Brief

LONG_QUOTE_APART = 60.0
"""Seconds between two long quotes."""
_SHORT_HAN, _SHORT_WORDS = 12, 6
"""A quote of more than these is long."""
_LONG_HAN, _LONG_WORDS = 24, 12
"""No quote is longer than these."""

_HAN = re.compile(r"[\u3400-\u9fff]")
_CLAUSE_END = re.compile(r"[,;:.!?…—，；：。！？、]+\s*")
_TRAILING = " \t。．.！!？?…~～,，;；、"
_PARTICLES = re.compile(
    r"[的了是我你您他她它们这那在有和跟就都也不没很吗呢吧啊呀哦么个着过把被让给到从对为什怎谁哪\W\d_]+"
)
_WORD = re.compile(r"[^\W\d_][\w'’-]{3,}")
_SAY_LITTLE = """
about after again always another because been before being could does doing done down each
even every from going gonna have having here into just know like little look made make
more much must need never only other over please really right said same should some
something still such sure take tell than that their them then there these they thing
things think this those through time very want well were what when where which while will
with without would yeah your yours
"""
_COMMON = frozenset(_SAY_LITTLE.split())


class Phrasebook:
    """A character's phrases in one language, in an order that the seed decides.

    The one that was used longest ago comes first. No line comes twice.
    """

    def __init__(self, character: Character, language: str, *, seed: str) -> None:
        self._phrases: dict[MomentKind, list[Phrase]] = {}
        self._said: set[str] = set()
        for kind, phrases in character.phrases.get(language, {}).items():
            shuffled = list(phrases)
            Random(f"{seed}/{character.id}/{character.revision}/{language}/{kind}").shuffle(
                shuffled
            )
            self._phrases[kind] = shuffled

    def choose(self, kind: MomentKind, filled: Mapping[str, str]) -> tuple[Phrase, str] | None:
        """A phrase and the line that it makes; None where there is no fresh one."""
        phrases = self._phrases.get(kind, [])
        for i, phrase in enumerate(phrases):
            if slots_of(phrase) <= filled.keys():
                line = phrase.text.format(**filled)
                if line not in self._said:
                    self._said.add(line)
                    phrases.append(phrases.pop(i))
                    return phrase, line
        return None


def slots_of(phrase: Phrase) -> frozenset[str]:
    """The names of a phrase's slots."""
    return frozenset(name for _, name, _, _ in Formatter().parse(phrase.text) if name)


class Quotes:
    """Shortens what was said. A long quote comes at most once a minute."""

    def __init__(self) -> None:
        self._last_long = -LONG_QUOTE_APART

    def of(self, text: str, at: float) -> str | None:
        """A quote of `text`, said by `at` (media seconds); None where none is short enough."""
        if _is_within(text, _SHORT_HAN, _SHORT_WORDS):
            return text
        if at - self._last_long >= LONG_QUOTE_APART and _is_within(text, _LONG_HAN, _LONG_WORDS):
            self._last_long = at
            return text
        return _last_clause(text)


def slots(moment: Moment, brief: Brief, language: str, quotes: Quotes) -> dict[str, str]:
    """What the slots of a phrase can be filled with at this moment."""
    filled = {"time": _clock(moment.at, language)}
    title = brief.title.replace("_", " ").strip()
    if moment.kind in (MomentKind.OPENING, MomentKind.ENDING) and title:
        filled["title"] = title[:40]
    watched = (
        brief.range_end - brief.range_start
        if moment.kind is MomentKind.OPENING
        else moment.at - brief.range_start
    )
    if watched >= 120:
        filled["minutes"] = str(round(watched / 60))
    if moment.seconds is not None and round(moment.seconds) >= 2:
        filled["seconds"] = str(round(moment.seconds))
    if moment.kind is MomentKind.REPLAY and moment.span is not None:
        filled["time"] = _clock(moment.span[0] + 1, language)
    if moment.text:
        quote = quotes.of(moment.text, moment.at)
        if quote is not None:
            filled["quote"] = quote
        word = _telling_word(moment.text)
        if word is not None:
            filled["word"] = word
    if moment.speaker:
        filled["speaker"] = moment.speaker
    if moment.sound:
        filled["sound"] = moment.sound
    if moment.chapter:
        filled["chapter"] = moment.chapter[:40]
    return filled


def with_affixes(text: str, wish: Wish) -> str:
    """The line as the viewer wants it to begin and end."""
    if wish.beginning:
        gap = "" if _HAN.search(wish.beginning[-1]) or wish.beginning[-1] in "，、" else " "
        text = f"{wish.beginning}{gap}{text}"
    if wish.ending:
        gap = " " if wish.ending[0].isascii() and wish.ending[0].isalnum() else ""
        text = f"{text.rstrip(_TRAILING)}{gap}{wish.ending}"
    return text


def _clock(seconds: float, language: str) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if language != "zh":
        return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
    said = f"{hours}小时" if hours else ""
    if minutes or hours:
        said += f"{minutes}分"
    return f"{said}{rest}秒"


def _is_within(text: str, han: int, words: int) -> bool:
    return len(_HAN.findall(text)) <= han and len(_HAN.sub("", text).split()) <= words


def _last_clause(text: str) -> str | None:
    """The end of what was said, from a clause on: an ellipsis stands for the rest."""
    begins = [match.end() for match in _CLAUSE_END.finditer(text) if match.end() < len(text)]
    for begin in begins:
        clause = text[begin:]
        if _is_within(clause, _SHORT_HAN, _SHORT_WORDS) and len(clause) >= 4:
            return f"…{clause}"
    words = text.split()
    if len(words) > _SHORT_WORDS and not _HAN.search(text):
        return "…" + " ".join(words[-_SHORT_WORDS:])
    return None


def _telling_word(text: str) -> str | None:
    """The word that says most: the longest that is not in every second sentence."""
    if _HAN.search(text):
        chunks = [chunk for chunk in _PARTICLES.split(text) if 2 <= len(chunk) <= 5]
        return max(chunks, key=len, default=None)
    words = [word for word in _WORD.findall(text) if word.lower() not in _COMMON]
    return max(words, key=len, default=None)
