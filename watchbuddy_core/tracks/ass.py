"""Advanced SubStation Alpha. Notes are its Comment events, which editors keep in place.

Times are hundredths of a second. Braces and backslashes begin markup and have no escape
that all renderers know, so lines show look-alikes of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from warnings import catch_warnings

from watchbuddy_core.errors import InvalidTrack, MissingExtra
from watchbuddy_core.tracks.cues import Block, Cue, Note, SubtitleFormat, clock, on_one_line

_STEP = 10
_LOOK_ALIKES = str.maketrans({"{": "｛", "}": "｝", "\\": "＼"})
_HEADER = """\
[Script Info]
ScriptType: v4.00+
WrapStyle: 0
ScaledBorderAndShadow: yes
PlayResX: 1280
PlayResY: 720

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, \
Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, \
Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,sans-serif,40,&H00FFFFFF,&H000000FF,&H00000000,&H80000000,\
0,0,0,0,100,100,0,0,1,2,1,2,40,40,36,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def _write(blocks: Iterable[Block]) -> str:
    return _HEADER + "".join(map(_written, blocks))


def _written(block: Block) -> str:
    match block:
        case Note(at=at, text=text):
            return _event("Comment", at, at, text)
        case Cue(start=start, end=end, text=text):
            return _event("Dialogue", start, end, text)


def _event(kind: str, start: int, end: int, text: str) -> str:
    return f"{kind}: 0,{_stamp(start)},{_stamp(end)},Default,,0,0,0,,{text}\n"


def _stamp(milliseconds: int) -> str:
    hours, minutes, seconds, rest = clock(milliseconds)
    return f"{hours}:{minutes:02}:{seconds:02}.{rest // _STEP:02}"


def _read(text: str) -> list[Block]:
    try:
        import pysubs2
    except ImportError as exc:
        raise MissingExtra("media", "Reading subtitles") from exc
    try:
        with catch_warnings(action="ignore"):  # about a margin or a colour: nothing of ours
            events = pysubs2.SSAFile.from_string(text, format_="ass").events
    except (pysubs2.Pysubs2Error, ValueError, TypeError, IndexError) as exc:
        raise InvalidTrack("The track cannot be read: it is not ASS.") from exc
    if not events and "[Script Info]" not in text:
        raise InvalidTrack("The track cannot be read: it is not ASS.")
    return [
        Note(event.start, event.text)
        if event.is_comment
        else Cue(event.start, event.end, on_one_line(event.plaintext))
        for event in events
    ]


FORMAT = SubtitleFormat(write=_write, read=_read, step=_STEP, look_alikes=_LOOK_ALIKES)
