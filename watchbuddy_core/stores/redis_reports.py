"""The ProgressChannel between processes that share a Redis."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import suppress

from watchbuddy_core.errors import StorageFull, StoreFailed
from watchbuddy_core.storage import ProgressReport
from watchbuddy_core.stores.redis_line import HASTY, Line
from watchbuddy_core.stores.redis_news import Message, News
from watchbuddy_core.stores.redis_scripts import REPORT, key

_KEPT_MS = 600_000
_PAUSE = 0.1
"""Seconds in which other processes are told no more than once of a session."""
_MOST = 10_000
"""Sessions of which the latest report is kept in this process."""

_HERE = b"p"
_ELSEWHERE = b"P"
"""How messages begin that hold a report; behind it are who reports, a blank, and JSON."""


class Reports:
    """Who listens in the process that reports hears it at once, whatever the Redis does.

    Let `send` run for as long as others are to hear it.
    """

    def __init__(self, writer: str, *, line: Line, reader: Line, news: News) -> None:
        self._ours = f"{writer} ".encode()
        self._line = line
        self._reader = reader
        self._news = news
        self._latest: OrderedDict[str, Message] = OrderedDict()
        """By session, what was reported here."""
        self._unsent: dict[str, Message] = {}
        self._reporting = asyncio.Event()

    def publish(self, session_id: str, report: ProgressReport) -> None:
        text = json.dumps([report.stage, report.fraction, report.message])
        message = self._ours + text.encode()
        self._latest[session_id] = self._unsent[session_id] = _HERE + message
        self._latest.move_to_end(session_id)
        if len(self._latest) > _MOST:
            self._latest.popitem(last=False)
        self._news.hand(key(session_id, "news"), _HERE + message)
        self._reporting.set()

    async def reports(self, session_id: str) -> AsyncIterator[ProgressReport]:
        with self._news.listening(key(session_id, "news")) as listener:
            told: Message | None = None
            latest = self._latest.get(session_id)
            while True:
                if latest is not None and latest != told:
                    told = latest
                    yield ProgressReport(*json.loads(latest.partition(b" ")[2]))
                for message in await listener.all():
                    heard = message or await self._kept(session_id)
                    # What is reported here was heard here, and is not to be told once more.
                    is_news = heard.startswith(_ELSEWHERE) and not heard.startswith(self._ours, 1)
                    if is_news or heard.startswith(_HERE):
                        latest = heard

    def forget(self, session_id: str) -> None:
        """The session is deleted."""
        self._latest.pop(session_id, None)

    async def send(self) -> None:
        """Tell other processes what is reported here. Runs until cancelled."""
        while True:
            await self._reporting.wait()
            self._reporting.clear()
            unsent, self._unsent = self._unsent, {}
            for session_id, message in unsent.items():
                keys = [key(session_id, "progress"), key(session_id, "news")]
                told = _ELSEWHERE + message[1:]
                with suppress(StoreFailed, StorageFull):
                    await self._line.run(REPORT, keys, [told, _KEPT_MS], patience=HASTY)
            await asyncio.sleep(_PAUSE)

    async def _kept(self, session_id: str) -> Message:
        """The latest one of whichever process. Empty: there is none."""
        try:
            return await self._reader.ask("GET", key(session_id, "progress"), patience=HASTY) or b""
        except (StoreFailed, StorageFull):
            return b""
