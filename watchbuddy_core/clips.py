"""Makes small videos: pictures with cuts, sound, subtitles, chapters.

For the demo, for tests, and for trying a plugin without looking for a film:

    make_clip(path, [Shot(4.0, Picture.DAWN, Tone.CALM), Shot(3.0, Picture.NIGHT)])

Every shot begins with a cut, and with a keyframe. What is made is H.264 and AAC in an mp4
(or Matroska, by the ending of the name), the same for the same arguments. Needs the extra
`media`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchbuddy_core.errors import MissingExtra
from watchbuddy_core.video import Chapter, Cue

if TYPE_CHECKING:
    import numpy as np
    from av.container import OutputContainer
    from numpy.typing import NDArray

    Rows = NDArray[np.floating[Any]]

_SAMPLE_RATE = 44_100
_MILLISECOND = Fraction(1, 1000)
_DRAWN = 240
"""Pictures are drawn at most so many pixels wide, and scaled: they are soft anyway."""
_ASS_HEADER = (
    "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\n"
    "Format: Name, Fontname, Fontsize\nStyle: Default,Arial,16\n\n"
    "[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)


class Picture(StrEnum):
    """What a shot shows: a landscape of its own colours, with something that moves in it."""

    DAWN = "dawn"
    DAY = "day"
    SEA = "sea"
    DUSK = "dusk"
    NIGHT = "night"
    STORM = "storm"
    STILL = "still"
    """Nothing moves."""


class Tone(StrEnum):
    """What a shot sounds like."""

    SILENCE = "silence"
    CALM = "calm"
    """A slow chord, soft."""
    MELODY = "melody"
    """Single notes."""
    BANG = "bang"
    """The calm chord, and a burst of noise a second in."""


@dataclass(frozen=True, slots=True)
class Shot:
    """What lies between two cuts."""

    seconds: float
    picture: Picture = Picture.DAY
    tone: Tone = Tone.CALM


@dataclass(frozen=True, slots=True)
class _Scheme:
    sky: tuple[int, int, int]
    horizon: tuple[int, int, int]
    land: tuple[int, int, int]
    disc: tuple[int, int, int]
    rise: float
    """How far the disc climbs in a shot, in heights of the picture."""


_SCHEMES = {
    Picture.DAWN: _Scheme((255, 170, 140), (255, 224, 178), (98, 84, 110), (255, 244, 214), 0.25),
    Picture.DAY: _Scheme((70, 150, 225), (190, 226, 245), (96, 160, 84), (255, 250, 200), 0.08),
    Picture.SEA: _Scheme((120, 205, 225), (222, 245, 240), (20, 96, 130), (255, 255, 255), 0.0),
    Picture.DUSK: _Scheme((70, 40, 110), (250, 130, 80), (40, 24, 52), (255, 200, 110), -0.3),
    Picture.NIGHT: _Scheme((8, 12, 36), (26, 36, 74), (6, 8, 18), (235, 238, 250), 0.15),
    Picture.STORM: _Scheme((52, 58, 66), (104, 110, 112), (30, 38, 34), (150, 156, 158), 0.0),
    Picture.STILL: _Scheme((205, 195, 175), (235, 228, 212), (150, 120, 96), (190, 90, 70), 0.0),
}


def make_clip(
    path: Path,
    shots: Sequence[Shot],
    *,
    size: tuple[int, int] = (640, 360),
    frame_rate: int = 15,
    subtitles: Sequence[Cue] = (),
    chapters: Sequence[Chapter] = (),
) -> None:
    """Write a video. Blocks for some seconds per minute of it.

    Args:
        size: width and height, even numbers.
        subtitles: embedded as a text track.

    Raises:
        MissingExtra: PyAV is not installed.
        OSError: the file cannot be written.
    """
    try:
        import av
    except ImportError as exc:
        raise MissingExtra("media", "Making a video") from exc
    is_mp4 = path.suffix.lower() == ".mp4"
    options = {"movflags": "+faststart"} if is_mp4 else {}
    with av.open(str(path), "w", options=options) as out:
        picture = out.add_stream("libx264", rate=frame_rate)
        picture.width, picture.height = size
        picture.pix_fmt = "yuv420p"
        keyframes = {"g": str(5 * frame_rate), "forced-idr": "1"}
        # How x264 weighs macroblocks by its tree of them depends on where its memory happens to
        # lie: with it, one in three clips differs in some bytes from the others.
        same = {"x264-params": "mbtree=0"}
        picture.options = {"preset": "veryfast", "crf": "26", **same, **keyframes}
        sound = out.add_stream("aac", rate=_SAMPLE_RATE, layout="mono")
        text: Any = None
        if subtitles:
            text = out.add_stream("mov_text" if is_mp4 else "srt")
            text.codec_context.subtitle_header = _ASS_HEADER.encode()
        if chapters:
            out.set_chapters([_chapter(number, chapter) for number, chapter in enumerate(chapters)])
        out.start_encoding()
        for index, (is_cut, pixels) in enumerate(_pictures(shots, size, frame_rate)):
            drawn = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame = drawn.reformat(*size, format="yuv420p", interpolation="BICUBIC")
            frame.pts, frame.time_base = index, Fraction(1, frame_rate)
            if is_cut:  # the encoder may overlook one between two pictures that are alike
                frame.pict_type = av.video.frame.PictureType.I
            out.mux(picture.encode(frame))
        out.mux(picture.encode())
        for at, samples in _sounds(shots):
            chunk = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            chunk.sample_rate, chunk.pts = _SAMPLE_RATE, at
            chunk.time_base = Fraction(1, _SAMPLE_RATE)
            out.mux(sound.encode(chunk))
        out.mux(sound.encode())
        for cue in subtitles:
            _write_cue(out, text, cue)


def _chapter(number: int, chapter: Chapter) -> Any:
    return {
        "id": number,
        "start": round(chapter.start * 1000),
        "end": round(chapter.end * 1000),
        "time_base": _MILLISECOND,
        "metadata": {"title": chapter.title},
    }


def _write_cue(out: OutputContainer, stream: Any, cue: Cue) -> None:
    from av.subtitles.subtitle import SubtitleSet

    said = f"{cue.speaker}: {cue.text}" if cue.speaker else cue.text
    line = " ".join([*(f"[{sound}]" for sound in cue.sounds), said]).strip()
    start, length = round(cue.start * 1000), round((cue.end - cue.start) * 1000)
    shown = SubtitleSet.create(
        text=f"0,0,Default,,0,0,0,,{line}".encode(), start=0, end=length, pts=start * 1000
    )
    packet = stream.codec_context.encode_subtitle(shown)
    packet.stream = stream
    packet.time_base = _MILLISECOND
    packet.pts = packet.dts = start
    packet.duration = length
    out.mux(packet)


# --- pictures --------------------------------------------------------------------------------


def _pictures(
    shots: Sequence[Shot], size: tuple[int, int], frame_rate: int
) -> Iterator[tuple[bool, NDArray[np.uint8]]]:
    """(whether a shot begins with it, picture) of one frame after the other."""
    width, height = size
    across = min(_DRAWN, width)
    drawn = (across, across * height // width)
    for shot in shots:
        count = round(shot.seconds * frame_rate)
        if shot.picture is Picture.STILL:
            still = _landscape(shot.picture, drawn, 0.0, 0.0)
            yield from ((i == 0, still) for i in range(count))
            continue
        for i in range(count):
            done = i / count
            yield i == 0, _landscape(shot.picture, drawn, done, done * shot.seconds)


def _landscape(
    picture: Picture, size: tuple[int, int], done: float, seconds: float
) -> NDArray[np.uint8]:
    """A sky with a disc, hills or waves below it; `done` of the shot has passed."""
    import numpy as np

    width, height = size
    scheme = _SCHEMES[picture]
    x = np.linspace(0, width / height, width, dtype=np.float32)
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]

    def colour(rgb: tuple[int, int, int]) -> Rows:
        return np.array(rgb, np.float32)

    sky, horizon = colour(scheme.sky), colour(scheme.horizon)
    blend = np.clip(y / 0.7, 0, 1)[..., None]
    image = np.broadcast_to(sky * (1 - blend) + horizon * blend, (height, width, 3)).copy()

    centre = (0.45 + 0.5 * done, 0.42 - scheme.rise * done)
    distance = np.hypot(x - centre[0], y - centre[1])
    glow = np.clip(1 - distance / 0.5, 0, 1)[..., None] ** 3 * 0.35
    disc = np.clip((0.085 - distance) * height / 2, 0, 1)[..., None]
    image += (colour(scheme.disc) - image) * np.maximum(glow, disc)

    if picture is Picture.NIGHT:
        stars = np.random.default_rng(7).random((height, width)) > 0.9985
        image[stars & (y < 0.6)] = 240
    if picture is Picture.STORM:
        drops = (x * 40 + y * 9 - seconds * 30) % 1.0 < 0.06
        image[drops] = image[drops] * 0.7 + 60
        if 0.98 < seconds < 1.15:
            image = image * 0.75 + 55

    for depth in range(3):
        crest = 0.66 + 0.1 * depth + _crest(picture, x, depth, seconds)
        below = np.clip((y - crest) * height / 2, 0, 1)[..., None]
        shade = colour(scheme.land) * (1.25 - 0.3 * depth)
        image += (shade - image) * below
    pixels: NDArray[np.uint8] = np.clip(image, 0, 255).astype(np.uint8)
    return pixels


def _crest(picture: Picture, x: Rows, depth: int, seconds: float) -> Rows:
    """The height of hills, or of moving waves, against the layer's own."""
    import numpy as np

    if picture is Picture.SEA:
        waves: Rows = 0.012 * np.sin(9 * x + (1.4 + 0.5 * depth) * seconds + 2 * depth)
        return waves
    drift = 0.06 * seconds / (3 - depth)
    hills: Rows = 0.045 * np.sin(3.1 * (x + drift) + 1.7 * depth) + 0.02 * np.sin(
        7.3 * (x + drift) + depth
    )
    return hills


# --- sound -----------------------------------------------------------------------------------

_CHORD = (220.0, 277.18, 329.63)
_NOTES = (440.0, 554.37, 659.25, 880.0, 659.25, 554.37)
_CHUNK = 1024


def _sounds(shots: Sequence[Shot]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """(number of the first sample, samples) of one frame after the other."""
    import numpy as np

    whole = np.concatenate([_heard(shot) for shot in shots]).astype(np.float32)
    for at in range(0, len(whole), _CHUNK):
        yield at, whole[None, at : at + _CHUNK]


def _heard(shot: Shot) -> Rows:
    import numpy as np

    t = np.arange(round(shot.seconds * _SAMPLE_RATE), dtype=np.float32) / _SAMPLE_RATE
    if shot.tone is Tone.SILENCE:
        return np.zeros_like(t)
    if shot.tone is Tone.MELODY:
        step = (t / 0.4).astype(int)
        pitch = np.array(_NOTES, np.float32)[step % len(_NOTES)]
        melody: Rows = 0.12 * np.sin(2 * np.pi * pitch * t) * np.exp(-4 * (t - step * 0.4))
        return melody
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 0.15 * t)
    chord: Rows = 0.03 * swell * sum(np.sin(2 * np.pi * pitch * t) for pitch in _CHORD)
    if shot.tone is Tone.BANG:
        noise = np.random.default_rng(3).uniform(-1, 1, len(t))
        since = t - 1.0
        chord += np.where(since >= 0, 0.7 * noise * np.exp(-3.5 * np.maximum(since, 0)), 0)
    return np.clip(chord, -1, 1)
