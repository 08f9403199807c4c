"""The VIDEO that a command is given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from watchbuddy_core.protocols import Match, untold
from watchbuddy_core.sources.local import LocalSource, library_url
from watchbuddy_core.video import Video, VideoRequest


def addressed(video: str, libraries: tuple[Path, ...]) -> tuple[str, tuple[Path, ...]]:
    """The address of what was named, and the folders in which it is found by that."""
    path = Path(video)
    if ":" in video and not path.exists():
        return video, libraries
    if not path.is_file():
        what = "is no file" if path.exists() else "does not exist"
        raise click.BadParameter(f"{video} {what}.", param_hint="VIDEO")
    folder, url = library_url(path)
    return url, (folder, *libraries)


async def opened(url: str, libraries: Sequence[Path]) -> Video | None:
    """A file that is here; None for anything else."""
    source = LocalSource(libraries)
    if source.match(url) is Match.NO:
        return None
    return await source.open(VideoRequest(url=url), untold)


async def duration_of(url: str, libraries: Sequence[Path]) -> float | None:
    """Of a file that is here, in media seconds; None for anything else."""
    from watchbuddy_core.understanding import survey

    video = await opened(url, libraries)
    return (await survey(video, untold)).duration if video else None
