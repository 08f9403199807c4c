"""The words by which a line can be traced to what it is about, however they are written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import pairwise

_FUNCTION_CHARACTERS = frozenset(
    "的了是我你他她它们这那有在不就都也和与吗呢吧啊呀哦喵嗯哈很太真好还又再才最更要会能可"
    "去来到说看想知道个一两几什么怎谁哪里上下中大小多少得着过给把被对从向为因所以但如果没别"
)
"""Characters that carry grammar: a pair with one of them is no rare word of Chinese."""

_COMMON_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    about after again almost already also always another anything around away back because been
    before behind being better between both bring called came cannot come comes coming could didn
    does doesn doing done down each else even ever every everybody everyone everything feel find
    first five four from gave gets getting give goes going gone gonna good great guess half happen
    happened happening happens hard have having hear heard hello help here herself himself hold
    hope into itself just keep kind knew know known knows last later least leave left less like
    little long look looked looking looks made make makes making many maybe mean mind minute
    moment more most much must myself need needs never next nice nobody nothing once only other
    ours over people perhaps please pretty quite rather really right said same says second see
    seems seen shall should show since some somebody someone something soon still stop such sure
    take talk tell than thank thanks that their them themselves then there these they thing things
    think this those though thought three through time today together told tomorrow tonight took
    toward tried turn under until upon very wait want wants watch well went were what whatever when
    where which while will with without word words would wrong yeah years yesterday your yours
        """,
    )
)
"""English words that anybody says; shorter ones count only where they are names."""

_SHORT_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    ah all am an and any are as ask at be big boy but by can car day did do dad dr eh end eve ex
    far few for fun get go god got guy had has he her hey hi him his ho how huh if in is it its ll
    let man may me men mm mom mr mrs ms my new no nor not now of off oh ok old on one or our out
    ow own pm put re run sad say see she sir sit six so son sun ten the tis to too try tv two uh
    um up us use ve was way we who why win wow yes yet you
        """,
    )
)
"""English words of two and three letters, whatever case a title puts them in."""

_HIRAGANA = "\u3040-\u309f"
UNSPACED = f"{_HIRAGANA}\u30a0-\u30ff\u3400-\u9fff\uac00-\ud7af"
"""The characters of scripts that put no spaces between words, as a class of a pattern."""

SHORTEST = 4
"""Letters of a word that counts by itself; a shorter one does where it is a name."""
_SHORTEST_NUMBER = 3
_SHORTEST_EMBEDDED = 6
"""Letters of a word that counts inside another one, as in a compound."""
_MOST_PIECES = 4
"""So many neighbours that make one word are still taken for it."""

_SPACE = r"\s—–…/|"
_CHUNK = re.compile(rf"[^{_SPACE}]+")
_LETTERS = re.compile(rf"[^\W\d_{UNSPACED}]+")
_CODE = re.compile(rf"[^\W_{UNSPACED}]+")
_ENDING = re.compile(r"['’ʼ](?:s|t|d|m|re|ve|ll)?(?!\w)", re.IGNORECASE)
_NUMBER = re.compile(r"\d(?:[.,'’]?\d)*")
_RUN = re.compile(rf"(?:(?![{_HIRAGANA}])[{UNSPACED}]){{2,}}")
_BETWEEN_UNSPACED = re.compile(rf"(?<=[{UNSPACED}])[\W_]+(?=[{UNSPACED}])")
_NOT_AT_A_START = re.compile(r"(?<=[\w,;]\s)[A-Z][a-z]{1,2}\b")
_UNSEEN = dict.fromkeys(map(ord, "\u115f\u1160\u3164\uffa0"))
"""Fillers that are letters to Unicode and nothing to the eye."""


def plain(text: str) -> str:
    """The text without what the eye does not tell apart: forms of one character, accents,
    and what has no width. Its case is left."""
    if text.isascii():
        return text
    apart = unicodedata.normalize("NFKD", text.translate(_UNSEEN))
    seen = (c for c in apart if unicodedata.category(c) not in ("Mn", "Cf"))
    return unicodedata.normalize("NFC", "".join(seen))


def names(texts: Iterable[str]) -> frozenset[str]:
    """The words too short to be told from everyday ones, but that they are always written as
    names are: with a capital in the middle of a sentence, and never without."""
    capital: set[str] = set()
    small: set[str] = set()
    for text in map(plain, texts):
        capital.update(name.casefold() for name in _NOT_AT_A_START.findall(text))
        small.update(word for word in _LETTERS.findall(text) if word.islower())
    return frozenset(capital - small - _SHORT_WORDS)


def rare_words(text: str, names: frozenset[str] = frozenset()) -> Iterator[str]:
    """The rare words of a text, in each form that may stand for them, and its numbers.

    Scripts without spaces give pairs of neighbouring characters; hiragana, which is
    grammar for the most part, gives none.
    """
    text = plain(text)
    for chunk in _chunks(text.casefold()):
        for word in (*_LETTERS.findall(chunk), _joined(chunk)):
            if len(word) >= SHORTEST or word in names:
                yield from _rare_forms(word)
        for code in _CODE.findall(chunk):
            if len(code) >= SHORTEST and not code.isalpha() and not code.isdigit():
                yield code
    for number in _NUMBER.findall(text):
        digits = "".join(filter(str.isdigit, number))
        if len(digits) >= _SHORTEST_NUMBER:
            yield digits
    yield from _pairs(text)


def traces(text: str, *, longest: int) -> Iterator[str]:
    """All by which a text may give a rare word away: beside its own words what is written
    apart or together, up to `longest` letters.

    Most of it are no words at all: to be looked up among the rare words of another text.
    """
    yield from rare_words(text)
    text = plain(text)
    words = [word for chunk in _chunks(text.casefold()) if (word := _joined(chunk))]
    for word in words:
        yield from _forms(word)  # a short one may be a name
        yield from _embedded(word, longest)
    for i in range(len(words)):
        yield from ("".join(words[i:j]) for j in range(i + 2, i + _MOST_PIECES + 1))
    for letters in re.findall(r"(?<!\w)(?:\w ){3,}\w(?!\w)", " ".join(words)):
        yield letters.replace(" ", "")
    yield from _pairs(_BETWEEN_UNSPACED.sub("", text))


def split_words(end: str, beginning: str) -> Iterator[str]:
    """What the last and the next word may be together, where a line break cut them in two."""
    chunks = [*_chunks(plain(end).casefold())][-1:], [*_chunks(plain(beginning).casefold())][:1]
    for last in chunks[0]:
        for first in chunks[1]:
            whole = _joined(last) + _joined(first)
            if _joined(last) and _joined(first) and len(whole) >= SHORTEST:
                yield from _rare_forms(whole)
            yield from _pairs(last[-1] + first[0])


def _chunks(text: str) -> Iterator[str]:
    for chunk in _CHUNK.findall(text):
        yield _ENDING.sub("", chunk)


def _joined(chunk: str) -> str:
    """A word with a hyphen, a dot or a star in it is still that word."""
    return "".join(_LETTERS.findall(chunk))


def _forms(word: str) -> Iterator[str]:
    """The word, and what it may be the plural of."""
    yield word
    if word.endswith("s") and not word.endswith("ss"):
        yield word[:-1]
        for plural, singular in _PLURALS:
            if word.endswith(plural):
                yield word.removesuffix(plural) + singular


_PLURALS = (("es", ""), ("ies", "y"), ("ves", "f"), ("ves", "fe"))


def _rare_forms(word: str) -> Iterator[str]:
    forms = list(_forms(word))
    if _COMMON_WORDS.isdisjoint(forms):
        yield from (form for form in forms if len(form) >= min(len(word), SHORTEST) - 1)


def _embedded(word: str, longest: int) -> Iterator[str]:
    for start in range(len(word) - _SHORTEST_EMBEDDED + 1):
        for end in range(start + _SHORTEST_EMBEDDED, min(start + longest, len(word)) + 1):
            yield word[start:end]


def _pairs(text: str) -> Iterator[str]:
    for run in _RUN.findall(text):
        for pair in pairwise(run):
            if _FUNCTION_CHARACTERS.isdisjoint(pair):
                yield "".join(pair)
