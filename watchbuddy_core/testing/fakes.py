"""Plugins like any other, which do what they were told and remember what they were asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping

from watchbuddy_core.actions import Draft
from watchbuddy_core.errors import VideoUnavailable
from watchbuddy_core.protocols import Brief, Match, Progress
from watchbuddy_core.video import Video, VideoRequest


class ScriptedGenerator:
    """An `ActionGenerator` that yields drafts it was given, and gives answers it was given.

    Each window gets the drafts whose triggers lie in it: from its start up to, but not at,
    its end; the last window has its end as well.

    Args:
        drafts: what to yield, in this order.
        failures: by index of the window, what to raise for it instead of yielding anything.
        waits: by index of the window, what to wait for before anything is yielded or raised.
        answer: what to yield when the viewer says something; an exception among it is raised
            when it is its turn, and an event is waited for.
    """

    def __init__(
        self,
        drafts: Iterable[Draft] = (),
        *,
        failures: Mapping[int, Exception] | None = None,
        waits: Mapping[int, asyncio.Event] | None = None,
        answer: Iterable[Draft | Exception | asyncio.Event] = (),
    ) -> None:
        self.drafts = tuple(drafts)
        self.failures = dict(failures or {})
        """May be changed at any time: a failure that is removed is a service that is back."""
        self.waits = dict(waits or {})
        self.briefs: list[Brief] = []
        """What it was asked, in order; added before it waits."""
        self.answer = tuple(answer)
        """May be changed at any time, too."""
        self.messages: list[tuple[Brief, str]] = []
        """What was said to it, in order."""
        self.abandoned = 0
        """How many answers were closed before their end."""

    async def reply(self, brief: Brief, message: str) -> AsyncIterator[Draft]:
        self.messages.append((brief, message))
        try:
            for part in self.answer:
                if isinstance(part, asyncio.Event):
                    await part.wait()
                elif isinstance(part, Exception):
                    raise part
                else:
                    yield part
        except (GeneratorExit, asyncio.CancelledError):
            self.abandoned += 1
            raise

    async def generate(self, brief: Brief) -> AsyncIterator[Draft]:
        self.briefs.append(brief)
        index = brief.window.index
        if index in self.waits:
            await self.waits[index].wait()
        if index in self.failures:
            raise self.failures[index]
        for draft in self.drafts:
            trigger = draft.action.trigger_timestamp
            at_the_end = brief.is_last and trigger == brief.window.end
            if brief.window.start <= trigger < brief.window.end or at_the_end:
                yield draft


class MemorySource:
    """A `VideoSource` for URLs of the form `memory:…` that hands over given videos.

    Args:
        videos: by URL, what to hand over. Any other `memory:` URL is `VideoUnavailable`.
        failures: by URL, what to raise instead.
        waits: by URL, what to wait for before anything is handed over or raised.
    """

    SCHEME = "memory:"

    def __init__(
        self,
        videos: Mapping[str, Video] | None = None,
        *,
        failures: Mapping[str, Exception] | None = None,
        waits: Mapping[str, asyncio.Event] | None = None,
    ) -> None:
        self.videos = dict(videos or {})
        self.failures = dict(failures or {})
        self.waits = dict(waits or {})
        self.requests: list[VideoRequest] = []
        """What it was asked to open, in order; added before it waits."""

    def match(self, url: str) -> Match:
        return Match.SITE if url.startswith(self.SCHEME) else Match.NO

    async def open(self, request: VideoRequest, progress: Progress) -> Video:
        self.requests.append(request)
        progress(0.0, "Opening the video")
        if request.url in self.waits:
            await self.waits[request.url].wait()
        if request.url in self.failures:
            raise self.failures[request.url]
        if request.url not in self.videos:
            raise VideoUnavailable(f"There is no video {request.url!r:.80}.")
        progress(1.0, "The video is open")
        return self.videos[request.url]
