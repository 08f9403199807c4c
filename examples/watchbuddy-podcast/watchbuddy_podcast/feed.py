"""What a podcast's feed says: RSS 2.0, with the transcripts of Podcasting 2.0."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, ParseError

from watchbuddy_core.errors import VideoUnavailable

_NUMBER = "{http://www.itunes.com/dtds/podcast-1.0.dtd}episode"
_TRANSCRIPT = "{https://podcastindex.org/namespace/1.0}transcript"
_READABLE = {"text/vtt": ".vtt", "application/x-subrip": ".srt", "application/srt": ".srt"}


@dataclass(frozen=True, slots=True)
class Transcript:
    url: str
    ending: str
    """Of a file's name: `.vtt` or `.srt`."""
    language: str | None


@dataclass(frozen=True, slots=True)
class Episode:
    title: str
    url: str
    """Of the recording."""
    number: str
    """As the feed counts; empty where it does not."""
    transcripts: tuple[Transcript, ...]


def episodes(feed: bytes, url: str) -> list[Episode]:
    """All that can be heard, the newest first, as feeds have it.

    Args:
        url: where the feed came from; it may name places from there.

    Raises:
        VideoUnavailable: it is no feed.
    """
    # Entities could make a small document a huge one, and a feed has no use for them.
    if b"<!DOCTYPE" in feed or b"<!ENTITY" in feed:
        raise VideoUnavailable("The podcast's feed is no plain one.")
    try:
        root = ElementTree.fromstring(feed)
    except ParseError as exc:
        raise VideoUnavailable("The podcast's feed cannot be read.") from exc
    return list(_episodes(root, url))


def _episodes(root: Element, base: str) -> Iterator[Episode]:
    for item in root.iterfind("channel/item"):
        enclosure = item.find("enclosure")
        place = "" if enclosure is None else enclosure.get("url", "").strip()
        if place:  # else it is a notice without a recording
            yield Episode(
                title=item.findtext("title", "").strip(),
                url=urljoin(base, place),
                number=item.findtext(_NUMBER, "").strip(),
                transcripts=tuple(_transcripts(item, base)),
            )


def _transcripts(item: Element, base: str) -> Iterator[Transcript]:
    for element in item.iterfind(_TRANSCRIPT):
        ending, place = _READABLE.get(element.get("type", "")), element.get("url", "").strip()
        if ending and place:
            yield Transcript(urljoin(base, place), ending, element.get("language"))
