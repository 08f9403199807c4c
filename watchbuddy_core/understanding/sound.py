"""What stands out in the sound: bursts, turns to quiet, silences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from watchbuddy_core.understanding.container import packets, seek, sound_of, start_of
from watchbuddy_core.understanding.voices import RATE
from watchbuddy_core.understanding.work import Stop
from watchbuddy_core.video import Loudness, Sound

if TYPE_CHECKING:
    import numpy as np
    from av.audio.resampler import AudioResampler
    from av.container import InputContainer
    from numpy.typing import NDArray

    from watchbuddy_core.understanding.voices import Samples

    Levels = NDArray[np.float64]

STEP = 0.1
"""Seconds per level."""
CONTEXT = 15.0
"""What is usual is the median over so many seconds before."""
_FRAME = 2.0
"""Seconds. No decoder hands out longer pieces."""
_SILENT = -55.0
"""dB of full scale; below it nothing is heard."""
_NOTHING = -60
"""dB of full scale; what is quieter still is told as this."""
_LOUD = 8.0
_QUIET = -12.0
"""dB against what is usual."""
_SHORTEST = {"loud": 0.2, "quiet": 1.5, "silence": 1.5}
"""Seconds that a passage lasts at least."""
_JOINED = 0.5
"""Passages of one kind that are nearer than this, in seconds, are one."""


def samples(container: InputContainer, start: float, end: float, stop: Stop) -> Samples:
    """One channel of [start, end), 16,000 samples a second from -1 to 1; where there is no
    sound, silence. Empty where there is no sound track."""
    import numpy as np

    if sound_of(container) is None:
        return np.zeros(0, np.float32)
    heard = np.zeros(max(0, round((end - start) * RATE)), np.float32)
    for at, piece in _pieces(container, start, end, stop):
        first = round((at - start) * RATE)
        place = slice(max(first, 0), max(first + len(piece), 0))
        room = heard[place]
        room[:] = piece[max(-first, 0) :][: len(room)]
    return heard


def levels(heard: Samples) -> Levels:
    """Loudness in dB of full scale for every whole tenth of a second."""
    import numpy as np

    per_step = round(RATE * STEP)
    steps = heard[: len(heard) // per_step * per_step].reshape(-1, per_step)
    power: Levels = np.einsum("ij,ij->i", steps, steps, dtype=np.float64) / per_step
    return 10 * np.log10(np.maximum(power, 1e-10))


def _pieces(
    container: InputContainer, start: float, end: float, stop: Stop
) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """(time of the first, samples) of one channel, from about `start` to `end`."""
    import av
    import numpy as np

    stream = sound_of(container)
    if stream is None:
        return
    resamplers: dict[object, AudioResampler] = {}
    zero = start_of(container)
    seek(container, start - 0.5)
    for _, packet in packets(container, [stream], stop):
        try:
            frames = stream.codec_context.decode(packet)
        except av.FFmpegError:
            continue  # a damaged packet is a tenth of a second that is not heard
        for frame in frames:
            if frame.pts is None or frame.time_base is None:
                continue
            at = float(frame.pts * frame.time_base) - zero
            if at >= end:
                return
            if at < start - _FRAME:
                continue
            # Broadcasts change their channels in the middle; a resampler takes one form only.
            form = (frame.format.name, frame.layout.name, frame.sample_rate)
            if form not in resamplers:
                resamplers[form] = av.AudioResampler(format="flt", layout="mono", rate=RATE)
            frame.pts = None
            for even in resamplers[form].resample(frame):
                yield at, even.to_ndarray().ravel().astype(np.float32, copy=False)
                at += even.samples / RATE


def sounds(heard: Levels, start: float, since: float) -> tuple[Sound, ...]:
    """The passages that stand out.

    Args:
        heard: levels from `start` on.
        since: only passages that go on after this are told; what lies before tells what is
            usual, and when they began.
    """
    import numpy as np

    if not len(heard):
        return ()
    usual = _usual(heard)
    smooth = np.convolve(heard, np.ones(3) / 3, mode="full")[1:-1]
    silent = heard < _SILENT
    audible = usual > _SILENT
    marks: dict[Literal["loud", "quiet", "silence"], NDArray[np.bool_]] = {
        "silence": silent,
        "loud": (heard - usual > _LOUD) & (heard > _SILENT + _LOUD) & audible,
        "quiet": (smooth - usual < _QUIET) & ~silent & audible,
    }
    found = []
    for kind, mark in marks.items():
        for first, last in _runs(mark):
            if (last - first) * STEP < _SHORTEST[kind] - 1e-9:
                continue
            at = start + first * STEP
            level = float((heard[first:last] - usual[first:last]).max())
            if kind != "loud":
                level = float((heard[first:last] - usual[first:last]).min())
            until = start + last * STEP
            if until > since + 1e-9:
                found.append(Sound(kind=kind, start=at, end=until, level=round(level, 1)))
    return tuple(sorted(found, key=_order))


def loudness(heard: Levels, start: float, since: float) -> Loudness:
    """How loud it is, second by second.

    Args:
        heard: levels from `start` on; of those before `since` nothing is told.
    """
    import numpy as np

    per_second = round(1 / STEP)
    power = 10 ** (heard[round((since - start) / STEP) :] / 10)
    sums = np.add.reduceat(power, range(0, len(power), per_second)) if len(power) else power
    counts = [min(per_second, len(power) - i) for i in range(0, len(power), per_second)]
    levels = 10 * np.log10(sums / counts) if len(power) else sums
    return Loudness(
        start=since, levels=tuple(int(level) for level in np.clip(levels.round(), _NOTHING, 0))
    )


def joined(known: tuple[Sound, ...], found: tuple[Sound, ...]) -> tuple[Sound, ...]:
    """The sounds of one window after another's. One that goes on across the border is one."""
    last = {sound.kind: i for i, sound in enumerate(known)}
    merged = list(known)
    for sound in found:
        i = last.get(sound.kind)
        if i is None or sound.start > known[i].end + _JOINED:
            merged.append(sound)
        else:
            level = max(known[i].level, sound.level, key=abs)
            merged[i] = known[i].model_copy(update={"end": sound.end, "level": level})
    return tuple(sorted(merged, key=_order))


def _order(sound: Sound) -> tuple[float, str]:
    return sound.start, sound.kind


def _usual(heard: Levels) -> Levels:
    """The median level of what went before each moment; at the beginning, of the beginning."""
    import numpy as np

    reach = round(CONTEXT / STEP)
    usual = np.empty_like(heard)
    for i in range(0, len(heard), 5):
        before = heard[max(0, i - reach) : max(i, min(30, len(heard)))]
        audible = before[before > _SILENT]
        usual[i : i + 5] = np.median(audible) if len(audible) else -100.0
    return usual


def _runs(mark: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The stretches where `mark` holds, with short interruptions bridged."""
    runs: list[tuple[int, int]] = []
    for i, holds in enumerate(mark):
        if not holds:
            continue
        if runs and (i - runs[-1][1]) * STEP <= _JOINED:
            runs[-1] = (runs[-1][0], i + 1)
        else:
            runs.append((i, i + 1))
    return runs
