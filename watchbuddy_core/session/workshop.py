"""Where a process makes scripts: so many pieces of work at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from watchbuddy_core.entries import StageName
from watchbuddy_core.errors import StorageFull, StoreFailed
from watchbuddy_core.protocols import Preparer
from watchbuddy_core.session.parts import Parts
from watchbuddy_core.session.strangers import plugin_code
from watchbuddy_core.session.turns import Turns
from watchbuddy_core.session.watch import WatchSession
from watchbuddy_core.storage import SessionRecord

_log = logging.getLogger("watchbuddy.session")

_LONGEST_PAUSE = 10.0
"""Seconds after which one is begun again whose log cannot be written; the first time sooner."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Whose session it is."""

    user_id: str | None
    caller: str
    address: str | None

    @classmethod
    def of(cls, record: SessionRecord) -> Asker:
        return cls(record.user_id, record.caller, record.address)


@dataclass(slots=True)
class Job:
    """The work on one session."""

    asker: Asker
    pieces: int = 1
    """Being done, or waiting for a turn. 0: it waits for its viewer."""
    tell: Callable[[], None] = lambda: None
    """Called when it has something to do, and when it has no more."""

    @contextmanager
    def piece(self) -> Iterator[None]:
        """There is one more as long as the context lasts."""
        self.pieces += 1
        if self.pieces == 1:
            self.tell()
        try:
            yield
        finally:
            self.pieces -= 1
            if not self.pieces:
                self.tell()


class Workshop:
    """Makes the scripts of sessions.

    Args:
        preparing: so many pieces of work (a video looked through, a window scripted) are
            done at a time. The others wait, user by user and each user's in order.
    """

    def __init__(self, parts: Parts, *, preparing: int) -> None:
        self._parts = parts
        self._turns = Turns(preparing)
        self._is_prepared = True

    @property
    def generator_works(self) -> bool:
        """Whether somebody can think of what to say, as far as it is known beforehand."""
        return self._is_prepared or self._parts.stand_in is not None

    @property
    def waiting(self) -> int:
        """How many pieces of work wait for a turn."""
        return self._turns.waiting

    async def prepare(self) -> None:
        """What takes long to load is loaded before the first viewer waits for it."""
        generator = self._parts.generator
        if not isinstance(generator, Preparer):
            return
        try:
            with plugin_code():
                for complaint in await generator.prepare():
                    _log.warning("%s", complaint)
        except Exception:  # noqa: BLE001 - of a plugin, which fails when it is asked to work
            self._is_prepared = False
            _log.exception("the generator could not be prepared")

    async def produce(self, session: WatchSession, job: Job) -> int:
        """Make the script, as soon as the log can be written, however long that takes.

        The store itself tells its operator.

        Returns:
            up to which position of the log it has seen what others wrote.

        Raises:
            SessionNotFound: it was deleted meanwhile.
        """

        @asynccontextmanager
        async def turn(stage: StageName) -> AsyncIterator[None]:
            with job.piece():
                if stage == "fetching":  # takes none: it waits for others, not for our processor
                    yield
                    return
                async with self._turns.turn(f"{job.asker.caller} {job.asker.user_id}"):
                    yield

        job.pieces = 0
        pause = _LONGEST_PAUSE / 16
        while True:
            try:
                return await session.produce(turn=turn, lingers=True)
            except (StorageFull, StoreFailed) as exc:
                _log.info("session %s waits: %s", session.session_id, exc)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
