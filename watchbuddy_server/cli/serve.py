"""`watchbuddy serve`: the server."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import click

from watchbuddy_core.settings import Settings
from watchbuddy_server.cli import options, programs


@click.command("serve")
@options.library
@options.links
@options.where
@options.companion
@options.transcriber
@options.data_dir
@options.store
@options.jobs
@options.peer_url
@options.setting(
    "allow_origins",
    "--allow-origin",
    multiple=True,
    help="A web page's origin that may connect, beside those of this machine. Repeatable.",
)
@options.setting(
    "server_names",
    "--server-name",
    multiple=True,
    help="A name of this server, where a proxy gives it one. Repeatable.",
)
@options.setting(
    "trusted_proxies",
    "--trusted-proxy",
    multiple=True,
    metavar="ADDRESS",
    help="A proxy, or a network of them, that is believed whose requests it passes on. Repeatable.",
)
@options.setting(
    "path_prefix",
    "--path-prefix",
    metavar="PATH",
    help="What a proxy has the server's paths begin with: /buddy.",
)
@options.setting(
    "uploads",
    "--uploads/--no-uploads",
    help="Whether viewers may upload files.  [default: where no other machine reaches the server]",
)
@options.config
@programs.print_settings
@options.log
def serve(config: Path | None, print_settings: bool, **settings: Any) -> None:
    """Serve the API until Ctrl-C."""
    programs.run_until_told(_serve, config, print_settings, settings)


async def _serve(settings: Settings) -> None:
    from watchbuddy_core.assembly import open_store
    from watchbuddy_server.serving import refuse_alone, serving

    if settings.peer_url is not None:
        refuse_alone(settings, "--peer-url")
    # What is left is for the jobs and the store.
    drain = max(1, int(settings.limits.shutdown_seconds / 2))
    async with AsyncExitStack() as held:
        store = await held.enter_async_context(open_store(settings))
        url = await held.enter_async_context(
            serving(settings, store=store, lasts=settings.store != "memory", shutdown_seconds=drain)
        )
        click.echo(f"Watching at {url}")
        click.echo(f"The API is described at {url}/schema/openapi.json")
        await asyncio.Event().wait()
