"""Which addresses may be connected to on behalf of a viewer.

A viewer names a video, and what answers there may name more: a redirect, a playlist's
segments, a subtitle file. None of it may reach what only the server can reach: its own
machine, the network that it stands in, a cloud's metadata service. So it is the address
that counts, at the moment it is connected to, after names are resolved and redirects are
followed; a name proves nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from watchbuddy_core.sources.hosts import HostRule

_TRANSLATED = IPv6Network("64:ff9b::/96")
"""IPv4 addresses behind a NAT64 gateway (RFC 6052)."""
_COMPATIBLE = IPv6Network("::/96")
"""IPv4 addresses in the deprecated form of RFC 4291, section 2.5.5.1."""
_SPECIAL = (
    IPv4Network("192.0.0.0/24"),
    IPv6Network("64:ff9b:1::/48"),
    IPv6Network("3fff::/20"),
    IPv6Network("5f00::/16"),
)
"""Set aside by the IANA special-purpose registries, and global by what older Pythons know."""


class AddressRefused(OSError):
    """A connection that may not be made. An OSError, for libraries know those."""


class AddressGuard:
    """Refuses connections to addresses that are not on the open internet.

    Args:
        exempt: places that an operator allows wherever they lie: this very host, at this
            very port.
    """

    def __init__(self, exempt: Iterable[HostRule] = ()) -> None:
        self.exempt = tuple(exempt)

    def check(self, address: str, port: int, *, host: str | None = None) -> None:
        """Let a connection pass.

        Args:
            address: the one that is about to be connected to; numeric.
            host: the name that led there, as it was asked for. None: nobody knows any more;
                then the exempt names are looked up to compare.

        Raises:
            AddressRefused: it may not be made.
        """
        if is_public(address) or self._is_exempt(address, port, host):
            return
        raise AddressRefused(
            "The address leads into a network that is not open to everybody, "
            "where this server reaches nothing for its viewers."
        )

    def _is_exempt(self, address: str, port: int, host: str | None) -> bool:
        if any(
            rule.exempts(name, port) for rule in self.exempt for name in (host, address) if name
        ):
            return True
        if host is not None:
            return False
        return any(
            rule.exempts(rule.host, port) and _plain(address) in _addresses_of(rule.host)
            for rule in self.exempt
        )


def is_public(address: str) -> bool:
    """Whether a numeric address, and one that it carries within, is a unicast address of
    the open internet."""
    try:
        outer = ip_address(address)
    except ValueError:
        return False
    if isinstance(outer, IPv6Address) and outer.ipv4_mapped is not None:
        outer = outer.ipv4_mapped  # that is what the system connects to
    return all(
        one.is_global and not one.is_multicast and not any(one in net for net in _SPECIAL)
        for one in (outer, *_within(outer))
    )


def _within(address: IPv4Address | IPv6Address) -> Iterable[IPv4Address]:
    """IPv4 addresses to which a gateway or this machine may lead an IPv6 address on."""
    if isinstance(address, IPv4Address):
        return
    for inner in (address.sixtofour, *(address.teredo or ())):
        if inner is not None:
            yield inner
    if address in _TRANSLATED or address in _COMPATIBLE:
        yield IPv4Address(int(address) & 0xFFFFFFFF)


def _plain(address: str) -> str:
    """Without a zone, and an IPv4 address in IPv6's clothes as what it is."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)


def _addresses_of(host: str) -> frozenset[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return frozenset()
    return frozenset(_plain(str(place[4][0])) for place in found)
