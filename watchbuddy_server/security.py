"""Which browsers may talk to the server.

A server on a person's own machine can be reached by every web page that the
person opens. Two headers that a page cannot forge tell such pages apart: `Origin`
names the page, and `Host` the name under which the page reached the server
(`evil.example` resolved to 127.0.0.1 is still `evil.example` there).
Programs that are no browsers send no `Origin`, and are let in.

What is answered tells browsers what not to do with it, whatever it is.
"""

from __future__ import annotations

import socket
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
_AT_HOME = (".local", ".home.arpa", ".internal")
"""How names end that are kept for networks of one's own (RFC 6762, RFC 8375, ICANN)."""


def is_loopback(host: str) -> bool:
    """Whether a host name or address, without a port, is this machine by definition."""
    host = host.rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(name: str) -> bool:
    """No page can have the name of an address: it was got from there."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_at_home(name: str) -> bool:
    """Whether a name is one of a network of one's own: nobody can have it from elsewhere, and let
    it lead here. One without a dot is, and what this machine is called."""
    name = name.rstrip(".")
    return "." not in name or name.endswith(_AT_HOME) or name == socket.gethostname().lower()


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
    is_open: bool

    @classmethod
    def of(
        cls,
        *,
        origins: Collection[str] = (),
        hosts: Collection[str] = (),
        is_open: bool = False,
    ) -> Self:
        """Let in what is named here, beside what is on this machine.

        Args:
            origins: such as `https://example.com`.
            hosts: names of this server, without a port, such as `buddy.example.com`.
            is_open: whoever reaches it is let in, without more. A page whose name was made to
                lead here would be, so names are insisted on wherever it is reached.
        """
        return cls(
            frozenset(origin.rstrip("/").lower() for origin in origins),
            frozenset(host.rstrip(".").lower() for host in hosts),
            is_open,
        )

    def admits_origin(self, origin: str, *, host: str = "") -> bool:
        """Whether pages of this origin may use the server.

        Args:
            host: the `Host` header: pages that came from this server itself may, where it can be
                told that they did. That takes an address, or a name that is the server's: what
                any other name leads to is up to whoever owns it.
        """
        if ANY in self.origins or origin.lower() in self.origins:
            return True
        scheme, _, place = origin.lower().partition("://")
        name = _host_name(origin)
        if scheme not in ("http", "https") or name is None:
            return False
        if is_loopback(name):
            return True
        return place == host.lower() and (self._is_named(name) or self._is_from_there(name))

    def _is_from_there(self, name: str) -> bool:
        """Whether what is called this was reached in its own network, and not by a name that
        somebody has made to lead there."""
        return _is_address(name) or (self.is_open and _is_at_home(name))

    def _is_named(self, name: str) -> bool:
        return ANY in self.hosts or name.rstrip(".") in self.hosts

    def admits_host(self, header: str, *, reached_at: str | None) -> bool:
        """Whether the server may be called this.

        A server that is reached at a loopback address insists on a name of this machine, or on
        those that it was given. One that is reached from elsewhere insists on those, or on an
        address, where it was given any; and where it is open, or else on a name at home.

        Args:
            header: the `Host` header, with or without a port.
            reached_at: the address at which the connection came in, where it is known.
        """
        is_here = reached_at is not None and is_loopback(reached_at)
        if ANY in self.hosts or not (is_here or self.hosts or self.is_open):
            return True
        name = _host_name(f"//{header}")
        if name is None:
            return False
        if is_loopback(name) or self._is_named(name):
            return True
        return not is_here and self._is_from_there(name)

    def check(self, connection: ASGIConnection[Any, Any, Any, Any]) -> None:
        """Raises: Forbidden."""
        server = connection.scope.get("server")
        host = connection.headers.get("host", "")
        if not self.admits_host(host, reached_at=server[0] if server else None):
            raise Forbidden(
                "This server is not known by that name. Its operator can give it: --server-name."
            )
        origin = connection.headers.get("origin")
        if origin is not None and not self.admits_origin(origin, host=host):
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
