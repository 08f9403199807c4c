"""The texts of a card as words that a companion can be given, or can say.

Cards are written for role play in writing: `*actions*` between asterisks, placeholders, talk of
two sides. What is said aloud is taken out of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise

_LONGEST_LINE = 120
"""Letters of a line that is said."""
_SHORTEST_LINE = 2

_SELF = re.compile(r"\{\{char\}\}|<char>|<bot>", re.IGNORECASE)
_VIEWERS = re.compile(r"(?:\{\{user\}\}|<user>)['’]s", re.IGNORECASE)
_VIEWER = re.compile(r"\{\{user\}\}|<user>", re.IGNORECASE)
_CHOICE = re.compile(r"\{\{(?:random|pick)::?([^{}]*)\}\}", re.IGNORECASE)
_OTHER = re.compile(r"\{\{[^{}]*\}\}")
_START = re.compile(r"<START>", re.IGNORECASE)
_TURN = re.compile(
    r"^\s*(?:(\{\{char\}\}|<char>|<bot>)|\{\{user\}\}|<user>|(\w[\w .'-]{0,40}))\s*[:：]"
)
_NAME = re.compile(r"[A-Z]\w*|[\u3400-\u9fff]{2,4}")
"""A speaker, rather than a sentence that goes on after a colon."""
_ACTION = re.compile(r"\*[^*\n]*\*|\([^()\n]*\)|（[^（）\n]*）|\[[^\[\]\n]*\]")
_QUOTED = re.compile(r"“([^“”]+)”|\"([^\"\n]+)\"|「([^「」]+)」|『([^『』]+)』")
_SENTENCE_END = re.compile(
    r"(?<![.!?…。！？])(?:[.!?…]++[\"'”’]*+(?=\s|$)|[.!?…。！？]*[。！？…][”’」』]*)"
)
"""From its first mark on, so that a long row of marks is looked at once."""
_MARKS = re.compile(r"[*_~`#>|{}<>«»]+|!?\[|\]\([^()\n]{0,200}\)|\]")
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]*>")
_LETTER = re.compile(r"\w")
_WORD = re.compile(r"[^\W\d_]+")

_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u3400-\u9fff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
)
_MUCH = 0.08
"""So large a share of the letters makes a script that of the language: names are quoted too."""
_SMALL_WORDS = {
    "en": "the and of to is in you that it he she was for with his her a are they not",
    "de": "der die und das ist nicht ein eine mit sie er auf den von zu ich du sich",
    "fr": "le la les et est une des que elle dans pour pas un vous il qui ne je sur",
    "es": "el los las y es una que por con para no su del se un en lo como está",
    "it": "il gli e è una che per con non di sono della ha un si lei lui ma anche",
    "pt": "o os as e é uma que por com para não de do da um se em ele ela mais você",
}
_WORD_LISTS = {language: frozenset(words.split()) for language, words in _SMALL_WORDS.items()}
_YOU = {"zh": ("你", "你的"), "ja": ("君", "君の"), "en": ("you", "your")}
_THE_VIEWER = {"zh": ("观众", "观众的"), "en": ("the viewer", "the viewer's")}


def language_of(texts: Iterable[str]) -> str:
    """The language (ISO 639-1) in which a card is likely to be written."""
    text = _OTHER.sub(" ", " ".join(texts))[:20_000]
    letters = max(len(_LETTER.findall(text)), 1)
    for language, script in _SCRIPTS:
        if len(script.findall(text)) / letters > _MUCH:
            return language
    words = Counter(_WORD.findall(text.lower()))
    counts = {
        language: sum(words[word] for word in known) for language, known in _WORD_LISTS.items()
    }
    best = max(counts, key=lambda language: counts[language])
    return best if counts[best] else "en"


def told(text: str, name: str, language: str) -> str:
    """A text about the character, for a model: placeholders filled, nothing that frames text."""
    text = _filled(text, name, _THE_VIEWER.get(language, _THE_VIEWER["en"]))
    lines = (_printable(line).lstrip("#>").strip() for line in text.splitlines())
    kept = "\n".join(lines).translate({ord("«"): "‹", ord("»"): "›"})
    return re.sub(r"\n{3,}", "\n\n", kept).strip()


def example_lines(text: str, names: Iterable[str], language: str) -> Iterator[str]:
    """What the character says in a card's example dialogues, line by line."""
    known = {name.casefold() for name in names}
    name = next(iter(names), "")
    for dialogue in _START.split(text):
        is_own = True  # a dialogue that names no speakers is the character's
        for line in dialogue.splitlines():
            if turn := _TURN.match(line):
                own, who = turn[1], (turn[2] or "").strip()
                if own or who.casefold() in known:
                    is_own, line = True, line[turn.end() :]
                elif not who or _NAME.fullmatch(who):
                    is_own = False
            if is_own:
                yield from spoken(line, name, language)


def spoken(text: str, name: str, language: str) -> Iterator[str]:
    """The short lines that can be said aloud in a piece of role play."""
    text = _filled(text, name, _YOU.get(language, _YOU["en"]))
    quotes = [next(filter(None, found)) for found in _QUOTED.findall(text)]
    for passage in quotes or [_ACTION.sub("\n", text)]:
        for line in passage.splitlines():
            yield from _sentences(_MARKS.sub(" ", _TAG.sub(" ", line)))


def _sentences(text: str) -> Iterator[str]:
    """Whole sentences together, as long as they are no longer than a line."""
    text = " ".join(_printable(text).split())
    ends = [*(found.end() for found in _SENTENCE_END.finditer(text)), len(text)]
    line = ""
    for start, end in pairwise([0, *ends]):
        if line and len(line) + end - start > _LONGEST_LINE:
            yield from _if_short(line)
            line = ""
        line += text[start:end]
    yield from _if_short(line)


def _if_short(line: str) -> Iterator[str]:
    line = line.strip(" ,;:，；：、")
    if _SHORTEST_LINE <= len(line) <= _LONGEST_LINE and _LETTER.search(line):
        yield line


def _filled(text: str, name: str, viewer: tuple[str, str]) -> str:
    """All placeholders filled; of choices the first, so that it is always the same one."""
    text = _SELF.sub(lambda _: name, text)
    text = _VIEWER.sub(viewer[0], _VIEWERS.sub(viewer[1], text))
    text = _CHOICE.sub(lambda found: re.split(r"::|,", found[1])[0], text)
    return _OTHER.sub("", text)


def _printable(text: str) -> str:
    """Without what cannot be seen, or is a picture rather than a letter."""
    return "".join(
        letter if unicodedata.category(letter) not in _UNSAID else " "
        for letter in unicodedata.normalize("NFC", text)
    )


_UNSAID = frozenset(("Cc", "Cf", "Co", "Cs", "Cn", "So", "Sk"))
