"""Where videos come from."""

from __future__ import annotations

from collections.abc import Iterable

from watchbuddy_core.errors import VideoUnavailable
from watchbuddy_core.protocols import Match, VideoSource


def choose_source(url: str, sources: Iterable[VideoSource]) -> VideoSource:
    """The source that fits best; the first of equals.

    Raises:
        VideoUnavailable: none fits.
    """
    best, source = max(
        ((candidate.match(url), candidate) for candidate in sources),
        key=lambda pair: pair[0],
        default=(Match.NO, None),
    )
    if source is None or best is Match.NO:
        raise VideoUnavailable("Nothing that is installed here opens this address.")
    return source
