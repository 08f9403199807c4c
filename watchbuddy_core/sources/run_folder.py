"""A folder for the files of one run of a program, which goes when that ends.

BASE/3f9c….lock    locked by the program as long as it runs
BASE/3f9c…/        its files; nobody else's on this machine may look into it

What is not locked was left behind by a program that was killed.
"""

from __future__ import annotations

import errno
import secrets
import shutil
import tempfile
import weakref
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from watchbuddy_core.locks import take

_ENDING = ".lock"
_TRIES = 10
"""More than that, and it is no sweep that comes in between: network file systems need not have
locks."""


class RunFolder:
    """The folder of this run. It is made when it is first asked for.

    Args:
        base: where the folders of all runs are. None: in a temporary folder.
    """

    def __init__(self, base: Path | None = None) -> None:
        self._base = base
        self._path: Path | None = None

    @property
    def place(self) -> Path:
        """A folder on the disk that it lies on, or will lie on."""
        base = Path(tempfile.gettempdir()) if self._base is None else self._base
        return next(folder for folder in (base, *base.absolute().parents) if folder.is_dir())

    def path(self) -> Path:
        """The folder itself; others of this machine may not look into it.

        Raises:
            OSError: it cannot be made.
        """
        if self._path is None or not self._path.is_dir():
            self._path = self._temporary() if self._base is None else self._claimed(self._base)
        return self._path

    def sweep(self) -> None:
        """Remove what runs that were killed have left behind."""
        if self._base is None:
            return
        for lock in self._base.glob(f"*{_ENDING}"):
            with suppress(OSError), lock.open("ab") as file:
                if take(file):
                    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                    lock.unlink()

    def _temporary(self) -> Path:
        path = Path(tempfile.mkdtemp(prefix="watchbuddy-"))
        weakref.finalize(self, partial(shutil.rmtree, path, ignore_errors=True))
        return path

    def _claimed(self, base: Path) -> Path:
        base.mkdir(parents=True, exist_ok=True, mode=0o700)
        for _ in range(_TRIES):
            lock = base / f"{secrets.token_hex(8)}{_ENDING}"
            file = lock.open("xb")
            # A sweep of another program may have come in between.
            if take(file) and lock.exists():
                path = lock.with_suffix("")
                path.mkdir(mode=0o700)
                weakref.finalize(self, _leave, path, lock, file)
                return path
            file.close()
            lock.unlink(missing_ok=True)
        raise OSError(errno.ENOLCK, "files cannot be locked in this folder")


def _leave(path: Path, lock: Path, file: BinaryIO) -> None:
    shutil.rmtree(path, ignore_errors=True)
    file.close()
    with suppress(OSError):
        lock.unlink()
