"""mpv as a player that the client of the wire can move, and look at at any time."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from watchbuddy_mpv.ipc import Mpv, MpvGone, MpvRefused

_AHEAD_SECONDS = 0.05
"""mpv tells of a picture when it prepares it, so long before it is seen; where pictures come
faster than that, two pictures before. Measured against the sound, which it knows exactly."""
_COAST_SECONDS = 0.25
"""Real seconds that the film is taken to have played on without a word, where pictures come
often."""
_LEAP_SECONDS = 0.75
"""Media seconds. What lies further away than that is asked for again: it may be old."""
_SEEK_SECONDS = 10.0
"""How long to wait until a seek has landed: the film may come from far away."""


class MpvPlayer:
    """A `watchbuddy_core.player.Player`.

    mpv says where it is whenever it shows a picture; in between, time passes at its speed.
    Whether it is paused and where it has landed is asked for when mpv says that it has
    changed: what an event says may be older than what we have just done, an answer is not.
    """

    def __init__(self, mpv: Mpv) -> None:
        self._mpv = mpv
        self._changed: Callable[[], None] = lambda: None
        self._paused = True
        self._rate = 1.0
        self._idle = True
        """Nothing moves: it waits for data, or has nothing to play."""
        self._at_end = False
        self._seeking = False
        self._anchor = 0.0
        """The position when mpv last spoke of it, or something changed."""
        self._anchored_at = time.monotonic()
        self._picture: float | None = None
        """The last picture that it told of since it was opened or has landed, in media seconds."""
        self._step = 0.0
        """From one picture to the next, in media seconds."""
        self._departed = False
        """It has begun to seek since it was told to: what lands now lands there."""
        self._landed = asyncio.Event()
        self.closed = asyncio.Event()
        """The film is no longer what mpv shows: it has ended, or was told to show another."""
        self._is_open = False
        self._opening: asyncio.Future[None] | None = None
        mpv.listen(self._hear)

    async def attach(self) -> None:
        """Learn how mpv is, and hear of what changes from now on. A film that it is about to
        open is waited for.

        Raises:
            MpvRefused: it cannot open it.
            MpvGone: it has ended.
        """
        observed = ("pause", "speed", "core-idle", "eof-reached", "time-pos")
        for number, name in enumerate(observed, start=1):
            await self._mpv.command("observe_property", number, name)
        await self._mpv.command("get_property", "pause", then=self._see_pause)
        opening = self._expect_film()
        is_idle = await self._mpv.command("get_property", "idle-active")
        if is_idle or await self._mpv.command("get_property", "playlist-count") == 0:
            self._opening = None
            return
        with suppress(MpvRefused):  # it has not come so far yet
            await self._mpv.command("get_property", "seeking", then=self._see_seeking)
        await opening

    async def open(self, film: str) -> None:
        """Show a film; returns when it can be played.

        Args:
            film: a path or an address.

        Raises:
            MpvRefused: mpv cannot play it.
            MpvGone: it has ended.
        """
        opening = self._expect_film()
        await self._mpv.command("loadfile", film)
        await opening

    def listen(self, changed: Callable[[], None]) -> None:
        """From now on `changed` is called when there is something that the server should hear
        of at once: paused, resumed, landed, another speed, the end."""
        self._changed = changed

    # --- what the client looks at ----------------------------------------------------------

    @property
    def position(self) -> float:
        if not self._moves:
            return self._anchor
        passed = (time.monotonic() - self._anchored_at) * self._rate
        return self._anchor + min(max(passed, 0.0), self._coast)

    @property
    def paused(self) -> bool:
        return self._paused

    @property
    def playback_rate(self) -> float:
        return self._rate

    @property
    def ended(self) -> bool:
        return self._at_end or self.closed.is_set()

    @property
    def _moves(self) -> bool:
        return not (self._paused or self._idle or self._seeking or self._at_end)

    @property
    def _coast(self) -> float:
        """For how many media seconds it is taken to have played on, without a word from it."""
        return max(_COAST_SECONDS * self._rate, 1.5 * self._step)

    # --- what the companion does -----------------------------------------------------------

    async def pause(self) -> None:
        await self._set_pause(True)

    async def resume(self) -> None:
        await self._set_pause(False)

    async def seek(self, position: float) -> None:
        with suppress(MpvGone, MpvRefused):
            await self._mpv.command("seek", position, "absolute+exact", then=self._expect_landing)
            with suppress(TimeoutError):
                async with asyncio.timeout(_SEEK_SECONDS):
                    await self._landed.wait()

    async def _set_pause(self, paused: bool) -> None:
        with suppress(MpvGone, MpvRefused):  # that the film is over, `closed` says
            await self._mpv.command(
                "set_property", "pause", paused, then=lambda _: self._set(paused=paused)
            )

    # --- what mpv says ---------------------------------------------------------------------

    def _hear(self, event: Mapping[str, Any]) -> None:
        match event:
            case {"event": "property-change", "name": "time-pos", "data": float(picture)}:
                self._see_picture(picture)
            case {"event": "property-change", "name": "pause"}:
                self._mpv.ask("get_property", "pause", then=self._see_pause)
            case {"event": "property-change", "name": "speed", "data": float(rate)}:
                self._set(rate=rate)
                self._changed()
            case {"event": "property-change", "name": "core-idle", "data": bool(idle)}:
                self._set(idle=idle)
            case {"event": "property-change", "name": "eof-reached"}:
                self._set(at_end=event.get("data") is True)
                self._changed()
            case {"event": "seek"}:
                self._leave()
                self._departed = True
            case {"event": "playback-restart"}:
                self._mpv.ask("get_property", "seeking", then=self._see_seeking)
            case {"event": "end-file", "reason": "eof"}:
                self._set(at_end=True)
                self._changed()
            case {"event": "end-file", "reason": "error"}:
                why = event.get("file_error", "it does not say why")
                self._end_opening(MpvRefused(f"mpv cannot play this: {why}."))
                self._close()
            case {"event": "gone"}:
                self._end_opening(MpvGone("mpv has ended."))
                self._close()
            case {"event": "end-file"} | {"event": "start-file"} if self._is_open:
                self._close()

    def _see_picture(self, picture: float) -> None:
        if self._seeking:
            return
        if self._paused:  # or is it? Of what changes there and back at once, mpv says nothing
            self._mpv.ask("get_property", "pause", then=self._see_pause)
        if abs(picture - self.position) > max(_LEAP_SECONDS, 2 * self._coast):
            self._mpv.ask("get_property", "time-pos", then=self._land)
            return
        if self._picture is not None and picture > self._picture:
            self._step = picture - self._picture
        self._picture = picture
        ahead = min(_AHEAD_SECONDS * self._rate, 2 * self._step) if self._moves else 0.0
        self._stand_at(picture - ahead)

    def _see_pause(self, paused: bool) -> None:
        if paused != self._paused:
            self._set(paused=paused)
            self._changed()

    def _see_seeking(self, seeking: bool) -> None:
        if not seeking:  # else there has been another seek, which will land too
            self._mpv.ask("get_property", "time-pos", then=self._land)

    def _expect_landing(self, _: object) -> None:
        self._leave()
        self._departed = False
        self._landed.clear()

    def _leave(self) -> None:
        """It is on its way elsewhere; until it is there, it stays where it was."""
        self._set()
        self._seeking = True

    def _land(self, position: float) -> None:
        self._seeking = False
        self._picture = None
        self._stand_at(position, since=time.monotonic() + _AHEAD_SECONDS)
        if self._departed:
            self._landed.set()
        self._end_opening(None)
        self._changed()

    def _expect_film(self) -> asyncio.Future[None]:
        self._is_open = False
        self._opening = asyncio.get_running_loop().create_future()
        return self._opening

    def _end_opening(self, problem: Exception | None) -> None:
        if self._opening is not None and not self._opening.done():
            if problem is None:
                self._is_open = True
                self._opening.set_result(None)
            else:
                self._opening.set_exception(problem)

    def _close(self) -> None:
        self._set()
        self.closed.set()
        self._landed.set()
        self._changed()

    def _set(
        self,
        *,
        paused: bool | None = None,
        idle: bool | None = None,
        rate: float | None = None,
        at_end: bool | None = None,
    ) -> None:
        """Something changes; where it is by now stays."""
        self._stand_at(self.position)
        self._paused = self._paused if paused is None else paused
        self._idle = self._idle if idle is None else idle
        self._rate = self._rate if rate is None else rate
        self._at_end = self._at_end if at_end is None else at_end

    def _stand_at(self, position: float, *, since: float | None = None) -> None:
        """It is there, and goes on from there; where it has just landed, not at once."""
        if math.isfinite(position):
            self._anchor = max(position, 0.0)
            self._anchored_at = time.monotonic() if since is None else since
