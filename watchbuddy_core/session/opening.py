"""A session's video: fetched, looked through, and cut into windows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from watchbuddy_core.entries import StageName, Usage
from watchbuddy_core.errors import (
    ActionGenerationFailed,
    InvalidTimeRange,
    MissingExtra,
    VideoUnavailable,
    VideoUnreadable,
)
from watchbuddy_core.protocols import Estimator, Onlooker, Progress, WishReader
from watchbuddy_core.session.fetching import fetched
from watchbuddy_core.session.parts import Parts
from watchbuddy_core.session.strangers import plugin_code
from watchbuddy_core.sources.limits import refuse_long
from watchbuddy_core.storage import ProgressReport, SessionRecord
from watchbuddy_core.understanding import grid, survey
from watchbuddy_core.video import Overview, Video, VideoRequest, Window

_log = logging.getLogger("watchbuddy.session")

_SHORTEST_RANGE = 1.0
"""A range shorter than this, in seconds, has no room for an action."""


@dataclass(slots=True)
class Film:
    """The video, looked through and cut into windows."""

    video: Video
    overview: Overview
    start: float
    end: float
    """The range that is watched, in media seconds."""
    windows: tuple[Window, ...]
    is_elsewhere: bool = False
    """Nobody here holds the video: the generator looks at it where it is."""


class Opening:
    """Opens the video of a session, and says what is known before anything is written for it.

    `fetch`, then `look_through`, then `cut`. Whatever goes wrong is told in words for the viewer.

    Args:
        tell: is told how far it is.
    """

    def __init__(
        self, record: SessionRecord, *, parts: Parts, tell: Callable[[ProgressReport], None]
    ) -> None:
        self._record = record
        self._parts = parts
        self._tell = tell

    async def fetch(self) -> Video:
        """Raises: ProcessingFailed."""
        record = self._record
        request = VideoRequest(
            url=record.video_url,
            start_time=record.start_time,
            end_time=record.end_time,
            words_only=self.is_looked_at(),
        )
        return await fetched(request, self._parts, self._progress("fetching"))

    async def look_through(self, video: Video) -> Overview:
        """Raises: ProcessingFailed."""
        try:
            async with asyncio.timeout(self._parts.preparing_seconds):
                return await survey(video, self._progress("understanding"), self._parts.cache)
        except TimeoutError:
            raise ActionGenerationFailed("Looking through the video took too long.") from None
        except MissingExtra as exc:
            raise VideoUnavailable(str(exc)) from exc
        except VideoUnreadable as exc:
            if video.path is None or await asyncio.to_thread(video.path.exists):
                raise
            raise VideoUnavailable("The video was deleted before it was looked through.") from exc

    def cut(self, video: Video, overview: Overview) -> Film:
        """The windows of what is watched.

        Raises:
            ProcessingFailed: the video is longer than is allowed here.
            InvalidTimeRange: nothing of it is watched.
        """
        refuse_long(overview.duration, self._parts.video_seconds)
        start, end = self._range(overview)
        windows = grid(overview, start, end)
        is_elsewhere = video.path is None and self.is_looked_at()
        return Film(video, overview, start, end, windows, is_elsewhere)

    def is_looked_at(self) -> bool:
        """Whether the generator looks at the video where it is."""
        generator = self._parts.generator
        with plugin_code():
            return isinstance(generator, Onlooker) and generator.looks_at(self._record.video_url)

    def notes(self) -> tuple[str, ...]:
        """What of the viewer's wish the generator cannot follow."""
        generator = self._parts.generator
        if not self._record.text or not isinstance(generator, WishReader):
            return ()
        with plugin_code():
            character = self._parts.characters[self._record.character_id]
            return generator.notes(self._record.text, character)

    async def estimate(self, film: Film) -> Usage | None:
        """What the script will use. None: nothing, or nobody knows."""
        generator, url = self._parts.generator, self._record.video_url
        if not isinstance(generator, Estimator):
            return None
        try:
            with plugin_code():
                return await generator.estimate(url, film.overview, film.windows)
        except Exception:  # noqa: BLE001 - of a plugin; what it costs is told when it is spent
            _log.exception("what a script will use could not be estimated")
            return None

    def _range(self, overview: Overview) -> tuple[float, float]:
        start = self._record.start_time
        end = min(self._record.end_time or overview.duration, overview.duration)
        if end - start < _SHORTEST_RANGE:
            raise InvalidTimeRange(
                f"The video is {overview.duration:.1f} seconds long; "
                f"nothing of it lies in the requested range."
                if start >= overview.duration
                else "The requested range is shorter than a second."
            )
        return start, end

    def _progress(self, stage: StageName) -> Progress:
        def report(fraction: float | None, message: str) -> None:
            self._tell(ProgressReport(stage, fraction, message))

        return report
