"""How fast one WebSocket's messages may come."""

from __future__ import annotations

from watchbuddy_core.rates import Bucket, Rate

_AT_ONCE_SECONDS = 4.0
"""After a rest, as many may come at once as otherwise in so long."""
_PATIENCE = 2
"""So many times as many may be passed over before the connection is."""


class Pace:
    """Says which messages are within the rate, and when there is no use in waiting for calm.

    Args:
        per_second: messages, on the average.
    """

    __slots__ = ("_bucket", "_most", "passed_over")

    def __init__(self, per_second: float) -> None:
        rate = Rate(per_second * _AT_ONCE_SECONDS, _AT_ONCE_SECONDS)
        self._bucket = Bucket(rate)
        self._most = _PATIENCE * rate.count
        self.passed_over = 0
        """Messages beyond the rate, since it was last calm."""

    def admits(self, now: float) -> bool:
        """Whether one more message is within the rate. Time is in monotonic seconds."""
        if self._bucket.is_full(now):
            self.passed_over = 0
        if self._bucket.take(now):
            return True
        self.passed_over += 1
        return False

    @property
    def is_hopeless(self) -> bool:
        return self.passed_over > self._most
