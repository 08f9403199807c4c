"""What a report costs the Timeline: `python tests/bench/timeline.py`.

The goals: under 1 µs with nothing due at 10^6 actions, under 3 µs with 20 sent actions
inside the lateness window. A dictionary lookup is timed beside it, to tell how fast the
machine is.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from time import perf_counter

from watchbuddy_core.actions import Speak
from watchbuddy_core.events import SeekUpdate, TimestampUpdate
from watchbuddy_core.timeline import Timeline

REPORTS = 50_000
RUNS = 7


def line(at: float) -> Speak:
    """A line without its validation, since a million of them are made."""
    return Speak.model_construct(
        id=str(at),
        trigger_timestamp=at,
        comment="",
        action_type="SPEAK",
        text="x",
        pause_video=False,
    )


def microseconds(work: Callable[[int], None]) -> float:
    """Of the fastest of some runs, per report. `work` is told the number of the run."""
    best = float("inf")
    gc.collect()
    gc.disable()
    for run in range(RUNS):
        began = perf_counter()
        work(run)
        best = min(best, perf_counter() - began)
    gc.enable()
    return best / REPORTS * 1e6


def reporting(timeline: Timeline, position: float) -> Callable[[int], None]:
    """Plays on from `position`, in steps so small that all runs together reach no action."""
    timeline.receive(TimestampUpdate(position), now=10.0)
    timeline.actions_due()
    events = [TimestampUpdate(position + i * 1e-6) for i in range(REPORTS * RUNS)]

    def work(run: int) -> None:
        receive, actions_due = timeline.receive, timeline.actions_due
        for event in events[run * REPORTS : (run + 1) * REPORTS]:
            receive(event, now=11.0)
            actions_due()

    return work


def show(what: str, cost: float, unit: float) -> None:
    print(f"{what:42} {cost:6.3f} µs   {cost / unit:5.1f} lookups")


def main() -> None:
    known = {str(i): i for i in range(1000)}
    keys = [str(i % 1000) for i in range(REPORTS)]

    def lookups(run: int) -> None:
        for key in keys:
            known[key]

    unit = microseconds(lookups)
    show("dictionary lookup", unit, unit)
    for count in (100, 10_000, 1_000_000):
        timeline = Timeline()
        timeline.add(line(4.0 * i) for i in range(count))
        position = 2.0 * count + 0.5
        timeline.receive(SeekUpdate(position), now=0.0)
        show(f"nothing due, {count} actions", microseconds(reporting(timeline, position)), unit)
    timeline = Timeline()
    timeline.add(line(10.0 + 0.1 * i) for i in range(20))
    timeline.add([line(10_000.0)])
    timeline.receive(TimestampUpdate(9.0), now=0.0)
    timeline.receive(TimestampUpdate(12.0), now=5.0)
    sent = len(timeline.actions_due())
    show(f"{sent} sent actions within the lateness", microseconds(reporting(timeline, 12.0)), unit)


if __name__ == "__main__":
    main()
