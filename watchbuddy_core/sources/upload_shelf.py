"""Uploads that outlive the program: a folder of files, each with a card that says what it is.

FOLDER/3f9c…         the file
FOLDER/3f9c….json    its card, written when the file is there as a whole
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Container, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from watchbuddy_core.wire import Upload

_CARD = ".json"
_UNFINISHED = ".tmp"


class UploadCard(BaseModel):
    """What is known of a file."""

    model_config = ConfigDict(frozen=True)

    upload: Upload
    content_id: str
    came_at: float
    """Seconds since 1970."""
    sender: str = ""
    """Who brought it, as `SessionRecord.caller` says it."""
    is_taken: bool = False
    """A session has begun to use it."""


class UploadShelf:
    """The folder. All of its methods block.

    Args:
        folder: is made when the first file comes; others of this machine may not look into it.
        unfinished_seconds: so long something may be there that is not whole: other programs may
            be about to make it so.
    """

    def __init__(self, folder: Path, *, unfinished_seconds: float = 0.0) -> None:
        self._folder = folder
        self._unfinished_seconds = unfinished_seconds

    def stock(self, known: Container[Path] = ()) -> Sequence[tuple[Path, UploadCard]]:
        """What is there, each with its card. What is not whole is removed.

        Args:
            known: files whose cards are not read again.
        """
        found: list[tuple[Path, UploadCard]] = []
        whole: set[Path] = set()
        there = set(self._folder.glob("*"))
        for card in (path for path in there if path.suffix == _CARD):
            path = card.with_suffix("")
            with suppress(ValidationError):
                try:
                    if path in there and path not in known:
                        found.append((path, UploadCard.model_validate_json(card.read_bytes())))
                except OSError:  # it may be read the next time
                    pass
                whole.update({path, card} if path in there else ())
        for path in there - whole:
            with suppress(OSError):
                if time.time() - path.stat().st_mtime >= self._unfinished_seconds:
                    path.unlink()
        return found

    def put(self, path: Path, card: UploadCard) -> Path:
        """Take a file in, which is on the same disk; gives where it is from now on.

        Raises:
            OSError: it cannot be kept, and is gone.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        place = self._folder / path.name
        path.rename(place)
        try:
            self.note(place, card)
        except OSError:
            place.unlink()
            raise
        return place

    def note(self, place: Path, card: UploadCard) -> None:
        """Replace the card of a file.

        Raises:
            OSError
        """
        unfinished = place.with_suffix(f".{secrets.token_hex(4)}{_UNFINISHED}")
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(card.model_dump_json())
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(place.with_suffix(_CARD))


def name_in(url: str) -> str:
    """The part of an upload's address that cannot be guessed: `upload:<name>/film.mp4`."""
    return url.partition(":")[2].partition("/")[0]


def remove_upload(path: Path) -> None:
    """Delete a file with its card, if it has one. Blocks.

    Raises:
        OSError
    """
    path.unlink(missing_ok=True)
    path.with_suffix(_CARD).unlink(missing_ok=True)
