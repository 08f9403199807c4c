"""A server that needs a token: the page asks for it once, and shows tickets where it must."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from watchbuddy_core.actions import Speak
from watchbuddy_server.tokens import TokenFile, Tokens

QUESTION = "dialog.door"


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "tokens.json")


@pytest.fixture
def guarded(new_house: Callable[..., Any], tokens: TokenFile) -> Any:
    """A server that needs one of them."""
    return new_house(tokens=Tokens(tokens), need_token="always")


@pytest.fixture
def asked(viewer: Any) -> Iterator[list[str]]:
    """The addresses that the viewer's browser asks for, WebSockets as well."""
    addresses: list[str] = []
    viewer.page.on("request", lambda request: addresses.append(request.url))
    viewer.page.on("websocket", lambda socket: addresses.append(socket.url))
    yield addresses
    assert not [one for one in addresses if "wb_" in one], "a token stands in an address"


def give(page: Any, token: str) -> None:
    page.wait_for_selector(QUESTION)
    page.fill("#token", token)
    page.keyboard.press("Enter")


def test_the_page_asks_once_and_everything_goes_by_it(
    guarded: Any, viewer: Any, asked: list[str], tokens: TokenFile, films: Path
) -> None:
    token = tokens.add("anna", now=0.0)
    page = viewer.page
    page.goto(guarded.url)
    give(page, "wb_nonsense")
    page.get_by_text("The server does not take this token").wait_for()
    give(page, token)
    page.wait_for_selector(".card")
    page.locator(".library li").first.wait_for()
    assert page.locator(QUESTION).count() == 0

    page.set_input_files(".line input[type=file]", films / "film.mp4")
    page.wait_for_selector(".watching")
    viewer.start()
    (record,) = guarded.do(guarded.store.list())
    assert record.caller.startswith("token:")
    assert [one for one in asked if "/ws/" in one and "ticket=wbt_" in one]
    assert [one for one in asked if "/media/" in one and "ticket=wbt_" in one]

    page.reload()
    page.wait_for_selector(".watching")
    viewer.start()
    page.get_by_role("button", name="Start page").click()
    page.get_by_role("button", name="Forget my token").click()
    page.wait_for_selector(QUESTION)
    assert page.evaluate("localStorage.getItem('watchbuddy.token')") == "null"


def test_coming_back_takes_another_ticket_also_for_the_film(
    guarded: Any, new_wire: Callable[..., Any], viewer: Any, asked: list[str], tokens: TokenFile
) -> None:
    token = tokens.add("anna", now=0.0)
    wire = new_wire(guarded)
    line = Speak(trigger_timestamp=30.0, text="Here we are again.")
    page = viewer.page
    page.goto(wire.url)
    give(page, token)
    page.wait_for_selector(".card")
    caller = tokens.read()[0].caller
    viewer.watch(wire.url, guarded.session(line, caller=caller))
    wire.cut()
    page.get_by_text("The connection was lost").first.wait_for()
    wire.mend()
    page.wait_for_selector(".note.lost", state="detached")
    viewer.set_video("currentTime", 29.5)
    assert viewer.wait_for(line)["position"] >= 30.0
    tickets = re.findall(r"/ws/.*ticket=(\S+)", "\n".join(asked))
    assert len(tickets) >= 2
    assert len(set(tickets)) == len(tickets), "each connection has one of its own"


def test_it_works_at_a_part_of_a_site(
    new_house: Callable[..., Any], viewer: Any, asked: list[str], tokens: TokenFile
) -> None:
    token = tokens.add("anna", now=0.0)
    house = new_house(path="/buddy", tokens=Tokens(tokens), need_token="always")
    base = f"{house.url}/buddy"
    viewer.page.goto(f"{base}/")
    give(viewer.page, token)
    viewer.page.wait_for_selector(".card")
    viewer.watch(base, house.session(caller=tokens.read()[0].caller))
    assert not [one for one in asked if not one.replace("ws:", "http:").startswith(base)]


def test_a_token_of_another_time_is_forgotten_where_none_is_needed(
    new_house: Callable[..., Any], viewer: Any, tokens: TokenFile
) -> None:
    house = new_house(tokens=Tokens(tokens), need_token="forwarded")
    page = viewer.page
    page.goto(house.url)
    page.wait_for_selector(".card")
    page.evaluate("localStorage.setItem('watchbuddy.token', '\"wb_of_another_time\"')")
    page.reload()
    page.wait_for_selector(QUESTION)
    page.locator(QUESTION).get_by_role("button", name="Forget my token").click()
    page.wait_for_selector(".card")
    page.locator(".library li").first.wait_for()
    assert page.get_by_role("button", name="Forget my token").count() == 0


def test_a_viewer_without_one_is_told_and_can_try_again(guarded: Any, viewer: Any) -> None:
    page = viewer.page
    page.goto(f"{guarded.url}/#ses_0123456789abcdef")
    page.wait_for_selector(QUESTION)
    page.keyboard.press("Escape")
    failure = page.wait_for_selector(".failure")
    assert "lets in who has a token" in failure.inner_text()
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector(QUESTION)


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_axe_finds_nothing_serious_in_the_question(
    guarded: Any, arrive: Callable[..., Any], locale: str
) -> None:
    viewer = arrive(color_scheme="dark", locale=locale, bypass_csp=True)
    viewer.page.goto(guarded.url)
    give(viewer.page, "wb_nonsense")
    viewer.page.wait_for_selector("#token[aria-invalid]")
    found = Axe().run(viewer.page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
    assert viewer.page.evaluate("document.activeElement.id") == "token"
