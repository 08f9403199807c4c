"""A video that is not here any more, or never was, is opened once for all who want it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from event_loop import in_event_loop
from patience import until

from watchbuddy_core.errors import (
    MissingExtra,
    VideoDownloadFailed,
    VideoNotReady,
    VideoUnavailable,
)
from watchbuddy_core.protocols import Match, Progress
from watchbuddy_core.session import Parts, refetching
from watchbuddy_core.session.refetching import Refetching
from watchbuddy_core.testing import ScriptedGenerator
from watchbuddy_core.video import Video, VideoRequest

FILM = Video(content_id="film", title="A film", path=Path("film.mp4"))


class Slow:
    """A source that takes as long as the test wants."""

    def __init__(self) -> None:
        self.opened = 0
        self.cancelled = 0
        self.may_go = asyncio.Event()
        self.failure: Exception | None = None

    def match(self, url: str) -> Match:
        return Match.SITE

    async def open(self, request: VideoRequest, progress: Progress) -> Video:
        self.opened += 1
        try:
            await self.may_go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.failure is not None:
            raise self.failure
        return FILM


def fetching(source: Slow, **options: Any) -> Refetching:
    parts = Parts(sources=[source], generator=ScriptedGenerator(()), characters={}, **options)
    return Refetching(parts)


@in_event_loop
async def test_all_who_ask_wait_for_one_and_it_goes_on_without_them() -> None:
    source = Slow()
    videos = fetching(source)
    for _ in range(3):
        asked = [videos.get("memory:film", patience=0.01) for _ in range(20)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(answer) for answer in answers} == {VideoNotReady}
    leaving = asyncio.create_task(videos.get("memory:film", patience=60.0))
    staying = asyncio.create_task(videos.get("memory:film", patience=60.0))
    await asyncio.sleep(0)
    leaving.cancel()
    source.may_go.set()
    assert await staying == FILM
    assert await videos.get("memory:film", patience=60.0) == FILM
    assert (source.opened, source.cancelled) == (1, 0)
    await videos.stop()


@in_event_loop
async def test_what_nobody_asks_for_any_more_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refetching, "_LEFT_SECONDS", 0.05)
    source = Slow()
    videos = fetching(source)
    with pytest.raises(VideoNotReady):
        await videos.get("memory:film", patience=0.01)
    await until(lambda: source.cancelled)
    source.may_go.set()
    assert await videos.get("memory:film", patience=60.0) == FILM
    assert source.opened == 2
    await videos.stop()


@in_event_loop
async def test_a_failure_is_told_to_all_for_a_while_and_then_it_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = Slow()
    source.may_go.set()
    source.failure = VideoUnavailable("It is gone.")
    videos = fetching(source)
    for _ in range(3):
        with pytest.raises(VideoUnavailable, match="gone"):
            await videos.get("memory:film", patience=60.0)
    assert source.opened == 1
    await videos.stop()

    monkeypatch.setattr(refetching, "_FAILURE_HOLDS", 0.05)
    videos = fetching(source)
    with pytest.raises(VideoUnavailable, match="gone"):
        await videos.get("memory:film", patience=60.0)
    source.failure = None
    await asyncio.sleep(0.1)
    assert await videos.get("memory:film", patience=60.0) == FILM
    await videos.stop()


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (MissingExtra("youtube", "Opening a link"), (VideoUnavailable, "watchbuddy.youtube")),
        (ValueError("secret"), (VideoDownloadFailed, "log says more")),
    ],
)
def test_what_goes_wrong_is_told_in_a_sentence(
    failure: Exception, told: tuple[type[Exception], str], caplog: pytest.LogCaptureFixture
) -> None:
    @in_event_loop
    async def main() -> None:
        source = Slow()
        source.may_go.set()
        source.failure = failure
        videos = fetching(source)
        with pytest.raises(told[0], match=told[1]):
            await videos.get("memory:film", patience=60.0)
        await videos.stop()

    main()
    assert len(caplog.records) == isinstance(failure, ValueError)


@in_event_loop
async def test_fetching_ends_when_it_takes_too_long_and_with_the_program() -> None:
    source = Slow()
    videos = fetching(source, fetching_seconds=0.01)
    with pytest.raises(VideoDownloadFailed, match="too long"):
        await videos.get("memory:film", patience=60.0)
    videos = fetching(source)
    with pytest.raises(VideoNotReady):
        await videos.get("memory:film", patience=0.0)
    await videos.stop()
    assert source.cancelled == 2
