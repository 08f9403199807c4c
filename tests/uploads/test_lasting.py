"""Uploads that outlive the program: they are there again, and go when nobody needs them."""

from __future__ import annotations

import errno
import stat
from pathlib import Path
from typing import Any

import pytest

from watchbuddy_core.errors import RateLimited, StorageFull, VideoUnavailable

SUBTITLES = b"1\n00:00:01,000 --> 00:00:02,000\nHello.\n"


class Calendar:
    """What time it is, over all runs of the program."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def program(inbox: Any, calendar: Calendar) -> Any:
    """A run of the program: each has a clock of its own."""

    def program(**options: Any) -> Any:
        return inbox(lasting=True, wall=calendar, **options)

    return program


def names(box: Any) -> list[str]:
    return sorted(path.name for path in box.folder.glob("kept/*"))


def test_a_later_run_opens_what_an_earlier_one_took_in(program: Any, run: Any, film: bytes) -> None:
    async def scenario() -> None:
        box = program()
        upload = await box.take(film, "The sea.mp4")
        words = await box.take(SUBTITLES, "The sea.srt")
        later = program()
        video = await later.open(upload)
        assert (video.title, video.path.read_bytes()) == ("The sea", film)
        assert video == await box.open(upload)
        (file,) = (await later.open(words)).subtitles
        assert file.path.read_bytes() == SUBTITLES

    run(scenario())


def test_nobody_else_of_the_machine_looks_into_that_folder_either(
    program: Any, run: Any, film: bytes
) -> None:
    async def scenario() -> None:
        box = program()
        await box.take(film)
        assert stat.S_IMODE((box.folder / "kept").stat().st_mode) == 0o700

    run(scenario())


def test_what_a_session_has_used_goes_with_the_last_one_also_in_a_later_run(
    program: Any, run: Any, film: bytes
) -> None:
    async def scenario() -> None:
        box = program()
        upload, other = await box.take(film), await box.take(film)
        await box.open(upload)
        await box.source.tidy({other.video_url})
        assert len(names(box)) == 2, "the one that was used is gone, with its card"

        later = program()
        await later.source.tidy({other.video_url})
        await later.open(other)
        await program().source.tidy(())
        assert names(box) == []
        with pytest.raises(VideoUnavailable):
            await program().open(other)

    run(scenario())


def test_what_no_session_takes_up_goes_in_time_however_often_the_program_is_restarted(
    program: Any, run: Any, film: bytes, calendar: Calendar
) -> None:
    async def scenario() -> None:
        await program().take(film)
        for _ in range(4):
            box = program(most_waiting=1)
            await box.source.tidy(())
            with pytest.raises(RateLimited):
                await box.take(film)
            calendar.time += 1000.0
        await program().source.tidy(())
        assert names(box) == []

    run(scenario())


def test_what_is_not_whole_is_removed(program: Any, run: Any, film: bytes) -> None:
    async def scenario() -> None:
        box = program()
        await box.take(film)
        whole = names(box)
        shelf = box.folder / "kept"
        (shelf / "0123").write_bytes(b"without a card")
        (shelf / "4567.json").write_text("{}")
        (shelf / "89ab").write_bytes(b"with half a card")
        (shelf / "89ab.json").write_text('{"upload": ')
        (shelf / whole[0]).with_suffix(".tmp").write_text("{")
        await program().source.tidy(())
        assert names(box) == whole

    run(scenario())


def test_a_disk_without_room_for_the_card_keeps_nothing(
    program: Any, run: Any, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def scenario() -> None:
        box = program()
        monkeypatch.setattr(Path, "replace", full)
        with pytest.raises(StorageFull):
            await box.take(film)
        monkeypatch.undo()
        assert [name for name in names(box) if not name.endswith(".tmp")] == []
        await program().source.tidy(())
        assert names(box) == []

    run(scenario())


def test_programs_that_come_and_go_leave_what_is_lasting_alone(
    program: Any, inbox: Any, run: Any, film: bytes
) -> None:
    async def scenario() -> None:
        box, fleeting = program(), inbox()
        upload = await box.take(film)
        await fleeting.source.tidy(())
        await box.open(upload)
        with pytest.raises(VideoUnavailable):
            await fleeting.open(upload)

    run(scenario())
