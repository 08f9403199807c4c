"""`watchbuddy tokens`: who is let in by a server that others reach."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import click

from watchbuddy_core.configuration import configure
from watchbuddy_server.cli import options, running
from watchbuddy_server.cli.commands import CommandGroup
from watchbuddy_server.new_files import FileNotWritten
from watchbuddy_server.tokens import TokenFile, hash_of, new_token, tokens_file

_name = click.argument("name")


@click.group("tokens", cls=CommandGroup)
def tokens() -> None:
    """Say who may use a server that others can reach.

    A running server notices within a second.
    """
    running.log_to_stderr(running.OneLine, level=logging.ERROR)


@tokens.command("add")
@_name
@options.data_dir
@options.config
def add_token(name: str, config: Path | None, **given: Any) -> None:
    """Make a token for NAME, and print it. It cannot be had again."""
    file = _file(config, given)
    token = file.add(name, now=time.time())
    try:
        click.echo(token)
    except (FileNotWritten, BrokenPipeError):  # nobody has seen it, and the name is free again
        file.remove(name)
        raise


@tokens.command("list")
@options.data_dir
@options.config
@click.option("--json", "wants_json", is_flag=True, help="For programs.")
def list_tokens(wants_json: bool, config: Path | None, **given: Any) -> None:
    """List the tokens by name, with the caller that each is in `sessions`. Not themselves."""
    kept = _file(config, given).read()
    if wants_json:
        rows = [
            {"name": one.name, "caller": one.caller, "created_at": one.created_at} for one in kept
        ]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    width = max((len(one.name) for one in kept), default=0)
    for one in kept:
        made = time.strftime("%Y-%m-%d", time.gmtime(one.created_at))
        click.echo(f"{one.name:<{width}}  {made}  {one.caller}")


@tokens.command("rm")
@_name
@options.data_dir
@options.config
def remove_token(name: str, config: Path | None, **given: Any) -> None:
    """Let the token of NAME in no more."""
    _file(config, given).remove(name)
    click.echo(f"{name} is let in no more.")


@tokens.command("new")
def make_token() -> None:
    """Print a token, and what stands for it in the setting `token_hashes`. Keeps neither.

    For servers whose data folder cannot be written to.
    """
    token = new_token()
    click.echo(f'{token}\ntoken_hashes = ["{hash_of(token)}"]')


def _file(config: Path | None, given: dict[str, Any]) -> TokenFile:
    settings = configure(given, spelled={"data_dir": "--data-dir"}, file=config).settings
    return TokenFile(tokens_file(settings))
