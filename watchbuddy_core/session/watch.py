"""WatchSession: the two sides of a session."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from watchbuddy_core.entries import Cancelled, Fence, Joined
from watchbuddy_core.errors import UnknownCharacter
from watchbuddy_core.events import Connected
from watchbuddy_core.script import SECOND
from watchbuddy_core.session.delivery import Delivery
from watchbuddy_core.session.history import History, announcements
from watchbuddy_core.session.parts import Parts
from watchbuddy_core.session.producer import Producer, Turn
from watchbuddy_core.session.reporting import Reporter
from watchbuddy_core.session.scripting import density_at_first, density_in_force
from watchbuddy_core.session.status import SessionStatus, status_of
from watchbuddy_core.session.track import entries_of, track_of
from watchbuddy_core.sources.hosts import check_url
from watchbuddy_core.storage import SessionRecord, Store
from watchbuddy_core.timeline import Timeline
from watchbuddy_core.tracks import Track
from watchbuddy_core.wire import CreateSession, Feature, WelcomeMessage


class WatchSession:
    """One viewer, one video, one character.

    `create` or `find` one, run `produce` once (a JobRunner does), and `connect` as often
    as a player does. All of it may happen in different processes that share a store.
    """

    def __init__(self, record: SessionRecord, *, store: Store, parts: Parts) -> None:
        self.record = record
        self._store = store
        self._parts = parts

    @property
    def session_id(self) -> str:
        """Its name, and the key to it."""
        return self.record.session_id

    @classmethod
    async def create(
        cls,
        request: CreateSession,
        *,
        store: Store,
        parts: Parts,
        created_at: float,
        caller: str = "",
        address: str | None = None,
    ) -> WatchSession:
        """Check the request and keep it. Starts nothing.

        Args:
            created_at: seconds since 1970.
            caller: who pays for it; see `SessionRecord.caller`.
            address: where it is asked for; see `SessionRecord.address`.

        Raises:
            UnsupportedVideoSource, UnknownCharacter, InvalidTimeRange: it is refused.
        """
        request.check_range()
        check_url(request.video_url, parts.allowed_hosts, parts.sources)
        if request.character_id not in parts.characters:
            raise UnknownCharacter(tuple(sorted(parts.characters)))
        density = request.density
        if density is None and request.user_id is not None:
            density = await store.preference(caller, request.user_id)
        record = SessionRecord(
            session_id=f"ses_{secrets.token_hex(8)}",
            video_url=request.video_url,
            start_time=request.start_time or 0.0,
            end_time=request.end_time,
            text=request.text or "",
            character_id=request.character_id,
            user_id=request.user_id,
            caller=caller,
            address=address,
            density=density,
            language=request.language,
            created_at=created_at,
        )
        await store.put(record)
        return cls(record, store=store, parts=parts)

    @classmethod
    async def find(cls, session_id: str, *, store: Store, parts: Parts) -> WatchSession:
        """Raises: SessionNotFound."""
        return cls(await store.get(session_id), store=store, parts=parts)

    async def take_script(self, track: Track) -> None:
        """Have this script played instead of producing one: call it in place of `produce`.

        Ids, times and order are the track's; nothing is placed anew.
        """
        fence = await self._store.fence(self.session_id, "producer")
        await self._store.append(self.session_id, entries_of(track), fence)

    async def track(self) -> Track:
        """The script as far as it is made."""
        return track_of(self.record, History(await self._store.read(self.session_id)))

    async def produce(self, *, turn: Turn = nullcontext, lingers: bool = False) -> int:
        """Make the script, from where the log says that an earlier attempt ended.

        Returns when the whole range is scripted or the session has failed, which the log
        then says. Where the viewer takes it as it comes it may wait for them for long.
        Cancelling it ends the work at hand and leaves no task behind.

        Args:
            turn: entered for each piece of work, so that a program can bound how many are
                done at a time; not while it waits.
            lingers: return only when the viewer has gone as well; until then it costs little
                to place anew what they want more or less of.

        Returns:
            up to which position of the log it has seen what others wrote.

        Raises:
            SessionNotFound: it was deleted meanwhile. A log of its id would begin anew.
        """
        await self._store.get(self.session_id)
        fence = await self._store.fence(self.session_id, "producer")
        history = History(await self._store.read(self.session_id))
        return await Producer(
            self.record,
            store=self._store,
            fence=fence,
            parts=self._parts,
            history=history,
            turn=turn,
            lingers=lingers,
        ).run()

    @asynccontextmanager
    async def connect(
        self,
        *,
        lookahead: float = 0.0,
        early_ready: bool = False,
        progress: bool = False,
        chat: bool = False,
    ) -> AsyncIterator[Delivery]:
        """Take the session over for a new connection; an older one is sent Replaced.

        Args:
            lookahead: how far ahead, in media seconds, the client takes actions and holds
                them itself.
            early_ready: the client begins as soon as the script is there where its playhead
                is, and the rest is made as it comes there.
            progress: it is also told how far the preparation is, what is scripted, and what
                is not as it could be.
            chat: it is also told where an answer to what the viewer said begins and ends.
        """
        fence = await self._store.fence(self.session_id, "deliverer")
        joined = Joined(connection=fence.number, lookahead=lookahead, early_ready=early_ready)
        await self._store.append(self.session_id, [joined], fence)
        history = History(await self._store.read(self.session_id))
        delivery = self._delivery(fence, history, lookahead, early_ready, progress, chat)
        raised: Exception | None = None
        async with asyncio.TaskGroup() as tasks:
            following = [tasks.create_task(delivery.follow(history.position))]
            if progress and history.failed is None:
                reports = self._store.reports(self.session_id)
                following.append(tasks.create_task(delivery.report(reports)))
            try:
                yield delivery
            except Exception as exc:  # noqa: BLE001 - not the group's business: raised again below
                raised = exc
            finally:
                for task in following:
                    task.cancel()
        if raised is not None:
            raise raised

    def _delivery(
        self,
        fence: Fence,
        history: History,
        lookahead: float,
        early_ready: bool,
        progress: bool,
        chat: bool,
    ) -> Delivery:
        record, head = self.record, history.timeline.playhead.head or 0
        is_ready = history.ready or (early_ready and history.coverage.includes(head / SECOND))
        script = history.script if is_ready else {}
        answers = {id: one for id, one in history.answers.items() if history.was_sent(id)}
        timeline = Timeline.restore(
            history.timeline,
            [*script.values(), *answers.values()],
            once=announcements(script.values()).union(answers),
            start=record.start_time,
            end=record.end_time,
        )
        timeline.receive(Connected(lookahead), now=0.0)
        return Delivery(
            self.session_id,
            log=self._store,
            fence=fence,
            history=history,
            timeline=timeline,
            is_ready=is_ready,
            early_ready=early_ready,
            reporter=Reporter(history) if progress else None,
            chat=chat,
            density=density_in_force(self.record, self._parts, history),
            loudest=history.audible or density_at_first(record, self._parts),
        )

    async def welcome(self, features: tuple[Feature, ...]) -> WelcomeMessage:
        """What a connection that asks for features is told first.

        Args:
            features: those that are granted.
        """
        status = await self.status()
        return WelcomeMessage(
            session_id=self.session_id,
            features=features,
            character_id=self.record.character_id,
            start_time=self.record.start_time,
            end_time=self.record.end_time if status.end_time is None else status.end_time,
            duration=status.duration,
        )

    async def cancel(self, message: str | None = None) -> None:
        """End the session for its connections. Its job is ended by the JobRunner.

        Args:
            message: why, for the viewer, where nobody has asked for it.
        """
        await self._store.append(self.session_id, [Cancelled(message=message)], None)

    async def status(self) -> SessionStatus:
        """How far it is, by what stands in its log."""
        history = History(await self._store.read(self.session_id))
        return status_of(self.record, history, self._parts)
