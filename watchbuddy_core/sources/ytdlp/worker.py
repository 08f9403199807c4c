"""A process that fetches one video with yt-dlp, and can be killed at any moment.

Before anything of yt-dlp is imported it confines itself, for good: no connection but to
where the guard lets it, no program but the JavaScript runtime, no file larger than allowed.
It ends with the process that started it.
"""

from __future__ import annotations

import errno
import os
import queue
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pydantic import BaseModel

from watchbuddy_core.sources.guard import AddressGuard, AddressRefused
from watchbuddy_core.sources.hosts import HostRule
from watchbuddy_core.sources.ytdlp.choosing import (
    Track,
    choose_formats,
    choose_subtitles,
    language_of,
)
from watchbuddy_core.sources.ytdlp.messages import (
    Arriving,
    Failed,
    Fetched,
    FetchedSubtitles,
    Found,
    FoundChapter,
    Go,
    Order,
)
from watchbuddy_core.sources.ytdlp.troubles import Trouble, trouble_in, trouble_of_status

if TYPE_CHECKING:
    from yt_dlp import YoutubeDL

_BETWEEN_REPORTS = 0.2
"""Seconds."""
_MOST_CHAPTERS = 500
_NAMELESS = ("Generic", "HTML5MediaEmbed")
"""Readers of any page: the names that they give are no identities."""
_RUNTIMES = ("deno", "deno.exe")


class _Unfit(Exception):
    """The video is there, and is none for us."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble)
        self.trouble = trouble


def main() -> None:
    said = _Said()
    lines = _lines_of_the_parent()
    order = Order.model_validate_json(next(lines))
    confinement = _Confinement(order)
    try:
        with _Site(order, said, confinement) as site:
            said(site.find())
            go = Go.model_validate_json(next(lines))
            folder = Path(go.folder)
            said(
                site.fetch_words(folder) if go.words_only else site.fetch(folder, go.room, go.lines)
            )
    except Exception as exc:  # noqa: BLE001 - where the process ends: its parent is told
        trouble = Trouble.INNER_NETWORK if confinement.refused else _trouble(exc)
        said(Failed(trouble=trouble, detail=_without_secrets(f"{type(exc).__name__}: {exc}")))


# --- the two processes ---------------------------------------------------------------------


class _Said:
    """Tells the parent. Whatever else is printed goes nowhere."""

    def __init__(self) -> None:
        self._out: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)

    def __call__(self, message: BaseModel) -> None:
        self._out.write(message.model_dump_json() + "\n")
        self._out.flush()


def _lines_of_the_parent() -> Iterator[str]:
    """What the parent says. When it falls silent for good, this process ends, with what it
    has started, and with the folder that was made for it to run in."""
    lines: queue.Queue[str] = queue.Queue()

    def listen() -> None:
        for line in sys.stdin:
            lines.put(line)
        shutil.rmtree(Path.cwd(), ignore_errors=True)
        if hasattr(os, "killpg"):
            os.killpg(os.getpgrp(), signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        yield lines.get()


# --- confinement ---------------------------------------------------------------------------


class _Confinement:
    """Audit hooks (PEP 578) see an address at the moment it is connected to, whichever
    library does it; they cannot be removed again."""

    def __init__(self, order: Order) -> None:
        self.refused = 0
        """Connections that were not let through. What failed because of one may have
        forgotten why."""
        guard = AddressGuard(map(HostRule.parse, order.exempt))

        def watch(event: str, args: tuple[Any, ...]) -> None:
            if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
                try:
                    _check_address(guard, args[1])
                except AddressRefused:
                    self.refused += 1
                    raise
            elif event == "subprocess.Popen":
                _check_program(args[0], args[1])
            elif event in ("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty"):
                raise PermissionError("No program is started here.")

        sys.modules["curl_cffi"] = None  # type: ignore[assignment]  # no hook sees its sockets
        sys.addaudithook(watch)


def _check_address(guard: AddressGuard, address: object) -> None:
    if isinstance(address, tuple) and len(address) >= 2:
        guard.check(str(address[0]), int(address[1]))
    elif address is not None:
        raise AddressRefused("Nothing of a viewer's is at a socket of this machine.")


def _check_program(executable: object, args: object) -> None:
    named = executable or (args[0] if isinstance(args, list | tuple) and args else args)
    if os.path.basename(str(named)) not in _RUNTIMES:
        raise PermissionError("No program is started here but the JavaScript runtime.")


def _limit_files(room: int) -> None:
    """However a file grows, the system ends it there."""
    with suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))


# --- yt-dlp --------------------------------------------------------------------------------


class _Quiet:
    """The words of the last error; nothing is printed."""

    def __init__(self) -> None:
        self.last_error = ""

    def debug(self, message: str) -> None: ...

    def info(self, message: str) -> None: ...

    def warning(self, message: str) -> None: ...

    def error(self, message: str) -> None:
        self.last_error = message


class _Site:
    def __init__(self, order: Order, said: _Said, confinement: _Confinement) -> None:
        from yt_dlp import YoutubeDL

        self._confinement = confinement
        self._order = order
        self._said = said
        self._log = _Quiet()
        self._info: dict[str, Any] = {}
        options: dict[str, Any] = {
            "quiet": True,
            "noprogress": True,
            "color": "never",
            "logger": self._log,
            "ignoreconfig": True,
            "cachedir": False,
            "noplaylist": True,
            "playlist_items": "1",
            "socket_timeout": 15,
            "retries": 3,
            "fragment_retries": 3,
            "extractor_retries": 1,
            "file_access_retries": 1,
            "skip_unavailable_fragments": False,
            "concurrent_fragment_downloads": 4,
            "continuedl": False,
            "overwrites": True,
            "updatetime": False,
            "enable_file_urls": False,
            # What is taken is chosen below; here it is enough that anything can be.
            "format": "all/best",
            "ignore_no_formats_error": True,
            "external_downloader": "native",
            "ffmpeg_location": os.devnull,
            "fixup": "never",
            "js_runtimes": {"deno": {}},
            "remote_components": [],
            "proxy": order.proxy or "",
        }
        if order.cookies:
            options["cookiefile"] = StringIO(order.cookies)
        self._ydl: YoutubeDL = YoutubeDL(options)

    def __enter__(self) -> _Site:
        return self

    def __exit__(self, *_: object) -> None:
        self._ydl.close()

    def find(self) -> Found:
        """What there is. Nothing of the video is fetched."""
        info = self._ydl.extract_info(self._order.url, download=False)
        for _ in range(2):  # a list, or a list of lists: the first
            if isinstance(info, dict) and info.get("_type") in ("playlist", "multi_video"):
                info = next((entry for entry in info.get("entries") or () if entry), None)
        if not isinstance(info, dict):
            raise _Unfit(trouble_in(self._log.last_error) or Trouble.NOT_A_VIDEO)
        self._info = info
        return Found(
            key=_key(info),
            title=str(info.get("title") or ""),
            duration=_number(info.get("duration")),
            is_live=bool(info.get("is_live")) or info.get("live_status") == "is_upcoming",
            chapters=tuple(_chapters(info))[:_MOST_CHAPTERS],
        )

    def fetch(self, folder: Path, room: int, lines: int) -> Fetched:
        """The subtitles, and the files of the chosen formats."""
        formats = choose_formats(self._info, lines)
        if not formats:
            formats_known = self._info.get("formats") or ()
            protected = any(one.get("has_drm") for one in formats_known)
            raise _Unfit(
                Trouble.PROTECTED
                if protected
                else trouble_in(self._log.last_error) or Trouble.NO_FORMAT
            )
        _limit_files(room)
        subtitles = tuple(self._fetch_subtitles(folder))
        with self._told(formats, room):
            names = [
                self._save(folder, kind, one)
                for kind, one in zip(("picture", "sound"), formats, strict=False)
            ]
        return Fetched(
            picture=names[0], sound=names[1] if len(names) > 1 else None, subtitles=subtitles
        )

    def fetch_words(self, folder: Path) -> Fetched:
        """The subtitles alone."""
        return Fetched(subtitles=tuple(self._fetch_subtitles(folder)))

    def _fetch_subtitles(self, folder: Path) -> Iterator[FetchedSubtitles]:
        """Those that can be had. A video without is better than none."""
        for number, track in enumerate(choose_subtitles(self._info)):
            refused = self._confinement.refused
            try:
                name = self._save_subtitles(folder, f"subtitles-{number}", track)
            except Exception:
                if self._confinement.refused > refused:
                    raise
                continue
            yield FetchedSubtitles(
                file=name, language=language_of(track), automatic=track.automatic
            )

    def _save_subtitles(self, folder: Path, stem: str, track: Track) -> str:
        if "data" in track.format:
            name = f"{stem}.{track.format['ext']}"
            (folder / name).write_text(str(track.format["data"]), encoding="utf-8")
            return name
        return self._save(folder, stem, track.format)

    def _save(self, folder: Path, stem: str, one: Mapping[str, Any]) -> str:
        """One file, by yt-dlp's own downloaders."""
        extension = str(one.get("ext") or "bin")
        name = f"{stem}.{extension if extension.isalnum() and len(extension) < 6 else 'bin'}"
        inherited = {key: self._info.get(key) for key in ("id", "extractor_key", "is_live")}
        done, _ = self._ydl.dl(str(folder / name), {**inherited, **one})
        if done is False or not (folder / name).is_file():  # None: one that does not say
            raise _Unfit(trouble_in(self._log.last_error) or Trouble.UNKNOWN)
        return name

    @contextmanager
    def _told(self, formats: tuple[Mapping[str, Any], ...], room: int) -> Iterator[None]:
        """Tells of what arrives, and ends it where it becomes too much."""
        arrived: dict[str, int] = {}
        expected: dict[str, int] = {}
        told = 0.0

        def hear(status: Mapping[str, Any]) -> None:
            nonlocal told
            name = str(status.get("filename"))
            arrived[name] = int(status.get("downloaded_bytes") or arrived.get(name, 0))
            whole = status.get("total_bytes") or status.get("total_bytes_estimate")
            if whole:
                expected[name] = int(whole)
            received = sum(arrived.values())
            if received > room or (expected and sum(expected.values()) > 4 * room):
                raise _Unfit(Trouble.TOO_LARGE)
            if time.monotonic() - told > _BETWEEN_REPORTS:
                told = time.monotonic()
                self._said(
                    Arriving(
                        received=received,
                        whole=sum(expected.values()) if len(expected) == len(formats) else None,
                    )
                )

        self._ydl.add_progress_hook(hear)
        yield


def _key(info: Mapping[str, Any]) -> str | None:
    site, name = str(info.get("extractor_key") or ""), str(info.get("id") or "")
    return f"{site}-{name}" if site and name and site not in _NAMELESS else None


def _chapters(info: Mapping[str, Any]) -> Iterator[FoundChapter]:
    for chapter in info.get("chapters") or ():
        start, end = _number(chapter.get("start_time")), _number(chapter.get("end_time"))
        title = str(chapter.get("title") or "").strip()
        if start is not None and end is not None and 0 <= start < end and title:
            yield FoundChapter(start=start, end=end, title=title[:200])


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and value == value else None


# --- troubles ------------------------------------------------------------------------------


def _without_secrets(words: str) -> str:
    """For a log: addresses may carry a user and a password, or tokens."""
    return re.sub(r"//[^/@\s]+@|\?[^\s'\")>]+", "…", words)[:1000]


_NO_ROOM = {
    errno.ENOSPC: Trouble.DISK_FULL,
    errno.EDQUOT: Trouble.DISK_FULL,
    errno.EFBIG: Trouble.TOO_LARGE,
}


def _trouble(exc: BaseException) -> Trouble:
    """What an error means, by its class where that says it, else by its words."""
    from yt_dlp.networking.exceptions import HTTPError, TransportError
    from yt_dlp.utils import GeoRestrictedError, UnsupportedError, UserNotLive

    chain = tuple(_causes(exc))
    for one in chain:
        if isinstance(one, _Unfit):
            return one.trouble
    for one in chain:
        if isinstance(one, GeoRestrictedError):
            return Trouble.GEO_BLOCKED
        if isinstance(one, UserNotLive):
            return Trouble.NOT_YET
        if isinstance(one, UnsupportedError):
            return Trouble.NOT_A_VIDEO
    said = trouble_in(str(exc))
    if said in (Trouble.BOT_CHECK, Trouble.AGE_LIMITED, Trouble.PRIVATE, Trouble.GEO_BLOCKED):
        return said
    for one in chain:
        if isinstance(one, HTTPError):
            return trouble_of_status(one.status)
        if isinstance(one, TimeoutError):
            return Trouble.SILENT
        if isinstance(one, OSError) and one.errno in _NO_ROOM:
            return _NO_ROOM[one.errno]
    if any(isinstance(one, TransportError | ConnectionError) for one in chain):
        return Trouble.UNREACHABLE
    return said or Trouble.UNKNOWN


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    """An error and what led to it, by all the ways in which yt-dlp keeps that."""
    seen: set[int] = set()
    waiting: list[object] = [exc]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        kept = getattr(one, "exc_info", None)
        inner = kept[1] if isinstance(kept, tuple) and len(kept) > 1 else None
        waiting += [inner, getattr(one, "cause", None), one.__cause__, one.__context__]


if __name__ == "__main__":
    main()
