"""How a command went: its exit code, and in one sentence what went wrong.

Imported before it is known which command it is, so nothing here takes long to import.
"""

from __future__ import annotations

import logging
import threading
from typing import NoReturn

import click

from watchbuddy_core.errors import InvalidSettings, WatchBuddyError
from watchbuddy_core.log import JSONLines
from watchbuddy_server.cli import lacking
from watchbuddy_server.printable import printable

_FAILED = 1
_USAGE = 2
INTERRUPTED = 130
TERMINATED = 143

_log = logging.getLogger("watchbuddy.cli")
terminated = threading.Event()
"""SIGTERM came, and not to an event loop, which hears it in its own way."""


def terminate(*_: object) -> NoReturn:
    """Leave by the ordinary way, so that what is temporary is removed."""
    terminated.set()
    raise SystemExit(TERMINATED)


def exit_code(command: click.Command) -> int:
    """Run it; what went wrong is told in one sentence."""
    try:
        return command.main(standalone_mode=False) or 0
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as exc:  # noqa: BLE001 - the end of the program
        sentence, code = _verdict(exc)
        complain(sentence)
        return code


def _verdict(exc: Exception) -> tuple[str, int]:
    """What is said of it, and the exit code."""
    while isinstance(exc, ExceptionGroup):  # of what failed together, what failed first
        exc = exc.exceptions[0]
    match exc:
        case click.ClickException():
            return exc.format_message(), exc.exit_code
        case WatchBuddyError():
            return exc.message, _USAGE if isinstance(exc, InvalidSettings) else _FAILED
        case ModuleNotFoundError():
            return lacking(exc), _FAILED
        case ValueError():
            from pydantic import ValidationError

            if isinstance(exc, ValidationError):  # a request, put together from options
                first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
                where = first["loc"][0] if first["loc"] else "The request"
                return f"{where}: {first['msg']}.", _USAGE
    _log.debug("unforeseen", exc_info=exc)
    return f"Something unforeseen happened, {type(exc).__name__}: {exc}", _FAILED


def complain(message: str) -> None:
    """Tell people what is wrong; or programs, where they read the log."""
    if any(isinstance(one.formatter, JSONLines) for one in logging.getLogger().handlers):
        _log.error("%s", message)
    else:
        say(f"watchbuddy: {message}")


def say(message: str) -> None:
    """One line to people; standard output is for what was asked for."""
    click.echo(" ".join(printable(message).split()), err=True)
