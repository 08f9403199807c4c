"""What a viewer wishes in their own words, as far as rules can follow it.

How every line ends or begins, and the language. Whatever else is said is kept, so that
the viewer can be told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from watchbuddy_core.generation.quoting import content

LONGEST_AFFIX = 20
"""Characters that a line may be made to end or begin with."""

_HAN = re.compile(r"[\u3400-\u9fff]")
_LETTER = re.compile(r"[^\W\d_]")
_STOPS = " \t。．.！!？?…~～,，;；、:：—-"


@dataclass(frozen=True, slots=True)
class Wish:
    """What was understood of a viewer's wish, and what was not."""

    ending: str = ""
    """How every line ends."""
    beginning: str = ""
    """How every line begins."""
    language: str | None = None
    """The language that was asked for: an ISO 639-1 code."""
    language_request: str = ""
    """How it was asked for, in the viewer's words."""
    unwanted_languages: Mapping[str, str] = field(default_factory=dict)
    """Those that were asked not to be spoken, each with the viewer's words for it."""
    written_in: str | None = None
    """The language of the wish itself, `zh` or `en`, where it is long enough to tell."""
    unfulfilled: tuple[str, ...] = ()
    """What rules cannot follow, in the viewer's words."""

    def applied(self, line: str) -> str:
        """The line with the ending and the beginning that were wished for."""
        if self.ending:
            line = _ended(line, self.ending)
        if self.beginning:
            line = _begun(line, self.beginning)
        return line


def read_wish(text: str) -> Wish:
    """Read a wish. Of two endings, or beginnings, or languages, the last one counts."""
    masked = _Masked.of(text)
    affixes: dict[_Place, str] = {}
    language, language_request = None, ""
    unwanted: dict[str, str] = {}
    unfulfilled: list[str] = []
    for clause in _CLAUSE.split(masked.text):
        rest = clause
        found = list(_affixes(clause))
        if found and _REFUSAL.search(clause):
            continue  # "Don't end every line with …" asks for what is done anyway
        for affix in found:
            wanted = masked.plain(affix.text)
            if 0 < len(wanted) <= LONGEST_AFFIX and wanted.isprintable():
                affixes[affix.place] = wanted
                rest = rest.replace(clause[affix.start : affix.end], " ")
        if match := _UNWANTED_LANGUAGE.search(rest):
            unwanted[str(match.lastgroup)] = match.group().strip()
            rest = rest.replace(match.group(), " ")
        if match := _LANGUAGE.search(rest):
            language = match.lastgroup
            language_request = match.group().strip()
            rest = rest.replace(match.group(), " ")
        if _asks_for_something(rest):
            left = rest.strip(_STOPS) if rest == clause else _trimmed(rest)
            unfulfilled.append(masked.restored(left))
    return Wish(
        ending=affixes.get(_ENDING, ""),
        beginning=affixes.get(_BEGINNING, ""),
        language=language,
        language_request=language_request,
        unwanted_languages=unwanted,
        written_in=_written_in(masked.text),
        unfulfilled=tuple(unfulfilled),
    )


def is_true_of(request: str, description: str) -> bool:
    """Whether what is asked for is what a character is anyway, by its own description."""
    words = content(request)
    return bool(words) and all(word.casefold() in description.casefold() for word in words)


# --- applying --------------------------------------------------------------------------


def _ended(line: str, ending: str) -> str:
    core = ending.strip(_STOPS)
    bare = line.rstrip(_STOPS)
    if core and bare.endswith(core):
        bare = bare[: -len(core)].rstrip(_STOPS) or bare
    if not _is_latin(ending[0]):
        return bare + ending
    return f"{bare}, {ending}" if _is_latin(bare[-1:]) else f"{bare} {ending}"


def _begun(line: str, beginning: str) -> str:
    if line.startswith(beginning):
        return line
    if beginning[-1].isalnum():
        beginning += "，" if _HAN.match(beginning[-1]) else ","
    return f"{beginning} {line}" if beginning.isascii() else f"{beginning}{line}"


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


# --- quotations ------------------------------------------------------------------------

_MARKS = (
    "“”", "「」", "『』", "《》", "【】", "«»", "‘’", "„“", "„”",
    '""', "``", "““", "””", '“"', '"”', "‘‘", "’’",
)  # fmt: skip
"""Proper pairs first: a mark that both opens and closes is the poorer guess."""
_QUOTED = re.compile(
    "|".join(f"{m[0]}[^{m}\n]{{1,80}}{m[1]}" for m in _MARKS)
    + r"|(?<![A-Za-z0-9])'[^'\n]{1,80}'(?![A-Za-z0-9])"
)
_MASK = re.compile("[\ue000-\uf8ff]")


@dataclass(frozen=True, slots=True)
class _Masked:
    """A text in which one private character stands for each quotation.

    So punctuation inside quotes ends no clause, and a pattern needs one character for all
    the ways in which people quote.
    """

    text: str
    quoted: Mapping[str, str]
    """With its marks, by what stands for it."""

    @classmethod
    def of(cls, text: str) -> _Masked:
        quoted: dict[str, str] = {}

        def mask(match: re.Match[str]) -> str:
            stand_in = chr(0xE000 + len(quoted))
            quoted[stand_in] = match.group()
            return stand_in

        return cls(_QUOTED.sub(mask, _MASK.sub("", text), count=0x1900), quoted)

    def plain(self, text: str) -> str:
        """What is quoted, without its marks; any other text as it is."""
        return self.quoted[text][1:-1].strip() if text in self.quoted else text.strip()

    def restored(self, text: str) -> str:
        return _MASK.sub(lambda mask: self.quoted[mask.group()], text)


# --- how lines end and begin -----------------------------------------------------------

_CLAUSE = re.compile(r"(?:[。.;；!！?？\n…]|[，,](?!\s*[\ue000-\uf8ff]))+")
_REFUSAL = re.compile(
    r"不要|不许|不准|不用|不必|无需|(?<![特分区级])别(?![人的])"
    r"|\b(?:don['’]?t|do not|never|without|stop|no longer|no need)\b",
    re.IGNORECASE,
)
_LINES = r"\b(?:sentence|line|reply|message|response|phrase|comment|everything|thing)s?\b|replies"
_WITH = r"\s+(?:with|in|by saying)\s+(?:(?:an?|the)\s+)?(?:(?:word|phrase)s?\s+)?"
_WORDS = r"(?P<x>[^\s\ue000-\uf8ff]+(?:\s(?!and\b|please\b|but\b)[^\s\ue000-\uf8ff]+)?)"
_OVER = r"(?=\s*(?:$|and\b|please\b|but\b))"


@dataclass(frozen=True, slots=True)
class _Affix:
    place: _Place
    text: str
    """What stands there: a mask, or words without quotes."""
    start: int
    end: int
    """Where the clause speaks of it."""


class _Place:
    """The end or the beginning of a line, and how people speak of it.

    Args:
        chinese: words for it that can mean little else.
        loosely: words that mean it where lines or quotations are spoken of.
        english: the same in English, where it is always looser.
    """

    def __init__(self, *, chinese: str, loosely: str, english: str) -> None:
        self.named = re.compile(f"{chinese}|{loosely}|{english}", re.IGNORECASE)
        self.unquoted = tuple(
            re.compile(pattern, re.IGNORECASE)
            for pattern in (
                rf"[以用拿](?P<x>[^\s以用拿]{{1,8}}?)[来做作当为]{{0,2}}(?:{chinese})",
                rf"(?:句.{{0,4}}(?:{chinese}|{loosely})[处都要会请得再]{{0,3}}[加带说用是为放接]"
                rf"|(?:{chinese})(?:(?<=[加带上])|[处都要会请得再]{{0,3}}[加带]))上?(?:一?[个声句])?"
                r"(?P<x>[^\s的]{1,8}?)(?:这?[个二两]?字|这个词)?$",
                rf"(?:{english})(?=.*(?:{_LINES})).{{0,40}}?{_WITH}{_WORDS}{_OVER}",
                rf"(?:{_LINES}).{{0,30}}?(?:{english}){_WITH}{_WORDS}{_OVER}",
                rf"\b(?:add|append|put|say)\s+{_WORDS}\s+(?:(?:to|at|on)\s+the\s+)?(?:{english})",
            )
        )


_ENDING = _Place(
    chinese="结尾|收尾|末尾|句尾|句末|话尾|语尾|口癖|(?:说话|每句话?)[都要会]{0,2}[加带]上?",
    loosely="结束|尾音|最后面?|后面",
    english=r"\b(?:end(?:s|ing)?|finish(?:es|ing)?|close|after (?:every|each|all))\b",
)
_BEGINNING = _Place(
    chinese="开头|起头|打头|句首",
    loosely="开始|开场|开口|最前面|前面",
    english=r"\b(?:start(?:s|ing)?|begin(?:s|ning)?|open|prefix|before (?:every|each|all))\b",
)
_PLACES = (_ENDING, _BEGINNING)
_FARTHEST = 60
"""Characters between the name of a place and the quotation that is to stand there."""
_LINK = re.compile(
    r"[\s，,处来做作当为放加在到于带上用说是接有要都会请得再每句话的个一声之以]*"
    r"|.*\b(?:with|by|in|to|at|after|before)\b.*",
    re.IGNORECASE,
)


def _affixes(clause: str) -> Iterator[_Affix]:
    """What a clause wants to stand where."""
    quotes = [match.start() for match in _MASK.finditer(clause)]
    named = [(match, place) for place in _PLACES for match in place.named.finditer(clause)]
    named.sort(key=lambda found: found[0].start())
    if not quotes:
        for place in _PLACES:
            matches = (pattern.search(clause) for pattern in place.unquoted)
            if match := next(filter(None, matches), None):
                yield _Affix(place, match["x"], *match.span())
    elif len(quotes) == len(named):
        # "Start with X and end with Y", "以 X 开头，以 Y 结尾": one for each, in order.
        for (match, place), at in zip(named, quotes, strict=True):
            yield from _linked(clause, place, match, at)
    else:
        for match, place in named:
            at = min(quotes, key=lambda at: abs(at - match.start()))
            yield from _linked(clause, place, match, at)


def _linked(clause: str, place: _Place, named: re.Match[str], at: int) -> Iterator[_Affix]:
    between = clause[named.end() : at] if at >= named.end() else clause[at + 1 : named.start()]
    if len(between) <= _FARTHEST and _LINK.fullmatch(between):
        yield _Affix(place, clause[at], min(named.start(), at), max(named.end(), at + 1))


# --- languages, and what is left -------------------------------------------------------

_NAMES = {
    "zh": "中文|汉语|国语|普通话|华语|chinese|mandarin",
    "en": "英文|英语|english",
    "ja": "日文|日语|日本語|japanese",
    "ko": "韩文|韩语|한국어|korean",
    "fr": "法文|法语|français|french",
    "de": "德文|德语|deutsch|german",
    "es": "西班牙文|西班牙语|español|spanish",
    "ru": "俄文|俄语|russian",
    "yue": "粤语|广东话|cantonese",
}
_NAME = "|".join(f"(?P<{code}>{names})" for code, names in _NAMES.items())
_LANGUAGE = re.compile(
    rf"(?:[用说讲以]|使用|换成|改成|改用|\b(?:in|speak|use|talk|to)\s+(?:only\s+)?|^\s*)"
    rf"\s*(?:{_NAME})(?:[来跟和我]{{0,2}}(?:回答|回复|说话|讲话|交流|评论|解说|聊天|吐槽|说|讲))?",
    re.IGNORECASE,
)
_UNWANTED_LANGUAGE = re.compile(
    rf"(?:{_REFUSAL.pattern}|\b(?:no|not)\b)"
    rf"\s*(?:any\s+)?(?:再|在|老是?|总是?)?(?:[用说讲以]|使用|\b(?:in|speak|use|talk|to)\s+(?:in\s+)?(?:only\s+)?)?\s*(?:{_NAME})",
    re.IGNORECASE,
)
_GRAMMAR = re.compile(
    "[你您请都会要必须需应该记得说讲的每一句话个所有在时候总是求希望我能可以吧哦啦和并且而然后还也"
    "同把将给用谢麻烦好吗回答复子里上加带来]+"
)
_COURTESIES = frozenset(
    re.findall(
        r"\w+",
        """
    please you your yours every each all sentence sentences line lines should must always with the
    and of i me want would like to that this say speak talk make sure a an also then reply replies
    answer respond comment message messages word words it can could let have at in by thanks thank
    hi hello hey is are be use so but only just will do when add put everything whenever finish end
        """,
    )
)


def _asks_for_something(rest: str) -> bool:
    """Whether more is left of a clause than courtesies and words of grammar."""
    rest = _GRAMMAR.sub(" ", rest)
    words = [word for word in re.findall(r"[\w'’]+", rest) if word.casefold() not in _COURTESIES]
    return bool(_MASK.search(rest)) or sum(len(_LETTER.findall(word)) for word in words) >= 2


def _trimmed(rest: str) -> str:
    """What is left of a clause, without the words that led over to what was followed."""
    words = rest.strip(_STOPS).split()
    while words and words[-1].casefold() in _COURTESIES:
        words.pop()
    while words and words[0].casefold() in ("and", "but", "also", "then", "please"):
        words.pop(0)
    return " ".join(words)


def _written_in(text: str) -> str | None:
    letters = _LETTER.findall(text)
    if len(letters) >= 2 and len(_HAN.findall(text)) > 0.3 * len(letters):
        return "zh"
    is_latin = sum(letter.isascii() for letter in letters) > 0.9 * len(letters)
    return "en" if len(letters) >= 12 and is_latin and len(text.split()) >= 3 else None
