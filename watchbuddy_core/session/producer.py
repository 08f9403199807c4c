"""The producer: from a session's record to a complete script in its log."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from uuid import UUID, uuid5

from watchbuddy_core.actions import Action, Draft, Speak
from watchbuddy_core.entries import Entry, Failed, Fence, Placed, Ready, Scripted, Stage
from watchbuddy_core.errors import (
    ActionGenerationFailed,
    InvalidTimeRange,
    MissingExtra,
    ProcessingFailed,
    StaleFence,
    VideoUnavailable,
    WatchBuddyError,
)
from watchbuddy_core.placement import Limits, place
from watchbuddy_core.protocols import Brief, SessionLog, SessionRecord, Spoken, WishReader
from watchbuddy_core.session.history import History
from watchbuddy_core.session.parts import Parts
from watchbuddy_core.sources import choose_source
from watchbuddy_core.understanding import grid, survey, understand
from watchbuddy_core.video import Overview, Understanding, Video, VideoRequest, Window

_log = logging.getLogger("watchbuddy.session")

_ACTION_IDS = UUID("6f2f3a1e-8f0c-4f0e-9a53-0b1f6a1c7a55")
_LAST_LINES = 6
_SHORTEST_RANGE = 1.0
"""A range shorter than this, in seconds, has no room for an action."""


class Producer:
    """One attempt at producing a session's script.

    It goes on where `history` ends: windows that are scripted are not scripted again.
    """

    def __init__(
        self,
        record: SessionRecord,
        *,
        log: SessionLog,
        fence: Fence,
        parts: Parts,
        history: History,
    ) -> None:
        self._record = record
        self._log = log
        self._fence = fence
        self._parts = parts
        self._history = history

    async def run(self) -> None:
        """Produce until the range is scripted or the session has failed; the log says which."""
        if self._history.ready or self._history.failed is not None:
            return
        try:
            try:
                await self._produce()
            except (ProcessingFailed, InvalidTimeRange) as exc:
                await self._fail(exc)
            except StaleFence:
                raise
            except Exception:  # noqa: BLE001 - where the job ends
                _log.exception("session %s failed", self._record.session_id)
                await self._fail(WatchBuddyError("The server failed. Its log says more."))
        except StaleFence as exc:
            _log.info("session %s: %s", self._record.session_id, exc)

    async def _produce(self) -> None:
        await self._append(Stage(stage="fetching"))
        video = await self._fetch()
        await self._append(Stage(stage="understanding", title=video.title))
        overview = await self._survey(video)
        start, end = self._range(overview)
        await self._append(
            Stage(
                stage="generating",
                title=video.title,
                duration=overview.duration,
                start=start,
                end=end,
                notes=self._notes(),
            )
        )
        understanding: Understanding | None = None
        for window in grid(overview, start, end):
            understanding = await understand(video, overview, window, understanding, start)
            if window.index in self._history.placed:
                continue
            brief = self._brief(video, window, understanding, start, end)
            scripted = self._history.scripted.get(window.index) or await self._script(brief)
            await self._append(self._place(scripted, brief, overview))
        await self._append(Ready())

    # --- stages ------------------------------------------------------------------------

    async def _fetch(self) -> Video:
        record = self._record
        request = VideoRequest(
            url=record.video_url, start_time=record.start_time, end_time=record.end_time
        )
        try:
            source = choose_source(request.url, self._parts.sources)
            return await source.open(request, _unheard)
        except MissingExtra as exc:
            raise VideoUnavailable(str(exc)) from exc

    async def _survey(self, video: Video) -> Overview:
        try:
            return await survey(video, _unheard)
        except MissingExtra as exc:
            raise VideoUnavailable(str(exc)) from exc

    def _range(self, overview: Overview) -> tuple[float, float]:
        start = self._record.start_time
        end = min(self._record.end_time or overview.duration, overview.duration)
        if end - start < _SHORTEST_RANGE:
            raise InvalidTimeRange(
                f"The video is {overview.duration:.1f} seconds long; "
                f"nothing of it lies in the requested range."
                if start >= overview.duration
                else "The requested range is shorter than a second."
            )
        return start, end

    def _notes(self) -> tuple[str, ...]:
        generator = self._parts.generator
        if not self._record.text or not isinstance(generator, WishReader):
            return ()
        return generator.notes(self._record.text, self._parts.characters[self._record.character_id])

    def _brief(
        self, video: Video, window: Window, understanding: Understanding, start: float, end: float
    ) -> Brief:
        lines = sorted(
            (
                Spoken(trigger_timestamp=action.trigger_timestamp, text=action.text)
                for action in self._history.script.values()
                if isinstance(action, Speak) and action.trigger_timestamp < window.start
            ),
            key=lambda line: line.trigger_timestamp,
        )
        return Brief(
            title=video.title,
            window=window,
            range_start=start,
            range_end=end,
            understanding=understanding,
            character=self._parts.characters[self._record.character_id],
            wish=self._record.text,
            last_lines=tuple(lines[-_LAST_LINES:]),
        )

    async def _script(self, brief: Brief) -> Scripted:
        drafts: list[Draft] = []
        try:
            async for draft in self._parts.generator.generate(brief):
                drafts.append(draft)  # noqa: PERF401 - what came before a failure is not used
        except MissingExtra as exc:
            raise ActionGenerationFailed(str(exc)) from exc
        scripted = Scripted(
            window=brief.window, drafts=tuple(drafts), generator=self._parts.generator_name
        )
        await self._append(scripted)
        return scripted

    def _place(self, scripted: Scripted, brief: Brief, overview: Overview) -> Placed:
        window = scripted.window
        placement = place(
            scripted.drafts,
            window=window,
            limits=Limits(
                range_start=brief.range_start,
                range_end=brief.range_end,
                duration=overview.duration,
            ),
            cues=overview.cues,
            referred=brief.understanding.cues,
            density=self._record.density or self._parts.density,
            earlier=tuple(self._earlier()),
            name=lambda draft: self._action_id(window, draft),
            wish=brief.wish,
            known=_texts_that_give_nothing_away(brief),
        )
        return Placed(window=window.index, actions=placement.actions, dropped=placement.dropped)

    def _earlier(self) -> Iterator[Action]:
        return iter(sorted(self._history.script.values(), key=lambda a: a.trigger_timestamp))

    def _action_id(self, window: Window, draft: int) -> str:
        """The same draft of the same session has the same id, however often it is placed."""
        return str(uuid5(_ACTION_IDS, f"{self._record.session_id}/{window.index}/{draft}"))

    # --- the log -----------------------------------------------------------------------

    async def _append(self, entry: Entry) -> None:
        position = await self._log.append(self._record.session_id, [entry], self._fence)
        self._history.apply(position, entry)

    async def _fail(self, error: WatchBuddyError) -> None:
        _log.info("session %s: %s: %s", self._record.session_id, error.code, error)
        await self._append(
            Failed(code=error.code, message=error.message, retryable=error.retryable)
        )


_SLOT = re.compile(r"\{\w+\}")


def _texts_that_give_nothing_away(brief: Brief) -> Iterator[str]:
    """What a line may say without its having been heard in the video."""
    character = brief.character
    yield from (brief.title, *character.examples)
    for phrases in character.phrases.values():
        for of_a_kind in phrases.values():
            yield from (_SLOT.sub(" ", phrase.text) for phrase in of_a_kind)


def _unheard(fraction: float | None, message: str) -> None:
    """Progress that nobody has asked for."""
