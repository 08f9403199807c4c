"""A store, and somebody who is told what it takes.

What happens to a session stands in its log: so whoever sees the entries as they are appended
sees all of it, and nothing else in the program needs to know that somebody looks on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ParamSpec, Protocol, cast

from watchbuddy_core.entries import Entry, Fence
from watchbuddy_core.errors import StaleFence
from watchbuddy_core.storage import SessionRecord, Store

_log = logging.getLogger("watchbuddy.store")
_P = ParamSpec("_P")


@dataclass(frozen=True, slots=True)
class Appended:
    """Entries stand in the log of a session."""

    session_id: str
    entries: Sequence[Entry]
    at: float
    """Monotonic seconds."""
    seconds: float
    """How long the store took."""


class StoreObserver(Protocol):
    """Is told what a store takes, at once. It waits for nothing."""

    def created(self, record: SessionRecord, at: float) -> None:
        """A session is kept from now on. `at` is in monotonic seconds."""
        ...

    def appended(self, appended: Appended) -> None: ...

    def deleted(self, session_id: str) -> None: ...

    def listed(self, records: Sequence[SessionRecord]) -> None:
        """These sessions are kept: others may have come, and gone, by other programs."""
        ...

    def failed(self, error: Exception) -> None:
        """Something that was to be kept could not be written."""
        ...


def observed(
    store: Store, observer: StoreObserver, *, now: Callable[[], float] = time.monotonic
) -> Store:
    """The store itself, but that the observer is told what it takes.

    An observer that raises is put into the log, and does no harm.
    """
    # Each as a name of the class: from Python 3.12 on, whoever asks whether it can do more than a
    # Store has to, by `isinstance`, is told of no name that `__getattr__` would find.
    others = [name for name in dir(store) if name[0] != "_" and not hasattr(_Observed, name)]
    kind = type("Observed", (_Observed,), {name: _of_the_store(name) for name in others})
    return cast(Store, kind(store, observer, now))


def _of_the_store(name: str) -> property:
    return property(lambda observed: getattr(observed._store, name))


class _Observed:
    """Whatever else the store can do, it does itself."""

    def __init__(self, store: Store, observer: StoreObserver, now: Callable[[], float]) -> None:
        self._store = store
        self._observer = observer
        self._now = now

    async def put(self, record: SessionRecord) -> None:
        try:
            await self._store.put(record)
        except Exception as exc:
            self._tell(self._observer.failed, exc)
            raise
        self._tell(self._observer.created, record, self._now())

    async def list(self) -> Sequence[SessionRecord]:
        records = await self._store.list()
        self._tell(self._observer.listed, records)
        return records

    async def append(self, session_id: str, entries: Sequence[Entry], fence: Fence | None) -> int:
        began = self._now()
        try:
            position = await self._store.append(session_id, entries, fence)
        except StaleFence:
            raise
        except Exception as exc:
            self._tell(self._observer.failed, exc)
            raise
        now = self._now()
        self._tell(self._observer.appended, Appended(session_id, entries, now, now - began))
        return position

    async def delete(self, session_id: str) -> None:
        await self._store.delete(session_id)
        self._tell(self._observer.deleted, session_id)

    def _tell(self, take: Callable[_P, None], *args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            take(*args, **kwargs)
        except Exception:  # noqa: BLE001 - of somebody who looks on
            _log.exception("who looks on at the store has failed")
