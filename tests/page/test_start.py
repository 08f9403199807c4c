"""From the start page to the end of the film: with the mouse, with the keyboard alone, with a
file of one's own, and where it goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

SERIOUS = {"serious", "critical"}


def violations(viewer: Any) -> list[str]:
    """What axe-core finds that is serious: rule and place."""
    found = Axe().run(viewer.page).response["violations"]
    return [
        f"{one['id']}: {node['target']}"
        for one in found
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]


def test_the_whole_way_from_the_start_page_to_the_goodbye(house: Any, viewer: Any) -> None:
    page = viewer.page
    page.goto(house.url)
    page.locator(".card", has_text="Master Shen").click()
    page.get_by_text("A wish, and which part").click()
    page.get_by_label("How much should I say?").select_option("chatty")
    page.fill("#link", "library:film.mp4")
    page.keyboard.press("Enter")
    page.wait_for_selector(".watching")
    viewer.start()
    viewer.page.wait_for_selector(".lines .speak")
    viewer.set_video("currentTime", 30)
    viewer.set_video("playbackRate", 4)
    viewer.wait("document.querySelector('.lines').innerText.includes('goodbye')")
    done = viewer.done()
    assert [one["action_type"] for one in done].count("END_REACTION") == 1
    assert any(one["action_type"] == "SPEAK" for one in done)
    assert all(one["position"] >= one["trigger_timestamp"] for one in done)
    (record,) = house.do(house.store.list())
    assert (record.character_id, record.density, record.language) == ("shen", "chatty", "en")
    assert record.user_id.startswith("web_")
    viewer.wait("document.querySelector('video').ended")
    page.wait_for_selector(".ending")
    page.get_by_role("button", name="Watch something else").click()
    recent = page.locator(".recent button >> nth=0")
    assert "film" in recent.inner_text()
    assert page.locator(".card:has(:checked) .name").inner_text() == "Master Shen"
    page.get_by_role("button", name="Forget film").click()
    assert page.locator(".recent").is_hidden()


def test_the_whole_way_with_the_keyboard_alone(house: Any, viewer: Any) -> None:
    page, press = viewer.page, viewer.page.keyboard.press
    page.goto(house.url)
    page.wait_for_selector(".card")
    assert page.evaluate("document.activeElement.id") == "link"
    page.keyboard.type("library:film.mp4")
    for _ in range(3):
        press("Tab")
    assert page.evaluate("document.activeElement.name") == "character"
    press("ArrowRight")
    chosen = page.evaluate("document.activeElement.value")
    press("Enter")
    page.wait_for_selector(".watching")
    viewer.start()
    assert viewer.page.evaluate("document.activeElement.tagName") == "H1"
    (record,) = house.do(house.store.list())
    assert record.character_id == chosen

    press("k")
    assert viewer.video("paused")
    before = viewer.position
    press("ArrowRight")
    viewer.wait(f"document.querySelector('video').currentTime > {before + 4.5}")
    press("m")
    assert viewer.video("muted")
    press("c")
    assert page.evaluate("document.activeElement.closest('.talk') !== null")
    page.keyboard.type("k hello")
    assert viewer.video("paused"), "letters that are written are no commands"
    press("Enter")
    page.wait_for_selector(".lines .viewer")

    page.locator(".buddy .portrait").focus()
    place = page.locator(".buddy .portrait").bounding_box()
    press("ArrowLeft")
    press("ArrowUp")
    moved = page.locator(".buddy .portrait").bounding_box()
    assert moved["x"] < place["x"]
    assert moved["y"] < place["y"]
    page.locator(".seek").focus()
    before = viewer.position
    press("PageUp")
    viewer.wait(f"document.querySelector('video').currentTime > {before + 20}")


def test_tab_reaches_everything_and_shows_where_it_is(house: Any, viewer: Any) -> None:
    page = viewer.page
    viewer.watch(house.url, house.session())
    page.keyboard.press("k")
    reached = set()
    for _ in range(24):
        page.keyboard.press("Tab")
        facts = page.evaluate(
            """() => {
                const one = document.activeElement;
                const words = one.getAttribute("aria-label") ?? one.textContent.trim();
                const isShown = getComputedStyle(one).outlineStyle !== "none";
                return [words || one.tagName, one === document.body || isShown];
            }"""
        )
        reached.add(facts[0])
        assert facts[1], f"{facts[0]} does not show that it has the focus"
    for name in (
        "Start page",
        "Position in the video",
        "Play",
        "Sound off",
        "Speed",
        "Voice",
        "Full screen",
        "Less",
        "More",
        "Hush",
        "Again",
        "Talk to Miao",
        "Send",
    ):
        assert name in reached


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_axe_finds_nothing_serious(
    house: Any, arrive: Callable[..., Any], scheme: str, locale: str
) -> None:
    viewer = arrive(color_scheme=scheme, locale=locale, bypass_csp=True)
    page = viewer.page
    page.goto(house.url)
    page.wait_for_selector(".card")
    page.locator(".options summary").click()
    assert page.evaluate("document.documentElement.lang") == locale[:2]
    assert violations(viewer) == []
    page.goto(f"{house.url}/#ses_0123456789abcdef")
    page.wait_for_selector(".failure")
    assert violations(viewer) == []
    page.goto(house.url)
    page.wait_for_selector(".card")
    page.fill("#link", "library:film.mp4")
    page.keyboard.press("Enter")
    page.wait_for_selector(".watching")
    viewer.start()
    page.wait_for_selector(".bubble:not([hidden])")
    assert violations(viewer) == []


@pytest.mark.parametrize("width", [360, 768, 1920])
def test_nothing_is_wider_than_the_screen(
    house: Any, arrive: Callable[..., Any], width: int
) -> None:
    viewer = arrive(viewport={"width": width, "height": 740})
    page = viewer.page
    overflow = "document.documentElement.scrollWidth - innerWidth"
    page.goto(house.url)
    page.wait_for_selector(".card")
    page.locator(".options summary").click()
    assert page.evaluate(overflow) <= 0
    viewer.watch(house.url, house.session())
    assert page.evaluate(overflow) <= 0
    for control in (".controls button >> nth=0", ".seek", ".say input", ".quick >> nth=3"):
        place = page.locator(control).bounding_box()
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= width


def test_a_file_of_ones_own_is_brought_along(house: Any, viewer: Any, films: Path) -> None:
    page = viewer.page
    page.goto(house.url)
    page.wait_for_selector(".card")
    page.set_input_files(".line input[type=file]", films / "film.mp4")
    page.wait_for_selector(".watching")
    viewer.start()
    (record,) = house.do(house.store.list())
    assert record.video_url.startswith("upload:")
    assert page.locator("h1").inner_text() == "film"


def test_a_dropped_file_is_taken_too(house: Any, viewer: Any) -> None:
    page = viewer.page
    page.goto(house.url)
    page.wait_for_selector(".card")
    page.evaluate(
        """() => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File(["no film"], "notes.mp4"));
            document.body.dispatchEvent(new DragEvent("dragover", { dataTransfer, bubbles: true }));
            window.wasDropping = document.body.classList.contains("dropping");
            document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
        }"""
    )
    assert page.evaluate("window.wasDropping")
    viewer.wait("document.querySelector('.problem').textContent !== ''")
    assert "no video that can be read" in page.locator(".problem").inner_text()
    assert not page.evaluate("document.body.classList.contains('dropping')")


def test_what_cannot_be_had_is_told_with_what_to_do(house: Any, viewer: Any) -> None:
    page = viewer.page
    page.goto(house.url)
    page.wait_for_selector(".card")
    page.fill("#link", "library:gone.mp4")
    page.keyboard.press("Enter")
    failure = page.wait_for_selector(".failure")
    assert "cannot be had" in failure.inner_text()
    page.get_by_role("button", name="Watch something else").click()
    page.wait_for_selector(".start")


def test_a_time_that_is_none_is_told_where_it_stands(house: Any, viewer: Any) -> None:
    page = viewer.page
    page.goto(house.url)
    page.wait_for_selector(".card")
    page.fill("#link", "library:film.mp4")
    page.locator(".options summary").click()
    page.fill("#from", "soon")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "from"
    assert page.locator("#from").get_attribute("aria-invalid") == "true"
    page.fill("#from", "0:30")
    page.fill("#to", "0:10")
    page.keyboard.press("Enter")
    viewer.wait("document.querySelector('.problem').textContent.includes('part')")


def test_a_part_of_the_film_begins_where_it_should(house: Any, viewer: Any) -> None:
    page = viewer.page
    page.goto(house.url)
    page.wait_for_selector(".card")
    page.fill("#link", "library:film.mp4")
    page.locator(".options summary").click()
    page.fill("#from", "0:12")
    page.fill("#to", "0:35")
    page.keyboard.press("Enter")
    page.wait_for_selector(".watching")
    viewer.start()
    assert viewer.position >= 12
    assert page.locator(".outside").count() == 2


def test_the_strip_tells_what_was_and_not_what_will_be(house: Any, viewer: Any) -> None:
    page = viewer.page
    page.goto(house.url)
    page.wait_for_selector(".card")
    page.fill("#link", "library:film.mp4")
    page.keyboard.press("Enter")
    page.wait_for_selector(".watching")
    viewer.start()
    page.keyboard.press("k")
    assert page.locator(".chapters i").count() == 1
    assert page.locator(".chapter").inner_text() == "Morning"
    seek = page.locator(".seek")
    seek.evaluate(
        """(seek) => {
            seek.dispatchEvent(new Event("pointerdown"));
            seek.value = 30;
            seek.dispatchEvent(new Event("input"));
        }"""
    )
    assert page.locator(".time").inner_text() == "0:30 / 0:40"
    assert "secret" not in page.content()
    assert "secret" not in str(seek.get_attribute("aria-valuetext"))
    assert page.locator(".covered i:not(.outside)").count() >= 1
    inked = """() => {
        const canvas = document.querySelector(".loudness");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return data.some((value) => value > 0);
    }"""
    viewer.wait(f"({inked})()")
    marks = page.locator(".mark").count()
    assert marks == len([one for one in viewer.done() if one["action_type"] != "END_REACTION"])


def test_cancelling_ends_the_session(house: Any, viewer: Any) -> None:
    page = viewer.page
    page.route("**/api/v1/sessions/*/video", lambda route: None)  # it never gets further
    page.goto(house.url)
    page.wait_for_selector(".card")
    page.fill("#link", "library:film.mp4")
    page.keyboard.press("Enter")
    page.wait_for_selector(".preparing")
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_selector(".start")
    (record,) = house.do(house.store.list())
    viewer.until(lambda: house.log(record.session_id)[-1].kind == "cancelled")


def test_where_the_server_does_not_answer_the_page_says_so(house: Any, viewer: Any) -> None:
    page = viewer.page
    page.goto(house.url)
    page.wait_for_selector(".card")
    page.route("**/api/v1/sessions", lambda route: route.abort())
    page.fill("#link", "library:film.mp4")
    page.keyboard.press("Enter")
    viewer.wait("document.querySelector('.problem').textContent.includes('does not answer')")


def test_asking_for_less_and_for_silence_is_heard(house: Any, viewer: Any) -> None:
    page = viewer.page
    viewer.watch(house.url, house.session())
    page.get_by_role("button", name="Less").click()
    page.get_by_text("Miao talks: Little").wait_for()
    assert page.get_by_role("button", name="Less").is_disabled()
    page.get_by_role("button", name="Hush").click()
    page.get_by_text("Miao talks: Nothing").wait_for()
    page.get_by_role("button", name="Speak again").click()
    page.get_by_role("button", name="Hush").wait_for()


def test_reduced_motion_is_honoured(house: Any, arrive: Callable[..., Any]) -> None:
    viewer = arrive(reduced_motion="reduce")
    viewer.page.goto(house.url)
    viewer.page.wait_for_selector(".card")
    running = "document.getAnimations().filter(({ playState }) => playState === 'running').length"
    assert viewer.page.evaluate(running) == 0
