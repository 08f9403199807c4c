"""What mpv says late: an mpv that says it when the test wants."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from watchbuddy_mpv import Mpv, MpvGone, MpvPlayer, MpvRefused

pytestmark = pytest.mark.anyio


@dataclass
class ScriptedMpv:
    """Answers at once what it is asked, and says nothing by itself."""

    properties: dict[str, object] = field(default_factory=dict)
    _writer: asyncio.StreamWriter | None = None

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        async for line in reader:
            request = json.loads(line)
            self._write({"request_id": request["request_id"], **self._answer(*request["command"])})
        writer.close()

    def _answer(self, name: str, *words: Any) -> dict[str, object]:
        match name:
            case "get_property" if words[0] in self.properties:
                return {"error": "success", "data": self.properties[words[0]]}
            case "get_property":
                return {"error": "property unavailable"}
            case "set_property":
                self.properties[words[0]] = words[1]
        return {"error": "success"}

    def says(self, event: str, **more: object) -> None:
        self._write({"event": event, **more})

    def says_of(self, name: str, value: object) -> None:
        self.says("property-change", name=name, data=value)

    def hangs_up(self) -> None:
        assert self._writer is not None
        self._writer.close()

    def _write(self, message: dict[str, object]) -> None:
        assert self._writer is not None
        self._writer.write(json.dumps(message).encode() + b"\n")


@dataclass
class Told:
    """A player before such an mpv."""

    mpv: ScriptedMpv
    player: MpvPlayer
    ipc: Mpv
    changes: list[bool] = field(default_factory=list)
    """Whether it was paused, each time that it said that something had changed."""

    async def heard(self) -> None:
        """All that mpv has said is dealt with, and what was asked for then."""
        for _ in range(2):
            await self.ipc.command("get_property", "pause")


@pytest.fixture
async def told(tmp_path) -> AsyncIterator[Told]:
    mpv = ScriptedMpv(
        {
            "pause": True,
            "speed": 1.0,
            "idle-active": False,
            "playlist-count": 1,
            "seeking": False,
            "time-pos": 5.0,
        }
    )
    async with (
        await asyncio.start_unix_server(mpv.take, tmp_path / "mpv"),
        Mpv.at(tmp_path / "mpv") as ipc,
    ):
        player = MpvPlayer(ipc)
        await player.attach()
        told = Told(mpv, player, ipc)
        player.listen(lambda: told.changes.append(player.paused))
        yield told


async def test_an_old_word_about_a_pause_is_not_believed(told) -> None:
    """The companion pauses, and only then is told that it had resumed before."""
    await told.player.resume()
    await told.player.pause()
    told.mpv.says_of("pause", False)
    told.mpv.says_of("pause", True)
    await told.heard()
    assert told.player.paused
    assert told.changes == []


async def test_what_the_viewer_does_is_a_change(told) -> None:
    told.mpv.properties["pause"] = False
    told.mpv.says_of("pause", False)
    await told.heard()
    assert told.changes == [False]


async def test_what_the_viewer_undoes_at_once_is_seen_by_the_pictures_that_come(told) -> None:
    """mpv says of a property how it is, and nothing where it is again as it said before."""
    await told.player.resume()
    await told.player.pause()
    told.mpv.properties["pause"] = False
    told.mpv.says_of("time-pos", 5.1)
    await told.heard()
    assert told.changes == [False]


async def test_the_landing_of_an_earlier_seek_is_not_that_of_this_one(told) -> None:
    seeking = asyncio.create_task(told.player.seek(9.0))
    await told.heard()
    told.mpv.says("playback-restart")
    await told.heard()
    assert not seeking.done()
    told.mpv.says("seek")
    told.mpv.properties["time-pos"] = 9.0
    told.mpv.says("playback-restart")
    await seeking
    assert told.player.position == 9.0


async def test_on_its_way_it_is_where_it_was(told) -> None:
    told.mpv.says("seek")
    told.mpv.says_of("time-pos", 50.0)
    await told.heard()
    assert told.player.position == 5.0


async def test_a_picture_far_away_is_asked_for_again(told) -> None:
    """It may be from before a seek."""
    told.mpv.says_of("time-pos", 50.0)
    await told.heard()
    assert told.player.position == 5.0


async def test_it_stands_still_where_mpv_waits_for_data(told) -> None:
    await told.player.resume()
    told.mpv.says_of("core-idle", True)
    told.mpv.says_of("time-pos", 5.1)
    await told.heard()
    await asyncio.sleep(0.1)
    assert told.player.position == 5.1


async def test_without_a_word_it_does_not_play_on_for_long(told) -> None:
    await told.player.resume()
    told.mpv.says_of("core-idle", False)
    told.mpv.says_of("time-pos", 5.1)
    await told.heard()
    await asyncio.sleep(0.6)
    assert 5.1 < told.player.position <= 5.1 + 0.25


async def test_a_film_that_cannot_be_played_is_told_with_the_reason(told) -> None:
    opening = asyncio.create_task(told.player.open("nothing.mp4"))
    await told.heard()
    told.mpv.says("end-file", reason="error", file_error="no such file")
    with pytest.raises(MpvRefused, match=r"cannot play this: no such file\."):
        await opening
    assert told.player.closed.is_set()


async def test_an_mpv_that_has_gone_keeps_nobody_waiting(told) -> None:
    seeking = asyncio.create_task(told.player.seek(9.0))
    await told.heard()
    told.mpv.hangs_up()
    await seeking
    assert told.player.ended
    await told.player.pause()
    with pytest.raises(MpvGone):
        await told.ipc.command("get_property", "pause")
