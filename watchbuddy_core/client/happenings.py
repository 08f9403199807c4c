"""What a WatchClient tells whoever listens."""

from __future__ import annotations

from dataclasses import dataclass

from watchbuddy_core.actions import Action, Density
from watchbuddy_core.entries import StageName
from watchbuddy_core.events import Outcome


@dataclass(frozen=True, slots=True)
class Welcomed:
    """What the server knows and grants. Told for each connection, where features were asked.

    A server that knows nothing of features does not tell it.
    """

    features: tuple[str, ...]
    """Those of the ones asked for that are granted."""
    character_id: str
    start: float
    """Media seconds: where the part that is watched begins."""
    end: float | None
    """Media seconds: where it ends. None: at the end of a video that is not known yet."""
    duration: float | None
    """Of the whole video, in seconds. None: not known yet."""


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far the preparation is. With the feature `progress`, until the script is ready."""

    stage: StageName
    fraction: float | None
    """Of this stage, from 0 to 1. None: it cannot be told."""
    message: str
    """For people."""


@dataclass(frozen=True, slots=True)
class Covered:
    """Which parts of the video are scripted. With the feature `progress`."""

    ranges: tuple[tuple[float, float], ...]
    """From where to where, in media seconds."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something is not as it could be. With the feature `progress`; each is told once."""

    code: str
    message: str
    """For people."""


@dataclass(frozen=True, slots=True)
class DensityChanged:
    """How much the companion says from here on. With the feature `feedback`."""

    density: Density


@dataclass(frozen=True, slots=True)
class ReplyStarted:
    """What arrives, up to ReplyFinished, answers what was said. With the feature `chat`."""

    message_id: str


@dataclass(frozen=True, slots=True)
class ReplyFinished:
    """All of the answer has arrived; it may still be spoken. With the feature `chat`.

    Of the last answer it may be told again after a reconnect.
    """

    message_id: str


@dataclass(frozen=True, slots=True)
class Silenced:
    """What was being carried out has ended: the viewer has interrupted. With `chat`."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The script is there, or with `early_ready` the part of it around the playhead.

    Told once, however often the client reconnects.
    """


@dataclass(frozen=True, slots=True)
class Arrived:
    """The server has sent an action, while the player was at `position`, in media seconds.

    With the feature `hold` that is up to two seconds before its trigger. A seek of the
    user drops what has not been reached; it arrives again where it belongs.
    """

    action: Action
    position: float


@dataclass(frozen=True, slots=True)
class Reached:
    """The playhead is at or past an action: it begins as soon as voice or hand are free.

    An action that arrives late is reached as it arrives.
    """

    action: Action
    position: float
    """Media seconds; less the action's trigger, this is how late it is."""


@dataclass(frozen=True, slots=True)
class Begun:
    """An action is being carried out."""

    action: Action


@dataclass(frozen=True, slots=True)
class Ended:
    """The client is through with an action, and the server has been, or will be, told."""

    action: Action
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection broke; the next attempt is made in so many seconds."""

    retry_seconds: float


Happening = (
    Welcomed
    | Progressed
    | Covered
    | Noticed
    | DensityChanged
    | ReplyStarted
    | ReplyFinished
    | Silenced
    | Ready
    | Arrived
    | Reached
    | Begun
    | Ended
    | Disconnected
)
"""What a client is told, one after the other."""
