"""From what is heard in a window to what is said in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence

from watchbuddy_core.entries import Heard
from watchbuddy_core.errors import MissingExtra, TranscriptionFailed
from watchbuddy_core.protocols import Recording, Transcriber
from watchbuddy_core.session.parts import Parts
from watchbuddy_core.session.strangers import plugin_code
from watchbuddy_core.understanding import guess_language, record
from watchbuddy_core.video import Cue, Speech, Understanding, Video, Window

_log = logging.getLogger("watchbuddy.session")

_TOGETHER = 5.0
"""Passages of speech that are nearer than this, in seconds, are one recording."""
_MARGIN = 0.3
"""Seconds before and after what is spoken that are recorded with it."""


class Listening:
    """Has what is said in a video without subtitles written down, window by window."""

    def __init__(self, video: Video, parts: Parts) -> None:
        self._video = video
        self._transcriber = parts.transcriber
        self._seconds = parts.transcribing_seconds

    async def hear(self, window: Window, speech: Iterable[Speech], language: str | None) -> Heard:
        """What is said in a window, as far as a transcriber writes it down.

        One that fails costs this window's words and nothing else.

        Args:
            speech: when somebody speaks, up to the window's end.
            language: what is probably spoken.
        """
        spoken = tuple(one for one in speech if one.end > window.start)
        cues: list[Cue] = []
        problem = None
        if self._transcriber is not None and spoken:
            try:
                async with asyncio.timeout(self._seconds):
                    for start, end in _stretches(spoken, window):
                        cues += await self._written_down(self._transcriber, start, end, language)
            except (TranscriptionFailed, MissingExtra) as exc:
                problem = str(exc)
            except TimeoutError:
                problem = "It took too long."
            except Exception:  # noqa: BLE001 - of a plugin, which fails for its window alone
                _log.exception("a transcriber failed")
                problem = "The transcriber failed."
        return Heard(window=window, speech=spoken, cues=tuple(cues), problem=problem)

    async def _written_down(
        self, transcriber: Transcriber, start: float, end: float, language: str | None
    ) -> list[Cue]:
        recording = Recording(await record(self._video, start, end), end - start, language)
        with plugin_code():
            said = await transcriber.transcribe(recording)
        cues = (
            cue.model_copy(
                update={
                    "start": round(start + cue.start, 3),
                    "end": round(min(start + cue.end, end), 3),
                }
            )
            for cue in said
        )
        return [cue for cue in cues if cue.start < cue.end and (cue.text or cue.sounds)]


def with_words(understanding: Understanding, heard: Iterable[Heard]) -> Understanding:
    """What is known, with the words of all that was heard up to its end."""
    cues = sorted(
        (cue for one in heard if one.window.end <= understanding.end for cue in one.cues),
        key=lambda cue: (cue.start, cue.end),
    )
    if not cues:
        return understanding
    language = understanding.language or guess_language(cues)
    return understanding.model_copy(update={"cues": tuple(cues), "language": language})


def _stretches(speech: Sequence[Speech], window: Window) -> list[tuple[float, float]]:
    """What to record, in media seconds: within the window, ascending and apart."""
    found: list[tuple[float, float]] = []
    for one in speech:
        start = max(one.start - _MARGIN, window.start)
        end = min(one.end + _MARGIN, window.end)
        if found and start - found[-1][1] < _TOGETHER:
            start = found.pop()[0]
        found.append((start, end))
    return found
