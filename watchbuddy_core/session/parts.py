"""What sessions are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from watchbuddy_core.actions import Density
from watchbuddy_core.character import Character
from watchbuddy_core.protocols import ActionGenerator, VideoSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The plugins and defaults that every session of a program is made of."""

    sources: Sequence[VideoSource]
    generator: ActionGenerator
    generator_name: str = "offline"
    characters: Mapping[str, Character]
    """By id."""
    allowed_hosts: frozenset[str] = frozenset()
    """Hosts whose links may be asked for, with their subdomains; lower-case."""
    density: Density = "normal"
    """Where neither the request nor the character says otherwise."""
    script_actions: int = 10_000
    """The most actions that the script of one session may have."""
    generating_idle_seconds: float = 60.0
    """How long a generator may take to the next draft, in monotonic seconds."""
    generating_seconds: float = 300.0
    """How long it may take for one window."""
    fetching_seconds: float = 3600.0
    """How long a source may take to open a video."""
    patience: float = 15.0
    """Monotonic seconds after which a viewer who has said nothing counts as away."""
