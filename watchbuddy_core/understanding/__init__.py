"""What is known about a video: first the whole, roughly; then window by window.

    survey      duration, streams, chapters, keyframes, subtitles     reads, decodes nothing
    grid        the windows of a range                                computes
    understand  scenes and sounds of one window                       decodes that window
    key_frames  a few of its pictures, for a model that sees          decodes those

Blocking work is done in threads. Cancelling ends it within a second, and leaves none.
"""

from __future__ import annotations

import asyncio
import wave
from bisect import bisect_left
from contextlib import suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from watchbuddy_core.errors import MissingExtra, VideoUnreadable
from watchbuddy_core.protocols import Progress
from watchbuddy_core.storage import Cache
from watchbuddy_core.understanding import frames, scenes, sound, voices
from watchbuddy_core.understanding.container import opened
from watchbuddy_core.understanding.sniffing import kind_of
from watchbuddy_core.understanding.subtitles import guess_language, read_subtitles
from watchbuddy_core.understanding.survey import survey_file
from watchbuddy_core.understanding.windows import grid
from watchbuddy_core.understanding.work import Stop, in_thread, side_by_side
from watchbuddy_core.video import (
    Cue,
    KeyFrame,
    Loudness,
    Overview,
    Scene,
    Sound,
    Speech,
    Understanding,
    Video,
    Window,
)

__all__ = [
    "duration_of",
    "grid",
    "guess_language",
    "key_frames",
    "known_cues",
    "record",
    "survey",
    "understand",
]


_MOST_PIXELS = 10e9
"""Decoded for the scenes of one window, beside keyframes: all of two minutes in 1080p at 40
pictures a second, some fifteen seconds of work. Of larger pictures it is less of the time."""


VERSION = 2
"""Of what is found out about a file. To be raised whenever the same file would be understood
otherwise: what an older version has found is not used any more."""

_F = TypeVar("_F", bound=BaseModel)


class _Found(BaseModel):
    """What looking into a window, and listening, has told."""

    scenes: tuple[Scene, ...]
    sounds: tuple[Sound, ...]
    loudness: Loudness | None
    speech: tuple[Speech, ...] | None


async def survey(video: Video, progress: Progress, cache: Cache | None = None) -> Overview:
    """Look through the whole file.

    Args:
        cache: where what was found before is looked for, by the content of the video.

    Raises:
        VideoUnreadable: it is no video that can be read.
        MissingExtra: the libraries for it are not installed.
    """
    key = f"survey/{VERSION}/{video.content_id}"
    known = await _kept(cache, key, Overview)
    if known is not None:
        return known
    loop = asyncio.get_running_loop()

    def report(fraction: float) -> None:
        loop.call_soon_threadsafe(progress, fraction, "Looking through the video")

    found = await in_thread(partial(survey_file, video, report))
    await _keep(cache, key, found)
    return found


async def _kept(cache: Cache | None, key: str, kind: type[_F]) -> _F | None:
    kept = await cache.get(key) if cache is not None else None
    if kept is None:
        return None
    try:
        return kind.model_validate_json(kept)
    except ValidationError:  # somebody else's, or damaged
        return None


async def _keep(cache: Cache | None, key: str, found: BaseModel) -> None:
    if cache is not None:
        await cache.put(key, found.model_dump_json().encode())


async def duration_of(path: Path) -> float | None:
    """What the file itself says of its length, in seconds; None: it does not.

    Of subtitles it is the time up to which they tell of a video.

    Raises:
        VideoUnreadable: it is no video and no subtitles that can be read.
        MissingExtra: the libraries for it are not installed.
    """
    return await in_thread(partial(_declared_duration, path))


def _declared_duration(path: Path, stop: Stop) -> float | None:
    if kind_of(path) == "subtitles":
        return max(cue.end for cue in read_subtitles(path))
    with opened(path) as container:
        return round(container.duration / 1_000_000, 3) if container.duration else None


async def understand(
    video: Video,
    overview: Overview,
    window: Window,
    earlier: Understanding | None,
    range_start: float,
    *,
    hurried: bool = False,
    cache: Cache | None = None,
) -> Understanding:
    """Look into one window, and add what is found to what is known of the stretch before it.

    Nothing later than the window's end is in the result. A window that cannot be decoded
    adds nothing but its subtitles.

    Args:
        earlier: the understanding up to the window's start; None: a stretch begins here.
        range_start: where the range begins, in media seconds.
        hurried: somebody waits for it: look at keyframes alone.
        cache: where what was found before is looked for, by the content of the video.
    """
    look_from = max(earlier.start, window.start - scenes.SETTLED) if earlier else window.start
    listen_from = max(range_start, window.start - sound.CONTEXT)
    passages = f"{look_from:.3f}/{listen_from:.3f}/{window.start:.3f}/{window.end:.3f}"
    listens = not overview.cues
    thorough = f"window/{VERSION}/{video.content_id}/{passages}/{listens:d}"
    found = await _kept(cache, thorough, _Found)
    key = f"{thorough}/hurried" if hurried else thorough
    if found is None and hurried:
        found = await _kept(cache, key, _Found)
    if found is None:
        seen, heard = await side_by_side(
            in_thread(partial(_seen_in, video, overview, window, look_from, hurried)),
            in_thread(partial(_heard_in, video, window, listen_from, listens)),
        )
        found = _Found(
            scenes=seen, sounds=heard.sounds, loudness=heard.loudness, speech=heard.speech
        )
        await _keep(cache, key, found)
    return Understanding(
        start=earlier.start if earlier else window.start,
        end=window.end,
        cues=known_cues(overview, range_start, window.end),
        scenes=scenes.joined(earlier.scenes if earlier else (), found.scenes),
        sounds=sound.joined(earlier.sounds if earlier else (), found.sounds),
        loudness=(
            *(earlier.loudness if earlier else ()),
            *((found.loudness,) if found.loudness else ()),
        ),
        speech=None
        if found.speech is None
        else voices.joined((earlier and earlier.speech) or (), found.speech),
        chapters=tuple(
            c for c in overview.chapters if c.end > range_start and c.start < window.end
        ),
        has_picture=any(stream.kind == "video" for stream in overview.streams),
        has_sound=any(stream.kind == "audio" for stream in overview.streams),
        language=overview.language,
    )


async def key_frames(
    video: Video, understanding: Understanding, window: Window
) -> tuple[KeyFrame, ...]:
    """Eight to twelve pictures of the window, in order: of its scenes and its loudest moments.

    Their long side has at most 512 pixels. There are fewer where fewer pictures differ, and
    none where there is no picture or it cannot be decoded any more. None is from the window's
    end or later.

    Args:
        understanding: what is known up to the window's end, as `understand` told it.

    Raises:
        MissingExtra: the libraries for it are not installed.
    """
    return await in_thread(partial(_key_frames, video, understanding, window))


def _key_frames(
    video: Video, understanding: Understanding, window: Window, stop: Stop
) -> tuple[KeyFrame, ...]:
    if video.path is None:
        return ()
    with suppress(VideoUnreadable):
        return frames.key_frames(video.path, understanding, window, stop)
    return ()


async def record(video: Video, start: float, end: float) -> bytes:
    """What is heard from `start` to `end`: a WAV file of one channel, 16,000 samples a second
    of 16 bits. Where the sound cannot be read there is silence."""
    return await in_thread(partial(_recorded, video, start, end))


def _recorded(video: Video, start: float, end: float, stop: Stop) -> bytes:
    import numpy as np

    heard = np.zeros(0, np.float32)
    if video.path is not None:
        with suppress(VideoUnreadable), opened(video.path) as container:
            heard = sound.samples(container, start, end, stop)
    file = BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(voices.RATE)
        out.writeframes((np.clip(heard, -1, 1) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def known_cues(overview: Overview, range_start: float, end: float) -> tuple[Cue, ...]:
    """The subtitles of the range that have begun by `end`."""
    return tuple(cue for cue in overview.cues if cue.end > range_start and cue.start < end)


def _seen_in(
    video: Video,
    overview: Overview,
    window: Window,
    look_from: float,
    hurried: bool,
    stop: Stop,
) -> tuple[Scene, ...]:
    """The window's scenes. What was readable when it was surveyed and is not any more adds
    nothing."""
    if video.path is None:
        return ()
    before = bisect_left(overview.keyframes, look_from - scenes.CONTEXT)
    keyframe = overview.keyframes[before - 1] if before else 0.0
    with suppress(VideoUnreadable):
        most_pixels = 0.0 if hurried else _MOST_PIXELS
        return scenes.look(
            video.path, keyframe, look_from, window.end, stop, most_pixels=most_pixels
        )
    return ()


class _Listened(NamedTuple):
    sounds: tuple[Sound, ...] = ()
    loudness: Loudness | None = None
    speech: tuple[Speech, ...] | None = None


def _heard_in(video: Video, window: Window, since: float, listens: bool, stop: Stop) -> _Listened:
    """The window's sounds, how loud it is, and, where somebody is to listen for it, when there
    is speech."""
    if video.path is None:
        return _Listened()
    with suppress(VideoUnreadable), opened(video.path) as container:
        samples = sound.samples(container, since, window.end, stop)
        if not len(samples):
            return _Listened()
        levels = sound.levels(samples)
        found = sound.sounds(levels, since, window.start)
        loudness = sound.loudness(levels, since, window.start)
        if not listens:
            return _Listened(found, loudness)
        earlier = min(window.start - since, voices.WARM_UP)
        fresh = samples[round((window.start - since - earlier) * voices.RATE) :]
        with suppress(MissingExtra):  # there is no detector for every machine
            speech = voices.speech(fresh, window.start - earlier, window.start, stop)
            return _Listened(found, loudness, speech)
        return _Listened(found, loudness)
    return _Listened()
