"""Watching in a terminal: a player without a picture, and what the companion does, in words."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf, isinf

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from watchbuddy_core.actions import (
    Action,
    EndReaction,
    Expression,
    PauseVideo,
    PostReplay,
    PostSeek,
    ReplaySegment,
    Seek,
    Speak,
)
from watchbuddy_core.client import (
    Begun,
    Disconnected,
    Ended,
    Happening,
    Noticed,
    Progressed,
    Reached,
    Ready,
    WatchClient,
    session_status,
)
from watchbuddy_core.entries import Usage
from watchbuddy_core.errors import WatchBuddyError
from watchbuddy_core.player import Clock, ClockPlayer
from watchbuddy_core.video import clock
from watchbuddy_core.wire import Feature
from watchbuddy_server.printable import printable

_FRAMES_PER_SECOND = 10
_LIVELY = 2.0
"""At more than this speed a viewer overtakes a script that is made while they watch."""
_FIRST_LINE_SECONDS = 1.0
"""Real seconds of preparation that are not worth a word, where there is no bar."""
_NEXT_LINE_SECONDS = 5.0
_LINGER_SECONDS = 0.3
"""Real seconds to wait, after the video has ended, for what is still on its way."""
_VIEWER_WAITS = 2.0
"""Seconds after which the viewer resumes a video that the companion has left paused."""
_LONGEST_MESSAGE = 2000
_LONGEST_TURN = 0.05
"""Real seconds."""
_AFTERWARDS = 3.0
"""Media seconds to watch on after the goodbye, where the video's end is not known."""
_STYLES = {
    "SPEAK": "bold",
    "PAUSE_VIDEO": "yellow",
    "SEEK": "magenta",
    "REPLAY_SEGMENT": "magenta",
    "EXPRESSION": "cyan",
    "END_REACTION": "green",
}


@dataclass(slots=True)
class Summary:
    """What came, and how punctual it was."""

    counts: Counter[str] = field(default_factory=Counter)
    lateness: list[float] = field(default_factory=list)
    """Of each, when the player could begin it: how far behind its trigger, in media seconds."""

    def __str__(self) -> str:
        if not self.lateness:
            return "No actions."
        total = self.counts.total()
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.counts.most_common())
        mean = sum(self.lateness) / len(self.lateness)
        return (
            f"{total} {'action' if total == 1 else 'actions'}: {kinds}. "
            f"They arrived {mean:.2f} s late on average, {max(self.lateness):.2f} s at most."
        )


async def watch_in_terminal(
    server: str,
    session_id: str,
    *,
    token: str | None = None,
    console: Console,
    start: float = 0.0,
    end: float = inf,
    speed: float = 1.0,
) -> Summary:
    """Play a session to its end, and print each action when it is carried out.

    Args:
        start, end: what is watched, in media seconds. Without an end, the server is asked how
            long the video is; where it cannot tell, watching ends with the goodbye.
        token: what the server needs to be shown.
        speed: so many seconds of the video, and of everything else, pass in a real one.

    Raises:
        WatchBuddyError: the session failed or the server was lost.
    """
    clock = _FilmClock(speed)
    player = ClockPlayer(end, clock=clock, position=start)
    viewer = _Viewer(server, session_id, token, player, clock, console)
    features: tuple[Feature, ...] = ("hold", "progress", "chat")
    viewer.client = WatchClient(
        server,
        session_id,
        player,
        token=token,
        listen=viewer.listen,
        clock=clock,
        linger=max(1.0, _LINGER_SECONDS * speed),
        features=(*features, "early_ready") if speed <= _LIVELY else features,
    )
    return await viewer.watch()


class _FilmClock:
    """The real time, or `speed` times as fast; but while the machine has no time for this
    program, the film that nobody sees stands still. Otherwise, played ten times as fast, one
    that is held up for half a second would be too late for what was to be said meanwhile.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._now = 0.0
        self._looked_at = time.monotonic()

    def now(self) -> float:
        looked_at, self._looked_at = self._looked_at, time.monotonic()
        self._now += min(self._looked_at - looked_at, 2 * _LONGEST_TURN) * self._speed
        return self._now

    async def sleep(self, seconds: float) -> None:
        until = self.now() + seconds
        while True:
            left = until - self.now()
            if left <= 0:
                return
            await asyncio.sleep(min(left / self._speed, _LONGEST_TURN))


class _Viewer:
    """Presses play when the script is there, and looks at the screen."""

    client: WatchClient

    def __init__(
        self,
        server: str,
        session_id: str,
        token: str | None,
        player: ClockPlayer,
        clock: Clock,
        console: Console,
    ) -> None:
        self._server = server
        self._session_id = session_id
        self._token = token
        self._player = player
        self._clock = clock
        self._console = console
        self._summary = Summary()
        self._progress = Progressed("fetching", None, "Preparing")
        self._ready = asyncio.Event()
        self._left_paused = asyncio.Event()

    async def watch(self) -> Summary:
        pressing = asyncio.create_task(self._press_play())
        drawing = asyncio.create_task(self._draw() if self._console.is_terminal else self._log())
        try:
            with lines_typed(self._say):
                await self.client.run()
        finally:
            pressing.cancel()
            drawing.cancel()
            await asyncio.wait([pressing, drawing])
        return self._summary

    def listen(self, happening: Happening) -> None:
        match happening:
            case Progressed():
                self._progress = happening
            case Noticed(message=message):
                self._console.print(printable(message), style="yellow")
            case Ready():
                self._ready.set()
            case Reached(action=action, position=position):
                self._summary.counts[action.action_type] += 1
                self._summary.lateness.append(position - action.trigger_timestamp)
            case Begun(action=action):
                self._console.print(describe(action))
            case Ended(action=action):
                if isinstance(action, EndReaction) and isinf(self._player.end):
                    self._player.end = self._player.position + _AFTERWARDS
                elif _leaves_paused(action):
                    self._left_paused.set()
            case Disconnected():
                self._console.print("The connection was lost; trying again.", style="yellow")

    def _say(self, line: str) -> None:
        """What the viewer types is for the companion; an empty line interrupts it."""
        if line.strip():
            self.client.say(line.strip()[:_LONGEST_MESSAGE])
        else:
            self.client.interrupt()

    async def _press_play(self) -> None:
        await self._ready.wait()
        await self._learn_the_end()
        await self._resume()
        while True:
            await self._left_paused.wait()
            self._left_paused.clear()
            await self._clock.sleep(_VIEWER_WAITS)
            await self._resume()

    async def _resume(self) -> None:
        await self._player.resume()
        self.client.notice()

    async def _learn_the_end(self) -> None:
        try:
            status = await session_status(self._server, self._session_id, token=self._token)
        except WatchBuddyError:
            return  # an older server does not tell; one that is lost, the client notices
        if status.end_time is not None:
            self._player.end = status.end_time
        if status.estimate is not None:
            words = f"The model will use about {in_words(status.estimate)}."
            self._console.print(words, style="dim")

    # --- the screen --------------------------------------------------------------------

    async def _log(self) -> None:
        """How far the preparation is, now and then, where it takes its time."""
        wait, said = _FIRST_LINE_SECONDS, ""
        while True:
            await asyncio.sleep(wait)
            if self._ready.is_set():
                return
            if (words := self._preparing()) != said:
                self._console.print(words)
            wait, said = _NEXT_LINE_SECONDS, words

    async def _draw(self) -> None:
        progress = Progress(
            TextColumn("{task.fields[state]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[times]}"),
            console=self._console,
            auto_refresh=False,
            transient=True,
            expand=True,
        )
        bar = progress.add_task("", total=None, state="", times="")
        with progress:
            while True:
                if self._ready.is_set():
                    self._draw_playing(progress, bar)
                else:
                    fraction = self._progress.fraction
                    total = None if fraction is None else 1.0
                    progress.update(bar, total=total, completed=fraction or 0.0)
                    progress.update(bar, state=self._preparing(), refresh=True)
                await asyncio.sleep(1 / _FRAMES_PER_SECOND)

    def _draw_playing(self, progress: Progress, bar: TaskID) -> None:
        position, end = self._player.position, self._player.end
        progress.update(
            bar,
            total=None if isinf(end) else end,
            completed=position,
            state="⏸ paused   " if self._player.paused else "▶ playing  ",
            times=clock(position) if isinf(end) else f"{clock(position)} / {clock(end)}",
            refresh=True,
        )

    def _preparing(self) -> str:
        words, fraction = printable(self._progress.message), self._progress.fraction
        return f"{words} … {fraction:.0%}" if fraction else f"{words} …"


def _leaves_paused(action: Action) -> bool:
    match action:
        case Seek(post_seek_behavior=PostSeek.STAY_PAUSED):
            return True
        case ReplaySegment(post_replay_behavior=PostReplay.STAY_PAUSED_AT_END):
            return True
        case _:
            return False


def in_words(usage: Usage) -> str:
    """What model calls use: `3 calls, 4,100 + 900 tokens, $0.0008`."""
    calls = "1 call" if usage.calls == 1 else f"{usage.calls} calls"
    tokens = f"{usage.prompt_tokens:,} + {usage.completion_tokens:,} tokens"
    cost = "no known price" if usage.cost is None else f"${usage.cost:.4f}"
    return f"{calls}, {tokens}, {cost}"


def describe(action: Action) -> Text:
    """One line: the second, the type, and what it does."""
    kind = action.action_type
    return Text.assemble(
        f"{clock(action.trigger_timestamp):>7}  ",
        (f"{kind:<14}", _STYLES[kind]),
        "  ",
        printable(_detail(action)),
    )


def _detail(action: Action) -> str:
    match action:
        case Speak(text=text, pause_video=pauses):
            return f"{text}  [the video waits]" if pauses else text
        case PauseVideo(duration_seconds=seconds):
            return f"for {seconds:g} s"
        case Seek(target_timestamp=target):
            return f"to {clock(target)}{', and wait' if _leaves_paused(action) else ''}"
        case ReplaySegment(start_timestamp=start, end_timestamp=end):
            then = "wait" if _leaves_paused(action) else "go on"
            return f"{clock(start)} to {clock(end)} once more, then {then}"
        case Expression(emotion=emotion):
            return emotion.value
        case EndReaction():
            return "has said goodbye; the video goes on"


@contextmanager
def lines_typed(say: Callable[[str], None]) -> Iterator[None]:
    """Within, each line that somebody types is said. Where nobody can type, nothing is."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        line = sys.stdin.readline()
        if line:
            say(line)
        else:
            loop.remove_reader(sys.stdin)

    if sys.stdin is None or not sys.stdin.isatty():
        yield
        return
    try:
        loop.add_reader(sys.stdin, read)
    except (NotImplementedError, OSError):  # Windows cannot wait for a keyboard
        yield
        return
    try:
        yield
    finally:
        loop.remove_reader(sys.stdin)
