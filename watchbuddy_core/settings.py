"""What a program can be told: one frozen tree, made from arguments."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from watchbuddy_core.actions import Density


def user_data_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """Where programs of this user keep their data on this system. Creates nothing."""
    if sys.platform == "win32":
        base = Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "watchbuddy"


def user_config_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """Where programs of this user are configured on this system. Creates nothing."""
    if sys.platform in ("win32", "darwin"):
        return user_data_dir(environment)
    base = Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "watchbuddy"


def _switch(value: object) -> object:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as exc:
        example = "10.0.0.5 or 10.0.0.0/8"
        raise ValueError(f"{text!r} is no address and no network, such as {example}") from exc


def _shaped(pattern: str, what: str, *, shown: bool = True) -> AfterValidator:
    """Takes texts of this shape alone, and says of another what it is not.

    Args:
        shown: whether the text may be repeated.
    """

    def check(text: str) -> str:
        if re.fullmatch(pattern, text, re.ASCII) is None:
            raise ValueError(f"{repr(text) if shown else 'this'} is no {what}")
        return text

    return AfterValidator(check)


def _store(text: str) -> str:
    """It is never repeated where it is refused: it may hold a password."""
    if text in ("sqlite", "memory") or is_redis(text):
        return text
    raise ValueError(
        "this is no place for sessions: sqlite, memory, or the URL of a Redis, such as"
        " redis://127.0.0.1:6379/0 (in a password, write %40 for @, %2F for /, %3A for :)"
    )


_REDIS_PATHS = {"redis": r"(/\d*)?", "rediss": r"(/\d*)?", "unix": r"/.+"}
"""By scheme, what may stand behind the host: a number of a database, or the path of a socket."""
_REDIS_OPTIONS = {"redis": set(), "rediss": {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}}


def is_redis(text: str) -> bool:
    try:
        url = urlsplit(text)
        is_somewhere = bool(url.hostname) and url.port != 0
    except ValueError:
        return False
    if url.scheme not in _REDIS_PATHS or re.search(r"[\s#]", text) or url.netloc.count("@") > 1:
        return False
    options = parse_qs(url.query, keep_blank_values=True)
    database = options.pop("db", ["0"])[0]
    return (
        (is_somewhere or url.scheme == "unix")
        and re.fullmatch(_REDIS_PATHS[url.scheme], url.path, re.ASCII) is not None
        and re.fullmatch(r"\d+", database, re.ASCII) is not None
        and options.keys() <= _REDIS_OPTIONS.get(url.scheme, set())
    )


StoreAddress = Annotated[str, AfterValidator(_store)]
Origin = Annotated[
    str,
    _shaped(
        r"\*|null|[A-Za-z][\w+.-]*://[^/?#@*;,\s]+/?",
        "origin of pages, such as https://buddy.example.com: a scheme and a host, and no path",
    ),
]
ServerName = Annotated[
    str,
    _shaped(
        r"\*|[\w-]+(\.[\w-]+)*\.?|[0-9A-Fa-f:]+",
        "name of a server, such as buddy.example.com: without a scheme, a port or a path",
    ),
]
PathPrefix = Annotated[
    str,
    _shaped(
        r"(/(?!\.{1,2}(/|$))[\w.~-]+)*/?",
        "path that others could begin with, such as /buddy",
    ),
]
PeerUrl = Annotated[
    str,
    _shaped(
        r"https?://[\w.-]+(:\d{1,5})?(/[\w.~-]+)*|https?://\[[0-9A-Fa-f:]+\](:\d{1,5})?(/[\w.~-]+)*",
        "address of a server, such as http://10.0.0.5:8000: without a / at its end",
    ),
]
ProxyAddress = Annotated[str, AfterValidator(_network)]
TokenHash = Annotated[
    str,
    _shaped(
        r"[0-9a-f]{64}",
        "SHA-256 of a token, in 64 hexadecimal digits: `watchbuddy tokens new` prints one",
        shown=False,
    ),
]


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Limits(_Group):
    """How much a program takes on."""

    preparing: int = Field(default=4, gt=0)
    """Pieces of preparation (a video looked through, a window scripted) done at a time."""
    waiting: int = Field(default=64, gt=0)
    """Sessions that may wait for that. More are refused."""
    waiting_per_user: int = Field(default=8, gt=0)
    """Sessions of one `user_id` of a caller that may be in preparation. More are refused."""
    waiting_per_caller: int = Field(default=16, gt=0)
    """Sessions of one caller, whatever users they name, that may be in preparation."""
    waiting_per_address: int = Field(default=32, gt=0)
    """Sessions created from one address that may be in preparation."""
    sessions: int = Field(default=10_000, gt=0)
    """Sessions kept in all. More are refused."""
    sessions_per_caller: int = Field(default=1000, gt=0)
    """Of those, by one caller."""
    sessions_per_address: int = Field(default=2000, gt=0)
    """Of those, created from one address."""
    creations_per_minute: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    """Sessions that one caller may create in a minute; after a minute of rest, as many at once."""
    creations_per_minute_per_address: float = Field(default=120.0, gt=0, allow_inf_nan=False)
    """Sessions that may be created from one address: likewise."""
    uploads_per_minute: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    """Uploads from one address: likewise."""
    requests_per_minute: float = Field(default=1200.0, gt=0, allow_inf_nan=False)
    """Requests to the API from one address, all together: likewise."""
    connects_per_minute: float = Field(default=300.0, gt=0, allow_inf_nan=False)
    """WebSockets that may be opened from one address: likewise."""
    connections: int = Field(default=8192, gt=0)
    """Connections that may be open at a process, of all kinds. More are turned away."""
    connections_per_address: int = Field(default=256, gt=0)
    """Connections from one address that may be open. More are turned away."""
    connections_per_session: int = Field(default=16, gt=0)
    """Connections to one session that may be open, with those that a newer one has replaced and
    that are still closing."""
    messages_per_second: float = Field(default=100.0, gt=0, allow_inf_nan=False)
    """Messages that a WebSocket may bring; after a rest, as many at once as in four seconds."""
    silent_seconds: float = Field(default=4 * 3600.0, gt=0, allow_inf_nan=False)
    """A WebSocket on which the client has said nothing for so many seconds is closed."""
    stalled_seconds: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    """A WebSocket whose client takes nothing of what it is sent for so many seconds is closed."""
    body_bytes: int = Field(default=64 * 1024, gt=0)
    """How large the body of a request may be, other than an upload."""
    frame_bytes: int = Field(default=64 * 1024, gt=0)
    """How large a message over a WebSocket may be."""
    idle_seconds: float = Field(default=3600.0, gt=0, allow_inf_nan=False)
    """A session to which nobody was connected for so many seconds is forgotten."""
    store_bytes: int = Field(default=4_000_000_000, gt=0)
    """How much of the disk sessions may take in the file, what is cached there aside. Beyond
    it, those that nobody has needed for longest are forgotten."""
    session_seconds: float = Field(default=24 * 3600.0, gt=0, allow_inf_nan=False)
    """A session ends when it is so many seconds old, also where it is being watched."""
    preparing_seconds: float = Field(default=6 * 3600.0, gt=0, allow_inf_nan=False)
    """How many seconds may be worked on one session in all, its fetching included. What is
    scripted by then plays on."""
    generating_idle_seconds: float = Field(default=120.0, gt=0, allow_inf_nan=False)
    """How many seconds a generator may take to the next thing that it says."""
    generating_seconds: float = Field(default=300.0, gt=0, allow_inf_nan=False)
    """How many seconds it may take for one window."""
    fetching_seconds: float = Field(default=3600.0, gt=0, allow_inf_nan=False)
    """How many seconds a source may take to open a video."""
    fetching: int = Field(default=4, gt=0)
    """Videos fetched from the web at a time."""
    video_seconds: float = Field(default=6 * 3600.0, gt=0, allow_inf_nan=False)
    """How long a video may last."""
    script_actions: int = Field(default=10_000, gt=0)
    """The most actions that the script of one session may have."""
    characters: int = Field(default=200, gt=0)
    """Character cards kept in `data_dir`. More are refused."""
    upload_bytes: int = Field(default=4_000_000_000, gt=0)
    """How large an uploaded file may be."""
    uploads_waiting: int = Field(default=32, gt=0)
    """Uploads that arrive, or that no session has taken up. More are refused."""
    uploads_waiting_per_caller: int = Field(default=8, gt=0)
    """Of those, by one caller."""
    upload_waiting_seconds: float = Field(default=3600.0, gt=0, allow_inf_nan=False)
    """An upload that no session has taken up after so many seconds is deleted."""
    shutdown_seconds: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    """How many seconds a server may take to end when it is told to; connections half of that.
    What is stuck then is left as it is: what was promised is on the disk."""
    upload_stall_seconds: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    """How many seconds an upload that arrives may stand still."""


class Budget(_Group):
    """What may be spent on language models, in US dollars, as far as their prices are known."""

    session: float = Field(default=0.25, ge=0, allow_inf_nan=False)
    """On each session. What is scripted by then plays on."""
    day: float = Field(default=2.5, ge=0, allow_inf_nan=False)
    """By one caller from one midnight to the next, in UTC."""
    user_day: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Of that, by each `user_id` of the caller. None: they share it as it comes."""


class Cache(_Group):
    """How much is kept of the videos that were fetched from the web, and of what is known."""

    total_bytes: int = Field(default=20_000_000_000, gt=0)
    """Of all together. The least recently used one goes first, and none that is watched."""
    video_bytes: int = Field(default=4_000_000_000, gt=0)
    """Of one video. A larger one is refused."""
    understanding_bytes: int = Field(default=200_000_000, ge=0)
    """Of what was found out about videos. 0: nothing of it is kept."""
    draft_bytes: int = Field(default=200_000_000, ge=0)
    """Of what language models wrote, so that it is not paid for twice. 0: nothing of it is kept."""
    free_bytes: int = Field(default=1_000_000_000, ge=0)
    """Of the disk, that are left to others."""


class Settings(_Group):
    """Everything that a server, or a program like it, is started with."""

    libraries: tuple[Path, ...] = ()
    """Folders whose files are `library:relative/path`. Nothing outside them is reachable."""
    host: str = Field(default="127.0.0.1", min_length=1)
    """The address to listen at."""
    port: int = Field(default=8000, ge=0, le=65535)
    """The port to listen at. 0: any free one."""
    data_dir: Path = Field(default_factory=user_data_dir)
    """Where files are kept between runs. Created when the first one is written."""
    store: StoreAddress = Field(default="sqlite", repr=False)
    """Where a server keeps its sessions. sqlite: in a file in `data_dir`, so that they go on
    after a restart; memory: nowhere; `redis://…`: in a Redis, which several processes may share.
    An address with a password is best given as `WATCHBUDDY_STORE`."""
    jobs: Literal["local", "saq"] = "local"
    """Who prepares sessions. local: the server itself; saq: the programs `watchbuddy worker` that
    have the same Redis as `store`."""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Where Prometheus reads the numbers of a worker: each has its own. 0: any free one. None:
    nowhere. Those of a server are at its `/metrics`."""
    metrics_host: str = Field(default="127.0.0.1", min_length=1)
    """The address of that port. Whoever reaches it may read: no token is asked for."""
    log_format: Literal["text", "json"] = "text"
    """How a server logs, on its standard error. text: for people; json: an object a line."""
    log_level: Literal["debug", "info", "warning", "error"] = "warning"
    """What it logs: info also says what sessions do, and what they cost."""
    allow_origins: tuple[Origin, ...] = ()
    """Origins of web pages that may connect, beside those on loopback."""
    server_names: tuple[ServerName, ...] = ()
    """Names under which the server may be called, beside those of loopback."""
    trusted_proxies: tuple[ProxyAddress, ...] = ()
    """Addresses and networks of the proxies that stand before the server, whose
    `X-Forwarded-For` and `X-Forwarded-Proto` are believed."""
    peer_url: PeerUrl | None = None
    """The address at which other processes of the same Redis reach this one, to get what viewers
    have uploaded to it: `http://10.0.0.5:8000`. None: they share a folder, or do without."""
    path_prefix: PathPrefix = ""
    """What the server's paths begin with, where a proxy gives it a part of a site: `/buddy`."""
    access: Literal["auto", "token", "open"] = "auto"
    """Who may use the server. token: who shows one of `watchbuddy tokens add`; open: whoever
    reaches it; auto: open as long as no other machine can reach it, else with a token."""
    token_hashes: tuple[TokenHash, ...] = ()
    """SHA-256 of further tokens that let in, for where nothing can be written to `data_dir`."""
    allow_hosts: tuple[str, ...] = ()
    """Hosts whose links may be asked for, as HOST or HOST:PORT, with their subdomains; also
    where that very place lies in an inner network. Without a port: the standard ones."""
    ytdlp_hosts: tuple[str, ...] = ()
    """Further sites whose links may be asked for, with their subdomains; `*` for all.
    Nothing of theirs is fetched from an inner network."""
    usual_sites: bool = True
    """Whether links of YouTube and Bilibili may be asked for without being named."""
    picture_lines: int = Field(default=360, ge=1, le=4320)
    """Of a video that is fetched, the smallest picture that has so many lines is taken. 360 is
    enough to be understood; more takes longer, and is nicer to watch."""
    uploads: Annotated[Literal["auto", "on", "off"], BeforeValidator(_switch)] = "auto"
    """Whether viewers may upload files and bring characters along. auto: where no other machine
    can reach the server."""
    character: str = "miao"
    """Who watches along where nobody is named."""
    characters: tuple[Path, ...] = ()
    """Folders of character files and cards. One of them replaces another character of its id."""
    generator: str | None = None
    """The name of the plugin that thinks of what to say. None: `litellm` where a model is
    named, else `offline`."""
    model: str | None = None
    """The language model that `litellm` asks, such as `gemini/gemini-2.5-flash`."""
    api_base: str | None = None
    """The address of the model's server, where it is one's own: `http://127.0.0.1:8080/v1`."""
    stand_in: str | None = None
    """The name of the plugin that talks where the generator has failed. None: nobody does."""
    transcriber: str | None = None
    """The name of the plugin that writes down what is said where there are no subtitles."""
    density: Density = "normal"
    """How much is said, where neither the request nor the character says otherwise."""
    limits: Limits = Limits()
    """How much the program takes on."""
    budget: Budget = Budget()
    """What may be spent on language models."""
    cache: Cache = Cache()
    """How much is kept of what was fetched."""
    plugins: dict[str, dict[str, Any]] = {}
    """Options for plugins, by the name of the plugin."""
