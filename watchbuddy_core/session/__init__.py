"""A session: one viewer, one video, one character.

    record ─► producer ──────────► log ──────────► deliverer ─► client
              source, understanding,   placed, ready,    Timeline
              generator, placement     delivered, moved

The two sides share nothing but the log, so they may run in different processes,
and either may die and go on from what the log says.
"""

from watchbuddy_core.session.delivery import Delivery
from watchbuddy_core.session.framing import (
    NOT_FOUND,
    REPLACED,
    TOO_MANY_INVALID,
    Close,
    frames,
)
from watchbuddy_core.session.history import SessionState
from watchbuddy_core.session.job_runner import JobRunner
from watchbuddy_core.session.jobs import LocalJobs
from watchbuddy_core.session.library import Library, LibraryPage, LibraryVideo
from watchbuddy_core.session.outgoing import (
    DensityChanged,
    JobWanted,
    Outgoing,
    Replaced,
    ReplyFinished,
    ReplyStarted,
    ScriptFailed,
    ScriptReady,
    StopSpeaking,
)
from watchbuddy_core.session.parts import Parts
from watchbuddy_core.session.reporting import Covered, Noticed
from watchbuddy_core.session.screening import Screening, SessionVideo, Showable
from watchbuddy_core.session.sessions import Sessions
from watchbuddy_core.session.status import SessionStatus
from watchbuddy_core.session.track import entries_of, track_of
from watchbuddy_core.session.turns import Turns
from watchbuddy_core.session.watch import WatchSession

__all__ = [
    "NOT_FOUND",
    "REPLACED",
    "TOO_MANY_INVALID",
    "Close",
    "Covered",
    "Delivery",
    "DensityChanged",
    "JobRunner",
    "JobWanted",
    "Library",
    "LibraryPage",
    "LibraryVideo",
    "LocalJobs",
    "Noticed",
    "Outgoing",
    "Parts",
    "Replaced",
    "ReplyFinished",
    "ReplyStarted",
    "Screening",
    "ScriptFailed",
    "ScriptReady",
    "SessionState",
    "SessionStatus",
    "SessionVideo",
    "Sessions",
    "Showable",
    "StopSpeaking",
    "Turns",
    "WatchSession",
    "entries_of",
    "frames",
    "track_of",
]
