"""One connection's side of a session: what its player says in, what it is to be sent out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import groupby
from secrets import token_hex

from watchbuddy_core.actions import Action, Density, EndReaction, Expression, Jump, Speak
from watchbuddy_core.entries import (
    Acked,
    Asked,
    Cancelled,
    Delivered,
    Entry,
    Failed,
    Feedback,
    FeedbackWish,
    Fence,
    Interrupted,
    Joined,
    LeftOut,
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
    Skipped,
    TimestampUpdate,
)
from watchbuddy_core.session.history import WATCHED_STEP, History, announcements
from watchbuddy_core.session.line_clock import LineClock
from watchbuddy_core.session.outgoing import (
    DensityChanged,
    JobWanted,
    Outgoing,
    Replaced,
    ReplyFinished,
    ReplyStarted,
    ScriptFailed,
    ScriptReady,
    StopSpeaking,
)
from watchbuddy_core.session.reporting import Reporter
from watchbuddy_core.session.windows import AHEAD
from watchbuddy_core.speech import spoken_seconds
from watchbuddy_core.storage import ProgressReport, SessionLog
from watchbuddy_core.timeline import Timeline

_WANTED_SECONDS = 1.0
"""`wanted` is written at most this often, in monotonic seconds."""
_PROGRESS_SECONDS = 0.25
"""From one report of the preparation to the next."""
_MOST_ACKS_WAITING = 256
_MOST_ANSWERS_WAITING = 64
_LESS: dict[Density, Density] = {
    "chatty": "normal",
    "normal": "quiet",
    "quiet": "quiet",
    "muted": "muted",
}
_MORE: dict[Density, Density] = {
    "muted": "quiet",
    "quiet": "normal",
    "normal": "chatty",
    "chatty": "chatty",
}


class _SpokenAnswer:
    """The answer that is being spoken, if one is."""

    def __init__(self) -> None:
        self._lines: dict[str, float] = {}
        """By id of a line that was sent: how long it takes, in seconds."""
        self._until: float | None = None
        """Monotonic seconds. None: nobody has said what time it is since the last line."""

    def begin(self, line: Speak) -> None:
        self._lines[line.id] = spoken_seconds(line.text)
        self._until = None

    def complete(self, id: str) -> None:
        self._lines.pop(id, None)

    def stop(self) -> None:
        self._lines.clear()

    def pass_to(self, now: float) -> None:
        """Lines whose end nobody reports are over when they should be."""
        if self._until is None:
            self._until = now + sum(self._lines.values())
        elif now >= self._until:
            self._lines.clear()

    def __bool__(self) -> bool:
        return bool(self._lines)


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

    Call `receive` for everything the player says, `feed_back` for what the viewer wants,
    and iterate for what is to be sent. What is yielded stands in the log already, so another
    connection can go on from it. All are for one event loop; only iterating waits.

    Args:
        timeline: holds the script, if it is ready for this connection.
        early_ready: ready means that the script is there where the playhead is.
        reporter: where the connection is told more than its actions.
        chat: whether the connection is told where an answer begins and ends.
        density: what is in force.
        loudest: what it goes back to when the viewer unmutes.
    """

    def __init__(
        self,
        session_id: str,
        *,
        log: SessionLog,
        fence: Fence,
        history: History,
        timeline: Timeline,
        is_ready: bool,
        early_ready: bool = False,
        reporter: Reporter | None = None,
        chat: bool = False,
        density: Density = "normal",
        loudest: Density = "normal",
    ) -> None:
        self._session_id = session_id
        self._log = log
        self._fence = fence
        self._timeline = timeline
        self._is_complete = history.ready
        self.was_unfinished = history.is_unfinished
        """Whether there was work for a producer when the connection was made."""
        self._coverage = history.coverage
        self._early_ready = early_ready
        self._reporter = reporter
        self._chat = chat
        self._density = density
        self._loudest: Density = "normal" if loudest == "muted" else loudest
        self._announced = False
        self._withheld: dict[str, Action] = {} if is_ready else dict(history.script)
        self._known_answers = set(history.answers)
        self._waiting_answers: list[Action] = [
            action
            for action in history.answers.values()
            if not history.was_sent(action.id) and action.id not in history.withdrawn
        ]
        """Those that nobody was sent yet: they belong where the viewer is, wherever that is."""
        self._replied = history.replied
        self._started: str | None = None
        """The last message of which this connection knows that its answer has begun."""
        self._finishing = [] if history.answered is None else [history.answered]
        """The messages whose answers are whole, and may not have been sent to the end; the last
        one at first, since nobody knows whether an older connection was told in time."""
        self._answering = _SpokenAnswer()
        self._line_clock = LineClock()
        self._is_new = True
        """Nothing has been heard of the player yet: the position is that of an older connection."""
        self._end: ScriptFailed | Replaced | Exception | None = None
        if history.failed is not None:
            self._end = ScriptFailed(history.failed.code, history.failed.message)

        self._inbox = _Inbox()
        self._sending = False
        self._wake = asyncio.Event()
        self._wake.set()
        self._due: list[Due | ReplyStarted | ReplyFinished] = []
        """What is to be sent now, in order, with what frames an answer."""
        self._waiting_since: float | None = None
        self.due_since: float | None = None
        """When the player said what has made due what is yielded now, in monotonic seconds.
        None: it was not the player that did."""
        self._answers: list[DensityChanged | ProgressReport | StopSpeaking | JobWanted] = []
        self._to_log: list[Entry] = []
        self._to_log_behind: list[Entry] = []
        """What belongs behind the entry that tells of what is due."""
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
        self._answering.pass_to(now)
        if isinstance(event, TimestampUpdate):
            self._line_clock.report(event, now=now, position=timeline.position)
        if timeline.moves != moves:
            self._line_clock.disturb()
        if self._is_new and isinstance(event, TimestampUpdate | SeekUpdate):
            self._is_new = False
            self._release()
        elif self._waiting_answers and not self._is_new:
            self._place_answers()
        due = self._take_due(now)
        if due and self._waiting_since is None:
            self._waiting_since = now
        moved = timeline.moves != moves
        if moved:
            self._completed.clear()
        if isinstance(event, ActionCompleted):
            self._note_completed(event, now)
        elif isinstance(event, TimestampUpdate | SeekUpdate):
            self._note_wanted(event, moved, now)
        if due or moved or self._due or self._to_log or (self._early_ready and not self._announced):
            self._wake.set()

    def _take_due(self, now: float | None = None) -> bool:
        """Whether anything is due. While it is muted, the companion makes faces and no more:
        at once, whatever was placed before."""
        due = [item for item in self._timeline.actions_due() if not self._is_unwanted(item)]
        talked_over: list[str] = []
        for item in due:
            action = item.action
            if isinstance(action, Speak) and action.id in self._known_answers:
                self._answering.begin(action)
            elif isinstance(action, Speak) and self._answering:
                talked_over.append(action.id)
                continue
            self._due.append(item)
            self._line_clock.send(item, now=now, position=self._timeline.position)
        if talked_over:
            self._to_log.append(LeftOut(ids=tuple(talked_over), reason="answering"))
        self._finish_replies()
        return bool(due)

    def _is_unwanted(self, item: Due | ReplyStarted | ReplyFinished) -> bool:
        """While it is muted, the companion makes faces, and answers who talks to it."""
        if not isinstance(item, Due):
            return False
        action = item.action
        is_loud = not isinstance(action, Expression | EndReaction)
        return self._density == "muted" and is_loud and action.id not in self._known_answers

    def drain_skipped(self) -> list[Skipped]:
        """What was not sent when its time came, since the last call; see Timeline."""
        return self._timeline.drain_skipped()

    # --- the conversation --------------------------------------------------------------

    def ask(self, text: str) -> None:
        """Take in what the viewer says to the companion.

        The session's job answers: JobWanted says when to see to it that it runs. Of what
        nobody answers, no more than so much is taken.
        """
        if len(self._answers) >= _MOST_ANSWERS_WAITING:
            return
        position = self._timeline.position
        if position is not None:
            # What they have seen by now is what the answer may rest on.
            self._want(position, self._wanted_paused)
        asked = Asked(message_id=f"msg_{token_hex(6)}", text=text, position=position or 0.0)
        self._to_log.append(asked)
        self._answers.append(JobWanted())
        self._wake.set()

    def interrupt(self) -> None:
        """Take in that the viewer wants to hear no more of an answer, or of what is due.

        The answer is StopSpeaking, at once.
        """
        self._due = [
            item
            for item in self._due
            if not isinstance(item, Due)
            or not (isinstance(item.action, Speak) or item.action.id in self._known_answers)
        ]
        self._timeline.withdraw(self._known_answers)
        self._waiting_answers.clear()
        self._answering.stop()
        self._line_clock.disturb()
        self._finish_replies()
        self._to_log.append(Interrupted())
        if len(self._answers) < _MOST_ANSWERS_WAITING:
            self._answers.append(StopSpeaking())
        self._wake.set()

    def _take_answer(self, replied: Replied) -> None:
        """A part of an answer: it belongs where the viewer is now, or where a jump leads them."""
        self._start_reply(replied.message_id)
        self._known_answers.update(action.id for action in replied.actions)
        self._waiting_answers += replied.actions
        if not self._is_new or self._timeline.position is None:
            self._place_answers()
        if replied.finished:
            self._finishing.append(replied.message_id)
        self._take_due()

    def _start_reply(self, message_id: str) -> None:
        if message_id != self._started and self._chat:
            self._due.append(ReplyStarted(message_id))
        self._started = message_id

    def _place_answers(self) -> None:
        """Where the viewer is now; before they have begun to play, at once as well."""
        if self._timeline.playhead.jump is not None:
            return
        actions, self._waiting_answers = self._waiting_answers, []
        position = self._timeline.position
        if position is None:
            self._due += map(Due, actions)
            return
        at = {"trigger_timestamp": round(position, 3)}
        self._timeline.add((action.model_copy(update=at) for action in actions), once=True)

    def _finish_replies(self) -> None:
        """An answer is over when all of it has been sent. A jump, or a player of which nothing
        was heard since it is connected, may keep it waiting."""
        is_held = bool(self._waiting_answers) or self._timeline.playhead.jump is not None
        if not is_held or all(map(self._timeline.was_sent, self._known_answers)):
            if self._chat:
                self._due += map(ReplyFinished, self._finishing)
            self._finishing.clear()

    # --- what the viewer wants ---------------------------------------------------------

    def feed_back(self, wish: FeedbackWish) -> None:
        """Take in that the viewer wants more of the companion, or less.

        The answer is DensityChanged. Muting is at once; for anything else the session's job
        places anew what was not sent: JobWanted says when to see to it that it runs.
        """
        if len(self._answers) >= _MOST_ANSWERS_WAITING:
            return  # nobody reads them
        density = self._density_after(wish)
        if density != self._density:
            self._density = density
            self._due = [item for item in self._due if not self._is_unwanted(item)]
            self._to_log.append(Feedback(wish=wish, density=density))
            self._answers.append(JobWanted())
        self._answers.append(DensityChanged(density))
        self._wake.set()

    def _density_after(self, wish: FeedbackWish) -> Density:
        if self._density != "muted":
            self._loudest = self._density
        match wish:
            case "mute":
                return "muted"
            case "unmute":
                return self._loudest
            case "less":
                return _LESS[self._density]
            case "more":
                return _MORE[self._density]

    def _note_completed(self, event: ActionCompleted, now: float) -> None:
        id = event.action_id
        seconds = self._line_clock.complete(event, now=now)
        was_sent = self._timeline.was_sent(id) or id in self._known_answers
        if was_sent and id not in self._completed:
            self._completed.add(event.action_id)
            self._answering.complete(event.action_id)
            is_due = any(isinstance(item, Due) and item.action.id == id for item in self._due)
            (self._to_log_behind if is_due else self._to_log).append(
                Acked(
                    action_id=event.action_id,
                    outcome=event.outcome,
                    heard_text=event.heard_text,
                    seconds=seconds,
                )
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
            self._wanted_at = now
            self._want(position, paused, moved=moved)

    def _want(self, position: float, paused: bool | None, *, moved: bool = False) -> None:
        self._wanted_position, self._wanted_paused = position, paused
        ahead = AHEAD if self._early_ready else None
        self._to_log.append(Wanted(position=position, moved=moved, paused=paused, ahead=ahead))

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
            becomes_ready = not self._announced and self._end is None and self._is_ready()
            if becomes_ready:
                self._announced = True
                self._release()
            due, self._due = self._due, []
            self.due_since, self._waiting_since = self._waiting_since, None
            answers, self._answers = self._answers, []
            try:
                await self._write([item for item in due if isinstance(item, Due)])
            except StaleFence:
                yield Replaced()
                return
            for answer in answers:
                yield answer
            if self._reporter is not None:
                for news in self._reporter.take_news():
                    yield news
            if becomes_ready:
                yield ScriptReady()
            for item in due:
                if not self._is_left_behind(item):
                    yield item
            if isinstance(self._end, Exception):
                raise self._end
            if self._end is not None:
                yield self._end
                return
            self._sending = False
            late = self._inbox.take()
            if late:  # what was outstanding may have reached the client late
                self._line_clock.disturb()
            for event, now in late:
                self._take_in(event, now)
            if late:  # what they made due is sent later than they came
                self._line_clock.disturb()

    def _is_left_behind(self, item: Due | ReplyStarted | ReplyFinished) -> bool:
        """Whether the player is elsewhere since it waited to be written, or for the client.

        Where the user has sought to, it is due when it is played over. A client lets go of what
        crosses its seek, but only for a moment, and the log may have been away for long. A jump
        is not made any more, nor is one for which nobody waits: the player has played on.
        """
        if not isinstance(item, Due):
            return False
        action, seek, report = item.action, self._inbox.seek, self._inbox.report
        sought = seek is not None and seek[0].cause != "action"
        if isinstance(action, Jump):
            is_late = report is not None and self._timeline.gives_up(
                action.id, report[0], now=report[1]
            )
            return sought or is_late
        return sought and self._timeline.comes_again(action.id)

    def _is_ready(self) -> bool:
        if self._is_complete or not self._early_ready:
            return self._is_complete
        return self._coverage.includes(self._timeline.position or 0.0)

    async def _write(self, due: list[Due]) -> None:
        """What is sent must stand in the log first."""
        entries, self._to_log = self._to_log, []
        moved = self._timeline.moves != self._moves_logged
        self._moves_logged = self._timeline.moves
        if due:
            position = self._timeline.position or 0.0
            first = [item.action for item in due if not item.redelivered]
            entries.append(
                Delivered(
                    ids=tuple(action.id for action in first),
                    lateness=tuple(
                        round(max(0.0, position - action.trigger_timestamp), 3) for action in first
                    ),
                    redelivered=tuple(item.action.id for item in due if item.redelivered),
                    playhead=self._timeline.playhead,
                )
            )
        elif moved:
            entries.append(Moved(playhead=self._timeline.playhead))
        entries += self._to_log_behind
        self._to_log_behind = []
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

    async def report(self, reports: AsyncIterator[ProgressReport]) -> None:
        """Tell how far the preparation is, until it is ready. Runs until cancelled."""
        try:
            async for report in reports:
                if self._announced:
                    return
                self._answers.append(report)
                self._wake.set()
                await asyncio.sleep(_PROGRESS_SECONDS)
        except Exception as exc:  # noqa: BLE001 - the reader of the connection raises it
            self._end = exc
            self._wake.set()

    def _read(self, logged: Logged) -> None:
        entry = logged.entry
        self._coverage.apply(entry)
        if self._reporter is not None and self._reporter.read(entry):
            self._wake.set()
        match entry:
            case Placed(actions=actions):
                self._withheld.update((action.id, action) for action in actions)
                if self._announced:
                    self._release()
            case Replied():
                self._take_answer(entry)
            case Withdrawn(ids=ids):
                self._timeline.withdraw(ids)
                for id in ids:
                    self._withheld.pop(id, None)
            case Ready():
                self._is_complete = True
            case Failed(code=code, message=message):
                self._end = ScriptFailed(code, message)
            case Cancelled(message=message):
                cancelled = SessionCancelled(message) if message else SessionCancelled()
                self._end = ScriptFailed(cancelled.code, cancelled.message)
            case Joined(connection=connection) if connection > self._fence.number:
                self._end = Replaced()
            case _:
                return
        self._wake.set()

    def _release(self) -> None:
        """Give the Timeline what was placed.

        It is withheld until the client knows that it is there; and where an older connection
        has played already, until the new one has said where it is.
        """
        if not self._announced or (self._is_new and self._timeline.position is not None):
            return
        if self._waiting_answers and self._replied is not None:
            self._start_reply(self._replied)
        self._place_answers()
        once = announcements(self._withheld.values())
        for is_once, some in groupby(self._withheld.values(), lambda action: action.id in once):
            self._timeline.add(some, once=is_once)
        self._withheld.clear()
        self._take_due()
