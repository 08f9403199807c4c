"""Sessions that come and go leave nothing behind; for long runs: `tests/bench/soak.py`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).parents[2] / "bench" / "soak.py"


def test_after_a_while_of_coming_and_going_there_is_as_much_as_before() -> None:
    ran = subprocess.run(
        [sys.executable, SOAK, "--seconds", "5", "--seats", "6"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.endswith("flat\n")
