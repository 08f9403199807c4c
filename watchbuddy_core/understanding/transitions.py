"""Cuts, dissolves and fades, told from flashes, flicker and a moving camera.

A hard cut stands out from the changes around it, and what comes after resembles nothing that
was just before: a flash is over soon, flicker alters only how bright the picture is, and a
camera moves for several frames. In a dissolve every picture lies on the straight line between
its ends and has less contrast than they do; a pan leaves that line. In a fade the contrast
goes, and comes back with another picture. A gradual transition counts once, at its middle.

What is shorter than a third of a second and returns to the same picture is no cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watchbuddy_core.understanding.pictures import LUMA, SIZE, Picture, difference

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Smalls = NDArray[np.uint8]
    Levels = NDArray[np.float32]

REACH = 1.3
"""Seconds before and after a moment that are looked at to judge it."""
_STEP = 256
"""Pictures are judged so many at a time."""
_CERTAIN, _LIKELY = 2000.0, 1000.0
"""The merit of a cut, and of a fade. Dissolves have that of how clear they are."""
_FLASH = 0.34
"""Seconds: what lasts no longer may be a flash."""
_BESIDE = 0.2
"""Seconds: the shortest shot."""

_CUT = 9.0
"""The least `difference` of a cut."""
_STANDS_OUT = 2.2
"""A cut changes so many times as much as what is around it does."""
_ALONE, _OTHERS = 1.5, 2
"""A cut changes so many times as much as the pictures beside it, but for so many of them: a
flash has two great changes, a camera that is swung round has one after another."""
_OTHER_SHAPES = 0.28
_OTHER_COLOURS = 10.0
"""What is after a cut has at least such other shapes, or such other colours."""

_ROOM = 0.8
"""Seconds around a gradual transition in which there is no other."""

_FLAT = 0.3
"""A fade leaves at most so much of the contrast that the pictures on both its sides have."""
_WHOLE = 0.75
"""Of the contrast beside a fade, what a picture has that the fade has not yet touched."""
_CONTRAST = 5.0
"""Levels of brightness: pictures with less are blank."""
_DISSOLVED = 11.0
"""The least `difference` between the ends of a dissolve."""
_STRAIGHT = 0.36
"""How far the pictures of a dissolve lie from the line between its ends, at most, as a part
of its length."""
_STEADY = 0.25
"""The greatest step of a dissolve from one picture to the next, as a part of its length."""
_DIP = 0.93
"""How much of its ends' contrast the middle of a dissolve has, at most."""


@dataclass(frozen=True, slots=True)
class Transition:
    """Where one scene ends and the next begins.

    `unlike` is the `difference` between the pictures on both sides.
    """

    at: float
    unlike: float
    gradual: bool = False


@dataclass(frozen=True, slots=True)
class _Candidate:
    transition: Transition
    merit: float
    """Of two that are near each other the one with the greater merit stays."""

    @property
    def room(self) -> float:
        """Seconds around it in which there is no other."""
        return _ROOM if self.transition.gradual else _BESIDE


def transitions(pictures: Iterable[Picture]) -> Iterator[Transition]:
    """The transitions in pictures that follow each other, in order, with bounded memory."""
    near: list[_Candidate] = []
    settled = float("-inf")
    for stretch in _stretches(pictures):
        near += stretch.candidates()
        until = stretch.judged_until - _ROOM
        yield from _settled(near, settled, until)
        settled = until
        near = [one for one in near if one.transition.at >= settled - _ROOM]
    yield from _settled(near, settled, float("inf"))


def _settled(near: list[_Candidate], since: float, until: float) -> list[Transition]:
    """Those from `since` to `until` that are the best in their surroundings."""
    best = [
        one.transition
        for one in near
        if since <= one.transition.at < until
        and not any(
            (other.merit, other.transition.at) > (one.merit, one.transition.at)
            and abs(other.transition.at - one.transition.at) < max(one.room, other.room)
            for other in near
        )
    ]
    return sorted(best, key=lambda one: one.at)


def _stretches(pictures: Iterable[Picture]) -> Iterator[_Stretch]:
    """Some pictures at a time, each with those that are around them."""
    import numpy as np

    times: list[float] = []
    smalls: list[Smalls] = []
    judged = 0

    def stretch(until: int) -> _Stretch:
        return _Stretch(np.array(times), np.stack(smalls), judged, until)

    for picture in pictures:
        times.append(picture.at)
        smalls.append(picture.small)
        if len(times) < judged + _STEP or picture.at - times[judged + _STEP - 1] < REACH:
            continue
        yield stretch(judged + _STEP)
        judged += _STEP
        needless = int(np.searchsorted(times, times[judged] - REACH)) - 1
        if needless > 0:
            del times[:needless], smalls[:needless]
            judged -= needless
    if times:
        yield stretch(len(times))


class _Stretch:
    """The pictures from `first` to `until` are judged; the others are what is around them."""

    def __init__(self, times: NDArray[np.float64], smalls: Smalls, first: int, until: int) -> None:
        import numpy as np

        self._times = times
        self._smalls = smalls
        self._first = first
        self._until = until
        self._change = np.zeros(len(times), np.float32)
        self._change[1:] = difference(smalls[1:], smalls[:-1])
        shapes, self._contrast = _shapes(smalls)
        self._reshaped = np.zeros(len(times), np.float32)
        self._reshaped[1:] = np.abs(shapes[1:] - shapes[:-1]).mean(1)
        self._cuts = list(self._hard_cuts())

    @property
    def judged_until(self) -> float:
        return float(self._times[self._until - 1])

    def candidates(self) -> Iterator[_Candidate]:
        for i in self._cuts:
            if self._first <= i < self._until:
                unlike = float(difference(self._smalls[i - 1], self._smalls[i]))
                yield _Candidate(Transition(float(self._times[i]), unlike), _CERTAIN)
        yield from self._fades()
        yield from self._dissolves()

    # --- hard cuts -------------------------------------------------------------------

    def _hard_cuts(self) -> Iterator[int]:
        """The first pictures after cuts, all that are in sight."""
        found = [i for i in range(1, len(self._times)) if self._stands_out(i)]
        for i in found:
            near = [j for j in found if abs(self._times[j] - self._times[i]) < _BESIDE]
            if i == max(near, key=lambda j: self._change[j]):
                yield i

    def _stands_out(self, i: int) -> bool:
        """Whether the change to picture `i` is unlike those around it, and lasts."""
        import numpy as np

        if self._change[i] < _CUT:
            return False
        times = self._times
        first, last = np.searchsorted(times, (times[i] - 0.5, times[i] + 0.5))
        near, far = np.searchsorted(times, (times[i] - _BESIDE, times[i] + _BESIDE))

        def clearly(change: Levels, least: float) -> bool:
            around = np.concatenate([change[first:i], change[i + 1 : last]])
            upper = len(around) * 3 // 4
            usual = float(np.partition(around, upper)[upper]) if len(around) else 0.0
            beside = np.sort(np.concatenate([change[near:i], change[i + 1 : far]]))
            rival = float(beside[-1 - _OTHERS]) if len(beside) > _OTHERS else 0.0
            return bool(change[i] >= max(_STANDS_OUT * usual + least, _ALONE * rival))

        # Where the light flickers, a cut changes no more than any picture does, but the shapes.
        if not (clearly(self._change, 3.0) or clearly(self._reshaped, 0.1)):
            return False
        first, last = np.searchsorted(times, (times[i] - _FLASH, times[i] + _FLASH))
        return self._other(slice(min(first, i - 1), i), slice(i, max(last, i + 1)))

    def _other(self, before: slice, after: slice) -> bool:
        """Whether no picture of the ones resembles one of the others, however bright it is."""
        import numpy as np

        a, b = self._smalls[before], self._smalls[after]
        if not len(a) or not len(b):
            return False
        shapes = np.abs(_shapes(a)[0][:, None] - _shapes(b)[0][None]).mean(-1)
        colours = np.abs(_colours(a)[:, None] - _colours(b)[None]).mean(-1)
        alike = np.maximum(shapes / _OTHER_SHAPES, colours / _OTHER_COLOURS)
        return bool(alike.min() >= 1)

    # --- fades -----------------------------------------------------------------------

    def _fades(self) -> Iterator[_Candidate]:
        """Runs of pictures that have lost their contrast, between two that differ."""
        import numpy as np

        times, contrast = self._times, self._contrast
        a, b = np.searchsorted(times, times - REACH), np.searchsorted(times, times + REACH)
        flat = contrast < max(_FLAT * float(contrast.max()), _CONTRAST)
        for i in np.flatnonzero(flat):  # beside what is around it, and not all that is in sight
            sides = min(contrast[a[i] : i + 1].max(), contrast[i : b[i]].max())
            flat[i] = contrast[i] < max(_FLAT * sides, _CONTRAST)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], flat, [False]]).astype(np.int8)))
        for start, end in edges.reshape(-1, 2):
            middle = (start + end) // 2
            if start == 0 or end == len(times) or not self._first <= middle < self._until:
                continue
            opened = max([int(a[start]), *(cut for cut in self._cuts if cut <= start)])
            closed = min([int(b[end - 1]), *(cut for cut in self._cuts if cut >= end)])
            earlier, later = contrast[opened:start], contrast[end:closed]
            if min(earlier.max(initial=0), later.max(initial=0)) < 2 * _CONTRAST:
                continue
            before = int(opened + np.flatnonzero(earlier >= _WHOLE * earlier.max())[-1])
            after = int(end + np.flatnonzero(later >= _WHOLE * later.max())[0])
            if self._other(slice(before, before + 1), slice(after, after + 1)):
                unlike = difference(self._smalls[before], self._smalls[after])
                at = float(times[start] + times[end - 1]) / 2
                yield _Candidate(Transition(at, float(unlike), gradual=True), _LIKELY)

    # --- dissolves -------------------------------------------------------------------

    def _dissolves(self) -> Iterator[_Candidate]:
        """Where the pictures go straight from one to another."""
        import numpy as np

        times, contrast = self._times, self._contrast
        centres = np.arange(self._first, self._until, 2)
        for half in (0.3, 0.6):
            x = np.searchsorted(times, times[centres] - half)
            y = np.searchsorted(times, times[centres] + half)
            whole = (x > 0) & (y < len(times)) & (y - x >= 6)
            x, y = x[whole], y[whole]
            unlike = difference(self._smalls[x], self._smalls[y])
            dips = contrast[(x + y) // 2] <= _DIP * (contrast[x] + contrast[y]) / 2
            for at in np.flatnonzero((unlike >= _DISSOLVED) & dips):
                merit = self._straightness(int(x[at]), int(y[at]), float(unlike[at]))
                if merit > 0:
                    middle = float(times[x[at]] + times[y[at]]) / 2
                    yield _Candidate(Transition(middle, float(unlike[at]), gradual=True), merit)

    def _straightness(self, x: int, y: int, unlike: float) -> float:
        """How clearly the pictures `x` to `y` are a dissolve; 0: they are none."""
        import numpy as np

        smalls = self._smalls
        if self._change[x + 1 : y + 1].max() > _STEADY * unlike:
            return 0.0
        if not self._other(slice(x, x + 1), slice(y, y + 1)):
            return 0.0  # the same picture in another light
        inner = smalls[np.linspace(x, y, 9).astype(int)[1:-1]].astype(np.float32)
        first, line = smalls[x].astype(np.float32), smalls[y].astype(np.float32) - smalls[x]
        length = float(line @ line)
        done = (inner - first) @ line / length
        off = inner - first - done[:, None] * line
        away = float(np.sqrt((off * off).sum(1) / length).mean())
        goes_on = bool((np.diff(done) > -0.08).all()) and 0.25 < done[3] < 0.75
        return unlike * (1 - away) if goes_on and away <= _STRAIGHT else 0.0


def _shapes(smalls: Smalls) -> tuple[Levels, Levels]:
    """The luma as if all pictures were as bright and as rich in contrast as each other; and
    how rich each is, in levels."""
    import numpy as np

    luma = smalls[:, :LUMA].astype(np.float32)
    luma -= luma.mean(1, keepdims=True)
    contrast: Levels = np.sqrt(np.einsum("ij,ij->i", luma, luma) / LUMA)
    luma /= contrast[:, None] + np.float32(_CONTRAST)
    return luma, contrast


def _colours(smalls: Smalls) -> Levels:
    """The chroma, in levels, coarsely."""
    import numpy as np

    count = len(smalls)
    chroma = smalls[:, LUMA:SIZE].reshape(count, 2, 6, 3, 8, 4)
    return np.asarray(chroma.mean((3, 5), dtype=np.float32).reshape(count, -1))
