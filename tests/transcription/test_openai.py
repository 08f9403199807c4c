"""The transcriber over an endpoint like OpenAI's, with a real server."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time
import wave
from typing import Any

import pytest

from watchbuddy_core import transcription
from watchbuddy_core.errors import TranscriptionFailed
from watchbuddy_core.testing import check_transcriber, recording_of_silence
from watchbuddy_core.transcription import OpenAITranscriber
from watchbuddy_core.video import Cue

SEGMENTS = json.dumps(
    {
        "text": "How far is the sea? Far.",
        "segments": [
            {"start": 0.2, "end": 1.1, "text": " How far\nis the sea? ", "no_speech_prob": 0.01},
            {"start": 1.2, "end": 9.9, "text": "Far."},
            {"start": 1.5, "end": 1.9, "text": "Thanks for watching!", "no_speech_prob": 0.97},
            {"start": 1.9, "end": 1.8, "text": "backwards"},
            {"start": None, "end": 2.0, "text": "no time"},
            {"start": 5.0, "end": 6.0, "text": "behind the end"},
            {"start": 0.0, "end": 1.0, "text": "  "},
            "nonsense",
        ],
    }
)
SAID = (Cue(start=0.2, end=1.1, text="How far is the sea?"), Cue(start=1.2, end=2.0, text="Far."))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for long."""
    monkeypatch.setattr(transcription, "_AGAIN", (0.01, 0.02))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")


def said(endpoint: Any, **options: Any) -> Any:
    transcriber = OpenAITranscriber(api_base=endpoint.url, **options)
    return asyncio.run(transcriber.transcribe(recording_of_silence(2.0, "en")))


def test_segments_become_cues_and_what_makes_no_sense_does_not(endpoint: Any) -> None:
    endpoint.respond = lambda asked: asked.answer(SEGMENTS)
    assert said(endpoint, model="whisper-large") == SAID
    (asked,) = endpoint.asked
    assert asked.path == "/v1/audio/transcriptions"
    assert asked.fields == {
        "model": "whisper-large",
        "response_format": "verbose_json",
        "language": "en",
    }
    assert asked.headers["authorization"] == "Bearer sk-very-secret"
    with wave.open(io.BytesIO(asked.recording)) as sound:
        assert (sound.getframerate(), sound.getnchannels()) == (16_000, 1)
        assert sound.getnframes() == 32_000


def test_without_segments_the_whole_is_one_cue(endpoint: Any) -> None:
    endpoint.respond = lambda asked: asked.answer('{"text": "How far is the sea?"}')
    assert said(endpoint) == (Cue(start=0, end=2, text="How far is the sea?"),)


def test_a_model_that_knows_no_times_is_asked_without_from_then_on(endpoint: Any) -> None:
    def without_times(asked: Any) -> None:
        if asked.fields["response_format"] == "json":
            asked.answer('{"text": "Far."}')
        else:
            asked.answer('{"error": {"message": "response_format"}}', status=400)

    endpoint.respond = without_times
    transcriber = OpenAITranscriber(api_base=endpoint.url)

    async def twice() -> None:
        for _ in range(2):
            assert await transcriber.transcribe(recording_of_silence()) == (
                Cue(start=0, end=2, text="Far."),
            )

    asyncio.run(twice())
    formats = [asked.fields["response_format"] for asked in endpoint.asked]
    assert formats == ["verbose_json", "json", "json"]


@pytest.mark.parametrize(
    ("status", "asked", "words"),
    [
        (401, 1, r"refuses the key in OPENAI_API_KEY \(401\)"),
        (404, 1, r"refuses or fails \(404\)"),
        (400, 2, r"refuses or fails \(400\)"),
        (500, 3, r"refuses or fails \(500\)"),
        (429, 3, r"refuses or fails \(429\)"),
    ],
)
def test_each_refusal_is_told_without_the_key(
    endpoint: Any, caplog: pytest.LogCaptureFixture, status: int, asked: int, words: str
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint.respond = lambda a: a.answer('{"error": "sk-very-secret"}', status=status)
    with pytest.raises(TranscriptionFailed, match=words) as failed:
        said(endpoint)
    assert len(endpoint.asked) == asked
    assert "secret" not in str(failed.value) + caplog.text


def test_what_fails_for_a_moment_is_asked_again(endpoint: Any) -> None:
    def busy(asked: Any) -> None:
        if asked.number < 2:
            asked.answer("", status=503, Retry_After="0")
        else:
            asked.answer(SEGMENTS)

    endpoint.respond = busy
    assert said(endpoint) == SAID


def test_a_server_that_wants_us_to_wait_for_long_is_not_waited_for(endpoint: Any) -> None:
    endpoint.respond = lambda asked: asked.answer("", status=429, Retry_After="3600")
    with pytest.raises(TranscriptionFailed, match="429"):
        said(endpoint)
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize("body", ["", "no json", "[]", '"text"', "null"])
def test_an_answer_that_makes_no_sense_is_a_failure(endpoint: Any, body: str) -> None:
    endpoint.respond = lambda asked: asked.answer(body)
    with pytest.raises(TranscriptionFailed, match="makes no sense"):
        said(endpoint)


@pytest.mark.parametrize("body", ["{}", '{"text": null}', '{"segments": []}', '{"text": " "}'])
def test_an_answer_that_says_nothing_is_no_cue(endpoint: Any, body: str) -> None:
    endpoint.respond = lambda asked: asked.answer(body)
    assert said(endpoint) == ()


def test_a_server_that_is_silent_or_not_there_is_a_failure(endpoint: Any) -> None:
    endpoint.respond = lambda asked: time.sleep(0.5)
    with pytest.raises(TranscriptionFailed, match="does not answer"):
        said(endpoint, seconds=0.1)
    endpoint.url = "http://127.0.0.1:9/v1"
    with pytest.raises(TranscriptionFailed, match="cannot be reached"):
        said(endpoint)


def test_it_keeps_the_contract(endpoint: Any) -> None:
    endpoint.respond = lambda asked: asked.answer(SEGMENTS)
    asyncio.run(check_transcriber(OpenAITranscriber(api_base=endpoint.url)))
