"""What plays a video, as the client of the wire sees it; and a player without a picture."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Player(Protocol):
    """A video player. Positions are media seconds.

    `pause`, `resume` and `seek` return when it is done; they are called by the client
    alone. What the user does is noticed by looking at `position` and `paused`.
    """

    @property
    def position(self) -> float:
        """Where it is."""
        ...

    @property
    def paused(self) -> bool:
        """Whether it stands still because it was told to, by whomever."""
        ...

    @property
    def playback_rate(self) -> float:
        """1.0 is normal speed, by the client's clock."""
        ...

    @property
    def ended(self) -> bool:
        """The video is over. The client brings to an end what it is at, and returns."""
        ...

    async def pause(self) -> None:
        """Stand still, until `resume` or the user says otherwise."""
        ...

    async def resume(self) -> None:
        """Play on."""
        ...

    async def seek(self, position: float) -> None:
        """Go to `position`, playing or paused as before; return once it is there."""
        ...


class Clock(Protocol):
    """What time it is, and waiting; in monotonic seconds."""

    def now(self) -> float:
        """Seconds from any origin; never less than before."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return so many seconds later."""
        ...


class WallClock:
    """The real time, or `speed` times as fast."""

    def __init__(self, *, speed: float = 1.0) -> None:
        self._speed = speed

    def now(self) -> float:
        return time.monotonic() * self._speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)


class ClockPlayer:
    """A player without a picture: its position follows a clock. It begins paused.

    Args:
        end: where it ends, in media seconds; `math.inf` while that is not known.
        position: where it begins.
    """

    def __init__(
        self, end: float, *, clock: Clock, position: float = 0.0, playback_rate: float = 1.0
    ) -> None:
        self.end = end
        self._clock = clock
        self._rate = playback_rate
        self._paused = True
        self._anchor = min(max(position, 0.0), end)
        """The position when the player was last paused, resumed or moved."""
        self._anchored_at = clock.now()

    @property
    def position(self) -> float:
        if self._paused:
            return self._anchor
        played = (self._clock.now() - self._anchored_at) * self._rate
        return min(self._anchor + played, self.end)

    @property
    def paused(self) -> bool:
        return self._paused

    @property
    def playback_rate(self) -> float:
        return self._rate

    @playback_rate.setter
    def playback_rate(self, rate: float) -> None:
        self._set(self.position, paused=self._paused)
        self._rate = rate

    @property
    def ended(self) -> bool:
        return self.position >= self.end

    async def pause(self) -> None:
        self._set(self.position, paused=True)

    async def resume(self) -> None:
        self._set(self.position, paused=False)

    async def seek(self, position: float) -> None:
        self._set(min(max(position, 0.0), self.end), paused=self._paused)

    def _set(self, position: float, *, paused: bool) -> None:
        self._anchor, self._paused, self._anchored_at = position, paused, self._clock.now()
