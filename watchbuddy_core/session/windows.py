"""Which window to script next, for where the viewer is."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from watchbuddy_core.entries import Delivered, Entry, Joined, Moved, Wanted
from watchbuddy_core.script import SECOND
from watchbuddy_core.session.history import History
from watchbuddy_core.video import Window

AHEAD = 2
"""So many windows ahead of the playhead are scripted for a client that is ready early."""
_NEARLY_OVER = 0.7
"""The share of a window past which the next one is worth more than what is left of it."""


@dataclass(slots=True)
class Viewer:
    """Where the viewer is, as the log tells it, and how far ahead they want the script."""

    position: float | None = None
    """In media seconds; None: nobody has played yet."""
    paused: bool = False
    ahead: int | None = None
    """So many windows ahead of the playhead. None: all there are."""
    heard_at: float = 0.0
    """When they last gave a sign of life, in monotonic seconds."""

    @classmethod
    def of(cls, history: History, *, now: float) -> Viewer:
        """Where the log left them; `now` counts as a sign of life."""
        viewer = cls(ahead=AHEAD if history.early_ready else None, heard_at=now)
        if history.wanted is not None:
            viewer.position = history.wanted.position
            viewer.paused = bool(history.wanted.paused)
        return viewer

    def hear(self, entry: Entry, *, now: float) -> None:
        """Take in an entry; those that viewers do not cause say nothing."""
        match entry:
            case Joined(early_ready=early_ready):
                self.ahead = AHEAD if early_ready else None
                self.paused = False
            case Wanted(position=position, paused=paused, ahead=ahead):
                self.position, self.paused, self.ahead = position, bool(paused), ahead
            case Moved(playhead=playhead) | Delivered(playhead=playhead):
                if playhead.head is not None:
                    self.position = playhead.head / SECOND
            case _:
                return
        self.heard_at = now

    def waits_for(self, place: int, windows: Sequence[Window]) -> bool:
        """Whether the window there is all that they wait for."""
        return self.ahead is not None and place == _at(windows, self.position)

    def is_away(self, *, now: float, patience: float) -> bool:
        """Whether they pause, or have said nothing for `patience` monotonic seconds."""
        return self.paused or now - self.heard_at > patience


def next_window(
    windows: Sequence[Window],
    *,
    done: Container[int],
    in_work: Container[int],
    viewer: Viewer,
    is_away: bool,
) -> int | None:
    """The place in `windows` of the one to begin now; None: there is none.

    Two may be in work at a time, and one of these two slots is for the playhead's window
    alone: a viewer who leaps waits for nobody. Where the playhead is nearly through a
    window that was not begun, the next one goes before it, and has that slot too.

    Args:
        done, in_work: places of windows that are scripted, or being scripted.
        is_away: whether nothing but the playhead's window is worth the work.
    """
    working = sum(i in in_work for i in range(len(windows)))
    if working > 1:
        return None

    def is_open(i: int) -> bool:
        return i not in done and i not in in_work

    here = _at(windows, viewer.position)
    order = list(_order(here, len(windows), viewer.ahead, is_away=is_away))
    if here + 1 < len(windows) and is_open(here) and _is_nearly_over(windows[here], viewer):
        order = [here + 1, *(i for i in order if i != here + 1)]
    if working:
        order = [i for i in order if i in (here, order[0])]
    return next(filter(is_open, order), None)


def _at(windows: Sequence[Window], position: float | None) -> int:
    if position is None:
        return 0
    return max(bisect_right([window.start for window in windows], position) - 1, 0)


def _is_nearly_over(window: Window, viewer: Viewer) -> bool:
    length = window.end - window.start
    return (viewer.position or 0.0) > window.start + _NEARLY_OVER * length


def _order(here: int, count: int, ahead: int | None, *, is_away: bool) -> Iterator[int]:
    """From the playhead on; then, where everything is wanted, what lies before it."""
    if ahead is None:
        yield from range(here, count)
        yield from range(here)
    else:
        yield from range(here, min(here + 1 + (0 if is_away else ahead), count))
