"""How a long run is done: by how many processes, and which folder took how long."""

from __future__ import annotations

import os
from collections import Counter

import pytest

WORTH_TELLING = 60.0
"""Seconds. A run of a few tests is nobody's question."""

_seconds = pytest.StashKey[Counter[str]]()


class Stopwatch:
    """Adds up what tests take, with their fixtures; of all processes that they run in."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        folder, _, _ = report.nodeid.partition("::")[0].rpartition("/")
        self.seconds[folder] += report.duration


def pytest_xdist_auto_num_workers() -> int:
    """More than half of the time is waiting: for a film to play, for a process to start."""
    return -(-3 * (os.cpu_count() or 1) // 2)


def pytest_configure(config: pytest.Config) -> None:
    stopwatch = Stopwatch()
    config.stash[_seconds] = stopwatch.seconds
    config.pluginmanager.register(stopwatch)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    seconds = config.stash[_seconds]
    if seconds.total() < WORTH_TELLING:
        return
    terminalreporter.section("seconds by folder, of one process")
    for folder, taken in seconds.most_common():
        terminalreporter.line(f"{taken:7.1f}  {folder}")
    terminalreporter.line(f"{seconds.total():7.1f}  in all")
