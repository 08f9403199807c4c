"""What is wrong with a Redis, in sentences; and that its operator is told, once."""

from __future__ import annotations

import asyncio
import logging
import re

from watchbuddy_core.errors import StorageFull, StoreFailed

_TOLD_AGAIN = 60.0
"""Seconds in which the operator is told no more than once that a Redis does not work."""
_TRIED_WITHIN = 6.0
"""Seconds in which a connection that is wanted is tried again."""
_FULL = {
    "OOM": "The Redis that keeps sessions is full (`maxmemory`).",
    "MISCONF": "The Redis that keeps sessions cannot write to its disk.",
    "READONLY": "The Redis that keeps sessions is a replica, which takes nothing new.",
    "NOREPLICAS": "The Redis that keeps sessions has lost its replicas, and takes nothing new.",
}
"""By how its answer begins. It may be better in a while."""
_BUSY = {"BUSY", "LOADING", "TRYAGAIN", "MASTERDOWN", "CLUSTERDOWN"}
_NO_DATABASE = "DB index is out of range"
_CODES = re.compile(rf"\b({'|'.join([*_FULL, *_BUSY])})\b")
"""In an answer to a script they may stand further behind."""

_log = logging.getLogger("watchbuddy.store")


def failure_of(exc: Exception) -> StorageFull | StoreFailed:
    """What the failure of a connection, or a refusal, means. Names no host and no password."""
    from redis import exceptions

    if isinstance(exc, StorageFull | StoreFailed):
        return exc
    if isinstance(exc, exceptions.OutOfMemoryError):
        return StorageFull(_FULL["OOM"])
    if isinstance(exc, exceptions.ReadOnlyError):
        return StorageFull(_FULL["READONLY"])
    if isinstance(exc, exceptions.AuthenticationError):
        return StoreFailed(
            "The Redis that keeps sessions wants a user and a password, or others than these."
        )
    if isinstance(exc, exceptions.NoPermissionError):
        return StoreFailed("The Redis that keeps sessions does not let this user do what it takes.")
    if isinstance(exc, exceptions.InvalidResponse):
        return StoreFailed("What should be the Redis that keeps sessions is something else.")
    if isinstance(exc, exceptions.BusyLoadingError):
        return StoreFailed("The Redis that keeps sessions is still reading what it has kept.")
    if _NO_DATABASE in str(exc):
        return StoreFailed("The Redis that keeps sessions has no database of this number.")
    if isinstance(exc, exceptions.ResponseError):
        found = _CODES.search(str(exc))
        code = found[1] if found else str(exc).partition(" ")[0]
        if code in _FULL:
            return StorageFull(_FULL[code])
        if code in _BUSY:
            return StoreFailed("The Redis that keeps sessions is busy.")
        return StoreFailed(f"The Redis that keeps sessions refuses a command: {code:.40}.")
    if isinstance(exc, TimeoutError | exceptions.TimeoutError):
        return StoreFailed("The Redis that keeps sessions does not answer.")
    reason = _reason_of(exc)
    return StoreFailed(f"The Redis that keeps sessions cannot be reached{reason}.")


def passes(exc: Exception) -> bool:
    """Whether a refusal may be another answer in a while."""
    from redis import exceptions

    if isinstance(exc, exceptions.OutOfMemoryError | exceptions.ReadOnlyError):
        return True
    return _CODES.search(str(exc)) is not None


def is_final(exc: Exception) -> bool:
    """Whether somebody has to change something before it can be better."""
    from redis import exceptions

    kinds = StoreFailed | exceptions.AuthenticationError | exceptions.InvalidResponse
    return isinstance(exc, kinds) or _NO_DATABASE in str(exc)


def _reason_of(exc: BaseException | None) -> str:
    while exc is not None:
        if isinstance(exc, OSError) and exc.strerror:
            return f": {exc.strerror.partition('(')[0].strip() or exc.strerror}"
        exc = exc.__cause__ or exc.__context__
    return ""


class Trouble:
    """Tells the operator that something does not work, and that it does again.

    Args:
        place: where the Redis is, in words that hold no password.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self.is_silent = True
        """Nothing has begun yet: who wants it to is told."""
        self._who: dict[object, float] = {}
        """The connections that do not work, and when they were tried last, in the loop's
        seconds."""
        self._told_at: float | None = None
        self._is_told = False

    def met(self, who: object, failure: Exception) -> None:
        """A connection does not work."""
        now = self._who[who] = asyncio.get_running_loop().time()
        if self.is_silent or self._is_told:
            return
        if self._told_at is not None and now - self._told_at < _TOLD_AGAIN:
            return
        self._told_at, self._is_told = now, True
        _log.warning(
            "%s (%s) What is ready plays on as soon as it works again; nothing new is begun"
            " until then.",
            failure,
            self._place,
        )

    def over(self, who: object) -> None:
        """It works."""
        self._who.pop(who, None)
        if not self._is_told:
            return
        # One that is not tried any more is wanted for nothing, and not known to be broken.
        since = asyncio.get_running_loop().time() - _TRIED_WITHIN
        if not any(tried_at > since for tried_at in self._who.values()):
            self._is_told = False
            self._who.clear()
            _log.warning("The Redis that keeps sessions works again.")
