"""The cache in a folder: keeps, forgets what was not used for longest, and never fails."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import pytest

from watchbuddy_core.storage import Cache
from watchbuddy_core.stores.files import FileCache


def put(cache: Cache, key: str, value: bytes) -> None:
    asyncio.run(cache.put(key, value))


def get(cache: Cache, key: str) -> bytes | None:
    return asyncio.run(cache.get(key))


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_is_put_is_found_by_any_process(tmp_path: Path) -> None:
    cache = FileCache(tmp_path / "cache")
    assert get(cache, "a") is None
    for value in (b"", b"one\ntwo", bytes(range(256))):
        put(cache, "survey/1/電影", value)
        assert get(FileCache(tmp_path / "cache"), "survey/1/電影") == value
    assert get(cache, "survey/2/電影") is None


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, most_bytes=3500)
    for number, key in enumerate("abc"):
        put(cache, key, os.urandom(1000))
        for path in files(tmp_path):
            made = path.stat().st_mtime
            os.utime(path, (made - 100 + number, made - 100 + number))
    get(cache, "a")
    put(cache, "d", os.urandom(1000))
    assert [get(cache, key) is not None for key in "abcd"] == [True, False, True, True]
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 3500


@pytest.mark.parametrize("content", [b"", b"no compressed bytes", b"x\x9c"])
def test_what_is_damaged_is_not_there(tmp_path: Path, content: bytes) -> None:
    cache = FileCache(tmp_path)
    put(cache, "a", b"value")
    (path,) = files(tmp_path)
    path.write_bytes(content)
    assert get(cache, "a") is None
    put(cache, "a", b"value")
    assert get(cache, "a") == b"value"


def test_a_folder_that_cannot_be_written_keeps_nothing_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = FileCache(tmp_path / "file" / "cache")
    with caplog.at_level(logging.WARNING):
        put(cache, "a", b"value")
    assert get(cache, "a") is None
    assert "nothing can be kept" in caplog.text
    assert str(tmp_path) not in caplog.text
