"""Whether a companion repeats itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

from watchbuddy_core.placement.words import UNSPACED

ALIKE = 0.85
"""Of 1: from here on, two lines are the same to a listener, as placement has it."""

_TOKEN = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+(?:['’]\w+)?")


@dataclass(frozen=True, slots=True)
class Sameness:
    """How much of what is said was said before. Of the letters and digits: case, spaces and
    marks do not count."""

    duplicates: float
    """Lines that are the same as an earlier one, or nearly (`ALIKE`, by the ratio of
    `difflib.SequenceMatcher`), of all lines. 0 to 1; 0 is best, and what silence has."""
    distinct_2: float
    """Different pairs of neighbouring words, of all such pairs in all lines. 0 to 1; 1 is best,
    and what silence has. Distinct-2 of Li et al., "A Diversity-Promoting Objective Function"
    (NAACL 2016), with characters for words in scripts without spaces. The longer a track, the
    lower it gets: compare tracks of one length."""


def sameness(lines: Sequence[str]) -> Sameness:
    """Of the lines of one track, in order."""
    letters = [_letters(line) for line in lines]
    repeated = sum(
        any(_alike(line, earlier) for earlier in letters[:i]) for i, line in enumerate(letters)
    )
    pairs = [pair for line in lines for pair in _pairs(line)]
    return Sameness(
        duplicates=repeated / len(lines) if lines else 0.0,
        distinct_2=len(set(pairs)) / len(pairs) if pairs else 1.0,
    )


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold())) or text


def _alike(one: str, other: str) -> bool:
    if one == other:
        return True
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    bounds = (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio)
    return all(ratio() >= ALIKE for ratio in bounds)


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    return pairwise(_TOKEN.findall(text.casefold()))
