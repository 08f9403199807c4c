"""Which files are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

_IDENTITY_BYTES = 1024 * 1024
"""So much of a file's head and tail tells it from others."""


def content_id(files: Iterable[Path]) -> str:
    """The same for the same content: size, head and tail of each of a video's files.

    Raises:
        OSError: one of them cannot be read.
    """
    digest = hashlib.sha256()
    for path in files:
        size = path.stat().st_size
        digest.update(size.to_bytes(8, "big"))
        with path.open("rb") as file:
            digest.update(file.read(_IDENTITY_BYTES))
            file.seek(max(0, size - _IDENTITY_BYTES))
            digest.update(file.read(_IDENTITY_BYTES))
    return f"file-{digest.hexdigest()[:32]}"
