"""The types of the public API, in `api.py`."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import watchbuddy_core

API = Path(__file__).with_name("api.py")
ROOT = Path(__file__).parents[2]


def test_every_public_name_is_used_where_types_are_checked() -> None:
    tree = ast.parse(API.read_text(encoding="utf-8"))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert set(watchbuddy_core.__all__) <= used


def test_the_types_are_what_they_promise_to_be() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("mypy"), API],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_both_packages_say_that_they_are_typed() -> None:
    for package in ("watchbuddy_core", "watchbuddy_server"):
        assert (ROOT / package / "py.typed").is_file()
