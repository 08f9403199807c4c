"""The page in a real browser, from a real server, at a real film with sound.

A session's script is given word for word, so that a test knows what comes when; the way
from the start page on is walked with the offline generator.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvicorn
from bad_network import Network
from patience import PATIENCE
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from watchbuddy_core.actions import Action
from watchbuddy_core.assembly import build_parts
from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.protocols import Match, Progress
from watchbuddy_core.session import WatchSession, entries_of
from watchbuddy_core.settings import Settings
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.tracks import Track, TrackVideo
from watchbuddy_core.video import Chapter, Video, VideoRequest
from watchbuddy_core.wire import CreateSession
from watchbuddy_server.app import base_url, create_app, listen, server_config

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--mute-audio",
]
CLIP_SECONDS = 40.0

_T = TypeVar("_T")


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with one film of 40 seconds, with cuts, sound and chapters."""
    folder = tmp_path_factory.mktemp("films")
    shots = [
        Shot(10.0, picture, tone)
        for picture, tone in [
            (Picture.DAWN, Tone.CALM),
            (Picture.DAY, Tone.SILENCE),
            (Picture.SEA, Tone.CALM),
            (Picture.NIGHT, Tone.CALM),
        ]
    ]
    chapters = [
        Chapter(start=0.0, end=20.0, title="Morning"),
        Chapter(start=20.0, end=40.0, title="The secret of the night"),
    ]
    make_clip(folder / "film.mp4", shots, size=(320, 180), frame_rate=10, chapters=chapters)
    return folder


class Backstage:
    """A source for YouTube's links that never comes to an end: a test writes the script."""

    def match(self, url: str) -> Match:
        return Match.OVERRIDE if url.startswith("https://www.youtube.com/") else Match.NO

    async def open(self, request: VideoRequest, progress: Progress) -> Video:
        await asyncio.Event().wait()
        raise AssertionError("never reached")


class House:
    """The server, in a thread of its own."""

    def __init__(self, films: Path, data: Path, **options: Any) -> None:
        parts = build_parts(Settings(libraries=(films,), data_dir=data))
        self.store = MemoryStore()
        self.parts = replace(parts, sources=(Backstage(), *parts.sources))
        self._app = create_app(
            parts=self.parts,
            store=self.store,
            uploads=True,
            allow_origins=["https://www.youtube.com"],
            **options,
        )
        self.loop = asyncio.new_event_loop()
        self._listening = listen("127.0.0.1", 0)
        self.url = base_url(self._listening)
        self._server = uvicorn.Server(server_config(self._app, shutdown_seconds=1))
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._server.serve(sockets=[self._listening]))

    def open(self) -> None:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._listening.close()
        self.loop.close()

    def do(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Have the server's own loop do it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    def session(
        self,
        *actions: Action,
        video_url: str = "library:film.mp4",
        character: str = "miao",
        caller: str = "",
    ) -> str:
        """A session with this script; its id."""

        async def create() -> str:
            session = await WatchSession.create(
                CreateSession(video_url=video_url, character_id=character),
                store=self.store,
                parts=self.parts,
                created_at=time.time(),
                caller=caller,
            )
            await session.take_script(script(*actions))
            return session.session_id

        return self.do(create())

    def write(self, session_id: str, *actions: Action) -> None:
        """The script of a session that is being prepared."""
        self.do(self.store.append(session_id, entries_of(script(*actions)), None))

    def log(self, session_id: str) -> list[Any]:
        """What stands in a session's log."""
        return [logged.entry for logged in self.do(self.store.read(session_id))]

    def completed(self, session_id: str) -> dict[str, str]:
        """What it was told of the end of actions, by action."""
        return {one.action_id: one.outcome for one in self.log(session_id) if one.kind == "acked"}

    def epoch(self, session_id: str) -> int:
        """How often the viewer has sought."""
        moved = [one for one in self.log(session_id) if one.kind == "moved"]
        return int(moved[-1].playhead.epoch) if moved else 0

    def is_watched(self, session_id: str) -> bool:
        """Whether anybody is connected to a session whose script is there."""
        return self.store._followers.count(session_id) > 0


def script(*actions: Action) -> Track:
    return Track(
        video=TrackVideo(url="library:film.mp4", title="Film", duration=CLIP_SECONDS),
        end_time=CLIP_SECONDS,
        actions=tuple(actions),
    )


@dataclass
class Wire:
    """A way to the server that can be cut."""

    house: House

    def __post_init__(self) -> None:
        self._network = Network(int(self.house.url.rpartition(":")[2]))
        self.house.do(self._open())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._network.port}"

    def cut(self) -> None:
        self.house.do(self._let(False))

    def mend(self) -> None:
        self.house.do(self._let(True))

    def close(self) -> None:
        self.house.do(self._close())

    async def _open(self) -> None:
        self._server = await self._network.listen()

    async def _close(self) -> None:
        self._server.close()
        await self._network.close()

    async def _let(self, through: bool) -> None:
        self._network.is_open = through
        if not through:
            self._network.cut()


@pytest.fixture
def new_house(films: Path, tmp_path: Path) -> Iterator[Callable[..., House]]:
    """A server with more options."""
    with ExitStack() as held:

        def build(**options: Any) -> House:
            house = House(films, tmp_path / "data", **options)
            house.open()
            held.callback(house.close)
            return house

        yield build


@pytest.fixture
def house(new_house: Callable[..., House]) -> House:
    return new_house()


@pytest.fixture
def new_wire(new_house: Callable[..., House]) -> Iterator[Callable[[House], Wire]]:
    """A way to a server; it is taken down before that is."""
    with ExitStack() as held:

        def lay(house: House) -> Wire:
            wire = Wire(house)
            held.callback(wire.close)
            return wire

        yield lay


@pytest.fixture
def wire(house: House, new_wire: Callable[[House], Wire]) -> Wire:
    return new_wire(house)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ends with the module: while it runs, its thread has an event loop of its own."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Viewer:
    """Somebody at the page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self._listen)

    def _listen(self, message: Any) -> None:
        text = message.text
        # That a socket cannot be had while the wire is cut is no problem of the page's.
        if message.type == "error" and "ERR_" not in text and "status of 4" not in text:
            self.problems.append(text)

    def watch(self, base: str, session_id: str) -> None:
        """Open a session, and see it play."""
        self.page.goto(f"{base}/#{session_id}")
        self.page.wait_for_selector(".watching")
        self.start()

    def start(self) -> None:
        """See that the film plays; a browser may want to be asked first."""
        video, invitation = (
            f"document.querySelector('{name}')" for name in ("video", ".invitation")
        )
        self.wait(f"!{video}.paused || !{invitation}.hidden")
        if self.page.locator(".invitation").is_visible():
            self.page.click(".invitation button")
        self.wait("document.querySelector('video').currentTime > 0")

    def wait(self, condition: str, seconds: float = PATIENCE) -> None:
        """Wait until this holds in the page. It is asked from here: the page's policy lets
        nothing be evaluated in it."""
        until = time.monotonic() + seconds
        while not self.page.evaluate(condition):
            assert time.monotonic() < until, f"never came true: {condition}"
            self.page.wait_for_timeout(25)

    def until(self, condition: Callable[[], object]) -> None:
        """Wait until this holds outside of the page, which goes on meanwhile."""
        until = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < until, "never came true"
            self.page.wait_for_timeout(25)

    def note(self) -> None:
        """From now on, keep what becomes of the video: see `noted`."""
        self.page.evaluate(
            """() => {
                window.noted = [];
                const video = document.querySelector("video");
                for (const kind of ["play", "pause", "seeked"]) {
                    const note = () =>
                        window.noted.push([kind, video.currentTime, performance.now() / 1000]);
                    video.addEventListener(kind, note);
                }
            }"""
        )

    def noted(self, kind: str) -> list[float]:
        """Where the video was, each time that it was paused, sought, or played on: what lasts a
        moment only is past on a busy machine when somebody looks."""
        return [at for what, at, _ in self.page.evaluate("window.noted") if what == kind]

    def stood_still(self) -> float:
        """For how many seconds it was paused, the one time that it was."""
        (_, from_, paused), (_, to, played) = self.page.evaluate("window.noted")
        return float((played - paused) - (to - from_))

    def video(self, name: str) -> Any:
        return self.page.evaluate(f"document.querySelector('video').{name}")

    def set_video(self, name: str, value: object) -> None:
        self.page.evaluate(f"(value) => (document.querySelector('video').{name} = value)", value)

    @property
    def position(self) -> float:
        return float(self.video("currentTime"))

    def done(self) -> list[dict[str, Any]]:
        """What was carried out so far: with the position at which it was."""
        script = "performance.getEntriesByName('watchbuddy:action').map(({detail}) => detail)"
        return list(self.page.evaluate(script))

    def wait_for(self, action: Action, seconds: float = PATIENCE) -> dict[str, Any]:
        """Wait until an action is carried out."""
        self.wait(
            "performance.getEntriesByName('watchbuddy:action')"
            f".some(({{detail}}) => detail.id === '{action.id}')",
            seconds,
        )
        return next(one for one in self.done() if one["id"] == action.id)


@pytest.fixture
def arrive(browser: Browser) -> Iterator[Callable[..., Viewer]]:
    """Somebody comes to the page, in a browser that knows nothing of them yet."""
    contexts: list[BrowserContext] = []
    viewers: list[Viewer] = []

    def arrive(context: BrowserContext | None = None, **options: Any) -> Viewer:
        if context is None:
            options = {"locale": "en-US", "viewport": {"width": 1200, "height": 800}, **options}
            context = browser.new_context(**options)
            contexts.append(context)
        context.set_default_timeout(1000 * PATIENCE)
        viewer = Viewer(context.new_page())
        viewers.append(viewer)
        return viewer

    yield arrive
    problems = [problem for viewer in viewers for problem in viewer.problems]
    for context in contexts:
        context.close()
    assert not problems


@pytest.fixture
def viewer(arrive: Callable[..., Viewer]) -> Viewer:
    return arrive()
