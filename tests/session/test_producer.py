"""From a request to a complete script, over a real file and the log alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from watchbuddy_core.entries import Failed, Placed, Ready, Scripted, Stage, Wanted
from watchbuddy_core.errors import (
    ActionGenerationFailed,
    InvalidTimeRange,
    MissingExtra,
    SessionNotFound,
    UnknownCharacter,
    UnsupportedVideoSource,
    VideoDownloadFailed,
)
from watchbuddy_core.session import LocalJobs, ScriptFailed, WatchSession
from watchbuddy_core.storage import ProgressReport
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.video import Video


def test_a_script_comes_window_by_window_in_order(studio: Any, run: Any, film: Video) -> None:
    async def scenario() -> None:
        made = studio(film)
        session = await made.session()
        await session.produce()
        entries = await made.entries(session)
        kinds = [entry.kind for entry in entries]
        assert kinds == [*["stage"] * 3, *["window", "placed"] * 2, "ready"]
        assert [e.stage for e in entries if isinstance(e, Stage)] == [
            "fetching",
            "understanding",
            "generating",
        ]
        assert [e.window.index for e in entries if isinstance(e, Scripted)] == [0, 1]
        status = await session.status()
        assert status.status == "ready"
        assert status.duration == pytest.approx(180.0, abs=0.5)
        assert status.coverage == ((0.0, status.end_time),)
        placed = sum(len(e.actions) for e in entries if isinstance(e, Placed))
        assert status.actions == {"SPEAK": placed}
        assert placed >= 5

    run(scenario())


def test_each_brief_knows_nothing_later_than_its_window(studio: Any, run: Any, film: Video) -> None:
    async def scenario() -> None:
        made = studio(film)
        session = await made.session(text="a wish")
        await session.produce()
        first, last = made.generator.briefs
        assert first.understanding.end == first.window.end
        assert (first.is_first, first.is_last) == (True, False)
        assert (last.is_first, last.is_last) == (False, True)
        assert last.understanding.start == 0.0
        assert first.last_lines == ()
        assert [line.text for line in last.last_lines]
        assert all(line.trigger_timestamp < last.window.start for line in last.last_lines)
        assert (first.title, first.wish, first.character.id) == ("A film", "a wish", "miao")

    run(scenario())


def test_a_range_bounds_what_is_scripted_and_keeps_the_times_of_the_whole(
    studio: Any, run: Any, film: Video
) -> None:
    async def scenario() -> None:
        made = studio(film)
        session = await made.session(start_time=60, end_time=120)
        await session.produce()
        actions = [a for e in await made.entries(session) if e.kind == "placed" for a in e.actions]
        assert actions
        assert all(60 <= action.trigger_timestamp <= 119 for action in actions)
        assert [brief.window.start for brief in made.generator.briefs] == [60.0]

    run(scenario())


def test_ids_are_uuids_of_ours_and_the_same_for_every_attempt(
    studio: Any, run: Any, film: Video
) -> None:
    async def scenario() -> None:
        made = studio(film)
        session = await made.session()
        await session.produce()
        ids = [a.id for e in await made.entries(session) if e.kind == "placed" for a in e.actions]
        assert len(set(ids)) == len(ids)
        assert all(len(id) == 36 for id in ids)
        assert not set(ids) & {draft.action.id for draft in made.generator.drafts}

        other = await made.session()
        await other.produce()
        others = [a.id for e in await made.entries(other) if e.kind == "placed" for a in e.actions]
        assert not set(ids) & set(others)

    run(scenario())


def test_a_second_attempt_goes_on_where_the_first_was_cut_off(
    studio: Any, run: Any, film: Video
) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        made = studio(film, waits={1: gate})
        session = await made.session()
        first = asyncio.create_task(session.produce())
        while len(made.generator.briefs) < 2:
            await asyncio.sleep(0.01)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        before = await made.entries(session)
        assert [e.kind for e in before][-2:] == ["window", "placed"]

        gate.set()
        await session.produce()
        entries = await made.entries(session)
        assert entries[: len(before)] == before
        assert isinstance(entries[-1], Ready)
        assert [brief.window.index for brief in made.generator.briefs] == [0, 1, 1]
        assert [e.window.index for e in entries if isinstance(e, Scripted)] == [0, 1]
        await session.produce()
        assert await made.entries(session) == entries

    run(scenario())


def test_what_was_told_of_the_progress_is_not_told_again_with_each_report_of_the_viewer(
    studio: Any, run: Any, film: Video
) -> None:
    """A store that several machines share sends it to each of them."""

    async def scenario() -> None:
        made = studio(film)
        session = await made.session()
        told: list[ProgressReport] = []
        publish = made.store.publish

        def note(session_id: str, report: ProgressReport) -> None:
            told.append(report)
            publish(session_id, report)

        made.store.publish = note
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(session.produce(lingers=True))
            while (await session.status()).status != "ready":
                await asyncio.sleep(0.01)
            for position in (1.0, 3.5, 6.0):
                await made.store.append(session.session_id, [Wanted(position=position)], None)
                await asyncio.sleep(0.05)
            await session.cancel()
        assert all(now != next for now, next in pairwise(told))
        assert told[-1].fraction == 1.0

    run(scenario())


@pytest.mark.parametrize("at", ["a window", "the end"])
def test_an_attempt_that_was_replaced_writes_nothing_more_and_is_no_failure(
    studio: Any, run: Any, film: Video, caplog: pytest.LogCaptureFixture, at: str
) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        made = studio(film, waits={0: gate})
        session = await made.session()
        async with asyncio.TaskGroup() as tasks:
            old = tasks.create_task(session.produce())
            while not made.generator.briefs:
                await asyncio.sleep(0.01)
            if at == "the end":
                append = made.store.append

                async def taken_over_at_the_end(id: str, entries: Any, fence: Any) -> int:
                    if isinstance(entries[0], Ready):
                        await made.store.fence(id, "producer")
                    return int(await append(id, entries, fence))

                made.store.append = taken_over_at_the_end
            else:
                await made.store.fence(session.session_id, "producer")
            gate.set()
            await old
        kinds = [entry.kind for entry in await made.entries(session)]
        assert kinds[3:] == ([] if at == "a window" else ["window", "placed"] * 2)
        assert not [record for record in caplog.records if record.levelname == "ERROR"]

    run(scenario())


# --- failing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (VideoDownloadFailed("The site is down."), "VIDEO_DOWNLOAD_FAILED", "The site is down."),
        (
            MissingExtra("youtube", "Watching links"),
            "VIDEO_UNAVAILABLE",
            "Watching links needs an extra: pip install 'watchbuddy[youtube]'.",
        ),
        (
            RuntimeError("secret path /srv/x"),
            "INTERNAL_ERROR",
            "The server failed. Its log says more.",
        ),
    ],
)
def test_a_source_that_fails_ends_the_session_with_its_code(
    studio: Any, run: Any, film: Video, raised: Exception, code: str, message: str
) -> None:
    async def scenario() -> None:
        made = studio(film)
        made.source.failures[made.url] = raised
        session = await made.session()
        await session.produce()
        failed = (await made.entries(session))[-1]
        assert isinstance(failed, Failed)
        assert (failed.code, failed.message) == (code, message)
        assert (await session.status()).status == "failed"

    run(scenario())


def test_a_generator_that_fails_is_told_as_the_api_document_shows(
    studio: Any, run: Any, film: Video
) -> None:
    async def scenario() -> None:
        failure = ActionGenerationFailed("the model is away")
        made = studio(film, failures={0: failure})
        session = await made.session()
        await session.produce()
        failed = (await made.entries(session))[-1]
        assert failed.code == "ACTION_GENERATION_FAILED"
        assert failed.message == "Failed to generate actions for the video: the model is away"

    run(scenario())


def test_a_character_that_is_gone_fails_the_session_and_can_still_be_asked_about(
    studio: Any, run: Any, film: Video
) -> None:
    async def scenario() -> None:
        made = studio(film)
        session = await made.session()
        parts = replace(made.parts, characters={})
        session = await WatchSession.find(session.session_id, store=made.store, parts=parts)
        await session.produce()
        status = await session.status()
        assert status.error is not None
        assert status.error.code == "ACTION_GENERATION_FAILED"
        assert "'miao' is not installed any more" in status.error.message
        async with session.connect() as delivery:
            assert [type(item) async for item in delivery] == [ScriptFailed]

    run(scenario())


@pytest.mark.parametrize("fields", [{"start_time": 500}, {"start_time": 179.9}])
def test_a_range_beyond_the_end_fails_with_its_code(
    studio: Any, run: Any, film: Video, fields: dict[str, float]
) -> None:
    async def scenario() -> None:
        made = studio(film)
        session = await made.session(**fields)
        await session.produce()
        failed = (await made.entries(session))[-1]
        assert failed.code == "INVALID_TIME_RANGE"
        assert not made.generator.briefs

    run(scenario())


def test_a_video_that_vanishes_before_it_is_looked_through_is_told_as_such(
    studio: Any, run: Any, film: Video, tmp_path: Path
) -> None:
    async def scenario() -> None:
        made = studio(film.model_copy(update={"content_id": "gone", "path": tmp_path / "gone.mp4"}))
        session = await made.session()
        await session.produce()
        failed = (await made.entries(session))[-1]
        assert failed.code == "VIDEO_UNAVAILABLE"
        assert "was deleted" in failed.message

    run(scenario())


def test_a_file_that_is_no_video_is_unreadable(studio: Any, run: Any, tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "letter.mp4"
        path.write_text("Dear Sir or Madam")
        made = studio(Video(content_id="x", title="letter", path=path))
        session = await made.session()
        await session.produce()
        failed = (await made.entries(session))[-1]
        assert failed.code == "VIDEO_UNREADABLE"
        assert str(tmp_path) not in failed.message

    run(scenario())


# --- creating --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"video_url": "https://vimeo.com/76979871"}, UnsupportedVideoSource),
        ({"character_id": "nobody"}, UnknownCharacter),
        ({"start_time": 5, "end_time": 5}, InvalidTimeRange),
    ],
)
def test_a_request_that_cannot_be_served_is_refused_and_not_kept(
    studio: Any, run: Any, film: Video, fields: dict[str, Any], refusal: type[Exception]
) -> None:
    async def scenario() -> None:
        made = studio(film)
        with pytest.raises(refusal):
            await made.session(**fields)
        assert not await made.store.list()

    run(scenario())


def test_a_link_that_no_source_opens_is_accepted_and_then_fails(
    studio: Any, run: Any, film: Video
) -> None:
    async def scenario() -> None:
        made = studio(film)
        session = await made.session(video_url="https://www.youtube.com/watch?v=dQw4w9WgXcQ")
        await session.produce()
        failed = (await made.entries(session))[-1]
        assert failed.code == "VIDEO_UNAVAILABLE"
        assert "opens this address" in failed.message

    run(scenario())


def test_session_ids_are_the_keys_of_the_api_document(studio: Any, run: Any, film: Video) -> None:
    async def scenario() -> None:
        made = studio(film)
        ids = {(await made.session()).session_id for _ in range(20)}
        assert len(ids) == 20
        for session_id in ids:
            prefix, _, key = session_id.partition("_")
            assert prefix == "ses"
            assert len(key) == 16
            int(key, 16)
        with pytest.raises(SessionNotFound):
            await WatchSession.find("ses_0", store=made.store, parts=made.parts)

    run(scenario())


# --- time ------------------------------------------------------------------------------------


def test_when_the_time_for_preparing_is_used_up_what_is_scripted_plays_on(
    studio: Any, run: Any, film: Video
) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        made = studio(film, waits={0: gate})
        session = await made.session()
        async with LocalJobs(store=made.store, parts=made.parts) as jobs:
            await jobs.submit(session.session_id)
            while not made.generator.briefs:
                await asyncio.sleep(0.01)
            object.__setattr__(made.parts, "preparing_seconds", 1e-9)  # what was worked is more
            gate.set()
            while (await session.status()).status == "preparing":
                await asyncio.sleep(0.01)
        status = await session.status()
        assert status.status == "ready"
        assert len(made.generator.briefs) == 1
        first, *others = status.windows
        assert first.problem is None
        assert others
        assert all("took too long" in (window.problem or "") for window in others)
        assert status.actions["SPEAK"] > 0

    run(scenario())


def test_waiting_for_a_turn_or_for_the_viewer_is_no_work(
    studio: Any, run: Any, film: Video
) -> None:
    async def scenario() -> None:
        made = studio(film)
        made.parts = replace(made.parts, preparing_seconds=5.0)
        turns = 0
        loop = asyncio.get_running_loop()
        real = loop.time

        @asynccontextmanager
        async def turn(stage: Any) -> AsyncIterator[None]:
            nonlocal turns
            turns += 1  # eight seconds in the queue, each
            yield

        session = await made.session()
        with pytest.MonkeyPatch.context() as monkey:
            monkey.setattr(loop, "time", lambda: real() + 8.0 * turns)
            await session.produce(turn=turn)
        assert turns == 4
        assert len(made.generator.briefs) == 2

    run(scenario())


def test_a_video_that_takes_too_long_to_look_through_fails(
    studio: Any, run: Any, film: Video
) -> None:
    async def scenario() -> None:
        made = studio(film)
        made.parts = replace(made.parts, preparing_seconds=1e-9)
        session = await made.session()
        await session.produce()
        error = (await session.status()).error
        assert error is not None
        assert error.code == "ACTION_GENERATION_FAILED"
        assert "took too long" in error.message

    run(scenario())


# --- jobs ------------------------------------------------------------------------------------


def test_a_job_runs_once_and_leaving_ends_what_still_runs(
    studio: Any, run: Any, film: Video
) -> None:
    async def scenario() -> None:
        made = studio(film, waits={0: asyncio.Event()})
        session, other = await made.session(), await made.session()
        async with LocalJobs(store=made.store, parts=made.parts) as jobs:
            await jobs.submit(session.session_id)
            await jobs.submit(session.session_id)
            await jobs.submit(other.session_id)
            while len(made.generator.briefs) < 2:
                await asyncio.sleep(0.01)
            await jobs.cancel(other.session_id)
            await jobs.cancel(other.session_id)
            await jobs.cancel("ses_unknown")
            with pytest.raises(SessionNotFound):
                await jobs.submit("ses_unknown")
        assert len(made.generator.briefs) == 2
        assert (await session.status()).status == "preparing"

    run(scenario())


def test_a_store_that_fails_does_not_take_other_jobs_with_it(
    studio: Any, run: Any, film: Video
) -> None:
    class Broken(MemoryStore):
        async def read(self, session_id: str, after: int = 0) -> Any:
            if session_id == broken:
                raise OSError("the disk is full")
            return await super().read(session_id, after)

    broken = ""

    async def scenario() -> None:
        nonlocal broken
        made = studio(film)
        made.store = Broken()
        one, other = await made.session(), await made.session()
        broken = one.session_id
        async with LocalJobs(store=made.store, parts=made.parts) as jobs:
            await jobs.submit(one.session_id)
            await jobs.submit(other.session_id)
            while (await other.status()).status == "preparing":
                await asyncio.sleep(0.01)
        assert (await other.status()).status == "ready"

    run(scenario())
