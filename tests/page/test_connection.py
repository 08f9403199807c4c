"""Lost connections, other windows, and sessions that are no more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from watchbuddy_core.actions import Speak


def test_a_cut_is_told_and_bridged_and_nothing_is_lost_or_said_twice(
    house: Any, wire: Any, viewer: Any
) -> None:
    """One line comes due that was not sent ahead before the cut. While the connection is made
    anew, the film hardly moves: on a slow machine it would be too late for that line."""
    lines = [Speak(trigger_timestamp=1.5 + 1.5 * i, text=f"Line {i}.") for i in range(6)]
    session_id = house.session(*lines)
    viewer.watch(wire.url, session_id)
    viewer.wait("document.querySelector('video').buffered.end(0) > 39")
    viewer.wait_for(lines[0])
    wire.cut()
    viewer.page.wait_for_selector(".note.lost")
    viewer.wait(f"document.querySelector('video').currentTime > {lines[2].trigger_timestamp}")
    viewer.set_video("playbackRate", 0.1)
    assert lines[2].id not in [one["id"] for one in viewer.done()]
    wire.mend()
    viewer.page.wait_for_selector(".note.lost", state="detached")
    viewer.wait_for(lines[2])
    viewer.set_video("playbackRate", 2)
    viewer.wait_for(lines[-1])
    done = [one["id"] for one in viewer.done()]
    assert len(done) == len(set(done))
    assert set(done) == {line.id for line in lines}


def test_a_second_window_takes_over_and_the_first_says_so(
    house: Any, arrive: Callable[..., Any]
) -> None:
    line = Speak(trigger_timestamp=30.0, text="Over here.")
    session_id = house.session(line)
    first = arrive()
    first.watch(house.url, session_id)
    second = arrive(first.page.context)
    second.watch(house.url, session_id)
    over = first.page.wait_for_selector(".over")
    assert "another window" in over.inner_text()
    assert first.video("paused")
    second.set_video("currentTime", 29.5)
    second.wait_for(line)
    assert [one["id"] for one in first.done()] == []
    first.page.get_by_role("button", name="Watch here").click()
    assert "another window" in second.page.wait_for_selector(".over").inner_text()


def test_a_session_that_is_deleted_ends_in_words(house: Any, viewer: Any) -> None:
    session_id = house.session()
    viewer.watch(house.url, session_id)
    viewer.page.request.delete(f"{house.url}/api/v1/sessions/{session_id}")
    over = viewer.page.wait_for_selector(".over")
    assert "session is over" in over.inner_text()


def test_a_session_that_is_not_known_any_more_leads_to_the_start(house: Any, viewer: Any) -> None:
    viewer.page.goto(f"{house.url}/#ses_0123456789abcdef")
    failure = viewer.page.wait_for_selector(".failure")
    assert "session is over" in failure.inner_text()
    viewer.page.get_by_role("button", name="Watch something else").click()
    viewer.page.wait_for_selector(".start")
    assert viewer.page.url == f"{house.url}/"


def test_leaving_ends_the_connection_and_stops_all_timers(house: Any, viewer: Any) -> None:
    """It had a line already, which it was to say half a second later."""
    session_id = house.session(Speak(trigger_timestamp=20.0, text="Hm."))
    viewer.watch(house.url, session_id)
    viewer.page.keyboard.press("k")
    viewer.set_video("currentTime", 19.5)
    viewer.until(lambda: any(one.kind == "delivered" for one in house.log(session_id)))
    viewer.page.wait_for_timeout(100)
    viewer.page.evaluate(
        """() => {
            document.querySelector("video").play();
            document.querySelector("header button").click();
        }"""
    )
    viewer.page.wait_for_selector(".start")
    viewer.until(lambda: not house.is_watched(session_id))
    entries = len(house.log(session_id))
    viewer.page.wait_for_timeout(1000)
    assert len(house.log(session_id)) == entries
    assert viewer.done() == []


def test_reloading_goes_on_with_the_session(house: Any, viewer: Any) -> None:
    line = Speak(trigger_timestamp=2.0, text="Again.")
    session_id = house.session(line)
    viewer.watch(house.url, session_id)
    viewer.wait_for(line)
    viewer.set_video("currentTime", 20.0)
    viewer.wait("document.querySelector('video').currentTime > 21")
    viewer.page.reload()
    viewer.page.wait_for_selector(".watching")
    viewer.start()
    assert viewer.position >= 20
    assert viewer.page.title() == "Film · AI Watch Buddy"
    assert house.epoch(session_id) == 1, "going on is no seek"


def test_a_film_that_breaks_off_is_taken_up_where_it_was(
    house: Any, viewer: Any, films: Path
) -> None:
    film = (films / "film.mp4").read_bytes()
    there = len(film) // 3
    is_mended = False

    def serve(route: Any) -> None:
        """The first third of the film, and then nothing, until the way is mended. A browser
        asks a server that is gone for half a minute; of one that is too busy, it thinks less."""
        first = int(route.request.headers["range"].removeprefix("bytes=").partition("-")[0])
        if is_mended:
            route.continue_()
        elif first < there:
            whole = f"bytes {first}-{there - 1}/{len(film)}"
            headers = {"Content-Range": whole, "Content-Type": "video/mp4"}
            route.fulfill(status=206, headers=headers, body=film[first:there])
        else:
            route.fulfill(status=429)

    viewer.page.route("**/media/**", serve)
    line = Speak(trigger_timestamp=15.0, text="There it is again.")
    viewer.watch(house.url, house.session(line))
    viewer.set_video("playbackRate", 2)
    viewer.wait("document.querySelector('video').error !== null")
    viewer.page.wait_for_selector(".waiting:not([hidden])")
    is_mended = True
    viewer.wait_for(line)
    assert viewer.video("error") is None
    assert not viewer.video("paused")
    assert viewer.video("playbackRate") == 2
    assert viewer.page.locator(".over").count() == 0
    assert not [one for one in viewer.done() if one["id"] != line.id]


def test_after_the_machine_has_slept_the_connection_is_made_anew(
    house: Any, arrive: Callable[..., Any]
) -> None:
    viewer = arrive()
    sockets: list[str] = []
    viewer.page.on("websocket", lambda socket: sockets.append(socket.url))
    viewer.page.clock.install()
    viewer.watch(house.url, house.session())
    viewer.page.keyboard.press("k")
    assert len(sockets) == 1
    viewer.page.clock.fast_forward(3_600_000)
    viewer.until(lambda: len(sockets) > 1)
    assert len(sockets) == 2
    assert viewer.page.locator(".over").count() == 0
