"""With `hold`, an action begins exactly when the player's own clock gets to it.

In the first part a FakePlayer watches in virtual time, over a real socket: whatever the
server answers to an event has come before the next event is told, so the socket takes no
virtual time but what a test gives it, and every figure is exact. In the second part a
WatchClient watches while time goes on by itself: only what no slow machine can change is
asserted.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any, NamedTuple

import pytest
from own_clock import own_clock
from patience import PATIENCE

from watchbuddy_core.actions import Action, Expression, PauseVideo, ReplaySegment, Seek, Speak
from watchbuddy_core.client import Happening, Reached, Ready, WatchClient
from watchbuddy_core.events import (
    ActionCompleted,
    Connected,
    PlayerEvent,
    SeekUpdate,
    TimestampUpdate,
)
from watchbuddy_core.player import ClockPlayer
from watchbuddy_core.testing import FakePlayer, Habits, Performed
from watchbuddy_core.timeline import Timeline
from watchbuddy_core.wire import (
    ActionCompletedMessage,
    ClientMessage,
    SeekUpdateMessage,
    TimestampUpdateMessage,
    encode,
)

AHEAD = 2.0
"""Media seconds."""
EXACTLY = 1e-6
"""What sums of floating-point steps may add up to, in seconds."""
DURATION = 90.0
GRID = 0.5
"""Actions lie on multiples of this, in media seconds."""
BETWEEN = 0.3
"""The viewer seeks to so far behind one of them: none lies where a seek may look back to."""

EACH_PACE = pytest.mark.parametrize("reports_per_second", [1, 4, 15])


# --- in virtual time -------------------------------------------------------------------------


class Sent(NamedTuple):
    """An action on its way to the player, in virtual seconds."""

    action: Action
    sent_at: float
    arrives_at: float


class Screening:
    """A FakePlayer before a real server.

    A Timeline that hears the same tells which answers are to be waited for.

    Args:
        delay: gives the virtual seconds that the next action takes. None overtakes another.
    """

    def __init__(
        self,
        socket: Any,
        player: FakePlayer,
        script: Sequence[Action],
        *,
        delay: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.player = player
        self.sent: list[Sent] = []
        self._socket = socket
        self._delay = delay
        self._on_the_way: deque[Sent] = deque()
        self._expected = Timeline()
        self._expected.receive(Connected(AHEAD), now=time.monotonic())
        self._expected.add(script)

    async def play(self, seconds: float) -> None:
        """Let so many virtual seconds pass."""
        player, until = self.player, self.player.now + seconds
        while player.now < until:
            moments = [player.wake_at, until]
            moments += [sent.arrives_at for sent in list(self._on_the_way)[:1]]
            await self.tell_until(min(moments))
            while self._on_the_way and self._on_the_way[0].arrives_at <= player.now:
                player.perform(self._on_the_way.popleft().action)

    async def tell_until(self, now: float) -> None:
        for _, event in self.player.advance(now):
            self._expected.receive(event, now=time.monotonic())
            await self._socket.socket.send(encode(message_of(event)))
            for due in self._expected.actions_due():
                assert (await self._socket.hear())["id"] == due.action.id
                self._send(due.action)

    def _send(self, action: Action) -> None:
        now = self.player.now
        behind = self._on_the_way[-1].arrives_at if self._on_the_way else now
        self.sent.append(Sent(action, now, max(now + self._delay(), behind)))
        self._on_the_way.append(self.sent[-1])

    async def hears_nothing_more(self) -> None:
        """All that the server has sent was expected."""
        await self._socket.say(type="nonsense")
        assert (await self._socket.hear())["type"] == "error"


def message_of(event: PlayerEvent) -> ClientMessage:
    match event:
        case TimestampUpdate(position, paused, rate):
            return TimestampUpdateMessage(timestamp=position, paused=paused, playback_rate=rate)
        case SeekUpdate(position, cause, action_id):
            return SeekUpdateMessage(timestamp=position, cause=cause, action_id=action_id)
        case ActionCompleted(action_id, outcome):
            return ActionCompletedMessage(action_id=action_id, outcome=outcome)
        case _:
            raise AssertionError(event)


def holding_player(reports_per_second: int, **habits: Any) -> FakePlayer:
    return FakePlayer(
        DURATION,
        habits=Habits(holds=True, report_interval=1 / reports_per_second, **habits),
        line_seconds=lambda text: 0.0,  # or a line would wait for the one before it
    )


def dense_script(random: Random) -> list[Action]:
    """Faces, lines and pauses, up to three at a place."""
    script: list[Action] = []
    for step in range(int((DURATION - 1) / GRID)):
        for _ in range(random.choice([0, 1, 1, 2, 3])):
            at = step * GRID
            match random.randrange(5):
                case 0:
                    seconds = random.uniform(0.1, 1.0)
                    script.append(PauseVideo(trigger_timestamp=at, duration_seconds=seconds))
                case 1 | 2:
                    pauses = random.random() < 0.3
                    script.append(Speak(trigger_timestamp=at, text="Look!", pause_video=pauses))
                case _:
                    script.append(Expression(trigger_timestamp=at, emotion="joy"))
    return script


def lateness(performed: Performed) -> float:
    return performed.position - performed.action.trigger_timestamp


@EACH_PACE
@pytest.mark.parametrize("seed", range(3))
def test_everything_is_performed_exactly_when_the_player_gets_there(
    watching: Any, backstage: Any, reports_per_second: int, seed: int
) -> None:
    """Whatever the viewer does: nothing early, nothing late, nothing lost, nothing twice."""

    async def test(viewer: Any) -> None:
        random = Random(seed)
        script = dense_script(random)
        session_id = await backstage.ready(*script)
        async with viewer(f"{session_id}?features=hold") as socket:
            assert [(await socket.hear())["type"] for _ in range(2)] == ["welcome", "session_ready"]
            player = holding_player(reports_per_second)
            screening = Screening(socket, player, script)
            for _ in range(12):
                begin, before = player.position, len(player.performed)
                for _ in range(random.randrange(1, 5)):
                    await screening.play(random.uniform(0.2, 3.0))
                    match random.randrange(4):
                        case 0:
                            player.pause()
                            await screening.play(random.uniform(0.1, 2.5))
                            player.play()
                        case 1:
                            player.rate = random.choice([0.5, 1.0, 1.5, 2.0])
                check_stretch(script, player.performed[before:], begin, player.position)
                player.seek(a_place_away_from(player.position, random))
                await screening.tell_until(player.now)
            await screening.hears_nothing_more()
            assert len(player.performed) > 50

    watching(test)


def a_place_away_from(position: float, random: Random) -> float:
    while True:
        place = random.randrange(int(80 / GRID)) * GRID + BETWEEN
        if abs(place - position) > 5.0:
            return place


def check_stretch(
    script: Sequence[Action], performed: Sequence[Performed], begin: float, end: float
) -> None:
    assert all(abs(lateness(one)) <= EXACTLY for one in performed)
    assert sorted(one.action.id for one in performed) == sorted(
        action.id for action in script if begin <= action.trigger_timestamp <= end + EXACTLY
    )


@EACH_PACE
def test_jumps_are_not_held_and_cost_the_others_nothing(
    watching: Any, backstage: Any, reports_per_second: int
) -> None:
    """A jump comes with the report that has reached it. Nothing lies between the two here."""
    replay = ReplaySegment(trigger_timestamp=10.0, start_timestamp=7.2, end_timestamp=9.2)
    seek = Seek(trigger_timestamp=20.0, target_timestamp=16.7)
    faces = [
        Expression(trigger_timestamp=at * GRID, emotion="joy")
        for at in range(80)
        if not any(jump < at * GRID <= jump + 1.0 for jump in (10.0, 20.0))
    ]
    script = sorted([*faces, replay, seek], key=lambda action: action.trigger_timestamp)

    async def test(viewer: Any) -> None:
        session_id = await backstage.ready(*script)
        async with viewer(f"{session_id}?features=hold") as socket:
            assert [(await socket.hear())["type"] for _ in range(2)] == ["welcome", "session_ready"]
            player = holding_player(reports_per_second, tells_cause=True)
            screening = Screening(socket, player, script)
            await screening.play(44.0)
            await screening.hears_nothing_more()
        jumps = [one for one in player.performed if one.action in (replay, seek)]
        assert [one.action for one in jumps] == [replay, seek]
        assert all(0.0 <= lateness(one) <= 1 / reports_per_second + EXACTLY for one in jumps)
        others = [one for one in player.performed if one not in jumps]
        assert [one.action for one in others] == [
            face for face in faces if face.trigger_timestamp <= player.position
        ]
        assert all(abs(lateness(one)) <= EXACTLY for one in others)

    watching(test)


@EACH_PACE
def test_only_what_the_socket_delays_by_more_than_the_lead_is_late(
    watching: Any, backstage: Any, reports_per_second: int
) -> None:
    """What is sent at a report lies up to one interval less than two seconds ahead."""
    random = Random(reports_per_second)
    faces = [
        Expression(trigger_timestamp=AHEAD + at * GRID / 2, emotion="joy") for at in range(300)
    ]

    def delay() -> float:
        return random.uniform(2.0, 4.0) if random.random() < 0.05 else random.uniform(0.0, 0.9)

    async def test(viewer: Any) -> None:
        session_id = await backstage.ready(*faces)
        async with viewer(f"{session_id}?features=hold") as socket:
            assert [(await socket.hear())["type"] for _ in range(2)] == ["welcome", "session_ready"]
            player = holding_player(reports_per_second)
            screening = Screening(socket, player, faces, delay=delay)
            await screening.play(85.0)
            await screening.hears_nothing_more()

        assert [one.action for one in player.performed] == faces
        late = {one.action.id for one in player.performed if lateness(one) > EXACTLY}
        took = {sent.action.id: sent.arrives_at - sent.sent_at for sent in screening.sent}
        assert {id for id, seconds in took.items() if seconds > AHEAD} <= late
        assert late <= {
            id for id, seconds in took.items() if seconds > AHEAD - 1 / reports_per_second
        }
        assert 0 < len(late) < len(faces) / 2
        arrived = {sent.action.id: sent.arrives_at for sent in screening.sent}
        for one in player.performed:
            trigger = one.action.trigger_timestamp
            assert one.position == pytest.approx(max(trigger, arrived[one.action.id]))

    watching(test)


# --- as time goes on -------------------------------------------------------------------------


class Line:
    """A telephone line to the server that can be cut."""

    def __init__(self, server: str) -> None:
        self._host, self._port = server.removeprefix("http://").split(":")
        self._open: set[asyncio.StreamWriter] = set()
        self.address = ""

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[Line]:
        listening = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        host, port = listening.sockets[0].getsockname()
        self.address = f"http://{host}:{port}"
        try:
            yield self
        finally:
            listening.close()
            self.cut()

    def cut(self) -> None:
        """Whatever is on its way is lost."""
        for end in self._open:
            end.transport.abort()

    async def _connect(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        far, to_far = await asyncio.open_connection(self._host, int(self._port))
        ends = {to_near, to_far}
        self._open |= ends
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._carry(near, to_far))
                tasks.create_task(self._carry(far, to_near))
        finally:
            self._open -= ends

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while some := await source.read(65536):
                sink.write(some)
        except ConnectionError:
            pass
        finally:
            sink.close()


@pytest.mark.parametrize("reports_per_second", [1, 4, 15])
def test_the_client_begins_nothing_early_and_loses_nothing_as_time_goes_on(
    app: Any, backstage: Any, serve: Any, reports_per_second: int
) -> None:
    """The viewer pauses, speeds up and seeks without telling, and the line is cut twice.

    Nothing happens around where they seek to: a slow machine notices it a while later.
    """
    faces = [Expression(trigger_timestamp=at / 10, emotion="joy") for at in range(700)]
    script = [face for face in faces if not 29.0 < face.trigger_timestamp < 40.05]
    reached: list[Reached] = []
    ready = asyncio.Event()

    def listen(happening: Happening) -> None:
        if isinstance(happening, Reached):
            reached.append(happening)
        if isinstance(happening, Ready):
            ready.set()

    async def main() -> None:
        session_id = await backstage.ready(*script)
        async with (
            serve(app) as (_, url),
            Line(url).laid() as line,
            own_clock(speed=10.0) as clock,
        ):
            player = ClockPlayer(DURATION, clock=clock)
            client = WatchClient(
                line.address,
                session_id,
                player,
                listen=listen,
                clock=clock,
                interval=1 / reports_per_second,
            )
            watching = asyncio.create_task(client.run())
            await ready.wait()
            await player.resume()
            await clock.sleep(1.5)
            await player.pause()
            await clock.sleep(1.0)
            await player.resume()
            player.playback_rate = 1.5
            await clock.sleep(1.0)
            line.cut()
            await clock.sleep(2.0)
            await player.seek(32.0)
            await clock.sleep(1.5)
            player.playback_rate = 0.7
            line.cut()
            await until(lambda: len(reached) and reached[-1].position > 43.0)
            watching.cancel()
            await asyncio.wait([watching])

    asyncio.run(main())
    assert all(one.position >= one.action.trigger_timestamp for one in reached)
    triggers = [one.action.trigger_timestamp for one in reached]
    assert triggers == sorted(triggers)
    assert len(set(triggers)) == len(triggers)
    before = [trigger for trigger in triggers if trigger < 40.05]
    behind = [trigger for trigger in triggers if trigger >= 40.05]
    assert len(before) > 20
    assert before == [at / 10 for at in range(len(before))]
    assert behind == [(401 + n) / 10 for n in range(len(behind))]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)
