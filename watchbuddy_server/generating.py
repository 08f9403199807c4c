"""Making a script without playing it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from watchbuddy_core.errors import ProcessingFailed
from watchbuddy_core.session import Noticed, Parts, WatchSession, track_of
from watchbuddy_core.session.history import History
from watchbuddy_core.session.reporting import Reporter
from watchbuddy_core.storage import Store
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.tracks import Track
from watchbuddy_core.wire import CreateSession
from watchbuddy_server.terminal import in_words

Tell = Callable[[str], None]


async def generate_track(
    request: CreateSession, *, parts: Parts, tell_progress: Tell, tell_notice: Tell
) -> Track:
    """Produce the script of a session that nobody watches, in this process.

    Args:
        tell_progress: called with what is happening; the last call counts.
        tell_notice: called with what is not as it could be, at the end.

    Raises:
        RequestRefused: the request cannot be served as it was made.
        ProcessingFailed: there is no script.
    """
    store = MemoryStore()
    session = await WatchSession.create(request, store=store, parts=parts, created_at=time.time())
    async with asyncio.TaskGroup() as tasks:
        telling = tasks.create_task(_tell_progress(store, session.session_id, tell_progress))
        await session.produce()
        telling.cancel()
    history = History(await store.read(session.session_id))
    if history.failed is not None:
        raise ProcessingFailed(history.failed.message)
    for news in Reporter(history).take_news():
        if isinstance(news, Noticed):
            tell_notice(news.message)
    if history.usage.calls:
        tell_notice(f"The model has used {in_words(history.usage)}.")
    return track_of(session.record, history)


async def _tell_progress(store: Store, session_id: str, tell: Tell) -> None:
    async for report in store.reports(session_id):
        tell(report.message)


def summary(track: Track) -> str:
    """How many actions there are and how many drafts were not kept, in one line."""
    kinds = Counter[str](action.action_type for action in track.actions)
    reasons = Counter(drop.reason for drop in track.dropped)
    return f"{_counted('action', kinds)}. {_counted('draft', reasons)} dropped."


def _counted(what: str, counts: Counter[str]) -> str:
    total = counts.total()
    head = f"{total or 'No'} {what}{'' if total == 1 else 's'}"
    parts = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    return f"{head} ({parts})" if parts else head
