"""A server inside this process, for programs that do something beside serving."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from shlex import quote
from socket import socket

import uvicorn

from watchbuddy_core.assembly import build_parts
from watchbuddy_core.errors import InvalidSettings, WatchBuddyError
from watchbuddy_core.folders import sessions_file
from watchbuddy_core.session.job_queue import check_queue
from watchbuddy_core.session.parts import Parts
from watchbuddy_core.session.saq_jobs import SaqJobs
from watchbuddy_core.settings import Settings, is_redis
from watchbuddy_core.sources.uploads import UploadSource
from watchbuddy_core.storage import Store
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.stores.redis import RedisStore
from watchbuddy_core.stores.sqlite import SQLiteStore
from watchbuddy_server.access import Need
from watchbuddy_server.app import base_url, create_app, listen, server_config
from watchbuddy_server.front import with_prefix
from watchbuddy_server.reaching import Reach, reachable
from watchbuddy_server.removing import Operator
from watchbuddy_server.security import is_loopback
from watchbuddy_server.tokens import TokenFile, Tokens, tokens_file


class AddressTaken(WatchBuddyError):
    """A program cannot listen where it was told to."""


class _Server(uvicorn.Server):
    """Leaves signals to the program, and says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


@asynccontextmanager
async def serving(
    settings: Settings,
    *,
    store: Store | None = None,
    lasts: bool = False,
    shutdown_seconds: int = 10,
) -> AsyncIterator[str]:
    """Serve as long as the context lasts; gives the address, such as `http://127.0.0.1:8000`.

    Args:
        store: where sessions are kept, and may be already. By default in memory.
        lasts: the store outlives the program; see `build_parts`.
        shutdown_seconds: how long open connections may take to end.

    Raises:
        AddressTaken: it cannot listen there.
        InvalidSettings: it needs tokens, and there is none.
        TokenProblem: those that there are cannot be read.
        PluginProblem: the generator that was asked for cannot be had.
        StoreFailed, StorageFull: the Redis takes no jobs.
    """
    prefix = settings.path_prefix.rstrip("/")
    tokens = Tokens(TokenFile(tokens_file(settings)), settings.token_hashes)
    store = MemoryStore() if store is None else store
    parts = build_parts(settings, store=store if lasts else None)
    _lend_uploads(settings, parts)
    operator = Operator.new(store.forget_user) if isinstance(store, SQLiteStore) else None
    app = create_app(
        parts=parts,
        store=store,
        jobs=_workers(settings, store),
        allow_origins=settings.allow_origins,
        server_names=settings.server_names,
        path=prefix or "/",
        tokens=tokens,
        need_token=_need(settings, tokens),
        uploads=_takes_uploads(settings),
        limits=settings.limits,
        operator=operator,
    )
    if settings.jobs != "local":
        await check_queue(settings.store)
    with _listening(settings.host, settings.port) as listening:
        server = _Server(
            server_config(
                with_prefix(app, prefix) if prefix else app,
                shutdown_seconds=shutdown_seconds,
                limits=settings.limits,
                trusted_proxies=settings.trusted_proxies,
            )
        )
        running = asyncio.create_task(server.serve(sockets=[listening]))
        coming_up = asyncio.create_task(server.up.wait())
        try:
            await asyncio.wait([running, coming_up], return_when=asyncio.FIRST_COMPLETED)
            url = base_url(listening) + prefix
            with _reachable(operator, settings, url):
                yield url
        finally:
            coming_up.cancel()
            server.should_exit = True
            await running


def _reachable(
    operator: Operator | None, settings: Settings, url: str
) -> AbstractContextManager[None]:
    if operator is None:
        return nullcontext()
    return reachable(sessions_file(settings), Reach(url=url, key=operator.key))


def refuse_alone(settings: Settings, what: str) -> None:
    """Raises: InvalidSettings: nothing is shared with other processes."""
    if not is_redis(settings.store):
        raise InvalidSettings(
            f"{what} needs a Redis in which all processes keep sessions: --store redis://HOST:PORT/0."
        )


def _lend_uploads(settings: Settings, parts: Parts) -> None:
    """Have other processes know where they get what is uploaded here."""
    for source in parts.sources:
        if isinstance(source, UploadSource) and source.peers is not None:
            source.peers.own_url = settings.peer_url


def _workers(settings: Settings, store: Store) -> SaqJobs | None:
    """Those who prepare sessions, where this process does not."""
    if settings.jobs == "local":
        return None
    refuse_alone(settings, "--jobs saq")
    assert isinstance(store, RedisStore)
    limits = settings.limits
    return SaqJobs(
        store=store,
        url=settings.store,
        most=limits.preparing + limits.waiting,
        per_user=limits.waiting_per_user,
        per_caller=limits.waiting_per_caller,
        per_address=limits.waiting_per_address,
    )


def is_reached_by_others(settings: Settings) -> bool:
    """Whether another machine can reach the server, as far as its settings tell: by itself, or
    through a proxy that gives it a name, or is named."""
    return not is_loopback(settings.host) or bool(settings.server_names or settings.trusted_proxies)


def _takes_uploads(settings: Settings) -> bool:
    if settings.uploads == "auto":
        return not is_reached_by_others(settings)
    return settings.uploads == "on"


def _need(settings: Settings, tokens: Tokens) -> Need:
    if settings.access == "open":
        return "never"
    if settings.access == "auto" and not is_reached_by_others(settings):
        return "forwarded"
    if not tokens:
        command = f"watchbuddy tokens add NAME --data-dir {quote(str(settings.data_dir))}"
        raise InvalidSettings(
            f"{_why_token(settings)}, so it needs a token, and there is none."
            f" Make one with `{command}`, or let everybody in with --open."
        )
    return "always"


def _why_token(settings: Settings) -> str:
    if not is_loopback(settings.host):
        return f"Others can reach this server, which listens at {settings.host}"
    if settings.server_names:
        return f"Others can reach this server, called {' or '.join(settings.server_names)}"
    if settings.trusted_proxies:
        proxies = " or ".join(settings.trusted_proxies)
        return f"Others can reach this server through its proxy {proxies}"
    return "This server was told not to be open"


def _listening(host: str, port: int) -> socket:
    try:
        return listen(host, port)
    except OSError as exc:
        raise taken(exc, host, port, "--host and --port") from exc


def taken(exc: OSError, host: str, port: int, options: str) -> AddressTaken:
    """Why nobody can listen there."""
    # The socket module writes the address into its reason, which is said already.
    number = exc.errno or 0
    reason = os.strerror(number) if number > 0 else exc.strerror or str(exc)
    return AddressTaken(
        f"Cannot listen at port {port} of {host}: {reason}. Choose another address with {options}."
    )
