"""What a command prints to while it works."""

from __future__ import annotations

import os
import signal
import sys

from rich.console import Console


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Nobody reads any more (`watchbuddy watch … | head`): end as Ctrl-C does."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        signal.raise_signal(signal.SIGINT)


def make_console(*, no_color: bool = False, stderr: bool = False) -> Console:
    return _Console(no_color=no_color or None, highlight=False, soft_wrap=True, stderr=stderr)
