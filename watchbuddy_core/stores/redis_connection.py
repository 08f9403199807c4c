"""A Redis: where it is, how it is connected to, and whether it will do."""

from __future__ import annotations

import logging
import re
import secrets
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from watchbuddy_core.errors import MissingExtra, StoreFailed
from watchbuddy_core.stores.redis_line import Line

if TYPE_CHECKING:
    from redis.asyncio import Connection

_LEAST_VERSION = (6, 2)
_ORIGIN = "watchbuddy:origin"
"""Says which form the rest has; and that it is still there, since it is made but once."""
_FORM = "1"

_KEEPALIVE = (
    {socket.TCP_KEEPIDLE: 60, socket.TCP_KEEPINTVL: 15, socket.TCP_KEEPCNT: 4}
    if sys.platform == "linux"
    else {}
)
"""Networks forget connections over which nothing goes; most systems look after two hours."""

_log = logging.getLogger("watchbuddy.store")


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """The URL of a Redis, which may hold a password."""

    url: str

    @property
    def place(self) -> str:
        """Where it is, without what must not be seen."""
        parts = urlsplit(self.url)
        if parts.scheme == "unix":
            return parts.path
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{host}:{parts.port or 6379}"

    def connector(self, name: str, connect_seconds: float) -> Callable[[], Connection]:
        """Makes connections that are not connected yet.

        Args:
            name: what the Redis' operator sees it called.

        Raises:
            MissingExtra
        """
        try:
            from redis.asyncio import ConnectionPool
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError as exc:
            raise MissingExtra("scale", "Keeping sessions in a Redis") from exc
        # What is waited for, and what is tried again, is decided by who uses it: the defaults
        # differ from version to version.
        how: dict[str, Any] = {
            "client_name": f"watchbuddy-{name}",
            "protocol": 2,
            "decode_responses": False,
            "socket_timeout": None,
            "socket_connect_timeout": connect_seconds,
            "health_check_interval": 0,
            "retry": Retry(NoBackoff(), 0),
        }
        if not self.url.startswith("unix:"):
            how["socket_keepalive"] = True
            how["socket_keepalive_options"] = _KEEPALIVE
        return ConnectionPool.from_url(self.url, **how).make_connection


class Identity:
    """Knows a Redis again.

    Args:
        place: where it is, for its operator.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._origin: bytes | None = None

    async def check(self, connection: Connection) -> None:
        """For each new connection. Where all that was kept is lost, its operator is told.

        Raises:
            StoreFailed: what it holds is of another version of this program.
        """
        origin = await _answer(connection, "GET", _ORIGIN)
        if origin is None:
            await _answer(connection, "SETNX", _ORIGIN, f"{_FORM} {secrets.token_hex(8)}")
            origin = await _answer(connection, "GET", _ORIGIN)
        if origin.partition(b" ")[0] != _FORM.encode():
            raise StoreFailed("The Redis holds the sessions of another version of watchbuddy.")
        if self._origin not in (None, origin):
            _log.error(
                "The Redis that keeps sessions has lost them all, or is another one. (%s)",
                self._place,
            )
        self._origin = origin


async def look_at(line: Line, place: str) -> None:
    """See what a Redis is, and warn its operator of what they may not know.

    Args:
        place: where it is.

    Raises:
        StoreFailed: it cannot be reached, or keeps no sessions.
    """
    try:
        facts = Facts.read(await line.ask("INFO"))
    except StoreFailed as exc:
        raise StoreFailed(f"{str(exc).removesuffix('.')} ({place}).") from None
    if problem := facts.problem():
        raise StoreFailed(f"{problem} ({place})")
    for warning in facts.warnings():
        _log.warning("%s (%s)", warning, place)


@dataclass(frozen=True, slots=True)
class Facts:
    """What it answers to INFO."""

    told: Mapping[str, str]

    @classmethod
    def read(cls, info: bytes) -> Self:
        lines = info.decode(errors="replace").splitlines()
        return cls(dict(line.split(":", 1) for line in lines if ":" in line))

    def problem(self) -> str | None:
        """Why it cannot keep sessions. None: it can."""
        version = self.told.get("redis_version", "0")
        # Valkey calls itself by the version of Redis that it stands for.
        if tuple(map(int, re.findall(r"\d+", version)[:2])) < _LEAST_VERSION:
            least = ".".join(map(str, _LEAST_VERSION))
            return f"The Redis is of version {version}: it takes {least} or later."
        if self.told.get("cluster_enabled") == "1":
            return "The Redis is one of a cluster: it takes one that stands for itself."
        if self.told.get("role") == "slave":
            return "The Redis is a replica, which takes nothing new: name the one that it follows."
        return None

    def warnings(self) -> Iterator[str]:
        """What its operator may not know."""
        policy = self.told.get("maxmemory_policy", "noeviction")
        if policy != "noeviction" and self.told.get("maxmemory") != "0":
            yield (
                f"The Redis throws out what it likes when its memory is full ({policy}), sessions"
                " among it: set `maxmemory-policy noeviction`."
            )
        if self.told.get("aof_enabled") == "0":
            yield (
                "The Redis writes nothing down at once, and loses sessions when it ends: set"
                " `appendonly yes` and `appendfsync always`."
            )


async def _answer(connection: Connection, *words: str) -> Any:
    await connection.send_command(*words)
    return await connection.read_response()
