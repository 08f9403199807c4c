"""What is known about a video: first the whole, roughly; then window by window.

    survey      duration, streams, chapters, keyframes, subtitles     reads, decodes nothing
    grid        the windows of a range                                computes
    understand  scenes and sounds of one window                       decodes that window

Blocking work is done in threads. Cancelling ends it within a second, and leaves none.
"""

from __future__ import annotations

from functools import partial

from watchbuddy_core.errors import VideoUnreadable
from watchbuddy_core.protocols import Progress
from watchbuddy_core.understanding import scenes as pictures
from watchbuddy_core.understanding import sound
from watchbuddy_core.understanding.container import opened
from watchbuddy_core.understanding.survey import survey_file
from watchbuddy_core.understanding.windows import grid
from watchbuddy_core.understanding.work import Stop, in_thread
from watchbuddy_core.video import Overview, Scene, Sound, Understanding, Video, Window

__all__ = ["grid", "survey", "understand"]


async def survey(video: Video, progress: Progress) -> Overview:
    """Look through the whole file.

    Raises:
        VideoUnreadable: it is no video that can be read.
        MissingExtra: the libraries for it are not installed.
    """
    return await in_thread(partial(survey_file, video, progress))


async def understand(
    video: Video,
    overview: Overview,
    window: Window,
    earlier: Understanding | None,
    range_start: float,
) -> Understanding:
    """Look into one window, and add what is found to what is known of the range before it.

    Nothing later than the window's end is in the result. A window that cannot be decoded
    adds nothing but its subtitles.

    Args:
        earlier: the understanding of the range up to the window's start; None at its start.
        range_start: where the range begins, in media seconds.
    """
    found, heard = await in_thread(partial(_look_into, video, window))
    known_scenes = earlier.scenes if earlier else ()
    known_sounds = earlier.sounds if earlier else ()
    return Understanding(
        start=range_start,
        end=window.end,
        cues=tuple(c for c in overview.cues if c.end > range_start and c.start < window.end),
        scenes=_joined(known_scenes, found),
        sounds=(*known_sounds, *heard),
        chapters=tuple(
            c for c in overview.chapters if c.end > range_start and c.start < window.end
        ),
        has_picture=any(stream.kind == "video" for stream in overview.streams),
        has_sound=any(stream.kind == "audio" for stream in overview.streams),
        language=overview.language,
    )


def _look_into(
    video: Video, window: Window, stop: Stop
) -> tuple[tuple[Scene, ...], tuple[Sound, ...]]:
    try:
        with opened(video.path) as container:
            seen = list(pictures.looks(container, window.start, window.end, stop))
        found = pictures.scenes(seen, window.start, window.end) if seen else ()
        with opened(video.path) as container:
            since = max(0.0, window.start - sound.CONTEXT)
            heard = sound.sounds(
                sound.levels(container, since, window.end, stop), since, window.start
            )
    except VideoUnreadable:
        # It was readable when it was surveyed: damaged here, and perhaps only here.
        return (), ()
    return found, heard


def _joined(known: tuple[Scene, ...], found: tuple[Scene, ...]) -> tuple[Scene, ...]:
    """A scene that goes on across the border of two windows is one."""
    if not known or not found or found[0].change >= pictures.CUT:
        return (*known, *found)
    last, first = known[-1], found[0]
    one = Scene(
        start=last.start,
        end=first.end,
        change=last.change,
        motion=max((m for m in (last.motion, first.motion) if m is not None), default=None),
    )
    return (*known[:-1], one, *found[1:])
