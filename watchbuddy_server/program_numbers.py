"""How a program of ours fares, in numbers."""

from __future__ import annotations

import asyncio
import time
from typing import NoReturn

from watchbuddy_server.numbers import QUICK, Numbers

_LOOK_SECONDS = 1.0
"""From one look at the event loop to the next."""


class ProgramNumbers:
    """Looks at an event loop."""

    def __init__(self, numbers: Numbers) -> None:
        self._tasks = numbers.gauge("tasks", "Things that the program does side by side.")
        self._lag = numbers.histogram(
            "event_loop_lag_seconds", "How late the event loop was, once a second.", QUICK
        )

    async def look(self) -> NoReturn:
        """Find out how late the event loop is, and how many tasks it has. Runs until cancelled."""
        loop = asyncio.get_running_loop()
        # Also for who asks from another thread.
        self._tasks.set_function(lambda: len(asyncio.all_tasks(loop)))
        while True:
            due = time.monotonic() + _LOOK_SECONDS
            await asyncio.sleep(_LOOK_SECONDS)
            self._lag.observe(max(0.0, time.monotonic() - due))
