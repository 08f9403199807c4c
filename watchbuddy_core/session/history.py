"""What a session's log says, folded entry by entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import inf
from typing import Literal

from watchbuddy_core.actions import Action, Density, Jump, Speak
from watchbuddy_core.entries import (
    Acked,
    Asked,
    Cancelled,
    Delivered,
    Entry,
    Failed,
    Feedback,
    Heard,
    Interrupted,
    Joined,
    LeftOut,
    Logged,
    Moved,
    Outlined,
    Placed,
    Ready,
    Replied,
    Scripted,
    Spent,
    Stage,
    Usage,
    Wanted,
    Withdrawn,
)
from watchbuddy_core.errors import SessionCancelled
from watchbuddy_core.events import Playhead, TimelineState
from watchbuddy_core.protocols import Exchange, Spoken
from watchbuddy_core.script import SECOND
from watchbuddy_core.speech import Pace, spoken_seconds
from watchbuddy_core.video import Window

SessionState = Literal["preparing", "ready", "failed", "cancelled"]
"""Where a session is. From `ready` on, its script is whole; the last two are the end."""

WATCHED_STEP = 5.0
"""Reports that advance by at most this much, in media seconds, show what was watched."""


class Coverage:
    """Which parts of the video are scripted."""

    def __init__(self) -> None:
        self._windows: dict[int, Window] = {}
        self._placed: set[int] = set()
        self._start, self._end = 0.0, inf
        """The range that is watched, as soon as it is known."""

    def apply(self, entry: Entry) -> None:
        match entry:
            case Stage(start=float(start), end=float(end)):
                self._start, self._end = start, end
            case Scripted(window=window):
                self._windows[window.index] = window
            case Placed(window=index):
                self._placed.add(index)

    @property
    def ranges(self) -> list[tuple[float, float]]:
        """Ascending and apart, in media seconds."""
        return _merged((w.start, w.end) for i, w in self._windows.items() if i in self._placed)

    def includes(self, position: float) -> bool:
        """Whether what is watched at `position`, or next to it, is scripted."""
        within = min(max(position, self._start), self._end)
        return any(start <= within <= end for start, end in self.ranges)


class History:
    """The state of a session, as far as its log tells it.

    Producers read it to go on where an earlier attempt ended, deliverers to take over
    from an older connection, the status to report. Feed it with `apply`.
    """

    def __init__(self, logged: Iterable[Logged] = ()) -> None:
        self.position = 0
        """Of the last entry that was applied."""
        self.stage: Stage | None = None
        self.ready = False
        self.failed: Failed | None = None
        """Why the session ended; also when it was cancelled."""
        self.cancelled = False
        self.connection = 0
        """The number of the newest connection; 0 before the first."""
        self.early_ready = False
        """Whether that one takes the script as it comes."""
        self.heard: dict[int, Heard] = {}
        """By index of the window."""
        self.scripted: dict[int, Scripted] = {}
        """The windows whose drafts are there, by index."""
        self.placed: dict[int, Placed] = {}
        """The windows whose actions are there, by index."""
        self.out_of_date: set[int] = set()
        """Windows with drafts that were placed before the density changed."""
        self.coverage = Coverage()
        self.script: dict[str, Action] = {}
        """The actions that may be sent, by id, in order of placement."""
        self.answers: dict[str, Action] = {}
        """The actions of answers: sent at most once, and no part of the script."""
        self.asked: dict[str, Asked] = {}
        """What the viewer said and has no whole answer to yet, by id of the message."""
        self.replied: str | None = None
        """The last message that has an answer, be it only begun."""
        self.answered: str | None = None
        """The last one that has a whole answer."""
        self._begun: tuple[Action, ...] = ()
        self._talk: list[tuple[Asked | None, tuple[str, ...]]] = []
        """What was said between them: the viewer's words, or the ids of a part of an answer."""
        self.dropped_answers: Counter[str] = Counter()
        self.withdrawn: set[str] = set()
        self.spent: list[Spent] = []
        """The model calls, in order."""
        self.outlined: Outlined | None = None
        self.wanted: Wanted | None = None
        self.feedback: Feedback | None = None
        self.audible: Density | None = None
        """The last density that was asked for and is not `muted`."""
        self.watched: list[tuple[float, float]] = []
        """The intervals of media seconds that were played, ascending and disjoint."""
        self._playhead = Playhead()
        self._reported = 0
        """Where the playhead has come to since, by reports that made nothing due; in µs."""
        self._fired: dict[str, int] = {}
        self._acked: dict[str, int] = {}
        self._completions: dict[str, Acked] = {}
        """What the client told of each action last."""
        self.left_out: Counter[str] = Counter()
        """How many actions were due and not sent, by reason."""
        self.pace = Pace()
        """Of the voice that says the lines, as far as it was timed."""
        self._acks = False
        """Whether the client reports completions at all."""
        self._watched_to: float | None = None
        for item in logged:
            self.apply(item.position, item.entry)

    def apply(self, position: int, entry: Entry) -> None:
        """Take in the entry at this position of the log."""
        self.position = position
        self.coverage.apply(entry)
        match entry:
            case Stage():
                self.stage = entry
            case Failed():
                self.failed = entry
            case Cancelled(message=message):
                self.cancelled = True
                reason = SessionCancelled(message) if message else SessionCancelled()
                self.failed = Failed(code=reason.code, message=reason.message)
            case Ready():
                self.ready = True
            case Heard():
                self.heard[entry.window.index] = entry
            case Scripted():
                self.scripted[entry.window.index] = entry
            case Placed():
                self.placed[entry.window] = entry
                self.out_of_date.discard(entry.window)
                self._take(entry.actions)
            case Spent():
                self.spent.append(entry)
            case Outlined():
                self.outlined = entry
            case Asked():
                self.asked[entry.message_id] = entry
                self._talk.append((entry, ()))
            case Replied():
                self._take_answer(entry)
            case Interrupted():
                self.asked.clear()
                self.withdrawn.update(id for id in self.answers if id not in self._fired)
            case LeftOut():
                self.left_out[entry.reason] += len(entry.ids)
            case Withdrawn():
                self._withdraw(entry.ids)
            case Joined():
                self.connection, self.early_ready = entry.connection, entry.early_ready
            case Wanted():
                self.wanted = entry
                self._play_to(entry.position, moved=entry.moved)
                if not entry.moved:
                    self._reported = round(entry.position * SECOND)
            case Delivered():
                ids = (*entry.ids, *entry.redelivered)
                self._fired.update(dict.fromkeys(ids, entry.playhead.epoch))
                self._place_answers(entry)
                for id in ids:  # what was acknowledged before was an earlier pass
                    self._acked.pop(id, None)
                self._move(entry.playhead)
            case Moved():
                self._move(entry.playhead)
            case Acked():
                self._keep_performed(entry.action_id)
                self._acked[entry.action_id] = self._playhead.epoch
                self._completions[entry.action_id] = entry
                self._time(entry)
                self._acks = True
            case Feedback():
                self.feedback = entry
                self.audible = entry.density if entry.density != "muted" else self.audible
                self.out_of_date.update(i for i in self.placed if self._has_drafts(i))

    def _has_drafts(self, window: int) -> bool:
        return window in self.scripted and bool(self.scripted[window].drafts)

    def _take(self, actions: Iterable[Action]) -> None:
        """What was sent stays as it was sent, even if it was placed anew at that moment."""
        for action in actions:
            if action.id not in self._fired or action.id not in self.script:
                self.script[action.id] = action
                self.withdrawn.discard(action.id)

    def _take_answer(self, entry: Replied) -> None:
        """An answer is to all that was said before it, too."""
        self.answers.update((action.id, action) for action in entry.actions)
        self._talk.append((None, tuple(action.id for action in entry.actions)))
        self.dropped_answers.update(drop.reason for drop in entry.dropped)
        self._begun = (*self.begun, *entry.actions)
        self.replied = entry.message_id
        self.answered = entry.message_id if entry.finished else self.answered
        if entry.finished and entry.message_id in self.asked:
            answered = list(self.asked)
            for id in answered[: answered.index(entry.message_id) + 1]:
                del self.asked[id]

    def _place_answers(self, entry: Delivered) -> None:
        """An answer is where the viewer was when it was sent, and not when they asked."""
        head = entry.playhead.head
        for id, lateness in zip(entry.ids, entry.lateness, strict=False):
            if id in self.answers and head is not None:
                at = {"trigger_timestamp": round(max(head / SECOND - lateness, 0.0), 3)}
                self.answers[id] = self.answers[id].model_copy(update=at)

    def _time(self, entry: Acked) -> None:
        line = self.script.get(entry.action_id) or self.answers.get(entry.action_id)
        if isinstance(line, Speak) and entry.seconds is not None:
            self.pace = self.pace.corrected_by(spoken_seconds(line.text), entry.seconds)

    def _withdraw(self, ids: Iterable[str]) -> None:
        for id in ids:
            if id not in self._fired:
                self.withdrawn.add(id)
                self.script.pop(id, None)

    def _move(self, playhead: Playhead) -> None:
        self._playhead, self._reported = playhead, 0
        for id in playhead.resend:
            self._fired.pop(id, None)

    def _keep_performed(self, id: str) -> None:
        """What an older connection was sent ahead was performed after all, if it is completed."""
        resend = self._playhead.resend
        if id in resend:
            self._fired[id] = self._playhead.epoch
            left = tuple(other for other in resend if other != id)
            self._playhead = self._playhead.model_copy(update={"resend": left})

    def _play_to(self, position: float, *, moved: bool) -> None:
        since, self._watched_to = self._watched_to, position
        if moved or since is None or not 0.0 <= position - since <= WATCHED_STEP:
            return
        self.watched = _merged([*self.watched, (since, position)])

    @property
    def timeline(self) -> TimelineState:
        """What the deliverer's Timeline goes on from."""
        jump = self._playhead.jump
        open_jump = jump.action_id if jump is not None else None
        unacked = tuple(
            id
            for id, epoch in self._fired.items()
            if epoch == self._playhead.epoch
            and self._acked.get(id) != epoch
            and (id == open_jump or not self._is_jump(id))
        )
        playhead = self._playhead
        if playhead.head is not None and self._reported > playhead.head:
            playhead = playhead.model_copy(update={"head": self._reported})
        if self._acks and not playhead.acks:
            playhead = playhead.model_copy(update={"acks": True})
        return TimelineState(playhead=playhead, fired=self._fired, unacked=unacked)

    def was_sent(self, id: str) -> bool:
        """Whether the action has gone out, and cannot be taken back."""
        return id in self._fired

    @property
    def is_unfinished(self) -> bool:
        """Whether there is work for a producer."""
        return self.failed is None and (
            not self.ready or bool(self.out_of_date) or bool(self.asked)
        )

    @property
    def state(self) -> SessionState:
        """How far the session is. ready: the whole range is scripted."""
        if self.cancelled:
            return "cancelled"
        if self.failed is not None:
            return "failed"
        return "ready" if self.ready else "preparing"

    @property
    def usage(self) -> Usage:
        """Of all model calls."""
        return sum((one.usage for one in self.spent), Usage())

    def usage_of(self, window: int) -> Usage:
        """Of the calls for one window."""
        return sum((one.usage for one in self.spent if one.window == window), Usage())

    @property
    def drops(self) -> Counter[str]:
        """How many drafts were not kept, by reason."""
        placed = Counter(drop.reason for one in self.placed.values() for drop in one.dropped)
        return placed + self.dropped_answers + self.left_out

    # --- the conversation --------------------------------------------------------------

    def heard_of(self, id: str) -> str | None:
        """What the viewer has heard of a line. None: nothing, or nobody knows.

        A client that tells of no line how it ended is believed to say all that it is sent.
        """
        line = self.script.get(id) or self.answers.get(id)
        if not isinstance(line, Speak) or id not in self._fired:
            return None
        told = self._completions.get(id)
        if told is None:
            return None if self._acks else line.text
        match told.outcome:
            case "skipped":
                return None
            case "interrupted":
                return told.heard_text or None
            case _:
                return line.text

    @property
    def lines_heard(self) -> list[Spoken]:
        """The lines of the script that the viewer has heard, in the order of sending."""
        heard = ((id, self.heard_of(id)) for id in self._fired if id in self.script)
        return [
            Spoken(trigger_timestamp=self.script[id].trigger_timestamp, text=text)
            for id, text in heard
            if text is not None
        ]

    @property
    def turn(self) -> tuple[Asked, ...]:
        """What the next answer is to: all that was said since the last one, or what the answer
        is to that has begun and is not whole."""
        asked = tuple(self.asked.values())
        if self.replied not in self.asked:
            return asked
        return asked[: list(self.asked).index(self.replied) + 1]

    @property
    def begun(self) -> tuple[Action, ...]:
        """What stands of an answer that is not whole; nothing, where the next has not begun."""
        return self._begun if self.replied in self.asked else ()

    @property
    def talk(self) -> list[Exchange]:
        """What viewer and companion have said to each other, the oldest first, but for what has
        no whole answer yet."""
        talk: list[Exchange] = []
        begun = {action.id for action in self.begun}
        for asked, answer in self._talk:
            if begun.intersection(answer):
                continue
            if asked is not None and asked.message_id not in self.asked:
                talk.append(Exchange(who="viewer", text=asked.text))
            lines = filter(None, map(self.heard_of, answer))
            talk += (Exchange(who="companion", text=line) for line in lines)
        return talk

    def _is_jump(self, id: str) -> bool:
        return isinstance(self.script.get(id) or self.answers.get(id), Jump)


def _merged(intervals: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def announcements(actions: Iterable[Action]) -> set[str]:
    """The ids of the lines that announce a jump: those at its instant.

    A jump is made once per session, so what announces it is said only once as well.
    """
    actions = list(actions)
    jumps = {action.trigger_timestamp for action in actions if isinstance(action, Jump)}
    return {
        action.id
        for action in actions
        if isinstance(action, Speak) and action.trigger_timestamp in jumps
    }
