"""The command line: `watchbuddy serve`, `watch VIDEO`, `generate VIDEO -o FILE`, `demo`, …

    options    what commands can be told, where several of them can
    commands   what each does
    new        what `new` writes, from templates
    bench      how good tracks are, as far as that can be measured
    schema     the protocol as documents
    sessions   what those do that look after what a server keeps
    tokens     and those that say who may use it
    running    its event loop, signals, what it prints, and how it exits

Exit codes: 0 all went well, 1 it failed, 2 it was called wrongly, 130 Ctrl-C, 143 SIGTERM.
What went wrong is one sentence on stderr.
"""

from __future__ import annotations

import signal
import sys
from io import TextIOWrapper


def main() -> None:
    """Run the command line, and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        from watchbuddy_server.cli.commands import cli
        from watchbuddy_server.cli.running import exit_code, terminate
    except ModuleNotFoundError as exc:
        raise SystemExit(
            f"watchbuddy: {exc.name} is missing; the command line needs an extra:"
            " pip install 'watchbuddy[server]'."
        ) from None
    except KeyboardInterrupt:  # what is imported takes a second, and people change their mind
        raise SystemExit(130) from None
    signal.signal(signal.SIGTERM, terminate)
    sys.exit(exit_code(cli))
