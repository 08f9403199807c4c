"""Each video is fetched once, kept as long as there is room, and no longer."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from watchbuddy_core.errors import VideoDownloadFailed, VideoUnavailable
from watchbuddy_core.protocols import Progress
from watchbuddy_core.sources.cache import VideoCache, folder_name
from watchbuddy_core.video import SubtitleFile, Video


class Fetches:
    """Fetches videos of a size, when it may."""

    def __init__(self, size: int = 1000) -> None:
        self.size = size
        self.begun = 0
        self.ended = 0
        self.rooms: list[int] = []
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def __call__(self, folder: Path, room: int, progress: Progress) -> Video:
        self.begun += 1
        self.rooms.append(room)
        try:
            (folder / "part").write_bytes(bytes(self.size))
            progress(0.5, "Half of it")
            await self.may_end.wait()
            (folder / "part").rename(folder / "video.mp4")
            (folder / "a.vtt").write_text("WEBVTT\n")
            return Video(
                content_id="file-1",
                title="A film",
                path=folder / "video.mp4",
                subtitles=(SubtitleFile(path=folder / "a.vtt"),),
            )
        finally:
            self.ended += 1


def nothing(fraction: float | None, message: str) -> None: ...


def kept_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def cache(tmp_path: Path) -> Callable[..., VideoCache]:
    return lambda **options: VideoCache(tmp_path / "videos", **{"free_bytes": 0, **options})


def test_a_video_is_fetched_once_and_found_again_by_another_process(
    cache: Any, run: Any, tmp_path: Path
) -> None:
    async def scenario() -> None:
        fetches = Fetches()
        video = await cache().get("site-1", "https://a", fetches, nothing)
        again = await cache().get("site-1", "https://b", fetches, nothing)
        assert video == again
        assert video.path == tmp_path / "videos" / "site-1" / "video.mp4"
        assert video.path.is_file()
        assert video.subtitles[0].path.is_file()
        assert fetches.begun == 1
        assert kept_in(tmp_path / "videos") == {"site-1"}
        await cache().get("site-1", "https://a", fetches, nothing, renewed=True)
        assert fetches.begun == 2

    run(scenario())


@pytest.mark.parametrize("damage", ["facts", "film", "all"])
def test_what_is_damaged_is_fetched_again(
    cache: Any, run: Any, tmp_path: Path, damage: str
) -> None:
    async def scenario() -> None:
        fetches, here = Fetches(), cache()
        await here.get("site-1", "https://a", fetches, nothing)
        place = tmp_path / "videos" / "site-1"
        if damage == "facts":
            (place / "video.json").write_text("{")
        elif damage == "film":
            (place / "video.mp4").unlink()
        else:
            shutil.rmtree(place)
        video = await here.get("site-1", "https://a", fetches, nothing)
        assert fetches.begun == 2
        assert video.path.is_file()

    run(scenario())


def test_two_who_ask_at_the_same_time_share_one_fetch_and_both_hear_of_it(
    cache: Any, run: Any
) -> None:
    async def scenario() -> None:
        fetches, here = Fetches(), cache()
        fetches.may_end.clear()
        heard: list[str] = []
        first = asyncio.create_task(
            here.get("k", "https://a", fetches, lambda *_: heard.append("first"))
        )
        await until(lambda: fetches.begun)
        second = asyncio.create_task(
            here.get("k", "https://b", fetches, lambda *_: heard.append("second"))
        )
        await asyncio.sleep(0.05)
        first.cancel()
        await asyncio.wait([first])
        assert first.cancelled()
        assert not fetches.ended
        fetches.may_end.set()
        assert (await second).title == "A film"
        assert fetches.begun == 1
        assert heard == ["first"]

    run(scenario())


def test_the_last_to_leave_ends_the_fetch_and_nothing_is_left(
    cache: Any, run: Any, tmp_path: Path
) -> None:
    async def scenario() -> None:
        fetches, here = Fetches(), cache()
        fetches.may_end.clear()
        tasks = [asyncio.create_task(here.get("k", "u", fetches, nothing)) for _ in range(3)]
        await until(lambda: fetches.begun)
        await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert fetches.ended == 1
        assert kept_in(tmp_path / "videos") == set()
        fetches.may_end.set()
        assert (await here.get("k", "u", fetches, nothing)).title == "A film"

    run(scenario())


def test_a_fetch_that_fails_fails_for_all_and_leaves_nothing(
    cache: Any, run: Any, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async def fail(folder: Path, room: int, progress: Progress) -> Video:
            (folder / "part").write_bytes(b"x")
            await asyncio.sleep(0.05)
            raise VideoUnavailable("Gone.")

        here = cache()
        found = await asyncio.gather(
            *(here.get("k", "u", fail, nothing) for _ in range(2)), return_exceptions=True
        )
        assert [str(one) for one in found] == ["Gone.", "Gone."]
        assert kept_in(tmp_path / "videos") == set()

    run(scenario())


def used(folder: Path, names: Sequence[str]) -> None:
    """As if they had been used long ago, in this order."""
    for hours, name in enumerate(reversed(names), start=1):
        os.utime(folder / name / "video.json", (0, 1_700_000_000 - 3600 * hours))


def test_the_least_recently_used_goes_first_and_none_that_is_in_use(
    cache: Any, run: Any, tmp_path: Path
) -> None:
    async def scenario() -> None:
        folder = tmp_path / "videos"
        fetches, here = Fetches(10_000), cache(total_bytes=35_000)
        for name in "abc":
            await here.get(name, f"https://{name}", fetches, nothing)
        used(folder, ["b", "a", "c"])
        await here.get("d", "https://d", fetches, nothing)
        assert kept_in(folder) == {"a", "b", "c", "d"}  # all of them are watched
        here.forget_unused({"https://b", "https://d"})
        await here.get("e", "https://e", fetches, nothing)
        assert kept_in(folder) == {"b", "d", "e"}
        here.forget_unused(set())
        await here.get("b", "https://b", fetches, nothing)  # used again, just now
        used(folder, ["d", "e"])
        await here.get("f", "https://f", fetches, nothing)
        assert kept_in(folder) == {"b", "e", "f"}

    run(scenario())


def test_a_full_disk_is_made_room_on_and_then_refused(
    cache: Any, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        folder = tmp_path / "videos"
        fetches, here = Fetches(10_000), cache(free_bytes=500_000, video_bytes=40_000)

        def disk(path: object) -> Any:
            there = sum(f.stat().st_size for f in folder.rglob("*.mp4"))
            return shutil._ntuple_diskusage(10**6, there, 560_000 - there)

        monkeypatch.setattr(shutil, "disk_usage", disk)
        for name in "abc":
            await here.get(name, f"https://{name}", fetches, nothing)
        assert fetches.rooms == [40_000, 40_000, 40_000]
        await here.get("d", "https://d", fetches, nothing)
        assert fetches.rooms[3] == 30_000  # what is left of the disk
        here.forget_unused(set())
        used(folder, ["a", "b", "c", "d"])
        await here.get("e", "https://e", fetches, nothing)
        assert kept_in(folder) == {"c", "d", "e"}
        fetches.size = 35_000
        await here.get("f", "https://f", fetches, nothing)
        await here.get("g", "https://g", fetches, nothing)
        here.forget_unused({"https://f", "https://g"})
        with pytest.raises(VideoDownloadFailed, match=r"disk is full.*cache\.free_bytes"):
            await here.get("h", "https://h", fetches, nothing)

    run(scenario())


def test_a_folder_that_cannot_be_written_is_a_clear_error(run: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    here = VideoCache(tmp_path / "file" / "videos")
    with pytest.raises(VideoDownloadFailed, match="cannot keep"):
        run(here.get("k", "u", Fetches(), nothing))


def test_what_a_killed_process_left_is_swept_away(cache: Any, run: Any, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    for name, age in ((".arriving-old", 2 * 86400), (".arriving-new", 60)):
        (folder / name).mkdir(parents=True)
        (folder / name / "part").write_bytes(b"x")
        made = (folder / name).stat().st_mtime - age
        os.utime(folder / name, (made, made))
    run(cache().get("k", "u", Fetches(), nothing))
    assert kept_in(folder) == {"k", ".arriving-new"}


def test_only_so_many_are_fetched_at_a_time(cache: Any, run: Any) -> None:
    async def scenario() -> None:
        fetches, here = Fetches(), cache(at_a_time=2)
        fetches.may_end.clear()
        tasks = [asyncio.create_task(here.get(k, k, fetches, nothing)) for k in "abc"]
        await until(lambda: fetches.begun == 2)
        await asyncio.sleep(0.05)
        assert fetches.begun == 2
        fetches.may_end.set()
        await asyncio.gather(*tasks)
        assert fetches.begun == 3

    run(scenario())


@pytest.mark.parametrize(
    "key", ["../x", "a/b", ".hidden", "-o", "a" * 300, "电影", "a:b", "", "nul\0"]
)
def test_any_key_becomes_the_name_of_one_folder(key: str) -> None:
    name = folder_name(key)
    assert name == Path(name).name
    assert 0 < len(name) < 120
    assert name.isascii()
    assert not name.startswith(("-", "."))
    assert name != folder_name(key + "_")


async def until(come: Callable[[], object]) -> None:
    while not come():
        await asyncio.sleep(0.005)


def test_many_arrive_at_once_and_none_is_in_the_way_of_another(
    cache: Any, run: Any, tmp_path: Path
) -> None:
    """Also where each makes room: what still arrives is no video that can be thrown out."""

    async def scenario() -> None:
        here = cache(total_bytes=50_000, at_a_time=40)
        fetches = Fetches(1000)
        videos = await asyncio.gather(
            *(here.get(f"k{i}", f"u{i}", fetches, nothing) for i in range(40))
        )
        assert all(video.path.is_file() for video in videos)
        here.forget_unused(set())
        await asyncio.gather(*(here.get(f"n{i}", f"u{i}", fetches, nothing) for i in range(40)))
        assert not [name for name in kept_in(tmp_path / "videos") if name.startswith(".")]

    run(scenario())


# --- a folder that several programs share ----------------------------------------------


def test_what_another_program_uses_is_not_thrown_out_as_long_as_it_says_so(
    cache: Any, run: Any, tmp_path: Path
) -> None:
    videos = tmp_path / "videos"

    def later(seconds: float) -> None:
        for facts in videos.glob("*/video.json"):
            last = facts.stat().st_mtime - seconds
            os.utime(facts, (last, last))

    async def scenario() -> None:
        one, other = (cache(shared=True, total_bytes=1500) for _ in range(2))
        fetches = Fetches()
        await one.get("watched", "https://a", fetches, nothing)
        later(290.0)
        await other.get("new", "https://b", fetches, nothing)
        assert kept_in(videos) == {"watched", "new"}
        later(290.0)
        one.forget_unused(["https://a"])
        one.note_use()
        await other.get("newer", "https://b", fetches, nothing)
        assert kept_in(videos) == {"watched", "new", "newer"}
        later(310.0)
        one.forget_unused([])
        one.note_use()
        other.forget_unused([])
        await other.get("newest", "https://b", fetches, nothing)
        assert kept_in(videos) == {"newest"}

    run(scenario())


def test_of_two_programs_that_fetch_the_same_the_quicker_one_s_is_kept(
    cache: Any, run: Any
) -> None:
    async def scenario() -> None:
        slow, quick = Fetches(), Fetches()
        slow.may_end.clear()
        one, other = (cache(shared=True) for _ in range(2))
        fetching = asyncio.create_task(one.get("film", "https://a", slow, nothing))
        while not slow.begun:
            await asyncio.sleep(0.001)
        video = await other.get("film", "https://a", quick, nothing)
        assert video.path is not None
        before = video.path.stat().st_ino
        slow.may_end.set()
        assert await fetching == video
        assert video.path.stat().st_ino == before
        await one.get("film", "https://a", slow, nothing, renewed=True)
        assert video.path.stat().st_ino != before

    run(scenario())
