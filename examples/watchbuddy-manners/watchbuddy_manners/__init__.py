"""A scheduler for AI Watch Buddy that does not interrupt its viewer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from watchbuddy_core import (
    Action,
    Due,
    PlayerEvent,
    ReplaySegment,
    Seek,
    Speak,
    Timeline,
)


class _Waiting(NamedTuple):
    due: Due
    since: float
    """Monotonic seconds."""


class MannerlyScheduler:
    """A Timeline whose lines wait while the viewer talks.

    Performs no I/O and reads no clock. What it does not decide itself, its Timeline does:
    nothing comes early, and nothing twice.

    A line that had to wait for longer than its patience is left out: nobody knows any more
    what it was about. So is one whose place was left meanwhile, by a seek or a jump. Faces,
    pauses and jumps interrupt nobody, and do not wait.

    Args:
        patience: how long a line may wait, in monotonic seconds.
    """

    def __init__(self, patience: float = 6.0) -> None:
        self._timeline = Timeline()
        self._patience = patience
        self._now = 0.0
        self._viewer_talks = False
        self._waiting: list[_Waiting] = []

    def viewer_talks(self, talks: bool, *, now: float) -> None:
        """The viewer begins to talk, or has ended; then see what is due."""
        self._viewer_talks = talks
        self._now = now

    # --- the contract ----------------------------------------------------------------------

    def add(self, actions: Iterable[Action], *, once: bool = False) -> None:
        self._timeline.add(actions, once=once)

    def withdraw(self, ids: Iterable[str]) -> None:
        withdrawn = set(ids)
        self._timeline.withdraw(withdrawn)
        self._waiting = [one for one in self._waiting if one.due.action.id not in withdrawn]

    def receive(self, event: PlayerEvent, *, now: float) -> None:
        epoch = self._epoch
        self._timeline.receive(event, now=now)
        self._now = now
        if self._epoch != epoch:  # the viewer has sought; what belongs there comes again
            self._waiting.clear()

    def actions_due(self) -> list[Due]:
        due = self._spoken()
        for one in self._timeline.actions_due():
            if isinstance(one.action, Speak):
                self._waiting.append(_Waiting(one, self._now))
                due += self._spoken()
                continue
            if isinstance(one.action, Seek | ReplaySegment):
                self._waiting.clear()
            due.append(one)
        return due

    # --- its policy ------------------------------------------------------------------------

    def _spoken(self) -> list[Due]:
        """The lines that may be said now."""
        if self._viewer_talks:
            return []
        waiting, self._waiting = self._waiting, []
        return [one.due for one in waiting if self._now - one.since <= self._patience]

    @property
    def _epoch(self) -> int:
        return self._timeline.playhead.epoch
