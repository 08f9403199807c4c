"""The text in a PNG: found, replaced and taken out, and every other chunk left as it is."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from watchbuddy_core.characters.cards.limits import MOST_BYTES, MOST_CHUNKS
from watchbuddy_core.errors import InvalidCharacterFile

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_LONGEST_KEYWORD = 79
"""Of what the specification allows; see 11.3.3.2."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a PNG, as it stands there."""

    kind: bytes
    raw: bytes
    """With its length, its kind and its checksum."""

    @property
    def content(self) -> bytes:
        return self.raw[8:-4]

    @property
    def is_whole(self) -> bool:
        """Whether the checksum is right."""
        return zlib.crc32(self.raw[4:-4]) == int.from_bytes(self.raw[-4:], "big")


def texts_in(png: bytes) -> dict[str, bytes]:
    """The texts of a PNG by their keyword; of two with one keyword the first.

    Raises:
        InvalidCharacterFile: it is broken, or a text unpacks to more than a card may have.
    """
    found: dict[str, bytes] = {}
    left = MOST_BYTES
    for chunk in chunks_of(png):
        if chunk.kind not in _TEXT:
            continue
        keyword, mark, rest = chunk.content.partition(b"\0")
        name = keyword.decode("latin-1")
        if not mark or len(keyword) > _LONGEST_KEYWORD or name in found:
            continue
        if not chunk.is_whole:
            raise InvalidCharacterFile(f"The text {name[:20]!r} of the PNG is damaged.")
        found[name] = _unpacked(chunk.kind, rest, left)
        left -= len(found[name])
    return found


def with_texts(png: bytes, texts: Mapping[str, bytes]) -> bytes:
    """The PNG with these texts, in place of those that have their keywords.

    They stand before the picture, so that they are found without reading all of it.
    """
    kept = _without(png, texts)
    new = [_text_chunk(keyword, text) for keyword, text in texts.items()]
    return SIGNATURE + b"".join([kept[0].raw, *new, *(chunk.raw for chunk in kept[1:])])


def without_texts(png: bytes, keywords: Iterable[str]) -> bytes:
    """The PNG without the texts of these keywords."""
    return SIGNATURE + b"".join(chunk.raw for chunk in _without(png, keywords))


def size_of(png: bytes) -> tuple[int, int]:
    """Width and height in pixels; see 11.2.1."""
    width, height = struct.unpack_from(">II", png, 16) if len(png) >= 24 else (0, 0)
    return width, height


def chunks_of(png: bytes) -> Iterator[Chunk]:
    """Its chunks, the first and the last included; what stands behind the end is left out.

    Raises:
        InvalidCharacterFile: one reaches beyond the file, the end is missing, or there are
            too many.
    """
    at = len(SIGNATURE)
    for number in range(MOST_CHUNKS):
        if len(png) < at + 12:
            break
        length = int.from_bytes(png[at : at + 4], "big")
        kind, end = png[at + 4 : at + 8], at + 12 + length
        if len(png) < end or (number == 0) != (kind == b"IHDR"):
            break
        yield Chunk(kind, png[at:end])
        if kind == b"IEND":
            return
        at = end
    raise InvalidCharacterFile("The PNG is damaged, or has more parts than a card may have.")


def _without(png: bytes, keywords: Iterable[str]) -> list[Chunk]:
    unwanted = {keyword.encode("latin-1") for keyword in keywords}
    return [
        chunk
        for chunk in chunks_of(png)
        if chunk.kind not in _TEXT or chunk.content.partition(b"\0")[0] not in unwanted
    ]


def _text_chunk(keyword: str, text: bytes) -> bytes:
    body = b"tEXt" + keyword.encode("latin-1") + b"\0" + text
    return struct.pack(">I", len(body) - 4) + body + zlib.crc32(body).to_bytes(4, "big")


def _unpacked(kind: bytes, rest: bytes, most: int) -> bytes:
    if kind == b"tEXt":
        return rest
    if kind == b"zTXt":
        return _inflated(rest[1:], most)
    # iTXt: whether it is packed, how, a language, the keyword in it, the text.
    is_packed, packed_text = rest[:1] == b"\1", rest[2:]
    text = packed_text.split(b"\0", 2)[-1]
    return _inflated(text, most) if is_packed else text


def _inflated(packed: bytes, most: int) -> bytes:
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(packed, max(most, 1))
    except zlib.error as exc:
        raise InvalidCharacterFile("A text of the PNG cannot be unpacked.") from exc
    if not unpacking.eof:
        raise InvalidCharacterFile("A text of the PNG is cut off, or larger than a card may be.")
    return text
