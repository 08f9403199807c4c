"""What the model is told: the texts in `prompts/*.md`, with their slots filled.

What comes from the video or from the web is quoted: it stands between marks of its own,
each piece on one line, without control characters and without the letters of which the
marks are made. Whatever it says, it cannot end its frame or begin another.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from math import ceil, floor
from typing import Any

from watchbuddy_core.actions import Draft, Emotion, Speak
from watchbuddy_core.entries import OutlinePoint
from watchbuddy_core.generation.model.calls import Message
from watchbuddy_core.generation.wishes import read_wish
from watchbuddy_core.protocols import Brief
from watchbuddy_core.video import Cue, KeyFrame, Overview, Scene, Sound, clock

_FILES = ("companion.md", "window.md", "reply.md", "outline.md")
_SLOT = re.compile(r"\{\{(\w+)\}\}")
_BEFORE = 20.0
"""Seconds of transcript before a window, so that its first line is not without context."""
_LONGEST_PIECE = 500
"""Letters of a quoted piece."""
_LONGEST_WISH = 4000
_LONGEST_MEMORY = 1500
_ACTIONS_PER_MINUTE = 6
_FEWEST, _MOST = 4, 14
_STRONG_CUT = 0.5
_FRAMES_PER_SECOND = 0.5
_TOKENS_PER_FRAME, _TOKENS_OF_SOUND = 66, 32
"""Of Gemini at low resolution: by frame, and by second."""
_YOUTUBE = re.compile(
    r"https?://(?:(?:www|m)\.)?(?:youtube\.com/(?:watch\?(?:[^#]*&)?v=|shorts/|live/)|youtu\.be/)"
    r"([\w-]{6,20})"
)
_MARKS = str.maketrans({"«": "‹", "»": "›"})
_LANGUAGES = {
    "zh": "Chinese",
    "en": "English",
    "ja": "Japanese",
    "ko": "Korean",
    "es": "Spanish",
    "fr": "French",
    "de": "German",
    "it": "Italian",
    "pt": "Portuguese",
    "ru": "Russian",
}


@cache
def _template(name: str) -> str:
    return (files(__package__) / "prompts" / name).read_text(encoding="utf-8")


@cache
def version() -> str:
    """Changes with every word of the prompts."""
    texts = "".join(map(_template, _FILES))
    return hashlib.sha256(texts.encode()).hexdigest()[:12]


MOST_LETTERS = 60_000
"""Of transcript in one prompt, where nothing else is said."""


def letters_of(cues: Iterable[Cue], start: float, end: float) -> int:
    """How many letters of transcript a window's prompt holds."""
    return sum(len(_said(cue)) for cue in cues if start - _BEFORE < cue.end and cue.start < end)


def language_of(brief: Brief) -> str:
    """The language to speak: the one asked for, else the viewer's, else the video's."""
    wish = read_wish(brief.wish)
    likely = (wish.language, wish.written_in, brief.language, brief.understanding.language)
    for language in (*likely, *brief.character.languages):
        if language and language not in wish.unwanted_languages:
            return language
    return brief.character.languages[0]


def youtube_link(url: str) -> str | None:
    """The link to a video of YouTube in the form that Gemini takes; None: it is none."""
    found = _YOUTUBE.match(url)
    return f"https://www.youtube.com/watch?v={found[1]}" if found else None


def actions_wanted(start: float, end: float) -> int:
    """How many actions a stretch of so many seconds is worth, at most."""
    return min(max(round((end - start) / 60 * _ACTIONS_PER_MINUTE), _FEWEST), _MOST)


# --- messages --------------------------------------------------------------------------


def window_messages(
    brief: Brief,
    *,
    since: float,
    done: Sequence[Draft] = (),
    pictures: Sequence[KeyFrame] = (),
    video: bool = False,
    letters: int = MOST_LETTERS,
) -> list[Message]:
    """What is asked about a window.

    Args:
        since: where what is asked for begins: the window's start, or later where a part of
            it is done.
        done: that part.
        video: whether the model is to open the video by itself.
        letters: of transcript, at most.
    """
    first, last = ceil(since), max(floor(brief.window.end), ceil(since))
    text = _filled(
        "window.md",
        **_circumstances(brief, until=brief.window.end, letters=letters),
        pictures=_about_pictures(pictures, video=video),
        done=_done(done),
        start=clock(since),
        end=clock(brief.window.end),
        first=str(first),
        last=str(last),
        example=str(min(first + 7, last)),
        most=str(actions_wanted(since, brief.window.end)),
        occasion=_occasion(brief),
    )
    return [_companion(brief), _user(text, pictures)]


def reply_messages(
    brief: Brief,
    message: str,
    *,
    pictures: Sequence[KeyFrame] = (),
    letters: int = MOST_LETTERS,
) -> list[Message]:
    """What is asked when the viewer has said something."""
    position = brief.position or 0.0
    text = _filled(
        "reply.md",
        **_circumstances(brief, until=position, letters=letters),
        pictures=_about_pictures(pictures, video=False),
        talk=_section(
            "What you have said to each other",
            "\n".join(
                f"- {'They' if one.who == 'viewer' else 'You'}: {quoted_piece(one.text)}"
                for one in brief.talk
            ),
        ),
        position=clock(position),
        second=f"{position:.0f}",
        message="\n".join(f"> {quoted_piece(line)}" for line in message.splitlines() if line),
        begun=_section(
            "You had begun to answer, and were cut off. Go on behind this, and do not say it again",
            "\n".join(f"> {quoted_piece(line)}" for line in brief.begun),
        ),
        name=next(iter(brief.character.name.values())),
    )
    return [_companion(brief), _user(text, pictures)]


def outline_messages(
    title: str,
    overview: Overview,
    *,
    start: float,
    end: float,
    letters: int = MOST_LETTERS,
) -> list[Message]:
    """What is asked about the whole."""
    cues = [cue for cue in overview.cues if cue.text and start <= cue.start < end]
    text = _filled(
        "outline.md",
        facts=_facts(title, overview.duration, start, end),
        transcript=_quoted("TRANSCRIPT", _thinned(list(map(_said, cues)), letters)),
        first=str(floor(start)),
        last=str(ceil(end)),
        example=str(min(floor(start) + 90, ceil(end))),
        language=_language_name(overview.language or "en"),
    )
    return [{"role": "user", "content": text}]


def _companion(brief: Brief) -> Message:
    """The part that stays the same from window to window: providers keep it in their caches."""
    character = brief.character
    language = language_of(brief)
    text = _filled(
        "companion.md",
        name=" / ".join(dict.fromkeys(character.name.values())),
        persona=character.persona or " ".join(character.description.values()),
        examples="\n".join(f"- {line}" for line in character.examples),
        wish=_quoted_wish(brief.wish),
        language=_language_name(language),
        words="25 characters" if language in ("zh", "ja") else "18 words",
        emotions=", ".join(f"`{one}`" for one in Emotion),
        farewell=_FAREWELL if brief.is_last else "",
    )
    return {"role": "system", "content": text}


_FAREWELL = (
    "- `END_REACTION` takes leave, at the very end and once, behind a line that says goodbye."
)


def _user(text: str, pictures: Sequence[KeyFrame]) -> Message:
    if not pictures:
        return {"role": "user", "content": text}  # not every server takes a list of parts
    parts: list[Mapping[str, Any]] = []
    for picture in pictures:
        parts.append({"type": "text", "text": f"Picture at {_at(picture.at)}:"})
        url = f"data:image/jpeg;base64,{b64encode(picture.jpeg).decode()}"
        parts.append({"type": "image_url", "image_url": {"url": url, "detail": "low"}})
    return {"role": "user", "content": [*parts, {"type": "text", "text": text}]}


def with_video(messages: Sequence[Message], brief: Brief) -> Mapping[str, Any]:
    """What goes to Gemini in place of the last message: the window of a video of YouTube that
    it opens by itself, at low resolution, and the text.

    In the words of its own API, `generateContent`: litellm's way to say it has it fetch the
    page from here, and send that.
    """
    start, end = floor(max(brief.window.start - _BEFORE, 0.0)), ceil(brief.window.end)
    parts = [
        {
            "fileData": {"fileUri": youtube_link(brief.video_url), "mimeType": "video/mp4"},
            "videoMetadata": {
                "fps": _FRAMES_PER_SECOND,
                "startOffset": f"{start}s",
                "endOffset": f"{end}s",
            },
        },
        {"text": messages[-1]["content"]},
    ]
    return {
        "contents": [{"role": "user", "parts": parts}],
        "generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW"},
    }


def video_tokens(start: float, end: float) -> int:
    """How many tokens a passage of a video takes that the model opens by itself."""
    per_second = _FRAMES_PER_SECOND * _TOKENS_PER_FRAME + _TOKENS_OF_SOUND
    return round((end - start) * per_second)


# --- what fills the slots --------------------------------------------------------------


def _circumstances(brief: Brief, *, until: float, letters: int) -> dict[str, str]:
    """What window and conversation have in common. Nothing of it lies behind `until`."""
    known = brief.understanding
    since = brief.window.start - _BEFORE
    cues = [cue for cue in known.cues if cue.text and cue.end > since and cue.start < until]
    transcript = list(map(_said, cues))
    if not transcript:
        about = "There are no subtitles: nobody has written down what is said."
    else:
        about = _quoted("TRANSCRIPT", _last_of(transcript, letters))
    return {
        "facts": _facts(
            brief.title, None, brief.range_start, brief.range_end, _chapters(brief, until)
        ),
        "outline": _outline(brief.outline),
        "memory": _section("What you wanted to remember", brief.memory[:_LONGEST_MEMORY]),
        "last_lines": _section(
            "What you said last",
            "\n".join(f"- {_at(line.trigger_timestamp)}: {line.text}" for line in brief.last_lines),
        ),
        "transcript": about,
        "sights": _section(
            "What can be seen and heard besides",
            "\n".join(_sights(known.scenes, known.sounds, since=brief.window.start, until=until)),
        ),
    }


def _facts(title: str, duration: float | None, start: float, end: float, chapters: str = "") -> str:
    lines = [
        _quoted("TITLE", [title]),
        f"The viewer watches it from {clock(start)} to {clock(end)}"
        + (f" of {clock(duration)}." if duration is not None else "."),
        chapters,
    ]
    return "\n".join(filter(None, lines))


def _chapters(brief: Brief, until: float) -> str:
    begun = [one for one in brief.understanding.chapters if one.start < until]
    return _quoted("CHAPTERS", [f"{_at(one.start)} {one.title}" for one in begun]) if begun else ""


def _outline(points: Iterable[OutlinePoint]) -> str:
    lines = [f"{_at(point.start)} {point.text}" for point in points]
    return f"What has happened:\n{_quoted('NOTES', lines)}" if lines else ""


def _said(cue: Cue) -> str:
    speaker = f"{cue.speaker}: " if cue.speaker else ""
    sounds = "".join(f"[{sound}] " for sound in cue.sounds)
    return f"{cue.start:.0f}–{cue.end:.0f} {speaker}{sounds}{cue.text}"


_HEARD = {"loud": "it gets loud", "quiet": "it goes quiet", "silence": "it falls silent"}


def _sights(
    scenes: Iterable[Scene], sounds: Iterable[Sound], *, since: float, until: float
) -> Iterator[str]:
    cuts = (scene.start for scene in scenes if scene.change >= _STRONG_CUT)
    told = [*((at, "the picture changes completely") for at in cuts)]
    told += [(sound.start, _HEARD[sound.kind]) for sound in sounds]
    return (f"- {_at(at)}: {what}" for at, what in sorted(told) if since <= at < until)


def _about_pictures(pictures: Sequence[KeyFrame], *, video: bool) -> str:
    if video:
        return "You see this part of the video itself."
    if pictures:
        return "You see some pictures of this part, each with its second."
    return "You cannot see the picture: never talk about what it may show."


def _done(done: Sequence[Draft]) -> str:
    lines = [
        f"- {_at(draft.action.trigger_timestamp)}: "
        + (draft.action.text if isinstance(draft.action, Speak) else draft.action.action_type)
        for draft in done
    ]
    return _section("What you have done already; go on behind it", "\n".join(lines))


def _occasion(brief: Brief) -> str:
    if brief.is_first:
        return "It is the beginning: a short greeting that fits the title or the first seconds."
    if brief.is_last:
        return "It is the end: the last line says goodbye, and END_REACTION follows it."
    return ""


def _section(title: str, content: str) -> str:
    return f"{title}:\n{content}" if content.strip() else ""


def _at(seconds: float) -> str:
    return f"{clock(seconds)} (second {seconds:.0f})"


def _language_name(code: str) -> str:
    """As a model knows it."""
    return _LANGUAGES.get(code, f"the language with the code {code!r}")


# --- quoting ---------------------------------------------------------------------------


def quoted_piece(text: str) -> str:
    """One line of quoted material: no marks, nothing invisible, nothing endless."""
    visible = "".join(
        " " if unicodedata.category(letter)[0] in "CZ" else letter
        for letter in unicodedata.normalize("NFC", text)
    )
    return " ".join(visible.translate(_MARKS).split())[:_LONGEST_PIECE]


def _quoted(name: str, pieces: Iterable[str]) -> str:
    lines = "\n".join(filter(None, map(quoted_piece, pieces)))
    return f"«QUOTED {name}»\n{lines}\n«END {name}»"


def _quoted_wish(wish: str) -> str:
    """In the viewer's own words, over as many lines as they like."""
    lines = [quoted_piece(line) for line in wish[:_LONGEST_WISH].splitlines()]
    return "\n".join(f"> {line}" for line in lines if line) or "Nothing in particular."


def _last_of(lines: Sequence[str], letters: int) -> Sequence[str]:
    """The last lines that fit: what is nearest matters most."""
    kept = len(lines)
    while kept and letters >= len(lines[kept - 1]):
        kept -= 1
        letters -= len(lines[kept])
    return lines[kept:]


def _thinned(lines: Sequence[str], letters: int) -> Sequence[str]:
    """Every so many lines, if not all of them fit: what is told is the whole."""
    total = sum(map(len, lines))
    step = max(ceil(total / letters), 1)
    return lines[::step]


# --- slots -----------------------------------------------------------------------------


def _filled(template: str, **slots: str) -> str:
    """The text, with what fills its slots; empty ones leave no hole.

    All at once: what fills one slot cannot bring another along.
    """
    text = _SLOT.sub(lambda slot: slots[slot[1]], _template(template))
    return re.sub(r"\n{3,}", "\n\n", text).strip()
