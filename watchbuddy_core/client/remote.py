"""The remote control: the player, as the companion and the user move it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from watchbuddy_core.actions import Jump
from watchbuddy_core.player import Clock, Player

_SEEK_SECONDS = 1.0
"""A leap of more than this, in media seconds, is a seek and no jitter."""
_COARSEST_SECONDS = 2.0
"""A player that tells its position in steps may stand still for so long between two."""


@dataclass(slots=True)
class _Seen:
    """The player when it was last looked at, or moved by the companion."""

    position: float
    paused: bool
    at: float
    moved_at: float
    """When its position was last another, or it was paused."""


class Grip:
    """The companion keeps the video paused, until it lets go or the user resumes."""

    def __init__(self) -> None:
        self.broken = asyncio.Event()
        """The user has resumed."""


class Remote:
    """Moves the player for the companion, and tells the user's moves from these.

    What the player does that was not asked for here was the user.

    Args:
        sought: is told where the user has sought to, in media seconds.
        landed: is told when a jump has moved the player.
        switched: is told when the companion has paused or resumed the player.
    """

    def __init__(
        self,
        player: Player,
        clock: Clock,
        *,
        sought: Callable[[float], None],
        landed: Callable[[Jump], None],
        switched: Callable[[], None],
    ) -> None:
        self._player = player
        self._clock = clock
        self._sought = sought
        self._landed = landed
        self._switched = switched
        self._grip: Grip | None = None
        self._seen = self._present()
        self.moving = False
        """A jump is on its way: what the player shows now means nothing."""
        self.since = player.position
        """Where the present stretch of playing began, in media seconds. Coming back from a
        replay goes on with the stretch before it."""

    def look(self) -> None:
        """See what the user has done since. Not while `moving`."""
        seen, now = self._seen, self._clock.now()
        position, paused = self._player.position, self._player.paused
        elapsed = max(now - seen.at, min(now - seen.moved_at, _COARSEST_SECONDS))
        reach = 0.0 if seen.paused and paused else elapsed * self._player.playback_rate
        moved_at = now if paused or position != seen.position else seen.moved_at
        self._seen = _Seen(position, paused, now, moved_at)
        if seen.paused and not paused and self._grip is not None:
            self._grip.broken.set()
            self._grip = None
        if not seen.position - _SEEK_SECONDS <= position <= seen.position + reach + _SEEK_SECONDS:
            self.since = position
            self._sought(position)
        self.since = min(self.since, position)  # a seek may land a little early

    async def seek(self, position: float, jump: Jump, *, since: float | None = None) -> None:
        """Go there, for the sake of `jump`.

        Args:
            since: the stretch of playing to go on with. None: a new one begins there.
        """
        self.moving = True
        try:
            await self._player.seek(position)
        finally:
            self.moving = False
            self._expect_this()
        self.since = self._player.position if since is None else since
        self._landed(jump)

    async def pause(self) -> None:
        """Pause, and leave it to the user to resume."""
        await self._player.pause()
        self._expect_this()
        self._switched()

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[Grip]:
        """The video stands still inside, unless the user resumes it.

        One that stood still before does so afterwards.
        """
        grip = Grip()
        if self._player.paused:
            yield grip
            return
        self._grip = grip
        try:
            await self.pause()
            yield grip
        finally:
            if self._grip is grip:
                self._grip = None
                await self._player.resume()
                self._expect_this()
                self._switched()

    def _expect_this(self) -> None:
        """Take the player as it is now for what the companion wanted."""
        self._seen = self._present()

    def _present(self) -> _Seen:
        now = self._clock.now()
        return _Seen(self._player.position, self._player.paused, now, now)
