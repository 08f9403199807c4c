"""Only addresses of the open internet are connected to, whatever they are dressed as."""

from __future__ import annotations

import pytest

from watchbuddy_core.sources.guard import AddressGuard, AddressRefused, is_public
from watchbuddy_core.sources.hosts import HostRule


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "93.184.216.34", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"],
)
def test_public_addresses_pass(address: str) -> None:
    assert is_public(address)
    AddressGuard().check(address, 443)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "192.168.1.1"),
        *("169.254.169.254", "100.64.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "203.0.113.1"),
        *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fe80::1%lo", "fc00::1", "fd12::1", "ff02::1", "ff0e::1"),
        *("2001:db8::1", "3fff::1", "5f00::1", "64:ff9b:1::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::10.0.0.1"),
        *("64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::1"),
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        *("localhost", "example.com", "", "1", "0x7f.1", "127.1"),
    ],
)
def test_all_others_are_refused(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(AddressRefused, match="not open to everybody"):
        AddressGuard([HostRule("10.9.9.9", 80)]).check(address, 80)


def test_an_exempt_place_is_that_very_host_at_that_very_port() -> None:
    guard = AddressGuard([HostRule("127.0.0.1", 8000), HostRule("nas.example")])
    guard.check("127.0.0.1", 8000)
    guard.check("127.0.0.1", 8000, host="127.0.0.1")
    guard.check("10.0.0.9", 443, host="nas.example")
    for address, port, host in (
        ("127.0.0.1", 8001, None),
        ("127.0.0.2", 8000, None),
        ("10.0.0.9", 8000, "nas.example"),
        ("10.0.0.9", 443, "other.example"),
        ("10.0.0.9", 443, "a.nas.example"),
    ):
        with pytest.raises(AddressRefused):
            guard.check(address, port, host=host)


def test_where_nobody_knows_the_name_any_more_it_is_looked_up() -> None:
    guard = AddressGuard([HostRule("localhost", 8000)])
    guard.check("127.0.0.1", 8000)
    guard.check("::ffff:127.0.0.1", 8000)
    with pytest.raises(AddressRefused):
        guard.check("127.0.0.2", 8000)


def test_everything_being_allowed_exempts_nothing() -> None:
    with pytest.raises(AddressRefused):
        AddressGuard([HostRule("*")]).check("127.0.0.1", 80, host="localhost")
