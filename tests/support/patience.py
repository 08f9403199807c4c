"""How long a test waits for what must come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE = 60.0
"""Seconds. It costs nothing where it comes: a machine that does much else may take a hundred
times as long for something as one that is idle, and proves nothing by it."""
AT_ONCE = 10.0
"""Seconds that something may take which is done at once: many times as much as it takes, and
less than what it is not to wait for."""


async def until(condition: Callable[[], object]) -> None:
    """Let the loop go on until this holds.

    Raises:
        TimeoutError: it never did.
    """
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)
