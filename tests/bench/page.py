"""How late actions are carried out in the page, and what watching costs its main thread.

    python tests/bench/page.py

A real Chromium watches a real film from a real server, with `hold`. For each speed, and for each
of two hundred faces: how far the player's own clock was beyond the trigger when the action was
carried out, measured in the page, as real milliseconds. Beside it the same page without `hold`.
Then: tasks of the main thread that took longer than 50 ms, and what the page weighs.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn
from playwright.sync_api import Browser, Route, sync_playwright

from watchbuddy_core.actions import Expression, Speak
from watchbuddy_core.assembly import build_parts
from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.session import WatchSession
from watchbuddy_core.settings import Settings
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.tracks import Track, TrackVideo
from watchbuddy_core.wire import CreateSession
from watchbuddy_server.app import base_url, create_app, listen, server_config

SECONDS = 60.0
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--mute-audio"]
WATCH_LONG_TASKS = """
window.longTasks = [];
new PerformanceObserver((list) => {
  window.longTasks.push(...list.getEntries().map(({ duration }) => duration));
}).observe({ type: "longtask" });
"""


class Server:
    def __init__(self, folder: Path) -> None:
        settings = Settings(libraries=(folder,), data_dir=folder / "data")
        self.store = MemoryStore()
        self.parts = build_parts(settings)
        self._listening = listen("127.0.0.1", 0)
        self.url = base_url(self._listening)
        app = create_app(parts=self.parts, store=self.store)
        self._server = uvicorn.Server(server_config(app, shutdown_seconds=1))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._server.serve(sockets=[self._listening]))

    def session(self, actions: list[Any]) -> str:
        async def create() -> str:
            session = await WatchSession.create(
                CreateSession(video_url="library:film.mp4", character_id="miao"),
                store=self.store,
                parts=self.parts,
                created_at=time.time(),
            )
            video = TrackVideo(url="library:film.mp4", title="Film", duration=SECONDS)
            track = Track(
                video=video, end_time=SECONDS, character_id="miao", actions=tuple(actions)
            )
            await session.take_script(track)
            return session.session_id

        return asyncio.run_coroutine_threadsafe(create(), self._loop).result(20)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()


def measured(
    browser: Browser, url: str, rate: float, *, hold: bool
) -> tuple[list[float], list[float]]:
    """Of the faces, lateness in milliseconds, ascending; and the long tasks while watching."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.add_init_script(WATCH_LONG_TASKS)
    if not hold:
        page.route("**/companion/companion.js", _without_hold)
    page.goto(url)
    page.wait_for_selector(".watching")
    page.wait_for_timeout(300)
    if page.locator(".invitation").is_visible():
        page.click(".invitation button")
    page.evaluate(f"document.querySelector('video').playbackRate = {rate}")
    page.evaluate("window.longTasks.length = 0")
    while not page.evaluate("document.querySelector('video').ended"):
        page.wait_for_timeout(250)
    done = page.evaluate(
        "performance.getEntriesByName('watchbuddy:action').map(({ detail }) => detail)"
    )
    tasks: list[float] = page.evaluate("window.longTasks")
    page.context.close()
    late = [
        1000 * (one["position"] - one["trigger_timestamp"]) / one["rate"]
        for one in done
        if one["action_type"] == "EXPRESSION"
    ]
    return sorted(late), tasks


def _without_hold(route: Route) -> None:
    answer = route.fetch()
    route.fulfill(response=answer, body=answer.text().replace('"hold", ', ""))


def main() -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("Chromium is not installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        shots = [Shot(SECONDS / 6, picture, Tone.CALM) for picture in list(Picture)[:6]]
        make_clip(folder / "film.mp4", shots, size=(640, 360), frame_rate=24)
        server = Server(folder)
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        try:
            for rate in (1.0, 2.0, 4.0):
                report(browser, server, rate)
        finally:
            browser.close()
            server.close()
    web = Path(__file__).parents[2] / "watchbuddy_server" / "web"
    served = [path for path in web.rglob("*") if path.suffix in {".html", ".css", ".js", ".svg"}]
    print(f"the page weighs {sum(path.stat().st_size for path in served) / 1000:.0f} kB")


def report(browser: Browser, server: Server, rate: float) -> None:
    """Faces all along, and a line now and then: it waits for the one before, so that its
    lateness says nothing."""
    faces = [Expression(trigger_timestamp=1 + i * 0.28, emotion="joy") for i in range(200)]
    lines = [Speak(trigger_timestamp=2 + 6 * i, text="And there it is again.") for i in range(9)]
    middles = []
    for hold in (True, False):
        session_id = server.session([*faces, *lines])
        late, tasks = measured(browser, f"{server.url}/#{session_id}", rate, hold=hold)
        middle, most = (late[int(share * len(late))] for share in (0.5, 0.95))
        middles.append(middle)
        print(
            f"speed {rate}, {'with' if hold else 'without'} hold: {len(late)} faces, late by"
            f" {middle:.2f} ms in the middle, {most:.2f} ms at 95 %, {late[-1]:.2f} ms at most;"
            f" tasks over 50 ms: {[round(task) for task in tasks]}"
        )
    print(f"  ratio of the middles {middles[1] / middles[0]:.0f}")


if __name__ == "__main__":
    main()
