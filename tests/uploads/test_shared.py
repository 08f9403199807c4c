"""Uploads in a folder that several programs share, with the sessions that use them."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from watchbuddy_core.errors import RateLimited, VideoUnavailable
from watchbuddy_core.sources import run_folder


@pytest.fixture
def program(inbox: Any) -> Any:
    """One of the programs."""

    def program(**options: Any) -> Any:
        return inbox(lasting=True, shared=True, wall=lambda: 1_000_000.0, **options)

    return program


def names(box: Any) -> list[str]:
    return sorted(path.name for path in box.folder.glob("shared/*") if path.suffix != ".tmp")


def test_what_one_has_taken_in_all_of_them_open(program: Any, run: Any, film: bytes) -> None:
    async def scenario() -> None:
        one, other = program(), program()
        await other.source.tidy(())  # it knows of none so far
        upload = await one.take(film)
        video = await other.open(upload)
        assert video.path is not None
        assert video.path.read_bytes() == film
        assert video == await one.open(upload)

    run(scenario())


def test_no_program_deletes_what_a_session_of_another_uses(
    program: Any, run: Any, film: bytes
) -> None:
    async def scenario() -> None:
        one, other = program(waiting_seconds=3600.0), program(waiting_seconds=3600.0)
        upload = await one.take(film)
        await other.open(upload)
        for box in (one, other) * 3:
            box.time += 4000.0
            await box.source.tidy([upload.video_url])
            assert len(names(box)) == 2
        for box in (one, other):
            await box.source.tidy(())  # no session uses it, as far as it is seen
            await box.source.tidy([upload.video_url])  # and one does after all
            box.time += 29.0
            await box.source.tidy(())
        assert len(names(one)) == 2
        one.time += 30.0
        await one.source.tidy(())
        assert names(one) == []
        with pytest.raises(VideoUnavailable, match="on another machine"):
            await other.open(upload)
        other.time += 60.0
        await other.source.tidy(())
        await other.take(film)

    run(scenario())


def test_what_a_session_of_nobody_has_taken_up_goes_in_time_whoever_took_it_in(
    program: Any, run: Any, film: bytes
) -> None:
    async def scenario() -> None:
        one, other = program(waiting_seconds=3600.0), program(waiting_seconds=3600.0)
        await one.take(film)
        await other.source.tidy(())
        assert len(names(one)) == 2
        other.time += 3601.0
        await other.source.tidy(())
        assert names(one) == []

    run(scenario())


def test_so_many_wait_whoever_took_them_in(program: Any, run: Any, film: bytes) -> None:
    async def scenario() -> None:
        one, other = program(most_waiting=2), program(most_waiting=2)
        await one.take(film)
        await other.take(film)
        for box in (one, other):
            with pytest.raises(RateLimited):
                await box.take(film)

    run(scenario())


def test_what_another_is_about_to_finish_is_left_to_it_for_an_hour(
    program: Any, run: Any, film: bytes
) -> None:
    async def scenario() -> None:
        one, other = program(), program()
        await one.take(film)
        whole = names(one)
        shelf = one.folder / "shared"
        unfinished = [shelf / "0123", shelf / "89ab", shelf / "89ab.json", shelf / "89ab.77.tmp"]
        for path in unfinished:
            path.write_bytes(b'{"upload": ')
        await other.source.tidy(())
        assert all(path.exists() for path in unfinished)
        for path in unfinished:
            os.utime(path, (0, time.time() - 3601.0))
        await other.source.tidy(())
        assert not any(path.exists() for path in unfinished)
        assert names(one) == whole

    run(scenario())


def test_a_program_that_is_alone_leaves_the_shared_ones_alone(
    program: Any, inbox: Any, run: Any, film: bytes
) -> None:
    async def scenario() -> None:
        one, alone = program(), inbox(lasting=True, wall=lambda: 1_000_000.0)
        upload = await one.take(film)
        await one.open(upload)
        await alone.source.tidy(())
        alone.time += 1e6
        await alone.source.tidy(())
        assert len(names(one)) == 2

    run(scenario())


def test_many_programs_that_note_the_same_card_at_once_leave_a_whole_one(
    program: Any, run: Any, film: bytes
) -> None:
    async def scenario() -> None:
        first = program()
        upload = await first.take(film)
        boxes = [program() for _ in range(8)]
        await asyncio.gather(*(box.open(upload) for box in boxes))
        assert (await program().open(upload)).path is not None
        assert len(list(first.folder.glob("shared/*"))) == 2

    run(scenario())


def test_a_folder_without_locks_is_told_and_not_tried_for_ever(
    program: Any, run: Any, film: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_folder, "take", lambda file: False)

    async def scenario() -> None:
        box = program()
        with pytest.raises(OSError, match="locked"):
            await box.take(film)

    run(scenario())
    assert not list(tmp_path.rglob("*.lock"))
