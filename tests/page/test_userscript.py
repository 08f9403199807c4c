"""The userscript: the companion over the player of a page that knows nothing of it.

The page is a stand-in for a site, under the site's own name: the browser is told where to find
it, so that the script and the server's rules are those of every day.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from watchbuddy_core.actions import Action, PauseVideo, Seek, Speak
from watchbuddy_server.tokens import Tokens, hash_of, new_token

ROOT = Path(__file__).parents[2]
SCRIPT = (ROOT / "examples" / "userscript" / "watchbuddy.user.js").read_text(encoding="utf-8")
SITE = "https://www.youtube.com"
LINK = f"{SITE}/watch?v=dQw4w9WgXcQ"
PAGE = """<!doctype html><title>A video</title>
<style>body { margin: 0 } video { width: 900px; height: 500px; background: #000 }</style>
<div id="movie_player"><video src="/film.mp4" muted></video></div>"""
LINE = "Did you see that?"


@pytest.fixture
def site(arrive: Callable[..., Any], films: Path) -> Any:
    """A viewer at the site, with the script."""
    viewer = arrive()
    film = (films / "film.mp4").read_bytes()

    def serve(route: Any) -> None:
        if route.request.url.endswith("/film.mp4"):
            asked = route.request.headers.get("range", "bytes=0-")
            first = int(asked.removeprefix("bytes=").partition("-")[0])
            headers = {
                "Accept-Ranges": "bytes",
                "Content-Range": f"bytes {first}-{len(film) - 1}/{len(film)}",
            }
            route.fulfill(status=206, content_type="video/mp4", headers=headers, body=film[first:])
        else:
            route.fulfill(content_type="text/html", body=PAGE)

    may_reach_this_machine(viewer, SITE)
    viewer.page.route(f"{SITE}/**", serve)
    return viewer


def may_reach_this_machine(viewer: Any, origin: str) -> None:
    """What Chromium asks people before a page of the internet reaches a server at home."""
    viewer.page.context.grant_permissions(["local-network-access"], origin=origin)


def open_site(viewer: Any, house: Any) -> Any:
    """The page with the script in it; the frame of the companion."""
    viewer.page.goto(LINK)
    viewer.page.evaluate("(server) => localStorage.setItem('watchbuddy.server', server)", house.url)
    viewer.wait("document.querySelector('video').readyState >= 3")
    viewer.page.evaluate(f"() => {{ {SCRIPT} }}")
    viewer.page.wait_for_selector("iframe")
    frame = viewer.page.frame_locator("iframe")
    frame.locator(".portrait, dialog").wait_for()
    return frame


def watch(viewer: Any, frame: Any, house: Any, *actions: Action) -> str:
    """Begin, and let the script be there; the session's id."""
    frame.locator(".portrait").click()
    frame.get_by_role("button", name="Watch").click()
    viewer.until(lambda: house.do(house.store.list()))
    (record,) = house.do(house.store.list())
    assert record.video_url == LINK
    house.write(record.session_id, *actions)
    frame.locator(".menu").wait_for(state="hidden")
    viewer.page.evaluate("document.querySelector('video').play()")
    session_id: str = record.session_id
    return session_id


def test_a_line_is_said_over_the_sites_own_player(house: Any, site: Any) -> None:
    line = Speak(trigger_timestamp=1.5, text=LINE)
    frame = open_site(site, house)
    session_id = watch(site, frame, house, line)
    frame.get_by_text(LINE, exact=True).first.wait_for()
    assert site.position >= 1.5
    frame.locator(".bubble").wait_for(state="hidden")
    site.until(lambda: house.completed(session_id) == {line.id: "done"})


def test_the_sites_player_is_paused_and_moved_and_the_viewer_overrules(
    house: Any, site: Any
) -> None:
    pause = PauseVideo(trigger_timestamp=1.0, duration_seconds=60.0)
    jump = Seek(trigger_timestamp=2.0, target_timestamp=20.0, post_seek_behavior="RESUME_PLAYBACK")
    frame = open_site(site, house)
    session_id = watch(site, frame, house, pause, jump)
    site.wait("document.querySelector('video').paused")
    site.page.evaluate("document.querySelector('video').play()")
    site.wait("document.querySelector('video').currentTime > 20.5")
    outcomes = {pause.id: "interrupted", jump.id: "done"}
    site.until(lambda: house.completed(session_id) == outcomes)
    site.page.evaluate("document.querySelector('video').currentTime = 5")
    site.wait("document.querySelector('video').currentTime > 5.5")
    site.until(lambda: house.epoch(session_id) == 1)  # the viewer's own, which is theirs


def test_a_server_that_needs_a_token_has_the_frame_ask_for_it(
    new_house: Callable[..., Any], site: Any
) -> None:
    token = new_token()
    house = new_house(tokens=Tokens(hashes=[hash_of(token)]), need_token="always")
    line = Speak(trigger_timestamp=1.5, text=LINE)
    frame = open_site(site, house)
    box = site.page.locator("iframe").bounding_box()
    assert box["height"] > 300, "there is room for the question"
    frame.get_by_label("Token").fill(token)
    frame.get_by_role("button", name="Let me in").click()
    session_id = watch(site, frame, house, line)
    frame.get_by_text(LINE, exact=True).first.wait_for()
    assert house.do(house.store.get(session_id)).caller.startswith("token:")


def test_it_goes_with_the_video(house: Any, site: Any) -> None:
    frame = open_site(site, house)
    session_id = watch(site, frame, house, Speak(trigger_timestamp=30.0, text=LINE))
    site.page.evaluate("history.pushState(null, '', '/feed/subscriptions')")
    site.page.wait_for_selector("iframe", state="detached")
    site.wait("!document.querySelector('iframe')")
    assert session_id


def test_while_there_is_an_advertisement_nobody_talks(house: Any, site: Any) -> None:
    line = Speak(trigger_timestamp=30.0, text=LINE * 5)
    frame = open_site(site, house)
    watch(site, frame, house, line)
    site.page.evaluate("document.querySelector('#movie_player').classList.add('ad-showing')")
    site.page.evaluate("document.querySelector('video').currentTime = 29.5")
    site.wait("document.querySelector('video').currentTime > 31")
    assert frame.locator(".bubble").is_hidden()


def test_who_is_not_allowed_cannot_frame_it(house: Any, arrive: Callable[..., Any]) -> None:
    viewer = arrive()
    may_reach_this_machine(viewer, "https://evil.example")
    frame = f"<!doctype html><iframe src='{house.url}/overlay'></iframe>"
    viewer.page.route(
        "https://evil.example/**",
        lambda route: route.fulfill(content_type="text/html", body=frame),
    )
    viewer.page.goto("https://evil.example/")
    viewer.until(lambda: any("frame-ancestors" in problem for problem in viewer.problems))
    viewer.page.wait_for_timeout(300)
    viewer.problems.clear()
    assert viewer.page.frame_locator("iframe").locator(".portrait").count() == 0


def test_the_policy_of_the_overlay_names_those_who_may_frame_it(house: Any) -> None:
    overlay = httpx.get(f"{house.url}/overlay")
    policy = overlay.headers["content-security-policy"]
    assert "frame-ancestors 'self' https://www.youtube.com" in policy
    assert "script-src 'self';" in f"{policy};"
    assert 'name="watchbuddy-origins" content="https://www.youtube.com"' in overlay.text
