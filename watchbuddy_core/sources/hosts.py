"""Which addresses a session may be asked to watch."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from watchbuddy_core.errors import UnsupportedVideoSource
from watchbuddy_core.protocols import Match, VideoSource

DEFAULT_HOSTS = frozenset({"youtube.com", "youtu.be", "bilibili.com", "b23.tv"})
"""Allowed with their subdomains, where the operator says nothing else."""

LIBRARY = "library:"
"""How the address of a file in one of the server's folders begins."""

_NEVER_IN_A_URL = re.compile(r"[\x00-\x20\x7f\\]")
_PLAIN_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")


def check_url(url: str, allowed: Collection[str], sources: Iterable[VideoSource] = ()) -> None:
    """Let through files of the library, links to allowed hosts, by their parsed host, and
    what a source calls its own by another scheme than that of links.

    This is what a caller is told at once. It is no guard: where a name leads to is
    checked when a connection is made.

    Args:
        allowed: hosts in lower case; their subdomains are allowed with them.
        sources: those that are installed.

    Raises:
        UnsupportedVideoSource: the address is not for this server.
    """
    if url.startswith(LIBRARY):
        return
    if _NEVER_IN_A_URL.search(url):
        raise UnsupportedVideoSource
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").removesuffix(".")
        parts.port  # noqa: B018 - raises where the port is none
    except ValueError:
        raise UnsupportedVideoSource from None
    if parts.scheme not in ("http", "https"):
        if parts.scheme and any(source.match(url) >= Match.SITE for source in sources):
            return
        raise UnsupportedVideoSource
    if not host:
        raise UnsupportedVideoSource
    if not _PLAIN_HOST.fullmatch(host):
        raise UnsupportedVideoSource  # what is no plain name is not repeated to anybody
    if parts.username is not None or not any(
        host == name or host.endswith(f".{name}") for name in allowed
    ):
        raise UnsupportedVideoSource(host.removeprefix("www."))
