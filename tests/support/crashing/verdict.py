"""What a viewer of the server that was killed met, beside one of a server that was not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf

from crashing.place import Call
from crashing.viewer import AHEAD, RATE, Connected, Key, Manner, Met, Pass, Record
from watchbuddy_core.entries import Delivered, Joined, Logged, Moved, Placed, Scripted, Wanted
from watchbuddy_core.script import SECOND
from watchbuddy_core.session.history import History

LATENESS = 5.0
"""Media seconds after its trigger up to which an action is sent, by the protocol."""
_LATEST = 30.0
"""As far as that may grow with the time between two reports that the server has had."""
_MOST_LINES = 2
"""So many come where more were missed between two reports."""
_LOOKBACK = 0.25
"""Media seconds before the target of a seek that may be sent if they never were."""
_NOT_WRITTEN = 1011
"""Closes a connection for which nothing could be written down for too long."""
_UNHEARD_SECONDS = 15.0
"""So long after it was disturbed, work may be taken from a process."""
_SURE_SECONDS = 2.0
"""A connection that held for so long has had its reports taken in, and answered, also by a
machine that has much else to do."""
_CROSSING_SECONDS = 2.0
"""How long after a seek something that was sent before it may still arrive."""
_CLOCK = 0.05
"""Media seconds: positions are told in milliseconds, some moments after they were read."""


@dataclass
class Verdict:
    """What was expected, and what became of it."""

    expected: int = 0
    met: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    """By what excuses it."""
    again: int = 0
    """What arrived twice in a pass, after a reconnect, and was not begun twice."""
    faults: list[str] = field(default_factory=list)
    stories: list[str] = field(default_factory=list)
    """What whoever looks into a fault wants to see."""

    def __iadd__(self, other: Verdict) -> Verdict:
        self.expected += other.expected
        self.met += other.met
        self.missing += other.missing
        self.again += other.again
        self.faults += other.faults
        self.stories += other.stories
        return self


@dataclass(frozen=True, slots=True)
class Disturbed:
    """What viewers may notice of what was done to their host."""

    away: Sequence[tuple[float, float]] = ()
    """From when to when nothing could be written down, or the machine had no time for it: then a
    connection holds, and is silent."""
    goodbyes: Collection[int] = ()
    """Codes with which a connection may be closed at any time, to be made anew."""


def judge(
    manner: Manner,
    record: Record,
    undisturbed: Record,
    log: Sequence[Logged],
    end: float,
    disturbed: Disturbed = Disturbed(),
) -> Verdict:
    """One viewer: nothing missing that was due while there was a connection, nothing begun
    twice, nothing early, nothing that the undisturbed one did not meet."""
    verdict = Verdict(faults=[*record.faults, *_closed(record, disturbed)])
    record = replace(record, connections=list(_served(record.connections, disturbed.away)))
    wanted = {met.key: met for met in undisturbed.begun}
    begun = Counter(met.key for met in record.begun)
    verdict.expected = len(wanted)
    verdict.met = len(wanted.keys() & begun.keys())
    verdict.faults += [f"begun {times} times: {key}" for key, times in begun.items() if times > 1]
    verdict.faults += [f"undisturbed, begun twice: {key}" for key in _twice(undisturbed.begun)]
    for key in wanted.keys() - begun.keys():
        excuse = _excuse(manner, wanted[key], record, log, end)
        if excuse is None:
            verdict.faults.append(f"missing, though there was a connection: {key}")
            verdict.stories.append(_story(wanted[key], record, log))
        else:
            verdict.missing[excuse] += 1
    for met in record.begun:
        if met.key not in wanted and not _is_looked_back_to(met, record):
            verdict.faults.append(f"not in the undisturbed record: {met.key}")
    verdict.faults += _early(manner, record)
    verdict.again, repeated = _again(manner, record)
    for met, fault in repeated:
        verdict.faults.append(f"{fault}: {met.key}")
        verdict.stories.append(_story(met, record, log))
    return verdict


def _story(wanted: Met, record: Record, log: Sequence[Logged]) -> str:
    """Everything around an action that is missing, or there twice; times are seconds from the
    first pass."""
    began = record.passes[0].since if record.passes else record.connections[0].opened
    lines = [
        f"{wanted.key}",
        *(
            f"  connected {one.opened - began:.2f} to {(one.closed or inf) - began:.2f}"
            for one in record.connections
        ),
        *(f"  pass from {one.since - began:.2f} at {one.position:.2f}" for one in record.passes),
        *(
            f"  arrived {met.at - began:.2f} at {met.position:.2f} over {met.connection + 1}"
            for met in record.arrived
            if met.key[1:] == wanted.key[1:]
        ),
        *(f"  begun {met.at - began:.2f} at {met.position:.2f}: {met.key}" for met in record.begun),
    ]
    for logged in log:
        match logged.entry:
            case Delivered() | Moved() | Wanted() | Joined():
                lines.append(f"  {logged.position} {logged.entry!r}")
    return "\n".join(lines)


def _twice(begun: Iterable[Met]) -> list[Key]:
    return [key for key, times in Counter(met.key for met in begun).items() if times > 1]


# --- what is missing -------------------------------------------------------------------


def _excuse(
    manner: Manner, wanted: Met, record: Record, log: Sequence[Logged], end: float
) -> str | None:
    """Why it may be missing; None: it may not."""
    action, number = wanted.action, wanted.number
    if number >= len(record.passes):
        return None
    stretch = record.passes[number]
    due = stretch.reached_at(action.trigger_timestamp)
    over = stretch.reached_at(min(action.trigger_timestamp + LATENESS, end))
    if stretch.until is not None:
        over = min(over, stretch.until)
    if action.action_type == "END_REACTION" or over >= stretch.reached_at(end):
        over = inf  # the end stays where it is
    scripted = _scripted_at(action.trigger_timestamp, record)
    if scripted is not None and scripted > due:
        if not _was_connected(record.connections, scripted, over):
            return "not scripted while it was due"
    elif not _was_connected(record.connections, due, over) and not _was_there(wanted, log):
        return "no connection while it was due"
    if action.trigger_timestamp < _joined_at(log, number):
        return "before anything that the viewer said was taken in"
    if _never_heard_of(number + 1, record, log) and _is_met_later(wanted, record):
        return "its pass and the next one were one for the server: the seek was lost at a kill"
    if _has_crossed(wanted, record) or _was_left_behind(wanted, record, log):
        return "on its way as the user sought"
    if _was_in_flight(wanted, record, log):
        if not manner.completes:
            return "on its way at a kill, to a client that completes nothing"
        later = [one for one in record.connections if one.opened > due]
        if not _was_connected(later, due, over):
            return "on its way at a kill, and too old when the client was back"
    if action.action_type == "SPEAK" and _is_crowded_out(wanted, record, stretch):
        return "one of many lines that were due at once"
    return None


def _closed(record: Record, disturbed: Disturbed) -> Iterator[str]:
    """What a server should not have closed as it did."""
    for one in record.connections:
        is_told = one.code is None or one.code in disturbed.goodbyes
        at = one.closed or inf
        if not is_told and not (
            one.code == _NOT_WRITTEN
            and any(since <= at <= until + _SURE_SECONDS for since, until in disturbed.away)
        ):
            yield f"closed with {one.code}"


def _served(
    connections: Iterable[Connected], away: Sequence[tuple[float, float]]
) -> Iterator[Connected]:
    """Connections, as far as something could come over them."""
    for one in connections:
        opened, closed = one.opened, one.closed or inf
        for since, until in sorted(away):
            if until <= opened or since >= closed:
                continue
            if since > opened:
                yield Connected(opened, since)
            opened = until
        if opened < closed:
            yield Connected(opened, closed)


def _was_connected(connections: Iterable[Connected], since: float, until: float) -> bool:
    """For so long that everything which was due then has been sent."""
    return any(
        min(until, one.closed or inf) - max(since, one.opened) >= _SURE_SECONDS
        for one in connections
    )


def _was_there(wanted: Met, log: Sequence[Logged]) -> bool:
    """Whether the server knew of the playhead while it was due, by its own log."""
    trigger, epoch = wanted.action.trigger_timestamp, 0
    for logged in log:
        match logged.entry:
            case Delivered(playhead=playhead) | Moved(playhead=playhead):
                position, epoch = (playhead.head or 0) / SECOND, playhead.epoch
            case Wanted(position=position, moved=False):
                pass
            case _:
                continue
        if trigger <= position <= trigger + LATENESS and epoch == wanted.number:
            return True
    return False


def _scripted_at(position: float, record: Record) -> float | None:
    """When the client was told that the place is scripted. None: it never asked."""
    for at, ranges in record.covered:
        if any(start <= position <= end for start, end in ranges):
            return at
    return None


def _joined_at(log: Sequence[Logged], number: int) -> float:
    """Where the playhead was when the server first heard of it in a pass, if that was in the
    middle.

    Who is first heard of there has not seen what lies before it, as far as anybody knows.
    """
    playheads = (one.entry.playhead for one in log if isinstance(one.entry, Moved | Delivered))
    floors = (one.floor for one in playheads if one.head is not None and one.epoch == number)
    return next(floors, 0) / SECOND


def _never_heard_of(number: int, record: Record, log: Sequence[Logged]) -> bool:
    """Whether the viewer has begun this pass, and the server does not know."""
    epochs = [one.entry.playhead.epoch for one in log if isinstance(one.entry, Moved | Delivered)]
    return number < len(record.passes) and max(epochs, default=0) < number


def _is_met_later(wanted: Met, record: Record) -> bool:
    return any(met.number > wanted.number and met.key[1:] == wanted.key[1:] for met in record.begun)


def _has_crossed(wanted: Met, record: Record) -> bool:
    """Whether it was sent in its pass, and came only in the next one."""
    return any(
        met.number > wanted.number and met.key[1:] == wanted.key[1:] for met in record.crossed
    )


def _was_left_behind(wanted: Met, record: Record, log: Sequence[Logged]) -> bool:
    """Whether the user had sought when it was to be sent: then it is not."""
    stretch = record.passes[wanted.number]
    last = next(
        (
            one.entry
            for one in reversed(log)
            if isinstance(one.entry, Delivered) and one.entry.playhead.epoch == wanted.number
        ),
        None,
    )
    if stretch.until is None or last is None or _id_of(wanted, log) not in last.ids:
        return False
    return not _was_connected(record.connections, last.playhead.head_at, stretch.until)


def _was_in_flight(wanted: Met, record: Record, log: Sequence[Logged]) -> bool:
    """Whether it is the last that a connection was to be sent, and it had no other chance."""
    id = _id_of(wanted, log)
    received = {met.action.id for met in record.arrived}
    last: Delivered | None = None
    for logged in log:
        if isinstance(logged.entry, Delivered):
            last = logged.entry
        elif isinstance(logged.entry, Joined):
            if last is not None and id in last.ids and id not in received:
                return True
            last = None
    return False


def _id_of(wanted: Met, log: Sequence[Logged]) -> str:
    """As this session has it."""
    return next(
        action.id
        for logged in log
        if isinstance(logged.entry, Placed)
        for action in logged.entry.actions
        if action.action_type == wanted.action.action_type
        and action.trigger_timestamp == wanted.action.trigger_timestamp
    )


def _is_crowded_out(wanted: Met, record: Record, stretch: Pass) -> bool:
    """Whether enough lines behind it were due in the same time without a connection."""
    trigger = wanted.action.trigger_timestamp
    due = stretch.reached_at(trigger)
    back = min((one.opened for one in record.connections if one.opened > due), default=due)
    later = [
        met
        for met in record.begun
        if met.number == wanted.number
        and met.action.action_type == "SPEAK"
        and trigger < met.action.trigger_timestamp
        and stretch.reached_at(met.action.trigger_timestamp) <= back + _SURE_SECONDS
    ]
    return len(later) >= _MOST_LINES


def _is_looked_back_to(met: Met, record: Record) -> bool:
    landing = record.passes[met.number].position
    return met.number > 0 and landing - _LOOKBACK <= met.action.trigger_timestamp < landing


# --- what is too much ------------------------------------------------------------------


def _early(manner: Manner, record: Record) -> Iterator[str]:
    ahead = AHEAD if manner.holds else 0.0
    crossed = {id(met) for met in record.crossed}
    for met in record.arrived:
        if met.action.trigger_timestamp > met.position + ahead + _CLOCK and id(met) not in crossed:
            yield f"arrived early, at {met.position:.3f}: {met.key}"
    for met in record.begun:
        if met.action.trigger_timestamp > met.position + _CLOCK:
            yield f"begun early, at {met.position:.3f}: {met.key}"
        if met.position - met.action.trigger_timestamp > _LATEST + _SURE_SECONDS * RATE:
            yield f"begun too late, at {met.position:.3f}: {met.key}"


def _again(manner: Manner, record: Record) -> tuple[int, list[tuple[Met, str]]]:
    """How much arrived again after a reconnect; and what may not have."""
    by_action: dict[tuple[int, str], list[Met]] = defaultdict(list)
    crossed = {id(met) for met in record.crossed}
    for met in record.arrived:
        if id(met) not in crossed:
            by_action[met.number, met.action.id].append(met)
    again = 0
    faults: list[tuple[Met, str]] = []
    for several in by_action.values():
        # The first may have been on its way when the user sought.
        since = record.passes[several[0].number].since if several[0].number else -inf
        settled = [met for met in several if met.at - since > _CROSSING_SECONDS] or several[:1]
        connections = [met.connection for met in settled]
        if len(set(connections)) < len(connections):
            faults.append((several[0], "arrived twice over one connection"))
        elif len(settled) > 1 and not (manner.completes or manner.holds):
            faults.append((several[0], "arrived twice at a client that completes nothing"))
        again += len(settled) - 1
    return again, faults


# --- the log, and the work -------------------------------------------------------------


def judge_log(log: Sequence[Logged], undisturbed: Sequence[Logged]) -> list[str]:
    """A session's history is whole, and its script that of the undisturbed one."""
    faults = []
    if [logged.position for logged in log] != list(range(1, len(log) + 1)):
        faults.append("the log has gaps")
    for kind in (Scripted, Placed):
        windows = Counter(
            one.entry.window.index if isinstance(one.entry, Scripted) else one.entry.window
            for one in log
            if isinstance(one.entry, Scripted | Placed) and isinstance(one.entry, kind)
        )
        faults += [f"window {i} stands {n} times" for i, n in windows.items() if n > 1]
    joined = [one.entry.connection for one in log if isinstance(one.entry, Joined)]
    if joined != sorted(set(joined)):
        faults.append(f"connections are numbered {joined}")
    history, other = History(log), History(undisturbed)
    if not history.ready or history.failed is not None:
        faults.append("the session is not ready")
    if _said(history) != _said(other):
        faults.append(f"the script is another: {sorted(_said(history) ^ _said(other))}")
    return faults


def _said(history: History) -> set[tuple[str, float]]:
    return {(one.action_type, one.trigger_timestamp) for one in history.script.values()}


@dataclass(frozen=True, slots=True)
class Bought:
    """What the generator was asked."""

    windows: int
    """Different ones."""
    begun: int
    """Times that one was begun."""
    finished: int
    """Of those, came to their end."""
    faults: Sequence[str]


def judge_calls(
    calls: Iterable[Call], killed: Mapping[int, float], disturbed_at: Iterable[float] = ()
) -> Bought:
    """No window is paid for twice by two that both lived to write it down; and none is asked
    for again unless whoever had begun it was killed, or had been disturbed.

    Args:
        killed: when a process was killed, by its number.
        disturbed_at: when something else was done for which work may be taken from a process
            that lives: it was told to end, or was not heard of while there was no Redis.
    """
    by_window: dict[tuple[str, int], list[Call]] = defaultdict(list)
    for call in calls:
        by_window[call.wish, call.window].append(call)
    faults: list[str] = []
    disturbed_at = list(disturbed_at)
    for (wish, window), several in by_window.items():
        begun = [call for call in several if call.what == "begun"]
        for one, other in pairwise(begun):
            was_unheard = any(one.at - _UNHEARD_SECONDS < at < other.at for at in disturbed_at)
            if not (one.at < killed.get(one.pid, inf) < other.at or was_unheard):
                faults.append(f"window {window} of {wish} was asked for again without need")
        for one, other in pairwise(call for call in several if call.what == "ended"):
            again_at = max(call.at for call in begun if call.pid == other.pid)
            if not one.at < killed.get(one.pid, inf) < again_at:
                faults.append(f"window {window} of {wish} was paid for twice")
    what = Counter(call.what for several in by_window.values() for call in several)
    return Bought(len(by_window), what["begun"], what["ended"], faults)
