"""Which addresses a session may be asked to watch.

    links      http or https, at a host that the operator allows
    library:   a file in one of the server's folders
    others     what a source calls its own by another scheme

This is what a caller is told at once. Where a name leads to, and where the answer leads
from there, is checked when a connection is made: see `guard`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Self
from urllib.parse import quote, urlsplit, urlunsplit

from watchbuddy_core.errors import UnsupportedVideoSource
from watchbuddy_core.protocols import Match, VideoSource

LIBRARY = "library:"
"""How the address of a file in one of the server's folders begins."""

STANDARD_PORTS = {"http": 80, "https": 443}
_SAFE = "%/?:@!$&'()*+,;=-._~[]|^`{}"
"""What is not encoded in a path or a query: what is allowed there, encoded already, or commonly
left as it is."""
_NEVER_IN_A_URL = re.compile(r"[\x00-\x20\x7f\\]")
_PLAIN_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Link:
    """An http or https address, in one spelling."""

    url: str
    """In ASCII, with the host in its plain form; without user, password and fragment."""
    scheme: str
    host: str
    """Lower-case and in ASCII, without a trailing dot; an IPv6 address without brackets."""
    port: int

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read an address that came from outside.

        Raises:
            UnsupportedVideoSource: it is no such address, or one that two readers could
                take for two different ones. It names the host only where that is a plain one.
        """
        if _NEVER_IN_A_URL.search(url):
            raise UnsupportedVideoSource
        try:
            parts = urlsplit(url)
            given = (parts.hostname or "").removesuffix(".")
            port = parts.port
        except ValueError:
            raise UnsupportedVideoSource from None
        if parts.scheme not in STANDARD_PORTS:
            raise UnsupportedVideoSource
        host = _ascii(given)
        if parts.username is not None or parts.password is not None or port == 0:
            raise UnsupportedVideoSource(_told(given))
        standard = STANDARD_PORTS[parts.scheme]
        place = f"[{host}]" if ":" in host else host
        if port not in (None, standard):
            place = f"{place}:{port}"
        path, query = (quote(part, safe=_SAFE) for part in (parts.path, parts.query))
        plain = urlunsplit((parts.scheme, place, path, query, ""))
        return cls(plain, parts.scheme, host, port or standard)

    @property
    def is_at_standard_port(self) -> bool:
        return self.port == STANDARD_PORTS[self.scheme]

    @property
    def path(self) -> str:
        return urlsplit(self.url).path


@dataclass(frozen=True, slots=True)
class HostRule:
    """Hosts that an operator allows: `example.com`, `nas.example:8096`, `[::1]:8000` or `*`.

    A name stands for its subdomains too, an address for nothing but itself. Without a port
    it stands for the standard ones alone.
    """

    host: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises: ValueError, where it names no host."""
        if text == "*":
            return cls("*")
        try:
            parts = urlsplit(f"//{text}")
            host, port = _ascii((parts.hostname or "").removesuffix(".")), parts.port
        except (ValueError, UnsupportedVideoSource):
            raise ValueError(
                f"{text!r} is no host, such as example.com or 127.0.0.1:8000"
            ) from None
        if parts.username is not None or parts.path or parts.query or parts.fragment or port == 0:
            raise ValueError(f"{text!r} is no host: leave out everything before and behind it")
        return cls(host, port)

    def covers(self, link: Link) -> bool:
        """Whether a link at this host may be asked for."""
        if self.port is None and not link.is_at_standard_port:
            return False
        return self.port in (None, link.port) and self._names(link.host)

    def _names(self, host: str) -> bool:
        if self.host in ("*", host):
            return True
        return not _is_address(self.host) and host.endswith(f".{self.host}")

    def exempts(self, host: str, port: int) -> bool:
        """Whether connections to this very place are allowed wherever it lies."""
        ports = (self.port,) if self.port else STANDARD_PORTS.values()
        return self.host == host and port in ports

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


USUAL_SITES = tuple(map(HostRule, ("youtube.com", "youtu.be", "bilibili.com", "b23.tv")))
"""Allowed where the operator does not say otherwise."""


def check_url(url: str, allowed: Iterable[HostRule], sources: Iterable[VideoSource] = ()) -> None:
    """Let through files of the library, links to allowed hosts, and what a source calls its
    own by another scheme than that of links.

    Args:
        sources: those that are installed.

    Raises:
        UnsupportedVideoSource: the address is not for this server.
    """
    if url.startswith(LIBRARY):
        return
    if _NEVER_IN_A_URL.search(url):
        raise UnsupportedVideoSource
    scheme, colon, _ = url.partition(":")
    if colon and scheme.isalpha() and scheme.lower() not in STANDARD_PORTS:
        if any(source.match(url) >= Match.SITE for source in sources):
            return
        raise UnsupportedVideoSource
    link = Link.parse(url)
    if not any(rule.covers(link) for rule in allowed):
        raise UnsupportedVideoSource(_told(link.host))


def _ascii(host: str) -> str:
    """A host as it is looked up. Look-alikes of plain letters and dots are no spelling of
    them: what they would be folded into was not asked for.

    Raises:
        UnsupportedVideoSource: it is none.
    """
    if ":" in host:
        try:
            address = IPv6Address(host)
        except ValueError:
            raise UnsupportedVideoSource from None
        if address.scope_id is not None:
            raise UnsupportedVideoSource
        return str(address)
    plain = host
    if not host.isascii() and unicodedata.normalize("NFKC", host) == host and "。" not in host:
        try:
            plain = host.encode("idna").decode()
        except UnicodeError:
            raise UnsupportedVideoSource from None
    if not _PLAIN_HOST.fullmatch(plain) or ".." in plain:
        raise UnsupportedVideoSource
    return plain


def _told(host: str) -> str | None:
    """What is no plain name is not repeated to anybody."""
    return host.removeprefix("www.") if _PLAIN_HOST.fullmatch(host) else None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
