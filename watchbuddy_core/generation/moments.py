"""What happens in a video that a companion without a model can notice.

Every moment is found from what lies before it, so that a later window, which knows more,
finds the earlier ones again just as they were.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from watchbuddy_core.character import MomentKind
from watchbuddy_core.protocols import Brief
from watchbuddy_core.video import Cue, Scene, Sound

BREATH = 0.15
"""Seconds between what is reacted to and the reaction."""

_BUCKET = 20.0
_MOST_PER_BUCKET = 3
"""Of what happens in so many seconds only the weightiest is taken up."""
_APART = 2.5
"""Two moments nearer than this, in seconds, are one: the weightier."""

_SCENE_CHANGE = 0.45
_SCENE_APART = 8.0
_STILL_AFTER = 20.0
_STILL_AGAIN = 40.0
_STILL_MOTION = 0.1
_QUIET_AFTER = 3.0
_LULL_AFTER = 20.0
_REPLAY_APART = 300.0
_REPLAY_WEIGHT = 0.6
_NOT_BEFORE = 10.0
"""Nothing is worth a replay so early, in seconds."""
_GOODBYE = 6.0
"""The goodbye begins so many seconds before the end."""

_LAUGHTER = re.compile(r"laugh|giggl|chuckl|snicker|哈哈|笑", re.IGNORECASE)
_MUSIC = re.compile(r"♪|music|song|sing|melody|音乐|歌|曲", re.IGNORECASE)
_QUESTION = re.compile(r"[?？]\s*[\"”’」』]?$")
_EXCLAMATION = re.compile(r"[!！]\s*[\"”’」』]?$")


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that a line can be about. Times are media seconds."""

    kind: MomentKind
    at: float
    """When to react; not before `evidence`."""
    evidence: float
    """When it is over, or known."""
    weight: float
    """0 to 1."""
    cue: int | None = None
    """The index of the cue that it rests on."""
    text: str = ""
    """What was said."""
    speaker: str | None = None
    sound: str | None = None
    chapter: str | None = None
    seconds: float | None = None
    """How long something took."""
    span: tuple[float, float] | None = None
    """The passage that is worth seeing again."""
    weighty: bool = False
    """Worth letting sink in."""


def moments(brief: Brief) -> list[Moment]:
    """All moments from the start of the range to the window's end, in order of time."""
    known = brief.understanding
    start = brief.range_start
    found = [
        *_scenes(known.scenes, start),
        *_stills(known.scenes),
        *_sounds(known.sounds, start),
        *_cues(known.cues, start),
        *(
            Moment(MomentKind.CHAPTER, c.start + 0.8, c.start, 0.7, chapter=c.title)
            for c in known.chapters
            if c.start > start + 5
        ),
    ]
    inside = [
        moment
        for moment in found
        if start + 0.5 <= moment.at < min(known.end, brief.range_end - _GOODBYE)
    ]
    kept = _thinned(sorted(inside, key=lambda moment: (moment.at, moment.kind)), start)
    opening = Moment(MomentKind.OPENING, start + 1.0, start, 0.9)
    kept = [opening, *(moment for moment in kept if moment.at > opening.at + _APART)]
    kept = sorted([*kept, *_lulls(kept, min(known.end, brief.range_end - 2 * _GOODBYE))], key=_time)
    kept = sorted([*kept, *_replays(kept, start)], key=_time)
    if brief.is_last and brief.range_end - start > 2 * _GOODBYE:
        at = brief.range_end - _GOODBYE
        kept.append(Moment(MomentKind.ENDING, at, at, 1.0))
    return kept


def _time(moment: Moment) -> float:
    return moment.at


def _scenes(scenes: Iterable[Scene], start: float) -> Iterator[Moment]:
    before: Scene | None = None
    last = start
    for scene in scenes:
        if (
            before is not None
            and scene.change >= _SCENE_CHANGE
            and scene.start - last >= _SCENE_APART
        ):
            length = scene.start - max(before.start, start)
            yield Moment(
                MomentKind.SCENE,
                scene.start + 0.5,
                scene.start,
                0.2 + 0.3 * scene.change,
                seconds=length if length >= 2 else None,
            )
            last = scene.start
        before = scene


def _stills(scenes: Iterable[Scene]) -> Iterator[Moment]:
    for scene in scenes:
        if scene.motion is None or scene.motion > _STILL_MOTION:
            continue
        at = scene.start + _STILL_AFTER
        while at < scene.end:
            yield Moment(MomentKind.STILL, at, at, 0.35, seconds=at - scene.start)
            at += _STILL_AGAIN


def _sounds(sounds: Iterable[Sound], start: float) -> Iterator[Moment]:
    for sound in sounds:
        length = sound.end - sound.start
        if sound.kind == "loud":
            over = sound.start + min(length, 3.0)
            yield Moment(
                MomentKind.LOUD,
                over + BREATH,
                over,
                min(0.35 + sound.level / 60, 0.7),
                seconds=length if 1 <= length <= 3 else None,
                span=(sound.start - 1.0, over + 0.4),
                weighty=sound.level > 15,
            )
        elif length >= _QUIET_AFTER and sound.start > start + 1:
            heard = min(length, 4.0)
            yield Moment(
                MomentKind.QUIET,
                sound.start + heard,
                sound.start + heard,
                0.4 + min(length, 10.0) / 50,
                seconds=heard,
                weighty=length >= 4,
            )


def _cues(cues: Iterable[Cue], start: float) -> Iterator[Moment]:
    for index, cue in enumerate(cues):
        if cue.start < start:
            continue
        at = cue.end + BREATH
        for sound in cue.sounds:
            yield Moment(_kind_of(sound), cue.start + 0.6, cue.start, 0.6, cue=index, sound=sound)
        said = Moment(
            MomentKind.SAYING,
            at,
            cue.end,
            0.15 + min(len(cue.text), 60) / 200,
            cue=index,
            text=cue.text,
            speaker=cue.speaker,
        )
        if _QUESTION.search(cue.text):
            yield replace(said, kind=MomentKind.QUESTION, weight=0.55)
        elif _EXCLAMATION.search(cue.text):
            yield replace(
                said,
                kind=MomentKind.EXCLAMATION,
                weight=0.6,
                span=(cue.start - 0.3, cue.end + 0.2),
            )
        elif len(cue.text) >= 4:
            yield said


def _kind_of(sound: str) -> MomentKind:
    if _LAUGHTER.search(sound):
        return MomentKind.LAUGHTER
    return MomentKind.MUSIC if _MUSIC.search(sound) else MomentKind.SOUND


def _thinned(ordered: list[Moment], start: float) -> list[Moment]:
    """The weightiest of every stretch of time, and of what comes at once."""
    buckets: dict[int, list[Moment]] = {}
    for moment in ordered:
        buckets.setdefault(int((moment.at - start) // _BUCKET), []).append(moment)
    kept: list[Moment] = []
    for bucket in buckets.values():
        taken: list[Moment] = []
        for moment in sorted(bucket, key=lambda m: (-m.weight, m.at)):
            if len(taken) == _MOST_PER_BUCKET:
                break
            if all(abs(moment.at - other.at) >= _APART for other in taken):
                taken.append(moment)
        kept += sorted(taken, key=_time)
    return kept


def _lulls(ordered: list[Moment], end: float) -> Iterator[Moment]:
    """Where nothing has happened for a while, the time itself is the topic."""
    for moment, following in zip(ordered, [*ordered[1:], None], strict=True):
        at = moment.at + _LULL_AFTER
        while at < (following.at if following is not None else end):
            yield Moment(MomentKind.LULL, at, at, 0.3, seconds=at - moment.at)
            at += _LULL_AFTER


def _replays(ordered: list[Moment], start: float) -> Iterator[Moment]:
    """Now and then a burst or a cry is worth a second look."""
    last = start - _REPLAY_APART
    for moment in ordered:
        if moment.span is None or moment.weight < _REPLAY_WEIGHT:
            continue
        first, end = max(moment.span[0], start), moment.span[1]
        if (
            moment.at - last >= _REPLAY_APART
            and first >= start + _NOT_BEFORE
            and 1.5 <= end - first <= 6
        ):
            last = moment.at
            at = end + 4.0
            yield Moment(MomentKind.REPLAY, at, end, 0.75, seconds=end - first, span=(first, end))
