"""A source of uploads whose clock and disk the tests set."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.sources.uploads import UploadSource
from watchbuddy_core.video import Video, VideoRequest
from watchbuddy_core.wire import Upload


class Inbox:
    """An UploadSource over a folder, with what it stands on."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.time = 0.0
        self.free = 10**12
        self.source = UploadSource(folder, clock=self, free_space=lambda _: self.free, **options)

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()

    async def take(self, content: bytes, name: str = "film.mp4") -> Upload:
        async with self.source.arrival() as arrival:
            await arrival.write(content)
            return await arrival.finish(name)

    async def open(self, upload: Upload) -> Video:
        return await self.source.open(VideoRequest(url=upload.video_url), lambda *_: None)

    def files(self) -> list[Path]:
        return [path for path in self.folder.glob("*/*") if path.is_file()]


@pytest.fixture
def inbox(tmp_path: Path) -> Callable[..., Inbox]:
    def inbox(**options: Any) -> Inbox:
        return Inbox(tmp_path / "uploads", **options)

    return inbox


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Three seconds of film."""
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    make_clip(path, [Shot(3.0, Picture.DAY, Tone.CALM)], size=(64, 36), frame_rate=4)
    return path.read_bytes()


class LeapingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock can be put forward."""

    _ahead = 0.0

    def time(self) -> float:
        return super().time() + self._ahead

    async def leap(self, seconds: float) -> None:
        """Put the clock forward, and let happen what comes due by that."""
        self._ahead += seconds
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, None]], None]:
    """Runs a scenario in a LeapingLoop of its own, and sees that no task is left behind."""

    def run(scenario: Coroutine[Any, Any, None]) -> None:
        async def bounded() -> None:
            await scenario
            assert asyncio.all_tasks() == {asyncio.current_task()}

        with asyncio.Runner(loop_factory=LeapingLoop) as runner:
            runner.run(bounded())

    return run
