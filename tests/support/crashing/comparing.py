"""Viewers of a host that is disturbed, beside those of one that is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crashing.record import Record
from crashing.server import Server
from crashing.talking import judge_talk
from crashing.verdict import Disturbed, Verdict, Watched, judge
from crashing.wave import MANNERS, NOBODY, Wave
from crashing.work import judge_log
from watchbuddy_core.entries import Logged


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What became of sessions that nobody disturbed, by the manner of their viewers."""

    records: dict[str, Record]
    logs: dict[str, Sequence[Logged]]

    @classmethod
    async def of(cls, wave: Wave) -> Undisturbed:
        """When it is over; one viewer in each manner, who is called like it."""
        return cls(
            {name: viewer.record for name, viewer in wave.viewers.items()},
            {name: await wave.host.log(one) for name, one in wave.sessions.items()},
        )


async def undisturbed(folder: Path, films: Path, *, window_seconds: float) -> Undisturbed:
    """One viewer in each manner, at one server with its sessions in a file."""
    server = Server(folder, films, window_seconds=window_seconds)
    await server.start()
    try:
        await server.up()
        wave = await Wave.begin(server, 0, {manner.name: manner for manner in MANNERS})
        await wave.watch()
        await wave.prepared()
        return await Undisturbed.of(wave)
    finally:
        await server.end()


async def compare(
    waves: Sequence[Wave], calm: Undisturbed, disturbed: Disturbed
) -> tuple[dict[str, Verdict], list[str]]:
    """What became of the viewers, by their manner; and all that is wrong."""
    verdicts = {manner.name: Verdict() for manner in MANNERS}
    faults: list[str] = []
    for wave in waves:
        noticed = replace(disturbed, away=[*disturbed.away, *wave.held_up])
        for name, session_id in wave.sessions.items():
            manner = wave.seats.get(name)
            log = await wave.host.log(session_id)
            alike = calm.logs[NOBODY if manner is None else manner.name]
            faults += [f"{name}: {fault}" for fault in judge_log(log, alike)]
            if manner is not None:
                watched = Watched(wave.viewers[name].record, log)
                undisturbed = Watched(calm.records[manner.name], alike)
                verdicts[manner.name] += judge(manner, watched, undisturbed, noticed)
                verdicts[manner.name] += judge_talk(manner, watched, undisturbed, noticed)
    for name, verdict in verdicts.items():
        faults += [f"{name}: {fault}" for fault in verdict.faults]
    return verdicts, faults
