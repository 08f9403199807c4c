"""Where a server is, where its sessions are, and what it is shown to be let in."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import quote, urlsplit

from watchbuddy_core.wire import Feature


def is_loopback(server: str) -> bool:
    """Whether it is this machine, which no proxy stands before."""
    try:
        host = urlsplit(server).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def authorization(token: str | None) -> dict[str, str]:
    """The headers that show a token."""
    return {"Authorization": f"Bearer {token}"} if token is not None else {}


def websocket_url(server: str, session_id: str, features: Collection[Feature]) -> str:
    """Where to connect for a session. Without features the address does not speak of any."""
    scheme, _, rest = server.rstrip("/").partition("://")
    asked = f"?features={','.join(features)}" if features else ""
    return f"{'wss' if scheme == 'https' else 'ws'}://{rest}/ws/{quote(session_id)}{asked}"
