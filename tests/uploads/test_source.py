"""What the source of uploads takes in, and when it lets go of it."""

from __future__ import annotations

import asyncio
import gc
import re
import resource
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from watchbuddy_core.errors import (
    RateLimited,
    StorageFull,
    UploadStalled,
    UploadTooLarge,
    VideoUnavailable,
    VideoUnreadable,
)
from watchbuddy_core.protocols import Keeper, Match, VideoSource
from watchbuddy_core.sources.hosts import check_url
from watchbuddy_core.sources.uploads import UploadSource, clean_name

SUBTITLES = b"1\n00:00:01,000 --> 00:00:02,000\nHello.\n"


def test_it_is_a_source_for_one_scheme_and_keeps_files(tmp_path: Path) -> None:
    source = UploadSource(tmp_path / "uploads")
    assert isinstance(source, VideoSource)
    assert isinstance(source, Keeper)
    assert source.match("upload:0123/film.mp4") is Match.SITE
    for url in ("library:film.mp4", "https://example.org/upload:1", "Upload:1", ""):
        assert source.match(url) is Match.NO
    assert not (tmp_path / "uploads").exists()


def test_a_film_is_taken_in_and_opened_by_its_address(inbox: Any, run: Any, film: bytes) -> None:
    async def scenario() -> None:
        box = inbox()
        upload = await box.take(film, "The sea.mp4")
        assert re.fullmatch(r"upload:[0-9a-f]{32}/The%20sea\.mp4", upload.video_url)
        assert (upload.title, upload.kind, upload.size_bytes) == ("The sea", "media", len(film))
        check_url(upload.video_url, (), [box.source])
        video = await box.open(upload)
        assert video.title == "The sea"
        assert video.path.read_bytes() == film
        again = await box.take(film)
        assert again.video_url != upload.video_url
        assert (await box.open(again)).content_id == video.content_id

    run(scenario())


def test_nobody_else_of_the_machine_looks_into_the_folder(
    inbox: Any, run: Any, film: bytes
) -> None:
    async def scenario() -> None:
        box = inbox()
        await box.take(film)
        (path,) = box.files()
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert "film" not in path.name

    run(scenario())


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 4096, b"This is no film.", b"<html><body>404</body></html>", b"PK\x03\x04" * 99],
    ids=["nothing", "zeros", "text", "a page", "an archive"],
)
def test_what_is_neither_media_nor_subtitles_is_refused_and_not_kept(
    inbox: Any, run: Any, content: bytes
) -> None:
    async def scenario() -> None:
        box = inbox()
        with pytest.raises(VideoUnreadable):
            await box.take(content)
        assert box.files() == []

    run(scenario())


def test_subtitles_are_told_by_their_content(inbox: Any, run: Any) -> None:
    async def scenario() -> None:
        box = inbox()
        upload = await box.take(SUBTITLES, "film.mp4")
        assert (upload.kind, upload.title) == ("subtitles", "film")
        video = await box.open(upload)
        assert video.path is None
        assert [file.path.read_bytes() for file in video.subtitles] == [SUBTITLES]

    run(scenario())


def test_leaving_early_leaves_nothing_whatever_the_reason(
    inbox: Any, run: Any, film: bytes
) -> None:
    async def scenario() -> None:
        box = inbox()
        async with box.source.arrival() as arrival:
            await arrival.write(film)
        assert box.files() == []

        async def fail() -> None:
            async with box.source.arrival() as arrival:
                await arrival.write(bytes(3_000_000))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert box.files() == []

        async def go_on() -> None:
            async with box.source.arrival() as arrival:
                while True:
                    await arrival.write(bytes(300_000))

        cutting = asyncio.create_task(go_on())
        while not box.files():
            await asyncio.sleep(0)
        cutting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cutting
        assert box.files() == []

    run(scenario())


# --- how much ------------------------------------------------------------------------------


def test_a_file_may_be_as_large_as_that_and_not_larger(inbox: Any, run: Any, film: bytes) -> None:
    async def scenario() -> None:
        box = inbox(most_bytes=len(film))
        assert (await box.take(film)).size_bytes == len(film)
        with pytest.raises(UploadTooLarge):
            await box.take(film + b"\0")
        with pytest.raises(UploadTooLarge):
            async with box.source.arrival(len(film) + 1):
                pytest.fail("it is known before anything comes")
        assert len(box.files()) == 1

    run(scenario())


def test_what_does_not_fit_on_the_disk_is_refused_at_once_or_as_it_comes(
    inbox: Any, run: Any, film: bytes
) -> None:
    async def scenario() -> None:
        box = inbox(free_bytes=1_000_000)
        box.free = 1_000_000 + len(film)
        await box.take(film)
        with pytest.raises(StorageFull):
            async with box.source.arrival(len(film) + 1):
                pytest.fail("it is known before anything comes")
        with pytest.raises(StorageFull):
            await box.take(bytes(1_500_000))
        box.free = 999_999
        with pytest.raises(StorageFull):
            await box.take(film)
        assert len(box.files()) == 1

    run(scenario())


def test_a_disk_that_takes_no_more_all_the_same_is_told(inbox: Any, run: Any) -> None:
    async def scenario() -> None:
        box = inbox()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
        try:
            with pytest.raises(StorageFull):
                await box.take(bytes(1_500_000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert box.files() == []

    run(scenario())


def test_so_many_may_wait_and_a_session_or_a_failure_makes_room(
    inbox: Any, run: Any, film: bytes
) -> None:
    async def scenario() -> None:
        box = inbox(most_waiting=2)
        upload = await box.take(film)
        async with box.source.arrival():
            with pytest.raises(RateLimited):
                await box.take(film)
        await box.take(film)
        with pytest.raises(RateLimited):
            await box.take(film)
        await box.open(upload)
        await box.take(film)

    run(scenario())


def test_nobody_takes_all_the_room_there_is(inbox: Any, run: Any, film: bytes) -> None:
    async def scenario() -> None:
        source = inbox(most_waiting=3, waiting_per_sender=2).source

        async def bring(sender: str) -> str:
            async with source.arrival(sender=sender) as arrival:
                await arrival.write(film)
                return str((await arrival.finish("film.mp4")).video_url)

        await bring("ann")
        async with source.arrival(sender="ann"):
            with pytest.raises(RateLimited, match="of your uploads"):
                await bring("ann")
        await bring("ann")
        with pytest.raises(RateLimited, match="of your uploads"):
            await bring("ann")
        await bring("bob")
        with pytest.raises(RateLimited, match="already"):
            await bring("bob")

    run(scenario())


@pytest.mark.parametrize(("bits", "size"), [(0, 0), (1, 100_000), (9, 7_000)])
def test_a_file_that_stands_still_or_trickles_is_given_up(
    inbox: Any, run: Any, bits: int, size: int
) -> None:
    """Less than 64 KiB in the time that it may stall is standing still."""

    async def scenario() -> None:
        box, loop = inbox(stall_seconds=10.0), asyncio.get_running_loop()

        async def come() -> None:
            async with box.source.arrival() as arrival:
                for _ in range(bits):
                    await arrival.write(bytes(size))
                    await loop.leap(1.1)
                await loop.leap(10.0)
                pytest.fail("it has not been given up")

        with pytest.raises(UploadStalled, match="for 10 seconds"):
            await come()
        assert box.files() == []

        async def fail() -> None:
            async with box.source.arrival():
                raise TimeoutError("of somebody else")

        with pytest.raises(TimeoutError, match="of somebody else"):
            await fail()

    run(scenario())


def test_a_file_that_keeps_coming_may_take_longer_than_it_may_stall(
    inbox: Any, run: Any, film: bytes
) -> None:
    async def scenario() -> None:
        box, loop = inbox(stall_seconds=10.0), asyncio.get_running_loop()
        async with box.source.arrival() as arrival:
            await arrival.write(film)
            for _ in range(20):
                await arrival.write(bytes(70_000))
                await loop.leap(9.0)
            assert (await arrival.finish("film.mp4")).size_bytes == len(film) + 1_400_000

    run(scenario())


# --- how long ------------------------------------------------------------------------------


def test_an_upload_goes_with_the_last_session_that_uses_it(
    inbox: Any, run: Any, film: bytes
) -> None:
    async def scenario() -> None:
        box = inbox()
        upload, other = await box.take(film), await box.take(film)
        await box.open(upload)
        await box.source.tidy({upload.video_url})
        assert len(box.files()) == 2
        await box.source.tidy({other.video_url})
        assert len(box.files()) == 1
        with pytest.raises(VideoUnavailable, match="Upload the file again"):
            await box.open(upload)
        await box.source.tidy(())
        assert box.files() == []

    run(scenario())


def test_one_that_no_session_takes_up_goes_in_time(inbox: Any, run: Any, film: bytes) -> None:
    async def scenario() -> None:
        box = inbox(waiting_seconds=3600.0)
        await box.take(film)
        box.time = 3600.0
        await box.source.tidy(())
        assert len(box.files()) == 1
        box.time = 3600.1
        await box.source.tidy(())
        assert box.files() == []

    run(scenario())


def test_a_file_that_somebody_else_deletes_is_an_upload_that_is_gone(
    inbox: Any, run: Any, film: bytes
) -> None:
    async def scenario() -> None:
        box = inbox()
        upload = await box.take(film)
        box.files()[0].unlink()
        with pytest.raises(VideoUnavailable):
            await box.open(upload)
        await box.source.tidy(())
        assert (await box.take(film)).size_bytes == len(film)

    run(scenario())


def test_files_go_with_the_source_also_from_a_temporary_folder(
    run: Any, film: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async def scenario() -> None:
        for folder in (None, tmp_path / "base"):
            source = UploadSource(folder)
            async with source.arrival() as arrival:
                await arrival.write(film)
                await arrival.finish("film.mp4")
            assert len(film) in sizes(tmp_path)
            del source, arrival
            while sizes(tmp_path):  # the thread that wrote last may have hold of it for a moment
                gc.collect()
                await asyncio.sleep(0.005)

    run(scenario())


def sizes(folder: Path) -> list[int]:
    """Of all files in it; those that are but locks are empty."""
    return sorted(path.stat().st_size for path in folder.rglob("*") if path.is_file())


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from watchbuddy_core.sources.uploads import UploadSource

async def main():
    async with UploadSource(Path(sys.argv[1])).arrival() as arrival:
        await arrival.write(bytes(2_000_000))
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def test_what_a_killed_program_left_goes_and_what_a_living_one_has_stays(
    inbox: Any, run: Any, film: bytes
) -> None:
    async def scenario() -> None:
        await box.take(film)
        assert sizes(box.folder) == sorted([0, 0, len(film), 2_000_000])
        await UploadSource(box.folder).tidy(())
        assert sizes(box.folder) == [0, len(film)]

    box = inbox()
    subprocess.run([sys.executable, "-c", KILLED, box.folder], check=False)
    run(scenario())


# --- names ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("film.mp4", "film.mp4"),
        ("../../x", "x"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\me\\film.mp4", "film.mp4"),
        ("..", "upload"),
        ("", "upload"),
        ("///", "upload"),
        ("con.mp4", "con.mp4"),
        ("电影 一.mp4", "电影 一.mp4"),
        ("a\0b\r\nc\x1b[31m.mp4", "ab c[31m.mp4"),
        ("\u202egpj.mp4", "gpj.mp4"),
        ("\ud800.mp4", "mp4"),
        ("e\u0301te\u0301.mp4", "\u00e9t\u00e9.mp4"),
        ("  a \t b .mp4 ", "a b .mp4"),
        ("archive.tar.gz", "archive.tar.gz"),
        (".hidden", "hidden"),
        ("x" * 500 + ".mp4", "x" * 96 + ".mp4"),
        ("x." + "y" * 500, "x." + "y" * 9),
        ("%2e%2e%2fx", "%2e%2e%2fx"),
    ],
)
def test_a_name_is_shown_as_far_as_it_is_fit_for_that(name: str, clean: str) -> None:
    assert clean_name(name) == clean


@pytest.mark.parametrize("name", ["../../x", "电" * 500 + ".mp4", "😀" * 500, "a?b#c&d=e%f.mp4"])
def test_an_address_holds_any_name_and_leads_nowhere_by_it(
    inbox: Any, run: Any, film: bytes, name: str
) -> None:
    async def scenario() -> None:
        box = inbox()
        upload = await box.take(film, name)
        assert re.fullmatch(r"upload:[0-9a-f]{32}/[A-Za-z0-9_.~%-]+", upload.video_url)
        assert len(upload.video_url) < 2000
        assert unquote(upload.video_url.partition("/")[2]) == clean_name(name)
        check_url(upload.video_url, (), [box.source])
        await box.open(upload)
        (path,) = box.files()
        assert path.is_relative_to(box.folder)

    run(scenario())


@pytest.mark.parametrize(
    "tail", ["", "/", "/other.mp4", "/../film.mp4", "/film.mp4/", "/film.mp4\0", "/FILM.mp4"]
)
def test_an_address_that_was_not_given_opens_nothing(
    inbox: Any, run: Any, film: bytes, tail: str
) -> None:
    async def scenario() -> None:
        box = inbox()
        upload = await box.take(film)
        head = upload.video_url.partition("/")[0]
        with pytest.raises(VideoUnavailable):
            await box.open(upload.model_copy(update={"video_url": head + tail}))

    run(scenario())
