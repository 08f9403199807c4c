"""A video to place drafts in, and short ways to write drafts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from watchbuddy_core.actions import (
    Action,
    Density,
    Draft,
    Emotion,
    EndReaction,
    Expression,
    PauseVideo,
    ReplaySegment,
    Seek,
    Speak,
)
from watchbuddy_core.placement import Limits, Placement, Soundtrack, place
from watchbuddy_core.speech import Pace
from watchbuddy_core.video import Cue, Speech, Window

FRESH_LINES = (
    "Lamps glow softly.",
    "Rivers bend south!",
    "Twelve drums beat.",
    "Old maps fade.",
    "Cats prefer milk.",
    "Quiet hills listen.",
    "Bread smells warm.",
    "Kites climb higher.",
    "Green boats drift.",
    "Snow covers rails.",
    "Nine owls blink.",
    "Copper wires hum.",
    "Winter apples taste sour.",
    "Pilots salute.",
    "Mirrors crack.",
    "Jazz fills basements.",
)
"""Lines that have nothing in common."""


TEN_MINUTES = Limits(range_start=0.0, range_end=600.0, duration=600.0)
ORDINARY = Pace()


@dataclass(frozen=True)
class Show:
    """Ten minutes of video, watched in windows of two minutes, with what is said in it."""

    cues: tuple[Cue, ...] = ()
    speech: tuple[Speech, ...] = ()
    limits: Limits = TEN_MINUTES
    density: Density = "normal"
    pace: Pace = ORDINARY
    wish: str = ""
    known: tuple[str, ...] = ()
    window_seconds: float = 120.0

    def saying(self, *cues: tuple[float, float, str]) -> Show:
        return replace(
            self, cues=tuple(Cue(start=start, end=end, text=text) for start, end, text in cues)
        )

    def but(self, **changes: Any) -> Show:
        return replace(self, **changes)

    def window(self, index: int) -> Window:
        start = self.limits.range_start + index * self.window_seconds
        end = min(start + self.window_seconds, self.limits.range_end)
        return Window(index=index, start=start, end=end)

    @property
    def windows(self) -> list[Window]:
        watched = self.limits.range_end - self.limits.range_start
        return [self.window(i) for i in range(-int(-watched // self.window_seconds))]

    def place(
        self,
        *drafts: Draft,
        window: int = 0,
        earlier: Sequence[Action] = (),
        name: Callable[[int], str] | None = None,
    ) -> Placement:
        return place(
            drafts,
            window=self.window(window),
            limits=self.limits,
            soundtrack=Soundtrack(self.cues, (self.wish, *self.known), self.speech),
            referred=self.cues,
            density=self.density,
            earlier=earlier,
            name=name or (lambda i: f"{window}/{i}"),
            pace=self.pace,
            wish=self.wish,
        )

    def place_all(self, drafts: Iterable[Draft]) -> tuple[list[Action], list[Placement]]:
        """Window after window, as a session does it: the script, and each window's part."""
        drafts = list(drafts)
        script: list[Action] = []
        placements = []
        for window in self.windows:
            own = [d for d in drafts if window.start <= d.action.trigger_timestamp < window.end]
            placements.append(self.place(*own, window=window.index, earlier=tuple(script)))
            script += placements[-1].actions
            script.sort(key=lambda action: action.trigger_timestamp)
        return script, placements


class Write:
    """Drafts, in few words."""

    fresh = FRESH_LINES

    def line(self, at: float, text: str = "Lamps glow softly.", **more: Any) -> Draft:
        pause_video = more.pop("pause_video", False)
        return self._draft(Speak(trigger_timestamp=at, text=text, pause_video=pause_video), **more)

    def face(self, at: float, **more: Any) -> Draft:
        return self._draft(Expression(trigger_timestamp=at, emotion=Emotion.JOY), **more)

    def pause(self, at: float, seconds: float = 3.0, **more: Any) -> Draft:
        return self._draft(PauseVideo(trigger_timestamp=at, duration_seconds=seconds), **more)

    def seek(self, at: float, to: float, **more: Any) -> Draft:
        return self._draft(Seek(trigger_timestamp=at, target_timestamp=to), **more)

    def replay(self, at: float, start: float, end: float, **more: Any) -> Draft:
        action = ReplaySegment(trigger_timestamp=at, start_timestamp=start, end_timestamp=end)
        return self._draft(action, **more)

    def ending(self, at: float, **more: Any) -> Draft:
        return self._draft(EndReaction(trigger_timestamp=at), **more)

    def _draft(self, action: Action, **more: Any) -> Draft:
        return Draft(action=action, **more)


@pytest.fixture(scope="session")
def show() -> Show:
    """A video in which nobody says a word."""
    return Show()


@pytest.fixture(scope="session")
def write() -> Write:
    return Write()


@pytest.fixture(scope="session")
def times() -> Callable[[Placement], list[float]]:
    return lambda placement: [action.trigger_timestamp for action in placement.actions]


@pytest.fixture(scope="session")
def reasons() -> Callable[[Placement], list[str]]:
    return lambda placement: [drop.reason for drop in placement.dropped]
