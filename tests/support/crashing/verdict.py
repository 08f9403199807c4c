"""What a viewer of the server that was killed met, beside one of a server that was not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from crashing.excuses import LOOKBACK, excuse, held, left_out, served
from crashing.film import START
from crashing.record import AHEAD, RATE, SURE_SECONDS, Key, Manner, Met, Record, key_of
from watchbuddy_core.actions import ReplaySegment, Seek
from watchbuddy_core.entries import (
    Asked,
    Delivered,
    Joined,
    LeftOut,
    Logged,
    Moved,
    Replied,
    Wanted,
)
from watchbuddy_core.session.history import History

_LATEST = 30.0
"""Media seconds after its trigger up to which an action is sent where two reports that the
server has had lie far apart."""
_NOT_WRITTEN = 1011
"""Closes a connection for which nothing could be written down for too long."""
_CROSSING_SECONDS = 2.0
"""How long after a seek something that was sent before it may still arrive."""
_EXACT = 0.5
"""Media seconds by which who comes back from a replay may be off."""
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
class Watched:
    """What became of one session."""

    record: Record
    """Of its viewer."""
    log: Sequence[Logged]


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
    watched: Watched,
    undisturbed: Watched,
    disturbed: Disturbed,
) -> Verdict:
    """One viewer and the script: nothing missing that was due while there was a connection,
    nothing begun twice, nothing early, nothing that the undisturbed one did not meet, and every
    jump has led where it leads."""
    record, log = watched.record, watched.log
    verdict = Verdict(faults=[*record.faults, *_closed(record, disturbed)])
    silent = [*disturbed.away, *held(record, log)]
    record = replace(record, connections=list(served(record.connections, silent)))
    compared = [met for met in undisturbed.record.begun if _is_compared(manner, met)]
    wanted = {met.key: met for met in compared}
    begun = Counter(met.key for met in record.begun if not met.is_answer)
    verdict.expected = len(wanted)
    verdict.met = len(wanted.keys() & begun.keys())
    verdict.faults += [f"begun {times} times: {key}" for key, times in begun.items() if times > 1]
    verdict.faults += [f"undisturbed, begun twice: {key}" for key in _twice(compared)]
    for key in wanted.keys() - begun.keys():
        reason = excuse(manner, wanted[key], record, log)
        if reason is None:
            verdict.faults.append(f"missing, though there was a connection: {key}")
            verdict.stories.append(story(key, record, log))
        else:
            verdict.missing[reason] += 1
    known = wanted.keys() | {key_of(action, 0) for action in left_out(undisturbed.log)}
    for met in record.begun:
        is_compared = _is_compared(manner, met)
        if is_compared and met.key not in known and not _is_looked_back_to(met, record):
            verdict.faults.append(f"not in the undisturbed record: {met.key}")
    verdict.faults += [*_early(manner, record), *_misled(record, log)]
    verdict.again, repeated = _again(manner, record)
    for met, fault in repeated:
        verdict.faults.append(f"{fault}: {met.key}")
        verdict.stories.append(story(met.key, record, log))
    return verdict


def _is_compared(manner: Manner, met: Met) -> bool:
    """Whether it has its like in the undisturbed record. An answer is where the viewer was, and
    what comes after a wish for silence depends on what was sent before it."""
    is_before = manner.mutes is None or met.position < START + manner.mutes
    return is_before and not met.is_answer


def story(wanted: object, record: Record, log: Sequence[Logged]) -> str:
    """Everything around an action that is missing, or there twice; times are seconds from the
    first pass."""
    began = record.passes[0].since if record.passes else record.connections[0].opened
    lines = [
        f"{wanted}",
        *(
            f"  connected {one.opened - began:.2f} to {(one.closed or inf) - began:.2f}"
            for one in record.connections
        ),
        *(
            f"  pass {number} from {one.since - began:.2f} at {one.position:.2f}"
            for number, several in enumerate(record.passes)
            for one in several.stretches
        ),
        *(
            f"  arrived {met.at - began:.2f} at {met.position:.2f} "
            f"over {met.connection + 1}: {met.key}"
            for met in record.arrived
        ),
        *(f"  begun {met.at - began:.2f} at {met.position:.2f}: {met.key}" for met in record.begun),
    ]
    for logged in log:
        match logged.entry:
            case Delivered() | Moved() | Wanted() | Joined() | LeftOut() | Asked() | Replied():
                lines.append(f"  {logged.position} {logged.entry!r}")
    return "\n".join(lines)


def _twice(begun: Iterable[Met]) -> list[Key]:
    return [key for key, times in Counter(met.key for met in begun).items() if times > 1]


def _closed(record: Record, disturbed: Disturbed) -> Iterator[str]:
    """What a server should not have closed as it did."""
    for one in record.connections:
        is_told = one.code is None or one.code in disturbed.goodbyes
        at = one.closed or inf
        if not is_told and not (
            one.code == _NOT_WRITTEN
            and any(since <= at <= until + SURE_SECONDS for since, until in disturbed.away)
        ):
            yield f"closed with {one.code}"


def _is_looked_back_to(met: Met, record: Record) -> bool:
    landing = record.passes[met.number].position
    return met.number > 0 and landing - LOOKBACK <= met.action.trigger_timestamp < landing


# --- what is too much ------------------------------------------------------------------


def _early(manner: Manner, record: Record) -> Iterator[str]:
    ahead = AHEAD if manner.holds else 0.0
    crossed = {id(met) for met in record.crossed}
    for met in record.arrived:
        seen = _seen(met, record) + ahead
        if met.action.trigger_timestamp > seen + _CLOCK and id(met) not in crossed:
            yield f"arrived early, at {met.position:.3f}: {met.key}"
    for met in record.begun:
        if met.action.trigger_timestamp > _seen(met, record) + _CLOCK:
            yield f"begun early, at {met.position:.3f}: {met.key}"
        if met.position - met.action.trigger_timestamp > _LATEST + SURE_SECONDS * RATE:
            yield f"begun too late, at {met.position:.3f}: {met.key}"


def _seen(met: Met, record: Record) -> float:
    """How far the viewer had got in its pass: a jump may have taken them back since."""
    earlier = record.passes[met.number].seen_at(met.at) if record.passes else 0.0
    return max(met.position, earlier)


def _misled(record: Record, log: Sequence[Logged]) -> Iterator[str]:
    """Jumps that have not led where they lead, and moves that the server took for others."""
    for met in record.begun:
        match met.action:
            case Seek(target_timestamp=target):
                places = [target]
            case ReplaySegment(start_timestamp=start):
                places = [start, met.position]
            case _:
                continue
        stretches = record.passes[met.number].stretches
        led = [one.position for one in stretches if one.since >= met.at]
        if len(led) != len(places) or any(
            abs(there - place) > _EXACT for there, place in zip(led, places, strict=True)
        ):
            yield f"led to {led}: {met.key}"
    epoch = History(log).timeline.playhead.epoch
    if epoch >= len(record.passes):
        yield f"a jump was taken for a seek of the user: there were {epoch}"


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
