"""For the tests of those who build upon this library: fakes that behave, and contracts.

player      FakePlayer: a player with a viewer before it, in virtual time
fakes       ScriptedGenerator, MemorySource: plugins that do what they were told
contracts   check_source, check_generator, check_scheduler, check_transcriber: what every
            plugin keeps to
"""

from watchbuddy_core.testing.contracts import (
    ContractBroken,
    briefs_for,
    check_generator,
    check_scheduler,
    check_source,
    check_transcriber,
    recording_of_silence,
)
from watchbuddy_core.testing.fakes import MemorySource, ScriptedGenerator
from watchbuddy_core.testing.player import (
    FakePlayer,
    Habits,
    Observed,
    Performed,
    seconds_to_say,
)

__all__ = [
    "ContractBroken",
    "FakePlayer",
    "Habits",
    "MemorySource",
    "Observed",
    "Performed",
    "ScriptedGenerator",
    "briefs_for",
    "check_generator",
    "check_scheduler",
    "check_source",
    "check_transcriber",
    "recording_of_silence",
    "seconds_to_say",
]
