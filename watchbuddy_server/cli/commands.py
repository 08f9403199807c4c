"""The commands, by name. What one needs is imported when it is named, and no sooner."""

from __future__ import annotations

from importlib import import_module

import click

COMMANDS = {
    "bench": "Measure how well TRACKs fit their video, or how well the companion does.",
    "characters": "List who can watch along; take character cards in, and write them.",
    "demo": "Make a short clip, serve it, and watch it with the companion.",
    "generate": "Write what the companion does in VIDEO to a file, without playing it.",
    "new": "Write a package with a plugin of your own, tests included.",
    "plugins": "List what is installed: sources, generators, schedulers, transcribers, characters.",
    "schema": "Print what goes over the wire, for programs in other languages.",
    "serve": "Serve the API until Ctrl-C.",
    "sessions": "See, export, back up and delete what `serve` keeps in its data folder, or in a"
    " Redis.",
    "tokens": "Say who may use a server that others can reach.",
    "watch": "Watch VIDEO in the terminal: a file, library:name.mp4, or a link.",
    "worker": "Prepare sessions for servers that have `--jobs saq`, until Ctrl-C.",
}
"""How the help of each begins. A command stands in the module of its name."""


class CommandGroup(click.Group):
    """One that names its commands where none is given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args:
            named = ", ".join(self.list_commands(ctx))
            raise click.UsageError(f"`{ctx.info_name}` does one of these: {named}.", ctx)
        return super().parse_args(ctx, args)


class _Commands(click.Group):
    """Holds of each command its name and its line, until it is asked for."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands:
            return None
        command = getattr(import_module(f"watchbuddy_server.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Commands,
    commands=[click.Command(name, help=line) for name, line in COMMANDS.items()],
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="watchbuddy", prog_name="watchbuddy")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """A companion that watches a video with you."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
