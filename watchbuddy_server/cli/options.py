"""The options that commands share, and the settings that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from watchbuddy_core.actions import Density
from watchbuddy_core.configuration import Configuration, configure
from watchbuddy_core.settings import Settings

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


def _one(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> str | None:
    """What options of one setting agree on; else the last one would count, unnoticed."""
    if len(set(values)) > 1:
        raise click.UsageError("--open and --need-token say the opposite of each other.", ctx)
    return values[0] if values else None


def _options(*options: Callable[[_F], _F]) -> Callable[[_F], _F]:
    def add(command: _F) -> _F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_NEW_FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def configured(config: Path | None, given: Mapping[str, Any]) -> Configuration:
    """The settings in force for the command that runs; options that were not given say nothing."""
    params = click.get_current_context().command.params
    spelled: dict[str, str] = {}
    for param in params:
        meant = getattr(param, "flag_value", None)
        if param.name is not None and (
            not isinstance(meant, str) or meant == given.get(param.name)
        ):
            spelled.setdefault(param.name, param.opts[0])
    # An option that can be repeated, and was not given, is an empty tuple.
    arguments = {name: value or None if value == () else value for name, value in given.items()}
    return configure(arguments, spelled=spelled, file=config)


def for_oneself(settings: Settings, libraries: tuple[Path, ...], **where: Any) -> Settings:
    """For a server that nobody else uses: at any free port of this machine."""
    here = {"host": "127.0.0.1", "port": 0, "allow_origins": (), "server_names": ()}
    here = {**here, "access": "auto", "trusted_proxies": (), "path_prefix": ""}
    here["jobs"] = "local"
    return settings.model_copy(update={**here, "libraries": libraries, **where})


def setting(name: str, *spellings: str, **options: Any) -> Callable[[_F], _F]:
    """An option that gives a setting. One that is not given says nothing."""
    return click.option(*spellings, name, default=None, **options)


config = click.option(
    "--config",
    type=FILE,
    default=None,
    help="The file with the settings.  [default: watchbuddy.toml here, or in your configuration]",
)
library = setting(
    "libraries",
    "--library",
    type=_FOLDER,
    multiple=True,
    help="A folder of videos, asked for as library:name.mp4. Repeatable.",
)
links = _options(
    setting(
        "allow_hosts",
        "--allow-host",
        multiple=True,
        metavar="HOST[:PORT]",
        help="A host whose links may be opened, also in an inner network. Repeatable.",
    ),
    setting(
        "ytdlp_hosts",
        "--ytdlp-host",
        multiple=True,
        metavar="HOST",
        help="A site whose links may be opened, beside the usual ones; '*' for all. Repeatable.",
    ),
    setting(
        "picture_lines",
        "--picture-lines",
        type=click.IntRange(1, 4320),
        help="How many lines a picture that is fetched is to have at least.  [default: 360]",
    ),
)
characters = setting(
    "characters",
    "--characters",
    type=_FOLDER,
    multiple=True,
    help="A folder of character files. Repeatable.",
)
where = _options(
    setting("host", "--host", help="Address to listen at.  [default: 127.0.0.1]"),
    setting(
        "port",
        "--port",
        type=click.IntRange(0, 65535),
        help="Port to listen at; 0 for a free one.  [default: 8000; demo: 0]",
    ),
    setting(
        "access",
        "--open",
        flag_value="open",
        multiple=True,
        callback=_one,
        help="Let everybody in who reaches the server, also from other machines.",
    ),
    setting(
        "access",
        "--need-token",
        flag_value="token",
        multiple=True,
        callback=_one,
        help="Let in who shows a token.  [default: where another machine reaches the server]",
    ),
)
data_dir = setting(
    "data_dir",
    "--data-dir",
    type=_NEW_FOLDER,
    help="Where files are kept between runs.  [default: a folder of your own]",
)
store = setting(
    "store",
    "--store",
    metavar="sqlite|memory|redis://…",
    help="Where sessions are kept: in a file in the data folder, nowhere, or in a Redis that"
    " several processes may share.  [default: sqlite]",
)
shared_store = setting(
    "store",
    "--store",
    metavar="redis://…",
    help="The Redis in which the servers keep their sessions.",
)
jobs = setting(
    "jobs",
    "--jobs",
    type=click.Choice(["local", "saq"]),
    help="Who prepares sessions: this program, or workers at the same Redis.  [default: local]",
)
peer_url = setting(
    "peer_url",
    "--peer-url",
    metavar="URL",
    help="Where other servers of the same Redis, and workers, get what is uploaded to this one.",
)
concurrency = setting(
    "limits__preparing",
    "--concurrency",
    type=click.IntRange(1),
    help="Pieces of work (a video looked through, a window scripted) at a time.  [default: 4]",
)
metrics = _options(
    setting(
        "metrics_port",
        "--metrics-port",
        type=click.IntRange(0, 65535),
        help="Where Prometheus reads what the worker does; 0 for a free one.  [default: nowhere]",
    ),
    setting(
        "metrics_host",
        "--metrics-host",
        metavar="HOST",
        help="The address of that port: whoever reaches it may read.  [default: 127.0.0.1]",
    ),
)
log = _options(
    setting(
        "log_format",
        "--log-format",
        type=click.Choice(["text", "json"]),
        help="How to log: for people, or a JSON object a line.  [default: text]",
    ),
    setting(
        "log_level",
        "--verbose",
        "-v",
        flag_value="info",
        help="Log what sessions do, and what they cost: --log-level info.",
    ),
    setting(
        "log_level",
        "--log-level",
        type=click.Choice(["debug", "info", "warning", "error"]),
        help="What to log.  [default: warning]",
    ),
)
companion = _options(
    setting("character", "--character", help="Who watches along.  [default: miao]"),
    characters,
    setting("generator", "--generator", help="The plugin that thinks of what to say."),
    setting(
        "model",
        "--model",
        metavar="NAME",
        help="A language model that does: gemini/gemini-2.5-flash, openai/NAME, ollama/NAME.",
    ),
    setting(
        "api_base",
        "--api-base",
        metavar="URL",
        help="The address of that model's server: http://127.0.0.1:8080/v1.",
    ),
    setting("stand_in", "--stand-in", help="The plugin that talks where the generator has failed."),
    setting(
        "density",
        "--density",
        type=click.Choice(get_args(Density)),
        help="How much they say.  [default: the character's own]",
    ),
)
transcriber = setting(
    "transcriber",
    "--transcriber",
    help="The plugin that writes down what is said where there are no subtitles.",
)
wish = click.option("--text", default="", help="A wish for how they talk, in your own words.")
video = click.argument("video")
part = _options(
    click.option("--start", callback=_seconds, help="Where to begin: 90 or 1:30."),
    click.option("--end", callback=_seconds, help="Where to stop: 90 or 1:30."),
)
screen = _options(
    click.option(
        "--speed",
        type=click.FloatRange(0, 100, min_open=True),
        callback=_finite,
        default=None,
        help="So many times as fast as in reality.",
    ),
    click.option("--no-color", is_flag=True, help="Print without colours."),
)
