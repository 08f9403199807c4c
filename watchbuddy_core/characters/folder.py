"""The characters that were brought along: cards, kept as the files that they came in."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Literal

from watchbuddy_core.character import Character
from watchbuddy_core.characters import (
    HOW_IMPORTED,
    brought_by,
    how_imported,
    is_character_file,
    load_character,
)
from watchbuddy_core.characters.cards import Card, character_of, id_for, id_in, read_card
from watchbuddy_core.errors import (
    CharacterExists,
    InvalidCharacterFile,
    StorageFull,
    UnknownCharacter,
)
from watchbuddy_core.locks import take

Clash = Literal["refuse", "replace", "both"]
"""What to do where the id is taken: nothing, put the new one in its place, or find another id."""

_ARRIVING = ".arriving"
_LOCK = ".lock"
_LOCK_SECONDS = 5.0
"""So long it is waited for another program. A file system need not have locks."""


class CardFolder:
    """A folder of cards, each under its character's id. All methods block.

    The folder is created when the first card comes. A card is in it whole, or not at all.
    """

    def __init__(self, path: Path, *, most: int = 1_000) -> None:
        """
        Args:
            most: so many are kept. More are refused.
        """
        self.path = path
        self._most = most
        self._lock = Lock()

    def files(self) -> list[Path]:
        """The files that should be characters, by name; none where the folder cannot be read."""
        try:
            return sorted(filter(is_character_file, self.path.iterdir()))
        except OSError:
            return []

    def file_of(self, id: str) -> Path:
        """The file of a character.

        Raises:
            UnknownCharacter: none here has the id.
        """
        files = self.files()
        for file in files:
            if id_for(file.stem) == id:
                return file
        raise UnknownCharacter(tuple(id_for(file.stem) for file in files))

    def add(
        self,
        content: bytes,
        *,
        id: str | None = None,
        clash: Clash = "refuse",
        others: Collection[str] = (),
        with_instructions: bool = False,
        by: str = "",
    ) -> Character:
        """Keep a card. The same card, brought again, is the same character.

        Args:
            id: the character's. None: one is made of the first of its names that has letters
                for one.
            clash: what to do where the id is taken.
            others: ids that are taken, and no replacing helps.
            with_instructions: whether the card's own instructions to a model are used.
            by: who brings it. They replace nothing but what they have brought. Empty: the
                operator, who replaces anything.

        Raises:
            InvalidCharacterFile: it is no card, or the id is none.
            CharacterExists: the id is taken.
            StorageFull: there are too many, or there is no room on the disk.
        """
        card = read_card(content)
        wanted = id if id is not None else id_in(card)
        if id_for(wanted) != wanted:
            raise InvalidCharacterFile(
                "An id is of small letters a to z, digits, - and _, and no longer than 64."
            )
        with self._alone():
            taken = {id_for(file.stem): file for file in self.files()}
            if clash == "both":
                wanted = _free(wanted, {*taken, *others}, same=content, files=taken)
            character = character_of(card, wanted, with_instructions=with_instructions)
            there = taken.get(wanted)
            if wanted in others:
                raise CharacterExists(wanted, "Give the new one another id.")
            if there is None:
                self._refuse_more_than(len(taken))
            elif _is_same(there, content) and by:
                return self.load(there)
            elif by and clash == "replace" and brought_by(there) != by:
                raise CharacterExists(wanted, "Somebody else has brought it: take another id.")
            elif clash == "refuse" and not _is_same(there, content):
                raise CharacterExists(wanted, "Replace it, or give the new one another id.")
            how = how_imported(with_instructions=with_instructions, by=by)
            self._put(wanted, card, content, how if with_instructions or by else None)
            return character

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody takes a card in meanwhile, in this program or another that has the folder."""
        with self._lock, ExitStack() as held:
            with suppress(OSError):  # that it takes no file is told when a card is written
                self.path.mkdir(parents=True, exist_ok=True)
                lock = held.enter_context((self.path / _LOCK).open("ab"))
                until = time.monotonic() + _LOCK_SECONDS
                while not take(lock) and time.monotonic() < until:
                    time.sleep(0.02)
            yield

    def _refuse_more_than(self, kept: int) -> None:
        if kept >= self._most:
            raise StorageFull(f"No more than {self._most:,} character cards are kept.")

    def remove(self, id: str) -> None:
        """Forget a character.

        Raises:
            UnknownCharacter: none here has the id.
        """
        file = self.file_of(id)
        file.unlink()
        file.with_suffix(HOW_IMPORTED).unlink(missing_ok=True)

    def load(self, file: Path) -> Character:
        """One of the files as a character.

        Raises:
            InvalidCharacterFile: it is none.
        """
        return load_character(file)

    def _put(self, id: str, card: Card, content: bytes, how: bytes | None) -> None:
        try:
            (self.path / _ARRIVING).mkdir(parents=True, exist_ok=True)
            beside = f"{id}{HOW_IMPORTED}"
            if how is not None:
                self._write(beside, how)
            else:
                (self.path / beside).unlink(missing_ok=True)
            self._write(f"{id}.{card.format}", content)
            for older in self.files():
                if id_for(older.stem) == id and older.name != f"{id}.{card.format}":
                    older.unlink()
        except OSError as exc:
            raise StorageFull("The card cannot be kept: the data folder takes no file.") from exc

    def _write(self, name: str, content: bytes) -> None:
        """The whole file or none, also where the program ends in between."""
        arriving = self.path / _ARRIVING / f"{secrets.token_hex(8)}-{name}"
        try:
            with arriving.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            arriving.replace(self.path / name)
        finally:
            with suppress(OSError):
                arriving.unlink(missing_ok=True)


def _is_same(file: Path, content: bytes) -> bool:
    with suppress(OSError):
        return file.stat().st_size == len(content) and file.read_bytes() == content
    return False


def _free(wanted: str, taken: Collection[str], *, same: bytes, files: dict[str, Path]) -> str:
    """The first of `name`, `name-2`, `name-3`, … that is free, or is this very card."""
    return next(
        one
        for one in _numbered(wanted)
        if one not in taken or (one in files and _is_same(files[one], same))
    )


def _numbered(id: str) -> Iterator[str]:
    yield id
    yield from (f"{id[:56]}-{n}" for n in count(2))
