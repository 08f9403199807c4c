"""What figures have to reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Bound:
    """The least and the most that a figure may be."""

    figure: str
    at_least: float = -inf
    at_most: float = inf

    def holds(self, value: float) -> bool:
        return self.at_least <= value <= self.at_most

    def __str__(self) -> str:
        least = f"at least {self.at_least:g}" if self.at_least > -inf else ""
        most = f"at most {self.at_most:g}" if self.at_most < inf else ""
        return f"{self.figure}: {' and '.join(filter(None, (least, most)))}"


OFFLINE = (
    Bound("time_diff", at_most=5.8),
    Bound("coverage", at_least=0.7),
    Bound("redundancy", at_most=0.45),
    Bound("f1@1", at_least=0.45),
    Bound("f1@3", at_least=0.75),
    Bound("talked_over", at_most=0),
    Bound("own_overlap", at_most=0),
    Bound("lines_per_minute", at_least=2.5, at_most=3.5),
    Bound("longest_silence", at_most=45),
    Bound("gap_distance", at_most=6.5),
    Bound("pauses", at_most=7),
    Bound("paused_seconds", at_most=30),
    Bound("duplicates", at_most=0),
    Bound("distinct_2", at_least=0.95),
    Bound("leaks", at_most=0),
)
"""For the means of the offline companion over the clips of seed 1, at its usual density.

What is 0 has to be 0 with every seed. The others are close to what was measured, so that a
change for the worse is seen; they are no aims, and vary with the seed (docs/bench.md).
"""


def crossed(figures: Mapping[str, float], bounds: Iterable[Bound]) -> Iterator[str]:
    """A sentence for each bound that does not hold."""
    for bound in bounds:
        value = figures.get(bound.figure)
        if value is None:
            yield f"{bound}, and it was not measured."
        elif not bound.holds(value):
            yield f"{bound}, and it is {value:g}."
