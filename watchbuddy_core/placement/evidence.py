"""Until when what a draft shows, quotes or gives away lies in the future."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from watchbuddy_core.actions import Draft, Speak
from watchbuddy_core.placement.restraint import ms
from watchbuddy_core.placement.words import names, rare_words, split_words, traces
from watchbuddy_core.video import Cue


class Evidence:
    """Tells until when a draft's content lies in the future.

    Args:
        cues: what is said in the video.
        known: texts whose words give nothing away.
        phrases: lines with slots, such as `{word}, again?`. What a line has of one of them
            gives nothing away either; what fills its slots, and any other line, does.
    """

    def __init__(
        self, cues: Sequence[Cue], known: Iterable[str], phrases: Iterable[str] = ()
    ) -> None:
        self._spans = sorted((ms(cue.start), ms(cue.end)) for cue in cues if cue.text.strip())
        self._longest = max((end - start for start, end in self._spans), default=0)
        # The one that says most by itself first: a line may look like several.
        by_weight = sorted(phrases, key=lambda phrase: -len(_SLOT.sub("", phrase)))
        self._phrases = [(_longest_piece(phrase), phrase) for phrase in by_weight]
        self._first_said: dict[str, int] = {}
        short_names = names(cue.text for cue in cues)
        for cue in sorted(cues, key=lambda cue: cue.end, reverse=True):
            words = rare_words(cue.text, short_names)
            self._first_said.update(dict.fromkeys(words, ms(cue.end)))
        self._cut: dict[str, int] = {}
        """What is a word only if the break between two cues goes through it."""
        for cue, following in pairwise(sorted(cues, key=lambda cue: cue.start)):
            for word in split_words(cue.text, following.text):
                self._cut.setdefault(word, ms(max(cue.end, following.end)))
        for text in known:
            for word in rare_words(text, short_names):
                self._first_said.pop(word, None)
                self._cut.pop(word, None)
        self._longest_word = max(map(len, self._first_said), default=0)

    def of(self, drafts: Sequence[Draft], referred: Sequence[Cue]) -> int:
        """The evidence of all that is drafted for one instant; 0, where it needs none."""
        trigger = ms(drafts[0].action.trigger_timestamp)
        claimed = [time for draft in drafts for time in _claims(draft, referred)]
        lines = (draft.action.text for draft in drafts if isinstance(draft.action, Speak))
        return max([*(claimed or [self._end_of_cue_at(trigger)]), *map(self.of_text, lines)])

    def of_text(self, text: str) -> int:
        """When the last of its words that are rare has been said; 0, where it has none."""
        own = self._but_for_phrases(text)
        said = [self._first_said.get(word, 0) for word in traces(own, longest=self._longest_word)]
        cut = [
            self._cut[word]
            for word in rare_words(own)
            if word in self._cut and word not in self._first_said
        ]
        return max([*said, *cut], default=0)

    def is_foreign(self, text: str) -> bool:
        """Whether it has a rare word of the cues that is in nothing known."""
        return self.of_text(text) > 0

    def _but_for_phrases(self, text: str) -> str:
        """What is left of a line without the phrase that it was made of, if it was."""
        folded = text.casefold()
        for piece, phrase in self._phrases:
            if piece in folded and (line := _pattern(phrase).fullmatch(text)) is not None:
                return " \N{EM DASH} ".join(line.groups())
        return text

    def _end_of_cue_at(self, time: int) -> int:
        first = bisect_left(self._spans, (time - self._longest, 0))
        after = bisect_left(self._spans, (time + 1, 0))
        return max((end for _, end in self._spans[first:after]), default=0)


_SLOT = re.compile(r"\{\w+\}")
_CLOSING = ".。!！?？…~～ "
"""What a wish for an ending takes off a phrase."""


def _longest_piece(phrase: str) -> str:
    """What a line has to have in it to be made of the phrase; quicker to find than a pattern."""
    return max(_SLOT.split(phrase.rstrip(_CLOSING)), key=len).casefold()


@lru_cache(maxsize=4096)
def _pattern(phrase: str) -> re.Pattern[str]:
    """What lines that are made of the phrase look like, with what a wish may have put around it."""
    pieces = _SLOT.split(phrase.rstrip(_CLOSING))
    inside = "(.+?)".join(map(re.escape, pieces))
    return re.compile(f"(.{{0,40}}?){inside}(.{{0,40}})", re.IGNORECASE | re.DOTALL)


def _claims(draft: Draft, referred: Sequence[Cue]) -> Iterator[int]:
    if draft.evidence_until is not None:
        yield ms(draft.evidence_until)
    for i in draft.cues:
        if 0 <= i < len(referred):
            yield ms(referred[i].end)
