"""Which addresses count as one when something is counted."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

_ONE_SITE = 64
"""Bits of an IPv6 address that are given to a site; each of its machines chooses the others."""


def network_of(address: str) -> str:
    """What is counted for an address: itself, or its /64 where it is one of IPv6.

    A single machine has a whole /64 to itself, and can speak from each of its addresses.
    What is no address, such as the name of a socket, is counted as it is.
    """
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address):
        return str(ip)
    if ip.ipv4_mapped is not None:  # of a socket that listens for both
        return str(ip.ipv4_mapped)
    return str(ip_network((ip, _ONE_SITE), strict=False))
