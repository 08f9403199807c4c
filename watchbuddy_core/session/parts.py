"""What sessions are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from watchbuddy_core.actions import Density
from watchbuddy_core.character import Character
from watchbuddy_core.protocols import ActionGenerator, Transcriber, VideoSource
from watchbuddy_core.session.budget import Budget
from watchbuddy_core.sources.cache import VideoCache
from watchbuddy_core.sources.hosts import HostRule
from watchbuddy_core.storage import Cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The plugins and defaults that every session of a program is made of."""

    sources: Sequence[VideoSource]
    generator: ActionGenerator
    generator_name: str = "offline"
    stand_in: ActionGenerator | None = None
    """Writes where the generator has failed for good. None: then nobody says anything."""
    stand_in_name: str = "offline"
    budget: Budget = field(default_factory=Budget)
    """What may be spent on model calls."""
    drafts: Cache | None = None
    """Keeps what the generator wrote, where that is worth it. None: nothing is kept."""
    characters: Mapping[str, Character]
    """By id."""
    allowed_hosts: Sequence[HostRule] = ()
    """Whose links may be asked for."""
    transcriber: Transcriber | None = None
    """Writes down what is said where there are no subtitles. None: nobody does."""
    cache: Cache | None = None
    """Keeps what was found out about videos, by their content. None: nothing is kept."""
    videos: VideoCache | None = None
    """Keeps videos that were put into another form for a browser. None: that is not done."""
    density: Density = "normal"
    """Where neither the request nor the character says otherwise."""
    video_seconds: float = 6 * 3600.0
    """How long a video may last."""
    script_actions: int = 10_000
    """The most actions that the script of one session may have."""
    generating_idle_seconds: float = 60.0
    """How long a generator may take to the next draft, in monotonic seconds."""
    generating_seconds: float = 300.0
    """How long it may take for one window."""
    transcribing_seconds: float = 300.0
    """How long a transcriber may take for one window."""
    fetching_seconds: float = 3600.0
    """How long a source may take to open a video."""
    preparing_seconds: float = 6 * 3600.0
    """How long may be worked on one session in all, its fetching included."""
    patience: float = 15.0
    """Monotonic seconds after which a viewer who has said nothing counts as away."""
