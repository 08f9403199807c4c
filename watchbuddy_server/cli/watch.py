"""`watchbuddy watch VIDEO`: watching in a terminal."""

from __future__ import annotations

import logging
import os
import time
from contextlib import AsyncExitStack
from math import inf
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from rich.console import Console

from watchbuddy_core.configuration import TOKEN_VARIABLE
from watchbuddy_core.settings import Settings
from watchbuddy_core.storage import Store
from watchbuddy_core.tracks import Track
from watchbuddy_core.video import clock
from watchbuddy_core.wire import CreateSession
from watchbuddy_server.cli import options, running
from watchbuddy_server.cli.console import make_console
from watchbuddy_server.cli.track_files import track_in
from watchbuddy_server.cli.videos import addressed, duration_of

_SAME_LENGTH = 1.0
"""Seconds by which two copies of one video may differ."""

_log = logging.getLogger("watchbuddy.cli")


def _server(ctx: click.Context, param: click.Parameter, text: str | None) -> str | None:
    try:
        place = urlsplit(text or "")
        is_one = place.scheme in ("http", "https") and bool(place.hostname) and place.port != 0
    except ValueError:
        is_one = False
    if text is not None and not is_one:
        wanted = "no address of a server, such as http://127.0.0.1:8000"
        raise click.BadParameter(f"{text} is {wanted}.", ctx, param)
    return text


@click.command("watch")
@options.video
@options.library
@options.links
@options.companion
@options.transcriber
@options.wish
@options.part
@click.option(
    "--track",
    "track_file",
    type=options.FILE,
    help="Play a script again that `generate` has written, or the lines of any subtitles.",
)
@click.option("--server", callback=_server, help="Use this running server: http://127.0.0.1:8000.")
@click.option(
    "--token-file",
    type=options.FILE,
    help=f"The token that it needs.  [default: the variable {TOKEN_VARIABLE}]",
)
@options.screen
@options.config
def watch(
    video: str,
    text: str,
    start: float | None,
    end: float | None,
    track_file: Path | None,
    server: str | None,
    token_file: Path | None,
    speed: float | None,
    no_color: bool,
    config: Path | None,
    **settings: Any,
) -> None:
    """Watch VIDEO in the terminal: a file, library:name.mp4, or a link."""
    running.log_to_stderr(running.OneLine)
    configured = options.configured(config, settings).settings
    url, libraries = addressed(video, configured.libraries)
    if server is not None and libraries != configured.libraries:
        raise click.BadParameter(
            "With --server, name the video as the server knows it: library:… or a link.",
            param_hint="VIDEO",
        )
    track = None
    if track_file is not None:
        _refuse_beside_track(
            *("server", "text", "character", "density"),
            *("generator", "model", "api_base", "stand_in", "transcriber"),
        )
        track = track_in(track_file, named="--track")
        start = track.start_time if start is None else start
        end = track.end_time if end is None else end
    running.run(
        _watch(
            CreateSession(
                video_url=url,
                start_time=start,
                end_time=end,
                text=text,
                character_id=configured.character,
                density=settings["density"],
            ),
            track=track,
            server=server,
            token=_token(token_file) if server is not None else None,
            settings=options.for_oneself(configured, libraries),
            console=make_console(no_color=no_color),
            speed=speed or 1.0,
        )
    )


def _refuse_beside_track(*names: str) -> None:
    """What has a say in making a script has none in playing one."""
    ctx = click.get_current_context()
    for param in ctx.command.params:
        if param.name in names and ctx.params.get(param.name):
            raise click.BadParameter(
                f"{param.opts[0]} does not go with --track, which has the script already.",
                param_hint="--track",
            )


def _token(path: Path | None) -> str | None:
    """What is shown to the server; None: it needs nothing, as far as anybody has said."""
    if path is None:
        return os.environ.get(TOKEN_VARIABLE)
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise click.FileError(str(path), getattr(exc, "strerror", "it is no text")) from exc


async def _watch(
    request: CreateSession,
    *,
    track: Track | None,
    server: str | None,
    token: str | None,
    settings: Settings,
    console: Console,
    speed: float,
) -> None:
    from watchbuddy_core.client import create_session
    from watchbuddy_core.stores.memory import MemoryStore
    from watchbuddy_server.terminal import watch_in_terminal

    async with AsyncExitStack() as held:
        store = MemoryStore()
        if server is None:
            from watchbuddy_server.serving import serving

            server = await held.enter_async_context(
                serving(settings, store=store, shutdown_seconds=1)
            )
        if track is None:
            session_id = await create_session(server, request, token=token)
        else:
            _warn_of_another_video(track, await duration_of(request.video_url, settings.libraries))
            session_id = await _create_with(track, request, store=store, settings=settings)
        summary = await watch_in_terminal(
            server,
            session_id,
            token=token,
            console=console,
            start=request.start_time or 0.0,
            end=request.end_time or inf,
            speed=speed,
        )
    console.print(str(summary))


async def _create_with(
    track: Track, request: CreateSession, *, store: Store, settings: Settings
) -> str:
    """Create a session that has its script already, where a server will find it."""
    from watchbuddy_core.assembly import build_parts
    from watchbuddy_core.session import WatchSession

    parts = build_parts(settings)
    if track.character_id in parts.characters:
        request = request.model_copy(update={"character_id": track.character_id})
    session = await WatchSession.create(request, store=store, parts=parts, created_at=time.time())
    await session.take_script(track)
    return session.session_id


def _warn_of_another_video(track: Track, duration: float | None) -> None:
    made_for = track.video.duration if track.video else None
    if made_for and duration and abs(made_for - duration) > _SAME_LENGTH:
        _log.warning(
            "The track was made for a video of %s, and this one lasts %s.",
            clock(made_for),
            clock(duration),
        )
