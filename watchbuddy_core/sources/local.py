"""Video files in the folders that the operator names."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePosixPath

from watchbuddy_core.errors import VideoUnavailable
from watchbuddy_core.protocols import ListedVideo, Match, Progress
from watchbuddy_core.sources.hosts import LIBRARY
from watchbuddy_core.sources.identity import content_id
from watchbuddy_core.video import SubtitleFile, Video, VideoRequest

SUBTITLE_ENDINGS = (".srt", ".vtt")
VIDEO_ENDINGS = (
    *(".mp4", ".mkv", ".webm", ".mov", ".m4v", ".avi", ".ts", ".m2ts", ".mpg", ".mpeg"),
    *(".flv", ".wmv", ".ogv", ".3gp", ".mp3", ".m4a", ".ogg", ".opus", ".flac", ".wav"),
)
"""Endings by which files are listed. Others can be opened all the same."""
_MOST_LISTED = 10_000
"""Files of one folder."""
_LONGEST_PATH = 1024
_NEVER_IN_A_PATH = re.compile(r"[\x00-\x1f\x7f\\]")


def library_url(path: Path) -> tuple[Path, str]:
    """The folder to serve and the `library:` address under which it holds this file."""
    resolved = path.expanduser().resolve()
    return resolved.parent, f"{LIBRARY}{resolved.name}"


class LocalSource:
    """Opens `library:relative/path.mp4` below one of the library folders.

    The path is taken as it is written: nothing in it is decoded. Nothing outside the
    folders can be reached, through links neither. The first folder that has the file wins.
    """

    def __init__(self, libraries: Sequence[Path] = ()) -> None:
        self._libraries = tuple(folder.expanduser().resolve() for folder in libraries)

    def match(self, url: str) -> Match:
        return Match.SITE if url.startswith(LIBRARY) else Match.NO

    async def open(self, request: VideoRequest, progress: Progress) -> Video:
        """Find the file and the subtitles beside it.

        Raises:
            VideoUnavailable: there is no such file in the library.
        """
        progress(None, "Looking in the library")
        return await asyncio.to_thread(self._open, request.url.removeprefix(LIBRARY))

    async def listing(self) -> Sequence[ListedVideo]:
        """Every file below the folders that looks like a video or a recording by its name."""
        return await asyncio.to_thread(lambda: tuple(self._listing()))

    def _listing(self) -> Iterator[ListedVideo]:
        seen: set[str] = set()
        for folder in self._libraries:
            for path in islice(_files_below(folder), _MOST_LISTED):
                relative = path.relative_to(folder).as_posix()
                if relative in seen or not (_is_plain(relative) and self._holds(path)):
                    continue
                seen.add(relative)
                with suppress(OSError):  # gone in the meantime
                    facts = path.stat()
                    yield ListedVideo(f"{LIBRARY}{relative}", path, facts.st_size, facts.st_mtime)

    def _open(self, relative: str) -> Video:
        path = self._find(relative)
        try:
            subtitles = tuple(file for file in _subtitles_beside(path) if self._holds(file.path))
            identity = content_id([path, *(file.path for file in subtitles)])
        except OSError as exc:
            raise VideoUnavailable("The file in the library cannot be read.") from exc
        return Video(content_id=identity, title=path.stem, path=path, subtitles=subtitles)

    def _find(self, relative: str) -> Path:
        if _is_plain(relative):
            for folder in self._libraries:
                try:
                    path = (folder / relative).resolve()
                    if path.is_relative_to(folder) and path.is_file():
                        return path
                except (OSError, RuntimeError):  # a name too long, or links in a circle
                    continue
        raise VideoUnavailable(
            "There is no such file in the library. The address is library: and the path "
            "below one of the server's library folders, such as library:films/sintel.mp4."
        )

    def _holds(self, path: Path) -> bool:
        """Whether a path, with its links followed, stays in a library folder."""
        return any(path.resolve().is_relative_to(folder) for folder in self._libraries)


def _files_below(folder: Path) -> Iterator[Path]:
    """Files with a name that videos have; nothing hidden."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and name.lower().endswith(VIDEO_ENDINGS):
                yield Path(parent, name)


def _is_plain(relative: str) -> bool:
    """Whether a path says nothing but a way down from a folder."""
    parts = PurePosixPath(relative).parts
    return (
        bool(parts)
        and len(relative) <= _LONGEST_PATH
        and not _NEVER_IN_A_PATH.search(relative)
        and not relative.startswith("/")
        and ".." not in parts
    )


def is_sidecar(path: Path, video: Path) -> bool:
    """Whether a file of this name is read as subtitles of the video."""
    same_folder = path.expanduser().resolve().parent == video.resolve().parent
    return same_folder and _sidecar(path, video) is not None


def _sidecar(path: Path, video: Path) -> SubtitleFile | None:
    """By the name alone: `film.srt` and `film.en.vtt` are subtitles of `film.mp4`."""
    if path.suffix.lower() not in SUBTITLE_ENDINGS:
        return None
    if path.stem == video.stem:
        return SubtitleFile(path=path)
    if path.stem.startswith(f"{video.stem}."):
        language = path.stem.removeprefix(f"{video.stem}.").lower()
        if language.replace("-", "").isalpha() and len(language) <= 8:
            return SubtitleFile(path=path, language=language)
    return None


def _subtitles_beside(video: Path) -> tuple[SubtitleFile, ...]:
    """`name.srt` and `name.vtt`, then `name.en.srt` and the like."""
    found = [
        sidecar
        for path in video.parent.iterdir()
        if (sidecar := _sidecar(path, video)) is not None and path.is_file()
    ]
    return tuple(sorted(found, key=lambda file: (file.language is not None, file.path.name)))
