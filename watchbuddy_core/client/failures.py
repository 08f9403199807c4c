"""What went wrong on the other side, as exceptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from watchbuddy_core.errors import (
    ConnectionLost,
    SessionCancelled,
    SessionNotFound,
    Unauthorized,
    WatchBuddyError,
)

if TYPE_CHECKING:
    from websockets.frames import Close

_E = TypeVar("_E", bound=WatchBuddyError)


def error_of(family: type[_E], code: str, message: str) -> _E:
    """The error that a server has met, as far as its code and message tell it."""
    kind = next((kind for kind in family.__subclasses__() if kind.code == code), None)
    if kind is None:
        kind = cast(type[_E], type(family.__name__, (family,), {"code": code}))
    return kind.__new__(kind, message)


def reason(exc: Exception) -> str:
    """Why there is no connection, in a few words without a full stop."""
    cause = getattr(exc, "reason", exc)
    said = getattr(cause, "strerror", None) or str(cause)
    return said.rstrip(".") or type(exc).__name__


def raise_if_final(closed: Close) -> None:
    """Raises, where coming back is of no use."""
    match closed.code:
        case 4401:
            raise Unauthorized
        case 4404:
            raise SessionNotFound
        case 4410:
            raise SessionCancelled
        case 4409:
            message = "Another player has taken the session over."
        case 4400:
            message = "The server closed the connection: it did not understand what we sent."
        case 4500:
            message = "The server closed the connection: the session has failed."
        case _:
            return
    if closed.reason:
        message = f"{message} ({closed.reason})"
    raise ConnectionLost(message, close_code=closed.code)
