"""Nothing outside the library folders can be reached."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from watchbuddy_core.errors import VideoUnavailable
from watchbuddy_core.protocols import Match, VideoSource
from watchbuddy_core.sources import choose_source
from watchbuddy_core.sources.local import LocalSource, library_url
from watchbuddy_core.testing import MemorySource
from watchbuddy_core.video import Video, VideoRequest


def opened(folders: list[Path], url: str) -> Video:
    return asyncio.run(LocalSource(folders).open(VideoRequest(url=url), lambda *_: None))


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A library with one file, and secrets beside it."""
    shelf = tmp_path / "shelf"
    (shelf / "films").mkdir(parents=True)
    (shelf / "films" / "a film.mp4").write_bytes(b"pictures")
    (shelf / "films" / "100%.mp4").write_bytes(b"per cent")
    (shelf / "Part 1: 电影\u3000一.mp4").write_bytes(b"a name with everything")
    (shelf / "~draft.mp4").write_bytes(b"a draft")
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    (tmp_path / "shelf-too").mkdir()
    (tmp_path / "shelf-too" / "secret.mp4").write_bytes(b"secret")
    (shelf / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (shelf / "linked").symlink_to(tmp_path)
    (shelf / "circle.mp4").symlink_to(shelf / "circle.mp4")
    return shelf


@pytest.mark.parametrize(
    "path",
    [
        "films/a film.mp4",
        "films/100%.mp4",
        "./films/a film.mp4",
        "Part 1: 电影\u3000一.mp4",
        "~draft.mp4",
    ],
)
def test_a_path_is_taken_as_it_is_written(shelf: Path, path: str) -> None:
    assert opened([shelf], f"library:{path}").path == shelf / path


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "/",
        "films",
        "films/",
        "missing.mp4",
        "../secret.mp4",
        "films/../../secret.mp4",
        "films/../films/a film.mp4",
        "../shelf-too/secret.mp4",
        "..",
        "/etc/passwd",
        "//etc/passwd",
        "///etc/passwd",
        "~/secret.mp4",
        "~root/secret.mp4",
        "%2e%2e/secret.mp4",
        "..%2fsecret.mp4",
        "%2fetc%2fpasswd",
        "films/a%20film.mp4",
        "films\\a film.mp4",
        "..\\secret.mp4",
        "C:/secret.mp4",
        "file:///etc/passwd",
        "concat:a.mp4",
        "link.mp4",
        "linked/secret.mp4",
        "circle.mp4",
        "films/a film.mp4\0",
        "\0",
        "films/a film.mp4\n",
        "films/\ta film.mp4",
        "a" * 5000,
        "a/" * 600 + "b",
        "films/a film.mp4/..",
        "films/a film.mp4/x",
        "\u202egpj.mp4",
        "．．/secret.mp4",
    ],
)
def test_whatever_else_it_says_it_is_not_there(shelf: Path, path: str) -> None:
    with pytest.raises(VideoUnavailable) as refused:
        opened([shelf], f"library:{path}")
    assert str(shelf.parent) not in str(refused.value)


def test_the_first_folder_that_has_the_file_wins(shelf: Path, tmp_path: Path) -> None:
    (tmp_path / "shelf-too" / "films").mkdir()
    (tmp_path / "shelf-too" / "films" / "a film.mp4").write_bytes(b"other pictures")
    url = "library:films/a film.mp4"
    assert opened([shelf, tmp_path / "shelf-too"], url).path.is_relative_to(shelf)
    assert not opened([tmp_path / "shelf-too", shelf], url).path.is_relative_to(shelf)


def test_the_identity_is_that_of_the_content(shelf: Path) -> None:
    films = shelf / "films"
    (films / "copy.mp4").write_bytes(b"pictures")
    first = opened([shelf], "library:films/a film.mp4")
    copy = opened([shelf], "library:films/copy.mp4")
    assert first.content_id == copy.content_id
    (films / "copy.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n")
    assert opened([shelf], "library:films/copy.mp4").content_id != first.content_id


def test_subtitles_beside_a_file_are_found_with_their_language(shelf: Path) -> None:
    films = shelf / "films"
    for name in ("a film.VTT", "a film.zh.srt", "a film.en.srt", "a film 2.srt", "b.srt"):
        (films / name).write_text("")
    found = opened([shelf], "library:films/a film.mp4").subtitles
    assert [(file.path.name, file.language) for file in found] == [
        ("a film.VTT", None),
        ("a film.en.srt", "en"),
        ("a film.zh.srt", "zh"),
    ]


def test_subtitles_that_lead_out_of_the_library_are_not_read(shelf: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("1\n00:00:01,000 --> 00:00:02,000\nSecret\n")
    (shelf / "films" / "a film.srt").symlink_to(tmp_path / "secret.txt")
    assert opened([shelf], "library:films/a film.mp4").subtitles == ()


def test_a_plain_path_becomes_a_folder_and_an_address(shelf: Path) -> None:
    folder, url = library_url(shelf / "films" / "a film.mp4")
    assert opened([folder], url).title == "a film"


def test_the_best_match_opens() -> None:
    class Override(MemorySource):
        def match(self, url: str) -> Match:
            return Match.OVERRIDE

    plain, override = MemorySource({}), Override({})
    sources: list[VideoSource] = [LocalSource(), plain, override]
    assert choose_source("library:a.mp4", sources) is override
    assert choose_source("memory:a", [LocalSource(), plain]) is plain
    with pytest.raises(VideoUnavailable, match="opens this address"):
        choose_source("memory:a", [])
    with pytest.raises(VideoUnavailable, match="opens this address"):
        choose_source("library://[", [])
