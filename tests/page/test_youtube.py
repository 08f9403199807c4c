"""YouTube's player, through a stand-in that speaks the same interface and has its coarse clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from watchbuddy_core.actions import Expression, PauseVideo, Seek, Speak

LINK = "https://www.youtube.com/watch?v=dQw4w9WgXcQ"
STAND_IN = (Path(__file__).parent / "youtube.js").read_text(encoding="utf-8")


@pytest.fixture
def youtube(viewer: Any) -> Any:
    viewer.page.route(
        "https://www.youtube.com/iframe_api",
        lambda route: route.fulfill(content_type="text/javascript", body=STAND_IN),
    )
    return viewer


def watch(viewer: Any, house: Any, session_id: str) -> None:
    viewer.page.goto(f"{house.url}/#{session_id}")
    viewer.page.wait_for_selector(".stand-in")
    viewer.wait("window.youtube.getPlayerState() === 1")


def test_actions_come_when_its_clock_gets_there(house: Any, youtube: Any) -> None:
    faces = [Expression(trigger_timestamp=1.0 + i / 2, emotion="joy") for i in range(12)]
    session_id = house.session(*faces, video_url=LINK)
    watch(youtube, house, session_id)
    assert youtube.page.evaluate("window.youtube.asked.videoId") == "dQw4w9WgXcQ"
    assert "nocookie" in youtube.page.evaluate("window.youtube.asked.host")
    youtube.wait_for(faces[-1])
    late = [one["position"] - one["trigger_timestamp"] for one in youtube.done()]
    assert len(late) == len(faces)
    assert min(late) >= 0
    assert sorted(late)[len(late) // 2] < 0.4


def test_the_companion_pauses_and_seeks_it_and_the_viewer_overrules(
    house: Any, youtube: Any
) -> None:
    pause = PauseVideo(trigger_timestamp=1.0, duration_seconds=60.0)
    jump = Seek(trigger_timestamp=2.0, target_timestamp=20.0, post_seek_behavior="RESUME_PLAYBACK")
    line = Speak(trigger_timestamp=21.0, text="Here it is.", pause_video=True)
    session_id = house.session(pause, jump, line, video_url=LINK)
    watch(youtube, house, session_id)
    youtube.wait("window.youtube.getPlayerState() === 2")
    youtube.page.evaluate("window.youtube.playVideo()")
    youtube.wait("window.youtube.exactly > 19")
    youtube.wait("window.youtube.exactly > 22")
    assert youtube.page.evaluate("window.youtube.states").count(2) == 2, "for the line as well"
    outcomes = {pause.id: "interrupted", jump.id: "done", line.id: "done"}
    youtube.until(lambda: house.completed(session_id) == outcomes)
    assert house.epoch(session_id) == 0, "the companion's jump is none of the viewer's"


def test_the_viewers_own_seek_in_its_player_is_noticed(house: Any, youtube: Any) -> None:
    line = Speak(trigger_timestamp=31.0, text="Far ahead.")
    session_id = house.session(line, video_url=LINK)
    watch(youtube, house, session_id)
    youtube.page.evaluate("window.youtube.seekTo(30, true)")
    youtube.wait_for(line)


def test_without_its_player_the_page_says_so(house: Any, viewer: Any) -> None:
    viewer.page.route("https://www.youtube.com/iframe_api", lambda route: route.abort())
    session_id = house.session(video_url=LINK)
    viewer.page.goto(f"{house.url}/#{session_id}")
    over = viewer.page.wait_for_selector(".over")
    assert "did not load" in over.inner_text()


def test_leaving_ends_its_player(house: Any, youtube: Any) -> None:
    watch(youtube, house, house.session(video_url=LINK))
    youtube.page.click("header button")
    youtube.page.wait_for_selector(".start")
    assert youtube.page.evaluate("window.youtube.destroyed")
