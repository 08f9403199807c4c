"""`scale`: what one process has written into a Redis, another follows."""

import asyncio
import sys

from watchbuddy_core.entries import Ready
from watchbuddy_core.stores.redis import RedisStore


async def main(url: str) -> None:
    async with RedisStore(url) as worker, RedisStore(url) as web:
        fence = await worker.fence("ses_1", "producer")
        await worker.append("ses_1", [Ready()], fence)
        async for logged in web.follow("ses_1"):
            print(f"{logged.position}: {logged.entry.kind}")
            break


asyncio.run(main(sys.argv[1]))
