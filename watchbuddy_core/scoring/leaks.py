"""Whether a companion gives away what is still to come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from watchbuddy_core.actions import Action, ReplaySegment, Seek, Speak
from watchbuddy_core.placement.evidence import Evidence
from watchbuddy_core.placement.restraint import ms
from watchbuddy_core.scoring.reference import Reference
from watchbuddy_core.video import Cue

_REPLAY_TAIL = 0.5
"""Seconds by which a replay may reach beyond its trigger: players report so late."""


@dataclass(frozen=True, slots=True)
class Leak:
    """An action that shows or says what nobody who watches can know yet."""

    at: float
    """When it is done, in media seconds."""
    until: float
    """When what it gives away is over: later than `at`."""
    text: str
    """The line; of a jump, its type."""


def leaks(
    actions: Sequence[Action], reference: Reference, *, phrases: Iterable[str] = ()
) -> tuple[Leak, ...]:
    """Lines with a rare word that is first said, or first revealed by an event, later than
    the line begins; and jumps to what has not been played.

    The number should be 0. Words are traced as placement traces them (`placement.evidence`),
    which is strict: a word counts as said when its subtitle ends, and a rare word that a line
    has by chance counts as well. What is given away without such a word goes unseen.

    Args:
        phrases: lines with slots that the companion may say at any time: what a line has of
            them gives nothing away, what fills their slots does.
    """
    revealed = [
        Cue(start=event.at, end=event.at, text=" ".join(event.reveals))
        for event in reference.events
        if event.reveals
    ]
    evidence = Evidence([*reference.dialogue, *revealed], [reference.title], phrases)
    return tuple(_found(actions, evidence))


def _found(actions: Iterable[Action], evidence: Evidence) -> Iterator[Leak]:
    for action in actions:
        at = action.trigger_timestamp
        match action:
            case Speak(text=text):
                until = evidence.of_text(text)
                if until > ms(at):
                    yield Leak(at, until / 1000, text)
            case Seek(target_timestamp=target) if target > at:
                yield Leak(at, target, action.action_type)
            case ReplaySegment(end_timestamp=end) if end > at + _REPLAY_TAIL:
                yield Leak(at, end, action.action_type)
