"""What every ActionGenerator keeps to; and a made-up film to ask one about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import aclosing
from itertools import pairwise

from watchbuddy_core.actions import (
    Draft,
    EndReaction,
    ReplaySegment,
)
from watchbuddy_core.character import Character, Phrase
from watchbuddy_core.characters import built_in
from watchbuddy_core.protocols import ActionGenerator, Brief
from watchbuddy_core.testing.contracts.broken import ContractBroken, require
from watchbuddy_core.video import (
    Chapter,
    Cue,
    Scene,
    Sound,
    Understanding,
    Window,
)

_MOST_DRAFTS = 1000
_LENGTH = 300.0
_BORDERS = (0.0, 45.0, 165.0, _LENGTH)


def briefs_for(
    character: Character | None = None, *, wish: str = "", empty: bool = False
) -> tuple[Brief, ...]:
    """The briefs of a made-up film of five minutes, window by window.

    Args:
        empty: nothing is known of the film but its length.
    """
    character = character or built_in()[0]
    return tuple(
        Brief(
            title="The Lighthouse",
            window=Window(index=index, start=start, end=end),
            range_start=0.0,
            range_end=_LENGTH,
            understanding=Understanding(start=0.0, end=end, has_picture=False, has_sound=False)
            if empty
            else _film_until(end),
            character=character,
            wish=wish,
        )
        for index, (start, end) in enumerate(pairwise(_BORDERS))
    )


def _film_until(end: float) -> Understanding:
    said = ("Who lit the lamp tonight?", "Look out! The ladder!", "The keeper counted 211 steps.")
    cues = [
        Cue(start=6.0 + 9.0 * i, end=8.5 + 9.0 * i, text=f"{said[i % 3]} ({i})") for i in range(32)
    ]
    cues.append(Cue(start=100.0, end=101.0, text="", sounds=("thunder",)))
    cues.sort(key=lambda cue: cue.start)
    return Understanding(
        start=0.0,
        end=end,
        cues=tuple(cue for cue in cues if cue.start < end),
        scenes=tuple(
            Scene(start=12.0 * i, end=min(12.0 * (i + 1), end), change=0.8, motion=0.4)
            for i in range(25)
            if 12.0 * i < end
        ),
        sounds=tuple(
            Sound(kind="loud", start=20.0 + 70.0 * i, end=21.0 + 70.0 * i, level=15.0)
            for i in range(4)
            if 21.0 + 70.0 * i <= end
        ),
        chapters=tuple(
            Chapter(start=start, end=start + 150.0, title=title)
            for start, title in ((0.0, "Dusk"), (150.0, "Storm"))
            if start < end
        ),
        language="en",
    )


async def check_generator(
    generator: ActionGenerator,
    *,
    briefs: Sequence[Brief] | None = None,
    deterministic: bool = False,
) -> None:
    """Check an ActionGenerator on a film about which much, and one about which nothing is known.

    Args:
        briefs: what to ask it instead.
        deterministic: the same brief is to give the same drafts.

    Raises:
        ContractBroken: it does not keep to it; the message names the rule.
    """
    require(isinstance(generator, ActionGenerator), "A generator has `generate`.")
    if briefs is None:
        briefs = (
            *briefs_for(),
            *briefs_for(wish="Speak English, and end every line with “ahoy”"),
            *briefs_for(_stranger()),
            *briefs_for(empty=True),
        )
    for brief in briefs:
        drafts = await _drafts(generator, brief)
        for draft in drafts:
            _check_draft(draft, brief)
        again = await _drafts(generator, brief)
        if deterministic:
            require(
                [_content(draft) for draft in drafts] == [_content(draft) for draft in again],
                f"Window {brief.window.index}: the same brief does not give the same drafts.",
            )
    await _check_abandoning(generator, briefs[0])


def _stranger() -> Character:
    """One with hardly any words, in no language that anybody speaks."""
    phrases = {"tlh": {"lull": (Phrase(text="nuqneH {time}"),)}}
    return Character.model_validate({"id": "stranger", "name": {"tlh": "Qov"}, "phrases": phrases})


async def _drafts(generator: ActionGenerator, brief: Brief) -> list[Draft]:
    stream = generator.generate(brief)
    if isinstance(stream, Coroutine):
        stream.close()
    require(
        isinstance(stream, AsyncIterator),
        f"`generate` gives {stream!r}; it is an async generator, and is not awaited itself.",
    )
    drafts: list[Draft] = []
    try:
        async for draft in stream:
            drafts.append(draft)
            require(len(drafts) <= _MOST_DRAFTS, f"More than {_MOST_DRAFTS} drafts of a window.")
    except ContractBroken:
        raise
    except Exception as exc:
        raise ContractBroken(f"Window {brief.window.index} fails with {exc!r}.") from exc
    return drafts


def _check_draft(draft: Draft, brief: Brief) -> None:
    require(isinstance(draft, Draft), f"It yields {draft!r:.80}, which is no Draft.")
    window, action = brief.window, draft.action
    at = action.trigger_timestamp
    where = f"{action.action_type} at {at} of window {window.start} to {window.end}"
    require(window.start <= at <= window.end, f"{where} lies outside of it.")
    require(
        draft.evidence_until is None or draft.evidence_until <= window.end,
        f"{where} rests on what is later than the window's end ({draft.evidence_until}).",
    )
    known = len(brief.understanding.cues)
    require(
        all(0 <= i < known for i in draft.cues), f"{where} refers to cues {draft.cues} of {known}."
    )
    if isinstance(action, ReplaySegment):
        require(
            action.start_timestamp < action.end_timestamp <= window.end,
            f"{where} shows again what was not seen.",
        )
    if isinstance(action, EndReaction):
        require(brief.is_last, f"{where} says goodbye before the last window.")


def _content(draft: Draft) -> object:
    """All of it but the id, which means nothing."""
    return draft.model_dump(exclude={"action": {"id"}})


async def _check_abandoning(generator: ActionGenerator, brief: Brief) -> None:
    """Whoever stops listening is not to pay for the rest."""
    before = asyncio.all_tasks()
    stream = generator.generate(brief)
    if isinstance(stream, AsyncGenerator):
        async with aclosing(stream):
            async for _ in stream:
                break
    left = asyncio.all_tasks() - before
    require(not left, f"A generation that is abandoned leaves tasks behind: {left}.")
