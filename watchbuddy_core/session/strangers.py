"""Running the code of strangers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class PluginFault(Exception):
    """A plugin has raised what is no error, such as SystemExit."""


@contextmanager
def plugin_code() -> Iterator[None]:
    """What a plugin raises within ends its own work, and nobody else's.

    What is no Exception would end the program, or the other tasks of a group; bindings of
    other languages raise such things when they panic. Being cancelled stays what it is, as
    long as somebody really has cancelled.

    Raises:
        PluginFault: instead of anything that is no Exception.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as exc:
        task = asyncio.current_task()
        if isinstance(exc, asyncio.CancelledError) and task is not None and task.cancelling():
            raise
        raise PluginFault(f"a plugin raised {type(exc).__name__}: {exc}") from exc
