"""Until when what a draft shows, quotes or gives away lies in the future."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from watchbuddy_core.actions import Action, Draft, Speak
from watchbuddy_core.placement.restraint import ms
from watchbuddy_core.video import Cue


class Evidence:
    """Tells until when a draft's content lies in the future."""

    def __init__(self, cues: Sequence[Cue], known: Iterable[str]) -> None:
        self._spans = sorted((ms(cue.start), ms(cue.end)) for cue in cues if cue.text.strip())
        self._longest = max((end - start for start, end in self._spans), default=0)
        self._first_said: dict[str, int] = {}
        for cue in sorted(cues, key=lambda cue: cue.end, reverse=True):
            self._first_said.update(dict.fromkeys(rare_words(cue.text), ms(cue.end)))
        for text in known:
            for word in rare_words(text):
                self._first_said.pop(word, None)

    def of(self, drafts: Sequence[Draft], referred: Sequence[Cue]) -> int:
        """The evidence of all that is drafted for one instant; 0, where it needs none."""
        trigger = ms(drafts[0].action.trigger_timestamp)
        claimed = [time for draft in drafts for time in _claims(draft, referred)]
        said = [time for draft in drafts for time in self._words_said(draft.action)]
        return max([*(claimed or [self._end_of_cue_at(trigger)]), *said])

    def is_foreign(self, text: str) -> bool:
        """Whether it has a rare word of the cues that is in nothing known."""
        return any(word in self._first_said for word in rare_words(text))

    def _words_said(self, action: Action) -> Iterator[int]:
        if isinstance(action, Speak):
            for word in rare_words(action.text):
                yield self._first_said.get(word, 0)

    def _end_of_cue_at(self, time: int) -> int:
        first = bisect_left(self._spans, (time - self._longest, 0))
        after = bisect_left(self._spans, (time + 1, 0))
        return max((end for _, end in self._spans[first:after]), default=0)


def _claims(draft: Draft, referred: Sequence[Cue]) -> Iterator[int]:
    if draft.evidence_until is not None:
        yield ms(draft.evidence_until)
    for i in draft.cues:
        if 0 <= i < len(referred):
            yield ms(referred[i].end)


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
"""English words that anybody says; those of three letters are passed over anyway."""

_HIRAGANA = "\u3040-\u309f"
UNSPACED = f"{_HIRAGANA}\u30a0-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[^\W\d_{UNSPACED}]{{4,}}")
_RUN = re.compile(rf"(?:(?![{_HIRAGANA}])[{UNSPACED}]){{2,}}")


def rare_words(text: str) -> Iterator[str]:
    """The words by which a line can be traced to what it is about.

    Scripts without spaces give pairs of neighbouring characters; hiragana, which is
    grammar for the most part, gives none.
    """
    for word in _WORD.findall(text.casefold()):
        if word not in _COMMON_WORDS:
            yield word.removesuffix("s")
    for run in _RUN.findall(text):
        for pair in pairwise(run):
            if _FUNCTION_CHARACTERS.isdisjoint(pair):
                yield "".join(pair)
