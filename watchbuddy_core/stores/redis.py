"""Sessions in a Redis, or a Valkey: several processes share them.

What a session is and what happened to it stands there alone, so that any process can create it,
work on it, deliver it, and go on with it where another has ended. Who may write is decided in
the Redis, all at once (`redis_scripts`). What is written goes out in order, and again where the
answer was lost (`redis_line`). What is appended is published, so that whoever follows a log
hears of it at once (`redis_news`), and who may have missed something reads it (`redis_log`).

A process has four connections, whatever it follows: for what it writes, for what it reads, for
caches, which are large and can wait, and for the news.

While the Redis is away, what a live connection writes waits for it, and who follows hears
nothing new; everything else fails after a few seconds.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import zlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from pydantic import ValidationError

from watchbuddy_core.accounts import is_of_user, of_session
from watchbuddy_core.actions import Density
from watchbuddy_core.entries import DISPENSABLE, ENTRY, Cancelled, Entry, Fence, Logged, Role
from watchbuddy_core.errors import (
    BudgetReached,
    SessionNotFound,
    StaleFence,
    StorageFull,
    StoreFailed,
)
from watchbuddy_core.storage import Cache, ProgressReport, SessionRecord
from watchbuddy_core.stores import redis_scripts as scripts
from watchbuddy_core.stores.redis_cache import RedisCache
from watchbuddy_core.stores.redis_commons import RedisCommons
from watchbuddy_core.stores.redis_connection import Address, Identity, look_at
from watchbuddy_core.stores.redis_failures import Trouble
from watchbuddy_core.stores.redis_line import (
    LIVE,
    REPLY_SECONDS,
    USUAL_SECONDS,
    Greet,
    Line,
    Patience,
    ended,
    opened,
)
from watchbuddy_core.stores.redis_log import Following, Row, fields, rows
from watchbuddy_core.stores.redis_news import News
from watchbuddy_core.stores.redis_reports import Reports
from watchbuddy_core.stores.redis_scripts import key
from watchbuddy_core.stores.redis_whereabouts import RedisWhereabouts

if TYPE_CHECKING:
    from collections.abc import Iterator


_AFTERLIFE_SECONDS = 3600.0
"""A session expires so long after it should have been deleted."""
_PREFERENCES = "watchbuddy:preferences"
_NOTED = "watchbuddy:preferences:noted"
_PREFERENCES_ARE_KEPT_MS = 365 * 86400 * 1000
_MOST_ENTRIES = 200_000
"""Of one log. Above half of that, what only tells where a viewer was is passed over."""
_WORTH_COMPRESSING = 1000
"""Bytes of an entry."""
_AROUND_BYTES = 6000
"""What a session takes beside the text of its entries, as measured."""
_PAGE = 500
"""So many sessions are looked at with one command."""
_BILLIONTHS = 1_000_000_000

_log = logging.getLogger("watchbuddy.store")


class RedisStore:
    """A whole Store in a Redis. An async context manager, for one event loop.

    Args:
        url: `redis://`, `rediss://` or `unix://`, with the number of a database.
        keep_seconds: what is kept of a session expires so long after it was created, and an
            hour: it should be deleted by then.
        reply_seconds: for which an answer is waited for.
        patience_seconds: for which a command is tried.

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
        patience_seconds: float = USUAL_SECONDS,
    ) -> None:
        self._address = Address(url)
        self._keep_ms = round((keep_seconds + _AFTERLIFE_SECONDS) * 1000)
        self._reply_seconds = reply_seconds
        self._patience_seconds = patience_seconds
        self._exact = Patience(patience_seconds, is_exact=True)
        self._writer = secrets.token_hex(4)
        """Who this process is, to the Redis."""
        self.commons = RedisCommons()
        self.whereabouts = RedisWhereabouts(lambda: self.line)
        self._orders = 0
        self._known: dict[str, SessionRecord] = {}
        """What was listed last. Whoever lists all sessions does so often, and what a session
        was created with does not change."""
        self._caches: dict[str, RedisCache] = {}

    def __repr__(self) -> str:
        return f"RedisStore({self._address.place})"

    async def __aenter__(self) -> Self:
        trouble = Trouble(self._address.place)
        async with AsyncExitStack() as held:
            greet = Identity(self._address.place).check
            self.line = self._line("writes", trouble, greet=greet)
            self._reader = self._line("reads", trouble)
            self._aside = self._line("caches", trouble)
            await held.enter_async_context(opened(self.line, self._reader, self._aside))
            await look_at(self.line, self._address.place)
            trouble.is_silent = False
            connector = self._address.connector("news", self._reply_seconds)
            self._news = News(connector, trouble=trouble, ping_seconds=self._reply_seconds)
            self._reports = Reports(
                self._writer, line=self.line, reader=self._reader, news=self._news
            )
            for work in (self._news.listen(), self._reports.send()):
                task = asyncio.create_task(work)
                held.push_async_callback(ended, task)
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

    def _line(self, name: str, trouble: Trouble, *, greet: Greet | None = None) -> Line:
        return Line(
            self._address.connector(name, self._reply_seconds),
            trouble=trouble,
            greet=greet,
            reply_seconds=self._reply_seconds,
            usual_seconds=self._patience_seconds,
        )

    # --- Records -----------------------------------------------------------------------

    async def get(self, session_id: str) -> SessionRecord:
        found = await self._reader.ask("HGET", key(session_id, "record"), "json")
        if found is None:
            raise SessionNotFound
        return _record(found)

    async def put(self, record: SessionRecord) -> None:
        session_id = record.session_id
        self._known.pop(session_id, None)
        await self.line.run(
            scripts.PUT,
            [key(session_id, part) for part in ("record", "head", "log", "spent")],
            [
                session_id,
                record.model_dump_json(),
                record.caller,
                record.address or "",
                repr(record.created_at),
                self._keep_ms,
            ],
            lasts=True,
        )

    async def list(self) -> Sequence[SessionRecord]:
        sessions = await self._sessions()
        known = {one: self._known[one] for one in sessions if one in self._known}
        for some in _pages([one for one in sessions if one not in known]):
            keys = [key(session_id, "record") for session_id in some]
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
        keys = [key(session_id, part) for part in ("record", "head", "log", "spent", "progress")]
        await self.line.run(scripts.DELETE, keys, [session_id], lasts=True)
        self._reports.forget(session_id)

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
            keys = [key(session_id, "head") for session_id in some]
            size += int(await self._reader.run(scripts.SIZE, keys, [_AROUND_BYTES]))
        return size

    async def shrink(self) -> None:
        await self._sessions()

    # --- SessionLog --------------------------------------------------------------------

    async def fence(self, session_id: str, role: Role) -> Fence:
        keys = [key(session_id, "head"), key(session_id, "record")]
        number = await self.line.run(scripts.FENCE, keys, [role, self._keep_ms], lasts=True)
        return Fence(role, int(number))

    async def append(self, session_id: str, entries: Sequence[Entry], fence: Fence | None) -> int:
        """The entries stand in the Redis when it returns.

        Where it is not known whether they do, it is asked: for as long as it takes, for those of
        the producer, who would append them again after a failure.

        Raises:
            StaleFence
            StorageFull, StoreFailed: they do not stand there; what a connection appends may.
        """
        self._orders += 1
        role = fence.role if fence is not None else ""
        is_live = role != "producer"
        words: list[str | bytes | int] = []
        for entry in entries:
            kind = "dispensable" if entry.kind in DISPENSABLE else ""
            words += (kind, _packed(entry))
        outcome, number = await self.line.run(
            scripts.APPEND,
            [key(session_id, part) for part in ("head", "log", "record", "news")],
            [
                self._writer,
                self._orders,
                role,
                fence.number if fence is not None else 0,
                self._keep_ms,
                _MOST_ENTRIES,
                *words,
            ],
            patience=LIVE if is_live else self._exact,
            # The Redis knows of the last one alone whether it has it.
            turn=f"{session_id}:{role}",
            lasts=True,
        )
        if outcome == b"stale":
            assert fence is not None
            if is_live and number < fence.number:
                raise StoreFailed("What was kept of this session is lost.")
            raise StaleFence(fence.role, fence.number, number)
        if outcome == b"full":
            raise StorageFull("The log of this session is full.")
        return int(number)

    async def read(self, session_id: str, after: int = 0) -> Sequence[Logged]:
        found = rows(self._reader, session_id, after + 1)
        return [_logged(row) async for row in found]

    async def follow(self, session_id: str, after: int = 0) -> AsyncIterator[Logged]:
        """It waits for as long as the Redis is away.

        Raises:
            StoreFailed: the Redis has lost some of what was read already.
        """
        with self._news.listening(key(session_id, "news")) as listener:
            async for row in Following(self._reader, listener, session_id, after).rows():
                yield _logged(row)

    # --- ProgressChannel ---------------------------------------------------------------

    def publish(self, session_id: str, report: ProgressReport) -> None:
        self._reports.publish(session_id, report)

    def reports(self, session_id: str) -> AsyncIterator[ProgressReport]:
        return self._reports.reports(session_id)

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
                patience=LIVE if settles else self._exact,
                lasts=True,
            )
        )

    async def forget_days(self, before: str) -> None:
        await self.line.run(scripts.FORGET_DAYS, [], [before])

    async def spent(
        self, *, session_id: str | None = None, user_id: str | None = None
    ) -> Mapping[str, float]:
        """US dollars by account: of a session, or of the days of a user."""
        found: dict[str, int] = {}
        if session_id is not None:
            account = of_session(session_id)
            found |= await self._accounts(_ledger(account), lambda one: one == account)
        if user_id is not None:
            for ledger in await self._days():
                found |= await self._accounts(ledger, lambda one: is_of_user(one, user_id))
        return {account: found[account] / _BILLIONTHS for account in sorted(found)}

    async def _days(self) -> Sequence[str]:
        days = await self._reader.ask("SMEMBERS", "watchbuddy:days")
        return [f"watchbuddy:spent:{day.decode()}" for day in days]

    async def _accounts(self, ledger: str, wanted: Callable[[str], bool]) -> dict[str, int]:
        return {
            account: int(amount)
            async for account, amount in fields(self._reader, ledger)
            if wanted(account)
        }

    # --- Preferences -------------------------------------------------------------------

    async def preference(self, caller: str, user_id: str) -> Density | None:
        who = json.dumps([caller, user_id])
        found = await self._reader.ask("HGET", _PREFERENCES, who)
        return None if found is None else found.decode()

    async def prefer(self, caller: str, user_id: str, density: Density) -> None:
        await self.line.run(
            scripts.PREFER,
            [_PREFERENCES, _NOTED],
            [json.dumps([caller, user_id]), density, _PREFERENCES_ARE_KEPT_MS],
            lasts=True,
        )

    async def preferences(self, user_id: str) -> Mapping[str, Density]:
        """How much a user wants to hear, by caller."""
        return {
            caller: density
            async for (caller, user), density in self._all_preferences()
            if user == user_id
        }

    async def _all_preferences(self) -> AsyncIterator[tuple[tuple[str, str], Density]]:
        async for who, density in fields(self._reader, _PREFERENCES):
            caller, user = json.loads(who)
            yield (caller, user), cast(Density, density)

    async def forget_user(self, user_id: str) -> int:
        """Delete all that is kept of a user: sessions, with their logs, preferences, and what
        was spent for them. Who watches one of the sessions is told that it has ended.

        Returns:
            How many sessions that were.
        """
        sessions = [record for record in await self.list() if record.user_id == user_id]
        for record in sessions:
            await self.end(record.session_id)
        callers = await self.preferences(user_id)
        for caller in callers:
            who = json.dumps([caller, user_id])
            await self.line.ask("HDEL", _PREFERENCES, who, lasts=True)
            await self.line.ask("ZREM", _NOTED, who, lasts=True)
        for ledger in await self._days():
            for account in await self._accounts(ledger, lambda one: is_of_user(one, user_id)):
                await self.line.ask("HDEL", ledger, account, lasts=True)
        return len(sessions)

    async def end(self, session_id: str) -> None:
        """Delete a session, also while processes work on it: they hear that it has ended."""
        await self.append(session_id, [Cancelled()], None)
        await self.delete(session_id)

    # --- Caches ------------------------------------------------------------------------

    def cache(self, name: str, *, most_bytes: int) -> Cache:
        made = RedisCache(name, most_bytes=most_bytes, line=self._aside)
        return self._caches.setdefault(name, made)

    # --- Checkable ---------------------------------------------------------------------

    async def check(self) -> None:
        await self.line.ask("SET", "watchbuddy:check", "", "EX", 60)
        await self._reader.ask("EXISTS", "watchbuddy:sessions")


def _ledger(account: str) -> str:
    day, _, rest = account.partition("/")
    return key(rest, "spent") if day == "session" else f"watchbuddy:spent:{day}"


def _done(token: str) -> str:
    return f"watchbuddy:done:{token}"


def _pages(some: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(some), _PAGE):
        yield some[start : start + _PAGE]


def _packed(entry: Entry) -> bytes:
    text = entry.model_dump_json().encode()
    return text if len(text) < _WORTH_COMPRESSING else b"z" + zlib.compress(text, 1)


def _logged(row: Row) -> Logged:
    position, packed = row
    with _understood():
        text = zlib.decompress(packed[1:]) if packed.startswith(b"z") else packed
        return Logged(position, ENTRY.validate_json(text))


def _record(text: bytes) -> SessionRecord:
    with _understood():
        return SessionRecord.model_validate_json(text)


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except (ValidationError, zlib.error):  # which quote what they are about
        raise StoreFailed("The Redis holds what is no session under its name.") from None
