"""Running a command: its event loop, its signals, and what it logs."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging.handlers import MemoryHandler
from typing import Any, Literal, TypeVar

from watchbuddy_core.log import JSONLines, SessionIds, TextLines
from watchbuddy_core.redaction import Redaction
from watchbuddy_server.cli.ending import Ending
from watchbuddy_server.cli.outcome import TERMINATED, terminated

_CANCELLED_AGAIN_SECONDS = 0.5
_MOST_EARLY = 1000
"""Records that are kept until it is known how to log."""

_MOST_FILES = 65_536
_COLLECTED_AFTER = (5_000, 10, 10)
"""Objects more, until the new ones are looked at; and so often, until older ones are, and all."""

_log = logging.getLogger("watchbuddy.cli")
_T = TypeVar("_T")


def take_open_files() -> None:
    """Have as many files open as the system lets this program: a viewer is one.

    Many systems begin with 1,024 and allow far more to whoever asks.
    """
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if most == resource.RLIM_INFINITY else min(most, _MOST_FILES)
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def collect_rarely() -> None:
    """Have Python look less often for objects that only refer to each other.

    For a full look, it stands still while it follows all that is alive: half a second with
    2,000 viewers, and by default anew whenever a quarter more has come, so a dozen times while
    they do. What the program is made of never goes, and is not looked at any more; the rest
    in full only when half a million objects have been added. Until then, what a connection
    leaves behind that refers to itself, some 200 objects, takes up memory, if it had lasted.
    """
    gc.freeze()
    gc.set_threshold(*_COLLECTED_AFTER)


class OneLine(logging.Formatter):
    """Without tracebacks: they are of use to those who run a server."""

    def formatException(self, ei: object) -> str:
        return ""

    def format(self, record: logging.LogRecord) -> str:
        return " ".join(super().format(record).split())


def log_to_stderr(formatter: type[logging.Formatter], *, level: int = logging.WARNING) -> None:
    stderr = logging.StreamHandler()
    stderr.setFormatter(Redaction(formatter("watchbuddy: %(message)s")))
    logging.basicConfig(level=level, handlers=[stderr])


@dataclass
class ServerLog:
    """How a server logs; see the settings of these names."""

    format: Literal["text", "json"] = "text"
    level: Literal["debug", "info", "warning", "error"] = "warning"


@contextmanager
def log_of_server() -> Iterator[ServerLog]:
    """Set up logging when the context ends, as what it gives says by then.

    What is logged within is kept until it is known how.
    """
    root, log = logging.getLogger(), ServerLog()
    early = MemoryHandler(_MOST_EARLY, flushLevel=sys.maxsize)
    root.addHandler(early)
    try:
        yield log
    finally:
        root.removeHandler(early)
        stderr = logging.StreamHandler()
        stderr.addFilter(SessionIds())
        if log.format == "json":
            stderr.setFormatter(JSONLines())
            _log_all_else()
        else:
            stderr.setFormatter(Redaction(TextLines("watchbuddy: %(message)s")))
        level = logging.getLevelNamesMapping()[log.level.upper()]
        root.addHandler(stderr)
        # What the libraries below do in detail is of use to their own developers.
        root.setLevel(max(level, logging.INFO))
        logging.getLogger("watchbuddy").setLevel(level)
        if level > logging.DEBUG:
            # It tells of each job several times, in words of its own.
            logging.getLogger("saq").setLevel(logging.WARNING)
        if level == logging.WARNING:
            # It warns of every request that is none, and so strangers could fill a log.
            logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        early.setTarget(stderr)
        early.close()


def _log_all_else() -> None:
    """What Python itself would print: a line that is no JSON is lost on who reads JSON."""
    logging.captureWarnings(True)

    def of_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            _log.error("a thread failed", exc_info=args.exc_value)

    def of_nobody(args: sys.UnraisableHookArgs) -> None:
        _log.error("%s", args.err_msg or "an error reached nobody", exc_info=args.exc_value)

    threading.excepthook = of_thread
    sys.unraisablehook = of_nobody


def run(
    work: Coroutine[Any, Any, _T],
    *,
    told_to_end: int = TERMINATED,
    grace_seconds: float | None = None,
) -> _T:
    """Run to the end, or until SIGINT or SIGTERM, which end the work in its own way.

    An impatient second Ctrl-C ends it at once; one that comes together with the first is the
    same one, as terminals and shells send it to everybody.

    Args:
        told_to_end: the exit code where it was SIGTERM.
        grace_seconds: how long ending may take. Then the program is gone, whatever is stuck.
            None: as long as it wants.

    Raises:
        KeyboardInterrupt: it was SIGINT.
    """
    if terminated.is_set():  # what a handler raises is lost in destructors, and callbacks of C
        work.close()
        raise SystemExit(told_to_end)
    ending = Ending(grace_seconds=grace_seconds, told_to_end=told_to_end)

    async def until_told() -> _T:
        task = asyncio.current_task()
        assert task is not None
        ending.interrupts(task.cancel)
        try:
            return await work
        finally:
            ending.begin()
            await _end_others()
            ending.is_through = True
            # Here, and not where the loop is closed: signals are still heard.
            await asyncio.get_running_loop().shutdown_default_executor()

    with ending.heard():
        try:
            with asyncio.Runner(loop_factory=_new_loop) as runner:
                return runner.run(until_told())
        except asyncio.CancelledError:
            if ending.told is None:
                raise
    if ending.told == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(told_to_end)


async def _end_others() -> None:
    """Cancel what still runs, and wait until it has ended.

    Again and again: libraries are known to lose a cancellation, such as redis-py while it connects.
    """
    others = asyncio.all_tasks() - {asyncio.current_task()}
    while others:
        for task in others:
            task.cancel()
        _, others = await asyncio.wait(others, timeout=_CANCELLED_AGAIN_SECONDS)


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, where it is installed: it halves what a message costs the server."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
