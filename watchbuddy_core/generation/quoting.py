"""From subtitles to quotes: whole sentences, the word that matters, and shorter versions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from watchbuddy_core.video import Cue

SHORT_CHARACTERS, SHORT_WORDS = 12, 6
"""A quote of more than these is long."""
_MOST_CHARACTERS, _MOST_WORDS = 18, 10
"""No quote is longer than these."""

_CONTINUED_WITHIN = 1.0
"""Seconds after a cue within which the next one can go on with its sentence."""
_MOST_JOINED = 3
"""Captions without any punctuation would else make one endless sentence."""
_AT_ONCE = 0.25
"""Seconds from the end of a sentence to a reaction."""

_MOST_LETTERS = 90

_HAN = re.compile(r"[\u3400-\u9fff]")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_FINISHED = re.compile(r"[.!?…。！？~～♪][\"'”’」』)）]*$")
_CONTINUES = re.compile(r"[\"'“‘]?[a-zà-ÿ]")
_SENTENCE = re.compile(r"[^.!?…。！？]+(?:[.!?…。！？]+[\"'”’]*|$)|[.!?…。！？]+")
_CLAUSE = re.compile(
    r"(?<=[,;:，、；：—])\s*|(?<=[\u3400-\u9fff])\s+(?=[\u3400-\u9fff])|\s+[-–—]+\s+"
)
_MARKS = re.compile(r"[\"“”„«»「」『』《》]")
_EDGES = " \t,;:，、；：-–—'‘’"

_GRAMMAR = (
    "的了是我你您他她它们这那在有和跟就都也不没很吗呢吧啊呀哦嗯么个着过把被让给到从对为"
    "什怎谁哪来去说想要会能可以还又再太真好多少上下里外前后中大小得地之与及或而且但因所如"
    "果然虽一二三四五六七八九十两几些每各只才已经最更别请将向往当做看知道觉该应当比于其此某"
)
_NOT_GRAMMAR = re.compile(rf"[^\W\d_{_GRAMMAR}]+")
_SAID_BY_ALL = frozenset(
    re.findall(
        r"\w+",
        "今天 明天 昨天 时候 自己 东西 事情 现在 意思 问题 方法 朋友 高兴 大家 喜欢 重要",
    )
)
_CHINESE_WORD = re.compile(
    rf"(?:^|[\s，。、；：！？]|[的很最太真]|叫做|叫作|称为)([^\W\d_a-zA-Z{_GRAMMAR}]{{2,4}})"
    r"(?=$|[\s，。、；：！？]|[吗呢吧啊了]+(?:$|\W))"
)
_AFTER = "的了着过吧呢吗啊呀们"
"""A Chinese phrase may end behind these."""
_BEFORE = "是和在就都也还要会能可把被让给从对为跟与但而所因如不没很"
"""A Chinese phrase may end before these."""
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_COMMON = frozenset(
    re.findall(
        r"[\w']+",
        """
    about actually after again always anything around away back because been before being both
    came could couldn didn does doesn doing done don't down each else even ever every everybody
    everyone everything from gets getting call called calls means used using work works point
    shows give goes going gonna gotta have having here into it's just keep kind know like little
    look looking made make makes making many maybe mean more most much must need never next
    nobody nothing once only other over people please pretty quite rather really right said same
    says seems should since some somebody someone something sometimes sort still such sure take
    than that that's their them themselves then there there's these they they're thing things
    think this those though through time today told took tried turn under until upon very wait
    want wants well were what what's when where which while will with without would wouldn yeah
    years you're your yours you've we're we've i've i'll can't won't isn't aren't wasn't
        """,
    )
)
_DANGLING = frozenset(
    re.findall(
        r"[\w']+",
        """
    a an the of to and or but in on at for with by from as is are was were be been that this
    these those my your his her its our their i you we they he she it who which if so because
    can could will would do does did not very just about into than until first
        """,
    )
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """The last sentence of what was just said, and where it stands. Media seconds."""

    text: str
    start: float
    end: float
    known_at: float
    """When it is clear that it has ended."""
    cues: tuple[int, ...]
    """Indices of the cues that it was read from."""
    speaker: str | None


def sentences(cues: Sequence[Cue], *, until: float) -> Iterator[Sentence]:
    """What is said, cue by cue; one that goes on in the next cue is joined with it.

    What may still go on after `until` is left out: nobody knows yet how it ends.
    """
    spoken = [(i, cue) for i, cue in enumerate(cues) if cue.text.strip()]
    joined: list[int] = []
    for place, (i, cue) in enumerate(spoken):
        joined.append(i)
        following = spoken[place + 1][1] if place + 1 < len(spoken) else None
        is_open = len(joined) < _MOST_JOINED and _may_go_on(cue.text)
        if is_open and following is not None and _goes_on(cue, following):
            continue
        known_at = cue.end + (_CONTINUED_WITHIN if is_open else 0.0) + _AT_ONCE
        if known_at <= until:
            parts = [cues[j].text.strip() for j in joined]
            yield Sentence(
                text=_best_sentence(" ".join(parts)),
                start=cues[joined[0]].start,
                end=cue.end,
                known_at=known_at,
                cues=tuple(joined),
                speaker=cues[joined[0]].speaker,
            )
        joined = []


def _may_go_on(text: str) -> bool:
    return not _FINISHED.search(text) and not _HAN.search(text)


def _goes_on(cue: Cue, following: Cue) -> bool:
    return (
        following.start - cue.end <= _CONTINUED_WITHIN
        and following.speaker in (None, cue.speaker)
        and _CONTINUES.match(following.text.strip()) is not None
    )


def _best_sentence(text: str) -> str:
    """The last question or cry if there is one, else the sentence that says most."""
    found = [part.strip() for part in _SENTENCE.findall(text) if _WORD.search(part)]
    loud = [part for part in found if part.rstrip("\"'”’")[-1] in "?!？！"]
    return loud[-1] if loud else max(found, key=richness, default=text)


def content(text: str) -> tuple[str, ...]:
    """The words that carry what is said, without those of grammar."""
    han = [
        run
        for run in _NOT_GRAMMAR.findall(text)
        if 2 <= len(run) <= 4 and _HAN.match(run) and run not in _SAID_BY_ALL
    ]
    latin = [
        word
        for word in _WORD.findall(_HAN.sub(" ", text))
        if len(word) >= 4 and word.casefold() not in _COMMON
    ]
    return (*han, *latin)


def richness(text: str) -> float:
    """How much is said: the number of words that carry it, more or less."""
    grammar = set(_GRAMMAR)
    han = sum(character not in grammar for character in _HAN.findall(text))
    return han / 2.5 + sum(not _HAN.match(word) for word in content(text))


def telling_word(text: str) -> str | None:
    """The longest of the words that carry what is said; None, where none can be told.

    Chinese has no spaces: what ends a clause behind `的` or `很` is a word for certain, and
    so is a clause of a few characters; of the rest nobody knows without a dictionary.
    """
    if _HAN.search(text):
        words = [match.group(1) for match in _CHINESE_WORD.finditer(text)]
        words = [word for word in words if word not in _SAID_BY_ALL]
    else:
        words = [word for word in content(text) if len(word) >= 5]
    return max(words, key=len, default=None)


def is_long(quote: str) -> bool:
    """Whether a quote is one of those that come at most once a minute."""
    return not _fits(quote, SHORT_CHARACTERS, SHORT_WORDS)


def shortened(text: str, *, allow_long: bool = False) -> str | None:
    """A quote of `text` that is short enough, cut at the border of a clause or a word.

    What was left out is an ellipsis. A question keeps its end, all else its beginning.
    None: nothing of it can be quoted.
    """
    text = " ".join(_MARKS.sub("", text).split()).strip(_EDGES)
    characters, words = (
        (_MOST_CHARACTERS, _MOST_WORDS) if allow_long else (SHORT_CHARACTERS, SHORT_WORDS)
    )
    if not _WORD.search(text):
        return None
    if _fits(text, characters, words):
        return text
    clauses = [part.strip(_EDGES) for part in _CLAUSE.split(text)]
    clauses = [part for part in clauses if part]
    keeps_end = text[-1] in "?？"
    fitting = [
        i
        for i, clause in enumerate(clauses)
        if _fits(clause, characters, words) and content(clause)
    ]
    if fitting:
        best = fitting[-1] if keeps_end else max(fitting, key=lambda i: richness(clauses[i]))
        return ("…" if best > 0 else "") + clauses[best] + ("…" if best < len(clauses) - 1 else "")
    rest = clauses[-1 if keeps_end else 0]
    cut = _last_part(rest, words) if keeps_end else _first_part(rest, characters, words)
    if cut is None:
        return None
    return f"…{cut}" if keeps_end else f"{cut}…"


def _fits(text: str, characters: int, words: int) -> bool:
    unspaced = len(_UNSPACED.findall(text))
    spaced = len(_UNSPACED.sub(" ", text).split())
    return unspaced <= characters and spaced <= words and len(text) <= _MOST_LETTERS


def _first_part(text: str, characters: int, words: int) -> str | None:
    if _HAN.search(text):
        borders = [
            i
            for i in range(4, min(len(text), characters) + 1)
            if text[i - 1] in _AFTER or (i < len(text) and text[i] in _BEFORE)
        ]
        return text[: borders[-1]].strip(_EDGES) if borders else None
    kept = text.split()[:words]
    while kept and _plain(kept[-1]) in _DANGLING:
        kept.pop()
    return " ".join(kept).strip(_EDGES + ".") if len(kept) >= 2 else None


def _last_part(text: str, words: int) -> str | None:
    if _HAN.search(text):
        borders = [
            i
            for i in range(len(text) - SHORT_CHARACTERS, len(text) - 3)
            if text[i - 1] in _AFTER or text[i] in _BEFORE
        ]
        return text[borders[0] :].strip(_EDGES) if borders else None
    return " ".join(text.split()[-words:]).strip(_EDGES)


def _plain(word: str) -> str:
    return word.strip(".,;:!?\"'").casefold()
