"""Why something may be missing, where a server was killed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import inf

from crashing.film import END, START
from crashing.record import RATE, SURE_SECONDS, Connected, Manner, Met, Pass, Record, key_of
from watchbuddy_core.actions import Action, Jump, ReplaySegment
from watchbuddy_core.entries import Acked, Delivered, Joined, LeftOut, Logged, Moved, Placed, Wanted
from watchbuddy_core.script import SECOND

_LATENESS = 5.0
"""Media seconds after its trigger up to which an action is sent, by the protocol."""
LOOKBACK = 0.25
"""Media seconds before the target of a seek that may be sent if they never were."""
_UNKNOWN = "on its way at a kill, to a client that had completed nothing"
_TOO_OLD = "on its way at a kill, and too old when the client was back"
_MOST_LINES = 2
"""So many come where more were missed between two reports."""
_HOLD_SECONDS = 5.0
"""So long a jump may take to land, and nothing else comes."""
_PLAYED_ON = 3.0
"""Media seconds from a jump after which it is clear that it is not made."""


def excuse(manner: Manner, wanted: Met, record: Record, log: Sequence[Logged]) -> str | None:
    """Why it may be missing; None: it may not."""
    action, number = wanted.action, wanted.number
    if number >= len(record.passes):
        return None
    its_pass = record.passes[number]
    due = its_pass.reached_at(action.trigger_timestamp)
    chances = list(_chances(manner, action, its_pass, record))
    connections = record.connections
    scripted = _scripted_at(action.trigger_timestamp, record)
    if scripted is not None and scripted > due:
        if not any(_was_connected(connections, scripted, over) for _, over in chances):
            return "not scripted while it was due"
    elif not any(_was_connected(connections, *chance) for chance in chances) and not _was_there(
        wanted, log
    ):
        return "no connection while it was due"
    if isinstance(action, Jump) and not _was_connected(connections, due, due + _PLAYED_ON / RATE):
        return "given up, as it could not be sent in time"
    if key_of(action, 0) in {key_of(one, 0) for one in left_out(log)}:
        return "an answer was spoken while it was due"
    if action.trigger_timestamp < _joined_at(log, number):
        return "before anything that the viewer said was taken in"
    if _was_on_the_way_to_a_replay(wanted, record):
        return "behind a replay that came late, and before where the viewer came back to"
    if _never_heard_of(number + 1, record, log) and _is_met_later(wanted, record):
        return "its pass and the next one were one for the server: the seek was lost at a kill"
    if _has_crossed(wanted, record) or _was_left_behind(wanted, record, log):
        return "on its way as the user sought"
    if _was_in_flight(_id_of(wanted, log), record, log):
        if not _has_completed(_id_of(wanted, log), log):
            return _UNKNOWN
        later = [one for one in connections if one.opened > due]
        if isinstance(action, Jump):
            chances = [(due, due + _PLAYED_ON / RATE)]
        if not any(_was_connected(later, *chance) for chance in chances):
            return _TOO_OLD
    if action.action_type == "SPEAK" and _is_crowded_out(wanted, record, its_pass):
        return "one of many lines that were due at once"
    return None


def excuse_of_answer(id: str, record: Record, log: Sequence[Logged]) -> str | None:
    """Why a line of an answer may be missing, by its id; None: it may not."""
    if not _was_in_flight(id, record, log):
        return None
    if not _has_completed(id, log):
        return _UNKNOWN
    sent = next(
        one.entry for one in log if isinstance(one.entry, Delivered) and id in one.entry.ids
    )
    since = sent.playhead.head_at
    later = [one for one in record.connections if one.opened > since]
    return None if _was_connected(later, since, since + _LATENESS / RATE) else _TOO_OLD


def _chances(
    manner: Manner, action: Action, its_pass: Pass, record: Record
) -> Iterator[tuple[float, float]]:
    """From when to when it is due, in monotonic seconds: each time that it is played over."""
    trigger = action.trigger_timestamp
    for one, other in pairwise([*its_pass.stretches, None]):
        assert one is not None
        over = one.reached_at(trigger + _LATENESS)
        if action.action_type == "END_REACTION" or trigger + _LATENESS >= END:
            over = inf  # the end stays where it is
        until = its_pass.until if other is None else other.since
        if until is not None:
            over = min(over, until)
        if manner.mutes is not None:
            over = min(over, record.passes[0].reached_at(START + manner.mutes))
        if one.position <= trigger or one is its_pass.stretches[0]:
            yield one.reached_at(trigger), over


def served(
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


def held(record: Record, log: Sequence[Logged]) -> Iterator[tuple[float, float]]:
    """From when to when nothing came, since a jump was about to be made as the server was
    killed: it waits for a while for who may not have heard of it."""
    jumps = {action.id for action in _placed(log) if isinstance(action, Jump)}
    for logged in log:
        if isinstance(logged.entry, Delivered) and not jumps.isdisjoint(logged.entry.ids):
            since = logged.entry.playhead.head_at
            until = since + _HOLD_SECONDS
            if any(since <= (one.closed or inf) <= until for one in record.connections):
                yield since, until


def _was_connected(connections: Iterable[Connected], since: float, until: float) -> bool:
    """For so long that everything which was due then has been sent."""
    return any(
        min(until, one.closed or inf) - max(since, one.opened) >= SURE_SECONDS
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
        if trigger <= position <= trigger + _LATENESS and epoch == wanted.number:
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


def _was_on_the_way_to_a_replay(wanted: Met, record: Record) -> bool:
    """Nothing comes behind a jump, and coming back to elsewhere than where it was due is a move."""
    trigger = wanted.action.trigger_timestamp
    return any(
        isinstance(met.action, ReplaySegment)
        and met.number == wanted.number
        and met.action.trigger_timestamp < trigger <= met.position
        for met in record.begun
    )


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


def _was_in_flight(id: str, record: Record, log: Sequence[Logged]) -> bool:
    """Whether it is the last that a connection was to be sent, and it had no other chance."""
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


def _has_completed(id: str, log: Sequence[Logged]) -> bool:
    """Whether the server knew, when it was killed with this on its way, that the client tells
    what it has completed."""
    knows = was_sent = False
    for logged in log:
        match logged.entry:
            case Delivered(ids=ids):
                was_sent = was_sent or id in ids
            case Acked():
                knows = True
            case Joined() if was_sent:
                break
    return knows


def _id_of(wanted: Met, log: Sequence[Logged]) -> str:
    """As this session has it."""
    return next(
        action.id
        for action in _placed(log)
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
        and stretch.reached_at(met.action.trigger_timestamp) <= back + SURE_SECONDS
    ]
    return len(later) >= _MOST_LINES


def left_out(log: Sequence[Logged]) -> list[Action]:
    """What was due while an answer was spoken."""
    ids = {id for one in log if isinstance(one.entry, LeftOut) for id in one.entry.ids}
    return [action for action in _placed(log) if action.id in ids]


def _placed(log: Sequence[Logged]) -> Iterator[Action]:
    for logged in log:
        if isinstance(logged.entry, Placed):
            yield from logged.entry.actions
