"""Video files, and subtitles alone, in the folders that the operator names."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePosixPath

from watchbuddy_core.errors import VideoUnavailable
from watchbuddy_core.protocols import ListedVideo, Match, Progress
from watchbuddy_core.sources.hosts import LIBRARY
from watchbuddy_core.sources.identity import content_id
from watchbuddy_core.understanding.languages import language_in
from watchbuddy_core.video import SubtitleFile, Video, VideoRequest

SUBTITLE_ENDINGS = (".srt", ".vtt", ".ass", ".ssa", ".ttml", ".dfxp")
VIDEO_ENDINGS = (
    *(".mp4", ".mkv", ".webm", ".mov", ".m4v", ".avi", ".ts", ".m2ts", ".mpg", ".mpeg"),
    *(".flv", ".wmv", ".ogv", ".3gp", ".mp3", ".m4a", ".ogg", ".opus", ".flac", ".wav"),
)
"""Endings by which files are listed. Others can be opened all the same."""
_MOST_LISTED = 10_000
"""Files of one folder."""
_LONGEST_PATH = 1024
_NOT_THERE = (
    "There is no such file in the library. The address is library: and the path below one of the"
    " server's library folders, such as library:films/sintel.mp4."
)
_NOT_ON_THIS_MACHINE = (
    "This machine has no such file in its library. All machines need the same files below their"
    " library folders; the address is library: and the path there, as in library:films/sintel.mp4."
)
_NEVER_IN_A_PATH = re.compile(r"[\x00-\x1f\x7f\\]")


def library_url(path: Path) -> tuple[Path, str]:
    """The folder to serve and the `library:` address under which it holds this file."""
    resolved = path.expanduser().resolve()
    return resolved.parent, f"{LIBRARY}{resolved.name}"


class LocalSource:
    """Opens `library:relative/path.mp4` below one of the library folders.

    The path is taken as it is written: nothing in it is decoded. Nothing outside the
    folders can be reached, through links neither. The first folder that has the file wins.

    Args:
        shared: whether other machines keep the same sessions: they need the same folders.
    """

    def __init__(self, libraries: Sequence[Path] = (), *, shared: bool = False) -> None:
        self._shared = shared
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
        """Every file below the folders that looks like a video or a recording by its name,
        and subtitles that belong to none."""
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
            if path.suffix.lower() in SUBTITLE_ENDINGS:
                return _subtitles_alone(path)
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
        raise VideoUnavailable(_NOT_ON_THIS_MACHINE if self._shared else _NOT_THERE)

    def _holds(self, path: Path) -> bool:
        """Whether a path, with its links followed, stays in a library folder."""
        return any(path.resolve().is_relative_to(folder) for folder in self._libraries)


def _files_below(folder: Path) -> Iterator[Path]:
    """Files with a name that videos have, and subtitles that lie beside none; nothing hidden."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        seen = [name for name in sorted(names) if not name.startswith(".")]
        videos = {name for name in seen if name.lower().endswith(VIDEO_ENDINGS)}
        stems = {Path(name).stem for name in videos}
        for name in seen:
            alone = name.lower().endswith(SUBTITLE_ENDINGS) and not _belongs(name, stems)
            if name in videos or alone:
                yield Path(parent, name)


def _belongs(name: str, stems: Collection[str]) -> bool:
    """Whether subtitles of this name are those of a video called like one of these."""
    parts = Path(name).stem.split(".")
    return any(".".join(parts[:n]) in stems for n in range(1, len(parts) + 1))


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
        return SubtitleFile(path=path, language=language_in(path.stem[len(video.stem) :]))
    return None


def _subtitles_beside(video: Path) -> tuple[SubtitleFile, ...]:
    """`name.srt` and `name.vtt`, then `name.en.srt` and the like; last those that are for a
    few lines only."""
    found = [
        sidecar
        for path in video.parent.iterdir()
        if (sidecar := _sidecar(path, video)) is not None and path.is_file()
    ]

    def order(file: SubtitleFile) -> tuple[bool, bool, str]:
        return "forced" in file.path.stem.lower(), file.path.stem != video.stem, file.path.name

    return tuple(sorted(found, key=order))


def _subtitles_alone(path: Path) -> Video:
    """Subtitles as a video that nobody here sees."""
    title, _, rest = path.stem.rpartition(".")
    language = language_in(rest) if title else None
    return Video(
        content_id=content_id([path]),
        title=title if language else path.stem,
        path=None,
        subtitles=(SubtitleFile(path=path, language=language),),
    )
