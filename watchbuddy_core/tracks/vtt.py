"""WebVTT. Notes are its comments, and every character can be escaped.

https://www.w3.org/TR/webvtt1/
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from io import StringIO

from watchbuddy_core.errors import InvalidTrack, MissingExtra
from watchbuddy_core.tracks.cues import Block, Cue, Note, SubtitleFormat, clock, on_one_line

_TAG = re.compile(r"<[^<>]*>")


def _write(blocks: Iterable[Block]) -> str:
    return "\n\n".join(["WEBVTT", *map(_written, blocks)]) + "\n"


def _written(block: Block) -> str:
    match block:
        case Note(text=text):
            return f"NOTE {text}"
        case Cue(start=start, end=end, text=text):
            return f"{_stamp(start)} --> {_stamp(end)}\n{html.escape(text, quote=False)}"


def _stamp(milliseconds: int) -> str:
    return "{:02}:{:02}:{:02}.{:03}".format(*clock(milliseconds))


def _read(text: str) -> list[Block]:
    try:
        import webvtt
    except ImportError as exc:
        raise MissingExtra("media", "Reading subtitles") from exc
    try:
        file = webvtt.from_buffer(StringIO(text))
    except (webvtt.errors.MalformedFileError, ValueError) as exc:
        raise InvalidTrack("The track cannot be read: it is not WebVTT.") from exc
    blocks: list[Block] = [Note(0, comment) for comment in file.header_comments]
    for caption in file.captions:
        cue = Cue(
            _milliseconds(caption.start),
            _milliseconds(caption.end),
            on_one_line(html.unescape(_TAG.sub("", caption.raw_text))),
        )
        blocks += [*(Note(cue.start, comment) for comment in caption.comments), cue]
    return [*blocks, *(Note(0, comment) for comment in file.footer_comments)]


def _milliseconds(stamp: str) -> int:
    """Of `01:02:03.450`."""
    hours, minutes, seconds = stamp.split(":")
    return (int(hours) * 60 + int(minutes)) * 60_000 + round(float(seconds) * 1000)


FORMAT = SubtitleFormat(write=_write, read=_read)
