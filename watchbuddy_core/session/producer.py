"""The producer: from a session's record to a complete script in its log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Container
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from watchbuddy_core.actions import Density
from watchbuddy_core.entries import Failed, Fence, Ready, Scripted, Stage, StageName
from watchbuddy_core.errors import (
    ActionGenerationFailed,
    InvalidTimeRange,
    ProcessingFailed,
    StaleFence,
    StorageFull,
    StoreFailed,
    WatchBuddyError,
)
from watchbuddy_core.session.budget import Purse
from watchbuddy_core.session.conversation import Answering, Footage
from watchbuddy_core.session.history import History
from watchbuddy_core.session.journal import Journal
from watchbuddy_core.session.listening import Listening, with_words
from watchbuddy_core.session.opening import Film, Opening
from watchbuddy_core.session.parts import Parts
from watchbuddy_core.session.scripting import Scripting
from watchbuddy_core.session.windows import Viewer, next_window
from watchbuddy_core.session.writing import Writing, content_of
from watchbuddy_core.storage import ProgressReport, SessionRecord, Store
from watchbuddy_core.understanding import understand
from watchbuddy_core.video import Understanding, Window

_log = logging.getLogger("watchbuddy.session")

Turn = Callable[[StageName], AbstractAsyncContextManager[object]]
"""Entered for each piece of work, so that a program can bound how many are done at a time."""

_DOING: dict[StageName, str] = {
    "fetching": "Fetching the video",
    "understanding": "Looking through the video",
    "generating": "Thinking of what to say",
}
_STORE_PAUSE = 2.0
"""Seconds after which a window is tried again that nothing could be written of."""
_TOOK_TOO_LONG = "Preparing the video took too long, so its rest has no companion."


class Producer:
    """One attempt at producing a session's script.

    It goes on where the log ends: windows that are scripted are not scripted again. While it
    runs it follows the log, for where the viewer is and how much they want to hear.

    Args:
        turn: entered for each piece of work.
        lingers: stay, when all is scripted, as long as the viewer does: then it is no work to
            place anew what they want more or less of.
    """

    def __init__(
        self,
        record: SessionRecord,
        *,
        store: Store,
        fence: Fence,
        parts: Parts,
        history: History,
        turn: Turn = nullcontext,
        lingers: bool = False,
    ) -> None:
        self._record = record
        self._store = store
        self._parts = parts
        self._history = history
        self._attempt = fence.number
        self._opening = Opening(record, parts=parts, tell=self._tell)
        self._journal = Journal(record.session_id, log=store, fence=fence, history=history)
        self._purse = Purse(record, ledger=store, budget=parts.budget)
        self._answering = Answering(record, parts=parts, journal=self._journal, purse=self._purse)
        self._turn = turn
        self._lingers = lingers
        self._viewer = Viewer()
        self._outlining = asyncio.Lock()
        self._fetching = asyncio.Lock()
        self._news = asyncio.Event()
        """Something has changed that may change what comes next."""
        self._failure: Exception | None = None
        self._told: ProgressReport | None = None
        self._worked_seconds = 0.0
        """In this attempt. Waiting for a turn, or for the viewer, is no work."""
        self._remembered: Density | None = None
        self._understood: dict[int, Understanding] = {}
        """By place of the window, as long as the one behind it may build on it."""

    async def run(self) -> int:
        """Produce until the range is scripted or the session has failed; the log says which.

        Returns:
            up to which position of the log it has seen what others wrote.
        """
        if not self._history.is_unfinished:
            return self._journal.seen
        try:
            try:
                await self._produce()
            except (ProcessingFailed, InvalidTimeRange) as exc:
                await self._fail(exc)
            except (StaleFence, StorageFull, StoreFailed):
                raise
            except Exception:  # noqa: BLE001 - where the job ends
                _log.exception("session %s failed", self._record.session_id)
                await self._fail(WatchBuddyError("The server failed. Its log says more."))
        except StaleFence as exc:
            _log.info("session %s: %s", self._record.session_id, exc)
        return self._journal.seen

    async def _produce(self) -> None:
        if self._record.character_id not in self._parts.characters:
            raise ActionGenerationFailed(
                f"The character {self._record.character_id!r} is not installed any more."
            )
        session_id = self._record.session_id
        self._viewer = Viewer.of(self._history, now=asyncio.get_running_loop().time())
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(self._follow(), name=f"follow {session_id}")
            making = tasks.create_task(self._make(tasks), name=f"make {session_id}")
            beside = tasks.create_task(self._converse(tasks), name=f"answer {session_id}")
            # Who hears that the session is over, or another's, stops at once: also a download.
            await asyncio.wait([following, making], return_when=asyncio.FIRST_COMPLETED)
            for task in (following, making, beside):
                task.cancel()
        if self._failure is not None:
            raise self._failure

    async def _make(self, tasks: asyncio.TaskGroup) -> None:
        try:
            await self._make_all(tasks)
        except Exception as exc:  # noqa: BLE001 - raised again when the others have ended
            self._failure = self._failure or exc

    async def _make_all(self, tasks: asyncio.TaskGroup) -> None:
        film = await self._prepare()
        self._answering.look_at(Footage(film.video, film.overview, film.start, film.end))
        scripting = Scripting(
            self._record,
            parts=self._parts,
            history=self._history,
            writing=Writing(
                parts=self._parts,
                purse=self._purse,
                note=self._journal.note,
                content=content_of(film.video, film.overview),
            ),
            video=film.video,
            overview=film.overview,
            start=film.start,
            end=film.end,
        )
        await self._script_all(film, scripting, tasks)

    async def _fail(self, error: WatchBuddyError) -> None:
        """Write down why there will be no script; one that is ready plays on as it is."""
        _log.info(
            "session %s: %s: %s",
            self._record.session_id,
            error.code,
            error,
            extra={"code": error.code},
        )
        await self._answering.give_up(error.message)
        if not self._history.ready:
            await self._journal.write(
                Failed(code=error.code, message=error.message, retryable=error.retryable)
            )

    # --- the video ---------------------------------------------------------------------

    async def _prepare(self) -> Film:
        opening = self._opening
        await self._enter(Stage(stage="fetching"))
        async with self._work("fetching"):
            video = await opening.fetch()
        await self._enter(Stage(stage="understanding", title=video.title, video=video))
        async with self._work("understanding"):
            overview = await opening.look_through(video)
        film = opening.cut(video, overview)
        await self._enter(
            Stage(
                stage="generating",
                title=video.title,
                duration=overview.duration,
                start=film.start,
                end=film.end,
                notes=opening.notes(),
                estimate=await opening.estimate(film),
                video=video,
                chapters=overview.chapters,
            )
        )
        return film

    async def _enter(self, stage: Stage) -> None:
        """Write it down; but a script that was ready once stays so, whatever is placed anew."""
        if not self._history.ready:
            await self._journal.write(stage.model_copy(update={"attempt": self._attempt}))
            self._tell(ProgressReport(stage.stage, None, _DOING[stage.stage]))

    def _tell(self, report: ProgressReport) -> None:
        if report != self._told:  # what was told may have to go to other machines
            self._store.publish(self._record.session_id, report)
            self._told = report

    # --- its windows -------------------------------------------------------------------

    async def _script_all(self, film: Film, scripting: Scripting, tasks: asyncio.TaskGroup) -> None:
        """Script what the viewer comes to, until all is scripted or something has failed.

        Where nothing is wanted for the time being it waits for news.
        """
        history, windows = self._history, film.windows
        in_work: dict[int, asyncio.Task[None]] = {}
        try:
            while self._failure is None and not history.cancelled:
                self._news.clear()
                await self._place_anew(scripting)
                in_work = {i: task for i, task in in_work.items() if not task.done()}
                done = {i for i, window in enumerate(windows) if window.index in history.placed}
                self._tell(_share_of(len(done), len(windows)))
                if len(done) == len(windows):
                    if not history.ready:
                        await self._journal.write(Ready())
                        _log.info("session %s is ready", self._record.session_id)
                    if await self._is_over():
                        return
                    continue
                while (i := self._next(windows, done, in_work)) is not None:
                    in_work[i] = tasks.create_task(self._script(i, film, scripting))
                await self._news.wait()
        except Exception as exc:  # noqa: BLE001 - raised again when the others have ended
            self._failure = exc
        finally:
            for task in in_work.values():
                task.cancel()

    async def _is_over(self) -> bool:
        """Whether there is nothing more to do when all is scripted; waits for what comes."""
        if self._answering.is_busy:
            await self._news.wait()
            return False
        return not (self._lingers and await self._hears_news())

    async def _hears_news(self) -> bool:
        """Wait for news; False, when none comes for so long that the viewer has gone."""
        try:
            async with asyncio.timeout(self._parts.patience):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    def _next(
        self, windows: tuple[Window, ...], done: Container[int], in_work: Container[int]
    ) -> int | None:
        now = asyncio.get_running_loop().time()
        return next_window(
            windows,
            done=done,
            in_work=in_work,
            viewer=self._viewer,
            is_away=self._viewer.is_away(now=now, patience=self._parts.patience),
        )

    @asynccontextmanager
    async def _work(self, stage: StageName) -> AsyncIterator[None]:
        """One piece of work, when it is its turn; how long it takes is counted."""
        async with self._turn(stage):
            loop = asyncio.get_running_loop()
            began = loop.time()
            try:
                yield
            finally:
                self._worked_seconds += loop.time() - began

    @property
    def _is_overdue(self) -> bool:
        """Whether so much was worked that nothing new is begun. A session always gets its first
        window, which has a time limit of its own: without one there would be nothing to play."""
        return bool(self._history.scripted) and (
            self._worked_seconds > self._parts.preparing_seconds
        )

    async def _script(self, i: int, film: Film, scripting: Scripting) -> None:
        """One window, from the video to its actions in the log."""
        window = film.windows[i]
        try:
            if film.is_elsewhere and not self._opening.is_looked_at():
                await self._bring_here(film)
            async with self._work("generating"):
                if self._is_overdue and window.index not in self._history.scripted:
                    silence = scripting.silence(window, _TOOK_TOO_LONG, problem=_TOOK_TOO_LONG)
                    await self._journal.write(silence)
                    await self._journal.write(scripting.place(silence))
                    self._news.set()
                    return
                understood = await understand(
                    film.video,
                    film.overview,
                    window,
                    self._understood.pop(i - 1, None),
                    film.start,
                    hurried=self._viewer.waits_for(i, film.windows),
                    cache=self._parts.cache,
                )
                if not film.overview.cues:
                    understood = await self._listen(film, window, understood)
                self._understood[i] = understood
                scripted = self._history.scripted.get(window.index)
                if scripted is None:
                    scripted = await self._generate(i, film, scripting, understood)
                    loud = next((one for one in understood.loudness[-1:]), None)
                    scripted = scripted.model_copy(update={"loudness": loud})
                    await self._journal.write(scripted)
                    self._note(scripted)
                await self._journal.write(scripting.place(scripted))
        except Exception as exc:  # noqa: BLE001 - raised again where the windows are ordered
            self._failure = exc
        self._news.set()

    async def _generate(
        self, i: int, film: Film, scripting: Scripting, understood: Understanding
    ) -> Scripted:
        """One window's drafts. Where nothing can be written down, nothing is bought either: it
        is tried again, and keeps its turn meanwhile, since the others fare no better."""
        while True:
            try:
                if self._history.scripted and not self._viewer.waits_for(i, film.windows):
                    await self._outline(scripting)
                scripting.video = film.video
                return await scripting.generate(film.windows[i], understood)
            except (StorageFull, StoreFailed):
                await asyncio.sleep(_STORE_PAUSE)

    def _note(self, scripted: Scripted) -> None:
        used, total = self._history.usage_of(scripted.window.index), self._history.usage
        if used.calls or scripted.cached:
            _log.info(
                "session %s: window %d from %s%s: %d + %d tokens%s",
                self._record.session_id,
                scripted.window.index,
                scripted.rung or scripted.generator,
                " (from the cache)" if scripted.cached else "",
                used.prompt_tokens,
                used.completion_tokens,
                "" if total.cost is None else f", ${used.cost:.4f} of ${total.cost:.4f} so far",
            )

    async def _bring_here(self, film: Film) -> None:
        """Fetch the video after all: the generator could not look at it where it is.

        The windows stay as they are. Where it cannot be fetched, its words have to do.
        """
        async with self._fetching:
            if not film.is_elsewhere:
                return
            film.is_elsewhere = False
            try:
                film.video = await self._opening.fetch()
                film.overview = film.overview.model_copy(
                    update={"streams": (await self._opening.look_through(film.video)).streams}
                )
            except ProcessingFailed as exc:
                _log.info("session %s: %s", self._record.session_id, exc)

    async def _outline(self, scripting: Scripting) -> None:
        """Have the whole read, once. Nobody waits for it: the first window is told without,
        and so is one that the viewer has leapt to."""
        async with self._outlining:
            if self._history.outlined is None:
                outlined = await scripting.outline()
                if outlined is not None:
                    await self._journal.write(outlined)

    async def _listen(self, film: Film, window: Window, understood: Understanding) -> Understanding:
        """Take down what is said, once; and what is known with it."""
        heard = self._history.heard
        if window.index not in heard and understood.speech:
            words = with_words(understood, heard.values())
            listening = Listening(film.video, self._parts)
            await self._journal.write(
                await listening.hear(window, understood.speech, words.language)
            )
        return with_words(understood, heard.values())

    async def _place_anew(self, scripting: Scripting) -> None:
        out_of_date = self._history.out_of_date
        if out_of_date:
            windows = [self._history.scripted[index] for index in out_of_date]
            await self._journal.write(*await scripting.place_anew(windows))

    async def _converse(self, tasks: asyncio.TaskGroup) -> None:
        """Answer what the viewer says."""
        try:
            await self._answering.run(tasks)
        except Exception as exc:  # noqa: BLE001 - raised again where the windows are ordered
            self._failure = exc
            self._news.set()

    async def _remember_wish(self) -> None:
        """Keep how much a user wants to hear, for their next session."""
        record, wanted = self._record, self._history.audible
        if record.user_id is not None and wanted is not None and wanted != self._remembered:
            try:
                await self._store.prefer(record.caller, record.user_id, wanted)
            except (StorageFull, StoreFailed) as exc:  # it stands in the log: the next time, then
                _log.info("session %s: %s", record.session_id, exc)
            else:
                self._remembered = wanted

    async def _follow(self) -> None:
        """Hear what the viewer does, until the session is cancelled."""
        loop = asyncio.get_running_loop()
        try:
            await self._remember_wish()
            async for entry in self._journal.others():
                self._viewer.hear(entry, now=loop.time())
                self._answering.hear(entry)
                self._news.set()
                await self._remember_wish()
                if self._history.cancelled:
                    return
        except Exception as exc:  # noqa: BLE001 - raised again where the windows are ordered
            self._failure = exc
            self._news.set()


def _share_of(done: int, windows: int) -> ProgressReport:
    return ProgressReport(
        "generating", done / windows, f"{done} of {windows} parts of the video are ready"
    )
