"""Lost connections, other windows, and sessions that are no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from watchbuddy_core.actions import Speak


def test_a_cut_is_told_and_bridged_and_nothing_is_lost_or_said_twice(
    house: Any, wire: Any, viewer: Any
) -> None:
    lines = [Speak(trigger_timestamp=1.5 + 2.5 * i, text=f"Line {i}.") for i in range(8)]
    session_id = house.session(*lines)
    viewer.watch(wire.url, session_id)
    viewer.wait("document.querySelector('video').buffered.end(0) > 39")
    viewer.wait_for(lines[0])
    wire.cut()
    viewer.page.wait_for_selector(".note.lost")
    viewer.page.wait_for_timeout(1200)
    wire.mend()
    viewer.page.wait_for_selector(".note.lost", state="detached")
    viewer.wait_for(lines[-1], seconds=40)
    done = [one["id"] for one in viewer.done()]
    assert len(done) == len(set(done))
    assert set(done) == {line.id for line in lines}


def test_a_second_window_takes_over_and_the_first_says_so(
    house: Any, arrive: Callable[..., Any]
) -> None:
    line = Speak(trigger_timestamp=6.0, text="Over here.")
    session_id = house.session(line)
    first = arrive()
    first.watch(house.url, session_id)
    second = arrive(first.page.context)
    second.watch(house.url, session_id)
    over = first.page.wait_for_selector(".over")
    assert "another window" in over.inner_text()
    assert first.video("paused")
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
    session_id = house.session(Speak(trigger_timestamp=2.0, text="Hm."))
    viewer.watch(house.url, session_id)
    viewer.page.click("header button")
    viewer.page.wait_for_selector(".start")
    entries = len(house.log(session_id))
    viewer.page.wait_for_timeout(1500)
    assert len(house.log(session_id)) == entries
    assert viewer.done() == []


def test_reloading_goes_on_with_the_session(house: Any, viewer: Any) -> None:
    line = Speak(trigger_timestamp=2.0, text="Again.")
    session_id = house.session(line)
    viewer.watch(house.url, session_id)
    viewer.wait_for(line)
    viewer.page.reload()
    viewer.page.wait_for_selector(".watching")
    viewer.start()
    assert viewer.page.title() == "Film · AI Watch Buddy"
