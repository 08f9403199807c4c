"""What can go wrong with a site, and what an operator or a viewer can do about it."""

from __future__ import annotations

import re
from enum import StrEnum

from watchbuddy_core.errors import (
    ProcessingFailed,
    VideoDownloadFailed,
    VideoUnavailable,
)


class Trouble(StrEnum):
    """Why a video cannot be had from a site."""

    GEO_BLOCKED = "geo_blocked"
    PRIVATE = "private"
    REMOVED = "removed"
    AGE_LIMITED = "age_limited"
    MEMBERS_ONLY = "members_only"
    LIVE = "live"
    NOT_YET = "not_yet"
    BOT_CHECK = "bot_check"
    RATE_LIMITED = "rate_limited"
    TOO_LARGE = "too_large"
    PROTECTED = "protected"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    SITE_FAILS = "site_fails"
    UNREACHABLE = "unreachable"
    SILENT = "silent"
    INNER_NETWORK = "inner_network"
    NOT_A_VIDEO = "not_a_video"
    NO_FORMAT = "no_format"
    DISK_FULL = "disk_full"
    UNKNOWN = "unknown"


_UPLOAD = "fetch the file yourself, and upload it or put it into the library"
_COOKIES = "give yt-dlp the cookies of an account (cookies in [plugins.yt-dlp])"

_TOLD: dict[Trouble, tuple[type[ProcessingFailed], str]] = {
    Trouble.GEO_BLOCKED: (
        VideoUnavailable,
        "The site does not show this video in the server's country. The operator can name a "
        f"proxy elsewhere (proxy in [plugins.yt-dlp]); or {_UPLOAD}.",
    ),
    Trouble.PRIVATE: (
        VideoUnavailable,
        f"The video is private. The operator can {_COOKIES} that may see it; or {_UPLOAD}.",
    ),
    Trouble.REMOVED: (VideoUnavailable, "The video has been removed, or was never there."),
    Trouble.AGE_LIMITED: (
        VideoUnavailable,
        "The site shows this video to adults who are logged in. The operator can "
        f"{_COOKIES}; or {_UPLOAD}.",
    ),
    Trouble.MEMBERS_ONLY: (
        VideoUnavailable,
        f"The site shows this video to its members. The operator can {_COOKIES} of one; "
        f"or {_UPLOAD}.",
    ),
    Trouble.LIVE: (
        VideoUnavailable,
        "The video is live. It can be watched when it has ended and is there as a recording.",
    ),
    Trouble.NOT_YET: (VideoUnavailable, "The video has not begun yet. Come back when it is there."),
    Trouble.BOT_CHECK: (
        VideoUnavailable,
        "The site takes the server for a bot and wants somebody to log in. The operator can "
        f"{_COOKIES}, or name a proxy (proxy in [plugins.yt-dlp]); or {_UPLOAD}.",
    ),
    Trouble.RATE_LIMITED: (
        VideoDownloadFailed,
        "The site has had too many requests from this server. Try again in some minutes; if "
        f"that goes on, the operator can name a proxy, or {_COOKIES}.",
    ),
    Trouble.TOO_LARGE: (
        VideoUnavailable,
        "The video is larger than this server takes. Its operator can raise "
        f"cache.video_bytes; or {_UPLOAD} in a smaller form.",
    ),
    Trouble.PROTECTED: (
        VideoUnavailable,
        "The video is protected against being watched elsewhere (DRM).",
    ),
    Trouble.FORBIDDEN: (
        VideoUnavailable,
        f"The site refuses to hand out the video. The operator can {_COOKIES}, or update "
        f"yt-dlp; or {_UPLOAD}.",
    ),
    Trouble.NOT_FOUND: (VideoUnavailable, "There is no video at this address."),
    Trouble.SITE_FAILS: (
        VideoDownloadFailed,
        "The site fails at the moment. Try again later.",
    ),
    Trouble.UNREACHABLE: (
        VideoDownloadFailed,
        "The site cannot be reached, or the connection to it was cut off.",
    ),
    Trouble.SILENT: (VideoDownloadFailed, "The site does not answer."),
    Trouble.INNER_NETWORK: (
        VideoUnavailable,
        "The address leads into a network that is not open to everybody, where this server "
        "reaches nothing for its viewers.",
    ),
    Trouble.NOT_A_VIDEO: (
        VideoUnavailable,
        "There is no video at this address that yt-dlp knows how to find. If there is one, "
        f"the operator can update yt-dlp; or {_UPLOAD}.",
    ),
    Trouble.NO_FORMAT: (
        VideoUnavailable,
        "The site offers the video in no form that can be fetched. The operator can update "
        f"yt-dlp; or {_UPLOAD}.",
    ),
    Trouble.DISK_FULL: (VideoDownloadFailed, "The server has no room for the video."),
    Trouble.UNKNOWN: (
        VideoDownloadFailed,
        "Fetching the video failed. If it goes on, the operator can update yt-dlp, which "
        f"sites force to change often; or {_UPLOAD}.",
    ),
}


def error_of(trouble: Trouble) -> ProcessingFailed:
    """The error that a session fails with."""
    kind, message = _TOLD[trouble]
    return kind(message)


_SAID: tuple[tuple[str, Trouble], ...] = (
    (r"not a bot|confirm you.re human|captcha", Trouble.BOT_CHECK),
    (r"too many requests|rate.?limit|\b429\b|try again later", Trouble.RATE_LIMITED),
    (
        r"confirm your age|age.?(restricted|limit|gate|verif)|inappropriate for some",
        Trouble.AGE_LIMITED,
    ),
    (
        r"members?.only|join this channel|premium|subscribers? only|大会员|充电专属",
        Trouble.MEMBERS_ONLY,
    ),
    (r"private", Trouble.PRIVATE),
    (
        r"(not|n.t)( made)?( this video)? available (in|from) your (country|location|region)"
        r"|geo.?(block|restrict)|blocked it in your country",
        Trouble.GEO_BLOCKED,
    ),
    (r"premieres? in|will begin|not (yet )?started|upcoming|starts? in", Trouble.NOT_YET),
    (r"live (stream|event)|is live", Trouble.LIVE),
    (r"\bdrm\b", Trouble.PROTECTED),
    (
        r"has been (removed|deleted|terminated)|no longer (available|exists)|been taken down"
        r"|video unavailable|does ?n.t exist|稿件不可见",
        Trouble.REMOVED,
    ),
    (r"log ?in|sign in|registered users|account", Trouble.FORBIDDEN),
    (
        r"unsupported url|no video|no suitable|unable to extract"
        r"|no connection adapters",  # of `requests`, by which yt-dlp goes where that is installed
        Trouble.NOT_A_VIDEO,
    ),
    (r"no (video )?formats|format is not available", Trouble.NO_FORMAT),
)
"""What sites and yt-dlp say of it. The first that fits counts: a page that asks for an age
speaks of logging in too."""
_PATTERNS = tuple((re.compile(pattern, re.IGNORECASE), trouble) for pattern, trouble in _SAID)


def trouble_in(words: str) -> Trouble | None:
    """What an error's words mean. None: nothing that is known."""
    return next((trouble for pattern, trouble in _PATTERNS if pattern.search(words)), None)


def trouble_of_status(status: int) -> Trouble:
    """What an HTTP status above 399 means."""
    if status in (404, 410):
        return Trouble.NOT_FOUND
    if status == 429:
        return Trouble.RATE_LIMITED
    if status == 451:
        return Trouble.GEO_BLOCKED
    return Trouble.SITE_FAILS if status >= 500 else Trouble.FORBIDDEN
