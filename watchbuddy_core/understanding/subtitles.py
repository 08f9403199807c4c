"""From subtitle files to cues: what is said, by whom, and what is heard."""

from __future__ import annotations

import html
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from io import StringIO
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree

from watchbuddy_core.errors import MissingExtra
from watchbuddy_core.video import Cue

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST_FILE = 16 * 1024 * 1024
_LONGEST_PLAIN = 2 * 1024 * 1024
"""Characters of a file without drawings, ten times those of a long film. Parsers take seconds
for more, and a gigabyte where tags are nested."""
_MOST_CUES = 50_000
_HEAD = 4096
"""Within so many characters a format is known."""
_STRAY = 0.05
"""So much of what is not ASCII may be wrong in UTF-8."""
_TTML = re.compile(r"<(?:\w+:)?tt[\s>]")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
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
    speaker: str | None = None
    """Where the file names them apart from the text."""


def read_subtitles(path: Path) -> tuple[Cue, ...]:
    """The cues of a SubRip, WebVTT, ASS, SSA or TTML file, ascending, whatever it is called.

    A file that makes no sense has none.

    Raises:
        OSError: it cannot be read.
        MissingExtra: the parsers are not installed.
    """
    with path.open("rb") as file:
        return cues(_raw(_decoded(file.read(_LARGEST_FILE))))


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
    """Text in whatever encoding: UTF-8 where it is that, else as it looks.

    A stray byte does not make UTF-8 something else. What is no text at all is empty.
    """
    if b"\0" not in content:  # UTF-16 has them, and may pass for UTF-8 all the same
        text = content.decode("utf-8-sig", errors="replace")
        foreign = sum(character > "\x7f" for character in text)
        if text.count("\ufffd") <= _STRAY * foreign:
            return text
    try:
        from chardet import EncodingEra, detect
    except ImportError as exc:
        raise MissingExtra("media", "Reading subtitles") from exc
    encoding = detect(content, encoding_era=EncodingEra.MODERN_WEB)["encoding"]
    return content.decode(encoding, errors="replace") if encoding else ""


def _raw(text: str) -> list[Raw]:
    """By what the text begins with, whatever the file is called."""
    head, plain = text[:_HEAD].lstrip(), text[:_LONGEST_PLAIN]
    if head.startswith("WEBVTT"):
        return webvtt_in(plain)
    if "[Script Info]" in head or "[Events]" in head:
        return _by_pysubs2(text, "ass")
    if head.startswith("<"):
        return _by_pysubs2(plain, "ttml") if _is_safe_ttml(plain) else []
    return _by_pysubs2(plain, "srt")


def _is_safe_ttml(text: str) -> bool:
    """Whether it is TTML that says nothing of entities: those can be made to grow beyond
    all bounds, or to name other files."""
    return _TTML.search(text[:_HEAD]) is not None and "<!" not in _COMMENT.sub("", text)


def webvtt_in(text: str) -> list[Raw]:
    """What a WebVTT file says, as it says it; nothing, where it is none.

    Raises:
        MissingExtra: the parser is not installed.
    """
    try:
        import webvtt
    except ImportError as exc:
        raise MissingExtra("media", "Reading subtitles") from exc
    try:
        captions = webvtt.from_buffer(StringIO(text)).captions
    except webvtt.errors.MalformedFileError:
        return []
    return [
        Raw(seconds_of(caption.start), seconds_of(caption.end), caption.raw_text)
        for caption in captions
    ]


def seconds_of(stamp: str) -> float:
    """Of `01:02:03.450`; the hours may be missing."""
    *hours, minutes, seconds = stamp.split(":")
    return int(hours[0] if hours else 0) * 3600 + int(minutes) * 60 + float(seconds)


def _by_pysubs2(text: str, format: Literal["srt", "ass", "ttml"]) -> list[Raw]:
    try:
        import pysubs2
    except ImportError as exc:
        raise MissingExtra("media", "Reading subtitles") from exc
    # It tells of every field that it reads as something else: to us that is no news.
    warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"pysubs2\.")
    kept = {"keep_html_tags": True} if format == "srt" else {}
    try:
        events = pysubs2.SSAFile.from_string(text, format_=format, **kept).events
    except (pysubs2.Pysubs2Error, ElementTree.ParseError, ValueError, LookupError, TypeError):
        return []  # it fails in many ways at what only looks like a format that it knows
    said = [event for event in events if not event.is_comment and not event.is_drawing]
    return [
        Raw(event.start / 1000, event.end / 1000, event.plaintext, event.name.strip() or None)
        for event in said
    ]


# --- cues ----------------------------------------------------------------------------------


def _unrolled(listed: Iterable[Raw]) -> Iterator[Raw]:
    """Automatic captions repeat each line as it rolls up; only stamped lines are new."""
    for item in listed:
        fresh = [line for line in item.text.splitlines() if _STAMP.search(line)]
        if item.end - item.start >= 0.05 and fresh:
            yield replace(item, text=" ".join(fresh))


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
    speaker = voice.group(1).strip() if voice else raw.speaker
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
