"""Who is connected to which session, and when each was needed last."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from watchbuddy_core.player import Clock
from watchbuddy_core.storage import Upkeep


@dataclass(slots=True)
class Attended:
    """One session."""

    needed_at: float
    """In monotonic seconds. While somebody is connected, it is needed all the time."""
    noted_at: float | None = None
    """What of that the store knows."""
    noted: float | None = None
    """As it stands there, in seconds since 1970."""
    connections: int = 0
    is_deleted: bool = False


class Attendance:
    """Of the sessions of a program, as far as it has met them.

    What it knows is noted in the store, where it outlives the program, and where others that
    share the store learn of it. `now` is in monotonic seconds.

    Args:
        wall: what time it is, in seconds since 1970.
    """

    def __init__(self, store: Upkeep, *, clock: Clock, wall: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._wall = wall
        self._attended: dict[str, Attended] = {}

    def __len__(self) -> int:
        """How many sessions it has met."""
        return len(self._attended)

    def of(self, session_id: str) -> Attended:
        """One that this program has not met before counts as needed now."""
        return self._attended.setdefault(session_id, Attended(self._clock.now()))

    def unneeded(self, seconds: float, now: float) -> Sequence[str]:
        """Those that nobody has needed for so long; the one that was needed first comes first."""
        found = [
            (attended.needed_at, session_id)
            for session_id, attended in self._attended.items()
            if not attended.connections and now - attended.needed_at > seconds
        ]
        return [session_id for _, session_id in sorted(found)]

    def forget(self, session_id: str) -> None:
        """It is deleted."""
        self._attended.pop(session_id, None)

    def overlook(self, kept: Collection[str]) -> None:
        """Forget all but these, and those that somebody is connected to: another program has
        deleted them."""
        gone = [
            session_id
            for session_id, attended in self._attended.items()
            if session_id not in kept and not attended.connections
        ]
        for session_id in gone:
            del self._attended[session_id]

    # --- what the store knows ----------------------------------------------------------

    async def recall(self, longest: float) -> None:
        """Learn what an earlier run of the program has noted.

        Args:
            longest: nothing counts as unneeded for longer than so many seconds.
        """
        now, wall = self._clock.now(), self._wall()
        for session_id, at in (await self._store.needs()).items():
            needed_at = now - min(max(wall - at, 0.0), longest)
            self._attended.setdefault(session_id, Attended(needed_at))

    async def learn(self, now: float) -> None:
        """Learn what others have noted meanwhile."""
        wall = self._wall()
        for session_id, at in (await self._store.needs()).items():
            attended = self.of(session_id)
            if at != attended.noted:
                attended.needed_at = max(attended.needed_at, now - max(wall - at, 0.0))

    async def note(self, now: float) -> None:
        """Write down what is new."""
        wall = self._wall()
        news: dict[str, Attended] = {}
        for session_id, attended in self._attended.items():
            if attended.connections:
                attended.needed_at = now
            if attended.needed_at != attended.noted_at:
                news[session_id] = attended
        needs = {one: wall - (now - attended.needed_at) for one, attended in news.items()}
        if needs:
            await self._store.note_needs(needs)
        for session_id, attended in news.items():
            attended.noted_at, attended.noted = attended.needed_at, needs[session_id]
