"""Which of a site's formats and subtitles to take.

Formats, subtitles and videos are dictionaries as yt-dlp describes them
(`help(yt_dlp.extractor.common.InfoExtractor)`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from watchbuddy_core.sources.limits import ENOUGH_LINES

Info = Mapping[str, Any]

_FETCHABLE = ("http", "https", "m3u8", "m3u8_native", "http_dash_segments")
_CODECS = ("avc", "h264", "vp8", "vp9", "vp09", "hev", "hvc", "av01")
"""From the one that costs least to decode, and that most browsers play."""
_SUBTITLE_FORMATS = ("vtt", "srt", "ass", "ttml")
_NO_SUBTITLES = ("live_chat", "danmaku", "rechat", "comments")
"""What sites file there, and is none."""
_ORIGINAL = "-orig"
"""How YouTube marks the captions that it has not translated."""
_MOST_SUBTITLES = 3


@dataclass(frozen=True, slots=True)
class Track:
    """Subtitles that a site offers."""

    language: str
    automatic: bool
    format: Info


def choose_formats(info: Info, lines: int = ENOUGH_LINES) -> tuple[Info, ...]:
    """The picture, and the sound where it comes by itself; nothing, where there is neither.

    The smallest picture of enough lines: with sound where a site has them together, unless
    that is much larger.
    """

    def merit(one: Info) -> tuple[int, int, int, float]:
        return _merit(one, lines)

    formats = [one for one in info.get("formats") or () if _is_fetchable(one)]
    pictures = [one for one in formats if not _lacks(one, "vcodec")]
    sounds = [one for one in formats if _lacks(one, "vcodec") and not _lacks(one, "acodec")]
    whole = [one for one in pictures if not _lacks(one, "acodec")]
    best = min(whole, key=merit, default=None)
    sound = min(sounds, key=_sound_merit, default=None)
    if sound is not None:
        silent = min((p for p in pictures if _lacks(p, "acodec")), key=merit, default=None)
        if silent is not None and (best is None or merit(silent)[:2] < merit(best)[:2]):
            return silent, sound
    if best is None:
        best = min(pictures, key=merit, default=None) or sound
    return () if best is None else (best,)


def choose_subtitles(info: Info) -> tuple[Track, ...]:
    """The best first: made by people before made by machines, the video's own language
    before others. Of what a machine has made, only what it has heard, not what it has
    translated."""
    spoken = _base(str(info.get("language") or ""))
    made = list(_tracks(info.get("subtitles"), automatic=False))
    made.sort(key=lambda track: bool(spoken) and _base(track.language) != spoken)
    heard = list(_tracks(info.get("automatic_captions"), automatic=True))
    originals = [track for track in heard if track.language.endswith(_ORIGINAL)]
    own = [track for track in heard if spoken and _base(track.language) == spoken]
    chosen = (originals or own or (heard if len(heard) == 1 else []))[:1]
    return (*made[: _MOST_SUBTITLES - len(chosen)], *chosen)


def language_of(track: Track) -> str | None:
    """As it is called elsewhere; None for what is no language."""
    language = track.language.removesuffix(_ORIGINAL)
    return language if language and language != "und" else None


def _is_fetchable(one: Info) -> bool:
    return (
        bool(one.get("url"))
        and not one.get("has_drm")
        and (one.get("protocol") or "http") in _FETCHABLE
        and not (_lacks(one, "vcodec") and _lacks(one, "acodec"))
    )


def _lacks(one: Info, codec: str) -> bool:
    """Whether it is known to have none. What is not known may have one."""
    return one.get(codec) == "none"


def _merit(one: Info, wanted: int) -> tuple[int, int, int, float]:
    """The least is the best."""
    lines = int(one.get("height") or 0)
    codec = str(one.get("vcodec") or "")
    rank = next((i for i, name in enumerate(_CODECS) if codec.startswith(name)), len(_CODECS))
    too_few = 2 if not lines else int(lines < wanted)
    return too_few, -lines if too_few else lines, rank, float(one.get("tbr") or 0)


def _sound_merit(one: Info) -> tuple[float, bool, float]:
    """In the language that the video was made in; then what most players know; then small."""
    codec = str(one.get("acodec") or "")
    return (
        -float(one.get("language_preference") or 0),
        not codec.startswith(("mp4a", "aac")),
        float(one.get("abr") or one.get("tbr") or 0),
    )


def _tracks(listed: object, *, automatic: bool) -> Iterator[Track]:
    if not isinstance(listed, Mapping):
        return
    for language, formats in listed.items():
        if language in _NO_SUBTITLES:
            continue
        best = min(
            (one for one in _dictionaries(formats) if one.get("ext") in _SUBTITLE_FORMATS),
            key=lambda one: _SUBTITLE_FORMATS.index(one["ext"]),
            default=None,
        )
        if best is not None:
            yield Track(str(language), automatic, best)


def _dictionaries(listed: object) -> Iterable[Info]:
    return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []


def _base(language: str) -> str:
    return language.lower().replace("_", "-").split("-")[0]
