"""The companion without a model.

It knows nothing but what a file itself tells: subtitles, cuts, loudness, chapters and the
time. It does not understand any of it, and does not pretend to: its lines are a
character's phrases, filled with the word, the sound or the second that they are about.
The same video, character and wish give the same script.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from watchbuddy_core.actions import (
    Draft,
    EndReaction,
    Expression,
    PauseVideo,
    ReplaySegment,
    Speak,
)
from watchbuddy_core.character import Character, MomentKind, Phrase
from watchbuddy_core.generation.moments import Moment, moments
from watchbuddy_core.generation.phrasing import Phrasebook, Quotes, slots, with_affixes
from watchbuddy_core.generation.wishes import Wish, read_wish
from watchbuddy_core.protocols import Brief

_PAUSE = 2.0
"""Seconds for which the video stops, to let something sink in."""
_PAUSES_APART = 120.0
_LAST_ACTION = 1.2
"""Seconds before the end of the range at which the companion takes its leave."""

_CANNOT_FOLLOW = {
    "zh": "离线的伙伴只会照着句首、句尾和语言的要求来；这一部分它还做不到：“{rest}”。",
    "en": (
        "Without a model the companion follows wishes about how lines begin and end, and "
        "about the language. It cannot follow this: “{rest}”."
    ),
}


class OfflineGenerator:
    """An ActionGenerator of rules. Needs no key, no network and no model."""

    async def generate(self, brief: Brief) -> AsyncIterator[Draft]:
        """Yield the drafts of one window, in order of time."""
        for draft in _drafts(brief):
            yield draft

    def notes(self, wish: str, character: Character) -> tuple[str, ...]:
        """What of the viewer's wish rules cannot follow, in the viewer's language."""
        read = read_wish(wish)
        if not read.unfulfilled:
            return ()
        language = read.language or character.languages[0]
        sentence = _CANNOT_FOLLOW.get(language, _CANNOT_FOLLOW["en"])
        return (sentence.format(rest=read.unfulfilled[:100]),)


def _drafts(brief: Brief) -> Iterator[Draft]:
    wish = read_wish(brief.wish)
    language = _language(brief, wish)
    book = Phrasebook(brief.character, language, seed=brief.title)
    quotes = Quotes()
    spoken = {line.text for line in brief.last_lines}
    last_pause = brief.range_start - _PAUSES_APART
    for moment in moments(brief):
        # Also for earlier windows: which phrases and long quotes are used up follows from it.
        filled = slots(moment, brief, language, quotes)
        chosen = book.choose(moment.kind, filled)
        sinks_in = moment.weighty and moment.at - last_pause >= _PAUSES_APART
        if sinks_in:
            last_pause = moment.at
        if chosen is None or not brief.window.start <= moment.at < brief.window.end:
            continue
        phrase, line = chosen
        text = with_affixes(line, wish)
        if text in spoken:
            continue
        yield from _reaction(moment, phrase, text)
        if sinks_in and moment.kind is MomentKind.QUIET:
            yield _draft(
                moment,
                PauseVideo(
                    trigger_timestamp=moment.at,
                    duration_seconds=_PAUSE,
                    comment="Lets the silence sink in.",
                ),
                0.7,
            )
    if brief.is_last:
        end = brief.range_end - _LAST_ACTION
        if end >= brief.window.start:
            yield Draft(
                action=EndReaction(trigger_timestamp=end, comment="The end."),
                evidence_until=brief.range_start,
                importance=1.0,
            )


def _reaction(moment: Moment, phrase: Phrase, text: str) -> Iterator[Draft]:
    """A face, the line, and what the line is about to do."""
    comment = _comment(moment)
    if phrase.emotion is not None:
        yield _draft(
            moment,
            Expression(trigger_timestamp=moment.at, emotion=phrase.emotion, comment=comment),
            0.9,
        )
    yield _draft(
        moment,
        Speak(
            trigger_timestamp=moment.at,
            text=text,
            pause_video=phrase.pause or moment.kind is MomentKind.REPLAY,
            comment=comment,
        ),
        1.0,
    )
    if moment.kind is MomentKind.REPLAY and moment.span is not None:
        first, last = moment.span
        yield _draft(
            moment,
            ReplaySegment(
                trigger_timestamp=moment.at,
                start_timestamp=first,
                end_timestamp=last,
                comment="Worth seeing twice.",
            ),
            0.98,
        )


def _draft(
    moment: Moment, action: Speak | Expression | PauseVideo | ReplaySegment, share: float
) -> Draft:
    return Draft(
        action=action,
        evidence_until=moment.evidence,
        importance=round(moment.weight * share, 3),
        cues=() if moment.cue is None else (moment.cue,),
    )


def _comment(moment: Moment) -> str:
    return f"{moment.kind.value} at {moment.evidence:.1f} s"


def _language(brief: Brief, wish: Wish) -> str:
    """What the viewer asks for, else what is spoken in the video, else the character's own."""
    spoken = brief.character.languages
    for language in (wish.language, brief.understanding.language):
        if language in spoken:
            return language
    return spoken[0]
