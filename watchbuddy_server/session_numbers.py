"""What happens to sessions, in numbers: read from the entries of their logs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

from watchbuddy_core import errors as core_errors
from watchbuddy_core.entries import (
    Cancelled,
    Delivered,
    Drop,
    Failed,
    LeftOut,
    Placed,
    Ready,
    Replied,
    Scripted,
    Spent,
    Stage,
    StageName,
)
from watchbuddy_core.errors import (
    InvalidTimeRange,
    ProcessingFailed,
    StorageFull,
    StoreFailed,
    WatchBuddyError,
)
from watchbuddy_core.placement.plan import Reason
from watchbuddy_core.session import SessionState
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.observed import Appended
from watchbuddy_server.numbers import OTHER, QUICK, Numbers

_DROPS = (*get_args(Reason), "script_full", "answering")
_MOST_MODELS = 8
"""So many models have a name of their own: an installation has one or two."""
_PREPARING = (0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_LATENESS = (0.0, 0.05, 0.1, 0.25, 0.5, 1, 2, 3)


class SessionNumbers:
    """A StoreObserver that counts.

    Args:
        shared: whether other processes have the same sessions: what they and their workers write
            is not seen here, so that nobody knows how far all of them are.
    """

    def __init__(self, numbers: Numbers, *, shared: bool = False) -> None:
        self._shared = shared
        self._kept = 0
        """Sessions that there were when they were listed last."""
        self._sessions: dict[str, _Known] = {}
        self._models: set[str] = set()
        self._of_entry: dict[type, Callable[[str, Any, float], None]] = {
            Stage: self._stage,
            Ready: self._ready,
            Failed: self._failed,
            Cancelled: self._cancelled,
            Scripted: self._scripted,
            Placed: self._placed,
            Replied: self._replied,
            LeftOut: self._left_out,
            Spent: self._spent,
            Delivered: self._delivered,
        }

        kept = numbers.gauge("sessions_kept", "Sessions in the store, as of the last look at it.")
        kept.set_function(lambda: self._kept)
        if not shared:
            states = numbers.gauge(
                "sessions", "Sessions that are kept, by how far they are.", "state"
            )
            for state in get_args(SessionState):
                states.labels(state).set_function(partial(self._in, state))
        self._created = numbers.counter("sessions_created", "Sessions that were created.")
        self._failures = numbers.counters(
            "session_failures", "Sessions without a script, by why.", "code", _codes()
        )
        stages = numbers.histogram(
            "stage_seconds",
            "How long a stage of the preparation took; generating also waits for the viewer.",
            _PREPARING,
            "stage",
        )
        self._stages = {name: stages.labels(name) for name in get_args(StageName)}
        self._first_window = numbers.histogram(
            "first_window_seconds",
            "From a session's creation to its first actions.",
            _PREPARING,
        )
        windows = numbers.counter("windows", "Windows that are done, by how.", "outcome")
        self._windows = {how: windows.labels(how) for how in ("written", "cached", "failed")}
        self._drops = numbers.counters(
            "drops", "Drafts that were not kept, and lines left out.", "reason", _DROPS
        )
        sent = numbers.counter("actions_delivered", "Actions sent, first or again.", "pass")
        self._sent_first, self._sent_again = sent.labels("first"), sent.labels("again")
        calls = ("model", "purpose")
        self._calls = numbers.counter("model_calls", "Calls of language models.", *calls)
        self._tokens = numbers.counter(
            "model_tokens", "Tokens that they have read and written.", *calls, "kind"
        )
        self._dollars = numbers.counter(
            "model_cost_dollars", "What they have cost, as far as prices are known.", *calls
        )
        self._unpriced = numbers.counter(
            "model_unpriced_calls", "Those whose price is not known.", *calls
        )
        self._append_seconds = numbers.histogram(
            "store_append_seconds", "How long the store took to keep something.", QUICK
        )
        self._store_errors = numbers.counters(
            "store_errors", "What the store could not keep, by why.", "reason", ("full", "failed")
        )
        self._lateness = numbers.histogram(
            "delivery_lateness_seconds",
            "How far the playhead was behind an action's trigger when it was sent, in media time.",
            _LATENESS,
        )

    # --- a StoreObserver ---------------------------------------------------------------

    def created(self, record: SessionRecord, at: float) -> None:
        self._sessions[record.session_id] = _Known("preparing", created_at=at)
        self._kept += 1
        self._created.inc()

    def appended(self, appended: Appended) -> None:
        self._append_seconds.observe(appended.seconds)
        for entry in appended.entries:
            take = self._of_entry.get(type(entry))
            if take is not None:
                take(appended.session_id, entry, appended.at)

    def deleted(self, session_id: str) -> None:
        if self._sessions.pop(session_id, None) is not None:
            self._kept -= 1

    def listed(self, records: Sequence[SessionRecord]) -> None:
        self._kept = len(records)
        if self._shared:
            # One that has come while they were listed is met again by what is written of it.
            kept = {record.session_id for record in records}
            for session_id in self._sessions.keys() - kept:
                del self._sessions[session_id]

    def failed(self, error: Exception) -> None:
        is_full = isinstance(error, StorageFull)
        is_known = isinstance(error, StoreFailed)
        self._store_errors.count("full" if is_full else "failed" if is_known else OTHER)

    # --- sessions ----------------------------------------------------------------------

    def found(self, session_id: str, state: SessionState) -> None:
        """A session of an earlier run is kept, or of another process."""
        if not self._shared:
            self._sessions.setdefault(session_id, _Known(state))

    def _in(self, state: SessionState) -> int:
        return sum(known.state == state for known in self._sessions.values())

    def _known(self, session_id: str) -> _Known:
        return self._sessions.setdefault(session_id, _Known("preparing"))

    def _stage(self, session_id: str, entry: Stage, at: float) -> None:
        self._enter(self._known(session_id), entry.stage, at)

    def _enter(self, known: _Known, stage: StageName | None, at: float) -> None:
        if known.stage is not None and stage != known.stage:
            self._stages[known.stage].observe(at - known.since)
        if stage != known.stage:
            known.stage, known.since = stage, at

    def _ready(self, session_id: str, _: Ready, at: float) -> None:
        known = self._known(session_id)
        self._enter(known, None, at)
        known.state = "ready"

    def _failed(self, session_id: str, entry: Failed, at: float) -> None:
        known = self._known(session_id)
        known.state, known.stage = "failed", None
        self._failures.count(entry.code)

    def _cancelled(self, session_id: str, _: Cancelled, at: float) -> None:
        known = self._known(session_id)
        known.state, known.stage = "cancelled", None

    # --- the script --------------------------------------------------------------------

    def _scripted(self, session_id: str, entry: Scripted, at: float) -> None:
        outcome = "failed" if entry.problem else "cached" if entry.cached else "written"
        self._windows[outcome].inc()

    def _placed(self, session_id: str, entry: Placed, at: float) -> None:
        known = self._known(session_id)
        if known.created_at is not None:
            self._first_window.observe(at - known.created_at)
            known.created_at = None
        self._count_drops(entry.dropped)

    def _replied(self, session_id: str, entry: Replied, at: float) -> None:
        self._count_drops(entry.dropped)

    def _count_drops(self, drops: Sequence[Drop]) -> None:
        for drop in drops:
            self._drops.count(drop.reason)

    def _left_out(self, session_id: str, entry: LeftOut, at: float) -> None:
        self._drops.count(entry.reason, len(entry.ids))

    def _spent(self, session_id: str, entry: Spent, at: float) -> None:
        calls = (self._name_of(entry.model), entry.purpose)
        usage = entry.usage
        self._calls.labels(*calls).inc(usage.calls)
        self._tokens.labels(*calls, "prompt").inc(usage.prompt_tokens)
        self._tokens.labels(*calls, "completion").inc(usage.completion_tokens)
        if usage.cost is None:
            self._unpriced.labels(*calls).inc(usage.calls)
        else:
            self._dollars.labels(*calls).inc(usage.cost)

    def _name_of(self, model: str) -> str:
        if model not in self._models and len(self._models) < _MOST_MODELS:
            self._models.add(model)
        return model[:100] if model in self._models else OTHER

    def _delivered(self, session_id: str, entry: Delivered, at: float) -> None:
        self._sent_first.inc(len(entry.ids))
        for seconds in entry.lateness:
            self._lateness.observe(seconds)
        self._sent_again.inc(len(entry.redelivered))


@dataclass(slots=True)
class _Known:
    """What is remembered of one session."""

    state: SessionState
    created_at: float | None = None
    """Monotonic seconds, as `since`. None: before this program began, or it is scripted already."""
    stage: StageName | None = None
    since: float = 0.0


def _codes() -> tuple[str, ...]:
    """Those by which a session fails, as far as they are ours."""
    kinds: list[type[WatchBuddyError]] = [ProcessingFailed]
    for kind in kinds:
        kinds += (one for one in kind.__subclasses__() if one.__module__ == core_errors.__name__)
    codes = [WatchBuddyError.code, InvalidTimeRange.code, *(kind.code for kind in kinds)]
    return tuple(dict.fromkeys(codes))
