"""From what is known of one window to what is said in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from uuid import UUID, uuid5

from watchbuddy_core.actions import Action, Density, Draft, Speak
from watchbuddy_core.character import Character
from watchbuddy_core.entries import (
    Drop,
    Notice,
    Outlined,
    OutlinePoint,
    Placed,
    Scripted,
    Withdrawn,
)
from watchbuddy_core.errors import ActionGenerationFailed, BudgetReached
from watchbuddy_core.placement import Limits, Soundtrack, place
from watchbuddy_core.protocols import Brief, Spoken
from watchbuddy_core.session.history import History
from watchbuddy_core.session.parts import Parts
from watchbuddy_core.session.writing import Writing
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.understanding import known_cues
from watchbuddy_core.video import Cue, Overview, Understanding, Video, Window

_ACTION_IDS = UUID("6f2f3a1e-8f0c-4f0e-9a53-0b1f6a1c7a55")
_LAST_LINES = 6


class Scripting:
    """Has windows scripted and places them; writes nothing itself.

    Args:
        start, end: the range that is watched, in media seconds.
        history: what stands in the log; read at every call, so it is to be kept up to date.
        writing: how the generator is asked.
    """

    def __init__(
        self,
        record: SessionRecord,
        *,
        parts: Parts,
        history: History,
        writing: Writing,
        video: Video,
        overview: Overview,
        start: float,
        end: float,
    ) -> None:
        self._record = record
        self._parts = parts
        self._history = history
        self._writing = writing
        self.video = video
        self._overview = overview
        self._start = start
        self._end = end
        self._character = parts.characters[record.character_id]
        self._known = (record.text, video.title, *self._character.examples)
        self._phrases = tuple(_phrases(self._character))
        self._soundtrack = Soundtrack(overview.cues, self._known, phrases=self._phrases)

    # --- generating --------------------------------------------------------------------

    async def generate(self, window: Window, understanding: Understanding) -> Scripted:
        """Ask the generator.

        Where it fails and other windows are scripted, this one has no drafts and a problem.

        Raises:
            ActionGenerationFailed: it failed, and there is no other script to play.
        """
        try:
            scripted = await self._writing.drafts(self._brief(window, understanding), self.video)
        except ActionGenerationFailed as exc:
            return self.silence(window, exc.details, problem=exc.details)
        except BudgetReached as exc:
            notice = Notice(code=exc.code, message=exc.message)
            return self.silence(window, exc.message, notices=(notice,))
        if self._overview.cues:
            return scripted
        drafts = tuple(_settled(draft, understanding.cues) for draft in scripted.drafts)
        return scripted.model_copy(update={"drafts": drafts})

    def silence(
        self,
        window: Window,
        details: str,
        *,
        problem: str | None = None,
        notices: tuple[Notice, ...] = (),
    ) -> Scripted:
        """A window without drafts, beside others that are scripted.

        Raises:
            ActionGenerationFailed: there are no others.
        """
        if not self._history.scripted:
            raise ActionGenerationFailed(details)
        return Scripted(
            window=window,
            drafts=(),
            generator=self._parts.generator_name,
            notices=notices,
            problem=problem,
        )

    async def outline(self) -> Outlined | None:
        """What happens in the range; None, where the generator has no use for it."""
        return await self._writing.outline(self.video.title, self._overview, self._start, self._end)

    def _brief(self, window: Window, understanding: Understanding) -> Brief:
        lines = [action for action in self._script() if isinstance(action, Speak)]
        before = [line for line in lines if line.trigger_timestamp < window.start]
        elsewhere = (
            line
            for line in lines
            if not understanding.start <= line.trigger_timestamp < window.start
        )
        return Brief(
            title=self.video.title,
            window=window,
            range_start=self._start,
            range_end=self._end,
            understanding=understanding,
            character=self._character,
            wish=self._record.text,
            language=self._record.language,
            outline=self._outline_until(window.end),
            memory=self._memory_before(window),
            last_lines=tuple(
                Spoken(trigger_timestamp=line.trigger_timestamp, text=line.text)
                for line in before[-_LAST_LINES:]
            ),
            said=tuple(line.text for line in elsewhere),
            video_url=self._record.video_url,
        )

    def _outline_until(self, end: float) -> tuple[OutlinePoint, ...]:
        outlined = self._history.outlined
        return tuple(point for point in outlined.points if point.end <= end) if outlined else ()

    def _memory_before(self, window: Window) -> str:
        """Of the nearest earlier window that left something to remember."""
        earlier = (
            one
            for one in self._history.scripted.values()
            if one.memory and one.window.end <= window.start
        )
        nearest = max(earlier, key=lambda one: one.window.end, default=None)
        return nearest.memory if nearest else ""

    # --- placing -----------------------------------------------------------------------

    def place(self, scripted: Scripted) -> Placed:
        """Make one window's drafts obey the rules, beside all that stands."""
        return self._placed(scripted, list(self._script()))

    async def place_anew(self, windows: Sequence[Scripted]) -> list[Withdrawn | Placed]:
        """Place windows by the density that is in force now, as far as they were not sent.

        The entries belong together: append them at once. Others get a turn between windows.
        """
        places = {scripted.window.index for scripted in windows}
        old = {
            action.id: action
            for place in places
            for action in self._history.placed[place].actions
            if action.id in self._history.script and not self._history.was_sent(action.id)
        }
        standing = [action for action in self._script() if action.id not in old]
        placed: list[Placed] = []
        for scripted in sorted(windows, key=lambda scripted: scripted.window.start):
            await asyncio.sleep(0)
            placed.append(self._placed(scripted, standing))
            standing = sorted([*standing, *placed[-1].actions], key=_when)
        kept = {action.id: action for one in placed for action in one.actions}
        gone = tuple(id for id, action in old.items() if kept.get(id) != action)
        withdrawn = [Withdrawn(ids=gone, reason=f"density {self.density}")] if gone else []
        return [*withdrawn, *placed]

    def _soundtrack_so_far(self) -> Soundtrack:
        """What is said in the video, as far as it is known by now."""
        if self._overview.cues:
            return self._soundtrack
        heard = self._history.heard.values()
        cues = [cue for window in heard for cue in window.cues]
        speech = [passage for window in heard for passage in window.speech]
        return Soundtrack(cues, self._known, speech, self._phrases)

    @property
    def density(self) -> Density:
        """What is in force now."""
        return density_in_force(self._record, self._parts, self._history)

    def _placed(self, scripted: Scripted, earlier: Sequence[Action]) -> Placed:
        window = scripted.window
        placement = place(
            scripted.drafts,
            window=window,
            limits=Limits(
                range_start=self._start, range_end=self._end, duration=self._overview.duration
            ),
            soundtrack=self._soundtrack_so_far(),
            referred=known_cues(self._overview, self._start, window.end),
            density=self.density,
            earlier=earlier,
            name=lambda draft: self._action_id(window, draft),
            wish=self._record.text,
            pace=self._history.pace,
        )
        room = max(self._parts.script_actions - len(earlier), 0)
        actions, too_many = placement.actions[:room], placement.actions[room:]
        return Placed(
            window=window.index,
            actions=actions,
            dropped=(*placement.dropped, *map(_beyond_the_limit, too_many)),
        )

    def _script(self) -> Iterator[Action]:
        """All that stands, ascending by trigger."""
        return iter(sorted(self._history.script.values(), key=_when))

    def _action_id(self, window: Window, draft: int) -> str:
        """The same draft of the same session has the same id, however often it is placed."""
        return str(uuid5(_ACTION_IDS, f"{self._record.session_id}/{window.index}/{draft}"))


def density_in_force(record: SessionRecord, parts: Parts, history: History) -> Density:
    """What the viewer asked for last, else what the session began with."""
    return history.feedback.density if history.feedback else density_at_first(record, parts)


def density_at_first(record: SessionRecord, parts: Parts) -> Density:
    """What a session begins with."""
    character = parts.characters.get(record.character_id)
    return record.density or (character.density if character else None) or parts.density


def _phrases(character: Character) -> Iterator[str]:
    """What the character may say without its having been heard in the video."""
    for by_kind in character.phrases.values():
        for phrases in by_kind.values():
            yield from (phrase.text for phrase in phrases)


def _when(action: Action) -> float:
    return action.trigger_timestamp


def _beyond_the_limit(action: Action) -> Drop:
    return Drop(
        reason="script_full",
        trigger_timestamp=action.trigger_timestamp,
        action_type=action.action_type,
        text=action.text if isinstance(action, Speak) else None,
    )


def _settled(draft: Draft, cues: Sequence[Cue]) -> Draft:
    """With its evidence as a time. What it counts in is what was heard so far, and of a video
    that is watched here and there that becomes more in the middle."""
    ends = [cues[i].end for i in draft.cues if 0 <= i < len(cues)]
    if not ends:
        return draft
    return draft.model_copy(
        update={"cues": (), "evidence_until": max([*ends, draft.evidence_until or 0.0])}
    )
