"""Every error this library raises on purpose, in one tree.

    WatchBuddyError
    ├── RequestRefused                 the caller's input; nothing was started
    │   ├── UnsupportedVideoSource     UNSUPPORTED_VIDEO_SOURCE
    │   ├── UnknownCharacter           UNKNOWN_CHARACTER
    │   ├── InvalidTimeRange           INVALID_TIME_RANGE
    │   ├── Unauthorized               UNAUTHORIZED
    │   ├── SessionNotFound            SESSION_NOT_FOUND
    │   ├── RateLimited                RATE_LIMITED
    │   ├── TooManySessions            TOO_MANY_SESSIONS
    │   ├── CharacterExists            CHARACTER_EXISTS
    │   ├── UploadTooLarge             REQUEST_TOO_LARGE
    │   ├── UploadStalled              UPLOAD_STALLED
    │   ├── StorageFull                STORAGE_FULL
    │   ├── VideoNotReady              VIDEO_NOT_READY
    │   └── VideoUnplayable            VIDEO_UNPLAYABLE
    ├── ProcessingFailed               a session that was started and could not be finished
    │   ├── VideoUnavailable           VIDEO_UNAVAILABLE
    │   ├── VideoDownloadFailed        VIDEO_DOWNLOAD_FAILED
    │   ├── VideoUnreadable            VIDEO_UNREADABLE
    │   ├── VideoTooLong               VIDEO_TOO_LONG
    │   ├── ActionGenerationFailed     ACTION_GENERATION_FAILED
    │   └── SessionCancelled           SESSION_CANCELLED
    ├── InvalidMessage                 a client's frame that is no message (INVALID_MESSAGE)
    ├── InvalidPosition                a time that is no time (also a ValueError)
    ├── StoreFailed                    what is kept of sessions cannot be read or written
    │   │                              (STORE_UNAVAILABLE)
    │   └── StoreInUse                 another program has it
    ├── StaleFence                     a replaced connection or a revived worker tried to write
    ├── MissingExtra                   an optional dependency is not installed
    ├── TranscriptionFailed            what is said could not be written down
    ├── BudgetReached                  no more money may be spent (BUDGET_EXCEEDED)
    ├── PluginProblem                  an entry point that cannot be used
    ├── InvalidSettings                a file, a variable or an argument that says no setting
    ├── InvalidCharacterFile           a character file or card that does not say what one must
    │   └── NoCharacterCard            a picture or a document, and no card
    ├── InvalidTrack                   a script's file that is none (INVALID_TRACK)
    ├── InvalidReference               a reference for scoring tracks that is none
    └── ConnectionLost                 the client lost its server for good

`code` is what the wire calls the error. `retryable` says whether the same call
may succeed later without anybody changing anything. Messages say what happened,
to what, and what to do; they never carry a key, a header or a path of the server.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar


class WatchBuddyError(Exception):
    """Root of the tree; never raised itself."""

    code: ClassVar[str] = "INTERNAL_ERROR"
    retryable: ClassVar[bool] = False

    @property
    def message(self) -> str:
        """The sentence for people, safe to show to anybody."""
        return str(self)


class RequestRefused(WatchBuddyError):
    """The request cannot be served as it was made."""


class UnsupportedVideoSource(RequestRefused):
    """No source may open this address."""

    code = "UNSUPPORTED_VIDEO_SOURCE"

    def __init__(self, host: str | None = None) -> None:
        self.host = host
        super().__init__(
            f"The provided video URL from '{host}' is not supported."
            if host
            else "The provided video URL is not supported."
        )


class UnknownCharacter(RequestRefused):
    """No character of this id is installed."""

    code = "UNKNOWN_CHARACTER"

    def __init__(self, known: tuple[str, ...]) -> None:
        self.known = known
        super().__init__(f"There is no such character. Installed: {', '.join(known) or 'none'}.")


class InvalidTimeRange(RequestRefused):
    """`end_time` is not after `start_time`, or the range lies beyond the video's end."""

    code = "INVALID_TIME_RANGE"


class Unauthorized(RequestRefused):
    """A token, or a ticket, is missing, or is no good one."""

    code = "UNAUTHORIZED"

    def __init__(
        self,
        message: str = "This server needs a token: `Authorization: Bearer wb_…`."
        " Its operator gives it out.",
    ) -> None:
        super().__init__(message)


class SessionNotFound(RequestRefused):
    """No session of this id exists, or it has expired."""

    code = "SESSION_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such session. It may have expired: create a new one.")


class RateLimited(RequestRefused):
    """The caller has asked for more than their share.

    `retry_after` says in how many seconds the same would be within it. None: nobody knows.
    """

    code = "RATE_LIMITED"
    retryable = True
    retry_after: float | None = None

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class TooManySessions(RequestRefused):
    """The program is full."""

    code = "TOO_MANY_SESSIONS"
    retryable = True

    def __init__(self) -> None:
        super().__init__("There are too many sessions at the moment. Try again later.")


class CharacterExists(RequestRefused):
    """Another character has the id already, and nobody said what to do then."""

    code = "CHARACTER_EXISTS"

    def __init__(self, id: str, how: str) -> None:
        self.id = id
        super().__init__(f"There is a character {id!r} already. {how}")


class UploadTooLarge(RequestRefused):
    """The file has more bytes than are taken."""

    code = "REQUEST_TOO_LARGE"


class UploadStalled(RequestRefused):
    """Nothing more of the file has come for too long, or too little."""

    code = "UPLOAD_STALLED"
    retryable = True


class StorageFull(RequestRefused):
    """There is no room on the disk: for a file, or for what is kept of sessions."""

    code = "STORAGE_FULL"
    retryable = True


class VideoNotReady(RequestRefused):
    """The session's video is still being fetched."""

    code = "VIDEO_NOT_READY"
    retryable = True

    def __init__(self) -> None:
        super().__init__("The video is still being fetched. Try again in a moment.")


class VideoUnplayable(RequestRefused):
    """No browser plays the session's video."""

    code = "VIDEO_UNPLAYABLE"

    def __init__(self, codecs: Collection[str]) -> None:
        """
        Args:
            codecs: what stands in the way.
        """
        self.codecs = tuple(codecs)
        super().__init__(
            f"Browsers cannot play this file: it is made with {' and '.join(self.codecs)}."
            " Convert it to MP4 (H.264 and AAC), and open that."
        )


class ProcessingFailed(WatchBuddyError):
    """A session ended before its script was complete."""


class VideoUnavailable(ProcessingFailed):
    """The video cannot be had: missing, private, or nothing here can open it."""

    code = "VIDEO_UNAVAILABLE"


class VideoDownloadFailed(ProcessingFailed):
    """The video exists, and fetching it failed."""

    code = "VIDEO_DOWNLOAD_FAILED"
    retryable = True


class VideoUnreadable(ProcessingFailed):
    """The file was fetched and is no video that can be read."""

    code = "VIDEO_UNREADABLE"


class VideoTooLong(ProcessingFailed):
    """The video is longer than this server takes."""

    code = "VIDEO_TOO_LONG"


class ActionGenerationFailed(ProcessingFailed):
    """No script could be made. `details` says why, in words for the viewer."""

    code = "ACTION_GENERATION_FAILED"

    def __init__(self, details: str) -> None:
        self.details = details
        super().__init__(f"Failed to generate actions for the video: {details}")


class SessionCancelled(ProcessingFailed):
    """Somebody ended the session."""

    code = "SESSION_CANCELLED"

    def __init__(self, message: str = "The session was cancelled.") -> None:
        super().__init__(message)


class InvalidMessage(WatchBuddyError):
    """A frame from a client that is no message of the protocol.

    `counts` is False for a well-formed message of an unknown type: a newer client
    may send those, so they never add up to a closed connection.
    """

    code = "INVALID_MESSAGE"

    def __init__(self, message: str, *, counts: bool = True) -> None:
        self.counts = counts
        super().__init__(message)


class InvalidPosition(WatchBuddyError, ValueError):
    """A position or trigger that is not a finite number of seconds."""

    code = "INVALID_MESSAGE"

    def __init__(self, value: object) -> None:
        self.value = value
        super().__init__(f"A time must be a finite number of seconds, not {value!r:.40}.")


class StoreFailed(WatchBuddyError):
    """What is kept of sessions cannot be read or written, or is somebody else's."""

    code = "STORE_UNAVAILABLE"
    retryable = True


class StoreInUse(StoreFailed):
    """Another program has the file of sessions, which one may have at a time."""


class StaleFence(WatchBuddyError):
    """A newer connection or attempt has taken over; what this one wrote was refused."""

    def __init__(self, role: str, number: int, newest: int) -> None:
        self.role, self.number, self.newest = role, number, newest
        super().__init__(f"{role} {number} was replaced by {newest}.")


class MissingExtra(WatchBuddyError):
    """An optional part of the installation is not there."""

    def __init__(self, extra: str, purpose: str) -> None:
        self.extra = extra
        super().__init__(f"{purpose} needs an extra: pip install 'watchbuddy[{extra}]'.")


class TranscriptionFailed(WatchBuddyError):
    """What is said in a passage could not be written down; the message says why."""


class BudgetReached(WatchBuddyError):
    """A call would cost more than may still be spent. What is there already stays."""

    code = "BUDGET_EXCEEDED"

    def __init__(self, account: str, whose: str = "the language model") -> None:
        self.account = account
        """Of those in the ledger, the one with too little left."""
        super().__init__(f"The budget of {whose} is used up.")


class PluginProblem(WatchBuddyError):
    """A plugin is unknown, broken, or claimed by two packages."""


class InvalidSettings(WatchBuddyError):
    """A setting is unknown or has a wrong value; the message says which, and where it stands."""


class InvalidCharacterFile(WatchBuddyError):
    """A character file or card cannot be read; the message names the field."""

    code = "INVALID_CHARACTER"


class NoCharacterCard(InvalidCharacterFile):
    """A file of a kind that may be a character card is none."""


class InvalidTrack(WatchBuddyError):
    """A script cannot be read from a file, or told in the format that was asked for."""

    code = "INVALID_TRACK"


class InvalidReference(WatchBuddyError):
    """What a track is to be held against cannot be read."""


class ConnectionLost(WatchBuddyError):
    """The client could not reach its server any more, or the server closed for good.

    `close_code` is the WebSocket close code, or None where there was no connection.
    """

    def __init__(self, message: str, *, close_code: int | None = None) -> None:
        self.close_code = close_code
        super().__init__(message)
