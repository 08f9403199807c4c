"""`transcription`: has a second of silence written down by a server."""

import asyncio
import sys

from watchbuddy_core.testing import recording_of_silence
from watchbuddy_core.transcription import OpenAITranscriber

transcriber = OpenAITranscriber(api_base=sys.argv[1])
(cue,) = asyncio.run(transcriber.transcribe(recording_of_silence(2.0)))
print(cue.text)
