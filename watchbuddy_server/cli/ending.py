"""How a program ends: when it is told to, and in time, whatever is stuck.

A thread of its own hears the signals. An event loop does not, while a plugin blocks it; and
Python itself does not while its main thread is inside a call that does not return. Only code
that never lets go of the interpreter's lock can keep this thread from ending the program.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from watchbuddy_server.cli.outcome import INTERRUPTED, TERMINATED

_STUCK = 1
_SAME_PRESS = 1.0
"""Seconds within which a second signal is the first one, as terminals send it to everybody."""
_LAST_WORDS = 1.0
"""Seconds for the log to take why the program is ended: what reads it may be stuck as well."""
_MOST_NAMES = 10
_END_OF_WORK = 0
"""What is written into the pipe where no signal is: no signal has this number."""

_log = logging.getLogger("watchbuddy.cli")


class Ending:
    """Hears SIGINT and SIGTERM for one run of an event loop.

    The first one interrupts the work. A second one ends the program at once.

    Args:
        grace_seconds: how long the program may take from the first one, or from the end of its
            work, until it is gone. None: as long as it wants.
        told_to_end: the exit code where it was SIGTERM.
    """

    def __init__(self, *, grace_seconds: float | None, told_to_end: int) -> None:
        self._grace_seconds = grace_seconds
        self._code_of = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: told_to_end}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._interrupt: Callable[[], object] | None = None
        self._begun: float | None = None
        """Monotonic seconds: when the end has begun."""
        self.told: signal.Signals | None = None
        """By which signal the work was interrupted."""
        self.is_through = False
        """The work has ended, and all that is left are threads."""

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear signals as long as the context lasts; and once one has come, for ever."""
        if sys.platform == "win32":  # Ctrl-C is a KeyboardInterrupt there
            yield
            return
        self._hears, self._says = os.pipe()
        os.set_blocking(self._says, False)
        formerly = {one: signal.signal(one, self._heed) for one in self._code_of}
        self._listen()
        thread = threading.Thread(target=self._watch, name="ending", daemon=True)
        thread.start()
        try:
            yield
        finally:
            if self._begun is None:
                for one, handler in formerly.items():
                    signal.signal(one, handler)
                signal.set_wakeup_fd(-1)
                os.close(self._says)  # which ends the thread
                thread.join()
                os.close(self._hears)

    def interrupts(self, interrupt: Callable[[], object]) -> None:
        """From now on, a signal calls this in the running event loop."""
        self._loop, self._interrupt = asyncio.get_running_loop(), interrupt
        if sys.platform != "win32":
            self._listen()  # uvloop has taken them over: see `_heed`
        if self.told is not None:
            interrupt()

    def begin(self) -> None:
        """The work has ended, by itself or since it was told to: the grace time begins."""
        if sys.platform != "win32" and self._grace_seconds is not None:
            self._begun = self._begun or time.monotonic()
            os.write(self._says, bytes([_END_OF_WORK]))  # the thread looks at the clock again

    def _listen(self) -> int:
        """Have Python tell the pipe of signals; and who was told of them until now."""
        return signal.set_wakeup_fd(self._says, warn_on_full_buffer=False)

    def _heed(self, number: int, frame: FrameType | None) -> None:
        """The pipe is told of it already; or else uvloop was, which took the signals over when
        it began to run, and passes on only those that it was asked for."""
        if self._listen() != self._says:
            os.write(self._says, bytes([number]))

    # --- in the thread -----------------------------------------------------------------

    def _watch(self) -> None:
        while True:
            heard, _, _ = select.select([self._hears], [], [], self._left())
            if not heard:
                self._give_up()
            numbers = os.read(self._hears, 64)
            if not numbers:
                return
            for number in numbers:
                if number in self._code_of:
                    self._take(signal.Signals(number))
            self._wake()

    def _left(self) -> float | None:
        if self._begun is None or self._grace_seconds is None:
            return None
        return max(0.0, self._begun + self._grace_seconds - time.monotonic())

    def _take(self, told: signal.Signals) -> None:
        now = time.monotonic()
        self._begun = self._begun or now
        if self.told is None:
            self.told, self._told_at = told, now
            if self._interrupt is not None:
                self._call(self._interrupt)
        elif now - self._told_at > _SAME_PRESS:
            os._exit(INTERRUPTED if told == signal.SIGINT else TERMINATED)

    def _wake(self) -> None:
        """Signals that are not ours have handlers, which Python runs when the loop turns."""
        self._call(lambda: None)

    def _call(self, what: Callable[[], object]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # it has closed by now
                self._loop.call_soon_threadsafe(what)

    def _give_up(self) -> None:
        code = _STUCK
        if self.is_through:
            code = self._code_of.get(self.told, 0) if self.told is not None else 0
        words = threading.Thread(target=self._say_what_is_stuck, daemon=True)
        words.start()
        words.join(_LAST_WORDS)
        os._exit(code)

    def _say_what_is_stuck(self) -> None:
        stacks = _stacks()
        _log.error(
            "not through with ending after %g s, and ended as it is: %s",
            self._grace_seconds,
            "; ".join(self._remains()),
        )
        _log.debug("what its threads do:\n%s", stacks)

    def _remains(self) -> Iterator[str]:
        frame = sys._current_frames().get(threading.main_thread().ident or 0)
        if frame is not None:
            place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
            yield f"the main thread is in {frame.f_code.co_qualname} ({place})"
        if self._loop is not None and (tasks := _tasks_of(self._loop)):
            yield f"tasks: {_listed(tasks)}"
        threads = [one.name for one in threading.enumerate() if not one.daemon]
        threads.remove(threading.main_thread().name)
        if threads:
            yield f"threads: {_listed(threads)}"


def _tasks_of(loop: asyncio.AbstractEventLoop) -> list[str]:
    try:
        tasks = asyncio.all_tasks(loop)
    except RuntimeError:  # they come and go too fast
        return ["many"]
    coroutines = {task.get_name(): getattr(task.get_coro(), "__qualname__", "") for task in tasks}
    return sorted(f"{name} ({coroutine})" for name, coroutine in coroutines.items())


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _stacks() -> str:
    names = {one.ident: one.name for one in threading.enumerate()}
    return "\n".join(
        f"{names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()
    )
