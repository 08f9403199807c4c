"""Carrying actions out: the voice, the hand on the player, and the face."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from watchbuddy_core.actions import (
    Action,
    Jump,
    PauseVideo,
    PostReplay,
    PostSeek,
    ReplaySegment,
    Seek,
    Speak,
)
from watchbuddy_core.client.remote import Grip, Remote
from watchbuddy_core.events import Outcome
from watchbuddy_core.player import Clock, Player

_POLL_SECONDS = 0.05


@dataclass(slots=True)
class _Performance:
    action: Action
    task: asyncio.Task[None] | None = None
    begun: bool = False


class Performer:
    """Carries out what it is given, each organ one thing after the other.

    Args:
        speak: says a line and returns when it has been said.
        tasks: what is being carried out runs in this group.
        begun: is told when an action that may have waited is begun.
        ended: is told how it ended, of every action.
    """

    def __init__(
        self,
        player: Player,
        remote: Remote,
        *,
        speak: Callable[[Speak], Awaitable[None]],
        clock: Clock,
        tasks: asyncio.TaskGroup,
        begun: Callable[[Action], None],
        ended: Callable[[Action, Outcome], None],
    ) -> None:
        self._player = player
        self._remote = remote
        self._speak = speak
        self._clock = clock
        self._tasks = tasks
        self._begun = begun
        self._ended = ended
        self._performances: dict[str, _Performance] = {}
        self._voice = asyncio.Lock()
        self._hand = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """Whether anything is being carried out, or waits for its organ."""
        return bool(self._performances)

    def __contains__(self, action_id: str) -> bool:
        return action_id in self._performances

    def carry_out(self, action: Action) -> None:
        """Begin with an action, or let it wait for its organ. Returns at once."""
        performance = _Performance(action)
        self._performances[action.id] = performance
        performance.task = self._tasks.create_task(self._perform(performance))

    def interrupt(self) -> None:
        """End everything here and now, and tell how it ended."""
        self.cancel()
        for performance in list(self._performances.values()):
            self._end(performance, "interrupted" if performance.begun else "skipped")

    def cancel(self) -> None:
        """Let go of everything without a word."""
        for performance in self._performances.values():
            if performance.task is not None:
                performance.task.cancel()

    async def _perform(self, performance: _Performance) -> None:
        action = performance.action
        match action:
            case Speak():
                outcome = await self._say(performance, action)
            case PauseVideo():
                async with self._hand:
                    outcome = await self._pause(performance, action)
            case Seek() | ReplaySegment():
                async with self._hand:
                    outcome = await self._jump(performance, action)
            case _:
                self._begin(performance)
                outcome = "done"
        self._end(performance, outcome)

    def _begin(self, performance: _Performance) -> None:
        performance.begun = True
        self._begun(performance.action)

    def _end(self, performance: _Performance, outcome: Outcome) -> None:
        if self._performances.pop(performance.action.id, None) is not None:
            self._ended(performance.action, outcome)

    # --- the voice ---------------------------------------------------------------------

    async def _say(self, performance: _Performance, line: Speak) -> Outcome:
        async with AsyncExitStack() as held:
            if line.pause_video:
                await held.enter_async_context(self._hand)
            await held.enter_async_context(self._voice)
            if line.pause_video:
                await held.enter_async_context(self._remote.paused())
            self._begin(performance)
            await self._speak(line)
        return "done"

    # --- the hand on the player --------------------------------------------------------

    async def _pause(self, performance: _Performance, action: PauseVideo) -> Outcome:
        if self._player.paused:
            return "skipped"
        self._begin(performance)
        async with self._remote.paused() as grip:
            return await self._wait(action.duration_seconds, grip)

    async def _wait(self, seconds: float, grip: Grip) -> Outcome:
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        breaking = asyncio.ensure_future(grip.broken.wait())
        try:
            await asyncio.wait([sleeping, breaking], return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            breaking.cancel()
        return "interrupted" if grip.broken.is_set() else "done"

    async def _jump(self, performance: _Performance, jump: Jump) -> Outcome:
        if self._player.paused:
            return "skipped"  # the user is looking at something
        self._begin(performance)
        match jump:
            case Seek():
                await self._remote.seek(jump.target_timestamp, jump)
                if jump.post_seek_behavior is PostSeek.STAY_PAUSED:
                    await self._remote.pause()
            case ReplaySegment():
                await self._replay(jump)
        return "done"

    async def _replay(self, replay: ReplaySegment) -> None:
        origin, since = self._player.position, self._remote.since
        await self._remote.seek(replay.start_timestamp, replay)
        while self._player.position < replay.end_timestamp and not self._player.ended:
            await self._clock.sleep(_POLL_SECONDS)
        if replay.post_replay_behavior is PostReplay.RESUME_FROM_ORIGINAL:
            await self._remote.seek(origin, replay, since=since)
        else:
            await self._remote.pause()
