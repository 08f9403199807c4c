"""How long a client takes to say a line."""

from __future__ import annotations

from dataclasses import dataclass

from watchbuddy_core.actions import Speak
from watchbuddy_core.events import ActionCompleted, Due, TimestampUpdate
from watchbuddy_core.speech import is_reading, spoken_seconds


@dataclass(slots=True)
class _Line:
    spoken: Speak
    is_undisturbed: bool
    began: float | None
    """Monotonic seconds. None: the client holds it until its playhead gets there."""


class LineClock:
    """Times the lines of one connection, as long as nothing disturbs them.

    Tell it everything in the order in which it happens; `now` is in monotonic seconds. A line
    is timed from when it is sent, or from when the playhead reaches it where that is later,
    to its completion. Clients say one line after another: one that is sent while another is
    outstanding may have to wait for its turn, and is not timed.
    """

    def __init__(self) -> None:
        self._outstanding: dict[str, _Line] = {}
        """Sent and not completed, in the order of sending."""
        self._reported_at = 0.0

    def send(self, due: Due, *, now: float | None, position: float | None) -> None:
        """The action goes out. `now` is None where nobody knows what time it is."""
        line = due.action
        if isinstance(line, Speak):
            is_reached = position is not None and position >= line.trigger_timestamp
            is_first = now is not None and not due.redelivered and not self._outstanding
            self._outstanding[line.id] = _Line(line, is_first, now if is_reached else None)

    def report(self, event: TimestampUpdate, *, now: float, position: float | None) -> None:
        """The player has told where it is, which made the playhead's position this one.

        While the video is paused, a voice may be as well.
        """
        if position is None:
            return
        for line in self._outstanding.values():
            played_since = position - line.spoken.trigger_timestamp
            if line.began is None and played_since >= 0.0:
                line.began = max(self._reported_at, now - played_since / (event.playback_rate or 1))
            elif line.began is not None and event.paused and not line.spoken.pause_video:
                line.is_undisturbed = False
        self._reported_at = now

    def disturb(self) -> None:
        """Something came in between: what is outstanding says nothing about the voice."""
        for line in self._outstanding.values():
            line.is_undisturbed = False

    def complete(self, event: ActionCompleted, *, now: float) -> float | None:
        """The seconds that the line took; None, where they are no reading of it."""
        line = self._outstanding.get(event.action_id)
        if line is None:
            return None
        # What was sent before it has been said before it, whether or not the client told.
        for id in list(self._outstanding):
            del self._outstanding[id]
            if id == event.action_id:
                break
        is_whole = event.outcome in (None, "done")
        if line.began is None or not (line.is_undisturbed and is_whole):
            return None
        seconds = now - line.began
        return seconds if is_reading(spoken_seconds(line.spoken.text), seconds) else None
