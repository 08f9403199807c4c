"""A running mpv, asked and told over its JSON IPC (mpv's manual, "JSON IPC")."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from watchbuddy_core.errors import WatchBuddyError

Then = Callable[[Any], None]
"""Is given the answer to what was asked, before anything that came after it is read."""

_LONGEST_LINE = 16 * 1024 * 1024
"""Bytes. A film with many tracks and chapters tells of them in one line."""
_RETRY_SECONDS = 0.02

_log = logging.getLogger("watchbuddy.mpv")


class MpvGone(WatchBuddyError):
    """mpv cannot be reached, or has ended."""


class MpvRefused(WatchBuddyError):
    """mpv has answered that it cannot do what it was told."""


class Mpv:
    """A running mpv.

    It answers in the order in which it was asked, and an answer is dealt with before
    anything that mpv says later: what is known of it is never older than what was done.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._asked: dict[int, tuple[Then | None, asyncio.Future[Any] | None]] = {}
        self._last_id = 0
        self._hear: Callable[[Mapping[str, Any]], None] = lambda event: None
        self.gone = asyncio.Event()
        """mpv has ended, or does not listen any more."""

    @classmethod
    @asynccontextmanager
    async def at(cls, socket: Path, *, patience: float = 10.0) -> AsyncIterator[Mpv]:
        """Be connected to the mpv that listens there, for as long as the context lasts.

        Args:
            socket: what mpv was started with as `--input-ipc-server`.
            patience: seconds to wait until it listens.

        Raises:
            MpvGone: none does.
        """
        mpv = cls(*await _connect(socket, patience))
        reading = asyncio.create_task(mpv._read())
        try:
            yield mpv
        finally:
            reading.cancel()
            await asyncio.wait([reading])
            mpv._writer.close()

    def listen(self, hear: Callable[[Mapping[str, Any]], None]) -> None:
        """From now on `hear` is told each event, in order; it must not wait."""
        self._hear = hear

    def ask(self, *words: object, then: Then | None = None, **named: object) -> None:
        """Ask or tell it something, and do not wait. What it refuses is nobody's business."""
        self._send(words, named, then, None)

    async def command(self, *words: object, then: Then | None = None, **named: object) -> Any:
        """Ask or tell it something, and wait for the answer.

        Raises:
            MpvRefused: it cannot do that.
            MpvGone: there is nobody to ask.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._send(words, named, then, answer)
        return await answer

    def _send(
        self,
        words: tuple[object, ...],
        named: Mapping[str, object],
        then: Then | None,
        answer: asyncio.Future[Any] | None,
    ) -> None:
        if self.gone.is_set():
            if answer is not None:
                answer.set_exception(MpvGone("mpv has ended."))
            return
        self._last_id += 1
        self._asked[self._last_id] = (then, answer)
        request = {"command": {"name": words[0], **named} if named else words}
        # JSON escapes line breaks and all that is not ASCII: what is said stays one request.
        line = json.dumps({**request, "request_id": self._last_id})
        self._writer.write(line.encode() + b"\n")

    async def _read(self) -> None:
        try:
            while line := await self._reader.readline():
                self._take(json.loads(line))
        except (OSError, ValueError) as exc:
            _log.debug("mpv is not understood any more: %s", exc)
        finally:
            self.gone.set()
            for _, answer in self._asked.values():
                if answer is not None and not answer.done():
                    answer.set_exception(MpvGone("mpv has ended."))
            self._asked.clear()
            self._hear({"event": "gone"})

    def _take(self, message: Mapping[str, Any]) -> None:
        if "event" in message:
            self._hear(message)
            return
        then, answer = self._asked.pop(message.get("request_id", 0), (None, None))
        error = message.get("error")
        if error == "success":
            if then is not None:
                then(message.get("data"))
            if answer is not None and not answer.done():
                answer.set_result(message.get("data"))
        elif answer is not None and not answer.done():
            answer.set_exception(MpvRefused(f"mpv cannot do that: {error}."))


async def _connect(
    socket: Path, patience: float
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    until = asyncio.get_running_loop().time() + patience
    while True:
        try:
            return await asyncio.open_unix_connection(socket, limit=_LONGEST_LINE)
        except OSError as exc:
            if asyncio.get_running_loop().time() >= until:
                raise MpvGone(f"No mpv listens at {socket}: {exc.strerror}.") from exc
            await asyncio.sleep(_RETRY_SECONDS)
