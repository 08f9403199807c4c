"""Whether a companion lets one watch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from watchbuddy_core.actions import Action, Jump, PauseVideo, Speak
from watchbuddy_core.speech import spoken_seconds

_TEN_MINUTES = 600.0

Span = tuple[float, float]
"""From and until, in media seconds."""


@dataclass(frozen=True, slots=True)
class Comfort:
    """How much of the companion there is, and where.

    A line takes as long as `watchbuddy_core.speech.spoken_seconds` says. One that pauses the
    video takes no media time: it talks over nobody, and its length counts as a pause.
    """

    talked_over: float
    """The companion's speech that falls on dialogue, of all its speech. 0 to 1; 0 is best,
    and what silence has."""
    own_overlap: float
    """Its speech that falls on an earlier line of its own, of all its speech. 0 to 1; 0 is
    best. Clients say one line after another: what overlaps is late."""
    lines_per_minute: float
    """0 or more. How many are right is a matter of taste: peers ask for 3 to 7."""
    speech_share: float
    """The video during which it speaks, of all of it. 0 to 1."""
    longest_silence: float
    """Seconds without a line, at the beginning and the end as well. The whole, where nothing
    is said."""
    gap_distance: float
    """How unlike the gaps between its lines and those between the events are: the Wasserstein-1
    distance of the two, the mean number of seconds by which a gap would have to change. The
    stretches before the first and after the last are gaps as well. 0 or more; 0 is best. Without
    events: 0, there is nothing to be unlike."""
    pauses: float
    """Lines that pause the video, and PAUSE_VIDEO, in ten minutes. 0 or more."""
    paused_seconds: float
    """Seconds for which they stop it, in ten minutes of video. 0 or more. WCAG allows an
    "extended audio description" to stop the video where there is no gap; viewers dislike it."""
    jumps: float
    """SEEK and REPLAY_SEGMENT in ten minutes. 0 or more."""


def comfort(
    actions: Sequence[Action],
    *,
    dialogue: Sequence[Span],
    events: Sequence[float],
    start: float,
    end: float,
) -> Comfort:
    """Of actions that lie between `start` and `end`, ascending."""
    lines = [action for action in actions if isinstance(action, Speak)]
    times = [line.trigger_timestamp for line in lines]
    speech = [_span(line) for line in lines if not line.pause_video]
    spoken = _length(speech)
    said = joined(speech)
    pauses = [
        spoken_seconds(action.text) if isinstance(action, Speak) else action.duration_seconds
        for action in actions
        if isinstance(action, PauseVideo) or (isinstance(action, Speak) and action.pause_video)
    ]
    tens = (end - start) / _TEN_MINUTES
    gaps = _gaps(times, start, end)
    within = common(said, [(start, end)])
    return Comfort(
        talked_over=common(speech, joined(dialogue)) / spoken if spoken else 0.0,
        own_overlap=(spoken - _length(said)) / spoken if spoken else 0.0,
        lines_per_minute=len(lines) / (end - start) * 60,
        speech_share=within / (end - start),
        longest_silence=max(_silences(said, times, start, end)),
        gap_distance=_distance(gaps, _gaps(events, start, end)) if events else 0.0,
        pauses=len(pauses) / tens,
        paused_seconds=sum(pauses) / tens,
        jumps=sum(isinstance(action, Jump) for action in actions) / tens,
    )


def _span(line: Speak) -> Span:
    return line.trigger_timestamp, line.trigger_timestamp + spoken_seconds(line.text)


def joined(spans: Iterable[Span]) -> list[Span]:
    """Ascending, and apart."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        elif start < end:
            found.append((start, end))
    return found


def common(spans: Iterable[Span], others: Iterable[Span]) -> float:
    """Seconds that spans share with others, which do not overlap each other."""
    others = list(others)
    return sum(
        max(0.0, min(end, until) - max(start, since))
        for start, end in spans
        for since, until in others
    )


def _length(spans: Iterable[Span]) -> float:
    return sum(end - start for start, end in spans)


def _gaps(times: Sequence[float], start: float, end: float) -> list[float]:
    return sorted(b - a for a, b in pairwise([start, *times, end]))


def _silences(
    said: Iterable[Span], times: Iterable[float], start: float, end: float
) -> Iterator[float]:
    """Stretches without a line. One that pauses the video ends a silence and takes no time."""
    over = start
    for begin, until in sorted([*said, *((time, time) for time in times)]):
        yield max(0.0, begin - over)
        over = max(over, until)
    yield max(0.0, end - over)


def _distance(some: Sequence[float], others: Sequence[float]) -> float:
    """Wasserstein-1 of two ascending samples: the area between their quantile functions."""
    steps = sorted(
        {i / len(some) for i in range(len(some) + 1)}
        | {i / len(others) for i in range(len(others) + 1)}
    )
    return sum(
        (b - a) * abs(_quantile(some, (a + b) / 2) - _quantile(others, (a + b) / 2))
        for a, b in pairwise(steps)
    )


def _quantile(sample: Sequence[float], share: float) -> float:
    return sample[min(int(share * len(sample)), len(sample) - 1)]
