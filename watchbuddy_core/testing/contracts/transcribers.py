"""What every Transcriber keeps to."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import Sequence
from io import BytesIO

from watchbuddy_core.errors import TranscriptionFailed
from watchbuddy_core.protocols import Recording, Transcriber
from watchbuddy_core.testing.contracts.broken import require
from watchbuddy_core.video import Cue

_RATE = 16_000


def recording_of_silence(seconds: float = 2.0, language: str | None = None) -> Recording:
    """A recording in which nobody speaks."""
    file = BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(_RATE)
        out.writeframes(bytes(2 * round(seconds * _RATE)))
    return Recording(file.getvalue(), seconds, language)


async def check_transcriber(transcriber: Transcriber, recordings: Sequence[Recording] = ()) -> None:
    """Check what it writes down, and that it can be cancelled.

    Args:
        recordings: beside one of silence.

    Raises:
        ContractBroken: a rule was broken; the message says which.
    """
    require(isinstance(transcriber, Transcriber), "A transcriber has `transcribe(recording)`.")
    for recording in (recording_of_silence(), *recordings):
        try:
            said = await transcriber.transcribe(recording)
        except TranscriptionFailed as failed:
            require(str(failed), "A failure says in a sentence what went wrong.")
            continue
        require(isinstance(said, Sequence), "What is said is a sequence of cues.")
        for cue in said:
            require(isinstance(cue, Cue), f"What is said is told in cues, and not as {cue!r:.80}.")
            require(
                0 <= cue.start < cue.end <= recording.duration,
                "A cue's times count from the beginning of the recording and lie in it, "
                f"and not from {cue.start} to {cue.end} of {recording.duration} seconds.",
            )
    asked = asyncio.ensure_future(transcriber.transcribe(recording_of_silence()))
    await asyncio.sleep(0)
    asked.cancel()
    done, _ = await asyncio.wait([asked], timeout=5.0)
    require(done, "A transcription that is cancelled ends.")
