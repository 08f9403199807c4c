"""The companion without a model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

from watchbuddy_core.actions import (
    Action,
    Draft,
    Emotion,
    EndReaction,
    Expression,
    PauseVideo,
    ReplaySegment,
    Speak,
)
from watchbuddy_core.character import Character, MomentKind
from watchbuddy_core.generation.answering import answer
from watchbuddy_core.generation.chance import share
from watchbuddy_core.generation.composing import Composer, Line
from watchbuddy_core.generation.moments import Moment, moments
from watchbuddy_core.generation.pacing import paced
from watchbuddy_core.generation.wishes import Wish, is_true_of, read_wish
from watchbuddy_core.protocols import Brief
from watchbuddy_core.speech import spoken_seconds

_LEAVES = 1.05
"""Seconds before the end of the range at which the companion takes its leave."""
_GOODBYE = 6.5
"""Seconds before the end from which on only the goodbye is said."""
_SHORTEST = 12.0
"""Seconds of a range that has room for a goodbye."""
_WORTH_A_PAUSE = 0.62
_SINKS_IN = 0.62
"""The weight from which on a hush stops the video for a moment."""
_SINKING = 2.0
_STOPS_APART = 240.0

_FACES = {
    MomentKind.OPENING: (Emotion.EXPECTATION,),
    MomentKind.SCENE: (Emotion.EXPECTATION, Emotion.SURPRISE, Emotion.NEUTRAL),
    MomentKind.STILL: (Emotion.DRINK_TEA, Emotion.NEUTRAL),
    MomentKind.LOUD: (Emotion.STUNNED, Emotion.SURPRISE, Emotion.WORRY),
    MomentKind.QUIET: (Emotion.EXPECTATION, Emotion.WORRY),
    MomentKind.QUESTION: (Emotion.CONFUSION, Emotion.EXPECTATION),
    MomentKind.EXCLAMATION: (Emotion.SURPRISE, Emotion.EXCITEMENT),
    MomentKind.SAYING: (Emotion.NEUTRAL, Emotion.DRINK_TEA, Emotion.EXPECTATION),
    MomentKind.LAUGHTER: (Emotion.JOY,),
    MomentKind.MUSIC: (Emotion.JOY, Emotion.DRINK_TEA),
    MomentKind.SOUND: (Emotion.CONFUSION, Emotion.WORRY),
    MomentKind.CHAPTER: (Emotion.EXPECTATION,),
    MomentKind.LULL: (Emotion.DRINK_TEA,),
    MomentKind.REPLAY: (Emotion.EXCITEMENT,),
    MomentKind.ENDING: (Emotion.JOY,),
}
"""The faces for moments that are met without a word."""

_CANNOT_FOLLOW = {
    "zh": ("离线时我只会照着写好的台词说话，这些还做不到：{requests}。", "、"),
    "en": (
        "Without a language model I can only use prepared lines, so I cannot do this: {requests}.",
        ", ",
    ),
}
"""By language: a sentence, and what stands between the viewer's requests."""
_LONGEST_REQUEST = 80
_MOST_REQUESTS = 3


class OfflineGenerator:
    """An ActionGenerator of rules: needs no key, no network and no model.

    It knows nothing but cues, cuts, loudness, chapters and time, understands none of them,
    and does not pretend to. Its lines are a character's phrases, filled with the word, the
    sound or the second that they are about. The same video, character and wish give the
    same script, however the range is cut into windows.
    """

    async def generate(self, brief: Brief) -> AsyncIterator[Draft]:
        """Yield the drafts of one window, by time. Never fails.

        Takes some 50 ms for each twenty minutes from the start of the stretch to the window's
        end, so it is done in a thread: a long film would hold up everybody else.
        """
        for draft in await asyncio.to_thread(lambda: tuple(_drafts(brief))):
            yield draft

    async def reply(self, brief: Brief, message: str) -> AsyncIterator[Draft]:
        """Yield an answer that is simple and honest: it does not pretend to understand."""
        for draft in answer(brief, message):
            yield draft

    def notes(self, wish: str, character: Character) -> tuple[str, ...]:
        """What of the viewer's wish it cannot follow: at most one sentence, for the viewer."""
        read = read_wish(wish)
        about = " ".join((*character.description.values(), character.persona))
        requests = [request for request in read.unfulfilled if not is_true_of(request, about)]
        if read.language and read.language not in character.languages:
            requests.append(read.language_request)
        if read.unwanted_languages.keys() >= set(character.languages):
            requests += read.unwanted_languages.values()
        if not requests:
            return ()
        language = read.written_in or character.languages[0]
        sentence, separator = _CANNOT_FOLLOW.get(language, _CANNOT_FOLLOW["en"])
        told = [f"“{_bounded(request)}”" for request in requests[:_MOST_REQUESTS]]
        return (sentence.format(requests=separator.join(told)),)


def _bounded(request: str) -> str:
    if len(request) <= _LONGEST_REQUEST:
        return request
    return f"{request[:_LONGEST_REQUEST].rstrip()}…"


def _drafts(brief: Brief) -> Iterator[Draft]:
    wish = read_wish(brief.wish)
    composer = Composer(
        brief.character,
        _language(brief, wish),
        title=brief.title,
        wish=wish,
        range_start=brief.range_start,
    )
    composer.remember(brief.said)
    seed = f"{brief.title}/{brief.character.id}"
    has_goodbye = brief.range_end - brief.range_start >= _SHORTEST
    since = brief.understanding.start
    last_stop = since - _STOPS_APART
    for reaction in paced(
        moments(brief.understanding, range_start=brief.range_start),
        start=since,
        end=min(
            brief.understanding.end,
            brief.window.end,
            brief.range_end - (_GOODBYE if has_goodbye else _LEAVES),
        ),
        seed=seed,
    ):
        moment = reaction.moment
        is_here = moment.trigger >= brief.window.start
        if not reaction.in_words:
            if is_here:
                yield _face(moment, seed)
            continue
        # Lines of earlier windows are composed again: what is used up follows from them.
        line = composer.line(moment, but_not=_last_lines(brief) if is_here else ())
        stops = (
            moment.kind is MomentKind.QUIET
            and moment.weight >= _SINKS_IN
            and moment.trigger - last_stop >= _STOPS_APART
        )
        if stops:
            last_stop = moment.trigger
        if is_here:
            yield from _reaction(moment, line, seed)
            if stops:
                yield _stop(moment)
    if brief.is_last:
        yield from _leave(brief, composer if has_goodbye else None)


def _last_lines(brief: Brief) -> frozenset[str]:
    return frozenset(line.text for line in brief.last_lines)


def _language(brief: Brief, wish: Wish) -> str:
    """The one asked for, else the viewer's, else the video's, else the character's own; none
    that the viewer does not want, as long as the character speaks another."""
    spoken = brief.character.languages
    wanted = tuple(one for one in spoken if one not in wish.unwanted_languages) or spoken
    likely = (wish.language, wish.written_in, brief.language, brief.understanding.language)
    for language in likely:
        if language is not None and language in wanted:
            return language
    return wanted[0]


# --- drafts ----------------------------------------------------------------------------


def _reaction(moment: Moment, line: Line | None, seed: str) -> Iterator[Draft]:
    """The line with its face and, for a replay, the replay."""
    if line is None:
        yield _face(moment, seed)
        return
    pauses = line.phrase.pause and moment.weight >= _WORTH_A_PAUSE
    yield _draft(
        moment,
        Speak(
            trigger_timestamp=moment.trigger,
            comment=moment.reason,
            text=line.text,
            pause_video=pauses,
        ),
    )
    if line.phrase.emotion is not None:
        yield _draft(
            moment,
            Expression(
                trigger_timestamp=moment.trigger,
                comment=moment.reason,
                emotion=line.phrase.emotion,
            ),
            less=0.05,
        )
    if moment.passage is not None:
        first, over = moment.passage
        yield _draft(
            moment,
            ReplaySegment(
                trigger_timestamp=moment.trigger,
                comment=moment.reason,
                start_timestamp=first,
                end_timestamp=over,
            ),
            less=0.01,
        )


def _face(moment: Moment, seed: str) -> Draft:
    faces = _FACES[moment.kind]
    emotion = faces[int(share(seed, "face", moment.trigger) * len(faces))]
    return _draft(
        moment,
        Expression(trigger_timestamp=moment.trigger, comment=moment.reason, emotion=emotion),
        less=0.15,
    )


def _stop(moment: Moment) -> Draft:
    return _draft(
        moment,
        PauseVideo(
            trigger_timestamp=moment.trigger,
            comment=f"{moment.reason}: a moment to let it sink in",
            duration_seconds=_SINKING,
        ),
        less=0.02,
    )


def _leave(brief: Brief, composer: Composer | None) -> Iterator[Draft]:
    """The goodbye, where there is room for one, and the leave itself."""
    leaves_at = brief.range_end - _LEAVES
    if leaves_at < brief.window.start:
        return
    farewell = Moment(
        MomentKind.ENDING, brief.range_end - _GOODBYE, brief.range_start, 0.95, "the end is near"
    )
    line = composer.line(farewell, but_not=_last_lines(brief)) if composer else None
    if line is not None:
        needed = spoken_seconds(line.text) + 0.5
        at = max(leaves_at - needed, brief.window.start, brief.range_end - 2 * _GOODBYE)
        yield from _reaction(replace(farewell, trigger=at), line, brief.title)
    yield Draft(
        action=EndReaction(trigger_timestamp=leaves_at, comment="the end of what is watched"),
        evidence_until=brief.range_start,
        importance=1.0,
    )


def _draft(moment: Moment, action: Action, *, less: float = 0.0) -> Draft:
    return Draft(
        action=action,
        evidence_until=moment.evidence,
        importance=round(max(moment.weight - less, 0.0), 3),
        cues=moment.cues,
    )
