"""Viewers in all their manners, at the same time."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import httpx

from crashing.film import END, FILM_SECONDS, START
from crashing.own_viewer import OwnViewer
from crashing.place import Call
from crashing.record import Manner
from crashing.viewer import BareViewer, Viewer
from watchbuddy_core.actions import Jump
from watchbuddy_core.entries import Logged
from watchbuddy_core.session.history import History

OWN = Manner(
    *("WatchClient", "hold,early_ready,progress,chat"),
    completes=True,
    wish="a replay",
    says=(11.0, "Who is that?"),
)
"""The client that we bring along. The others are bare."""
MANNERS = (
    Manner("as the API document has it", wish="a jump back"),
    Manner("… completing", completes=True, wish="a replay"),
    Manner("… seeking back", wish="a jump back", seeks=((10.5, 4.0),)),
    Manner(
        *("early, completing", "early_ready,progress"),
        completes=True,
        tells_landings=True,
        wish="a jump back",
    ),
    Manner("holding", "hold", tells_landings=True, wish="a replay"),
    Manner(
        *("early, holding, seeking", "early_ready,hold,progress"),
        completes=True,
        seeks=((12.0, 6.0),),
    ),
    Manner("talking", "chat", completes=True, says=(3.0, "What was that?")),
    Manner(
        *("muting, talking", "chat,feedback"),
        completes=True,
        says=(11.0, "And that?"),
        mutes=8.0,
    ),
    OWN,
)
NOBODY = "nobody watches"
"""A session over all of the film, which is only prepared."""

_CREATING_SECONDS = 30.0
_LOOK_SECONDS = 0.5
"""So often it is looked whether the machine has time for all who take part; and what takes so
long more is a sign that it has not."""


class Host(Protocol):
    """What serves the viewers, in one process or in many."""

    @property
    def url(self) -> str: ...

    def calls(self) -> Sequence[Call]:
        """What the generator was asked, in order."""
        ...

    async def log(self, session_id: str) -> Sequence[Logged]: ...


@dataclass
class Wave:
    """The sessions of one host that are watched at the same time."""

    host: Host
    seats: Mapping[str, Manner]
    """How somebody watches, by the viewer's name."""
    sessions: dict[str, str]
    """By the viewer's name, and of nobody."""
    viewers: dict[str, Viewer]
    held_up: list[tuple[float, float]] = field(default_factory=list)
    """From when to when the machine had no time for host or viewers, in monotonic seconds."""

    @classmethod
    async def begin(cls, host: Host, number: int, seats: Mapping[str, Manner]) -> Wave:
        """Create the sessions.

        Args:
            seats: how somebody watches, by the viewer's name.
        """
        async with httpx.AsyncClient(base_url=host.url, timeout=_CREATING_SECONDS) as client:
            sessions = {
                name: await create(
                    client, wish=f"{number}: {name}: {manner.wish}", start=START, end=END
                )
                for name, manner in seats.items()
            }
            sessions[NOBODY] = await create(
                client, wish=f"{number}: {NOBODY}", start=0.0, end=FILM_SECONDS
            )
        viewers: dict[str, Viewer] = {}
        for name, manner in seats.items():
            kind = OwnViewer if manner is OWN else BareViewer
            viewers[name] = kind(host.url, sessions[name], manner, start=START, end=END)
        return cls(host, seats, sessions, viewers)

    async def watch(self) -> None:
        async with asyncio.TaskGroup() as looking:
            look = looking.create_task(self._look())
            async with asyncio.TaskGroup() as tasks:
                for viewer in self.viewers.values():
                    tasks.create_task(viewer.run())
            look.cancel()

    async def _look(self) -> None:
        """Ask for a session as anybody may, again and again, and note when that took long."""
        path = f"/api/v1/sessions/{self.sessions[NOBODY]}"
        async with httpx.AsyncClient(base_url=self.host.url, timeout=_CREATING_SECONDS) as client:
            while True:
                since = time.monotonic()
                with suppress(httpx.TransportError):  # it was killed, or is not up yet
                    await client.get(path)
                await asyncio.sleep(_LOOK_SECONDS)
                if time.monotonic() - since > 2 * _LOOK_SECONDS:
                    self.held_up.append((since, time.monotonic()))

    async def watched_by(self, share: float = 1.0) -> None:
        """Wait until so many of the viewers have begun, or have no chance to."""
        while self._begun < share * len(self.viewers):
            await asyncio.sleep(0.05)

    @property
    def _begun(self) -> int:
        records = [viewer.record for viewer in self.viewers.values()]
        return sum(bool(one.passes or one.faults or one.is_turned_away) for one in records)

    @property
    def arrived(self) -> int:
        """How many actions all viewers together have been sent."""
        return sum(len(viewer.record.arrived) for viewer in self.viewers.values())

    @property
    def jumps(self) -> int:
        """How many jumps of the companion's all viewers together have begun to make."""
        begun = (met for viewer in self.viewers.values() for met in viewer.record.begun)
        return sum(isinstance(met.action, Jump) for met in begun)

    @property
    def is_watched(self) -> bool:
        """Whether somebody is not at the end yet."""
        return any(viewer.is_watching for viewer in self.viewers.values())

    async def prepared(self) -> None:
        """Wait until all scripts are there, also the one that nobody waits for."""
        await prepared(self.host, self.sessions.values())

    @property
    def phase(self) -> str:
        match (bool(_open(self.host.calls())), self.is_watched):
            case (True, True):
                return "preparing and watching"
            case (_, False):
                return "preparing"
            case _:
                return "watching"


async def prepared(host: Host, session_ids: Iterable[str]) -> None:
    """Wait until all these scripts are there, and there is nothing else to do for them."""
    for session_id in session_ids:
        while History(await host.log(session_id)).is_unfinished:
            await asyncio.sleep(0.2)


async def create(client: httpx.AsyncClient, *, wish: str, start: float, end: float) -> str:
    """A session over this part of the film; its id."""
    asked = {
        "video_url": "library:film.mp4",
        "character_id": "miao",
        "density": "chatty",
        "start_time": start,
        "end_time": end,
        "text": wish,
    }
    answer = await client.post("/api/v1/sessions", json=asked)
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    session_id: str = answer.json()["session_id"]
    return session_id


def _open(calls: Iterable[Call]) -> int:
    """How much is in work, for all that is known."""
    last = Counter[tuple[str, int | str]]()
    for call in calls:
        last[call.wish, call.wanted] = 1 if call.what == "begun" else 0
    return last.total()
