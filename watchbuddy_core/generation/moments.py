"""What happens in a video, as far as rules can notice.

Each moment rests on what lies before its trigger, and on nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from watchbuddy_core.character import MomentKind
from watchbuddy_core.generation.chance import share
from watchbuddy_core.generation.quoting import Sentence, richness, sentences
from watchbuddy_core.video import Chapter, Cue, Scene, Sound, Understanding, clock

_OPENING_AFTER = 1.2
_CHAPTER_AFTER = 0.5  # before the cut that it begins with: of two reactions the first is kept
_SCENE_AFTER = 0.7
_LOUD_AFTER = 0.7
_MARK_AFTER = 1.0
"""Seconds from what happens to the reaction."""
_ONSET = 0.3
"""Seconds after which a burst is heard for what it is."""
_QUIET_LASTS = (2.2, 5.2)
"""Seconds of quiet before it is worth a word: at least, and at most."""
_STILL_LASTS = (16.0, 26.0)
_STILL_AGAIN = 45.0
_STILL_MOTION = 0.15
_LEAST_CHANGE = 0.35
_MUSIC_APART = 45.0
"""Every line of a song has its sign: only the first is a moment."""
_REPLAY_AFTER = 3.5
"""Seconds from what is worth seeing again to asking for it: first it has to sink in."""
_REPLAY_LOUDNESS = 14.0
"""dB from which on a burst is worth seeing again."""
_REPLAY_CRY = 0.78
"""The weight from which on a cry is."""
_REPLAY_LONGEST = 5.8
_FAR = 99.0
"""Seconds that nobody counts any more."""

_LAUGHTER = re.compile(r"laugh|giggl|chuckl|snicker|snort|哈哈|笑", re.IGNORECASE)
_MUSIC = re.compile(r"♪|♫|music|song|sing|melody|theme|humm|音乐|歌|曲|旋律", re.IGNORECASE)
_LAUGHED = re.compile(r"(?:哈){2,6}|(?:嘿){2,6}|\b(?:a?ha(?:ha)+|hehe(?:he)*)\b", re.IGNORECASE)
_QUESTION = re.compile(r"[?？][\"'”’」』]*$|(?:吗|呢|(?<![那这多])么)[\"”」』]*$")
_CRY = re.compile(r"[!！][\"'”’」』]*$")
_NUMBER = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that a line can be about. Times are media seconds."""

    kind: MomentKind
    trigger: float
    """When to react."""
    evidence: float
    """When all that the reaction shows is over or known; never after the trigger."""
    weight: float
    """0 to 1: how much it matters."""
    reason: str
    """What happened, for people who read the script."""
    cues: tuple[int, ...] = ()
    said: str = ""
    speaker: str | None = None
    sound: str | None = None
    chapter: str | None = None
    seconds: float | None = None
    """A length: of the silence, of the scene before, of the calm before a burst."""
    passage: tuple[float, float] | None = None
    """What a replay shows again."""


def moments(known: Understanding, *, range_start: float) -> list[Moment]:
    """Everything noticed in the stretch that the understanding covers."""
    start = known.start
    found = [
        *_openings(start, range_start),
        *_chapters(known.chapters, start),
        *_scenes(known.scenes, start),
        *_stills(known.scenes, start),
        *_bursts(known.sounds, start),
        *_hushes(known, start),
        *_spoken(known, start),
        *_marks(known.cues, start),
    ]
    return sorted(
        (_rounded(moment) for moment in found if start < moment.trigger < known.end),
        key=lambda moment: (moment.trigger, -moment.weight, moment.kind),
    )


def _openings(start: float, range_start: float) -> Iterator[Moment]:
    if start <= range_start:
        yield Moment(MomentKind.OPENING, start + _OPENING_AFTER, start, 0.9, "the beginning")


def _rounded(moment: Moment) -> Moment:
    """Whole milliseconds, as actions have them: so no border is crossed by rounding."""
    return replace(moment, trigger=round(moment.trigger, 3), evidence=round(moment.evidence, 3))


# --- pictures --------------------------------------------------------------------------


def _chapters(chapters: Iterable[Chapter], since: float) -> Iterator[Moment]:
    for chapter in chapters:
        if chapter.start > since + 2 and chapter.title.strip():
            yield Moment(
                MomentKind.CHAPTER,
                chapter.start + _CHAPTER_AFTER,
                chapter.start,
                0.86,
                f"a chapter began at {clock(chapter.start)}",
                chapter=chapter.title.strip(),
            )


def _scenes(scenes: Iterable[Scene], since: float) -> Iterator[Moment]:
    for before, scene in pairwise(scenes):
        length = scene.start - max(before.start, since)
        if scene.change < _LEAST_CHANGE or length <= 0:
            continue
        # A cut after a long scene is an event; one in a flurry of cuts is none.
        rarity = 0.4 + 0.6 * min(length, 12.0) / 12.0
        yield Moment(
            MomentKind.SCENE,
            scene.start + _SCENE_AFTER,
            scene.start,
            0.2 + 0.55 * scene.change * rarity,
            f"the picture changed at {clock(scene.start)}",
            seconds=length if length >= 3 else None,
        )


def _stills(scenes: Iterable[Scene], since: float) -> Iterator[Moment]:
    shortest, longest = _STILL_LASTS
    for scene in scenes:
        if scene.motion is None or scene.motion > _STILL_MOTION:
            continue
        start = max(scene.start, since)
        at = start + shortest + (longest - shortest) * share("still", scene.start)
        while at < scene.end:
            yield Moment(
                MomentKind.STILL,
                at,
                at,
                0.45,
                f"the picture has hardly moved since {clock(start)}",
                seconds=at - start,
            )
            at += _STILL_AGAIN


# --- sounds ----------------------------------------------------------------------------


def _bursts(sounds: Iterable[Sound], since: float) -> Iterator[Moment]:
    calm_since = since
    for sound in sounds:
        if sound.kind != "loud":
            continue
        calm = sound.start - calm_since
        calm_since = sound.end
        burst = Moment(
            MomentKind.LOUD,
            sound.start + _LOUD_AFTER,
            sound.start + _ONSET,
            min(0.45 + max(sound.level, 0.0) / 40, 0.92),
            f"it got loud at {clock(sound.start)}",
            seconds=calm if calm >= 4 else None,
        )
        yield burst
        if sound.level >= _REPLAY_LOUDNESS:
            over = sound.start + min(sound.end - sound.start, 2.5) + 0.5
            first = max(sound.start - 1.5, since)
            yield from _replay(burst, first, over)


def _hushes(known: Understanding, since: float) -> Iterator[Moment]:
    shortest, longest = _QUIET_LASTS
    for sound in known.sounds:
        if sound.kind == "loud" or sound.start < since + 2:
            continue
        if any(one.start < sound.end and sound.start < one.end for one in known.speech or ()):
            continue  # somebody speaks softly
        patience = shortest + (longest - shortest) * share("quiet", sound.start)
        heard = min(sound.end - sound.start, patience)
        if heard >= shortest:
            yield Moment(
                MomentKind.QUIET,
                sound.start + heard,
                sound.start + heard,
                0.5 + min(max(-sound.level, 0.0), 30.0) / 120,
                f"it went quiet at {clock(sound.start)}",
                seconds=heard,
            )


def _marks(cues: Iterable[Cue], since: float) -> Iterator[Moment]:
    last_music = since - _MUSIC_APART
    for index, cue in enumerate(cues):
        if cue.start < since:
            continue
        for mark in cue.sounds:
            kind, weight = _kind_of(mark)
            if kind is MomentKind.MUSIC:
                if cue.start - last_music < _MUSIC_APART:
                    continue
                last_music = cue.start
            # A sign that stands alone is heard when it comes; beside words, when they end.
            evidence = cue.end if cue.text else min(cue.start + _MARK_AFTER, cue.end)
            name = mark.strip("♪♫ #.。")
            yield Moment(
                kind,
                evidence + 0.25,
                evidence,
                weight,
                f"subtitles name a sound at {clock(cue.start)}",
                cues=(index,) if cue.text else (),
                sound=name if 0 < len(name) <= 24 else None,
                speaker=cue.speaker,
            )


def _kind_of(mark: str) -> tuple[MomentKind, float]:
    if _LAUGHTER.search(mark):
        return MomentKind.LAUGHTER, 0.62
    if _MUSIC.search(mark):
        return MomentKind.MUSIC, 0.5
    return MomentKind.SOUND, 0.58


# --- words -----------------------------------------------------------------------------


def _spoken(known: Understanding, since: float) -> Iterator[Moment]:
    sung = {i for i, cue in enumerate(known.cues) if any("♪" in mark for mark in cue.sounds)}
    for sentence in sentences(known.cues, until=known.end):
        if sentence.start < since or sung.intersection(sentence.cues):
            continue
        moment = _of(sentence)
        if moment is None:
            continue
        yield moment
        if moment.kind is MomentKind.EXCLAMATION and moment.weight >= _REPLAY_CRY:
            over = sentence.end + 0.2
            first = max(sentence.start - 0.8, over - _REPLAY_LONGEST, since)
            yield from _replay(moment, first, over)


def _of(sentence: Sentence) -> Moment | None:
    rich = richness(sentence.text)
    laughed = _LAUGHED.search(sentence.text)
    at = clock(sentence.end)
    if laughed:
        kind, weight, reason = MomentKind.LAUGHTER, 0.6, f"somebody laughed at {at}"
    elif _QUESTION.search(sentence.text):
        kind, weight = MomentKind.QUESTION, min(0.61 + 0.06 * rich, 0.86)
        reason = f"a question ended at {at}"
    elif _CRY.search(sentence.text):
        insistent = 0.08 * (sentence.text.count("!") + sentence.text.count("！") > 1)
        kind, weight = MomentKind.EXCLAMATION, min(0.58 + 0.07 * rich + insistent, 0.86)
        reason = f"somebody cried out at {at}"
    elif rich >= 2:
        exact = 0.05 * bool(_NUMBER.search(sentence.text))
        kind, weight = MomentKind.SAYING, min(0.32 + 0.075 * rich + exact, 0.78)
        reason = f"something was said until {at}"
    else:
        return None
    return Moment(
        kind,
        sentence.known_at,
        sentence.end,
        weight,
        reason,
        cues=sentence.cues,
        said=sentence.text,
        speaker=sentence.speaker,
        sound=laughed.group() if laughed else None,
    )


def _replay(cause: Moment, first: float, over: float) -> Iterator[Moment]:
    if over - first < 2.0:
        return
    at = over + _REPLAY_AFTER
    yield Moment(
        MomentKind.REPLAY,
        at,
        max(over, cause.evidence),
        cause.weight - 0.04,  # what is to be seen again comes before seeing it again
        f"{cause.reason}, worth seeing twice",
        cues=cause.cues,
        said=cause.said,
        speaker=cause.speaker,
        seconds=over - first,
        passage=(first, over),
    )
