"""A session before mpv, from the first line to the last."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from watchbuddy_core.actions import Expression, Speak
from watchbuddy_core.client import (
    REPORT_SECONDS,
    Begun,
    Disconnected,
    Happening,
    Noticed,
    Progressed,
    Ready,
    WatchClient,
)
from watchbuddy_core.errors import WatchBuddyError
from watchbuddy_core.speech import spoken_seconds
from watchbuddy_core.wire import Feature
from watchbuddy_mpv.player import MpvPlayer
from watchbuddy_mpv.screen import Screen

_FEATURES: tuple[Feature, ...] = ("hold", "early_ready", "progress")


async def watch(
    player: MpvPlayer,
    screen: Screen,
    server: str,
    session_id: str,
    *,
    token: str | None = None,
    begin: Callable[[], Awaitable[None]],
    seconds_to_read: Callable[[str], float] = spoken_seconds,
    interval: float = REPORT_SECONDS,
    listen: Callable[[Happening], None] = lambda happening: None,
) -> None:
    """Watch until the film has ended, or mpv shows it no longer.

    Args:
        player: what `attach` was called on.
        token: the one that the session was created with.
        begin: is called once, when the companion is ready.
        seconds_to_read: how long a line stands there. By default, as long as a voice would
            take for it: so long the companion counts as talking.
        interval: seconds between two reports of the time. What the viewer does is told at once.
        listen: is told all that happens.

    Raises:
        ProcessingFailed: the server could make no script.
        ConnectionLost: the server is gone for good. mpv plays on.
        MpvRefused: `begin` could not open the film.
    """
    ready = asyncio.Event()

    async def speak(line: Speak) -> None:
        async with screen.line(line.text):
            await asyncio.sleep(seconds_to_read(line.text))

    def show(happening: Happening) -> None:
        match happening:
            case Begun(action=Expression(emotion=emotion)):
                screen.face(emotion)
            case Progressed(message=message):
                screen.note(f"{message} …")
            case Noticed(message=message):
                screen.note(message)
            case Disconnected():
                screen.note("The companion was lost; looking for it.")
            case Ready():
                screen.note("Ready.", seconds=1.0)
                ready.set()
        listen(happening)

    client = WatchClient(
        *(server, session_id, player),
        speak=speak,
        listen=show,
        interval=interval,
        features=_FEATURES,
    )
    player.listen(client.notice)
    failure: WatchBuddyError | None = None
    async with asyncio.TaskGroup() as tasks:

        async def follow() -> None:
            nonlocal failure
            try:
                await client.run()
            except WatchBuddyError as exc:
                failure = exc
            finally:
                starting.cancel()
                ending.cancel()

        async def start() -> None:
            nonlocal failure
            await ready.wait()
            try:
                await begin()
                client.notice()
            except WatchBuddyError as exc:
                failure = exc
                following.cancel()

        async def end_with_the_film() -> None:
            await player.closed.wait()
            following.cancel()

        following = tasks.create_task(follow())
        starting = tasks.create_task(start())
        ending = tasks.create_task(end_with_the_film())
    screen.clear()
    if failure is not None:
        raise failure
