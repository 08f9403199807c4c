"""Where videos come from."""

from __future__ import annotations

from collections.abc import Iterable

from watchbuddy_core.errors import VideoUnavailable
from watchbuddy_core.protocols import Match, VideoSource


def choose_source(url: str, sources: Iterable[VideoSource]) -> VideoSource:
    """The source that fits best; the first of equals.

    Raises:
        VideoUnavailable: none fits. The message names the extra that would open a link.
    """
    best, source = max(
        ((candidate.match(url), candidate) for candidate in sources),
        key=lambda pair: pair[0],
        default=(Match.NO, None),
    )
    if source is None or best is Match.NO:
        if url.lower().startswith(("http://", "https://")):
            raise VideoUnavailable(
                "Nothing that is installed here opens links. It needs an extra: "
                "pip install 'watchbuddy[youtube]'."
            )
        raise VideoUnavailable("Nothing that is installed here opens this address.")
    return source
