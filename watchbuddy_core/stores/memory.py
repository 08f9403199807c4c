"""Sessions in this process's memory: gone when it ends."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence

from watchbuddy_core.accounts import is_before, of_session
from watchbuddy_core.actions import Density
from watchbuddy_core.entries import Entry, Fence, Logged, Role
from watchbuddy_core.errors import BudgetReached, SessionNotFound, StaleFence
from watchbuddy_core.storage import Cache, ProgressReport, SessionRecord
from watchbuddy_core.stores.listeners import Listeners
from watchbuddy_core.stores.progress import ProgressBoard


class MemoryStore:
    """A whole Store for one event loop. Nothing is durable."""

    def __init__(self) -> None:
        self._records: dict[str, SessionRecord] = {}
        self._needs: dict[str, float] = {}
        self._logs: dict[str, list[Logged]] = {}
        self._newest: dict[tuple[str, Role], int] = {}
        self._followers = Listeners()
        self._progress = ProgressBoard()
        self._spent: dict[str, float] = {}
        self._preferences: dict[tuple[str, str], Density] = {}
        self._caches: dict[str, MemoryCache] = {}

    # --- Records -----------------------------------------------------------------------

    async def get(self, session_id: str) -> SessionRecord:
        try:
            return self._records[session_id]
        except KeyError:
            raise SessionNotFound from None

    async def put(self, record: SessionRecord) -> None:
        self._records[record.session_id] = record

    async def list(self) -> Sequence[SessionRecord]:
        return tuple(self._records.values())

    async def count(self, *, caller: str | None = None, address: str | None = None) -> int:
        if caller is None and address is None:
            return len(self._records)
        return sum(
            caller in (None, record.caller) and address in (None, record.address)
            for record in self._records.values()
        )

    async def delete(self, session_id: str) -> None:
        self._records.pop(session_id, None)
        self._needs.pop(session_id, None)
        self._spent.pop(of_session(session_id), None)
        self._logs.pop(session_id, None)
        self._progress.forget(session_id)
        self._newest.pop((session_id, "producer"), None)
        self._newest.pop((session_id, "deliverer"), None)

    # --- Upkeep ------------------------------------------------------------------------

    async def needs(self) -> Mapping[str, float]:
        return {
            session_id: self._needs.get(session_id, record.created_at)
            for session_id, record in self._records.items()
        }

    async def note_needs(self, needs: Mapping[str, float]) -> None:
        self._needs.update((one, at) for one, at in needs.items() if one in self._records)

    async def size_bytes(self) -> int:
        return 0  # it takes memory, and no disk

    async def shrink(self) -> None: ...

    # --- SessionLog --------------------------------------------------------------------

    async def fence(self, session_id: str, role: Role) -> Fence:
        number = self._newest.get((session_id, role), 0) + 1
        self._newest[session_id, role] = number
        return Fence(role, number)

    async def append(self, session_id: str, entries: Sequence[Entry], fence: Fence | None) -> int:
        if fence is not None:
            newest = self._newest.get((session_id, fence.role), 0)
            if fence.number != newest:
                raise StaleFence(fence.role, fence.number, newest)
        log = self._logs.setdefault(session_id, [])
        log += [Logged(position, entry) for position, entry in enumerate(entries, len(log) + 1)]
        self._followers.wake(session_id)
        return len(log)

    async def read(self, session_id: str, after: int = 0) -> Sequence[Logged]:
        return self._logs.get(session_id, [])[after:]

    async def follow(self, session_id: str, after: int = 0) -> AsyncIterator[Logged]:
        with self._followers.listening(session_id) as grown:
            while True:
                grown.clear()
                for logged in await self.read(session_id, after):
                    yield logged
                    after = logged.position
                if after >= len(self._logs.get(session_id, ())):
                    await grown.wait()

    # --- ProgressChannel ---------------------------------------------------------------

    def publish(self, session_id: str, report: ProgressReport) -> None:
        self._progress.publish(session_id, report)

    def reports(self, session_id: str) -> AsyncIterator[ProgressReport]:
        return self._progress.reports(session_id)

    # --- Ledger ------------------------------------------------------------------------

    async def reserve(self, limits: Mapping[str, float], amount: float) -> None:
        for account, limit in limits.items():
            if self._spent.get(account, 0.0) + amount > limit:
                raise BudgetReached(account)
        self._book(limits, amount)

    async def settle(self, accounts: Collection[str], reserved: float, spent: float) -> None:
        self._book(accounts, spent - reserved)

    async def forget_days(self, before: str) -> None:
        self._spent = {
            account: spent
            for account, spent in self._spent.items()
            if not is_before(account, before)
        }

    def _book(self, accounts: Collection[str], amount: float) -> None:
        for account in accounts:
            # Rounded to a billionth of a dollar, so that what is put back leaves nothing behind.
            self._spent[account] = round(self._spent.get(account, 0.0) + amount, 9)

    # --- Caches ------------------------------------------------------------------------

    def cache(self, name: str, *, most_bytes: int) -> Cache:
        return self._caches.setdefault(name, MemoryCache(most_bytes=most_bytes))

    # --- Preferences -------------------------------------------------------------------

    async def preference(self, caller: str, user_id: str) -> Density | None:
        return self._preferences.get((caller, user_id))

    async def prefer(self, caller: str, user_id: str, density: Density) -> None:
        self._preferences[caller, user_id] = density


class MemoryCache:
    """A Cache of so many bytes; the least recently used values go first."""

    def __init__(self, *, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._values: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    async def get(self, key: str) -> bytes | None:
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    async def put(self, key: str, value: bytes) -> None:
        if len(value) > self._most_bytes:
            return
        self._bytes -= len(self._values.pop(key, b""))
        self._values[key] = value
        self._bytes += len(value)
        while self._bytes > self._most_bytes:
            _, gone = self._values.popitem(last=False)
            self._bytes -= len(gone)
