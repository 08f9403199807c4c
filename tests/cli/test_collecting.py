"""How often a server stands still to look for objects that only refer to each other."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, weakref

class Viewer:
    def __init__(self):
        self.self = self

{before}
full = gc.get_stats()[2]["collections"]
came = [Viewer() for _ in range({viewers})]
print(gc.get_stats()[2]["collections"] - full)
watched = weakref.ref(came[0])
came.clear()
more = []
while watched() is not None and len(more) < 3_000_000:
    more.append([])
print(watched() is None)
"""
TUNED = "from watchbuddy_server.cli import running; running.collect_rarely()"


def run(before: str, viewers: int) -> tuple[int, bool]:
    """How often everything is looked at while many come; whether they go in the end."""
    program = PROGRAM.format(before=before, viewers=viewers)
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    return int(printed[0]), printed[1] == "True"


def test_everything_is_looked_at_seldom_while_viewers_come() -> None:
    by_default, _ = run("", 400_000)
    tuned, _ = run(TUNED, 400_000)
    assert tuned <= 1 < by_default


def test_what_refers_to_itself_goes_in_the_end_all_the_same() -> None:
    assert run(TUNED, 200_000)[1]
