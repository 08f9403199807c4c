"""What a session has left in its log, and what the generator was asked for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from crashing.place import Call
from watchbuddy_core.actions import Action, Speak
from watchbuddy_core.entries import Joined, Logged, Placed, Scripted
from watchbuddy_core.session.history import History

_UNHEARD_SECONDS = 15.0
"""So long after it was disturbed, work may be taken from a process."""


def judge_log(log: Sequence[Logged], undisturbed: Sequence[Logged]) -> list[str]:
    """A session's history is whole, and its script that of the undisturbed one; or, where the
    viewer wants silence, there is nothing loud left to be sent."""
    faults = []
    history, other = History(log), History(undisturbed)
    if [logged.position for logged in log] != list(range(1, len(log) + 1)):
        faults.append("the log has gaps")
    for kind in (Scripted,) if history.feedback else (Scripted, Placed):
        windows = Counter(
            one.entry.window.index if isinstance(one.entry, Scripted) else one.entry.window
            for one in log
            if isinstance(one.entry, Scripted | Placed) and isinstance(one.entry, kind)
        )
        faults += [f"window {i} stands {n} times" for i, n in windows.items() if n > 1]
    joined = [one.entry.connection for one in log if isinstance(one.entry, Joined)]
    if joined != sorted(set(joined)):
        faults.append(f"connections are numbered {joined}")
    if history.is_unfinished or history.failed is not None:
        faults.append("the session is not ready")
    if history.feedback is not None:
        faults += [f"to be said to who wants silence: {one}" for one in _lines_left(history)]
    elif _said(history) != _said(other):
        faults.append(f"the script is another: {sorted(_said(history) ^ _said(other))}")
    return faults


def _said(history: History) -> set[tuple[str, float]]:
    return {(one.action_type, one.trigger_timestamp) for one in history.script.values()}


def _lines_left(history: History) -> list[Action]:
    script = history.script.values()
    return [one for one in script if isinstance(one, Speak) and not history.was_sent(one.id)]


@dataclass(frozen=True, slots=True)
class Bought:
    """What the generator was asked."""

    wanted: int
    """Windows, and answers."""
    begun: int
    """Times that one was begun."""
    finished: int
    """Of those, came to their end."""
    faults: Sequence[str]


def judge_calls(
    calls: Iterable[Call], killed: Mapping[int, float], disturbed_at: Iterable[float] = ()
) -> Bought:
    """No window or answer is paid for twice by two that both lived to write it down; and none is
    asked for again unless whoever had begun it was killed, or had been disturbed.

    Args:
        killed: when a process was killed, by its number.
        disturbed_at: when something else was done for which work may be taken from a process
            that lives: it was told to end, or was not heard of while there was no Redis.
    """
    by_wish: dict[tuple[str, int | str], list[Call]] = defaultdict(list)
    for call in calls:
        by_wish[call.wish, call.wanted].append(call)
    faults: list[str] = []
    disturbed_at = list(disturbed_at)
    for (wish, wanted), several in by_wish.items():
        begun = [call for call in several if call.what == "begun"]
        for one, other in pairwise(begun):
            was_unheard = any(one.at - _UNHEARD_SECONDS < at < other.at for at in disturbed_at)
            if not (one.at < killed.get(one.pid, inf) < other.at or was_unheard):
                faults.append(f"{wanted} of {wish} was asked for again without need")
        for one, other in pairwise(call for call in several if call.what == "ended"):
            again_at = max(call.at for call in begun if call.pid == other.pid)
            if not one.at < killed.get(one.pid, inf) < again_at:
                faults.append(f"{wanted} of {wish} was paid for twice")
    what = Counter(call.what for several in by_wish.values() for call in several)
    return Bought(len(by_wish), what["begun"], what["ended"], faults)
