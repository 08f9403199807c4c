"""How far a session is, by what stands in its log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from watchbuddy_core.actions import Density
from watchbuddy_core.entries import Rung, StageName, Usage
from watchbuddy_core.session.history import History, SessionState
from watchbuddy_core.session.parts import Parts
from watchbuddy_core.session.scripting import density_in_force
from watchbuddy_core.storage import SessionRecord


class SessionError(BaseModel):
    """Why a session ended, or why there is no video to show."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str


class WindowStatus(BaseModel):
    """One piece of the video that was worked on. Times are media seconds."""

    model_config = ConfigDict(frozen=True)

    index: int
    start: float
    end: float
    generator: str
    rung: Rung | None
    """What it was written from, where the generator has a choice."""
    cached: bool
    """Whether it was written for somebody else, or earlier."""
    usage: Usage
    """Of the model calls for it."""
    rejected: dict[str, int]
    """What the model wrote and nobody can do: how often, by reason."""
    remarks: tuple[str, ...]
    """What did not go as planned."""
    problem: str | None
    """Why there is nothing."""


class SessionStatus(BaseModel):
    """How far a session is. Times are media seconds."""

    model_config = ConfigDict(frozen=True)

    session_id: str
    status: SessionState
    """`ready`: the whole range is scripted."""
    stage: StageName | None
    """Where the work is, or was when it ended. None: it has not begun."""
    title: str | None
    character_id: str
    density: Density
    """How much the companion says."""
    duration: float | None
    """Of the whole video. None, as are the next two: not known yet."""
    start_time: float | None
    end_time: float | None
    """What is watched of it."""
    coverage: tuple[tuple[float, float], ...]
    """What is scripted: ascending and apart."""
    watched: tuple[tuple[float, float], ...]
    """What was played: likewise."""
    actions: dict[str, int]
    """How many there are in the script so far, by type."""
    drops: dict[str, int]
    """How many drafts placement did not keep, by reason."""
    notes: tuple[str, ...]
    """What cannot be done as wished, in sentences for the viewer."""
    estimate: Usage | None = None
    """What the whole script was expected to use. None: nothing, or nobody knows."""
    usage: Usage = Usage()
    """What model calls have used so far: windows, outline and answers."""
    cost: float | None
    """What they have cost, in US dollars. None: a price is not known."""
    windows: tuple[WindowStatus, ...] = ()
    """By time."""
    error: SessionError | None
    """Why it ended, where it did."""


def status_of(record: SessionRecord, history: History, parts: Parts) -> SessionStatus:
    """How far a session is, by what stands in its log."""
    stage = history.stage
    failed = history.failed
    return SessionStatus(
        session_id=record.session_id,
        status=history.state,
        stage=stage.stage if stage else None,
        title=stage.title if stage else None,
        character_id=record.character_id,
        density=density_in_force(record, parts, history),
        duration=stage.duration if stage else None,
        start_time=stage.start if stage else None,
        end_time=stage.end if stage else None,
        coverage=tuple(history.coverage.ranges),
        watched=tuple(history.watched),
        actions=dict(Counter(action.action_type for action in history.script.values())),
        drops=dict(history.drops),
        notes=stage.notes if stage else (),
        estimate=stage.estimate if stage else None,
        usage=history.usage,
        cost=history.usage.cost,
        windows=tuple(_windows(history)),
        error=SessionError(code=failed.code, message=failed.message) if failed else None,
    )


def _windows(history: History) -> Iterator[WindowStatus]:
    for index, scripted in sorted(history.scripted.items()):
        yield WindowStatus(
            index=index,
            start=scripted.window.start,
            end=scripted.window.end,
            generator=scripted.generator,
            rung=scripted.rung,
            cached=scripted.cached,
            usage=history.usage_of(index),
            rejected=scripted.rejected,
            remarks=scripted.remarks,
            problem=scripted.problem,
        )
