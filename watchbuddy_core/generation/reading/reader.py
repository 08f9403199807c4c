"""Text in, drafts out."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite

from pydantic import ValidationError

from watchbuddy_core.actions import (
    MAX_SECONDS,
    Action,
    Draft,
    Emotion,
    EndReaction,
    Expression,
    PauseVideo,
    PostReplay,
    PostSeek,
    ReplaySegment,
    Seek,
    Speak,
)
from watchbuddy_core.generation.reading.lenient import Unreadable, Value, read_object, read_string
from watchbuddy_core.generation.reading.scanner import Close, Found, Retracted, Scanner

MOST_LETTERS = 200_000
"""Of one answer: many times what is asked for."""
MOST_MEMORY = 1500
"""Letters of what is to be remembered."""
_MOST_REJECTIONS = 20
_LONGEST_EXCERPT = 120
_LONGEST_COMMENT = 200

_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):(\d{1,2}(?:[.,]\d+)?)")
_SECONDS = re.compile(r"([+-]?\d+(?:[.,]\d+)?)\s*(?:s|sec|secs|seconds?|秒)?", re.IGNORECASE)
_MEMORY = re.compile(r"[\"'“]memory[\"'”]\s*[:：]\s*(?=[\"'“])")
_NOT_A_LETTER = re.compile(r"[\s-]+")


@dataclass(frozen=True, slots=True)
class Rejection:
    """An object of which no draft was made.

    broken           it ends in the middle of a value
    too_long         it, or the answer, has more letters than are read
    no_action        it does not say what to do, or something that nobody can do
    bad_time         a time is missing, or is none
    bad_text         there is nothing to say, or far too much
    unknown_emotion  no such face
    bad_value        another value makes no sense
    repeated         it is the same as the one before it
    """

    reason: str
    excerpt: str


class _Rejected(Exception):
    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class DraftReader:
    """Reads an answer as it comes. One reader for one answer.

    Call `feed` with each piece of text and `close` when there are no more. The times of
    drafts are as the model gave them: placement judges them.

    Args:
        most_letters: of the answer. What comes behind is not read.
    """

    def __init__(self, *, most_letters: int = MOST_LETTERS) -> None:
        self._most_letters = most_letters
        self._scanner = Scanner()
        self._letters = 0
        self._is_closed = False
        self._last: dict[str, Value] | None = None
        self._has_ended = False
        self._drafts = 0
        self.retracted = 0
        """So many of the first drafts do not count: the model was but thinking aloud."""
        self.rejected: Counter[str] = Counter()
        """How many objects came to nothing, by reason."""
        self.rejections: list[Rejection] = []
        """The first of them."""

    def feed(self, text: str) -> list[Draft]:
        """The drafts whose objects have closed with this piece."""
        room = self._most_letters - self._letters
        self._letters += len(text)
        if len(text) > room >= 0:
            self._reject("too_long", text[:_LONGEST_EXCERPT])
        return self._read(self._scanner.feed(text[: max(room, 0)]))

    def close(self) -> list[Draft]:
        """What was still to be decided. An object that has not closed is no draft."""
        self._is_closed = True
        return self._read(self._scanner.close())

    @property
    def is_complete(self) -> bool:
        """Whether the model came to its end: the list was closed, or it has taken its leave.

        That a provider says so means nothing: it also does when the connection broke.
        """
        if self._letters > self._most_letters or self._scanner.is_within:
            return False
        if self._has_ended:
            return True
        if "[" in self._scanner.prose:
            return "]" in self._scanner.tail
        return self._is_closed and self._drafts > 0

    @property
    def memory(self) -> str:
        """What the model wants to remember; "" where it wrote nothing of the kind, or not whole."""
        for text in (self._scanner.tail, self._scanner.prose):
            if found := _MEMORY.search(text):
                with suppress(Unreadable):
                    return _tidy(read_string(text, found.end()))[:MOST_MEMORY]
        return ""

    # --- objects -----------------------------------------------------------------------

    def _read(self, objects: Iterator[Found | Retracted]) -> list[Draft]:
        drafts: list[Draft] = []
        for found in objects:
            if isinstance(found, Retracted):
                self.retracted = self._drafts + len(drafts)
                self.rejected.clear()
                self.rejections.clear()
                self._last, self._has_ended = None, False
                continue
            try:
                drafts.append(self._draft(found))
            except _Rejected as rejected:
                self._reject(rejected.reason, found.text)
        self._drafts += len(drafts)
        return drafts

    def _draft(self, found: Found) -> Draft:
        if found.close is Close.TOO_LONG:
            raise _Rejected("too_long")
        try:
            values = read_object(found.text)
        except Unreadable:
            raise _Rejected("broken") from None
        if values == self._last:
            raise _Rejected("repeated")
        draft = draft_of(values)
        self._last = values
        self._has_ended |= isinstance(draft.action, EndReaction)
        return draft

    def _reject(self, reason: str, text: str) -> None:
        self.rejected[reason] += 1
        if len(self.rejections) < _MOST_REJECTIONS:
            excerpt = " ".join(text.split())[:_LONGEST_EXCERPT]
            self.rejections.append(Rejection(reason, excerpt))


# --- from values to a draft ------------------------------------------------------------


def draft_of(values: Mapping[str, Value]) -> Draft:
    """Raises: _Rejected, where it is none."""
    kind = _NOT_A_LETTER.sub("_", str(values.get("action_type") or "")).upper()
    make = _ACTIONS.get(_SYNONYMS.get(kind, kind))
    if make is None:
        raise _Rejected("no_action")
    try:
        return Draft(
            action=make(values),
            evidence_until=_optional_time(values.get("evidence_until")),
            importance=_share(values.get("importance")),
        )
    except ValidationError:
        raise _Rejected("bad_value") from None


def _speak(values: Mapping[str, Value]) -> Action:
    text = values.get("text")
    line = _tidy(text) if isinstance(text, str) else ""
    is_sayable = any(map(str.isalnum, line))  # models copy the dots of an example
    if not is_sayable or len(line) > 2000:
        raise _Rejected("bad_text")
    return Speak(**_base(values), text=line, pause_video=_truth(values.get("pause_video")))


def _expression(values: Mapping[str, Value]) -> Action:
    name = _NOT_A_LETTER.sub("_", str(values.get("emotion") or "")).casefold()
    if name not in _EMOTIONS:
        raise _Rejected("unknown_emotion")
    return Expression(**_base(values), emotion=Emotion(name))


def _pause(values: Mapping[str, Value]) -> Action:
    seconds = _optional_time(values.get("duration_seconds"))
    if seconds is None:
        raise _Rejected("bad_value")
    return PauseVideo(**_base(values), duration_seconds=seconds)


def _seek(values: Mapping[str, Value]) -> Action:
    stays = str(values.get("post_seek_behavior")).upper() == PostSeek.STAY_PAUSED
    return Seek(
        **_base(values),
        target_timestamp=_time(values.get("target_timestamp")),
        post_seek_behavior=PostSeek.STAY_PAUSED if stays else PostSeek.RESUME_PLAYBACK,
    )


def _replay(values: Mapping[str, Value]) -> Action:
    stays = str(values.get("post_replay_behavior")).upper() == PostReplay.STAY_PAUSED_AT_END
    return ReplaySegment(
        **_base(values),
        start_timestamp=_time(values.get("start_timestamp")),
        end_timestamp=_time(values.get("end_timestamp")),
        post_replay_behavior=PostReplay.STAY_PAUSED_AT_END
        if stays
        else PostReplay.RESUME_FROM_ORIGINAL,
    )


def _end(values: Mapping[str, Value]) -> Action:
    return EndReaction(**_base(values))


_ACTIONS: Mapping[str, Callable[[Mapping[str, Value]], Action]] = {
    "SPEAK": _speak,
    "EXPRESSION": _expression,
    "PAUSE_VIDEO": _pause,
    "SEEK": _seek,
    "REPLAY_SEGMENT": _replay,
    "END_REACTION": _end,
}
_SYNONYMS = {
    "SAY": "SPEAK",
    "PAUSE": "PAUSE_VIDEO",
    "REPLAY": "REPLAY_SEGMENT",
    "FACE": "EXPRESSION",
    "END": "END_REACTION",
}
_EMOTIONS = frozenset(map(str, Emotion))


def _base(values: Mapping[str, Value]) -> dict[str, object]:
    comment = values.get("comment")
    return {
        "trigger_timestamp": _time(values.get("trigger_timestamp")),
        "comment": _tidy(comment)[:_LONGEST_COMMENT] if isinstance(comment, str) else "",
    }


def _time(value: Value) -> float:
    """Raises: _Rejected, where it is no time."""
    seconds = _optional_time(value)
    if seconds is None:
        raise _Rejected("bad_time")
    return seconds


def _optional_time(value: Value) -> float | None:
    """Seconds from a number, a number in a text, or a clock; None: it is none of these."""
    seconds: float | None = None
    if isinstance(value, str):
        text = value.strip()
        if clock := _CLOCK.fullmatch(text):
            hours, minutes, rest = clock.groups()
            seconds = int(hours or 0) * 3600 + int(minutes) * 60 + float(rest.replace(",", "."))
        elif number := _SECONDS.fullmatch(text):
            seconds = float(number[1].replace(",", "."))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except OverflowError:
            return None
    is_time = seconds is not None and isfinite(seconds) and 0 <= seconds <= MAX_SECONDS
    return seconds if is_time else None


def _share(value: Value) -> float:
    """An importance from 0 to 1; in the middle, where it is none."""
    number = _optional_time(value)
    return 0.5 if number is None else min(number, 1.0)


def _truth(value: Value) -> bool:
    return (
        value.strip().casefold() in ("true", "yes", "1") if isinstance(value, str) else bool(value)
    )


def _tidy(text: str) -> str:
    """On one line, without anything that nobody can say or see."""
    visible = "".join(
        " " if unicodedata.category(letter) in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp") else letter
        for letter in text
    )
    return " ".join(visible.replace("\ufeff", "").split())
