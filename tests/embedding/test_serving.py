"""The examples that serve, under a real uvicorn, hold the documented conversation."""

from __future__ import annotations

import asyncio
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE

from watchbuddy_core import (
    ClockPlayer,
    CreateSession,
    RequestRefused,
    WallClock,
    WatchClient,
    create_session,
)
from watchbuddy_core.actions import ACTION
from watchbuddy_core.client import Ended, Happening

pytestmark = pytest.mark.anyio

FILM = "library:snail.mp4"
SECONDS = 12.0


async def test_a_session_is_watched_as_the_protocol_page_says(site: Any) -> None:
    async with site.watching(await site.create(FILM)) as viewer:
        assert await viewer.hear() == {"type": "session_ready"}
        heard = await viewer.play(end=SECONDS)
    actions = [ACTION.validate_python(message) for message in heard]
    assert actions[-1].action_type == "END_REACTION"
    assert "SPEAK" in {action.action_type for action in actions}
    assert len({uuid.UUID(action.id) for action in actions}) == len(actions)
    triggers = [action.trigger_timestamp for action in actions]
    assert triggers == sorted(triggers)
    assert triggers[-1] <= SECONDS


async def test_the_client_of_the_library_watches_to_the_end(site: Any) -> None:
    """Its address is that of the companion, whatever path that has, with or without a slash."""
    request = CreateSession(video_url=FILM, character_id="miao")
    session_id = await create_session(f"{site.companion}/", request)
    async with site.watching(session_id) as viewer:
        assert await viewer.hear() == {"type": "session_ready"}
    clock = WallClock(speed=4.0)
    player = ClockPlayer(SECONDS, clock=clock)
    await player.resume()
    happened: list[Happening] = []
    client = WatchClient(site.companion, session_id, player, listen=happened.append, clock=clock)
    async with asyncio.timeout(PATIENCE):
        await client.run()
    ended = [one.action.action_type for one in happened if isinstance(one, Ended)]
    assert {"SPEAK", "END_REACTION"} <= set(ended)


async def test_the_client_of_the_page_on_embedding_watches_to_the_end(
    site: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "embedding.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    (program,) = [block for block in blocks if "WatchClient(" in block]
    names: dict[str, Any] = {}
    exec(compile(program, "embedding.md", "exec", dont_inherit=True), names)
    player = ClockPlayer(SECONDS, clock=WallClock(), playback_rate=4.0)
    async with asyncio.timeout(PATIENCE):
        await names["watch"](site.companion, FILM, player)
    assert player.ended
    assert " s: " in capsys.readouterr().out


async def test_a_newer_connection_takes_over_and_goes_on(site: Any) -> None:
    session_id = await site.create(FILM)
    async with site.watching(session_id) as older:
        await older.hear()
        await older.say(type="timestamp_update", timestamp=0.0)
        async with site.watching(session_id) as newer:
            assert await older.end() == (4409, "REPLACED")
            assert await newer.hear() == {"type": "session_ready"}
            heard = await newer.play(end=SECONDS)
    async with site.watching(session_id) as later:
        assert await later.hear() == {"type": "session_ready"}
        await later.say(type="seek_update", timestamp=heard[0]["trigger_timestamp"])
        assert await later.hear() == heard[0]


async def test_a_session_that_failed_says_so_to_everyone_who_comes(site: Any) -> None:
    session_id = await site.create("library:nothing.mp4")
    for _ in range(2):
        async with site.watching(session_id) as viewer:
            message = await viewer.hear()
            assert message["type"] == "processing_error"
            assert message["error_code"] == "VIDEO_UNAVAILABLE"
            assert await viewer.end() == (4500, "PROCESSING_ERROR")


async def test_an_unknown_session_is_accepted_and_closed(site: Any) -> None:
    async with site.watching("ses_0000000000000000") as viewer:
        assert await viewer.end() == (4404, "SESSION_NOT_FOUND")


@pytest.mark.parametrize("frame", ["hello", b"\xff\xfe", "[]", '{"type": "seek_update"}'])
async def test_what_is_no_message_is_answered_twenty_times(site: Any, frame: str | bytes) -> None:
    async with site.watching(await site.create(FILM)) as viewer:
        await viewer.hear()
        for _ in range(19):
            await viewer.socket.send(frame)
            assert (await viewer.hear())["error_code"] == "INVALID_MESSAGE"
        await viewer.say(type="timestamp_update", timestamp=0.0)
        for _ in range(20):
            await viewer.socket.send(frame)
            assert (await viewer.hear())["error_code"] == "INVALID_MESSAGE"
        assert await viewer.end() == (4400, "INVALID_MESSAGE")


async def test_a_viewer_who_vanishes_finds_the_session_as_it_was(site: Any) -> None:
    session_id = await site.create(FILM)
    for _ in range(5):
        async with site.watching(session_id) as viewer:
            await viewer.hear()
            await viewer.say(type="timestamp_update", timestamp=0.0)
            viewer.socket.transport.abort()
    async with site.watching(session_id) as viewer:
        assert await viewer.hear() == {"type": "session_ready"}
        assert (await viewer.play(end=SECONDS))[-1]["action_type"] == "END_REACTION"


async def test_a_frame_that_is_too_large_ends_the_connection(site: Any) -> None:
    async with site.watching(await site.create(FILM)) as viewer:
        await viewer.hear()
        await viewer.socket.send("x" * (64 * 1024 + 1))
        code, _ = await viewer.end()
        assert code == 1009


async def test_a_refused_request_has_the_documented_body(site: Any) -> None:
    status, body = await site.post_session(
        video_url="https://vimeo.com/76979871", character_id="miao"
    )
    assert status == 422
    assert body == {
        "detail": {
            "error": "UNSUPPORTED_VIDEO_SOURCE",
            "message": "The provided video URL from 'vimeo.com' is not supported.",
        }
    }
    with pytest.raises(RequestRefused) as refused:
        await create_session(site.companion, CreateSession(video_url=FILM, character_id="nobody"))
    assert refused.value.code == "UNKNOWN_CHARACTER"


async def test_the_application_has_routes_of_its_own(site: Any) -> None:
    status, films = await site.get("/films")
    assert status == 200
    assert "snail" in str(films)
