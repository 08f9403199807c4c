"""Scripts as files: as JSON, whole; as WebVTT, SubRip and ASS, to be seen in any player.

    track = read_track(path.read_bytes(), format_of(path.name))
    path.with_suffix(".vtt").write_text(write_track(track, "vtt"), encoding="utf-8")

JSON is the format itself. WebVTT and ASS show the spoken lines as subtitles and carry all
else in comments, so nothing is lost; SubRip has no comments and carries the lines alone.
What somebody has changed in such a file, a word or a time, counts when it is read again,
and a subtitle file of any other origin is read as lines to be spoken.
"""

from __future__ import annotations

from typing import get_args

from watchbuddy_core.errors import InvalidTrack
from watchbuddy_core.tracks import ass, srt, vtt
from watchbuddy_core.tracks.cues import SubtitleFormat, from_blocks, to_blocks
from watchbuddy_core.tracks.track import Track, TrackFormat, TrackVideo, from_json, to_json

__all__ = ["Track", "TrackFormat", "TrackVideo", "format_of", "read_track", "write_track"]

_SUBTITLES: dict[TrackFormat, SubtitleFormat] = {
    "vtt": vtt.FORMAT,
    "srt": srt.FORMAT,
    "ass": ass.FORMAT,
}


def write_track(track: Track, format: TrackFormat) -> str:
    """The text of a file, with a newline at its end. To be encoded as UTF-8.

    Raises:
        InvalidTrack: it lasts a hundred hours or more, for which subtitles have no words.
    """
    if format == "json":
        return to_json(track)
    subtitles = _SUBTITLES[format]
    return subtitles.write(to_blocks(track, subtitles))


def read_track(content: str | bytes, format: TrackFormat) -> Track:
    """Read what `write_track` has written, or any other file of the format.

    Args:
        content: bytes are read as UTF-8, with or without a mark at their beginning.

    Raises:
        InvalidTrack: it is no such file; the message says why.
        MissingExtra: the parsers of subtitles are not installed.
    """
    if isinstance(content, bytes):
        try:
            content = content.decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            raise InvalidTrack("The track cannot be read: it is not text in UTF-8.") from exc
    content = content.removeprefix("\ufeff")
    if format == "json":
        return from_json(content)
    subtitles = _SUBTITLES[format]
    return from_blocks(subtitles.read(content), subtitles)


def format_of(name: str) -> TrackFormat:
    """The format that the name of a file ends with.

    Raises:
        InvalidTrack: it ends with none.
    """
    formats: tuple[TrackFormat, ...] = get_args(TrackFormat)
    for format in formats:
        if name.lower().endswith(f".{format}"):
            return format
    known = ", ".join(f".{format}" for format in formats)
    raise InvalidTrack(f"The name of a track's file ends with one of {known}.")
