"""Watching: lines, pauses, jumps and replays, and the viewer who overrules each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from watchbuddy_core.actions import (
    EndReaction,
    Expression,
    PauseVideo,
    ReplaySegment,
    Seek,
    Speak,
)

LINE = "Did you see that?"
ENDLESS = "And did you see that? " * 4
"""Longer than any voice of a test is given to say it."""


def test_a_line_is_shown_and_told_and_marked_when_the_film_gets_there(
    house: Any, viewer: Any
) -> None:
    line = Speak(trigger_timestamp=2.0, text=LINE)
    session_id = house.session(line)
    viewer.watch(house.url, session_id)
    page = viewer.page
    viewer.wait(f"document.querySelector('.bubble p')?.innerText === '{LINE}'")
    assert viewer.wait_for(line)["position"] >= 2.0
    assert page.locator(".lines .speak .text").inner_text() == LINE
    assert page.locator("[aria-live=polite]").inner_text() == f"Miao: {LINE}"
    mark = page.locator(".marks .mark")
    assert mark.get_attribute("aria-label") == f"0:02: {LINE}"
    viewer.wait("document.querySelector('.bubble').hidden")
    viewer.until(lambda: house.completed(session_id) == {line.id: "done"})
    mark.click()
    viewer.wait("document.querySelector('video').currentTime < 4")


def test_actions_are_carried_out_in_time(house: Any, viewer: Any) -> None:
    """How late they are, and how long the main thread is busy, tells tests/bench/page.py. Here
    it is seen that they do not wait for the next report, four times a second: by the most of
    them, since a machine that does much else holds some of them up."""
    faces = [
        Expression(trigger_timestamp=1.0 + i / 5, emotion="joy" if i % 2 else "sad")
        for i in range(25)
    ]
    viewer.watch(house.url, house.session(*faces))
    viewer.wait_for(faces[-1])
    late = sorted(one["position"] - one["trigger_timestamp"] for one in viewer.done())
    assert len(late) == len(faces)
    assert late[0] >= 0
    assert late[len(late) // 2] < 0.1


def test_a_pause_of_the_companion_ends_by_itself(house: Any, viewer: Any) -> None:
    pause = PauseVideo(trigger_timestamp=1.5, duration_seconds=1.0)
    session_id = house.session(pause)
    viewer.watch(house.url, session_id)
    viewer.note()
    viewer.wait("document.querySelector('video').currentTime > 2.5")
    assert viewer.noted("pause")[0] >= 1.5
    assert viewer.stood_still() > 0.5
    viewer.until(lambda: house.completed(session_id) == {pause.id: "done"})


def test_play_ends_a_pause_of_the_companion(house: Any, viewer: Any) -> None:
    pause = PauseVideo(trigger_timestamp=1.5, duration_seconds=60.0)
    session_id = house.session(pause)
    viewer.watch(house.url, session_id)
    viewer.wait_for(pause)
    viewer.page.keyboard.press("k")
    viewer.wait("document.querySelector('video').currentTime > 2")
    viewer.until(lambda: house.completed(session_id) == {pause.id: "interrupted"})


def test_a_pause_of_the_viewer_stays(house: Any, viewer: Any) -> None:
    line = Speak(trigger_timestamp=1.5, text=ENDLESS, pause_video=True)
    viewer.page.add_init_script(VOICE)
    viewer.watch(house.url, house.session(line))
    viewer.wait_for(line)
    viewer.page.click(".controls button >> nth=0")
    viewer.wait("!document.querySelector('video').paused")
    viewer.page.click(".controls button >> nth=0")
    viewer.page.evaluate("window.finish()")
    viewer.wait("document.querySelector('.bubble').hidden")
    assert viewer.video("paused")


def test_a_line_that_pauses_lets_the_film_go_on_when_it_is_said(house: Any, viewer: Any) -> None:
    line = Speak(trigger_timestamp=1.5, text="Hm.", pause_video=True)
    session_id = house.session(line)
    viewer.watch(house.url, session_id)
    viewer.note()
    viewer.wait("document.querySelector('video').currentTime > 2")
    assert viewer.noted("pause")[0] >= 1.5
    assert viewer.stood_still() > 0.3
    viewer.until(lambda: house.completed(session_id) == {line.id: "done"})


def test_a_jump_lands_where_it_should(house: Any, viewer: Any) -> None:
    jump = Seek(trigger_timestamp=2.0, target_timestamp=30.0, post_seek_behavior="RESUME_PLAYBACK")
    session_id = house.session(jump)
    viewer.watch(house.url, session_id)
    viewer.note()
    viewer.wait("document.querySelector('video').currentTime > 30.5")
    viewer.until(lambda: house.completed(session_id) == {jump.id: "done"})
    (landed,) = viewer.noted("seeked")
    assert abs(landed - 30.0) < 0.5


def test_going_back_after_a_jump_is_the_viewers_right(house: Any, viewer: Any) -> None:
    jump = Seek(trigger_timestamp=2.0, target_timestamp=30.0, post_seek_behavior="STAY_PAUSED")
    viewer.watch(house.url, house.session(jump))
    viewer.wait_for(jump)
    viewer.wait("document.querySelector('video').paused")
    viewer.wait("document.querySelector('video').currentTime >= 29.9")
    viewer.wait("!document.querySelector('video').seeking")
    assert viewer.position < 30.1
    assert viewer.video("paused")
    viewer.page.keyboard.press("k")
    viewer.wait("document.querySelector('video').currentTime > 30.3")
    viewer.set_video("currentTime", 1.0)
    viewer.wait("document.querySelector('video').currentTime > 3.5")
    assert viewer.position < 29
    assert len(viewer.done()) == 1


def test_a_browser_that_wants_to_be_asked_is_asked(house: Any, arrive: Callable[..., Any]) -> None:
    """The rule is a stand-in: for the browser's own, a test that looks is a touch already."""
    viewer = arrive()
    viewer.page.add_init_script(
        """const play = HTMLMediaElement.prototype.play;
        let isTouched = false;
        addEventListener("pointerdown", () => (isTouched = true), true);
        HTMLMediaElement.prototype.play = function () {
            const refusal = new DOMException("touch me first", "NotAllowedError");
            return isTouched ? play.call(this) : Promise.reject(refusal);
        };"""
    )
    viewer.page.goto(f"{house.url}/#{house.session()}")
    start = viewer.page.get_by_role("button", name="Start", exact=True)
    start.wait_for()
    assert viewer.video("paused")
    start.click()
    viewer.wait("document.querySelector('video').currentTime > 0.2")
    assert start.is_hidden()


def test_a_film_that_is_still_being_fetched_is_waited_for(house: Any, viewer: Any) -> None:
    answers = [409] * 4

    def media(route: Any) -> None:
        if answers:
            route.fulfill(status=answers.pop(), body="")
        else:
            route.continue_()

    viewer.page.route("**/media/**", media)
    viewer.page.goto(f"{house.url}/#{house.session()}")
    viewer.wait("document.querySelector('video')?.readyState >= 1")
    assert not answers
    viewer.problems.clear()  # the browser's own, about these answers
    viewer.page.locator("video").evaluate("video => video.play()")
    viewer.wait("document.querySelector('video').currentTime > 0.2")


def test_a_replay_shows_it_again_and_comes_back(house: Any, viewer: Any) -> None:
    replay = ReplaySegment(
        trigger_timestamp=6.0,
        start_timestamp=2.0,
        end_timestamp=3.0,
        post_replay_behavior="RESUME_FROM_ORIGINAL",
    )
    session_id = house.session(replay)
    viewer.watch(house.url, session_id)
    viewer.note()
    viewer.set_video("currentTime", 5.0)
    viewer.until(lambda: house.completed(session_id) == {replay.id: "done"})
    viewer.wait("document.querySelector('video').currentTime > 6.3")
    sought, again, back = viewer.noted("seeked")
    assert [round(sought), round(again), round(back)] == [5, 2, 6]


def test_going_elsewhere_ends_a_replay(house: Any, viewer: Any) -> None:
    replay = ReplaySegment(
        trigger_timestamp=24.0,
        start_timestamp=2.0,
        end_timestamp=22.0,
        post_replay_behavior="RESUME_FROM_ORIGINAL",
    )
    session_id = house.session(replay)
    viewer.watch(house.url, session_id)
    viewer.set_video("currentTime", 23.5)
    viewer.wait_for(replay)
    viewer.wait("document.querySelector('video').currentTime < 21")
    viewer.set_video("currentTime", 30.0)
    viewer.wait("document.querySelector('video').currentTime > 31")
    viewer.until(lambda: house.completed(session_id) == {replay.id: "interrupted"})
    assert viewer.position > 31


def test_after_the_goodbye_the_film_goes_on(house: Any, viewer: Any) -> None:
    bye = EndReaction(trigger_timestamp=2.0)
    session_id = house.session(bye)
    viewer.watch(house.url, session_id)
    viewer.wait_for(bye)
    assert "goodbye" in viewer.page.locator(".lines").inner_text()
    viewer.wait("document.querySelector('video').currentTime > 2.5")
    viewer.set_video("currentTime", 37)
    viewer.set_video("playbackRate", 4)
    viewer.wait("document.querySelector('video').ended")
    viewer.page.get_by_role("button", name="From the beginning").click()
    viewer.wait(
        "document.querySelector('video').currentTime < 5 && !document.querySelector('video').paused"
    )


def test_the_video_is_lowered_for_a_voice_and_gets_back_exactly_what_it_had(
    house: Any, arrive: Callable[..., Any]
) -> None:
    """The voice is a stand-in: a headless browser has none."""
    viewer = arrive()
    viewer.page.add_init_script(VOICE)
    line = Speak(trigger_timestamp=1.5, text=ENDLESS)
    session_id = house.session(line)
    viewer.watch(house.url, session_id)
    viewer.set_video("volume", 0.7351)
    viewer.wait("window.spoken.length === 1")
    spoken = viewer.page.evaluate("window.spoken[0]")
    assert spoken == {"text": ENDLESS, "lang": "en-GB", "voice": "Emma"}
    viewer.wait("document.querySelector('video').volume < 0.3")
    viewer.page.evaluate("window.finish()")
    viewer.wait("document.querySelector('video').volume === 0.7351")
    viewer.until(lambda: house.completed(session_id) == {line.id: "done"})


VOICE = """
window.spoken = [];
const synthesis = new EventTarget();
Object.assign(synthesis, {
  getVoices: () => [
    { name: "Anna", lang: "de-DE", localService: true },
    { name: "Emma", lang: "en-GB", localService: true },
  ],
  speak(utterance) {
    window.spoken.push({ text: utterance.text, lang: utterance.lang, voice: utterance.voice.name });
    utterance.onstart();
    window.finish = () => utterance.onend();
  },
  cancel() {},
});
Object.defineProperty(window, "speechSynthesis", { value: synthesis });
window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
"""
