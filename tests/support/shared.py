"""What takes long to make is made once, whichever process of a run needs it first."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """A folder of this run, the same in all processes that its tests run in."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A file of that name, or a folder with files, that nobody changes.

    Args:
        name: says what it is, and whose; a path below the folder that all share.
        make: writes it where it is told to.
    """
    path = shared_folder(factory) / "made" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = shared_folder(factory) / "made.locks"  # a test may look at all that lies by the path
    beside.mkdir(exist_ok=True)
    done = beside / f"{name.replace('/', '-')}.done"
    with done.with_suffix(".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            make(path)
            done.touch()
    return path
