"""What a Redis says of itself, and whether that will do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

_LEAST_VERSION = (6, 2)


@dataclass(frozen=True, slots=True)
class Kept:
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
        if tuple(int(part) for part in version.split(".")[:2]) < _LEAST_VERSION:
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
