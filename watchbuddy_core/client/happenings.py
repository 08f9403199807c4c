"""What a WatchClient tells whoever listens."""

from __future__ import annotations

from dataclasses import dataclass

from watchbuddy_core.actions import Action
from watchbuddy_core.events import Outcome


@dataclass(frozen=True, slots=True)
class Ready:
    """The script is there. Told once, however often the client reconnects."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """The server has sent an action, while the player was at `position`."""

    action: Action
    position: float


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


Happening = Ready | Arrived | Begun | Ended | Disconnected
