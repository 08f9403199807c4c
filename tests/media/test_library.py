"""Nothing outside the library folders can be reached."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from watchbuddy_core.errors import UnsupportedVideoSource, VideoUnavailable
from watchbuddy_core.protocols import Match, VideoSource
from watchbuddy_core.sources import choose_source
from watchbuddy_core.sources.hosts import DEFAULT_HOSTS, check_url
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


# --- hosts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
        "https://youtu.be/dQw4w9WgXcQ",
        "http://YouTube.com/watch?v=1",
        "https://m.youtube.com:443/watch",
        "https://youtube.com./watch",
        "https://www.bilibili.com/video/BV1xx411c7mD",
        "https://b23.tv/abc",
        "library:a.mp4",
    ],
)
def test_allowed_hosts_pass(url: str) -> None:
    check_url(url, DEFAULT_HOSTS)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://vimeo.com/76979871", "vimeo.com"),
        ("https://www.vimeo.com/1", "vimeo.com"),
        ("HTTP://VIMEO.COM", "vimeo.com"),
        ("https://notyoutube.com/", "notyoutube.com"),
        ("https://youtube.com.evil.org/", "youtube.com.evil.org"),
        ("https://youtube.com@evil.org/", "evil.org"),
        ("https://evil.org#@youtube.com/", "evil.org"),
        ("https://evil.org/?youtube.com", "evil.org"),
        ("http://169.254.169.254/?youtube.com", "169.254.169.254"),
        ("http://127.0.0.1:8000/youtube.com", "127.0.0.1"),
        ("http://2130706433/", "2130706433"),
        ("https://user@youtube.com/", "youtube.com"),
        ("http://[::1]/", None),
        ("http://[", None),
        ("https://youtube.com:99999/", None),
        ("https://youtube.com:x/", None),
        ("https://", None),
        ("https:youtube.com", None),
        ("//youtube.com/", None),
        ("youtube.com/watch", None),
        ("ftp://youtube.com/", None),
        ("file:///etc/passwd", None),
        ("javascript:alert(1)", None),
        ("ytsearch:cats", None),
        ("data:video/mp4;base64,AAAA", None),
        ("https://evil.org\\@youtube.com/", None),
        ("https://youtube.com\n.evil.org/", None),
        ("https://ｙｏｕｔｕｂｅ.com/", None),
        ("https://yоutube.com/", None),
        ("https://" + "a" * 300 + ".com/", None),
        ("https://<b>.com/", None),
        ("https://evil.org%2f.youtube.com/", None),
        ("https://evil.org%00.youtube.com/", None),
        ("https://evil.org;.youtube.com/", None),
        ("https://evil.org。.youtube.com/", None),
        ("Library:a.mp4", None),
        ("", None),
    ],
)
def test_everything_else_is_refused_by_its_host(url: str, host: str | None) -> None:
    with pytest.raises(UnsupportedVideoSource) as refused:
        check_url(url, DEFAULT_HOSTS)
    assert refused.value.host == host


def test_a_scheme_of_its_own_is_the_business_of_a_source_and_links_are_not() -> None:
    class Everything(MemorySource):
        def match(self, url: str) -> Match:
            return Match.OVERRIDE

    check_url("memory:film", DEFAULT_HOSTS, [LocalSource(), MemorySource()])
    for url in ("https://vimeo.com/76979871", "http://127.0.0.1/", "//vimeo.com/1", "film.mp4", ""):
        with pytest.raises(UnsupportedVideoSource):
            check_url(url, DEFAULT_HOSTS, [Everything()])
    for url in ("memory:film", "file:///etc/passwd", "other:film"):
        with pytest.raises(UnsupportedVideoSource):
            check_url(url, DEFAULT_HOSTS, [LocalSource()])


def test_the_refusal_reads_as_the_api_document_says() -> None:
    with pytest.raises(UnsupportedVideoSource) as refused:
        check_url("https://vimeo.com/76979871", DEFAULT_HOSTS)
    assert str(refused.value) == "The provided video URL from 'vimeo.com' is not supported."


def test_the_best_match_opens_and_a_link_that_nothing_opens_names_the_extra() -> None:
    class Override(MemorySource):
        def match(self, url: str) -> Match:
            return Match.OVERRIDE

    plain, override = MemorySource({}), Override({})
    sources: list[VideoSource] = [LocalSource(), plain, override]
    assert choose_source("library:a.mp4", sources) is override
    assert choose_source("memory:a", [LocalSource(), plain]) is plain
    with pytest.raises(VideoUnavailable, match=r"watchbuddy\[youtube\]"):
        choose_source("https://youtu.be/1", [LocalSource()])
    with pytest.raises(VideoUnavailable, match="opens this address"):
        choose_source("memory:a", [])
    with pytest.raises(VideoUnavailable, match="opens this address"):
        choose_source("library://[", [])
