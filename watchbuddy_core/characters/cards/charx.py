"""CHARX: a card in a zip file, with its pictures beside it. Read from memory, never unpacked."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping

from watchbuddy_core.characters.cards.limits import MOST_ENTRIES, MOST_UNPACKED_BYTES
from watchbuddy_core.errors import InvalidCharacterFile

SIGNATURE = b"PK\x03\x04"
CARD = "card.json"
_END, _ZIP64 = b"PK\x05\x06", b"PK\x06\x07"
_LONGEST_COMMENT = 65_535
_MOST_LISTING_BYTES = MOST_ENTRIES * 1024
_ENCRYPTED = 0x1
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Those that take no more memory than what comes out of them."""


def unzipped(content: bytes) -> dict[str, bytes]:
    """What is in the file, by name.

    Raises:
        InvalidCharacterFile: it is no zip file, is damaged or encrypted, has names that lead
            out of it or come twice, or more in it than a card may have.
    """
    _refuse_long_listing(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            entries = [entry for entry in file.infolist() if not entry.is_dir()]
            _refuse_what_no_card_has(entries)
            return {entry.filename: file.read(entry) for entry in entries}
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, OSError) as exc:
        raise InvalidCharacterFile("The CHARX file is no zip file, or is damaged.") from exc


def zipped(entries: Mapping[str, bytes]) -> bytes:
    """A zip file of these; the same ones always give the same file."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as file:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name)
            is_text = name.endswith(".json")
            entry.compress_type = zipfile.ZIP_DEFLATED if is_text else zipfile.ZIP_STORED
            file.writestr(entry, content)
    return written.getvalue()


def _refuse_long_listing(content: bytes) -> None:
    """Before `zipfile` makes an object of each entry that a file has, or says it has."""
    tail = content[-(_LONGEST_COMMENT + 64) :]
    at = tail.find(_END)
    if at < 0 or _ZIP64 in tail:
        raise InvalidCharacterFile("The CHARX file is no zip file, or is damaged.")
    while at >= 0:
        if int.from_bytes(tail[at + 12 : at + 16], "little") > _MOST_LISTING_BYTES:
            raise InvalidCharacterFile("The CHARX file has more in it than a card may have.")
        at = tail.find(_END, at + 1)


def _refuse_what_no_card_has(entries: list[zipfile.ZipInfo]) -> None:
    # The sizes are those that the file declares, and `zipfile` reads no more than it was told.
    if len(entries) > MOST_ENTRIES or sum(one.file_size for one in entries) > MOST_UNPACKED_BYTES:
        raise InvalidCharacterFile("The CHARX file has more in it than a card may have.")
    if len({entry.filename for entry in entries}) < len(entries):
        raise InvalidCharacterFile("The CHARX file has two files of one name.")
    for entry in entries:
        if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _PACKED:
            raise InvalidCharacterFile("The CHARX file is encrypted, or packed in an unusual way.")
        parts = entry.filename.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or ":" in parts[0]:
            raise InvalidCharacterFile("The CHARX file has a name in it that leads out of it.")
