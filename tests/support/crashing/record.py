"""How somebody watches, and what they have met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

from watchbuddy_core.actions import Action, EndReaction, Jump, Speak

SURE_SECONDS = 2.0
"""A connection that held for so long has had its reports taken in, and answered, also by a
machine that has much else to do."""
RATE = 1.0
"""Media seconds that are played in a second. Faster, less time is left for being late: a server
whose machine has much else to do would leave out what it may."""
AHEAD = 2.0
"""Media seconds by which a client with `hold` is sent things ahead."""
_LINGER_SECONDS = 2.0
"""How long a viewer stays, and is connected, after the end and the companion's goodbye."""
_MOST_LINGER_SECONDS = 15.0
"""And how long at the most, where there is none, or no answer to what may have been heard."""
_AWAITS_ANSWER_SECONDS = 60.0
"""And for an answer to what was surely heard."""
_FINAL = 4000
"""Codes from here on close a connection for good."""

Key = tuple[int, str, float, str]
"""An action in one pass, by what it is: ids differ from session to session."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How somebody watches. Places are media seconds from the start."""

    name: str
    features: str | None = None
    """What is asked for in the address. None: nothing, as a client of the API document does."""
    completes: bool = False
    """Whether it tells what it is through with."""
    tells_landings: bool = False
    """Whether it tells that a jump has landed. Who does not is seen where it has landed."""
    seeks: tuple[tuple[float, float], ...] = ()
    """From where to where the user seeks."""
    wish: str = ""
    """For what the companion does besides talking; see `JUMPS`."""
    says: tuple[float, str] | None = None
    """Where the viewer says something to the companion, and what."""
    mutes: float | None = None
    """Where the viewer has heard enough."""

    @property
    def holds(self) -> bool:
        return "hold" in (self.features or "")


@dataclass(frozen=True, slots=True)
class Met:
    """An action, where it was met."""

    action: Action
    at: float
    """Monotonic seconds."""
    position: float
    """Media seconds."""
    number: int
    """Of the pass: grows with each seek of the user."""
    connection: int

    @property
    def key(self) -> Key:
        """A jump is made once, in whichever pass."""
        return key_of(self.action, 0 if isinstance(self.action, Jump) else self.number)

    @property
    def is_answer(self) -> bool:
        """Whether it answers what the viewer said: then it is where they were, at any time."""
        return self.action.comment == "an answer"


def key_of(action: Action, number: int) -> Key:
    """What it is called in a pass of this number."""
    said = action.text if isinstance(action, Speak) else ""
    return (number, action.action_type, action.trigger_timestamp, said)


@dataclass(slots=True)
class Connected:
    """While there was a connection, in monotonic seconds."""

    opened: float
    closed: float | None = None
    code: int | None = None
    """With which the server has closed it. None: it has not, or was gone without a word."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Playing on, from where the player was moved to."""

    since: float
    """Monotonic seconds."""
    position: float
    """Media seconds."""
    seen: float = 0.0
    """How far its pass had got before, in media seconds."""

    def reached_at(self, position: float) -> float:
        return self.since + (position - self.position) / RATE


@dataclass(slots=True)
class Pass:
    """All stretches up to a seek of the user: the companion's jumps begin no new pass."""

    stretches: list[Stretch]
    until: float | None = None

    @property
    def since(self) -> float:
        return self.stretches[0].since

    @property
    def position(self) -> float:
        """Where it began, in media seconds."""
        return self.stretches[0].position

    def position_at(self, now: float) -> float:
        last = self.stretches[-1]
        return last.position + (now - last.since) * RATE

    def seen_at(self, now: float) -> float:
        """How far it had got when the companion last jumped."""
        return max((one.seen for one in self.stretches if one.since <= now), default=0.0)

    def reached_at(self, position: float) -> float:
        """When it was played over first."""
        for one, other in pairwise(self.stretches):
            if (at := one.reached_at(position)) < other.since:
                return at
        return self.stretches[-1].reached_at(position)


@dataclass(slots=True)
class Record:
    """All that a viewer has met."""

    arrived: list[Met] = field(default_factory=list)
    begun: list[Met] = field(default_factory=list)
    crossed: list[Met] = field(default_factory=list)
    """What was on its way when the user sought, and was let go of."""
    connections: list[Connected] = field(default_factory=list)
    passes: list[Pass] = field(default_factory=list)
    covered: list[tuple[float, Sequence[tuple[float, float]]]] = field(default_factory=list)
    """When more was known to be scripted, and what."""
    said: dict[str, float] = field(default_factory=dict)
    """What the viewer said to the companion, and when it was sent, in monotonic seconds."""
    answering: set[str] = field(default_factory=set)
    """The messages whose answers have begun, as far as was told."""
    answered: set[str] = field(default_factory=set)
    """The messages whose answers are over, likewise."""
    wants_silence: bool = False
    muted_at: float | None = None
    """When the server said that it heeds that wish, in monotonic seconds."""
    faults: list[str] = field(default_factory=list)

    @property
    def is_turned_away(self) -> bool:
        """Whether a server wants to see no more of the viewer."""
        return any((one.code or 0) >= _FINAL for one in self.connections)

    def is_over(self, seconds: float) -> bool:
        """Whether a viewer leaves who has been at the end, and connected, for so long."""
        return seconds >= self._patience

    @property
    def _patience(self) -> float:
        unanswered = len(self.said) - len(self.answered)
        is_heard = not all(map(self.may_be_lost, self.said)) or not self.answering <= self.answered
        if (unanswered and is_heard) or (self.wants_silence and self.muted_at is None):
            return _AWAITS_ANSWER_SECONDS
        number = len(self.passes) - 1
        is_said = any(
            isinstance(met.action, EndReaction) and met.number == number for met in self.begun
        )
        return _LINGER_SECONDS if is_said and not unanswered else _MOST_LINGER_SECONDS

    def may_be_lost(self, text: str) -> bool:
        """Whether what was said was on its way as a connection broke: the first one since."""
        said = self.said.get(text, inf)
        first = next((one for one in self.connections if (one.closed or inf) > said), None)
        return first is None or (first.closed or inf) - max(said, first.opened) < SURE_SECONDS
