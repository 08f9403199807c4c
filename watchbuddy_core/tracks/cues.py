"""A track as subtitles: what a player shows, and what a file carries beside it.

A subtitle file is taken for a sequence of blocks. A Note is hidden from viewers and holds
JSON: first what the track says of itself, then one action each. A line's note stands right
before the Cue that shows it. Cues count: a line whose cue was changed is changed, and one
whose cue is gone is gone. A cue without a note is a line as well.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any
from uuid import UUID, uuid5

from pydantic import ValidationError

from watchbuddy_core.actions import ACTION, Action, Speak
from watchbuddy_core.errors import InvalidTrack
from watchbuddy_core.speech import spoken_seconds
from watchbuddy_core.tracks.track import Track, invalid

SHORTEST = 1000
"""Milliseconds for which a line is shown at least, so that it can be read."""
_TOO_LATE = 100 * 3600 * 1000
_MARK = "watchbuddy "
_NOTHING_TO_SHOW = "…"
_CUE_IDS = UUID("0d9a1b5e-53a5-4b0e-8f5d-6c3b9f2f7d10")


@dataclass(frozen=True, slots=True)
class Cue:
    """A line as a player shows it. Times are milliseconds."""

    start: int
    end: int
    text: str
    """Plain: without markup, and on one line."""


@dataclass(frozen=True, slots=True)
class Note:
    """What no player shows."""

    at: int
    """When it counts, in milliseconds: so that sorting by time leaves it in its place."""
    text: str
    """One line of ASCII, without `-->`."""


Block = Cue | Note


@dataclass(frozen=True, slots=True)
class SubtitleFormat:
    """How blocks are written and read. What is written is read back exactly."""

    write: Callable[[Iterable[Block]], str]
    read: Callable[[str], list[Block]]
    """Raises InvalidTrack."""
    step: int = 1
    """Milliseconds between the times that can be told."""
    look_alikes: Mapping[int, str] = field(default_factory=dict)
    """For characters that would be taken for markup and cannot be escaped."""


# --- writing -------------------------------------------------------------------------------


def to_blocks(track: Track, format: SubtitleFormat) -> Iterator[Block]:
    """Raises: InvalidTrack, for times that subtitles cannot tell."""
    cues = _cues([action for action in track.actions if isinstance(action, Speak)], format)
    yield _note(0, track.model_dump(mode="json", exclude={"actions"}))
    for action in track.actions:
        cue = cues.get(action.id)
        at = cue.start if cue else _start(action, format)
        yield _note(at, ACTION.dump_python(action, mode="json"))
        if cue:
            yield cue


def _note(at: int, value: dict[str, Any]) -> Note:
    text = json.dumps(value, separators=(",", ":")).replace(">", "\\u003e")
    return Note(at, _MARK + text)


def _cues(lines: Sequence[Speak], format: SubtitleFormat) -> dict[str, Cue]:
    """What shows each line, by its id: never two at a time, each long enough to be read.

    A line stands for as long as it takes to say, or until the next one; where lines crowd,
    as those do for which the video pauses, the later one waits.
    """
    cues: dict[str, Cue] = {}
    free = 0
    starts = [_start(line, format) for line in lines]
    for line, wanted, following in zip_longest(lines, starts, starts[1:]):
        start = max(wanted, free)
        end = start + max(round(spoken_seconds(line.text) * 1000), SHORTEST)
        if following is not None:
            end = min(end, max(following, start + SHORTEST))
        free = _tellable(end, format)
        cues[line.id] = Cue(start, free, _shown(line.text, format))
    return cues


def _start(action: Action, format: SubtitleFormat) -> int:
    return _tellable(round(action.trigger_timestamp * 1000), format)


def _tellable(milliseconds: int, format: SubtitleFormat) -> int:
    """The first time from `milliseconds` on that the format has words for."""
    if milliseconds >= _TOO_LATE:
        raise InvalidTrack("Subtitles cannot tell times of a hundred hours and more.")
    return -(-milliseconds // format.step) * format.step


def clock(milliseconds: int) -> tuple[int, int, int, int]:
    """Hours, minutes, seconds and milliseconds."""
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return hours, minutes, seconds, milliseconds


def on_one_line(text: str) -> str:
    return " ".join(text.split())


def _shown(text: str, format: SubtitleFormat) -> str:
    """On one line, without control characters, harmless."""
    plain = "".join(" " if unicodedata.category(char) == "Cc" else char for char in text)
    return on_one_line(plain).translate(format.look_alikes) or _NOTHING_TO_SHOW


# --- reading -------------------------------------------------------------------------------


def from_blocks(blocks: Iterable[Block], format: SubtitleFormat) -> Track:
    """Raises: InvalidTrack."""
    about: dict[str, Any] = {}
    found: list[Action | Cue] = []
    for block in blocks:
        if isinstance(block, Cue):
            found.append(block)
        elif block.text.startswith(_MARK):
            value = _value(block)
            if "action_type" in value:
                found.append(_action(value))
            else:
                about = value
    try:
        return Track.model_validate({**about, "actions": tuple(_actions(found, format))})
    except ValidationError as exc:
        raise invalid(exc) from exc


def _value(note: Note) -> dict[str, Any]:
    try:
        value = json.loads(note.text.removeprefix(_MARK))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InvalidTrack("The track cannot be read: one of its notes is no JSON object.")
    return value


def _action(value: dict[str, Any]) -> Action:
    try:
        return ACTION.validate_python(value)
    except ValidationError as exc:
        raise invalid(exc) from exc


def _actions(found: Sequence[Action | Cue], format: SubtitleFormat) -> Iterator[Action]:
    as_written = _cues([one for one in found if isinstance(one, Speak)], format)
    noted: Speak | None = None
    for number, one in enumerate(found):
        match one:
            case Cue(text=""):
                noted = None
            case Cue():
                yield _as_shown(noted, one, as_written) if noted else _line(one, number)
                noted = None
            case Speak():
                noted = one
            case _:
                yield one
                noted = None


def _as_shown(line: Speak, cue: Cue, as_written: Mapping[str, Cue]) -> Speak:
    """The line, with what was changed in its cue."""
    changes: dict[str, object] = {}
    if cue.text != as_written[line.id].text:
        changes["text"] = cue.text
    if cue.start != as_written[line.id].start:
        changes["trigger_timestamp"] = cue.start / 1000
    return Speak.model_validate({**line.model_dump(), **changes}) if changes else line


def _line(cue: Cue, number: int) -> Speak:
    """A line of its own. Its id is the same whenever the same file is read."""
    return Speak(
        id=str(uuid5(_CUE_IDS, f"{number}/{cue.start}/{cue.text}")),
        trigger_timestamp=cue.start / 1000,
        text=cue.text,
    )
