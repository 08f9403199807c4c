"""GET /health/live and /health/ready: whether the server works."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Literal, NoReturn

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE
from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

from watchbuddy_core.storage import Checkable, Store
from watchbuddy_server.access import PUBLIC
from watchbuddy_server.errors import error_responses

_HOLDS = 5.0
"""Seconds for which what was found out about the store holds: finding out writes to the disk."""
_PATIENCE = 1.0
"""Seconds for which an answer of the store is waited for."""

Reason = Literal["starting", "stopping", "store", "generator"]
"""
starting: what an earlier run has left is not all taken up yet.
stopping: the server ends.
store: sessions cannot be read or written, or that takes too long.
generator: nobody can think of what to say.
"""

_log = logging.getLogger("watchbuddy.server")


class Readiness:
    """Whether sessions can be served. Run `look` beside the application.

    The store is asked only when somebody wants to know, and not more often than every few
    seconds; an answer that does not come is an answer.

    Args:
        generator_works: whether somebody can think of what to say. Asked each time.
        is_full: whether no more sessions are kept, though the store works. Asked each time.
        workers: how many workers there are, as `Health` tells it. Asked each time.
        now: monotonic seconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        generator_works: Callable[[], bool] = lambda: True,
        is_full: Callable[[], bool] = lambda: False,
        workers: Callable[[], int | None] = lambda: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.is_started = False
        self.is_stopping = False
        self._store = store
        self._generator_works = generator_works
        self._is_full = is_full
        self.workers = workers
        self._now = now
        self._wanted = asyncio.Event()
        self._news = asyncio.Event()
        self._store_works = True
        self._looked_at: float | None = None

    async def reason(self) -> Reason | None:
        """Why sessions cannot be served; within a second or so. None: they can."""
        if self.is_stopping:
            return "stopping"
        if not self.is_started:
            return "starting"
        if not self._generator_works():
            return "generator"
        return None if not self._is_full() and await self._can_be_stored() else "store"

    async def _can_be_stored(self) -> bool:
        if self._looked_at is None or self._now() - self._looked_at >= _HOLDS:
            self._news.clear()
            self._wanted.set()
            try:
                async with asyncio.timeout(_PATIENCE):
                    await self._news.wait()
            except TimeoutError:
                return False
        return self._store_works

    async def look(self) -> NoReturn:
        """Look after the store when somebody wants to know. Runs until cancelled."""
        while True:
            await self._wanted.wait()
            worked = self._store_works
            try:
                await self._ask_store()
                self._store_works = True
            except Exception as exc:  # noqa: BLE001 - whatever it is, that is the answer
                self._store_works = False
                if worked:
                    _log.warning("not ready: the store does not work: %s", exc)
            self._looked_at = self._now()
            self._wanted.clear()
            self._news.set()

    async def _ask_store(self) -> None:
        if isinstance(self._store, Checkable):
            await self._store.check()
        else:
            await self._store.count()


class Health(BaseModel):
    """Whether the server works."""

    model_config = ConfigDict(frozen=True)

    status: Literal["ok", "unavailable"]
    reason: Reason | None = None
    """Why it cannot serve."""
    workers: int | None = None
    """How many workers can prepare sessions, where this process leaves that to others. 0: what
    is ready plays on, and new ones wait. None: it is not known, or this process does it."""

    @model_serializer(mode="wrap")
    def _told(self, dump: SerializerFunctionWrapHandler) -> dict[str, object]:
        told: dict[str, object] = dump(self)
        return {name: value for name, value in told.items() if value is not None}


@get(
    "/health/live",
    opt=PUBLIC,
    response_description="The process answers.",
    responses=error_responses("FORBIDDEN", public=True),
)
async def live() -> Health:
    """Whether the process answers."""
    return Health(status="ok")


@get(
    "/health/ready",
    opt=PUBLIC,
    response_description="It can serve.",
    responses={
        HTTP_503_SERVICE_UNAVAILABLE: ResponseSpec(
            Health, generate_examples=False, description="It cannot; `reason` says why."
        ),
        **error_responses("FORBIDDEN", public=True),
    },
)
async def ready(readiness: NamedDependency[Readiness]) -> Response[Health]:
    """Whether sessions can be served: 200, or 503 with a word why not."""
    reason = await readiness.reason()
    return Response(
        Health(
            status="ok" if reason is None else "unavailable",
            reason=reason,
            workers=readiness.workers(),
        ),
        status_code=HTTP_200_OK if reason is None else HTTP_503_SERVICE_UNAVAILABLE,
    )
