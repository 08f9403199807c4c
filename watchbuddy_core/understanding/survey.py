"""What demuxing alone tells about a whole video: nothing of it is decoded but subtitles."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

from watchbuddy_core.actions import MAX_SECONDS
from watchbuddy_core.errors import VideoUnreadable
from watchbuddy_core.understanding.container import (
    is_cover,
    opened,
    packets,
    picture_of,
    sound_of,
    start_of,
    text_of,
)
from watchbuddy_core.understanding.languages import iso_639_1
from watchbuddy_core.understanding.subtitles import Raw, cues, guess_language, read_subtitles
from watchbuddy_core.understanding.work import Stop
from watchbuddy_core.video import Chapter, Cue, Overview, Stream, SubtitleFile, Video

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet

_PACKETS_PER_REPORT = 2000
_AFTER_THE_LAST_CUE = 10.0
"""Seconds that a video goes on, as far as its subtitles tell."""


def survey_file(video: Video, report: Callable[[float], None], stop: Stop) -> Overview:
    """Read the whole file once. Blocks, and calls `report` now and then with the share done.

    Where there is no file, its site and its subtitles tell what there is to be known.

    Raises:
        VideoUnreadable: there is neither picture nor sound in it, or no subtitle in those.
    """
    if video.path is None:
        return _survey_subtitles(video)
    with opened(video.path) as container:
        picture = picture_of(container)
        sound = sound_of(container)
        if picture is None and sound is None:
            raise VideoUnreadable("The file has neither a picture nor sound.")
        spoken = iso_639_1(sound.language) if sound is not None else None
        text = text_of(container, spoken)
        keyframes: list[float] = []
        embedded: list[Raw] = []
        latest = 0.0
        wanted = [stream for stream in (picture, sound, text) if stream is not None]
        whole = (container.duration or 0) / 1_000_000
        for i, (at, packet) in enumerate(packets(container, wanted, stop)):
            if i % _PACKETS_PER_REPORT == 0 and whole > 0:
                report(min(max(at / whole, 0.0), 1.0))
            length = float((packet.duration or 0) * packet.time_base)
            if packet.stream is text:
                embedded += _decoded(packet, at, length)
                continue
            latest = max(latest, at + length)
            if packet.stream is picture and packet.is_keyframe:
                keyframes.append(round(max(at, 0.0), 3))
        duration = _duration(container, latest)
        chapters = _chapters(container, duration)
        streams = _streams(container)
        tagged = text.language if text is not None else None
    found, language = _sidecar(video, spoken)
    if not found:
        found, language = cues(embedded), tagged
    return Overview(
        duration=duration,
        streams=streams,
        chapters=chapters or _within(video.chapters, duration),
        keyframes=tuple(sorted({at for at in keyframes if at < duration})),
        cues=tuple(cue for cue in found if cue.start < duration),
        language=guess_language(found) or (iso_639_1(language) if found else None),
    )


def _duration(container: InputContainer, latest: float) -> float:
    """What was really there, where the header promises more."""
    declared = (container.duration or 0) / 1_000_000
    duration = round(min(declared, latest) if declared > 0 else latest, 3)
    if not 0 < duration <= MAX_SECONDS:
        raise VideoUnreadable("The file holds no picture and no sound that can be read.")
    return duration


def _decoded(packet: Packet[Any], at: float, length: float) -> list[Raw]:
    """The text of an embedded subtitle. The time is the packet's; the text is that of ASS."""
    import av

    try:
        subtitles: list[Any] = packet.decode()
    except av.FFmpegError:
        return []
    texts = [
        subtitle.dialogue.decode("utf-8", errors="replace")
        for subtitle in subtitles
        if getattr(subtitle, "dialogue", None)
    ]
    return [Raw(max(at, 0.0), at + length, text) for text in texts if at + length > 0]


def _survey_subtitles(video: Video) -> Overview:
    found, language = _sidecar(video, None)
    if video.duration is not None:
        duration = video.duration
    elif found:
        duration = min(max(cue.end for cue in found) + _AFTER_THE_LAST_CUE, MAX_SECONDS)
    else:
        raise VideoUnreadable("The file holds no subtitles that can be read.")
    return Overview(
        duration=round(duration, 3),
        streams=(),
        chapters=_within(video.chapters, duration),
        cues=tuple(cue for cue in found if cue.start < duration),
        language=guess_language(found) or iso_639_1(language),
    )


def _sidecar(video: Video, spoken: str | None) -> tuple[tuple[Cue, ...], str | None]:
    """The first of the files beside the video that has anything to say, and its language:
    made by people before made by machines, then in the language that is spoken before others.
    """

    def comes_later(file: SubtitleFile) -> tuple[bool, bool]:
        return file.automatic, spoken is not None and iso_639_1(file.language) != spoken

    for file in sorted(video.subtitles, key=comes_later):
        try:
            found = read_subtitles(file.path)
        except OSError:
            continue
        if found:
            return found, file.language
    return (), None


def _within(chapters: Iterable[Chapter], duration: float) -> tuple[Chapter, ...]:
    return tuple(
        chapter.model_copy(update={"end": min(chapter.end, duration)})
        for chapter in sorted(chapters, key=lambda chapter: chapter.start)
        if chapter.start < duration
    )


def _chapters(container: InputContainer, duration: float) -> tuple[Chapter, ...]:
    zero = start_of(container)
    chapters = []
    for chapter in container.chapters():
        base = float(chapter["time_base"] or 0)
        start = max(chapter["start"] * base - zero, 0.0)
        end = min(chapter["end"] * base - zero, duration)
        title = str(chapter["metadata"].get("title", "")).strip()
        if title and start < end:
            chapters.append(Chapter(start=start, end=end, title=title[:200]))
    return tuple(sorted(chapters, key=lambda chapter: chapter.start))


def _streams(container: InputContainer) -> tuple[Stream, ...]:
    kinds: dict[str, Literal["video", "audio", "subtitle"]] = {
        "video": "video",
        "audio": "audio",
        "subtitle": "subtitle",
    }
    found = []
    for stream in container.streams:
        if stream.type not in kinds or stream.codec_context is None or is_cover(stream):
            continue
        context: Any = stream.codec_context
        rate = getattr(stream, "average_rate", None)
        found.append(
            Stream(
                kind=kinds[stream.type],
                codec=context.name,
                language=iso_639_1(stream.language),
                width=getattr(context, "width", None) or None,
                height=getattr(context, "height", None) or None,
                frame_rate=float(rate) if rate else None,
                sample_rate=getattr(context, "sample_rate", None) or None,
            )
        )
    return tuple(found)
