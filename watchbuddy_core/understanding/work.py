"""Blocking work in a thread, which ends when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


class Stopped(Exception):
    """The result is not wanted any more. Ends the thread's work; reaches nobody."""


class Stop:
    """Asked between two small steps of work: is it still wanted?"""

    def __init__(self) -> None:
        self._wanted = threading.Event()

    def request(self) -> None:
        self._wanted.set()

    def check(self) -> None:
        """Raises: Stopped."""
        if self._wanted.is_set():
            raise Stopped


async def in_thread(work: Callable[[Stop], _T]) -> _T:
    """Run `work` in a thread. Cancelling waits until the thread has stopped working."""
    stop = Stop()
    running = asyncio.get_running_loop().run_in_executor(None, work, stop)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stop.request()
        while not running.done():
            try:
                await asyncio.wait([running])
            except asyncio.CancelledError:
                continue
        running.exception()
        raise
