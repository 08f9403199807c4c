"""From subtitle files to cues: what is said, by whom, and what is heard."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

from watchbuddy_core.errors import MissingExtra
from watchbuddy_core.video import Cue

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST_FILE = 16 * 1024 * 1024
_MOST_CUES = 50_000
_LONGEST_CUE = 60.0
"""Seconds. What stands longer is a sign that nobody speaks for so long."""
_LONGEST_TEXT = 1000
_LONGEST_MARKUP = 8000
"""Characters; what is longer is no subtitle."""

_STAMP = re.compile(r"<\d{2}:\d{2}(?::\d{2})?\.\d{3}>")
_VOICE = re.compile(r"<v(?:\.[^\s>]+)*\s+([^>]{1,60})>")
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,200}>|\{\\[^{}]{0,200}\}")
_SQUARE = re.compile(r"[\[【［]([^\[\]【】［］]{1,60})[\]】］]")
_ROUND = re.compile(
    r"(?:^|(?<=[:：]))[-–—> \t]*[（(]([^()（）]{1,60})[)）]|[（(]([^()（）]{1,60})[)）][ \t]*$",
    re.MULTILINE,
)
"""What begins or ends a line; round brackets within it are part of what is said."""
_NOTES = re.compile(r"[♪♫]+")
_SUNG = re.compile(r"\s*#\s+(.*\S)\s+#\s*", re.DOTALL)
"""Number signs around a whole subtitle stand for notes."""
_SPEAKER = re.compile(
    r"^(?:-\s*)?(?:>>+\s*)?((?:[A-Z][A-Z0-9 .'’-]{1,30}|[A-Z][a-z]{1,20}(?: [A-Z][a-z]{1,20})?"
    r"|[\u4e00-\u9fff]{1,8}))\s*[:：]\s+(?=\S)"
)
_DASH = re.compile(r"^\s*(?:[-–—]|>>+)\s*")


@dataclass(frozen=True, slots=True)
class Raw:
    """A subtitle as a file has it: seconds, and text with its markup."""

    start: float
    end: float
    text: str


def read_subtitles(path: Path) -> tuple[Cue, ...]:
    """The cues of a `.srt` or `.vtt` file, ascending. A file that makes no sense has none.

    Raises:
        OSError: it cannot be read.
        MissingExtra: the parsers are not installed.
    """
    with path.open("rb") as file:
        text = _decoded(file.read(_LARGEST_FILE))
    raw = _vtt(text) if text.lstrip().startswith("WEBVTT") else _srt(text)
    return cues(raw)


def cues(raw: Iterable[Raw]) -> tuple[Cue, ...]:
    """Clean, sorted cues. What rolls up line by line is merged into what is newly said."""
    listed = sorted(
        (item for item in raw if 0 <= item.start < item.end < 1e6),
        key=lambda item: (item.start, item.end),
    )[:_MOST_CUES]
    if any(_STAMP.search(item.text) for item in listed):
        listed = list(_unrolled(listed))
    return tuple(cue for item in listed if (cue := _cue(item)) is not None)


def guess_language(found: Iterable[Cue]) -> str | None:
    """`zh`, `ja`, `ko` or `en` by the script that the cues are written in; None if neither."""
    text = " ".join(cue.text for cue, _ in zip(found, range(200), strict=False))
    letters = sum(character.isalpha() for character in text)
    if letters < _LEAST_LETTERS:
        return None

    def share(pattern: str) -> float:
        return len(re.findall(pattern, text)) / letters

    if share("[\u3041-\u30fa]") > 0.1:
        return "ja"
    if share("[\uac00-\ud7af]") > 0.3:
        return "ko"
    if share("[\u4e00-\u9fff]") > 0.3:
        return "zh"
    words = re.findall(r"[^\W\d_]+(?:'[a-z]+)?", text.lower().replace("’", "'"))
    return "en" if sum(word in _ENGLISH for word in words) > 0.2 * len(words) else None


_LEAST_LETTERS = 12
_ENGLISH = frozenset(
    re.findall(
        r"\S+",
        """
    the and you that's it's i'm don't this with have what are your for not be my all there they
    know get go here how just like right think he she good see out up oh would about then who
    where when why which from one time back look come him her them his their our because could
    should will can't won't i'll we're you're they're of too very well really something nothing
    anything everything every some yes please thank thanks sorry let's hello hey again never
    always over now is it to
    """,
    )
)
"""Common words of English that few other languages have, and none has many of."""


# --- files ---------------------------------------------------------------------------------


def _decoded(content: bytes) -> str:
    """Text in whatever encoding; marks first, then UTF-8, then a guess."""
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    if b"\0" in content[:200]:  # no text of bytes has any; UTF-16 has where it is plain ASCII
        big_endian = content[:1] == b"\0"
        return content.decode("utf-16-be" if big_endian else "utf-16-le", errors="replace")
    for encoding, fits in (
        ("utf-8", True),
        ("gb18030", _looks_chinese(content)),
        ("cp1252", _looks_western(content)),
    ):
        with suppress(UnicodeDecodeError):
            if fits:
                return content.decode(encoding)
    return _guessed(content)


def _looks_western(content: bytes) -> bool:
    """Whether bytes beyond ASCII are few: accents among plain letters."""
    high = sum(byte >= 0x80 for byte in content)
    letters = sum(chr(byte).isalpha() for byte in content if byte < 0x80)
    return high < letters / 3


def _looks_chinese(content: bytes) -> bool:
    """Whether all bytes beyond ASCII come as pairs of the common GB characters."""
    high = re.findall(rb"[\x80-\xff]+", content)
    return bool(high) and all(re.fullmatch(rb"(?:[\xa1-\xf7][\xa1-\xfe])+", run) for run in high)


def _guessed(content: bytes) -> str:
    try:
        from charset_normalizer import from_bytes
    except ImportError as exc:
        raise MissingExtra("media", "Reading subtitles") from exc
    best = from_bytes(content).best()
    return str(best) if best is not None else content.decode("cp1252", errors="replace")


def _vtt(text: str) -> list[Raw]:
    try:
        import webvtt
    except ImportError as exc:
        raise MissingExtra("media", "Reading subtitles") from exc
    try:
        captions = webvtt.from_buffer(StringIO(text)).captions
    except webvtt.errors.MalformedFileError:
        return []
    return [
        Raw(_seconds(caption.start), _seconds(caption.end), caption.raw_text)
        for caption in captions
    ]


def _seconds(stamp: str) -> float:
    """Of `01:02:03.450`; the hours may be missing."""
    *hours, minutes, seconds = stamp.split(":")
    return int(hours[0] if hours else 0) * 3600 + int(minutes) * 60 + float(seconds)


def _srt(text: str) -> list[Raw]:
    try:
        import pysubs2
    except ImportError as exc:
        raise MissingExtra("media", "Reading subtitles") from exc
    try:
        events = pysubs2.SSAFile.from_string(text, format_="srt", keep_html_tags=True).events
    except pysubs2.Pysubs2Error:
        return []
    return [Raw(event.start / 1000, event.end / 1000, event.plaintext) for event in events]


# --- cues ----------------------------------------------------------------------------------


def _unrolled(listed: Iterable[Raw]) -> Iterator[Raw]:
    """Automatic captions repeat each line as it rolls up; only stamped lines are new."""
    for item in listed:
        fresh = [line for line in item.text.splitlines() if _STAMP.search(line)]
        if item.end - item.start >= 0.05 and fresh:
            yield Raw(item.start, item.end, " ".join(fresh))


def _cue(raw: Raw) -> Cue | None:
    text = _STAMP.sub("", raw.text[:_LONGEST_MARKUP])
    voice = _VOICE.search(text)
    text = html.unescape(_TAG.sub("", _VOICE.sub("", text))).replace("\\N", "\n")
    sounds: list[str] = []
    for brackets in (_SQUARE, _ROUND):
        marks = (match[match.lastindex or 0] for match in brackets.finditer(text))
        sounds += (" ".join(mark.lower().split()) for mark in marks if mark.strip())
        text = brackets.sub(" ", text)
    if sung := _SUNG.fullmatch(text):
        text = f"♪ {sung.group(1)} ♪"
    if _NOTES.search(text):
        sounds.append("♪")
        text = _NOTES.sub(" ", text)
    lines = [_DASH.sub("", line).strip() for line in text.splitlines()]
    said = re.sub(r"\s+", " ", " ".join(line for line in lines if line)).strip()
    speaker = voice.group(1).strip() if voice else None
    if speaker is None and (named := _SPEAKER.match(said)):
        speaker = named.group(1).strip().title()
        said = said[named.end() :].strip()
    if not said and not sounds:
        return None
    return Cue(
        start=raw.start,
        end=min(raw.end, raw.start + _LONGEST_CUE),
        text=said[:_LONGEST_TEXT],
        speaker=speaker,
        sounds=tuple(sounds),
    )
