"""The companion with a language model."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Literal

from watchbuddy_core.actions import Draft
from watchbuddy_core.entries import Notice, OutlinePoint, Rung, Usage
from watchbuddy_core.errors import ActionGenerationFailed, InvalidSettings
from watchbuddy_core.generation.model import prompts
from watchbuddy_core.generation.model.calls import (
    PICTURE_TOKENS,
    Format,
    Model,
    Patience,
    Question,
)
from watchbuddy_core.generation.model.failures import CallFailed
from watchbuddy_core.generation.model.outlines import read_outline
from watchbuddy_core.generation.model.schema import actions_schema, outline_schema
from watchbuddy_core.generation.reading import DraftReader
from watchbuddy_core.protocols import Brief, Desk, WorkReport
from watchbuddy_core.video import KeyFrame, Overview, Window, clock

_log = logging.getLogger("watchbuddy.model")

_TOKENS_PER_ACTION = 90
_MEMORY_TOKENS = 350
_ANSWER_ACTIONS = 6
_OUTLINE_POINTS = 12
_OUTLINE_TOKENS = 1200
_ENOUGH_LEFT = 15.0
"""Seconds of a window that was cut short for which it is worth asking once more."""
_SMALLEST_ROOM = 300
"""Letters of transcript below which a model is too small."""
_PICTURES_PER_WINDOW = 10
_PROMPT_TOKENS = 1500
"""Of a window's prompt, without transcript and pictures."""
_OPENS_YOUTUBE = ("gemini/", "vertex_ai/gemini")
_WORTH_ANOTHER = ("cut_short", "timeout")
_NOT_THE_VIDEO = ("rejected", "no_pictures", "too_long", "provider")
_NOT_THE_PICTURES = ("rejected", "no_pictures")


class LiteLLMGenerator:
    """An ActionGenerator that asks a language model, by any name that litellm knows.

    Keys come from the environment, and from nowhere else.

    Args:
        model: by its litellm name: `provider/model`, such as `gemini/gemini-2.5-flash`, or
            `openai/anything` for a server that speaks the OpenAI protocol.
        api_base: the address of a server of one's own, such as `http://127.0.0.1:8080/v1`.
        key_variable: the environment variable that holds the key, where it is not the one
            that litellm expects.
        vision: whether the model is shown pictures. auto: where it is known to see.
        video: whether it is given links that it can open by itself. auto: Gemini and YouTube.
        json: how it is held to JSON. auto: by a schema if it takes one, else more loosely.
        reasoning: how hard a model that can think first does so; `none`: as it likes.
        temperature: how daring it is. None: as it is by default.
        context_letters: of transcript in one prompt, at most.
        idle_seconds: how long is waited for the next piece of an answer.
        total_seconds: how long a whole answer may take.
        retry_seconds: how long is waited before each further try of a call that failed before
            its answer began.

    Raises:
        MissingExtra: litellm is not installed.
        InvalidSettings: no model is named.
    """

    def __init__(
        self,
        *,
        model: str | None = None,
        api_base: str | None = None,
        key_variable: str | None = None,
        vision: Literal["auto", "on", "off"] = "auto",
        video: Literal["auto", "on", "off"] = "auto",
        json: Literal["auto", "schema", "object", "none"] = "auto",
        reasoning: str = "low",
        temperature: float | None = None,
        context_letters: int = 60_000,
        idle_seconds: float = 45.0,
        total_seconds: float = 150.0,
        retry_seconds: Sequence[float] = (1.0, 4.0),
    ) -> None:
        if not model:
            raise InvalidSettings(
                "The generator litellm needs a model: --model gemini/gemini-2.5-flash."
            )
        form: Format | None = None if json == "auto" else json
        self._model = Model(
            model,
            api_base=api_base,
            key_variable=key_variable,
            format=form,
            reasoning=reasoning,
            temperature=temperature,
            patience=Patience(idle_seconds, total_seconds, tuple(retry_seconds)),
        )
        self._vision = vision
        self._video = video
        self._letters = context_letters
        self._options = (reasoning, temperature, json)
        self._failed: set[Rung] = set()
        """What the model could not work from, for as long as the program runs."""

    # --- before the work ---------------------------------------------------------------

    async def prepare(self) -> Sequence[str]:
        """Load litellm, and tell whether the key is missing or the name makes no sense."""
        return await self._model.prepare()

    async def estimate(self, url: str, overview: Overview, windows: Sequence[Window]) -> Usage:
        """What the script of these windows will use, and the outline with it."""
        prices = await self._model.prices()
        has_picture = any(stream.kind == "video" for stream in overview.streams)
        pictures = _PICTURES_PER_WINDOW if has_picture and await self._sees() else 0
        is_shown_all = self.looks_at(url)
        said = [prompts.letters_of(overview.cues, window.start, window.end) for window in windows]
        total = Usage()
        for window, letters in zip(windows, said, strict=True):
            most = prompts.actions_wanted(window.start, window.end)
            shown = pictures * PICTURE_TOKENS
            if is_shown_all:
                shown = prompts.video_tokens(window.start, window.end)
            total += prices.usage(
                _PROMPT_TOKENS + letters // 3 + shown,
                most * _TOKENS_PER_ACTION // 2 + 120,
            )
        if len(windows) > 1 and overview.cues:
            total += prices.usage(sum(said) // 3 + 400, _OUTLINE_TOKENS // 2)
        return total

    def looks_at(self, url: str) -> bool:
        """Whether the model opens this link by itself."""
        if "video" in self._failed or self._video == "off":
            return False
        is_able = self._video == "on" or self._model.name.startswith(_OPENS_YOUTUBE)
        return is_able and prompts.youtube_link(url) is not None

    def fingerprint(self, brief: Brief | None) -> str:
        """The model, where it runs, its options, the prompts, and the rungs that hold."""
        url = brief.video_url if brief is not None else ""
        facts = (
            self._model.name,
            self._model.api_base,
            self._options,
            self._vision,
            sorted(self._failed),
            self.looks_at(url),
            prompts.version(),
        )
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

    # --- a window ----------------------------------------------------------------------

    async def generate(self, brief: Brief) -> AsyncIterator[Draft]:
        """Yield drafts as the model writes them.

        An answer that is cut short is continued once from its last action. What the model
        cannot take in is left out of the next try: first the video, then the pictures, then
        the earlier part of the transcript.

        Raises:
            ActionGenerationFailed: not a single draft came, and not for lack of anything to
                say; with a sentence for the viewer.
            BudgetReached: nothing more may be spent.
        """
        rung, pictures = await self._view(brief)
        done: list[Draft] = []
        notices: list[Notice] = []
        remarks: list[str] = []
        rejected: Counter[str] = Counter()
        memory = ""
        retracted = 0
        since = brief.window.start
        is_second_try = False
        failure: CallFailed | None = None
        while True:
            reader, before = DraftReader(), len(done)
            question = self._about_window(brief, rung, pictures, since, done)
            try:
                async with aclosing(self._read(question, reader, brief.desk)) as drafts:
                    async for draft in drafts:
                        done.append(draft)
                        yield draft
                failure = None
            except CallFailed as exc:
                failure = exc
            rejected.update(reader.rejected)
            for one in reader.rejections:
                _log.debug("rejected, %s: %s", one.reason, one.excerpt)
            memory = reader.memory or memory
            if reader.retracted:
                retracted = before + reader.retracted
            if failure is None:
                break
            if (notice := self._step_down(failure, rung)) is not None:
                notices.append(notice)
                rung, pictures = await self._view(brief)
                continue
            if failure.reason not in _WORTH_ANOTHER or is_second_try:
                break
            is_second_try = True
            since = max([since, *(draft.action.trigger_timestamp for draft in done)])
            if brief.window.end - since < _ENOUGH_LEFT:
                break
            remarks.append(f"{failure} It was asked to go on from {clock(since)}.")
        if failure is not None and not done:
            raise ActionGenerationFailed(str(failure))
        if failure is not None:
            remarks.append(str(failure))
        brief.desk.report(
            WorkReport(
                rung=rung,
                memory=memory,
                notices=tuple(notices),
                remarks=tuple(remarks),
                rejected=rejected,
                is_whole=failure is None,
                retracted=retracted,
            )
        )

    # --- a conversation ----------------------------------------------------------------

    async def reply(self, brief: Brief, message: str) -> AsyncIterator[Draft]:
        """Yield the answer as the model writes it.

        What it rests on is what the brief holds, and that is what the viewer has seen: native
        video is not used, since it would show the rest as well.

        Raises:
            ActionGenerationFailed: the model gave no answer, or broke off.
            BudgetReached: nothing more may be spent.
        """
        position = brief.position or 0.0
        has_begun = False
        while True:
            pictures = await brief.desk.pictures() if await self._sees() else ()
            reader = DraftReader()
            question = Question(
                prompts.reply_messages(brief, message, pictures=pictures, letters=self._letters),
                actions_schema(
                    start=position, end=position, most=_ANSWER_ACTIONS, farewell=False, memory=False
                ),
                _ANSWER_ACTIONS * _TOKENS_PER_ACTION,
            )
            try:
                async with aclosing(self._read(question, reader, brief.desk)) as drafts:
                    async for draft in drafts:
                        has_begun = True
                        yield draft
                return
            except CallFailed as exc:
                rung: Rung = "frames" if pictures else "transcript"
                if has_begun or self._step_down(exc, rung) is None:
                    raise ActionGenerationFailed(str(exc)) from None

    async def _read(
        self, question: Question, reader: DraftReader, desk: Desk
    ) -> AsyncGenerator[Draft]:
        """The drafts of one answer.

        Raises:
            CallFailed: it is not whole. That a provider says so is not believed: an answer is
                whole when its last bracket is closed.
        """
        try:
            async with aclosing(self._model.stream(question, desk)) as texts:
                async for text in texts:
                    for draft in reader.feed(text):
                        yield draft
        finally:
            rest = reader.close()
        for draft in rest:
            yield draft
        if not reader.is_complete:
            raise CallFailed(
                "cut_short", f"The answer of the model {self._model.name!r} broke off."
            )

    def _about_window(
        self,
        brief: Brief,
        rung: Rung,
        pictures: Sequence[KeyFrame],
        since: float,
        done: Sequence[Draft],
    ) -> Question:
        end = brief.window.end
        most = prompts.actions_wanted(since, end)
        messages = prompts.window_messages(
            brief,
            since=since,
            done=done,
            pictures=pictures,
            video=rung == "video",
            letters=self._letters,
        )
        return Question(
            messages,
            actions_schema(start=since, end=end, most=most, farewell=brief.is_last),
            most * _TOKENS_PER_ACTION + _MEMORY_TOKENS,
            video_tokens=prompts.video_tokens(brief.window.start, end) if rung == "video" else 0,
            extra=prompts.with_video(messages, brief) if rung == "video" else {},
        )

    # --- the outline -------------------------------------------------------------------

    async def outline(
        self, title: str, overview: Overview, start: float, end: float, desk: Desk
    ) -> Sequence[OutlinePoint]:
        """What happens in the range, by its subtitles, in a few points.

        Raises:
            ActionGenerationFailed: the model did not tell.
            BudgetReached: nothing more may be spent.
        """
        while True:
            try:
                text = await self._outlined(title, overview, start, end, desk)
                break
            except CallFailed as exc:
                if self._step_down(exc, "transcript") is None:
                    raise ActionGenerationFailed(str(exc)) from None
        return read_outline(text, start=start, end=end)

    async def _outlined(
        self, title: str, overview: Overview, start: float, end: float, desk: Desk
    ) -> str:
        messages = prompts.outline_messages(
            title, overview, start=start, end=end, letters=self._letters
        )
        schema = outline_schema(start=start, end=end, most=_OUTLINE_POINTS)
        question = Question(messages, schema, _OUTLINE_TOKENS)
        async with aclosing(self._model.stream(question, desk)) as texts:
            return "".join([text async for text in texts])

    # --- what it works from ------------------------------------------------------------

    async def _view(self, brief: Brief) -> tuple[Rung, Sequence[KeyFrame]]:
        """The best that the model can take, and the pictures where that is pictures."""
        if self.looks_at(brief.video_url):
            return "video", ()
        if brief.understanding.has_picture and await self._sees():
            pictures = await brief.desk.pictures()
            if pictures:
                return "frames", pictures
        return "transcript", ()

    async def _sees(self) -> bool:
        if "frames" in self._failed or self._vision == "off":
            return False
        return self._vision == "on" or await self._model.can_see()

    def _step_down(self, failure: CallFailed, rung: Rung) -> Notice | None:
        """Do with less from now on, where that may be what is wrong; None: it is not."""
        name = self._model.name
        if rung == "video" and failure.reason in (
            "rejected",
            "provider",
            "too_long",
            "no_pictures",
        ):
            self._failed.add("video")
            return Notice(
                code="WITHOUT_VIDEO",
                message=f"The model {name!r} could not open the video by itself. "
                "The companion goes by pictures and by what is said.",
            )
        if rung == "frames" and failure.reason in _NOT_THE_PICTURES:
            self._failed.add("frames")
            return Notice(
                code="WITHOUT_PICTURES",
                message=f"The model {name!r} takes no pictures. "
                "The companion goes by what is said.",
            )
        if failure.reason == "too_long" and self._letters // 2 >= _SMALLEST_ROOM:
            self._letters //= 2
            return Notice(
                code="LESS_CONTEXT",
                message=f"The model {name!r} takes in little at a time. "
                "The companion may miss what hangs together.",
            )
        return None
