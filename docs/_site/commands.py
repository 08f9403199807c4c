"""Puts what the commands say of themselves into the page on the command line.

Nobody writes it down twice, so nothing can be forgotten: the page has a mark, and in its place
the site has every command, with the help that it prints.
"""

from __future__ import annotations

from collections.abc import Iterator

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

MARK = "<!-- commands -->"
_WIDTH = 88


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Replaces the mark."""
    if MARK not in markdown:
        return markdown
    from watchbuddy_server.cli.commands import cli

    return markdown.replace(MARK, "\n".join(_told(click.Context(cli, info_name="watchbuddy"))))


def _told(ctx: click.Context) -> Iterator[str]:
    ctx.terminal_width = ctx.max_content_width = _WIDTH
    yield f"### {ctx.command_path}\n\n```text\n{ctx.command.get_help(ctx)}\n```\n"
    if isinstance(ctx.command, click.Group):
        for name in ctx.command.list_commands(ctx):
            command = ctx.command.get_command(ctx, name)
            assert command is not None
            yield from _told(click.Context(command, parent=ctx, info_name=name))
