"""Programs that run until they are told to end: `serve` and `worker`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import click

from watchbuddy_core.configuration import as_toml
from watchbuddy_core.settings import Settings
from watchbuddy_server.cli import options, running

print_settings = click.option(
    "--print-settings", is_flag=True, help="Print the settings in force, and exit."
)


def run_until_told(
    program: Callable[[Settings], Coroutine[Any, Any, None]],
    config: Path | None,
    only_print_settings: bool,
    given: Mapping[str, Any],
) -> None:
    """Run a program that ends when it is told to; or print what it would run with."""
    with running.log_of_server() as log:
        configuration = options.configured(config, given)
        log.format, log.level = configuration.settings.log_format, configuration.settings.log_level
    if only_print_settings:
        click.echo(as_toml(configuration))
        return
    running.take_open_files()
    running.collect_rarely()
    running.run(
        program(configuration.settings),
        told_to_end=0,
        grace_seconds=configuration.settings.limits.shutdown_seconds,
    )
