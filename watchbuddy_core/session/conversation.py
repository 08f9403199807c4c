"""Answering what the viewer says, from nothing but what they have seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

from watchbuddy_core.actions import (
    Action,
    Draft,
    EndReaction,
    PauseVideo,
    ReplaySegment,
    Seek,
    Speak,
)
from watchbuddy_core.entries import Asked, Drop, Entry, Interrupted, Replied
from watchbuddy_core.errors import StaleFence
from watchbuddy_core.generation.answering import answer, rather_not
from watchbuddy_core.generation.offline import OfflineGenerator
from watchbuddy_core.placement.evidence import Evidence
from watchbuddy_core.protocols import Brief, Conversation
from watchbuddy_core.session.budget import Purse, WorkDesk
from watchbuddy_core.session.history import History
from watchbuddy_core.session.journal import Journal
from watchbuddy_core.session.parts import Parts
from watchbuddy_core.session.strangers import plugin_code
from watchbuddy_core.session.writing import sentence_of, within_limits
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.understanding import key_frames
from watchbuddy_core.video import Cue, KeyFrame, Overview, Understanding, Video, Window

MOST_ACTIONS = 6
"""Of one answer."""
LONGEST_PAUSE = 10.0
LONGEST_REPLAY = 30.0
_CALM = 0.4
"""Seconds without a further message before an answer is begun anew: each beginning costs."""
_MOST_TOGETHER = 10
"""So many messages, the last ones, are what a turn answers."""
_LONG_AGO = 180.0
"""Seconds before the playhead that an answer looks back in detail."""
_IN_VIEW = 12.0
"""Seconds before the playhead of which a model is shown pictures."""
_MOSTLY = 0.9
"""The share of a passage that has to be seen for what sums it up to be known."""


@dataclass(frozen=True, slots=True)
class Footage:
    """What is known of the video, whoever has seen it."""

    video: Video
    overview: Overview
    start: float
    end: float
    """The range that is watched, in media seconds."""


class Answering:
    """Answers one turn after another, beside the production of the script.

    A turn is all that was said since the last answer. What comes before its first action is
    answered with it: the work begins anew. What comes later is the next turn. An answer that an
    earlier attempt has begun goes on: what stands of it is not said again.
    """

    def __init__(
        self, record: SessionRecord, *, parts: Parts, journal: Journal, purse: Purse
    ) -> None:
        self._record = record
        self._parts = parts
        self._journal = journal
        self._purse = purse
        self._failure: Exception | None = None
        self._footage: asyncio.Future[Footage] = asyncio.get_running_loop().create_future()
        self._news = asyncio.Event()
        self._turn: asyncio.Task[None] | None = None
        self._answered: tuple[Asked, ...] = ()
        """What the turn that is at work answers."""
        self._has_begun = False

    @property
    def is_busy(self) -> bool:
        """Whether something was said that has no whole answer yet."""
        return bool(self._history.asked)

    def look_at(self, footage: Footage) -> None:
        """From now on it is known what the viewer has seen."""
        self._footage.set_result(footage)

    def hear(self, entry: Entry) -> None:
        """Take in what others write into the log."""
        if isinstance(entry, Asked | Interrupted):
            self._news.set()

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """Answer until cancelled; an answer that is being given is then given up.

        Raises:
            StaleFence: a newer attempt has taken over.
        """
        try:
            while self._failure is None:
                self._news.clear()
                await self._look_after_turn(tasks)
                await self._news.wait()
            raise self._failure
        finally:
            if self._turn is not None:
                self._turn.cancel()

    async def give_up(self, problem: str) -> None:
        """Say of all that was said that there is no answer to it."""
        for message_id in list(self._history.asked)[-1:]:
            await self._journal.write(
                Replied(message_id=message_id, actions=(), finished=True, problem=problem)
            )

    @property
    def _history(self) -> History:
        return self._journal.history

    async def _look_after_turn(self, tasks: asyncio.TaskGroup) -> None:
        """End the turn at work if it is not what is wanted, and begin the next one."""
        asked = self._history.turn
        wait = 0.0
        if self._turn is not None and not self._turn.done():
            is_interrupted = not set(self._answered) <= set(asked)
            if not is_interrupted and (self._has_begun or asked == self._answered):
                return
            self._turn.cancel()
            await asyncio.wait([self._turn])
            wait = 0.0 if is_interrupted else _CALM
            if is_interrupted and self._has_begun:
                last = self._answered[-1].message_id
                await self._journal.write(Replied(message_id=last, actions=(), finished=True))
        if asked:
            self._answered, self._has_begun = asked, bool(self._history.begun)
            self._turn = tasks.create_task(self._answer(asked, wait))

    # --- one turn ----------------------------------------------------------------------

    async def _answer(self, asked: tuple[Asked, ...], wait: float) -> None:
        try:
            await asyncio.sleep(wait)
            footage = await self._footage if self._history.watched else None
            await self._reply(footage, asked)
        except Exception as exc:  # noqa: BLE001 - raised again by `run`
            self._failure = exc
        finally:
            self._news.set()

    async def _reply(self, footage: Footage | None, asked: tuple[Asked, ...]) -> None:
        message_id = asked[-1].message_id
        message = "\n".join(one.text for one in asked[-_MOST_TOGETHER:])
        brief = self._brief(footage, asked)
        heard = (cue.text for cue in brief.understanding.cues)
        talked = (exchange.text for exchange in brief.talk)
        known = (brief.title, message, *heard, *talked, *self._known())
        evidence = Evidence(self._cues(footage), known, self._phrases())
        rules = _Rules(brief, evidence)
        standing = list(self._history.begun)
        said = list(standing)
        dropped: list[Drop] = []
        problem = None
        try:
            with plugin_code():
                async with aclosing(self._drafts(brief, message)) as drafts:
                    async for draft in drafts:
                        action = rules.checked(draft)
                        if isinstance(action, Drop):
                            dropped.append(action)
                        elif (like := _like(action, standing)) is not None:
                            standing.remove(like)
                        else:
                            said.append(action)
                            await self._say(message_id, action)
                        if len(said) >= MOST_ACTIONS:
                            break
        except StaleFence:
            raise
        except Exception as exc:  # noqa: BLE001 - of a plugin, which fails for its answer alone
            problem = sentence_of(exc)
        if problem is None and not any(isinstance(action, Speak) for action in said):
            # Who is spoken to says something, be it that they would rather not say.
            for draft in rather_not(brief, message) if dropped else answer(brief, message):
                await self._say(message_id, draft.action)
        await self._journal.write(
            Replied(
                message_id=message_id,
                actions=(),
                finished=True,
                dropped=tuple(dropped),
                problem=problem,
            )
        )

    async def _say(self, message_id: str, action: Action) -> None:
        self._has_begun = True
        action = action.model_copy(update={"id": str(uuid4())})
        await self._journal.write(Replied(message_id=message_id, actions=(action,), finished=False))

    def _drafts(self, brief: Brief, message: str) -> AsyncGenerator[Draft]:
        generator = self._parts.generator
        talker: Conversation = generator if isinstance(generator, Conversation) else _OFFLINE
        return within_limits(talker.reply(brief, message), self._parts)

    def _known(self) -> tuple[str, ...]:
        """What may be said, whether or not it was heard in the video."""
        character = self._parts.characters[self._record.character_id]
        return (self._record.text, *character.examples, *character.name.values())

    def _phrases(self) -> Iterator[str]:
        """What the character answers where no model does."""
        character = self._parts.characters[self._record.character_id]
        for by_kind in character.answers.values():
            for phrases in by_kind.values():
                yield from (phrase.text for phrase in phrases)

    # --- what it may rest on -----------------------------------------------------------

    def _brief(self, footage: Footage | None, asked: Sequence[Asked]) -> Brief:
        history, record = self._history, self._record
        position = asked[-1].position
        watched = tuple(history.watched)
        seen = Seen(watched)
        start, end = (footage.start, footage.end) if footage else (record.start_time, position)
        window = Window(index=0, start=max(start, position - _LONG_AGO), end=max(position, start))
        outline = history.outlined.points if history.outlined else ()
        memories = [
            one
            for one in history.scripted.values()
            if one.memory and seen.share_of(one.window.start, one.window.end) >= _MOSTLY
        ]
        nearest = max(memories, key=lambda one: one.window.end, default=None)
        return Brief(
            title=footage.video.title if footage else "",
            window=window,
            range_start=start,
            range_end=end,
            understanding=self._understanding(footage, seen, window),
            character=self._parts.characters[record.character_id],
            wish=record.text,
            language=record.language,
            outline=tuple(
                point for point in outline if seen.share_of(point.start, point.end) >= _MOSTLY
            ),
            memory=nearest.memory if nearest else "",
            last_lines=tuple(history.lines_heard[-_LINES:]),
            position=position,
            watched=watched,
            talk=tuple(history.talk[-_EXCHANGES:]),
            begun=tuple(one.text for one in history.begun if isinstance(one, Speak)),
            video_url=record.video_url,
            desk=WorkDesk(
                "reply",
                purse=self._purse,
                note=self._journal.note,
                pictures=partial(_view, footage, seen, position) if footage else None,
            ),
        )

    def _understanding(self, footage: Footage | None, seen: Seen, window: Window) -> Understanding:
        if footage is None:
            return Understanding(start=window.start, end=window.end, has_picture=False)
        return Understanding(
            start=window.start,
            end=window.end,
            cues=tuple(cue for cue in self._cues(footage) if seen.has_heard(cue)),
            chapters=tuple(
                chapter
                for chapter in footage.overview.chapters
                if seen.share_of(chapter.start, chapter.start + 1.0) > 0
            ),
            has_picture=any(stream.kind == "video" for stream in footage.overview.streams),
            has_sound=any(stream.kind == "audio" for stream in footage.overview.streams),
            language=footage.overview.language,
        )

    def _cues(self, footage: Footage | None) -> Sequence[Cue]:
        """What is said in the whole video, as far as anybody knows."""
        if footage is None:
            return ()
        heard = (cue for one in self._history.heard.values() for cue in one.cues)
        return footage.overview.cues or sorted(heard, key=lambda cue: cue.start)


_OFFLINE = OfflineGenerator()
_LINES = 8
_EXCHANGES = 12


def _like(action: Action, others: Iterable[Action]) -> Action | None:
    """The one of the others that does the same; None: none does."""
    what = _what(action)
    return next((other for other in others if _what(other) == what), None)


def _what(action: Action) -> dict[str, object]:
    return action.model_dump(exclude={"id", "trigger_timestamp", "comment"})


class Seen:
    """Which parts of the video the viewer has seen."""

    def __init__(self, watched: Sequence[tuple[float, float]]) -> None:
        self._watched = watched

    def has_heard(self, cue: Cue) -> bool:
        """To its end: of what is only begun nobody knows the rest."""
        return any(start <= cue.start and cue.end <= end for start, end in self._watched)

    def includes(self, start: float, end: float) -> bool:
        """Whether a passage was seen whole, but for half a second at its borders."""
        return any(a <= start + 0.5 and end <= b + 0.5 for a, b in self._watched)

    def share_of(self, start: float, end: float) -> float:
        """0 to 1."""
        if end <= start:
            return 1.0 if self.includes(start, end) else 0.0
        common = sum(max(0.0, min(b, end) - max(a, start)) for a, b in self._watched)
        return common / (end - start)


async def _view(footage: Footage, seen: Seen, position: float) -> Sequence[KeyFrame]:
    """Pictures of what the viewer has in view, and of nothing that they have not seen."""
    start = max(position - _IN_VIEW, 0.0)
    while start < position and not seen.includes(start, position):
        start += 1.0
    if start >= position:
        return ()
    known = Understanding(start=start, end=position)
    return await key_frames(footage.video, known, Window(index=0, start=start, end=position))


class _Rules:
    """What an action of an answer has to keep to."""

    def __init__(self, brief: Brief, evidence: Evidence) -> None:
        self._position = brief.position or 0.0
        self._seen = Seen(brief.watched)
        self._evidence = evidence

    def checked(self, draft: Draft) -> Action | Drop:
        """The action at the playhead, or why it is none."""
        action = draft.action
        reason = self._objection(draft)
        if reason is not None:
            return Drop(
                reason=reason,
                trigger_timestamp=self._position,
                action_type=action.action_type,
                text=action.text if isinstance(action, Speak) else None,
            )
        return action.model_copy(
            update={"trigger_timestamp": round(self._position, 3), "comment": "an answer"}
        )

    def _objection(self, draft: Draft) -> str | None:
        match draft.action:
            case Speak(text=text) if self._evidence.is_foreign(text):
                return "spoiler"
            case Seek(target_timestamp=target) if not self._seen.includes(target, target):
                return "forward_seek"
            case ReplaySegment(start_timestamp=start, end_timestamp=end) if not (
                0 < end - start <= LONGEST_REPLAY and self._seen.includes(start, end)
            ):
                return "out_of_range"
            case PauseVideo(duration_seconds=seconds) if seconds > LONGEST_PAUSE:
                return "pauses"
            case EndReaction():
                return "out_of_range"
        return None
