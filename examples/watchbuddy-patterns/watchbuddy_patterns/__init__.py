"""A source for AI Watch Buddy that makes its videos itself."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from tempfile import gettempdir, mkstemp

from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.errors import VideoUnavailable
from watchbuddy_core.protocols import Match, Progress
from watchbuddy_core.video import Video, VideoRequest

SCHEME = "pattern:"


class PatternSource:
    """Opens `pattern:storm` and the like: a short film of that picture.

    Args:
        seconds: how long a film is.
        folder: where films are kept, so that each is made once.
    """

    def __init__(self, seconds: float = 30.0, folder: str | None = None) -> None:
        self._seconds = seconds
        self._folder = Path(folder or gettempdir()) / "watchbuddy-patterns"

    def match(self, url: str) -> Match:
        return Match.SITE if url.startswith(SCHEME) else Match.NO

    async def open(self, request: VideoRequest, progress: Progress) -> Video:
        """Make the film, or take the one that was made before.

        Raises:
            VideoUnavailable: there is no such pattern.
        """
        name = request.url.removeprefix(SCHEME)
        try:
            picture = Picture(name)
        except ValueError:
            known = ", ".join(Picture)
            raise VideoUnavailable(f"There is no such pattern. There are {known}.") from None
        path = self._folder / f"{picture}-{self._seconds:g}.mp4"
        if not path.exists():
            progress(0.0, "Painting the pattern")
            await asyncio.to_thread(self._make, picture, path)
        progress(1.0, "The pattern is painted")
        return Video(content_id=f"pattern-{path.stem}", title=picture.title(), path=path)

    def _make(self, picture: Picture, path: Path) -> None:
        """A file appears under its name only when it is whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        number, unfinished = mkstemp(suffix=".mp4", dir=path.parent)
        os.close(number)
        try:
            third = self._seconds / 3
            tones = (Tone.CALM, Tone.BANG, Tone.MELODY)
            shots = [Shot(third, picture, tone) for tone in tones]
            make_clip(Path(unfinished), shots, size=(160, 90), frame_rate=10)
            os.replace(unfinished, path)
        finally:
            Path(unfinished).unlink(missing_ok=True)
