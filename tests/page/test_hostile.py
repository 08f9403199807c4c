"""What models, sites and files say is text, whatever it looks like."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from watchbuddy_core.actions import Speak

MARKUP = '<img src=x onerror="window.hacked = true"><script>window.hacked = true</script>'
RIGHT_TO_LEFT = "\u202eevil\u202c \u2067\u05d0\u05d1\u05d2\u2069 \u200f\u061c!" * 4
LONG = "Word " * 999 + "end."


@pytest.mark.parametrize(
    "text", [MARKUP, RIGHT_TO_LEFT, LONG, "x" * 5000], ids=["markup", "rtl", "words", "one word"]
)
def test_a_line_is_shown_as_it_is_written_and_breaks_nothing(
    house: Any, viewer: Any, text: str
) -> None:
    """It is slipped in on the way: our own server sends no line of 5,000 characters."""
    line = Speak(trigger_timestamp=1.5, text="…")
    frame = json.dumps(json.loads(line.model_dump_json()) | {"text": text})

    def slip_in(socket: Any) -> None:
        server = socket.connect_to_server()
        server.on_message(
            lambda said: socket.send(frame if line.id in str(said) else str(said)),
        )

    viewer.page.route_web_socket("**/ws/**", slip_in)
    viewer.watch(house.url, house.session(line))
    viewer.wait_for(line)
    page = viewer.page
    assert page.locator(".bubble p").evaluate("(bubble) => bubble.textContent") == text
    assert page.locator(".lines .speak .text").evaluate("(text) => text.textContent") == text
    assert page.evaluate("window.hacked") is None
    assert page.locator("img").count() == 0
    for box in (".bubble", ".talk", ".buddy .portrait"):
        place = page.locator(box).bounding_box()
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= 1200
        assert place["height"] <= 800
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0


def test_what_the_viewer_writes_is_text_too(house: Any, viewer: Any) -> None:
    viewer.watch(house.url, house.session())
    viewer.page.keyboard.press("c")
    viewer.page.keyboard.type(MARKUP)
    viewer.page.keyboard.press("Enter")
    said = viewer.page.wait_for_selector(".lines .viewer .text")
    assert said.text_content() == MARKUP
    assert viewer.page.evaluate("window.hacked") is None


def test_a_hostile_link_is_refused_in_words(house: Any, viewer: Any) -> None:
    viewer.page.goto(house.url)
    viewer.page.fill("#link", "javascript:alert(document.domain)//https://evil.example")
    viewer.page.keyboard.press("Enter")
    viewer.wait("document.querySelector('.problem').textContent !== ''")
    assert "does not open links like that" in viewer.page.locator(".problem").inner_text()


def test_the_policy_names_youtube_and_nothing_else(house: Any) -> None:
    page = httpx.get(house.url)
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "*" not in policy
    hosts = {part for part in policy.replace(";", " ").split() if part.startswith("http")}
    assert hosts == {"https://www.youtube.com", "https://www.youtube-nocookie.com"}
    assert "frame-ancestors 'none'" in policy
    assert page.headers["x-content-type-options"] == "nosniff"


def test_a_program_that_gets_into_the_page_is_not_run(house: Any, viewer: Any) -> None:
    viewer.page.goto(house.url)
    viewer.page.wait_for_selector(".card")
    viewer.page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.hacked = true";
            document.body.append(script);
            const image = "<img src=x onerror='window.hacked = true'>";
            document.body.insertAdjacentHTML("beforeend", image);
        }"""
    )
    viewer.until(lambda: any("Content Security Policy" in one for one in viewer.problems))
    viewer.page.wait_for_timeout(300)
    assert viewer.page.evaluate("window.hacked") is None
    viewer.problems.clear()
