"""Having a generator write: within its limits and the budget, and not twice."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from watchbuddy_core.actions import Draft
from watchbuddy_core.entries import Notice, Outlined, Rung, Scripted, Spent
from watchbuddy_core.errors import (
    ActionGenerationFailed,
    BudgetReached,
    MissingExtra,
    StaleFence,
    StorageFull,
    StoreFailed,
)
from watchbuddy_core.protocols import ActionGenerator, Brief, Outliner, Repeatable
from watchbuddy_core.session.budget import Purse, WorkDesk
from watchbuddy_core.session.parts import Parts
from watchbuddy_core.session.strangers import plugin_code
from watchbuddy_core.understanding import key_frames
from watchbuddy_core.video import Overview, Video

_log = logging.getLogger("watchbuddy.session")

_MOST_DRAFTS = 1000
"""Of one window. A generator that goes on after them is not listened to."""

_NO_MORE = object()
_Value = TypeVar("_Value", bound=BaseModel)


class _Kept(BaseModel):
    """What the cache holds of one window."""

    model_config = ConfigDict(frozen=True)

    drafts: tuple[Draft, ...]
    rung: Rung | None = None
    memory: str = ""


class Writing:
    """Asks the generator of a session for drafts and an outline.

    Args:
        purse: pays for what costs something.
        note: writes down what a call has used.
        content: what the drafts are about, for the cache: changes with the video and its words.
    """

    def __init__(
        self,
        *,
        parts: Parts,
        purse: Purse,
        note: Callable[[Spent], Awaitable[None]],
        content: str,
    ) -> None:
        self._parts = parts
        self._purse = purse
        self._note = note
        self._content = content

    # --- drafts ------------------------------------------------------------------------

    async def drafts(self, brief: Brief, video: Video) -> Scripted:
        """One window's drafts, from the cache or from the generator.

        A generator that fails has a stand-in, where one is configured. What came before it
        failed is kept.

        Raises:
            ActionGenerationFailed: there are none, with a sentence for the viewer.
            BudgetReached: there are none, since nothing more may be spent.
            StorageFull, StoreFailed: there are none yet, since what is spent cannot be written
                down.
        """
        parts = self._parts
        kept = await self._cached(self._key_of(brief), _Kept)
        if kept is not None:
            return Scripted(
                window=brief.window,
                drafts=kept.drafts,
                generator=parts.generator_name,
                rung=kept.rung,
                memory=kept.memory,
                cached=True,
            )
        try:
            scripted, is_whole = await self._asked(
                parts.generator, parts.generator_name, brief, video
            )
        except (ActionGenerationFailed, BudgetReached) as exc:
            if parts.stand_in is None:
                raise
            _log.warning("the stand-in writes from %.0f s on: %s", brief.window.start, exc)
            scripted, _ = await self._asked(parts.stand_in, parts.stand_in_name, brief, video)
            return scripted.model_copy(update={"notices": (*scripted.notices, _notice_of(exc))})
        if is_whole:
            # What it is made from may have changed while it was made: the key is asked for anew.
            kept = _Kept(drafts=scripted.drafts, rung=scripted.rung, memory=scripted.memory)
            await self._cache(self._key_of(brief), kept)
        return scripted

    async def _asked(
        self, generator: ActionGenerator, name: str, brief: Brief, video: Video
    ) -> tuple[Scripted, bool]:
        """What it wrote, and whether it came to its end."""
        window = brief.window
        desk = WorkDesk(
            "window",
            purse=self._purse,
            note=self._note,
            pictures=partial(key_frames, video, brief.understanding, window),
            window=window.index,
        )
        drafts: list[Draft] = []
        broken: str | None = None
        try:
            with plugin_code():
                stream = generator.generate(replace(brief, desk=desk))
                async for draft in within_limits(stream, self._parts):
                    drafts.append(draft)  # noqa: PERF401 - what came before a failure is kept
        except StaleFence:
            raise
        except (BudgetReached, StorageFull, StoreFailed) as exc:
            if not drafts:
                raise
            broken = exc.message
        except Exception as exc:  # noqa: BLE001 - of a plugin, which fails for its window alone
            broken = sentence_of(exc)
            if not drafts:
                raise ActionGenerationFailed(broken) from None
        told = desk.told
        scripted = Scripted(
            window=window,
            drafts=tuple(drafts[told.retracted :]),
            generator=name,
            rung=told.rung,
            memory=told.memory,
            notices=told.notices,
            remarks=told.remarks if broken is None else (*told.remarks, broken),
            rejected=dict(told.rejected),
        )
        return scripted, told.is_whole and broken is None

    # --- the outline -------------------------------------------------------------------

    async def outline(
        self, title: str, overview: Overview, start: float, end: float
    ) -> Outlined | None:
        """What happens in the range, from the cache or from the generator.

        None: the generator wants none, or nobody knows what is said.
        """
        generator = self._parts.generator
        if not isinstance(generator, Outliner) or not overview.cues:
            return None
        key = self._key("outline", generator, None, start, end)
        if (kept := await self._cached(key, Outlined)) is not None:
            return kept
        desk = WorkDesk("outline", purse=self._purse, note=self._note)
        try:
            with plugin_code():
                async with asyncio.timeout(self._parts.generating_seconds):
                    points = await generator.outline(title, overview, start, end, desk)
                outlined = Outlined(points=tuple(points))
        except (StaleFence, StorageFull, StoreFailed):
            raise
        except Exception as exc:  # noqa: BLE001 - of a plugin; a script needs no outline
            return Outlined(problem=sentence_of(exc))
        await self._cache(key, outlined)
        return outlined

    # --- the cache ---------------------------------------------------------------------

    async def _cached(self, key: str | None, kind: type[_Value]) -> _Value | None:
        cache = self._parts.drafts
        if cache is None or key is None or (value := await cache.get(key)) is None:
            return None
        try:
            return kind.model_validate_json(value)
        except ValidationError:
            _log.warning("what the cache holds cannot be read")
            return None

    async def _cache(self, key: str | None, value: BaseModel) -> None:
        cache = self._parts.drafts
        if cache is not None and key is not None:
            await cache.put(key, value.model_dump_json().encode())

    def _key_of(self, brief: Brief) -> str | None:
        character = brief.character
        return self._key(
            "window",
            self._parts.generator,
            brief,
            brief.window.start,
            brief.window.end,
            brief.is_first,
            brief.is_last,
            character.id,
            character.revision or character.model_dump_json(),
            brief.wish,
            brief.language,
        )

    def _key(
        self, what: str, generator: ActionGenerator, brief: Brief | None, *facts: object
    ) -> str | None:
        """Neither what was said before nor how much the viewer wants to hear is in it."""
        if not isinstance(generator, Repeatable):
            return None
        with plugin_code():
            fingerprint = generator.fingerprint(brief)
        facts = (what, self._content, self._parts.generator_name, fingerprint, *facts)
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


async def within_limits(stream: AsyncIterator[Draft], parts: Parts) -> AsyncGenerator[Draft]:
    """What a generator yields, as long as it keeps coming.

    Raises:
        TimeoutError: nothing came for too long, or it went on for too long.
    """
    now = asyncio.get_running_loop().time
    end = now() + parts.generating_seconds
    try:
        for _ in range(_MOST_DRAFTS):
            async with asyncio.timeout_at(min(now() + parts.generating_idle_seconds, end)):
                draft = await anext(stream, _NO_MORE)
            if draft is _NO_MORE:
                return
            if not isinstance(draft, Draft):
                raise TypeError(f"no draft: {draft!r:.80}")
            yield draft
    finally:
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()


def content_of(video: Video, overview: Overview) -> str:
    """The video and its words, in a few letters."""
    words = hashlib.sha256()
    for cue in overview.cues:
        words.update(f"{cue.start} {cue.end} {cue.text}\n".encode(errors="replace"))
    return f"{video.content_id}/{words.hexdigest()[:16]}"


def _notice_of(exc: ActionGenerationFailed | BudgetReached) -> Notice:
    details = exc.details if isinstance(exc, ActionGenerationFailed) else exc.message
    code = exc.code if isinstance(exc, BudgetReached) else "STAND_IN"
    return Notice(code=code, message=f"{details} A stand-in talks instead.")


def sentence_of(exc: Exception) -> str:
    """Why a plugin failed, for the viewer; what only its author understands goes to the log."""
    if isinstance(exc, ActionGenerationFailed):
        return exc.details
    if isinstance(exc, MissingExtra | BudgetReached | StorageFull | StoreFailed):
        return str(exc)
    if isinstance(exc, TimeoutError):
        return "It took too long."
    _log.error("a generator failed", exc_info=exc)
    return "The generator failed."
