"""Writes what a producer would have written."""

from __future__ import annotations

import asyncio
from typing import Any

from watchbuddy_core.actions import Action
from watchbuddy_core.entries import Entry, Failed, Placed, Ready
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.memory import MemoryStore


class Backstage:
    """Writes what a producer would have written."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self._sessions = 0

    async def session(self, *entries: Entry, caller: str = "") -> str:
        """A session whose log begins like this; its id."""
        self._sessions += 1
        session_id = f"ses_{self._sessions:016x}"
        await self.store.put(
            SessionRecord(
                session_id=session_id,
                video_url="library:clip.mp4",
                character_id="miao",
                caller=caller,
                created_at=0.0,
            )
        )
        await self.says(session_id, *entries)
        return session_id

    async def says(self, session_id: str, *entries: Entry) -> None:
        if entries:
            await self.store.append(session_id, list(entries), None)

    async def ready(self, *actions: Action, caller: str = "") -> str:
        """A session whose whole script is there."""
        return await self.session(Placed(window=0, actions=actions), Ready(), caller=caller)

    async def failed(self) -> str:
        return await self.session(Failed(code="VIDEO_UNREADABLE", message="It is no video."))

    def connections(self) -> int:
        """How many connections follow a log of the store right now; a session's job does too."""
        jobs = sum(task.get_name().startswith("produce ") for task in asyncio.all_tasks())
        return self.store._followers.count() - jobs


def is_of_a_session(task: asyncio.Task[Any]) -> bool:
    """Whether it belongs to a session's job, which goes on, whoever has gone."""
    return task.get_name().startswith(("produce ", "follow ", "make ", "answer "))
