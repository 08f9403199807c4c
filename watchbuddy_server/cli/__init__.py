"""The command line: `watchbuddy serve`, `watch VIDEO`, `generate VIDEO -o FILE`, `demo`, …

    commands     which there are; each stands in the module of its name
    options      what commands can be told, where several of them can
    videos       the video that one is given
    track_files  the tracks that one is given
    programs     what those have in common that run until they are told to end
    running      the event loop, signals, and what is logged
    ending       how a program ends in time, whatever is stuck
    console      what is printed to while a command works
    outcome      the exit code, and what went wrong

Exit codes: 0 all went well, 1 it failed, 2 it was called wrongly, 130 Ctrl-C, 143 SIGTERM.
What went wrong is one sentence on stderr.
"""

from __future__ import annotations

import signal
import sys
from io import TextIOWrapper


def main() -> None:
    """Run the command line, and exit."""
    if isinstance(sys.stderr, TextIOWrapper):
        sys.stderr.reconfigure(errors="replace")
    try:
        from watchbuddy_server.new_files import StandardOutput

        if isinstance(out := sys.stdout, TextIOWrapper):
            encoding, by_line, at_once = out.encoding, out.line_buffering, out.write_through
            sys.stdout = StandardOutput(
                out.detach(),
                encoding=encoding,
                errors="replace",
                line_buffering=by_line,
                write_through=at_once,
            )
        from watchbuddy_server.cli.commands import cli
        from watchbuddy_server.cli.outcome import exit_code, terminate
    except ModuleNotFoundError as exc:
        raise SystemExit(f"watchbuddy: {lacking(exc)}") from None
    except KeyboardInterrupt:  # people change their mind
        raise SystemExit(130) from None
    signal.signal(signal.SIGTERM, terminate)
    sys.exit(exit_code(cli))


def lacking(exc: ModuleNotFoundError) -> str:
    """What to do where a part of the installation is not there."""
    return (
        f"{exc.name} is missing. What the command line needs comes with an extra:"
        " pip install 'watchbuddy[server]'."
    )
