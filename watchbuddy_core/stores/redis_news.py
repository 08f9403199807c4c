"""What is published about sessions in a Redis: one connection for all that a process follows.

A message is heard once, by whoever listens at that moment, so it may be missed: while the
connection is away, or before it listens. Nothing is lost by that, since the log has all of it.
Who listens is told when there may be a gap, and reads the log from where they are.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from watchbuddy_core.stores.redis_failures import Trouble, failure_of

if TYPE_CHECKING:
    from redis.asyncio import Connection

_PING_SECONDS = 5.0
"""After so long a silence it is asked whether somebody is there."""
_MOST_AT_ONCE = 500
"""Sessions named in one command."""
_MOST_WAITING = 1000
"""Messages that wait for somebody slow. Who is slower reads the log."""
_SHORTEST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0

Message = bytes


class Listener:
    """Somebody who wants the messages about one session."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._wake = asyncio.Event()
        self._may_have_missed = False

    def hand(self, message: Message) -> None:
        if len(self._messages) >= _MOST_WAITING:
            self.miss()
            return
        self._messages.append(message)
        self._wake.set()

    def miss(self) -> None:
        """There may have been messages before this moment that it has not heard; from now on
        it hears them."""
        self._messages.clear()
        self._may_have_missed = True
        self._wake.set()

    async def all(self) -> list[Message | None]:
        """All that wait, and at least one."""
        messages = [await self.next()]
        messages += self._messages
        self._messages.clear()
        return messages

    async def next(self) -> Message | None:
        """The next message. None: some may have been missed before."""
        while True:
            if self._may_have_missed:
                self._may_have_missed = False
                return None
            if self._messages:
                return self._messages.popleft()
            self._wake.clear()
            await self._wake.wait()


@dataclass(eq=False)
class _Channel:
    """A session that is listened to."""

    listeners: set[Listener] = field(default_factory=set)
    is_heard: bool = False
    """Its messages come in."""


class News:
    """Listens for a process. Let `listen` run for as long as there is somebody to tell.

    Args:
        connect: makes a connection that is not connected yet, and never times out.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        *,
        trouble: Trouble,
        ping_seconds: float = _PING_SECONDS,
    ) -> None:
        self._connect = connect
        self._trouble = trouble
        self._ping_seconds = ping_seconds
        self._channels: dict[bytes, _Channel] = {}
        self._wishes = asyncio.Event()
        """Set when channels come or go."""
        self._asked: set[bytes] = set()
        """Channels that the connection was told to bring."""
        self._unconfirmed: Counter[bytes] = Counter()
        self._heard_at = 0.0

    def hand(self, name: str, message: Message) -> None:
        """Tell those who listen in this process, whatever becomes of the connection."""
        channel = self._channels.get(name.encode())
        for listener in channel.listeners if channel is not None else ():
            listener.hand(message)

    @contextmanager
    def listening(self, name: str) -> Iterator[Listener]:
        """Somebody who is told of this channel; first that they may have missed something, as
        soon as they hear the rest."""
        key = name.encode()
        channel = self._channels.setdefault(key, _Channel())
        listener = Listener()
        channel.listeners.add(listener)
        if channel.is_heard:
            listener.miss()
        self._wishes.set()
        try:
            yield listener
        finally:
            channel.listeners.discard(listener)
            if not channel.listeners:
                del self._channels[key]
                self._wishes.set()

    async def listen(self) -> None:
        """Runs until cancelled."""
        pause = 0.0
        while True:
            if not self._channels:
                self._trouble.over(self)
                self._wishes.clear()
                await self._wishes.wait()
            began = self._now()
            try:
                await self._listen_once()
            except Exception as exc:  # noqa: BLE001 - whatever it is, it is tried again
                if isinstance(exc, ExceptionGroup):
                    exc = exc.exceptions[0]
                if self._now() - began > 2 * _LONGEST_PAUSE:
                    pause = 0.0
                if pause:
                    self._trouble.met(self, failure_of(exc))
            await asyncio.sleep(pause)
            pause = min(2 * pause or _SHORTEST_PAUSE, _LONGEST_PAUSE)

    async def _listen_once(self) -> None:
        connection = self._connect()
        try:
            async with asyncio.timeout(self._ping_seconds):
                await connection.connect()  # type: ignore[no-untyped-call]
            self._heard_at = self._now()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._hear(connection))
                tasks.create_task(self._ask(connection))
                tasks.create_task(self._watch(connection))
        finally:
            self._asked.clear()
            self._unconfirmed.clear()
            for channel in self._channels.values():
                channel.is_heard = False
            with suppress(Exception):
                await connection.disconnect(nowait=True)

    async def _ask(self, connection: Connection) -> None:
        """Say what is wanted, as it changes."""
        while True:
            self._wishes.clear()
            wanted = self._channels.keys()
            await self._say(connection, "UNSUBSCRIBE", list(self._asked - wanted))
            new = list(wanted - self._asked)
            self._unconfirmed.update(new)
            await self._say(connection, "SUBSCRIBE", new)
            await self._wishes.wait()

    async def _watch(self, connection: Connection) -> None:
        """Ask whether anybody is there, where nothing was heard for a while.

        Raises:
            TimeoutError: nobody is.
        """
        while True:
            await asyncio.sleep(self._ping_seconds / 2)
            silence = self._now() - self._heard_at
            if silence >= 2 * self._ping_seconds:
                raise TimeoutError("Redis has fallen silent")
            if silence >= self._ping_seconds:
                await connection.send_command("PING")

    async def _say(self, connection: Connection, word: str, channels: Sequence[bytes]) -> None:
        for start in range(0, len(channels), _MOST_AT_ONCE):
            some = channels[start : start + _MOST_AT_ONCE]
            (self._asked.update if word == "SUBSCRIBE" else self._asked.difference_update)(some)
            await connection.send_command(word, *some)

    async def _hear(self, connection: Connection) -> None:
        while True:
            told = await connection.read_response()
            self._heard_at = self._now()
            match told:
                case [b"message", bytes(name), bytes(message)]:
                    channel = self._channels.get(name)
                    if channel is not None and channel.is_heard:
                        for listener in channel.listeners:
                            listener.hand(message)
                case [b"subscribe", bytes(name), *_]:
                    self._confirm(name)

    def _confirm(self, name: bytes) -> None:
        self._trouble.over(self)
        self._unconfirmed[name] -= 1
        if self._unconfirmed[name] > 0:
            return  # it was given up and wished for again meanwhile: the last answer counts
        del self._unconfirmed[name]
        channel = self._channels.get(name)
        if channel is not None:
            channel.is_heard = True
            for listener in channel.listeners:
                listener.miss()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def published(message: Message) -> tuple[int, list[bytes]]:
    """What an appending told: the first position, and the entries."""
    start = message.index(b" ") + 1
    entries = []
    at = start
    while at < len(message):
        colon = message.index(b":", at)
        end = colon + 1 + int(message[at:colon])
        entries.append(message[colon + 1 : end])
        at = end
    return int(message[1:start]), entries
