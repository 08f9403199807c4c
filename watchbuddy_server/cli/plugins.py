"""`watchbuddy plugins`: what is installed."""

from __future__ import annotations

import logging

import click

from watchbuddy_server.cli import running
from watchbuddy_server.listings import as_json, plugin_lines, plugin_rows


@click.command("plugins")
@click.option("--json", "wants_json", is_flag=True, help="For programs.")
def plugins(wants_json: bool) -> None:
    """List what is installed: sources, generators, schedulers, transcribers, characters."""
    running.log_to_stderr(running.OneLine, level=logging.ERROR)
    rows = plugin_rows()
    click.echo(as_json(rows) if wants_json else "\n".join(plugin_lines(rows)))
