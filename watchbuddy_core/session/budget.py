"""What a session may spend on model calls, and the desk at which a generator spends it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from watchbuddy_core.accounts import of_day, of_session
from watchbuddy_core.entries import Purpose, Spent, Usage
from watchbuddy_core.errors import BudgetReached
from watchbuddy_core.protocols import Payment, WorkReport
from watchbuddy_core.storage import Ledger, SessionRecord
from watchbuddy_core.video import KeyFrame


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent on model calls, in US dollars. Calls without a known price cost nothing."""

    session: float = 0.25
    """Of each session."""
    day: float = 2.5
    """By one caller from one midnight to the next, in UTC."""
    user_day: float | None = None
    """Of that, by each user that the caller names. None: they share it as it comes."""


def today() -> str:
    """The date in UTC: a budget's day."""
    return datetime.now(UTC).date().isoformat()


class Purse:
    """Pays for the calls of one session.

    Whoever created the session pays. What they call their users divides that, and no name
    adds to it.
    """

    def __init__(
        self,
        record: SessionRecord,
        *,
        ledger: Ledger,
        budget: Budget,
        day: Callable[[], str] = today,
    ) -> None:
        self._record = record
        self._ledger = ledger
        self._budget = budget
        self._day = day

    @asynccontextmanager
    async def paying(self, most: float) -> AsyncIterator[Payment]:
        """Reserve `most` US dollars, and settle what was really used.

        Raises:
            BudgetReached
        """
        accounts = self._accounts()
        limits = {account: limit for account, (limit, _) in accounts.items()}
        try:
            await self._ledger.reserve(limits, most)
        except BudgetReached as exc:
            raise BudgetReached(exc.account, accounts[exc.account][1]) from None
        payment = Payment()
        try:
            yield payment
        finally:
            await self._ledger.settle(limits, most, payment.used.cost or 0.0)

    def _accounts(self) -> dict[str, tuple[float, str]]:
        """By name: what may be spent from it in all, and whose it is."""
        record, budget = self._record, self._budget
        day = self._day()
        accounts = {
            of_session(record.session_id): (budget.session, "this session"),
            of_day(day, record.caller): (budget.day, "this day"),
        }
        if budget.user_day is not None and record.user_id is not None:
            users_day = of_day(day, record.caller, record.user_id)
            accounts[users_day] = (budget.user_day, "your day")
        return accounts


class WorkDesk:
    """The Desk for one piece of a generator's work.

    Args:
        pictures: has the pictures of the window decoded.
        note: writes down what a call has used.
    """

    def __init__(
        self,
        purpose: Purpose,
        *,
        purse: Purse,
        note: Callable[[Spent], Awaitable[None]],
        pictures: Callable[[], Awaitable[Sequence[KeyFrame]]] | None = None,
        window: int | None = None,
    ) -> None:
        self._purpose: Purpose = purpose
        self._purse = purse
        self._note = note
        self._pictures = pictures
        self._window = window
        self.told = WorkReport()
        """What the generator reported last."""

    async def pictures(self) -> Sequence[KeyFrame]:
        return await self._pictures() if self._pictures is not None else ()

    @asynccontextmanager
    async def paying(self, model: str, most: Usage) -> AsyncIterator[Payment]:
        async with self._purse.paying(most.cost or 0.0) as payment:
            try:
                yield payment
            finally:
                if payment.used.calls:
                    await self._note(
                        Spent(
                            purpose=self._purpose,
                            window=self._window,
                            model=model,
                            usage=payment.used,
                        )
                    )

    def report(self, report: WorkReport) -> None:
        self.told = report
