"""One connection's side of a session: what its player says in, what it is to be sent out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import groupby

from watchbuddy_core.actions import Action
from watchbuddy_core.entries import (
    Acked,
    Cancelled,
    Delivered,
    Entry,
    Failed,
    Fence,
    Joined,
    Logged,
    Moved,
    Placed,
    Ready,
    Replied,
    Wanted,
    Withdrawn,
)
from watchbuddy_core.errors import SessionCancelled, StaleFence
from watchbuddy_core.events import (
    ActionCompleted,
    Due,
    PlayerEvent,
    SeekUpdate,
    TimestampUpdate,
)
from watchbuddy_core.protocols import SessionLog
from watchbuddy_core.session.history import WATCHED_STEP, History, announcements
from watchbuddy_core.timeline import Timeline

_WANTED_SECONDS = 1.0
"""`wanted` is written at most this often, in monotonic seconds."""
_MOST_ACKS_WAITING = 256


@dataclass(frozen=True, slots=True)
class ScriptReady:
    """The script is there. Comes once per connection, before the first action."""


@dataclass(frozen=True, slots=True)
class ScriptFailed:
    """There will be no script. Nothing follows."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Replaced:
    """A newer connection has taken the session over. Nothing follows."""


Outgoing = Due | ScriptReady | ScriptFailed | Replaced


@dataclass(slots=True)
class _Inbox:
    """What the player said while the client was too slow to take what it was sent.

    Only what still matters is kept, so its size is bounded: the last seek, the last
    position since, and the last acknowledgements.
    """

    completed: dict[str, tuple[ActionCompleted, float]] = field(default_factory=dict)
    seek: tuple[SeekUpdate, float] | None = None
    report: tuple[TimestampUpdate, float] | None = None

    def put(self, event: PlayerEvent, now: float) -> None:
        match event:
            case TimestampUpdate():
                self.report = (event, now)
            case SeekUpdate():
                self.seek, self.report = (event, now), None
            case ActionCompleted():
                if len(self.completed) < _MOST_ACKS_WAITING:
                    self.completed[event.action_id] = (event, now)

    def take(self) -> list[tuple[PlayerEvent, float]]:
        waiting: list[tuple[PlayerEvent, float]] = [*self.completed.values()]
        if self.seek is not None:
            waiting.append(self.seek)
        if self.report is not None:
            waiting.append(self.report)
        self.completed, self.seek, self.report = {}, None, None
        return waiting


class Delivery:
    """What one connection is sent, and when. Made by `WatchSession.connect`.

    Call `receive` for everything the player says, and iterate for what is to be sent.
    What is yielded stands in the log already, so another connection can go on from it.
    Both are for one task each, of one event loop; `receive` never waits.
    """

    def __init__(
        self,
        session_id: str,
        *,
        log: SessionLog,
        fence: Fence,
        history: History,
        timeline: Timeline,
    ) -> None:
        self._session_id = session_id
        self._log = log
        self._fence = fence
        self._timeline = timeline
        self._ready = history.ready
        self._announced = False
        self._withheld: dict[str, Action] = {} if history.ready else dict(history.script)
        self._end: ScriptFailed | Replaced | Exception | None = None
        if history.failed is not None:
            self._end = ScriptFailed(history.failed.code, history.failed.message)

        self._inbox = _Inbox()
        self._sending = False
        self._wake = asyncio.Event()
        self._wake.set()
        self._due: list[Due] = []
        self._to_log: list[Entry] = []
        self._moves_logged = 0
        self._completed: set[str] = set()
        self._wanted_position = -WATCHED_STEP
        self._wanted_paused: bool | None = None
        self._wanted_at: float | None = None

    # --- in ----------------------------------------------------------------------------

    def receive(self, event: PlayerEvent, *, now: float) -> None:
        """Take in what the player says. `now` is in monotonic seconds.

        While the client is slow to take what it is sent, reports are coalesced.

        Raises:
            InvalidPosition: a time is not a finite number; nothing has changed.
        """
        if self._sending:
            self._inbox.put(event, now)
        else:
            self._take_in(event, now)

    def _take_in(self, event: PlayerEvent, now: float) -> None:
        timeline = self._timeline
        moves = timeline.moves
        timeline.receive(event, now=now)
        due = timeline.actions_due()
        if due:
            self._due += due
        moved = timeline.moves != moves
        if moved:
            self._completed.clear()
        if isinstance(event, ActionCompleted):
            self._note_completed(event)
        elif isinstance(event, TimestampUpdate | SeekUpdate):
            self._note_wanted(event, moved, now)
        if due or moved or self._to_log:
            self._wake.set()

    def _note_completed(self, event: ActionCompleted) -> None:
        if self._timeline.was_sent(event.action_id) and event.action_id not in self._completed:
            self._completed.add(event.action_id)
            self._to_log.append(
                Acked(action_id=event.action_id, outcome=event.outcome, heard_text=event.heard_text)
            )

    def _note_wanted(self, event: TimestampUpdate | SeekUpdate, moved: bool, now: float) -> None:
        paused = event.paused if isinstance(event, TimestampUpdate) else None
        if paused is None:
            paused = self._wanted_paused
        position = self._timeline.position
        if position is None:
            return
        waited = self._wanted_at is None or not 0 <= now - self._wanted_at < _WANTED_SECONDS
        news = (
            abs(position - self._wanted_position) >= WATCHED_STEP / 2
            or paused != self._wanted_paused
        )
        if moved or (waited and news):
            self._wanted_position, self._wanted_paused, self._wanted_at = position, paused, now
            self._to_log.append(Wanted(position=position, moved=moved, paused=paused))

    # --- out ---------------------------------------------------------------------------

    async def __aiter__(self) -> AsyncIterator[Outgoing]:
        """Everything to send, in order. Ends after ScriptFailed and Replaced."""
        while True:
            await self._wake.wait()
            self._sending = True
            self._wake.clear()
            if isinstance(self._end, Replaced):
                yield self._end
                return
            if self._ready and not self._announced and self._end is None:
                self._announced = True
                yield ScriptReady()
                self._release()
            due, self._due = self._due, []
            try:
                await self._write(due)
            except StaleFence:
                yield Replaced()
                return
            for item in due:
                yield item
            if isinstance(self._end, Exception):
                raise self._end
            if self._end is not None:
                yield self._end
                return
            self._sending = False
            for event, now in self._inbox.take():
                self._take_in(event, now)

    async def _write(self, due: list[Due]) -> None:
        """What is sent must stand in the log first."""
        entries, self._to_log = self._to_log, []
        moved = self._timeline.moves != self._moves_logged
        self._moves_logged = self._timeline.moves
        if due:
            entries.append(
                Delivered(
                    ids=tuple(item.action.id for item in due if not item.redelivered),
                    redelivered=tuple(item.action.id for item in due if item.redelivered),
                    playhead=self._timeline.playhead,
                )
            )
        elif moved:
            entries.append(Moved(playhead=self._timeline.playhead))
        if entries:
            await self._log.append(self._session_id, entries, self._fence)

    # --- the log -----------------------------------------------------------------------

    async def follow(self, after: int) -> None:
        """Take in what others write. Runs until cancelled, beside the connection."""
        try:
            async for logged in self._log.follow(self._session_id, after):
                self._read(logged)
        except Exception as exc:  # noqa: BLE001 - the reader of the connection raises it
            self._end = exc
            self._wake.set()

    def _read(self, logged: Logged) -> None:
        match logged.entry:
            case Placed(actions=actions):
                self._withheld.update((action.id, action) for action in actions)
                if self._announced:
                    self._release()
            case Replied(actions=actions):
                self._timeline.add(actions, once=True)
                self._due += self._timeline.actions_due()
            case Withdrawn(ids=ids):
                self._timeline.withdraw(ids)
                for id in ids:
                    self._withheld.pop(id, None)
            case Ready():
                self._ready = True
            case Failed(code=code, message=message):
                self._end = ScriptFailed(code, message)
            case Cancelled():
                cancelled = SessionCancelled()
                self._end = ScriptFailed(cancelled.code, cancelled.message)
            case Joined(connection=connection) if connection > self._fence.number:
                self._end = Replaced()
            case _:
                return
        self._wake.set()

    def _release(self) -> None:
        """Give the Timeline what was placed; withheld until the client knows that it is there."""
        once = announcements(self._withheld.values())
        for is_once, some in groupby(self._withheld.values(), lambda action: action.id in once):
            self._timeline.add(some, once=is_once)
        self._withheld.clear()
        self._due += self._timeline.actions_due()
