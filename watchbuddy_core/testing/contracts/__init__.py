"""What every plugin keeps to, checked. Call these from the tests of your own package.

    async def test_it_is_a_source():
        await check_source(MySource(), opens=["https://example.com/watch/1"])

Each raises ContractBroken, an AssertionError, whose message says which rule was broken and
what was seen.
"""

from watchbuddy_core.testing.contracts.broken import ContractBroken
from watchbuddy_core.testing.contracts.generators import briefs_for, check_generator
from watchbuddy_core.testing.contracts.schedulers import check_scheduler
from watchbuddy_core.testing.contracts.sources import check_source
from watchbuddy_core.testing.contracts.transcribers import (
    check_transcriber,
    recording_of_silence,
)

__all__ = [
    "ContractBroken",
    "briefs_for",
    "check_generator",
    "check_scheduler",
    "check_source",
    "check_transcriber",
    "recording_of_silence",
]
