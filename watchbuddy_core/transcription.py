"""A transcriber over any endpoint that speaks as OpenAI's does.

    POST {api_base}/audio/transcriptions    (a form: file, model, response_format, language)

OpenAI itself, Groq, and servers of one's own such as speaches, faster-whisper-server,
LocalAI, vLLM and whisper.cpp answer there.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from watchbuddy_core.errors import MissingExtra, TranscriptionFailed
from watchbuddy_core.protocols import Recording
from watchbuddy_core.video import Cue

if TYPE_CHECKING:
    import httpx

_FORMATS = ("verbose_json", "json")
"""With times; and without, where a model knows no other."""
_AGAIN = (1.0, 4.0)
"""Seconds after which a server that was busy or failed is asked again."""
_LONGEST_WISH = 20.0
"""Seconds that a server may ask us to wait, and be listened to."""
_NOTHING_SAID = 0.8
"""Likelihood, by the model itself, that a segment is no speech: then its words are made up."""
_LONGEST_TEXT = 1000


class OpenAITranscriber:
    """Has recordings written down by a speech model behind an HTTP endpoint.

    Args:
        api_base: where the endpoint is, up to and with `/v1`.
        model: the model's name there.
        key_variable: the environment variable that holds the key. The key itself is never an
            option, and in no message.
        seconds: how long one answer may take.
    """

    def __init__(
        self,
        *,
        api_base: str = "https://api.openai.com/v1",
        model: str = "whisper-1",
        key_variable: str = "OPENAI_API_KEY",
        seconds: float = 60.0,
    ) -> None:
        self._url = f"{api_base.rstrip('/')}/audio/transcriptions"
        self._model = model
        self._key_variable = key_variable
        self._seconds = seconds
        self._formats = list(_FORMATS)

    async def transcribe(self, recording: Recording) -> Sequence[Cue]:
        """
        Raises:
            TranscriptionFailed: the server refuses, fails or cannot be reached.
            MissingExtra: the HTTP client is not installed.
        """
        try:
            import httpx
        except ImportError as exc:
            raise MissingExtra("transcription", "Writing down what is said") from exc
        key = os.environ.get(self._key_variable)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with httpx.AsyncClient(timeout=self._seconds, headers=headers) as http:
            answer = await self._ask(http, recording)
        try:
            said: object = answer.json()
        except ValueError as exc:
            raise TranscriptionFailed("The server's answer makes no sense.") from exc
        return tuple(_cues(said, recording.duration))

    async def _ask(self, http: httpx.AsyncClient, recording: Recording) -> httpx.Response:
        """An answer in the best format that the model knows; which one that is is remembered."""
        while True:
            answer = await self._patiently(http, recording)
            if answer.status_code not in (400, 422) or len(self._formats) == 1:
                break
            del self._formats[0]
        if answer.is_success:
            return answer
        if answer.status_code in (401, 403):
            raise TranscriptionFailed(
                f"The server refuses the key in {self._key_variable} ({answer.status_code})."
            )
        raise TranscriptionFailed(f"The server refuses or fails ({answer.status_code}).")

    async def _patiently(self, http: httpx.AsyncClient, recording: Recording) -> httpx.Response:
        import httpx

        for wait in (*_AGAIN, None):
            try:
                answer = await http.post(
                    self._url,
                    files={"file": ("speech.wav", recording.wav, "audio/wav")},
                    data=self._fields(recording),
                )
            except httpx.TimeoutException as exc:
                failure = TranscriptionFailed("The server does not answer.")
                failure.__cause__ = exc
            except httpx.HTTPError as exc:
                failure = TranscriptionFailed("The server cannot be reached.")
                failure.__cause__ = exc
            else:
                if answer.status_code != 429 and answer.status_code < 500:
                    return answer
                wish = _seconds_asked_for(answer.headers)
                if wait is None or wish > _LONGEST_WISH:
                    return answer
                await asyncio.sleep(max(wait, wish))
                continue
            if wait is None:
                raise failure
            await asyncio.sleep(wait)
        raise AssertionError  # the last try returns or raises

    def _fields(self, recording: Recording) -> dict[str, str]:
        fields = {"model": self._model, "response_format": self._formats[0]}
        return {**fields, "language": recording.language} if recording.language else fields


def _seconds_asked_for(headers: Mapping[str, str]) -> float:
    said = headers.get("retry-after", "")
    return float(said) if said.isascii() and said.isdigit() else 0.0


def _cues(said: object, duration: float) -> Iterator[Cue]:
    """The segments of an answer; one that has none is one segment."""
    if not isinstance(said, Mapping):
        raise TranscriptionFailed("The server's answer makes no sense.")
    segments: Any = said.get("segments")
    if not isinstance(segments, list):
        segments = [{"start": 0.0, "end": duration, "text": said.get("text")}]
    for segment in segments:
        if not isinstance(segment, Mapping):
            continue
        start, end, text = segment.get("start"), segment.get("end"), segment.get("text")
        if not (isinstance(start, int | float) and isinstance(end, int | float)):
            continue
        words = " ".join(text.split())[:_LONGEST_TEXT] if isinstance(text, str) else ""
        doubt = segment.get("no_speech_prob")
        made_up = isinstance(doubt, int | float) and doubt > _NOTHING_SAID
        if words and not made_up and 0 <= start < min(end, duration):
            yield Cue(start=start, end=min(end, duration), text=words)
