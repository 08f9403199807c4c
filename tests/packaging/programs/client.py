"""`client`: creates a session on a server, and is sent its script."""

import asyncio
import sys

from watchbuddy_core import ClockPlayer, CreateSession, WallClock, WatchClient, create_session
from watchbuddy_core.client import Begun, Ready


async def main(server: str) -> None:
    request = CreateSession(video_url="library:clip.mp4", character_id="miao")
    session_id = await create_session(server, request)
    begun: asyncio.Queue[str] = asyncio.Queue()
    ready = asyncio.Event()

    def listen(happening: object) -> None:
        if isinstance(happening, Ready):
            ready.set()
        elif isinstance(happening, Begun):
            begun.put_nowait(happening.action.action_type)

    player = ClockPlayer(12.0, clock=WallClock())
    client = WatchClient(server, session_id, player, listen=listen)
    watching = asyncio.create_task(client.run())
    async with asyncio.timeout(60):
        await ready.wait()
        await player.resume()
        print(await begun.get())
    watching.cancel()


asyncio.run(main(sys.argv[1]))
