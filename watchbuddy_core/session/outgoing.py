"""What comes out of a Delivery, beside the actions that are due."""

from __future__ import annotations

from dataclasses import dataclass

from watchbuddy_core.actions import Density
from watchbuddy_core.events import Due
from watchbuddy_core.session.reporting import News
from watchbuddy_core.storage import ProgressReport


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


@dataclass(frozen=True, slots=True)
class DensityChanged:
    """How much the companion says from here on."""

    density: Density


@dataclass(frozen=True, slots=True)
class ReplyStarted:
    """What follows, up to ReplyFinished, answers what the viewer said."""

    message_id: str


@dataclass(frozen=True, slots=True)
class ReplyFinished:
    """The answer is over."""

    message_id: str


@dataclass(frozen=True, slots=True)
class JobWanted:
    """Something stands in the log that the session's job is to do: see that it runs.

    Nothing is sent for it.
    """


@dataclass(frozen=True, slots=True)
class StopSpeaking:
    """The viewer has interrupted: what is being said ends."""


Outgoing = (
    Due
    | ScriptReady
    | ScriptFailed
    | Replaced
    | DensityChanged
    | ReplyStarted
    | ReplyFinished
    | StopSpeaking
    | JobWanted
    | ProgressReport
    | News
)
"""What a connection is given, one after the other."""
