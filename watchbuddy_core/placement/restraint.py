"""How much of the companion there is, by density."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from watchbuddy_core.actions import Density


def ms(seconds: float) -> int:
    """Times inside placement are whole milliseconds: compared exactly, and rounded once."""
    return round(seconds * 1000)


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` in any span of `seconds`."""

    count: int
    seconds: float

    def allows(self, times: Sequence[int], time: int) -> bool:
        """Whether it still holds when `time` joins the ascending `times`, in milliseconds."""
        span = ms(self.seconds)
        near = list(times[bisect_right(times, time - span) : bisect_left(times, time + span)])
        insort(near, time)
        return all(b - a >= span for a, b in zip(near, near[self.count :], strict=False))


@dataclass(frozen=True, slots=True)
class Restraint:
    """How much of the companion there is. Seconds are media seconds."""

    lines: Rate
    faces: Rate
    lone_faces: Rate
    """Of those, the ones that go with no line: company, as long as they are few."""
    pauses: Rate
    """Lines that pause the video, and PAUSE_VIDEO."""
    longest_pause: float
    """Of each of them; with `pauses`, a bound on the seconds paused."""
    gap: float
    """The least distance from the end of a line to the start of the next."""
    speech_share: float
    """How much of any minute of video may be talked over; lines that pause it do not count."""
    jumps: Rate = Rate(1, 300.0)

    @property
    def is_mute(self) -> bool:
        """Whether there are only faces and the farewell."""
        return self.lines.count == 0


RESTRAINT: Mapping[Density, Restraint] = MappingProxyType(
    {
        "muted": Restraint(
            lines=Rate(0, 60.0),
            faces=Rate(3, 60.0),
            lone_faces=Rate(3, 60.0),
            pauses=Rate(0, 60.0),
            longest_pause=0.0,
            gap=8.0,
            speech_share=0.0,
            jumps=Rate(0, 300.0),
        ),
        # One and a half lines a minute, and never two at once.
        "quiet": Restraint(
            lines=Rate(1, 40.0),
            faces=Rate(3, 60.0),
            lone_faces=Rate(1, 60.0),
            pauses=Rate(1, 180.0),
            longest_pause=8.0,
            gap=8.0,
            speech_share=0.25,
        ),
        "normal": Restraint(
            lines=Rate(3, 60.0),
            faces=Rate(5, 60.0),
            lone_faces=Rate(1, 40.0),
            pauses=Rate(1, 90.0),
            longest_pause=10.0,
            gap=4.0,
            speech_share=0.35,
        ),
        "chatty": Restraint(
            lines=Rate(5, 60.0),
            faces=Rate(8, 60.0),
            lone_faces=Rate(1, 20.0),
            pauses=Rate(1, 45.0),
            longest_pause=12.0,
            gap=2.0,
            speech_share=0.5,
        ),
    }
)
