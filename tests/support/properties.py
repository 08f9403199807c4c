"""How hard properties are tried: a little each time, and as much as one wants on demand."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("WATCHBUDDY_TEST_EXAMPLES", "0"))
"""How many examples each property is tried with; 0: as many as each test says."""


def examples(count: int) -> settings:
    return settings(
        max_examples=EXAMPLES or count,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
