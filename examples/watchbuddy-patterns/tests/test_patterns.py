"""It keeps to the contract of sources."""

import asyncio
from pathlib import Path

from watchbuddy_patterns import PatternSource

from watchbuddy_core.testing import check_source


def test_it_is_a_source(tmp_path: Path) -> None:
    source = PatternSource(seconds=3.0, folder=str(tmp_path))
    asyncio.run(
        check_source(
            source,
            opens=["pattern:storm", "pattern:sea"],
            refuses=["https://example.com/storm.mp4", "library:storm.mp4"],
            missing=["pattern:nothing", "pattern:"],
        )
    )


def test_nothing_unfinished_is_left(tmp_path: Path) -> None:
    source = PatternSource(seconds=3.0, folder=str(tmp_path))
    asyncio.run(check_source(source, opens=["pattern:sea"]))
    assert [path.name for path in tmp_path.rglob("*.mp4")] == ["sea-3.mp4"]
