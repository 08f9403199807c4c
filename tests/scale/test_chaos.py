"""Parts of an installation that are killed at random moments; `python tests/bench/chaos.py`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench" / "chaos.py"


@pytest.mark.timeout(500)  # a minute, where nothing else runs
def test_a_hundred_viewers_meet_what_they_would_have_met_without_six_kills() -> None:
    """Of a worker, of a web process and of the Redis. But for what came due while there was no
    connection, or no Redis, too long ago to be sent late; and no window or answer is paid for
    twice."""
    ran = subprocess.run(
        [sys.executable, BENCH, "--kills", "6", "--seed", "3", "--clients", "100"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for victim in ("a worker", "a web process", "Redis"):
        assert f"  {victim}, " in ran.stdout
