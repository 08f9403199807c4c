"""The command line: `watchbuddy serve`, `watchbuddy watch VIDEO`, `watchbuddy demo`.

Exit codes: 0 all went well, 1 it failed, 2 it was called wrongly, 130 Ctrl-C. What went
wrong is one sentence on stderr.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from io import TextIOWrapper
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args

try:
    import click
    from pydantic import ValidationError
    from rich.console import Console

    from watchbuddy_core.actions import Density
    from watchbuddy_core.configuration import Configuration, as_toml, configure
    from watchbuddy_core.errors import InvalidSettings, WatchBuddyError
    from watchbuddy_core.plugins import offered_characters
    from watchbuddy_core.settings import Settings
    from watchbuddy_core.sources.local import library_url
    from watchbuddy_core.wire import CreateSession
    from watchbuddy_server.demo import demo_clip, run_demo
    from watchbuddy_server.listings import (
        as_json,
        character_lines,
        character_rows,
        plugin_lines,
        plugin_rows,
    )
    from watchbuddy_server.serving import serving
    from watchbuddy_server.terminal import printable, watch_in_terminal
except ModuleNotFoundError as exc:
    raise SystemExit(
        f"watchbuddy: {exc.name} is missing; the command line needs an extra:"
        " pip install 'watchbuddy[server]'."
    ) from None
except KeyboardInterrupt:  # what is imported takes a second, in which people change their mind
    raise SystemExit(130) from None

_USAGE = 2
_INTERRUPTED = 130
_TERMINATED = 143
_UNWATCHED_SPEED = 4.0
"""The speed of a demo that nobody watches."""

_log = logging.getLogger("watchbuddy.cli")
_F = TypeVar("_F", bound=Callable[..., object])


def _seconds(ctx: click.Context, param: click.Parameter, text: str | None) -> float | None:
    """`90`, `1:30` or `1:02:03.5` in seconds."""
    if text is None:
        return None
    seconds = 0.0
    try:
        for part in text.split(":"):
            seconds = 60 * seconds + float(part)
    except ValueError:
        seconds = nan
    if not 0 <= seconds < inf:
        raise click.BadParameter(f"{text} is no time such as 90 or 1:30.", ctx, param)
    return seconds


def _finite(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """A range lets NaN through: it is neither below nor above anything."""
    if value is not None and not isfinite(value):
        raise click.BadParameter(f"{value} is no number of times.", ctx, param)
    return value


def _options(*options: Callable[[_F], _F]) -> Callable[[_F], _F]:
    def add(command: _F) -> _F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_NEW_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _setting(name: str, *spellings: str, **options: Any) -> Callable[[_F], _F]:
    """An option that gives a setting. One that is not given says nothing."""
    return click.option(*spellings, name, default=None, **options)


_config = click.option(
    "--config",
    type=_FILE,
    default=None,
    help="The file with the settings.  [default: watchbuddy.toml here, or in your configuration]",
)
_library = _setting(
    "libraries",
    "--library",
    type=_FOLDER,
    multiple=True,
    help="A folder of videos, asked for as library:name.mp4. Repeatable.",
)
_characters = _setting(
    "characters",
    "--characters",
    type=_FOLDER,
    multiple=True,
    help="A folder of character files. Repeatable.",
)
_where = _options(
    _setting("host", "--host", help="Address to listen at.  [default: 127.0.0.1]"),
    _setting(
        "port",
        "--port",
        type=click.IntRange(0, 65535),
        help="Port to listen at; 0 for a free one.  [default: 8000; demo: 0]",
    ),
)
_data_dir = _setting(
    "data_dir",
    "--data-dir",
    type=_NEW_FOLDER,
    help="Where files are kept between runs.  [default: a folder of your own]",
)
_companion = _options(
    _setting("character", "--character", help="Who watches along.  [default: miao]"),
    _characters,
    _setting("generator", "--generator", help="The plugin that thinks of what to say."),
    _setting(
        "density",
        "--density",
        type=click.Choice(get_args(Density)),
        help="How much they say.  [default: the character's own]",
    ),
)
_wish = click.option("--text", default="", help="A wish for how they talk, in your own words.")
_screen = _options(
    click.option(
        "--speed",
        type=click.FloatRange(0, 100, min_open=True),
        callback=_finite,
        default=None,
        help="So many times as fast as in reality.",
    ),
    click.option("--no-color", is_flag=True, help="Print without colours."),
)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="watchbuddy", prog_name="watchbuddy")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """A companion that watches a video with you."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@cli.command()
@_library
@_where
@_companion
@_data_dir
@_setting(
    "allow_origins",
    "--allow-origin",
    multiple=True,
    help="A web page's origin that may connect, beside those of this machine. Repeatable.",
)
@_setting(
    "allow_hosts",
    "--allow-host",
    multiple=True,
    help="A name of this server, where a proxy gives it one. Repeatable.",
)
@_setting(
    "source_hosts",
    "--source-host",
    multiple=True,
    help="A host whose links may be asked for, instead of the usual ones. Repeatable.",
)
@_config
@click.option("--print-settings", is_flag=True, help="Print the settings in force, and exit.")
def serve(config: Path | None, print_settings: bool, **settings: Any) -> None:
    """Serve the API until Ctrl-C."""
    _log_to_stderr(logging.Formatter)
    configuration = _configure(config, settings)
    if print_settings:
        click.echo(as_toml(configuration))
    else:
        _run(_serve(configuration.settings), told_to_end=0)


@cli.command()
@click.argument("video")
@_library
@_companion
@_wish
@click.option("--start", callback=_seconds, help="Where to begin: 90 or 1:30.")
@click.option("--end", callback=_seconds, help="Where to stop: 90 or 1:30.")
@click.option("--server", default=None, help="Use this running server: http://127.0.0.1:8000.")
@_screen
@_config
def watch(
    video: str,
    text: str,
    start: float | None,
    end: float | None,
    server: str | None,
    speed: float | None,
    no_color: bool,
    config: Path | None,
    **settings: Any,
) -> None:
    """Watch VIDEO in the terminal: a file, library:name.mp4, or a link."""
    _log_to_stderr(_OneLine)
    configured = _configure(config, settings).settings
    url, libraries = video, configured.libraries
    path = Path(video)
    if ":" not in video or path.exists():
        if not path.is_file():
            what = "is no file" if path.exists() else "does not exist"
            raise click.BadParameter(f"{video} {what}.", param_hint="VIDEO")
        if server is not None:
            raise click.BadParameter(
                "With --server, name the video as the server knows it: library:… or a link.",
                param_hint="VIDEO",
            )
        folder, url = library_url(path)
        libraries = (folder, *libraries)
    _run(
        _watch(
            CreateSession(
                video_url=url,
                start_time=start,
                end_time=end,
                text=text,
                character_id=configured.character,
                density=settings["density"],
            ),
            server=server,
            settings=_for_oneself(configured, libraries),
            console=_console(no_color=no_color),
            speed=speed or 1.0,
        )
    )


@cli.command()
@_where
@_companion
@_wish
@_data_dir
@_screen
@_config
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
    _log_to_stderr(_OneLine)
    configured = _configure(config, settings).settings
    console = _console(no_color=no_color)
    console.print("Making a film of half a minute …")
    with demo_clip(data_dir) as clip:
        _run(
            run_demo(
                clip,
                console=console,
                settings=_for_oneself(configured, (), **_given(settings, "host", "port")),
                character=configured.character,
                text=text,
                density=settings["density"] or "chatty",
                speed=speed or (1.0 if console.is_terminal else _UNWATCHED_SPEED),
            )
        )


_json = click.option("--json", "wants_json", is_flag=True, help="For programs.")


@cli.command("plugins")
@_json
def list_plugins(wants_json: bool) -> None:
    """List what is installed: sources, generators, schedulers, characters."""
    _log_to_stderr(_OneLine, level=logging.ERROR)
    rows = plugin_rows()
    click.echo(as_json(rows) if wants_json else "\n".join(plugin_lines(rows)))


@cli.command("characters")
@_characters
@_config
@_json
def list_characters(config: Path | None, wants_json: bool, **settings: Any) -> None:
    """List who can watch along."""
    _log_to_stderr(_OneLine, level=logging.ERROR)
    folders = _configure(config, settings).settings.characters
    rows = character_rows(offered_characters(folders))
    click.echo(as_json(rows) if wants_json else "\n".join(character_lines(rows)))


# --- settings --------------------------------------------------------------------------


def _configure(config: Path | None, options: Mapping[str, Any]) -> Configuration:
    """The settings in force; options that were not given say nothing."""
    params = click.get_current_context().command.params
    spelled = {param.name: param.opts[0] for param in params if param.name is not None}
    # An option that can be repeated, and was not given, is an empty tuple.
    arguments = {name: value or None if value == () else value for name, value in options.items()}
    return configure(arguments, spelled=spelled, file=config)


def _given(options: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: options[name] for name in names if options[name] is not None}


def _for_oneself(settings: Settings, libraries: tuple[Path, ...], **where: Any) -> Settings:
    """For a server that nobody else uses: at any free port of this machine."""
    here = {"host": "127.0.0.1", "port": 0, "allow_origins": (), "allow_hosts": ()}
    return settings.model_copy(update={**here, "libraries": libraries, **where})


async def _serve(settings: Settings) -> None:
    async with serving(settings) as url:
        click.echo(f"Watching at {url}")
        click.echo(f"The API is described at {url}/schema/openapi.json")
        await asyncio.Event().wait()


async def _watch(
    request: CreateSession,
    *,
    server: str | None,
    settings: Settings,
    console: Console,
    speed: float,
) -> None:
    async with AsyncExitStack() as held:
        if server is None:
            server = await held.enter_async_context(serving(settings, shutdown_seconds=1))
        summary = await watch_in_terminal(server, request, console=console, speed=speed)
    console.print(str(summary))


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Nobody reads any more (`watchbuddy watch … | head`): end as Ctrl-C does."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        signal.raise_signal(signal.SIGINT)


def _console(*, no_color: bool) -> Console:
    return _Console(no_color=no_color or None, highlight=False, soft_wrap=True)


class _OneLine(logging.Formatter):
    """Without tracebacks: they are of use to those who run a server."""

    def formatException(self, ei: object) -> str:
        return ""

    def format(self, record: logging.LogRecord) -> str:
        return " ".join(super().format(record).split())


def _log_to_stderr(formatter: type[logging.Formatter], *, level: int = logging.WARNING) -> None:
    stderr = logging.StreamHandler()
    stderr.setFormatter(formatter("watchbuddy: %(message)s"))
    logging.basicConfig(level=level, handlers=[stderr])


def _run(work: Coroutine[Any, Any, None], *, told_to_end: int = _TERMINATED) -> None:
    """Run to the end, or until SIGTERM, which ends the work as Ctrl-C does.

    Args:
        told_to_end: the exit code where it was SIGTERM.
    """
    told = False

    async def until_told() -> None:
        task = asyncio.current_task()
        assert task is not None

        def tell() -> None:
            nonlocal told
            told = True
            task.cancel()

        with suppress(NotImplementedError):  # Windows has no such signal
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, tell)
        await work

    with suppress(asyncio.CancelledError), asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(until_told())
    if told:
        raise SystemExit(told_to_end)


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, where it is installed: it halves what a message costs the server."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def main() -> None:
    """Run the command line, and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(_exit_code())


def _terminate(*_: object) -> NoReturn:
    """Leave by the ordinary way, so that what is temporary is removed."""
    raise SystemExit(_TERMINATED)


def _exit_code() -> int:
    try:
        return cli.main(standalone_mode=False) or 0
    except click.ClickException as exc:
        _complain(exc.format_message())
        return exc.exit_code
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        _complain(f"{first['loc'][0] if first['loc'] else 'The request'}: {first['msg']}.")
        return _USAGE
    except WatchBuddyError as exc:
        _complain(exc.message)
        return _USAGE if isinstance(exc, InvalidSettings) else 1
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except Exception as exc:  # noqa: BLE001 - the end of the program
        _log.debug("unforeseen", exc_info=True)
        _complain(f"Something unforeseen happened, {type(exc).__name__}: {exc}")
    return 1


def _complain(message: str) -> None:
    click.echo(f"watchbuddy: {' '.join(printable(message).split())}", err=True)


if __name__ == "__main__":
    main()
