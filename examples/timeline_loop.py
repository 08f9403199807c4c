"""The Timeline in a plain loop, without asyncio: in real time, or `--counted` at once."""

from __future__ import annotations

import sys
import time

from watchbuddy_core import Action, EndReaction, Seek, SeekUpdate, Speak, Timeline, TimestampUpdate

SCRIPT: list[Action] = [
    Speak(trigger_timestamp=1.5, text="Did you see that?"),
    Seek(trigger_timestamp=4.0, target_timestamp=0.5),
    Speak(trigger_timestamp=6.0, text="There it was again."),
    EndReaction(trigger_timestamp=7.0),
]


class CountedClock:
    """Time that passes only where somebody waits."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


timeline = Timeline()
timeline.add(SCRIPT)
clock = CountedClock() if "--counted" in sys.argv else time
position, before = 0.0, clock.monotonic()
while position < 8.0:
    now = clock.monotonic()
    position, before = position + now - before, now
    timeline.receive(TimestampUpdate(position), now=now)
    for due in timeline.actions_due():
        print(f"{position:.2f}", due.action.action_type, getattr(due.action, "text", ""))
        if isinstance(due.action, Seek):  # obey, and say so
            position = due.action.target_timestamp
            timeline.receive(SeekUpdate(position, "action", due.action.id), now=now)
    clock.sleep(0.25)
