"""What each command does."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from math import inf
from pathlib import Path
from typing import Any, get_args

import click
from rich.console import Console

from watchbuddy_core.assembly import build_parts, open_store
from watchbuddy_core.client import create_session
from watchbuddy_core.configuration import TOKEN_VARIABLE, as_toml
from watchbuddy_core.errors import InvalidTrack
from watchbuddy_core.protocols import Match
from watchbuddy_core.session import WatchSession
from watchbuddy_core.settings import Settings
from watchbuddy_core.sources.local import LocalSource, is_sidecar, library_url
from watchbuddy_core.storage import Store
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.stores.redis import RedisStore
from watchbuddy_core.tracks import Track, TrackFormat, format_of, read_track, write_track
from watchbuddy_core.understanding import survey
from watchbuddy_core.video import Video, VideoRequest, clock
from watchbuddy_core.wire import CreateSession
from watchbuddy_server.cli import options, running
from watchbuddy_server.cli.bench import bench
from watchbuddy_server.cli.characters import characters
from watchbuddy_server.cli.new import new
from watchbuddy_server.cli.schema import schema
from watchbuddy_server.cli.sessions import sessions
from watchbuddy_server.cli.tokens import tokens
from watchbuddy_server.demo import demo_clip, run_demo
from watchbuddy_server.generating import generate_track, new_file, standard_output, summary
from watchbuddy_server.listings import as_json, plugin_lines, plugin_rows
from watchbuddy_server.serving import refuse_alone, serving
from watchbuddy_server.terminal import watch_in_terminal
from watchbuddy_server.worker_numbers import WorkerNumbers, readable

_ENDING = 0.4
"""Of the time that a worker may take to end, for what is in work."""
_UNWATCHED_SPEED = 4.0
"""The speed of a demo that nobody watches."""
_SAME_LENGTH = 1.0
"""Seconds by which two copies of one video may differ."""

_log = logging.getLogger("watchbuddy.cli")


_print_settings = click.option(
    "--print-settings", is_flag=True, help="Print the settings in force, and exit."
)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="watchbuddy", prog_name="watchbuddy")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """A companion that watches a video with you."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@cli.command()
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
@_print_settings
@options.log
def serve(config: Path | None, print_settings: bool, **settings: Any) -> None:
    """Serve the API until Ctrl-C."""
    _run_until_told(_serve, config, print_settings, settings)


@cli.command()
@options.library
@options.links
@options.companion
@options.transcriber
@options.data_dir
@options.shared_store
@options.concurrency
@options.metrics
@options.config
@_print_settings
@options.log
def worker(config: Path | None, print_settings: bool, **settings: Any) -> None:
    """Prepare sessions for servers that have `--jobs saq`, until Ctrl-C.

    What it has not finished when it ends, another goes on with: of what is written nothing is
    made twice.
    """
    _run_until_told(_work, config, print_settings, settings)


@cli.command()
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
@click.option("--server", default=None, help="Use this running server: http://127.0.0.1:8000.")
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
    url, libraries = _addressed(video, configured.libraries)
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
        track = _read_track(track_file)
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
            settings=_for_oneself(configured, libraries),
            console=running.make_console(no_color=no_color),
            speed=speed or 1.0,
        )
    )


@cli.command()
@options.video
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it; - for standard output.",
)
@click.option(
    "--format",
    "format",
    type=click.Choice(get_args(TrackFormat)),
    help="What to write.  [default: by the ending of the file; json to standard output]",
)
@click.option("-f", "--force", is_flag=True, help="Replace a file that exists; else it is kept.")
@options.library
@options.links
@options.companion
@options.transcriber
@options.wish
@options.part
@options.config
def generate(
    video: str,
    output: Path,
    format: TrackFormat | None,
    force: bool,
    text: str,
    start: float | None,
    end: float | None,
    config: Path | None,
    **settings: Any,
) -> None:
    """Write what the companion does in VIDEO to a file, without playing it.

    JSON holds everything; WebVTT, SubRip and ASS show the spoken lines in any player. The
    file appears when all of it is there. `watch VIDEO --track FILE` plays it again.
    """
    running.log_to_stderr(running.OneLine)
    configured = options.configured(config, settings).settings
    url, libraries = _addressed(video, configured.libraries)
    to_stdout = str(output) == "-"
    if format is None:
        format = "json" if to_stdout else _format_of(output, "--output")
    if not to_stdout and output.is_file() and not force:
        raise click.BadParameter(f"{output} exists; --force replaces it.", param_hint="--output")
    request = CreateSession(
        video_url=url,
        start_time=start,
        end_time=end,
        text=text,
        character_id=configured.character,
        density=settings["density"],
    )
    with standard_output() if to_stdout else new_file(output) as file:
        track = running.run(
            _generate(
                request,
                settings=configured.model_copy(update={"libraries": libraries}),
                output=None if to_stdout else output,
            )
        )
        file.write(write_track(track, format).encode())
    running.say(f"{'Standard output' if to_stdout else output}: {summary(track)}")


@cli.command()
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
    running.log_to_stderr(running.OneLine)
    configured = options.configured(config, settings).settings
    console = running.make_console(no_color=no_color)
    console.print("Making a film of half a minute …")
    with demo_clip(data_dir) as clip:
        running.run(
            run_demo(
                clip,
                console=console,
                settings=_for_oneself(configured, (), **_given(settings, "host", "port", "access")),
                character=configured.character,
                text=text,
                density=settings["density"] or "chatty",
                speed=speed or (1.0 if console.is_terminal else _UNWATCHED_SPEED),
            )
        )


cli.add_command(new)
cli.add_command(bench)
cli.add_command(schema)
cli.add_command(sessions)
cli.add_command(tokens)
cli.add_command(characters)

_json = click.option("--json", "wants_json", is_flag=True, help="For programs.")


@cli.command("plugins")
@_json
def list_plugins(wants_json: bool) -> None:
    """List what is installed: sources, generators, schedulers, characters."""
    running.log_to_stderr(running.OneLine, level=logging.ERROR)
    rows = plugin_rows()
    click.echo(as_json(rows) if wants_json else "\n".join(plugin_lines(rows)))


# --- videos and tracks -----------------------------------------------------------------


def _addressed(video: str, libraries: tuple[Path, ...]) -> tuple[str, tuple[Path, ...]]:
    """The address of what was named, and the folders in which it is found by that."""
    path = Path(video)
    if ":" in video and not path.exists():
        return video, libraries
    if not path.is_file():
        what = "is no file" if path.exists() else "does not exist"
        raise click.BadParameter(f"{video} {what}.", param_hint="VIDEO")
    folder, url = library_url(path)
    return url, (folder, *libraries)


def _refuse_beside_track(*names: str) -> None:
    """What has a say in making a script has none in playing one."""
    ctx = click.get_current_context()
    for param in ctx.command.params:
        if param.name in names and ctx.params.get(param.name):
            raise click.BadParameter(
                f"{param.opts[0]} does not go with --track, which has the script already.",
                param_hint="--track",
            )


def _read_track(path: Path) -> Track:
    format = _format_of(path, "--track")
    try:
        return read_track(path.read_bytes(), format)
    except OSError as exc:
        raise click.FileError(str(path), exc.strerror) from exc
    except InvalidTrack as exc:
        raise InvalidTrack(f"{path}: {exc}") from exc


def _format_of(path: Path, option: str) -> TrackFormat:
    try:
        return format_of(path.name)
    except InvalidTrack as exc:
        raise click.BadParameter(str(exc), param_hint=option) from exc


def _token(path: Path | None) -> str | None:
    """What is shown to the server; None: it needs nothing, as far as anybody has said."""
    if path is None:
        return os.environ.get(TOKEN_VARIABLE)
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise click.FileError(str(path), getattr(exc, "strerror", "it is no text")) from exc


# --- settings --------------------------------------------------------------------------


def _run_until_told(
    program: Callable[[Settings], Coroutine[Any, Any, None]],
    config: Path | None,
    print_settings: bool,
    given: Mapping[str, Any],
) -> None:
    """Run a program that ends when it is told to; or print what it would run with."""
    with running.log_of_server() as log:
        configuration = options.configured(config, given)
        log.format, log.level = configuration.settings.log_format, configuration.settings.log_level
    if print_settings:
        click.echo(as_toml(configuration))
        return
    running.take_open_files()
    running.collect_rarely()
    running.run(
        program(configuration.settings),
        told_to_end=0,
        grace_seconds=configuration.settings.limits.shutdown_seconds,
    )


def _given(options: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: options[name] for name in names if options[name] is not None}


def _for_oneself(settings: Settings, libraries: tuple[Path, ...], **where: Any) -> Settings:
    """For a server that nobody else uses: at any free port of this machine."""
    here = {"host": "127.0.0.1", "port": 0, "allow_origins": (), "server_names": ()}
    here = {**here, "access": "auto", "trusted_proxies": (), "path_prefix": ""}
    here["jobs"] = "local"
    return settings.model_copy(update={**here, "libraries": libraries, **where})


async def _serve(settings: Settings) -> None:
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


async def _work(settings: Settings) -> None:
    from watchbuddy_core.session.job_queue import check_queue
    from watchbuddy_core.session.worker import Worker

    refuse_alone(settings, "A worker")
    async with open_store(settings) as store:
        assert isinstance(store, RedisStore)
        await check_queue(settings.store)
        numbers = WorkerNumbers()
        worker = Worker(
            store=store,
            parts=build_parts(settings, store=store),
            url=settings.store,
            concurrency=settings.limits.preparing,
            # What is left is for giving back what does not end, and for the store.
            stop_seconds=settings.limits.shutdown_seconds * _ENDING,
            observer=numbers.sessions,
        )
        async with AsyncExitStack() as held:
            if settings.metrics_port is not None:
                where = settings.metrics_host, settings.metrics_port
                url = held.enter_context(readable(numbers.registry, *where))
                click.echo(f"Numbers are at {url}")
            click.echo("Preparing sessions for the servers of this Redis, until Ctrl-C")
            tasks = await held.enter_async_context(asyncio.TaskGroup())
            numbers.look_at(worker)
            tasks.create_task(numbers.program.look())
            await worker.run()


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
    async with AsyncExitStack() as held:
        store = MemoryStore()
        if server is None:
            server = await held.enter_async_context(
                serving(settings, store=store, shutdown_seconds=1)
            )
        if track is None:
            session_id = await create_session(server, request, token=token)
        else:
            _warn_of_another_video(track, await _duration(request.video_url, settings.libraries))
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


async def _generate(request: CreateSession, *, settings: Settings, output: Path | None) -> Track:
    """What is to be written to `output`; None: that is no file."""
    video = await _opened(request.video_url, settings.libraries)
    if output is not None and video is not None and video.path and is_sidecar(output, video.path):
        better = f"{video.path.stem}.watchbuddy{output.suffix}"
        raise click.BadParameter(
            f"{output.name} would be read as subtitles of the video. Call it {better}.",
            param_hint="--output",
        )
    parts = build_parts(settings)
    with running.make_console(stderr=True).status("Fetching the video") as status:
        return await generate_track(
            request, parts=parts, tell_progress=status.update, tell_notice=running.complain
        )


async def _opened(url: str, libraries: Sequence[Path]) -> Video | None:
    """A file that is here; None for anything else."""
    source = LocalSource(libraries)
    if source.match(url) is Match.NO:
        return None
    return await source.open(VideoRequest(url=url), _say_nothing)


async def _duration(url: str, libraries: Sequence[Path]) -> float | None:
    """Of a file that is here, in media seconds; None for anything else."""
    video = await _opened(url, libraries)
    return (await survey(video, _say_nothing)).duration if video else None


def _say_nothing(fraction: float | None, message: str) -> None:
    """A Progress that nobody follows."""
