"""Everybody who can watch along, with the pictures that they have."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from watchbuddy_core.actions import Emotion
from watchbuddy_core.character import Character
from watchbuddy_core.characters import CARD_FILES
from watchbuddy_core.characters.cards import Picture, Pictures, pictures_of, read_card
from watchbuddy_core.characters.folder import CardFolder, Clash
from watchbuddy_core.errors import InvalidCharacterFile, NoCharacterCard

_log = logging.getLogger("watchbuddy.characters")


@dataclass(frozen=True, slots=True)
class Faces:
    """Which pictures a character has."""

    version: str
    """Changes whenever one of them does."""
    emotions: tuple[Emotion, ...]
    """Those that it has a picture for, beside the one of itself."""


class Cast(Mapping[str, Character]):
    """Characters by id: those that a program was started with, and those of a folder of cards,
    also such as come later.

    Of two with one id, an operator's own goes before one that was brought along, and that
    before an installed one. Who has left the list can still be asked for by id, so that
    sessions with them go on.
    """

    def __init__(
        self,
        installed: Mapping[str, Character],
        *,
        own: Mapping[str, Character] | None = None,
        cards: Mapping[str, Path] | None = None,
        folder: CardFolder | None = None,
    ) -> None:
        """
        Args:
            own: the operator's.
            cards: the files of those of them that are cards, by id.
            folder: of those that are brought along. None: nobody is.
        """
        self.folder = folder
        self._installed = dict(installed)
        self._own = dict(own or {})
        self._own_cards = dict(cards or {})
        self._brought: dict[str, tuple[Character, Path]] = {}
        self._left: dict[str, Character] = {}
        self._read: dict[tuple[Path, int, int], Character | None] = {}
        self._seen: int | None = None
        self._faces: dict[tuple[Path, int, int], Faces | None] = {}
        self._lock = Lock()
        self._opening = Lock()
        self._last: tuple[tuple[Path, int, int], Pictures | None] | None = None
        self._look()

    def __getitem__(self, id: str) -> Character:
        self._look()
        if id in self._own:
            return self._own[id]
        if id in self._brought:
            return self._brought[id][0]
        return self._installed[id] if id in self._installed else self._left[id]

    def __contains__(self, id: object) -> bool:
        self._look()
        return id in self._own or id in self._brought or id in self._installed

    def __iter__(self) -> Iterator[str]:
        self._look()
        return iter({**self._installed, **self._brought, **self._own})

    def __len__(self) -> int:
        self._look()
        return len({*self._installed, *self._brought, *self._own})

    def add(
        self, content: bytes, *, id: str | None = None, clash: Clash = "refuse", by: str = ""
    ) -> Character:
        """Bring a card along: its character is there at once. Blocks.

        Args:
            by: who brings it; see CardFolder.add.

        Raises:
            InvalidCharacterFile, CharacterExists, StorageFull: as CardFolder.add; whoever was
                not brought along is never replaced.
        """
        if self.folder is None:
            raise InvalidCharacterFile("This program keeps no cards.")
        others = {*self._own, *self._installed}
        character = self.folder.add(content, id=id, clash=clash, others=others, by=by)
        self._look(anew=True)
        return character

    def faces(self, id: str) -> Faces | None:
        """Which pictures a character has; None: none, so it is drawn. Blocks."""
        key = self._card_of(id)
        if key is None:
            return None
        if key not in self._faces:
            self._faces[key] = _faces_of(self._pictures(key))
        return self._faces[key]

    def picture(self, id: str, emotion: Emotion | None = None) -> Picture | None:
        """A character's picture, of an emotion or of itself; None: it has none. Blocks."""
        key = self._card_of(id)
        pictures = self._pictures(key) if key is not None else None
        if pictures is None:
            return None
        return pictures.main if emotion is None else pictures.emotions.get(emotion)

    # --- the folder ----------------------------------------------------------------------

    def _look(self, *, anew: bool = False) -> None:
        """See whether somebody has come or gone; without that, it costs one look at a folder."""
        if self.folder is None:
            return
        try:
            changed = self.folder.path.stat().st_mtime_ns
        except OSError:
            changed = None
        if changed == self._seen and not anew:
            return
        with self._lock:
            self._seen = changed
            brought = dict(self._loaded(self.folder))
            self._read = {key: one for key, one in self._read.items() if key[0].exists()}
            gone = self._brought.keys() - brought.keys()
            self._left |= {id: self._brought[id][0] for id in gone}
            self._brought = brought

    def _loaded(self, folder: CardFolder) -> Iterator[tuple[str, tuple[Character, Path]]]:
        for file in folder.files():
            key = _key(file)
            if key is None:
                continue
            if key not in self._read:
                self._read[key] = _character(folder, file)
            character = self._read[key]
            if character is not None:
                yield character.id, (character, file)

    def _card_of(self, id: str) -> tuple[Path, int, int] | None:
        """The card of whoever has the id now."""
        if id not in self:
            return None
        if id in self._own:
            path = self._own_cards.get(id)
        else:
            path = self._brought[id][1] if id in self._brought else None
        return _key(path) if path is not None and path.suffix.lower() in CARD_FILES else None

    def _pictures(self, key: tuple[Path, int, int]) -> Pictures | None:
        """Those of the last card are kept, since all of them are asked for together."""
        with self._opening:
            if self._last is None or self._last[0] != key:
                try:
                    self._last = (key, pictures_of(read_card(key[0].read_bytes())))
                except (InvalidCharacterFile, OSError):
                    self._last = (key, None)
            return self._last[1]


def _key(path: Path) -> tuple[Path, int, int] | None:
    """A file as it is now; None: it is gone."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return path, stat.st_mtime_ns, stat.st_size


def _faces_of(pictures: Pictures | None) -> Faces | None:
    if pictures is None:
        return None
    version = hashlib.sha256(pictures.main.content)
    for emotion, picture in sorted(pictures.emotions.items()):
        version.update(emotion.encode() + picture.content)
    return Faces(version.hexdigest()[:12], tuple(pictures.emotions))


def _character(folder: CardFolder, file: Path) -> Character | None:
    try:
        return folder.load(file)
    except NoCharacterCard:
        return None
    except InvalidCharacterFile as problem:
        _log.warning("%s It is passed over.", problem)
        return None
