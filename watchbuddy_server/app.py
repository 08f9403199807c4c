"""The server of its own: the application, and how uvicorn is to run it.

app = create_app(parts=parts, store=MemoryStore())
with listen("127.0.0.1", 0) as socket:
    print(base_url(socket))
    uvicorn.Server(server_config(app)).run(sockets=[socket])
"""

from __future__ import annotations

import socket
from collections.abc import Collection

import uvicorn
from litestar import Litestar, Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ASGIApp
from litestar.utils.path import join_paths

from watchbuddy_core.session import Parts
from watchbuddy_core.session.saq_jobs import SaqJobs
from watchbuddy_core.settings import Limits
from watchbuddy_core.storage import Store
from watchbuddy_core.wire import PROTOCOL_VERSION
from watchbuddy_server.access import Need, guard_of
from watchbuddy_server.connections import HttpProtocol, WebSocketProtocol
from watchbuddy_server.doors import Config, Doors
from watchbuddy_server.errors import EXCEPTION_HANDLERS
from watchbuddy_server.metrics import counting_unrouted
from watchbuddy_server.plugin import WatchBuddyPlugin
from watchbuddy_server.removing import Operator
from watchbuddy_server.security import Cors, add_security_headers
from watchbuddy_server.tokens import Tokens

_TOKEN = SecurityScheme(
    type="http", scheme="bearer", description="Where the operator has not opened the server."
)


def create_app(
    *,
    parts: Parts,
    store: Store,
    allow_origins: Collection[str] = (),
    server_names: Collection[str] = (),
    path: str = "/",
    tokens: Tokens | None = None,
    need_token: Need = "never",
    uploads: bool = False,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    jobs: SaqJobs | None = None,
    operator: Operator | None = None,
) -> Litestar:
    """The whole server as one ASGI application. The arguments are WatchBuddyPlugin's."""
    plugin = WatchBuddyPlugin(
        parts=parts,
        store=store,
        allow_origins=allow_origins,
        server_names=server_names,
        path=path,
        tokens=tokens,
        need_token=need_token,
        uploads=uploads,
        page=True,
        limits=limits,
        jobs=jobs,
        operator=operator,
    )
    return Litestar(
        plugins=[plugin],
        before_send=[add_security_headers, counting_unrouted(plugin.metrics)],
        cors_config=Cors(plugin.admission),
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=OpenAPIConfig(
            title="AI Watch Buddy",
            version=PROTOCOL_VERSION,
            # The framework's own pages load their scripts from a CDN.
            render_plugins=[JsonRenderPlugin()],
            openapi_router=Router(
                join_paths([path, "/schema"]),
                route_handlers=[],
                guards=[guard_of(plugin.access, plugin.traffic)],
                include_in_schema=False,
            ),
            components=Components(security_schemes={"token": _TOKEN}),
            security=[{"token": []}, {}],
        ),
        logging_config=None,
    )


def server_config(
    app: ASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    shutdown_seconds: int = 10,
    ping_seconds: float = 20.0,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    trusted_proxies: Collection[str] = (),
) -> uvicorn.Config:
    """How uvicorn runs the server. Logging is left to the program.

    Args:
        port: 0 for a free one. Neither it nor `host` matters where uvicorn is given a
            socket that listens already.
        shutdown_seconds: how long open connections may take to end.
        ping_seconds: how often a WebSocket client is asked whether it is there still, and
            how long it may take to answer: so that one is let go after twice that.
        limits: how much the server takes on.
        trusted_proxies: addresses and networks that are believed what they say of a client.
    """
    doors = Doors(
        most=limits.connections,
        per_address=limits.connections_per_address,
        proxies=trusted_proxies,
    )
    return Config(
        app,
        doors=doors,
        host=host,
        port=port,
        http=HttpProtocol,
        ws=WebSocketProtocol,
        ws_ping_interval=ping_seconds,
        ws_ping_timeout=ping_seconds,
        ws_max_size=limits.frame_bytes,
        # Costs 34 KB of memory per connection, for messages that do not compress.
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=shutdown_seconds,
        # Else uvicorn believes everybody on this machine.
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        server_header=False,
        log_config=None,
        access_log=False,
    )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, so that the address is known, and taken, before the server runs.

    Raises:
        OSError: the address cannot be had.
    """
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.create_server(address[:2], family=family)
    # Its connections inherit this. asyncio sets it only for sockets that name their protocol;
    # without it the second of two actions waits 40 ms for the first to be acknowledged.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def base_url(listening: socket.socket) -> str:
    """Where a client on this machine reaches the server, such as `http://127.0.0.1:8000`."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
