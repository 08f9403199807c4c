"""What is told of a file as its bytes come in."""

from __future__ import annotations

import re
import time

from watchbuddy_core.protocols import Progress
from watchbuddy_core.sources.web import Received

_BETWEEN_REPORTS = 0.2
"""Seconds."""
_LONGEST_TITLE = 200
_NEVER_IN_A_TITLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def telling(progress: Progress) -> Received:
    """Tells how many bytes of a video are there, a few times a second."""
    told = float("-inf")

    def received(so_far: int, whole: int | None) -> None:
        nonlocal told
        if time.monotonic() - told < _BETWEEN_REPORTS and so_far != whole:
            return
        told = time.monotonic()
        progress(share(so_far, whole), f"Fetching the video: {amount(so_far, whole)}")

    return received


def portion(progress: Progress, first: float, last: float) -> Progress:
    """Tells of a piece of work as of the part of a whole from `first` to `last`."""

    def report(fraction: float | None, message: str) -> None:
        progress(None if fraction is None else first + (last - first) * fraction, message)

    return report


def share(so_far: float, whole: float | None) -> float | None:
    return min(so_far / whole, 1.0) if whole else None


def amount(so_far: int, whole: int | None = None) -> str:
    """`3.1 of 24.0 MB`."""
    of = f" of {whole / 1e6:.1f}" if whole else ""
    return f"{so_far / 1e6:.1f}{of} MB"


def title_from(text: str) -> str:
    """What a site or a viewer calls a video, fit to be shown in one line."""
    return " ".join(_NEVER_IN_A_TITLE.sub(" ", text).split())[:_LONGEST_TITLE]
