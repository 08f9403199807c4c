"""What there is to watch without a link: the videos that sources can list."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from watchbuddy_core.errors import MissingExtra, VideoUnreadable
from watchbuddy_core.protocols import Catalogue, ListedVideo, VideoSource
from watchbuddy_core.understanding import duration_of

_REMEMBERED = 10_000
"""So many durations are kept, so that a list that is shown again is shown at once."""


class LibraryVideo(BaseModel):
    """A video that can be asked for."""

    model_config = ConfigDict(frozen=True)

    video_url: str
    """What to ask for it by."""
    title: str
    size_bytes: int
    duration: float | None
    """In seconds. None: it is no video that can be read."""


class LibraryPage(BaseModel):
    """A part of the list."""

    model_config = ConfigDict(frozen=True)

    videos: tuple[LibraryVideo, ...]
    total: int
    """How many there are on all pages."""


class Library:
    """Lists what the sources of a program hold, with durations."""

    def __init__(self, sources: Sequence[VideoSource]) -> None:
        self._catalogues = [source for source in sources if isinstance(source, Catalogue)]
        self._durations: OrderedDict[ListedVideo, float | None] = OrderedDict()

    async def page(self, offset: int, limit: int) -> LibraryPage:
        """At most `limit` videos from the one at `offset` on, in the order of their addresses."""
        listed = [video for source in self._catalogues for video in await source.listing()]
        listed.sort(key=lambda video: video.url)
        return LibraryPage(
            videos=tuple([await self._known(one) for one in listed[offset : offset + limit]]),
            total=len(listed),
        )

    async def _known(self, listed: ListedVideo) -> LibraryVideo:
        return LibraryVideo(
            video_url=listed.url,
            title=listed.path.stem,
            size_bytes=listed.size_bytes,
            duration=await self._duration(listed),
        )

    async def _duration(self, listed: ListedVideo) -> float | None:
        if listed not in self._durations:
            try:
                self._durations[listed] = await duration_of(listed.path)
            except (VideoUnreadable, MissingExtra):
                self._durations[listed] = None
            if len(self._durations) > _REMEMBERED:
                self._durations.popitem(last=False)
        return self._durations[listed]
