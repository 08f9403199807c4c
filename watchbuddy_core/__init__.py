"""AI Watch Buddy: a companion that watches a video with you.

    VideoSource → Understanding → ActionGenerator → placement → session log → Timeline → client
      fetch        what is known    what to say       when, and     append-only   what is due
                   per time span    (drafts, per      whether       and durable   now
                                     window)

Words:      actions, events, video, character, entries, accounts, wire, errors
Contracts:  protocols (of plugins), storage (of stores), commons (of several processes)
Stages:     sources, understanding, characters, generation, placement, timeline, stores,
            tracks, scoring
Session:    session (the producer and the deliverer around the log), client, player
Programs:   settings, folders, assembly (from settings to Parts), plugins, clips, testing

Names are imported when they are first used, so this import costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchbuddy_core.actions import (
        Action,
        Draft,
        Emotion,
        EndReaction,
        Expression,
        PauseVideo,
        PostReplay,
        PostSeek,
        ReplaySegment,
        Seek,
        Speak,
    )
    from watchbuddy_core.assembly import build_parts
    from watchbuddy_core.character import Character, MomentKind, Phrase
    from watchbuddy_core.client import WatchClient, create_session
    from watchbuddy_core.errors import (
        InvalidMessage,
        ProcessingFailed,
        RequestRefused,
        SessionNotFound,
        StaleFence,
        WatchBuddyError,
    )
    from watchbuddy_core.events import (
        ActionCompleted,
        Connected,
        Due,
        PlayerEvent,
        SeekUpdate,
        Skipped,
        TimelineState,
        TimestampUpdate,
    )
    from watchbuddy_core.player import Clock, ClockPlayer, Player, WallClock
    from watchbuddy_core.protocols import (
        ActionGenerator,
        Brief,
        Conversation,
        Match,
        Scheduler,
        VideoSource,
    )
    from watchbuddy_core.session import (
        Delivery,
        JobRunner,
        LocalJobs,
        Outgoing,
        Parts,
        Replaced,
        ScriptFailed,
        ScriptReady,
        Sessions,
        SessionStatus,
        WatchSession,
    )
    from watchbuddy_core.settings import Settings
    from watchbuddy_core.sources.local import library_url
    from watchbuddy_core.sources.uploads import UploadSource
    from watchbuddy_core.storage import SessionLog
    from watchbuddy_core.stores.memory import MemoryStore
    from watchbuddy_core.timeline import Timeline
    from watchbuddy_core.tracks import Track, read_track, write_track
    from watchbuddy_core.video import Cue, Understanding, Video, VideoRequest, Window
    from watchbuddy_core.wire import CreateSession

_HOME = {
    "actions": (
        "Action",
        "Draft",
        "Emotion",
        "EndReaction",
        "Expression",
        "PauseVideo",
        "PostReplay",
        "PostSeek",
        "ReplaySegment",
        "Seek",
        "Speak",
    ),
    "assembly": ("build_parts",),
    "character": ("Character", "MomentKind", "Phrase"),
    "client": ("WatchClient", "create_session"),
    "errors": (
        "InvalidMessage",
        "ProcessingFailed",
        "RequestRefused",
        "SessionNotFound",
        "StaleFence",
        "WatchBuddyError",
    ),
    "events": (
        "ActionCompleted",
        "Connected",
        "Due",
        "PlayerEvent",
        "SeekUpdate",
        "Skipped",
        "TimelineState",
        "TimestampUpdate",
    ),
    "player": ("Clock", "ClockPlayer", "Player", "WallClock"),
    "protocols": (
        "ActionGenerator",
        "Brief",
        "Conversation",
        "Match",
        "Scheduler",
        "VideoSource",
    ),
    "session": (
        "Delivery",
        "JobRunner",
        "LocalJobs",
        "Outgoing",
        "Parts",
        "Replaced",
        "ScriptFailed",
        "ScriptReady",
        "SessionStatus",
        "Sessions",
        "WatchSession",
    ),
    "settings": ("Settings",),
    "sources.local": ("library_url",),
    "sources.uploads": ("UploadSource",),
    "storage": ("SessionLog",),
    "stores.memory": ("MemoryStore",),
    "timeline": ("Timeline",),
    "tracks": ("Track", "read_track", "write_track"),
    "video": ("Cue", "Understanding", "Video", "VideoRequest", "Window"),
    "wire": ("CreateSession",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "Action",
    "ActionCompleted",
    "ActionGenerator",
    "Brief",
    "Character",
    "Clock",
    "ClockPlayer",
    "Connected",
    "Conversation",
    "CreateSession",
    "Cue",
    "Delivery",
    "Draft",
    "Due",
    "Emotion",
    "EndReaction",
    "Expression",
    "InvalidMessage",
    "JobRunner",
    "LocalJobs",
    "Match",
    "MemoryStore",
    "MomentKind",
    "Outgoing",
    "Parts",
    "PauseVideo",
    "Phrase",
    "Player",
    "PlayerEvent",
    "PostReplay",
    "PostSeek",
    "ProcessingFailed",
    "Replaced",
    "ReplaySegment",
    "RequestRefused",
    "Scheduler",
    "ScriptFailed",
    "ScriptReady",
    "Seek",
    "SeekUpdate",
    "SessionLog",
    "SessionNotFound",
    "SessionStatus",
    "Sessions",
    "Settings",
    "Skipped",
    "Speak",
    "StaleFence",
    "Timeline",
    "TimelineState",
    "TimestampUpdate",
    "Track",
    "Understanding",
    "UploadSource",
    "Video",
    "VideoRequest",
    "VideoSource",
    "WallClock",
    "WatchBuddyError",
    "WatchClient",
    "WatchSession",
    "Window",
    "build_parts",
    "create_session",
    "library_url",
    "read_track",
    "write_track",
]


def __getattr__(name: str) -> object:
    try:
        module = _MODULE_OF[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
