"""`watchbuddy demo`: a film made on the spot, and a companion that watches it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from watchbuddy_server.cli import options, running
from watchbuddy_server.cli.console import make_console

_UNWATCHED_SPEED = 4.0
"""The speed of a demo that nobody watches."""


@click.command("demo")
@options.where
@options.companion
@options.wish
@options.data_dir
@options.screen
@options.config
def demo(
    text: str,
    data_dir: Path | None,
    speed: float | None,
    no_color: bool,
    config: Path | None,
    **settings: Any,
) -> None:
    """Make a short clip, serve it, and watch it with the companion.

    In a terminal, the server stays up afterwards until Ctrl-C. The clip is removed at the
    end, unless --data-dir says where to keep it.
    """
    from watchbuddy_server.demo import demo_clip, run_demo

    running.log_to_stderr(running.OneLine)
    configured = options.configured(config, settings).settings
    where = _given(settings, "host", "port", "access")
    console = make_console(no_color=no_color)
    console.print("Making a film of half a minute …")
    with demo_clip(data_dir) as clip:
        running.run(
            run_demo(
                clip,
                console=console,
                settings=options.for_oneself(configured, (), **where),
                character=configured.character,
                text=text,
                density=settings["density"] or "chatty",
                speed=speed or (1.0 if console.is_terminal else _UNWATCHED_SPEED),
            )
        )


def _given(options: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: options[name] for name in names if options[name] is not None}
