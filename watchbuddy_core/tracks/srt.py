"""SubRip. It has no comments and no escapes, so it carries lines alone.

Parsers differ in what they take for a tag, and some for a time: what might be one is
written with look-alikes. The format has no specification; this is what FFmpeg, VLC and
pysubs2 agree on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import count

from watchbuddy_core.errors import InvalidTrack
from watchbuddy_core.tracks.cues import Block, Cue, SubtitleFormat, clock, on_one_line

_STAMP = r"(\d{1,4}):(\d{1,2}):(\d{1,2})[,.](\d{1,3})"
_TIMING = re.compile(
    rf"^(?:[ \t]*\d+[ \t]*\n)?[ \t]*{_STAMP}[ \t]*-->[ \t]*{_STAMP}[^\n]*$", re.MULTILINE
)
"""The line with the times, and the one with the number above it."""
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|\{\\[^{}]*\}")
_LOOK_ALIKES = str.maketrans({"<": "＜", ">": "＞", "{": "｛", "}": "｝", "\\": "＼"})


def _write(blocks: Iterable[Block]) -> str:
    number = count(1)
    return "\n".join(_written(next(number), one) for one in blocks if isinstance(one, Cue))


def _written(number: int, cue: Cue) -> str:
    return f"{number}\n{_stamp(cue.start)} --> {_stamp(cue.end)}\n{cue.text}\n"


def _stamp(milliseconds: int) -> str:
    return "{:02}:{:02}:{:02},{:03}".format(*clock(milliseconds))


def _read(text: str) -> list[Block]:
    before, *rest = _TIMING.split(text.replace("\r\n", "\n").replace("\r", "\n"))
    if before.strip() or (text.strip() and not rest):
        raise InvalidTrack("The track cannot be read: it is not SubRip.")
    width = _TIMING.groups + 1
    return [_cue(rest[i : i + width]) for i in range(0, len(rest), width)]


def _cue(found: list[str]) -> Cue:
    """From what was found of the two times, and the text behind them."""
    *times, text = found
    return Cue(_milliseconds(times[:4]), _milliseconds(times[4:]), on_one_line(_TAG.sub("", text)))


def _milliseconds(parts: list[str]) -> int:
    hours, minutes, seconds = map(int, parts[:3])
    return (hours * 60 + minutes) * 60_000 + seconds * 1000 + int(parts[3].ljust(3, "0"))


FORMAT = SubtitleFormat(write=_write, read=_read, look_alikes=_LOOK_ALIKES)
