"""All that can be told about a track."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from watchbuddy_core.actions import Speak
from watchbuddy_core.scoring.comfort import Comfort, comfort
from watchbuddy_core.scoring.leaks import Leak, leaks
from watchbuddy_core.scoring.reference import Reference
from watchbuddy_core.scoring.sameness import Sameness, sameness
from watchbuddy_core.scoring.timing import Timing, timing
from watchbuddy_core.speech import spoken_seconds
from watchbuddy_core.tracks import Track

_OF_THE_VIDEO = ("talked_over", "gap_distance", "leaks")
"""Figures that would look best where nothing is known of the video."""


@dataclass(frozen=True, slots=True)
class Score:
    """What is measured of one track."""

    seconds: float
    """Of video that was scored."""
    lines: int
    comfort: Comfort
    sameness: Sameness
    leaks: tuple[Leak, ...]
    """None there should be."""
    timing: Timing | None
    """None: the reference names no events."""
    has_reference: bool = True
    """False: nothing was known of the video, so figures that hang on it say nothing."""

    def figures(self) -> Mapping[str, float]:
        """All that say something by name, in the order in which they are shown."""
        found: dict[str, float] = {}
        if self.timing is not None:
            found["time_diff"] = self.timing.time_diff
            found["coverage"] = self.timing.coverage
            found["redundancy"] = self.timing.redundancy
            for tolerance, agreement in self.timing.at.items():
                found[f"precision@{tolerance:g}"] = agreement.precision
                found[f"recall@{tolerance:g}"] = agreement.recall
                found[f"f1@{tolerance:g}"] = agreement.f1
        found.update({name: getattr(self.comfort, name) for name in Comfort.__slots__})
        found.update({name: getattr(self.sameness, name) for name in Sameness.__slots__})
        found["leaks"] = float(len(self.leaks))
        unknown = () if self.has_reference else _OF_THE_VIDEO
        return {name: round(figure, 4) for name, figure in found.items() if name not in unknown}


def score(
    track: Track, reference: Reference | None = None, *, phrases: Iterable[str] = ()
) -> Score:
    """Hold a track against what is known of its video.

    Args:
        reference: None: nothing is known but how long it is, as far as the track tells. Then
            what hangs on what is said and happens in it is not among the figures.
        phrases: see `leaks`.
    """
    known = reference or Reference(
        start_time=track.start_time, end_time=max(_end(track), track.start_time + 0.001)
    )
    start, end = known.start_time, known.end_time
    actions = [one for one in track.actions if start <= one.trigger_timestamp <= end]
    lines = [action for action in actions if isinstance(action, Speak)]
    events = [event.at for event in known.events if start <= event.at <= end]
    return Score(
        seconds=end - start,
        lines=len(lines),
        comfort=comfort(
            actions,
            dialogue=[(cue.start, cue.end) for cue in known.dialogue if cue.text.strip()],
            events=events,
            start=start,
            end=end,
        ),
        sameness=sameness([line.text for line in lines]),
        leaks=leaks(actions, known, phrases=phrases),
        timing=timing([line.trigger_timestamp for line in lines], events, end=end)
        if events
        else None,
        has_reference=reference is not None,
    )


def _end(track: Track) -> float:
    if track.end_time is not None:
        return track.end_time
    if track.video is not None and track.video.duration is not None:
        return track.video.duration
    return max(
        (
            one.trigger_timestamp + (spoken_seconds(one.text) if isinstance(one, Speak) else 0.0)
            for one in track.actions
        ),
        default=0.0,
    )


def mean_figures(scores: Sequence[Score]) -> Mapping[str, float]:
    """Over several videos, each of which counts the same; of the figures that all have. Leaks
    are added up: one is one too many, wherever it is."""
    all_figures = [one.figures() for one in scores]
    return {
        name: round(
            sum(figures[name] for figures in all_figures)
            / (1 if name == "leaks" else len(all_figures)),
            4,
        )
        for name in (all_figures[0] if all_figures else ())
        if all(name in figures for figures in all_figures)
    }
