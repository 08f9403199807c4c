"""Blocking work in a thread, which ends when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import TypeVar

_T = TypeVar("_T")
_U = TypeVar("_U")


@cache
def _threads() -> ThreadPoolExecutor:
    """As many as there are cores, whatever the number of sessions.

    This is work for the processor, so more threads would only slow each other down. And it
    takes long: in the default executor it would keep others waiting who need that for a moment.
    """
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="understanding")


class Stopped(Exception):
    """The result is not wanted any more. Ends the thread's work; reaches nobody."""


class Stop:
    """Asked between two small steps of work: is it still wanted?"""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requested = False
        self._begun = False

    def begin(self) -> None:
        """Work starts now. Raises: Stopped, where it is not wanted any more."""
        with self._lock:
            self.check()
            self._begun = True

    def request(self) -> bool:
        """End the work. Whether it has begun: what has not never will."""
        with self._lock:
            self._requested = True
            return self._begun

    def check(self) -> None:
        """Raises: Stopped."""
        if self._requested:
            raise Stopped


async def in_thread(work: Callable[[Stop], _T]) -> _T:
    """Run `work` in a thread. Cancelling waits until the thread has stopped working.

    Where all threads are busy it waits for its turn; cancelling then returns at once.
    """
    stop = Stop()

    def run() -> _T:
        stop.begin()
        return work(stop)

    context = copy_context()
    running = asyncio.get_running_loop().run_in_executor(_threads(), lambda: context.run(run))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        if not stop.request():
            running.cancel()
            raise
        while not running.done():
            try:
                await asyncio.wait([running])
            except asyncio.CancelledError:
                continue
        running.exception()
        raise


async def side_by_side(
    first: Coroutine[object, object, _T], second: Coroutine[object, object, _U]
) -> tuple[_T, _U]:
    """What both return. When one fails, or it is cancelled, both have ended."""
    try:
        async with asyncio.TaskGroup() as tasks:
            one, other = tasks.create_task(first), tasks.create_task(second)
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    return one.result(), other.result()
