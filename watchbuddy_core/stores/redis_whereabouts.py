"""Which processes hold which files, among those that keep their sessions in one Redis.

watchbuddy:held:FILE   sorted set   the addresses of those who hold it, by when they are not
                                    believed any more (milliseconds since 1970)
watchbuddy:card:FILE                what is known of it
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice

from watchbuddy_core.stores.redis_line import Line, Script, Word

_AT_ONCE = 100

_TELL = Script("""
-- KEYS: for each file, who holds it, and its card. ARGV, behind the first: who holds them now, for
-- how many milliseconds that is believed, and the cards.
local time = redis.call('TIME')
local expiry = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3]
for i = 1, #KEYS, 2 do
  redis.call('ZADD', KEYS[i], string.format("%d", expiry), ARGV[2])
  redis.call('PEXPIRE', KEYS[i], ARGV[3])
  redis.call('SET', KEYS[i + 1], ARGV[3 + (i + 1) / 2], 'PX', ARGV[3])
end
""")

_FIND = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf')
return {redis.call('GET', KEYS[2]), held}
""")


class RedisWhereabouts:
    """The Whereabouts of every process whose store is in the same Redis.

    Args:
        line: to the Redis.
    """

    def __init__(self, line: Callable[[], Line]) -> None:
        self._line = line

    async def tell(self, place: str, files: Mapping[str, str], seconds: float) -> None:
        left = iter(files.items())
        while some := dict(islice(left, _AT_ONCE)):
            keys = [key for name in some for key in _keys(name)]
            words: list[Word] = [place, round(seconds * 1000), *some.values()]
            await self._line().run(_TELL, keys, words)

    async def find(self, file: str) -> tuple[str | None, Sequence[str]]:
        card, places = await self._line().run(_FIND, [*_keys(file)])
        if card is None:
            return None, ()
        return card.decode(), [place.decode() for place in places]


def _keys(file: str) -> tuple[str, str]:
    return f"watchbuddy:held:{file}", f"watchbuddy:card:{file}"
