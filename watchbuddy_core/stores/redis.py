"""Sessions in a Redis, or a Valkey: several processes share them.

What a session is and what happened to it stands there alone, so that any process can create it,
work on it, deliver it, and go on with it where another has ended. Who may write is decided in
the Redis, all at once (`redis_scripts`). What is written goes out in order, and again where the
answer was lost (`redis_line`). What is appended is published, so that whoever follows a log
hears of it at once, and who may have missed something reads it (`redis_news`).

While the Redis is away, what a live connection writes waits for it, and who follows hears
nothing new; everything else fails after a few seconds.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import zlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from pydantic import ValidationError

from watchbuddy_core.actions import Density
from watchbuddy_core.entries import ENTRY, Entry, Fence, Logged, Role
from watchbuddy_core.errors import (
    BudgetReached,
    MissingExtra,
    SessionNotFound,
    StaleFence,
    StorageFull,
    StoreFailed,
)
from watchbuddy_core.protocols import Cache, ProgressReport, SessionRecord
from watchbuddy_core.stores import redis_scripts as scripts
from watchbuddy_core.stores.progress import ProgressBoard
from watchbuddy_core.stores.redis_cache import RedisCache
from watchbuddy_core.stores.redis_commons import RedisCommons
from watchbuddy_core.stores.redis_failures import Trouble
from watchbuddy_core.stores.redis_line import ENDLESS, HASTY, LIVE, REPLY_SECONDS, USUAL, Line
from watchbuddy_core.stores.redis_news import News, published

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.asyncio import Connection

LEAST_VERSION = (6, 2)
_AFTERLIFE_SECONDS = 3600.0
"""A session expires so long after it should have been deleted."""
_PREFERENCES_ARE_KEPT_MS = 365 * 86400 * 1000
_REPORTS_ARE_KEPT_MS = 600_000
_MOST_ENTRIES = 200_000
"""Of one log. Above half of that, what only tells where a viewer was is passed over."""
_DISPENSABLE = {"wanted", "acked", "left_out"}
_WORTH_COMPRESSING = 1000
"""Bytes of an entry."""
_PAGE = 500
"""So many things are read with one command."""
_BILLIONTHS = 1_000_000_000


class RedisStore:
    """A whole Store in a Redis. An async context manager, for one event loop.

    Args:
        url: `redis://`, `rediss://` or `unix://`, with the number of a database.
        keep_seconds: what is kept of a session expires so long after it was created, and an
            hour: it should be deleted by then.
        reply_seconds: for which an answer is waited for.

    Raises, on entering:
        MissingExtra: redis-py is not installed.
        StoreFailed: it cannot be reached, wants another password, or is too old.
    """

    def __init__(
        self,
        url: str,
        *,
        keep_seconds: float = 86400.0,
        reply_seconds: float = REPLY_SECONDS,
    ) -> None:
        self._url = url
        self._place = _place(url)
        self._keep_ms = round((keep_seconds + _AFTERLIFE_SECONDS) * 1000)
        self._reply_seconds = reply_seconds
        self._writer = secrets.token_hex(4)
        """Who this process is, to the Redis."""
        self.commons = RedisCommons()
        self._orders = 0
        self._known: dict[str, SessionRecord] = {}
        """What was listed last. Whoever lists all sessions does so often, and what a session
        was created with does not change."""
        self._caches: dict[str, RedisCache] = {}
        self._board = ProgressBoard()
        self._reports: dict[str, ProgressReport] = {}
        self._reporting = asyncio.Event()

    def __repr__(self) -> str:
        return f"RedisStore({self._place})"

    async def __aenter__(self) -> Self:
        trouble = Trouble(self._place)
        async with AsyncExitStack() as held:
            self.line = await held.enter_async_context(self._line("writes", trouble))
            await self._look_at_it()
            self._reader = await held.enter_async_context(self._line("reads", trouble))
            self._aside = await held.enter_async_context(self._line("caches", trouble))
            self._news = News(self._connector("news"), trouble=trouble)
            for work in (self._news.listen(), self._report()):
                task = asyncio.create_task(work)
                held.push_async_callback(_ended, task)
            await held.enter_async_context(self.commons.open(self.line))
            self._held = held.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._held.aclose()

    def _line(self, name: str, trouble: Trouble) -> Any:
        return Line(
            self._connector(name), trouble=trouble, reply_seconds=self._reply_seconds
        ).open()

    def _connector(self, name: str) -> Callable[[], Connection]:
        try:
            from redis.asyncio import ConnectionPool
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError as exc:
            raise MissingExtra("scale", "Keeping sessions in a Redis") from exc
        # What is waited for, and what is tried again, is decided here alone: the defaults differ
        # from version to version.
        how: dict[str, Any] = {
            "client_name": f"watchbuddy-{name}",
            "protocol": 2,
            "decode_responses": False,
            "socket_timeout": None,
            "socket_connect_timeout": self._reply_seconds,
            "health_check_interval": 0,
            "retry": Retry(NoBackoff(), 0),
        }
        if not self._url.startswith("unix:"):
            how["socket_keepalive"] = True
        return ConnectionPool.from_url(self._url, **how).make_connection

    async def _look_at_it(self) -> None:
        try:
            told = await self.line.ask("INFO")
        except StoreFailed as exc:
            raise StoreFailed(f"{exc} It is {self._place}.") from None
        info = dict(line.split(":", 1) for line in told.decode().splitlines() if ":" in line)
        version = tuple(map(int, info["redis_version"].split(".")[:2]))
        if version < LEAST_VERSION:
            raise StoreFailed(
                f"The Redis at {self._place} is of version {info['redis_version']}: it takes"
                f" {'.'.join(map(str, LEAST_VERSION))} or later."
            )

    # --- Records -----------------------------------------------------------------------

    async def get(self, session_id: str) -> SessionRecord:
        found = await self._reader.ask("HGET", _key(session_id, "record"), "json")
        if found is None:
            raise SessionNotFound
        return _record(found)

    async def put(self, record: SessionRecord) -> None:
        session_id = record.session_id
        self._known.pop(session_id, None)
        await self.line.run(
            scripts.PUT,
            [_key(session_id, part) for part in ("record", "head", "log", "spent")],
            [
                session_id,
                record.model_dump_json(),
                record.caller,
                record.address or "",
                repr(record.created_at),
                self._keep_ms,
            ],
            turn=session_id,
            lasts=True,
        )

    async def list(self) -> Sequence[SessionRecord]:
        sessions = await self._sessions()
        known = {one: self._known[one] for one in sessions if one in self._known}
        for some in _pages([one for one in sessions if one not in known]):
            keys = [_key(session_id, "record") for session_id in some]
            texts = await self._reader.run(scripts.RECORDS, keys)
            for session_id, text in zip(some, texts, strict=True):
                if text is not None:
                    known[session_id] = _record(text)
            await asyncio.sleep(0)
        self._known = known
        return sorted(known.values(), key=lambda record: record.created_at)

    async def count(self, *, caller: str | None = None, address: str | None = None) -> int:
        keys = [
            f"watchbuddy:{kind}:{name}"
            for kind, name in (("caller", caller), ("address", address))
            if name is not None
        ]
        return int(await self._reader.run(scripts.COUNT, keys or ["watchbuddy:sessions"]))

    async def delete(self, session_id: str) -> None:
        keys = [_key(session_id, part) for part in ("record", "head", "log", "spent", "progress")]
        await self.line.run(scripts.DELETE, keys, [session_id], turn=session_id, lasts=True)
        self._board.forget(session_id)

    async def _sessions(self) -> Sequence[str]:
        return [one.decode() for one in await self._reader.run(scripts.SESSIONS, [])]

    # --- Upkeep ------------------------------------------------------------------------

    async def needs(self) -> Mapping[str, float]:
        told = await self._reader.run(scripts.NEEDS, [])
        return {
            session_id.decode(): float(at)
            for session_id, at in zip(told[::2], told[1::2], strict=True)
        }

    async def note_needs(self, needs: Mapping[str, float]) -> None:
        for some in _pages([*needs.items()]):
            words = [word for session_id, at in some for word in (repr(at), session_id)]
            # The latest counts, whichever process notes it.
            await self.line.ask("ZADD", "watchbuddy:needs", "XX", "GT", *words)

    async def size_bytes(self) -> int:
        size = 0
        for some in _pages(await self._sessions()):
            keys = [_key(session_id, "head") for session_id in some]
            size += int(await self._reader.run(scripts.SIZE, keys))
        return size

    async def shrink(self) -> None:
        await self._sessions()

    # --- SessionLog --------------------------------------------------------------------

    async def fence(self, session_id: str, role: Role) -> Fence:
        keys = [_key(session_id, "head"), _key(session_id, "record")]
        number = await self.line.run(
            scripts.FENCE, keys, [role, self._keep_ms], turn=session_id, lasts=True
        )
        return Fence(role, int(number))

    async def append(self, session_id: str, entries: Sequence[Entry], fence: Fence | None) -> int:
        """The entries stand in the Redis when it returns.

        Raises:
            StaleFence
            StorageFull, StoreFailed: they may stand there, where the Redis has gone since.
        """
        self._orders += 1
        is_live = fence is None or fence.role == "deliverer"
        words: list[str | bytes | int] = []
        for entry in entries:
            kind = "dispensable" if entry.kind in _DISPENSABLE else ""
            words += (kind, _packed(entry))
        outcome, number = await self.line.run(
            scripts.APPEND,
            [_key(session_id, part) for part in ("head", "log", "record", "news")],
            [
                self._writer,
                self._orders,
                fence.role if fence is not None else "",
                fence.number if fence is not None else 0,
                self._keep_ms,
                _MOST_ENTRIES,
                *words,
            ],
            patience=LIVE if is_live else USUAL,
            turn=session_id,
            lasts=True,
        )
        if outcome == b"stale":
            assert fence is not None
            raise StaleFence(fence.role, fence.number, number)
        if outcome == b"full":
            raise StorageFull("The log of this session is full.")
        return int(number)

    async def read(self, session_id: str, after: int = 0) -> Sequence[Logged]:
        return [logged async for logged in self._pages_of(session_id, after + 1)]

    async def follow(self, session_id: str, after: int = 0) -> AsyncIterator[Logged]:
        """It waits for as long as the Redis is away.

        Raises:
            StoreFailed: what was read already is no longer there.
        """
        last: Logged | None = None
        with self._news.listening(_key(session_id, "news")) as listener:
            while True:
                message = await listener.next()
                if message is None:
                    await self._check_end(session_id, after, last)
                    async for last in self._pages_of(session_id, after + 1, patient=True):
                        after = last.position
                        yield last
                elif message.startswith(b"L"):
                    first, texts = published(message)
                    if first > after + 1:  # passed over, or not heard
                        gap = self._pages_of(session_id, after + 1, first - 1, patient=True)
                        async for last in gap:
                            yield last
                        after = first - 1
                    for position, text in enumerate(texts, first):
                        if position > after:
                            last = Logged(position, _entry(text))
                            after = position
                            yield last

    async def _check_end(self, session_id: str, after: int, last: Logged | None) -> None:
        """Whether the log still has what was read of it: a Redis may have lost it.

        Raises:
            StoreFailed
        """
        if not after:
            return
        end = await self._reader.ask("HGET", _key(session_id, "head"), "end", patience=ENDLESS)
        if int(end or 0) < after:
            raise StoreFailed("What was kept of this session is lost.")

    async def _pages_of(
        self, session_id: str, first: int, end: int | None = None, *, patient: bool = False
    ) -> AsyncIterator[Logged]:
        patience = ENDLESS if patient else USUAL
        until = "+" if end is None else f"{end}-0"
        while True:
            rows = await self._reader.ask(
                *("XRANGE", _key(session_id, "log"), f"{first}-0", until, "COUNT", _PAGE),
                patience=patience,
            )
            for name, (_, text) in rows:
                position = int(name.partition(b"-")[0])
                yield Logged(position, _entry(text))
                first = position + 1
            if len(rows) < _PAGE:
                return

    # --- ProgressChannel ---------------------------------------------------------------

    def publish(self, session_id: str, report: ProgressReport) -> None:
        self._board.publish(session_id, report)
        self._reports[session_id] = report
        self._reporting.set()

    async def reports(self, session_id: str) -> AsyncIterator[ProgressReport]:
        async with _running(self._hear_reports(session_id)):
            async for report in self._board.reports(session_id):
                yield report

    async def _hear_reports(self, session_id: str) -> None:
        with self._news.listening(_key(session_id, "news")) as listener:
            while True:
                message = await listener.next()
                if message is None:
                    message = await self._reader.ask(
                        "GET", _key(session_id, "progress"), patience=ENDLESS
                    )
                if message is not None and message.startswith(b"P"):
                    writer, _, text = message[1:].decode().partition(" ")
                    if writer != self._writer:  # else it is on the board
                        self._board.publish(session_id, ProgressReport(*json.loads(text)))

    async def _report(self) -> None:
        """Tell other processes what is reported here."""
        while True:
            await self._reporting.wait()
            self._reporting.clear()
            reports, self._reports = self._reports, {}
            for session_id, report in reports.items():
                words = json.dumps([report.stage, report.fraction, report.message])
                message = f"P{self._writer} {words}"
                with suppress(StoreFailed, StorageFull):
                    await self.line.run(
                        scripts.REPORT,
                        [_key(session_id, "progress"), _key(session_id, "news")],
                        [message, _REPORTS_ARE_KEPT_MS],
                        patience=HASTY,
                    )

    # --- Ledger ------------------------------------------------------------------------

    async def reserve(self, limits: Mapping[str, float], amount: float) -> None:
        refused = await self._pay(limits, amount)
        if refused:
            raise BudgetReached([*limits][refused - 1])

    async def settle(self, accounts: Collection[str], reserved: float, spent: float) -> None:
        await self._pay(dict.fromkeys(accounts, float("inf")), spent - reserved)

    async def _pay(self, limits: Mapping[str, float], amount: float) -> int:
        """Which account has too little left, counted from 1; 0: none, and all have paid."""
        keys = [_done(secrets.token_hex(8)), *map(_ledger, limits)]
        words: list[str | int] = []
        for account, limit in limits.items():
            words += (account, "inf" if limit == float("inf") else round(limit * _BILLIONTHS))
        settles = all(limit == float("inf") for limit in limits.values())
        return int(
            await self.line.run(
                scripts.PAY,
                keys,
                [round(amount * _BILLIONTHS), self._keep_ms, *words],
                patience=LIVE if settles else USUAL,
                lasts=True,
            )
        )

    async def forget_days(self, before: str) -> None:
        await self.line.run(scripts.FORGET_DAYS, [], [before])

    # --- Preferences -------------------------------------------------------------------

    async def preference(self, caller: str, user_id: str) -> Density | None:
        who = json.dumps([caller, user_id])
        found = await self._reader.ask("HGET", "watchbuddy:preferences", who)
        return None if found is None else found.decode()

    async def prefer(self, caller: str, user_id: str, density: Density) -> None:
        await self.line.run(
            scripts.PREFER,
            ["watchbuddy:preferences", "watchbuddy:preferences:noted"],
            [json.dumps([caller, user_id]), density, _PREFERENCES_ARE_KEPT_MS],
            lasts=True,
        )

    # --- Caches ------------------------------------------------------------------------

    def cache(self, name: str, *, most_bytes: int) -> Cache:
        made = RedisCache(name, most_bytes=most_bytes, line=self._aside)
        return self._caches.setdefault(name, made)

    # --- Checkable ---------------------------------------------------------------------

    async def check(self) -> None:
        await self.line.ask("SET", "watchbuddy:check", "", "EX", 60)
        await self._reader.ask("EXISTS", "watchbuddy:sessions")


def _place(url: str) -> str:
    """Where it is, without what must not be seen."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or 6379}"


def _key(session_id: str, part: str) -> str:
    return f"watchbuddy:{{{session_id}}}:{part}"


def _ledger(account: str) -> str:
    day, _, rest = account.partition("/")
    return _key(rest, "spent") if day == "session" else f"watchbuddy:spent:{day}"


def _done(token: str) -> str:
    return f"watchbuddy:done:{token}"


def _pages(some: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(some), _PAGE):
        yield some[start : start + _PAGE]


def _packed(entry: Entry) -> bytes:
    text = entry.model_dump_json().encode()
    return text if len(text) < _WORTH_COMPRESSING else b"z" + zlib.compress(text, 1)


def _entry(packed: bytes) -> Entry:
    with _understood():
        text = zlib.decompress(packed[1:]) if packed.startswith(b"z") else packed
        return ENTRY.validate_json(text)


def _record(text: bytes) -> SessionRecord:
    with _understood():
        return SessionRecord.model_validate_json(text)


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except (ValidationError, zlib.error):  # which quote what they are about
        raise StoreFailed("The Redis holds what is no session under its name.") from None


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


@asynccontextmanager
async def _running(work: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        await _ended(task)
