"""A server that is killed at moments that nobody has chosen; `python tests/bench/crash.py`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench" / "crash.py"


@pytest.mark.timeout(500)  # a minute, where nothing else runs
def test_over_five_kills_viewers_meet_what_they_would_have_met_without_them() -> None:
    """But for what came due while there was no connection, too long ago to be sent late. They
    jump back with their companion, talk to it, and want it to be silent."""
    ran = subprocess.run(
        [sys.executable, BENCH, "--kills", "5", "--seed", "7"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "\n5 kills" in f"\n{ran.stdout}"
