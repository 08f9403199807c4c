"""Those in this process who wait for news of a session."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Listeners:
    """Wakes them. Who has looked and found nothing new clears their event, and waits for it."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def listening(self, session_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever there is news, as long as the context lasts."""
        news = asyncio.Event()
        self._waiting[session_id].add(news)
        try:
            yield news
        finally:
            self._waiting[session_id].discard(news)
            if not self._waiting[session_id]:
                del self._waiting[session_id]

    def count(self, session_id: str | None = None) -> int:
        """How many there are, of this session where one is named."""
        if session_id is None:
            return sum(map(len, self._waiting.values()))
        return len(self._waiting.get(session_id, ()))

    def wake(self, session_id: str) -> None:
        """There is news."""
        for news in self._waiting.get(session_id, ()):
            news.set()
