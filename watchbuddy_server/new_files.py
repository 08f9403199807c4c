"""Files that are there whole, or not at all."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

from watchbuddy_core.errors import WatchBuddyError


class FileNotWritten(WatchBuddyError):
    """There is no room for a file, no right to write it, or something else in its place."""


@contextmanager
def standard_output() -> Iterator[BinaryIO]:
    """Standard output, for bytes.

    Raises:
        KeyboardInterrupt: nobody reads any more, which ends the program as Ctrl-C does.
        FileNotWritten: it leads to a disk that is full.
    """
    try:
        yield sys.stdout.buffer
        sys.stdout.flush()
    except OSError as exc:
        # What is left in the buffer would fail once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(exc, BrokenPipeError):
            raise KeyboardInterrupt from None
        raise _not_written("Standard output", exc) from exc


class StandardOutput(TextIOWrapper):
    """Standard output, for text; where it cannot be written, that is told of it by name.

    `flush` and `write` raise FileNotWritten where it leads to a disk that is full, and
    BrokenPipeError as ever.
    """

    def write(self, text: str, /) -> int:
        with _told():
            return super().write(text)

    def flush(self) -> None:
        with _told():
            super().flush()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise _not_written("Standard output", exc) from exc


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that appears whole as the context is left; after an exception, not at all.

    What is no regular file, such as a pipe, is written to as it comes.

    Raises:
        FileNotWritten: the folder is not there or cannot be written to, the disk is full.
    """
    try:
        target = path.resolve()  # a link stays, and what it leads to is replaced
        if target.exists() and not target.is_file():
            with target.open("wb") as file:
                yield file
            return
        unfinished = target.with_name(f".watchbuddy-{secrets.token_hex(4)}.part")
        try:
            with unfinished.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as exc:
        raise _not_written(str(path), exc) from exc


def _not_written(what: str, exc: OSError) -> FileNotWritten:
    return FileNotWritten(f"{what} cannot be written: {exc.strerror or exc}.")
