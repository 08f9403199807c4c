"""How a long run is done: by how many processes, what may fail once, and what took how long."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

WORTH_TELLING = 60.0
"""Seconds. A run of a few tests is nobody's question."""
OF_THE_REAL_WORLD = {
    "cli",
    "deployment",
    "durability",
    "embedding",
    "examples",
    "links",
    "page",
    "scale",
    "server",
    "stores",
}
"""Folders of tests that watch programs, sockets and disks, in real time."""


class Observer:
    """Of all processes that tests run in."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        """What tests take, with their fixtures, by folder."""
        self.failed_at_first: list[pytest.TestReport] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        folder, _, _ = report.nodeid.partition("::")[0].rpartition("/")
        self.seconds[folder] += report.duration
        if report.outcome == "rerun":
            self.failed_at_first.append(report)


_observer = pytest.StashKey[Observer]()


def pytest_xdist_auto_num_workers() -> int:
    """More than half of the time is waiting: for a film to play, for a process to start."""
    return -(-3 * (os.cpu_count() or 1) // 2)


def pytest_configure(config: pytest.Config) -> None:
    observer = Observer()
    config.stash[_observer] = observer
    config.pluginmanager.register(observer)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What runs beside others, on a machine that has other things to do as well, may be late once
    where lateness is what it looks at. It is told all the same; and what is alone, or in a time
    of its own, has no excuse."""
    if not hasattr(config, "workerinput"):
        return
    root = Path(__file__).parent
    for item in items:
        if item.path.relative_to(root).parts[0] in OF_THE_REAL_WORLD:
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    observer = config.stash[_observer]
    for report in observer.failed_at_first:
        terminalreporter.section(f"failed at first: {report.nodeid}")
        terminalreporter.line(report.longreprtext)
    seconds = observer.seconds
    if seconds.total() < WORTH_TELLING:
        return
    terminalreporter.section("seconds by folder, of one process")
    for folder, taken in seconds.most_common():
        terminalreporter.line(f"{taken:7.1f}  {folder}")
    terminalreporter.line(f"{seconds.total():7.1f}  in all")
