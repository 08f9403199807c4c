"""Which browsers may talk to the server.

A server on a person's own machine can be reached by every web page that the
person opens. Two headers that a page cannot forge tell such pages apart: `Origin`
names the page, and `Host` the name under which the page reached the server
(`evil.example` resolved to 127.0.0.1 is still `evil.example` there).
Programs that are no browsers send no `Origin`, and are let in.

What is answered tells browsers what not to do with it, whatever it is.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Self
from urllib.parse import urlsplit

from litestar.config.cors import CORSConfig
from litestar.connection import ASGIConnection
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from watchbuddy_server.errors import Forbidden

ANY = "*"
"""Among allowed origins or hosts: all of them."""


def is_loopback(host: str) -> bool:
    """Whether a host name or address, without a port, is this machine by definition."""
    host = host.rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _host_name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Admission:
    """The rule; `check` applies it to a request or a WebSocket handshake."""

    origins: frozenset[str]
    hosts: frozenset[str]

    @classmethod
    def of(cls, *, origins: Collection[str] = (), hosts: Collection[str] = ()) -> Self:
        """Let in what is named here, beside what is on this machine.

        Args:
            origins: such as `https://example.com`.
            hosts: names of this server, without a port, such as `buddy.example.com`.
        """
        return cls(
            frozenset(origin.rstrip("/").lower() for origin in origins),
            frozenset(host.rstrip(".").lower() for host in hosts),
        )

    def admits_origin(self, origin: str) -> bool:
        if ANY in self.origins or origin.lower() in self.origins:
            return True
        host = _host_name(origin)
        return origin.startswith(("http://", "https://")) and host is not None and is_loopback(host)

    def admits_host(self, header: str, *, reached_at: str | None) -> bool:
        """Whether the server may be called this.

        Only a server reached at a loopback address has a name to insist on: one that is
        reached from elsewhere may have any.

        Args:
            header: the `Host` header, with or without a port.
            reached_at: the address at which the connection came in, where it is known.
        """
        if ANY in self.hosts or reached_at is None or not is_loopback(reached_at):
            return True
        host = _host_name(f"//{header}")
        return host is not None and (is_loopback(host) or host.rstrip(".") in self.hosts)

    def check(self, connection: ASGIConnection[Any, Any, Any, Any]) -> None:
        """Raises: Forbidden."""
        server = connection.scope.get("server")
        if not self.admits_host(
            connection.headers.get("host", ""), reached_at=server[0] if server else None
        ):
            raise Forbidden("This server is not known by that name.")
        origin = connection.headers.get("origin")
        if origin is not None and not self.admits_origin(origin):
            raise Forbidden("Pages of this origin are not allowed to use this server.")


class Cors(CORSConfig):
    """Tells browsers what `Admission` has decided."""

    def __init__(self, admission: Admission) -> None:
        super().__init__(
            allow_origins=[ANY] if ANY in admission.origins else [],
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["Retry-After", "WWW-Authenticate"],
        )
        self._admission = admission

    def is_origin_allowed(self, origin: str) -> bool:
        return self._admission.admits_origin(origin)


SECURITY_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cache-control": b"no-store",
}
"""Of every response that does not say something else itself: what a session says is nobody
else's, and nothing that the API answers is a page."""


async def add_security_headers(message: Message, _: Scope) -> None:
    """Add what a response does not say itself; a hook for an application (`before_send`)."""
    if message["type"] == "http.response.start":
        headers = list(message["headers"])
        there = {name.lower() for name, _ in headers}
        message["headers"] = [
            *headers,
            *(one for one in SECURITY_HEADERS.items() if one[0] not in there),
        ]


def security_headers(app: ASGIApp) -> ASGIApp:
    """Middleware that does so for the routes of a router."""

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            await add_security_headers(message, scope)
            await send(message)

        await app(scope, receive, send_with_headers)

    return respond
