"""A video in which it is known what happens, and a track that gets all of it right."""

from __future__ import annotations

import pytest

from watchbuddy_core.actions import Speak
from watchbuddy_core.scoring import Reference, ReferenceEvent
from watchbuddy_core.tracks import Track
from watchbuddy_core.video import Cue

EVENTS = (10.0, 30.0, 50.0, 70.0, 90.0, 110.0)
LINES = (
    "Oh, a harbour!",
    "What a storm.",
    "Poor gulls, all wet.",
    "Listen: bells.",
    "Blue again at last.",
    "Goodbye then!",
)
"""None takes three seconds, and no two words follow each other twice."""


@pytest.fixture
def reference() -> Reference:
    """Two minutes, with something to be seen every twenty seconds and talk between."""
    return Reference(
        title="The harbour",
        end_time=120.0,
        dialogue=[
            Cue(start=at + 5, end=at + 15, text=f"They never found {name}.")
            for at, name in zip(
                EVENTS[:-1], ("Aldo", "Bruno", "Carlo", "Dario", "Egon"), strict=True
            )
        ],
        events=[
            ReferenceEvent(at=at, text="something", reveals=("kraken",) if at == 90.0 else ())
            for at in EVENTS
        ],
    )


@pytest.fixture
def perfect() -> Track:
    return Track(
        actions=[
            Speak(trigger_timestamp=at, text=text) for at, text in zip(EVENTS, LINES, strict=True)
        ],
        end_time=120.0,
    )
