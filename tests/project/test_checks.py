"""The rules of the project itself: format, lint, types, import directions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CHECKS = {
    "the code is formatted": ["ruff", "format", "--check", "."],
    "the linter finds nothing": ["ruff", "check", "."],
    "the types hold, strictly": ["mypy"],
    "imports run one way": ["lint-imports"],
}


@pytest.mark.parametrize("command", CHECKS.values(), ids=CHECKS.keys())
def test_check(command: list[str]) -> None:
    program = Path(sys.executable).parent / command[0]
    result = subprocess.run(
        [program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
