"""Clips in which it is known what happens, made anew from a seed.

Each shot begins with a cut and has one thing in it that is worth a word; the reference says
when. Between them there is dialogue, whose names occur nowhere else, so that a line that
quotes one before it was said gives itself away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.scoring.reference import Reference, ReferenceEvent
from watchbuddy_core.video import Cue

SIZE = (128, 72)
FRAME_RATE = 3
_SHOTS = 7
_BANG_AFTER = 1.0
"""Seconds into its shot, by `Tone.BANG`."""


@dataclass(frozen=True, slots=True)
class Fixture:
    """A clip before it is made."""

    name: str
    """Also of its file, without the ending."""
    shots: tuple[Shot, ...]
    reference: Reference


@dataclass(frozen=True, slots=True)
class _Kind:
    """How often each thing happens in a clip's shots, and how much is said beside."""

    name: str
    happenings: tuple[str, ...]
    chatter: float
    """The part of a shot that is talked through, where nothing else is wanted there."""


_KINDS = (
    _Kind("a quiet walk", ("cut", "cut", "laughter", "question"), 0.1),
    _Kind("a long talk", ("question", "cry", "laughter", "question"), 0.6),
    _Kind("a loud night", ("bang", "cut", "cry", "bang"), 0.25),
)
_SYLLABLES = ("kor", "vel", "zan", "tib", "mur", "rok", "lis", "dap", "fen", "gol", "nix", "pra")
_SAYINGS = (
    "{name} left the valley at dawn.",
    "Then {name} went up the hill.",
    "Nobody had seen {name} since.",
    "They say {name} knows the way.",
    "And {name} shut the door.",
)
_QUESTIONS = ("Where is {name} now?", "Did {name} come back?", "Who told {name} about it?")
_CRIES = ("Look out, {name}!", "There comes {name}!", "It was {name} all along!")


def fixtures(seed: int = 1) -> tuple[Fixture, ...]:
    """One of each kind. The same seed gives the same ones."""
    return tuple(_fixture(kind, Random(f"{seed}/{kind.name}")) for kind in _KINDS)


def write_fixture(fixture: Fixture, folder: Path) -> Path:
    """Make the clip, with its dialogue as subtitles in it, and lay the reference beside it as
    `NAME.reference.json`. Blocks for some seconds; gives the clip's path.

    Raises:
        MissingExtra: PyAV is not installed.
        OSError: the files cannot be written.
    """
    path = folder / f"{fixture.name}.mp4"
    reference = fixture.reference.model_dump_json(indent=2) + "\n"
    path.with_suffix(".reference.json").write_text(reference, encoding="utf-8")
    make_clip(
        path,
        fixture.shots,
        size=SIZE,
        frame_rate=FRAME_RATE,
        subtitles=fixture.reference.dialogue,
    )
    return path


def _fixture(kind: _Kind, chance: Random) -> Fixture:
    names = _names(chance)
    shots: list[Shot] = []
    cues: list[Cue] = []
    events: list[ReferenceEvent] = []
    at = 0.0
    pictures = _pictures(chance)
    for number in range(_SHOTS):
        happening = "cut" if number == 0 else chance.choice(kind.happenings)
        seconds = float(chance.randint(13, 19))
        tone = Tone.BANG if happening == "bang" else Tone.CALM
        shots.append(Shot(seconds, next(pictures), tone))
        spoken, event = _shot(happening, kind.chatter, seconds, names, chance)
        cues += [_moved(cue, at) for cue in spoken]
        events.append(event.model_copy(update={"at": round(at + event.at, 3)}))
        at += seconds
    return Fixture(
        name=kind.name,
        shots=tuple(shots),
        reference=Reference(
            title=kind.name, end_time=at, dialogue=tuple(cues), events=tuple(events)
        ),
    )


def _shot(
    happening: str, chatter: float, seconds: float, names: Iterator[str], chance: Random
) -> tuple[list[Cue], ReferenceEvent]:
    """What is said in a shot, and what happens. Times are from its beginning."""
    match happening:
        case "cut":
            talk = _talk(seconds * (1 - chatter), seconds - 1, names, chance)
            return talk, ReferenceEvent(at=0.0, text="a new scene")
        case "bang":
            talk = _talk(seconds * (1 - chatter), seconds - 1, names, chance)
            return talk, ReferenceEvent(at=_BANG_AFTER, text="a bang")
    said = seconds / 2
    before = _talk(said * (1 - chatter), said - 2.2, names, chance)
    if happening == "laughter":
        laughter = Cue(start=said, end=said + 0.8, text="", sounds=("laughs",))
        return [*before, laughter], ReferenceEvent(at=said, text="laughter")
    name = next(names)
    sentences = _QUESTIONS if happening == "question" else _CRIES
    text = chance.choice(sentences).format(name=name)
    last = Cue(start=said - 2, end=said, text=text)
    event = ReferenceEvent(at=said, text=f"a {happening}: {text}", reveals=(name,))
    return [*before, last], event


def _talk(start: float, end: float, names: Iterator[str], chance: Random) -> list[Cue]:
    cues: list[Cue] = []
    at = max(start, 1.0)
    while at + 2 <= end:
        text = chance.choice(_SAYINGS).format(name=next(names))
        cues.append(Cue(start=at, end=at + 2, text=text))
        at += 2 + chance.choice((0.3, 0.8, 1.5))
    return cues


def _moved(cue: Cue, by: float) -> Cue:
    """In whole milliseconds, as subtitles have them."""
    moved = {"start": round(cue.start + by, 3), "end": round(cue.end + by, 3)}
    return cue.model_copy(update=moved)


def _pictures(chance: Random) -> Iterator[Picture]:
    """None like the one before."""
    before: Picture | None = None
    while True:
        before = chance.choice([one for one in Picture if one is not before])
        yield before


def _names(chance: Random) -> Iterator[str]:
    """Each once."""
    given: set[str] = set()
    while True:
        name = "".join(chance.sample(_SYLLABLES, 3)).capitalize()
        if name not in given:
            given.add(name)
            yield name
