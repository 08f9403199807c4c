"""How fast somebody may go.

A rate is a token bucket: what was not used for a while may be used at once. All that is kept
of a bucket is the moment at which it will be full again (the generic cell rate algorithm of
the ATM Forum), so that one costs a number, and one that is full need not be kept at all.

Time is an argument, in monotonic seconds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)

_SLACK = 1e-6
"""Seconds by which somebody may come too early: what waiting as told leaves to rounding."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in so many seconds; and as many at once, after nothing for so long."""

    count: float
    seconds: float

    @property
    def interval(self) -> float:
        """Seconds from one to the next, on the average."""
        return self.seconds / self.count


class Bucket:
    """How fast one goes."""

    __slots__ = ("_full_at", "_interval", "_seconds")

    def __init__(self, rate: Rate) -> None:
        self._interval = rate.interval
        self._seconds = rate.seconds
        self._full_at = 0.0

    def take(self, now: float) -> bool:
        """Whether one more is within the rate; it counts only then."""
        full_at = (self._full_at if self._full_at > now else now) + self._interval
        if full_at - now > self._seconds + _SLACK:
            return False
        self._full_at = full_at
        return True

    def is_full(self, now: float) -> bool:
        """Whether nothing was taken for so long that it is as if nothing ever was."""
        return self._full_at <= now


class Buckets(Generic[_Key]):
    """How fast each of many goes.

    Args:
        most: so many are kept in mind, those that were used last. Whoever is forgotten begins
            with a full bucket.
    """

    def __init__(self, rate: Rate, *, most: int = 50_000) -> None:
        self._rate = rate
        self._most = most
        self._full_at: OrderedDict[_Key, float] = OrderedDict()

    def __len__(self) -> int:
        """How many are kept in mind."""
        return len(self._full_at)

    def wait(self, key: _Key, now: float) -> float:
        """Seconds until one more of this key is within the rate. 0.0: it is."""
        over = max(self._full_at.get(key, now), now) + self._rate.interval - now
        return over - self._rate.seconds if over > self._rate.seconds + _SLACK else 0.0

    def take(self, key: _Key, now: float) -> float:
        """Count one more, if it is within the rate; else seconds until one will be."""
        wait = self.wait(key, now)
        if not wait:
            self._full_at[key] = max(self._full_at.get(key, now), now) + self._rate.interval
            self._full_at.move_to_end(key)
            self._forget(now)
        return wait

    def _forget(self, now: float) -> None:
        """Those that are full, from the one that was used least recently on, and the excess."""
        while self._full_at:
            key, full_at = next(iter(self._full_at.items()))
            if full_at > now and len(self._full_at) <= self._most:
                return
            del self._full_at[key]
