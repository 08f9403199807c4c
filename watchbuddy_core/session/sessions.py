"""The sessions of a program."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

from watchbuddy_core.commons import Shared
from watchbuddy_core.errors import RateLimited, StorageFull, StoreFailed, TooManySessions
from watchbuddy_core.log import about
from watchbuddy_core.player import Clock, WallClock
from watchbuddy_core.protocols import Keeper
from watchbuddy_core.session.attendance import Attendance
from watchbuddy_core.session.delivery import Delivery
from watchbuddy_core.session.history import History, SessionState
from watchbuddy_core.session.job_runner import JobRunner
from watchbuddy_core.session.library import Library
from watchbuddy_core.session.parts import Parts
from watchbuddy_core.session.screening import Screening
from watchbuddy_core.session.watch import WatchSession
from watchbuddy_core.storage import SessionRecord, Store
from watchbuddy_core.wire import HOLD_SECONDS, CreateSession, Feature

_log = logging.getLogger("watchbuddy.session")

_SWEEPS = 4
"""Idle sessions are looked for so many times in the time after which they are forgotten."""
_LONGEST_SWEEP = 60.0
_READ_AGAIN = 10.0
"""Seconds after which it is tried again to read what is kept."""
_GRACE = 300.0
"""Seconds after the program's start in which viewers may come back, however late it is."""
_SPENT_IS_KEPT = timedelta(days=31)
_TOO_OLD = "The session has reached the age at which sessions end. Create a new one."
_UNWATCHED = 150.0
"""Who is watched at another process is said to be needed at least every minute or so."""
_AFTERLIFE = 60.0
"""Seconds for which a session that was deleted can still tell its viewers so."""
_PARTING_SECONDS = 5.0
"""So long has a connection to tell its viewer so, where nothing is to be kept any longer."""
_LOOK_SECONDS = 0.05


class Sessions:
    """Starts, finds, ends and forgets the sessions of a program.

    Args:
        store: where they are kept.
        parts: what they are made of.
        jobs: who produces their scripts. Entered and left by the caller.
        most: so many are kept at a time.
        per_caller: so many of one caller. None: as many as there is room for.
        per_address: so many from one address, likewise.
        idle_seconds: one to which nobody was connected for so long is forgotten, in
            monotonic seconds; see `sweep`.
        session_seconds: one that was created so long ago ends, whoever is connected to it.
        store_bytes: so much of a disk they may take. Beyond it, those that nobody has needed
            for longest are forgotten.
        clock: for `idle_seconds`.
        wall: what time it is, in seconds since 1970.
    """

    def __init__(
        self,
        *,
        store: Store,
        parts: Parts,
        jobs: JobRunner,
        most: int = 10_000,
        per_caller: int | None = None,
        per_address: int | None = None,
        idle_seconds: float = 3600.0,
        session_seconds: float = math.inf,
        store_bytes: int | None = None,
        clock: Clock | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.parts = parts
        self.library = Library(parts.sources)
        self.screening = Screening(store, parts)
        self._keepers = [source for source in parts.sources if isinstance(source, Keeper)]
        self._jobs = jobs
        self._most = most
        self._per_caller = most if per_caller is None else per_caller
        self._per_address = most if per_address is None else per_address
        self._beginning: list[tuple[str, str | None]] = []
        """Caller and address of those that are being created."""
        self._created = 0
        """How many were."""
        self._idle_seconds = idle_seconds
        self._session_seconds = session_seconds
        self._store_bytes = store_bytes
        self._forgotten_to = ""
        """What was spent before this day is forgotten."""
        self._is_full = False
        """The store holds too much, and there is nobody to be forgotten."""
        self._wall = wall
        self._clock: Clock = clock or WallClock()
        self._attendance = Attendance(store, clock=self._clock, wall=wall)

    async def start(
        self,
        request: CreateSession,
        *,
        created_at: float,
        caller: str = "",
        address: str | None = None,
    ) -> WatchSession:
        """Create a session and begin to produce its script.

        Args:
            created_at: seconds since 1970.
            caller: who pays for it; see `SessionRecord.caller`.
            address: where it is asked for; see `SessionRecord.address`.

        Raises:
            RequestRefused: the request cannot be served as it was made, or there is no room.
        """
        admitted = self._jobs.admit(request.user_id, caller=caller, address=address)
        async with admitted, self._begun(caller, address):
            await self._refuse_more(caller, address)
            session = await WatchSession.create(
                request,
                store=self.store,
                parts=self.parts,
                created_at=created_at,
                caller=caller,
                address=address,
            )
            self._attendance.of(session.session_id)  # it is needed from now on
            await self._jobs.submit(session.session_id)
        return session

    @asynccontextmanager
    async def _begun(self, caller: str, address: str | None) -> AsyncIterator[None]:
        """Count it as long as it may not be in the store yet: others ask meanwhile."""
        self._beginning.append((caller, address))
        try:
            yield
        finally:
            self._beginning.remove((caller, address))
            self._created += 1

    async def _refuse_more(self, caller: str, address: str | None) -> None:
        """Raises: TooManySessions, RateLimited, StorageFull: one that has begun is one too many."""
        if self._is_full:
            raise StorageFull("The server has no room to keep more sessions.")
        if await self.store.count() + len(self._beginning) > self._most:
            raise TooManySessions
        beginning = sum(one == caller for one, _ in self._beginning)
        kept = await self.store.count(caller=caller)
        self._refuse_share(kept, beginning, self._per_caller)
        if address is not None:
            beginning = sum(one == address for _, one in self._beginning)
            kept = await self.store.count(address=address)
            self._refuse_share(kept, beginning, self._per_address)

    def _refuse_share(self, kept: int, beginning: int, most: int) -> None:
        if kept + beginning > most:
            raise RateLimited(
                f"{kept} of your sessions are kept. Delete one, or wait until one is forgotten."
            )

    async def find(self, session_id: str) -> WatchSession:
        """Raises: SessionNotFound."""
        return await WatchSession.find(session_id, store=self.store, parts=self.parts)

    @asynccontextmanager
    async def connect(
        self, session: WatchSession, *, features: Collection[Feature] = ()
    ) -> AsyncIterator[Delivery]:
        """A connection with these features; the session is in use as long as it lasts."""
        attended = self._attendance.of(session.session_id)
        attended.connections += 1
        try:
            if self._clock.now() - attended.needed_at > self._idle_seconds / 2:
                # Before another program forgets it.
                await self._try(partial(self._attendance.note, self._clock.now()))
            async with session.connect(
                lookahead=HOLD_SECONDS if "hold" in features else 0.0,
                early_ready="early_ready" in features,
                progress="progress" in features,
                chat="chat" in features,
            ) as delivery:
                if delivery.was_unfinished:
                    await self.go_on(session.session_id)
                yield delivery
        finally:
            attended.connections -= 1
            attended.needed_at = self._clock.now()

    async def go_on(self, session_id: str) -> None:
        """See to it that what a session's log asks for is done.

        Raises:
            SessionNotFound: there is none of this id.
        """
        await self._jobs.submit(session_id)

    @property
    def is_full(self) -> bool:
        """Whether the store holds too much, and there is nobody to be forgotten."""
        return self._is_full

    async def resume(self, meet: Callable[[str, SessionState], None] | None = None) -> None:
        """Go on with what an earlier run of the program has left unfinished.

        What is in the log is not done again. One session that cannot go on keeps no other
        from it.

        Args:
            meet: is told of each session that is kept, and how far it is.
        """
        for record in await self._kept():
            try:
                history = History(await self.store.read(record.session_id))
                if meet is not None:
                    meet(record.session_id, history.state)
                if history.cancelled:
                    self._attendance.of(record.session_id).is_deleted = True
                if history.is_unfinished and not history.cancelled:
                    await self._jobs.submit(record.session_id)
            except (StorageFull, StoreFailed) as exc:
                with about(record.session_id):
                    _log.error("session %s cannot go on: %s", record.session_id, exc)
            except Exception:  # noqa: BLE001 - of one session
                with about(record.session_id):
                    _log.exception("session %s cannot go on", record.session_id)

    async def _kept(self) -> Sequence[SessionRecord]:
        """All sessions, as soon as they can be read."""
        while True:
            try:
                return await self.store.list()
            except (StorageFull, StoreFailed) as exc:
                _log.error("what an earlier run has left cannot be read: %s", exc)
            await self._clock.sleep(_READ_AGAIN)

    async def end(self, session_id: str) -> None:
        """Delete a session: its work ends, its connections are told, and then it is forgotten.

        Raises:
            SessionNotFound: there is none of this id.
        """
        if await self._end(await self.find(session_id)):
            await self.tidy()

    async def remove(self, session_ids: Collection[str]) -> None:
        """Delete sessions as `end` does, and what is kept of them at once.

        Their connections have a few seconds to tell their viewers.

        Raises:
            SessionNotFound: one of them is not there; then none is deleted.
        """
        await self._remove([await self.find(session_id) for session_id in session_ids])

    async def remove_of_user(self, user_id: str) -> int:
        """Delete all sessions of a user, likewise; also those that begin meanwhile.

        Returns:
            How many that were.
        """
        count = 0
        while theirs := [one for one in await self.store.list() if one.user_id == user_id]:
            await self._remove(
                [WatchSession(record, store=self.store, parts=self.parts) for record in theirs]
            )
            count += len(theirs)
        return count

    async def _remove(self, sessions: Sequence[WatchSession]) -> None:
        for session in sessions:
            await self._end(session)
        await self._see_off([session.session_id for session in sessions])
        for session in sessions:
            # Somebody who was still connected may have had it begun once more.
            await self._jobs.cancel(session.session_id)
            await self._delete(session.session_id)
        await self.tidy()

    async def _see_off(self, session_ids: Collection[str]) -> None:
        """Wait a while until nobody is connected to them any more."""
        until = self._clock.now() + _PARTING_SECONDS
        while self._clock.now() < until:
            if not any(self._attendance.of(session_id).connections for session_id in session_ids):
                break
            await self._clock.sleep(_LOOK_SECONDS)

    async def _end(self, session: WatchSession, message: str | None = None) -> bool:
        """Whether it was not over already."""
        await self._jobs.cancel(session.session_id)
        attended = self._attendance.of(session.session_id)
        if attended.is_deleted:
            return False
        attended.is_deleted, attended.needed_at = True, self._clock.now()
        await session.cancel(message)
        self.screening.close(session.session_id)
        return True

    async def forget_idle(self) -> None:
        """End the sessions that are too old, and forget those that nobody has needed for too
        long, with what was kept for them; where the store holds too much, others as well."""
        now = self._clock.now()
        try:
            records = await self.store.list()
            await self._attendance.learn(now)
            for record in records:
                attended = self._attendance.of(record.session_id)
                if self._wall() - record.created_at > self._session_seconds:
                    session = WatchSession(record, store=self.store, parts=self.parts)
                    await self._end(session, _TOO_OLD)
                most = _AFTERLIFE if attended.is_deleted else self._idle_seconds
                if not attended.connections and now - attended.needed_at > most:
                    await self._forget(record.session_id)
            await self._make_room(now)
            await self._attendance.note(now)
            self._attendance.overlook({record.session_id for record in records})
            await self._forget_days()
            await self.store.shrink()
        finally:  # also where the disk is full: it makes room
            await self.tidy()

    async def _forget(self, session_id: str) -> None:
        await self._jobs.cancel(session_id)
        if self._attendance.of(session_id).connections:
            return  # somebody has come meanwhile
        await self._delete(session_id)

    async def _delete(self, session_id: str) -> None:
        await self.store.delete(session_id)
        self._attendance.forget(session_id)

    async def _make_room(self, now: float) -> None:
        """Forget those that nobody has needed for longest, as long as there are too many."""
        if self._store_bytes is None:
            return
        quiet = _UNWATCHED if isinstance(self.store, Shared) else _AFTERLIFE
        for session_id in self._attendance.unneeded(quiet, now):
            if await self.store.size_bytes() <= self._store_bytes:
                break
            if not self._attendance.of(session_id).connections:
                await self._forget(session_id)
        self._is_full = await self.store.size_bytes() > self._store_bytes

    async def _forget_days(self) -> None:
        """What was spent long ago is no business of today's budgets."""
        before = datetime.fromtimestamp(self._wall(), UTC) - _SPENT_IS_KEPT
        day = before.date().isoformat()
        if day != self._forgotten_to:
            await self.store.forget_days(day)
            self._forgotten_to = day

    async def tidy(self) -> None:
        """Have the sources delete what no session needs any more."""
        created = None
        for keeper in self._keepers:
            # Asked anew where a session has begun while another was tidying.
            if self._beginning or created != self._created:
                created = self._created
                in_use = frozenset(
                    record.video_url
                    for record in await self.store.list()
                    if not self._attendance.of(record.session_id).is_deleted
                )
            try:
                await keeper.tidy(in_use)
            except Exception:  # noqa: BLE001 - what it keeps too long is no session's business
                _log.exception("%s could not be tidied", type(keeper).__name__)

    async def sweep(self) -> None:
        """Tidy up at once, then forget idle sessions now and then. Runs until cancelled."""
        # While there was no program nobody could come: those that are overdue have a while.
        longest = self._idle_seconds - min(_GRACE, self._idle_seconds / 2)
        await self._try(partial(self._attendance.recall, longest))
        await self._try(self.tidy)
        while True:
            await self._clock.sleep(min(self._idle_seconds / _SWEEPS, _LONGEST_SWEEP))
            await self._try(self.forget_idle)

    async def _try(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except (StorageFull, StoreFailed) as exc:
            _log.info("sessions are not looked after for the time being: %s", exc)
        except Exception:  # noqa: BLE001 - a store that fails for a moment ends nothing
            _log.exception("sessions could not be looked after")
