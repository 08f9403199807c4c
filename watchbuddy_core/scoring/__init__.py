"""How good a track is, as far as that can be told without a judge.

    found = score(track, reference)
    found.timing.f1, found.comfort.talked_over, found.leaks

Arithmetic over times and texts: no model, no network, no clock, no chance. What it cannot tell
is whether a line is funny, true or kind; see docs/bench.md.

    reference   what a track is held against: what is said in the video, and what happens
    timing      whether it speaks when something happens
    comfort     whether it lets one watch: talking over people, density, gaps, pauses
    sameness    whether it repeats itself
    leaks       whether it gives away what is still to come
    total       all of them at once, and over several videos
    fixtures    clips in which it is known what happens
    bounds      what the offline companion has to reach on them
"""

from __future__ import annotations

from watchbuddy_core.scoring.bounds import OFFLINE, Bound, crossed
from watchbuddy_core.scoring.comfort import Comfort
from watchbuddy_core.scoring.fixtures import Fixture, fixtures, write_fixture
from watchbuddy_core.scoring.leaks import Leak
from watchbuddy_core.scoring.reference import Reference, ReferenceEvent, read_reference
from watchbuddy_core.scoring.sameness import Sameness
from watchbuddy_core.scoring.timing import Agreement, Timing
from watchbuddy_core.scoring.total import Score, mean_figures, score

__all__ = [
    "OFFLINE",
    "Agreement",
    "Bound",
    "Comfort",
    "Fixture",
    "Leak",
    "Reference",
    "ReferenceEvent",
    "Sameness",
    "Score",
    "Timing",
    "crossed",
    "fixtures",
    "mean_figures",
    "read_reference",
    "score",
    "write_fixture",
]
