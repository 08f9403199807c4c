"""What a server sends and how it closes, for each thing that a Delivery says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from watchbuddy_core.errors import SessionCancelled
from watchbuddy_core.events import Due
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
from watchbuddy_core.session.reporting import Covered, Noticed
from watchbuddy_core.storage import ProgressReport
from watchbuddy_core.wire import (
    CoverageMessage,
    DensityMessage,
    NoticeMessage,
    ProcessingErrorMessage,
    ProgressMessage,
    ReplyFinishedMessage,
    ReplyStartedMessage,
    SessionReadyMessage,
    StopSpeakingMessage,
    encode,
)


@dataclass(frozen=True, slots=True)
class Close:
    """How a server ends a connection."""

    code: int
    reason: str


TOO_MANY_INVALID = Close(4400, "INVALID_MESSAGE")
"""So many frames in a row were no messages."""
UNAUTHORIZED = Close(4401, "UNAUTHORIZED")
NOT_FOUND = Close(4404, "SESSION_NOT_FOUND")
"""There is no such session, or not for this caller."""
SILENT = Close(4408, "SILENT")
REPLACED = Close(4409, "REPLACED")
"""A newer connection has taken the session over."""
CANCELLED = Close(4410, "SESSION_CANCELLED")
RATE_LIMITED = Close(4429, "RATE_LIMITED")
FAILED = Close(4500, "PROCESSING_ERROR")
INTERNAL_ERROR = Close(1011, "INTERNAL_ERROR")
OUR_CLOSES = tuple(close.code for close in tuple(globals().values()) if isinstance(close, Close))
"""The codes with which a server closes a connection by itself."""


def frames(outgoing: Outgoing) -> tuple[str | Close, ...]:
    """The text frames to send, in order; a Close is the last thing that is done."""
    match outgoing:
        case Due(action=action):
            return (encode(action),)
        case ScriptReady():
            return (encode(SessionReadyMessage()),)
        case ScriptFailed(code=code, message=message):
            close = CANCELLED if code == SessionCancelled.code else FAILED
            return encode(ProcessingErrorMessage(error_code=code, message=message)), close
        case Replaced():
            return (REPLACED,)
        case ProgressReport(stage=stage, fraction=fraction, message=message):
            told = ProgressMessage(stage=stage, fraction=fraction, message=message)
            return (encode(told),)
        case Covered(ranges=ranges):
            return (encode(CoverageMessage(ranges=ranges)),)
        case Noticed(code=code, message=message):
            return (encode(NoticeMessage(code=code, message=message)),)
        case DensityChanged(density=density):
            return (encode(DensityMessage(value=density)),)
        case ReplyStarted(message_id=message_id):
            return (encode(ReplyStartedMessage(message_id=message_id)),)
        case ReplyFinished(message_id=message_id):
            return (encode(ReplyFinishedMessage(message_id=message_id)),)
        case JobWanted():
            return ()
        case StopSpeaking():
            return (encode(StopSpeakingMessage()),)
        case _:
            assert_never(outgoing)
