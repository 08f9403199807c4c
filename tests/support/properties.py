"""How hard properties are tried: a little each time, and as much as one wants on demand."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

EXAMPLES = int(os.environ.get("WATCHBUDDY_TEST_EXAMPLES", "0"))
"""How many examples each property is tried with; 0: as many as each test says."""


def examples(count: int, *, shrink: bool = True) -> settings:
    """How to try a property; without `shrink`, what has failed is told as it was found."""
    return settings(
        phases=[phase for phase in Phase if shrink or phase is not Phase.shrink],
        max_examples=EXAMPLES or count,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
