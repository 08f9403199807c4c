"""What a connection is sent, from a log that the tests write by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from patience import PATIENCE

from watchbuddy_core.actions import Action, Expression, ReplaySegment, Seek, Speak
from watchbuddy_core.character import Character
from watchbuddy_core.entries import (
    Acked,
    Delivered,
    Entry,
    Failed,
    Moved,
    Placed,
    Ready,
    Replied,
    Wanted,
    Withdrawn,
)
from watchbuddy_core.events import (
    ActionCompleted,
    Due,
    PlayerEvent,
    SeekUpdate,
    TimestampUpdate,
)
from watchbuddy_core.session import (
    Delivery,
    Outgoing,
    Parts,
    Replaced,
    ScriptFailed,
    ScriptReady,
    WatchSession,
)
from watchbuddy_core.session.history import History
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.testing import ScriptedGenerator

MIAO = Character(id="miao", name={"en": "Miao"})


def line(at: float, text: str = "", *, id: str | None = None) -> Speak:
    """A line whose id is its text."""
    text = text or f"at {at}"
    return Speak(id=id or text, trigger_timestamp=at, text=text)


class Written:
    """A session with a log that the test writes."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        self.parts = Parts(sources=(), generator=ScriptedGenerator(()), characters={"miao": MIAO})
        record = SessionRecord(
            session_id="ses_00000000000000aa",
            video_url="library:a.mp4",
            character_id="miao",
            created_at=0.0,
        )
        self.session = WatchSession(record, store=self.store, parts=self.parts)

    async def produce(self, *entries: Entry) -> None:
        fence = await self.store.fence(self.session.session_id, "producer")
        await self.store.append(self.session.session_id, entries, fence)

    async def script(self, *actions: Action) -> None:
        """A complete script of one window."""
        await self.produce(Placed(window=0, actions=actions), Ready())

    async def entries(self) -> list[Entry]:
        return [logged.entry for logged in await self.store.read(self.session.session_id)]

    @asynccontextmanager
    async def watching(
        self, *, lookahead: float = 0.0
    ) -> AsyncIterator[tuple[Delivery, list[Outgoing]]]:
        """A connection, and the list that fills with what it is sent."""
        sent: list[Outgoing] = []

        async def take(delivery: Delivery) -> None:
            async for item in delivery:
                sent.append(item)  # noqa: PERF401 - others look at the list as it grows

        async with (
            self.session.connect(lookahead=lookahead) as delivery,
            asyncio.TaskGroup() as tasks,
        ):
            taking = tasks.create_task(take(delivery))
            await settled()
            yield delivery, sent
            await settled()
            taking.cancel()


async def settled() -> None:
    """Let every task run until it waits for something."""
    for _ in range(50):
        await asyncio.sleep(0)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run it in an event loop of its own, and see that no task is left behind."""

    async def bounded() -> None:
        await asyncio.wait_for(scenario, PATIENCE)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(bounded())


def ids(sent: list[Outgoing]) -> list[str]:
    return [item.action.id for item in sent if isinstance(item, Due)]


# --- readiness -----------------------------------------------------------------------------


def test_nothing_is_sent_before_the_script_is_ready_and_then_only_what_is_still_fresh() -> None:
    async def scenario() -> None:
        written = Written()
        await written.produce(Placed(window=0, actions=(line(1.0), line(8.0), line(12.0))))
        async with written.watching() as (delivery, sent):
            delivery.receive(TimestampUpdate(0.0), now=0.0)
            for second in range(1, 11):
                delivery.receive(TimestampUpdate(float(second)), now=float(second))
            await settled()
            assert sent == []
            await written.produce(Ready())
            await settled()
            assert sent[0] == ScriptReady()
            assert ids(sent) == ["at 8.0"]
            delivery.receive(TimestampUpdate(12.0), now=12.0)
            await settled()
            assert ids(sent) == ["at 8.0", "at 12.0"]

    run(scenario())


def test_a_connection_that_comes_after_the_script_is_told_at_once() -> None:
    async def scenario() -> None:
        written = Written()
        await written.script(line(1.0))
        async with written.watching() as (_, sent):
            assert sent == [ScriptReady()]

    run(scenario())


def test_a_failure_is_the_last_word_also_for_a_later_connection() -> None:
    async def scenario() -> None:
        written = Written()
        failed = ScriptFailed("VIDEO_UNREADABLE", "It is no video.")
        async with written.watching() as (_, sent):
            await written.produce(Failed(code=failed.code, message=failed.message))
            await settled()
            assert sent == [failed]
        async with written.watching() as (_, sent):
            assert sent == [failed]

    run(scenario())


def test_a_cancelled_session_ends_its_connection() -> None:
    async def scenario() -> None:
        written = Written()
        await written.script(line(1.0))
        async with written.watching() as (_, sent):
            await written.session.cancel()
            await settled()
            assert isinstance(sent[-1], ScriptFailed)
            assert sent[-1].code == "SESSION_CANCELLED"
        assert (await written.session.status()).status == "cancelled"

    run(scenario())


# --- the log -------------------------------------------------------------------------------


def test_what_is_sent_stands_in_the_log_before_it_is_sent() -> None:
    async def scenario() -> None:
        written = Written()
        await written.script(line(1.0))
        async with written.session.connect() as delivery:
            outgoing = aiter(delivery)
            assert await anext(outgoing) == ScriptReady()
            delivery.receive(TimestampUpdate(0.0), now=0.0)
            delivery.receive(TimestampUpdate(1.0), now=1.0)
            item = await anext(outgoing)
            assert isinstance(item, Due)
            (delivered,) = [e for e in await written.entries() if isinstance(e, Delivered)]
            assert delivered.ids == ("at 1.0",)
            assert delivered.playhead.head == 1_000_000

    run(scenario())


def test_a_withdrawn_action_is_not_sent_whether_announced_or_not() -> None:
    async def scenario() -> None:
        written = Written()
        await written.produce(Placed(window=0, actions=(line(1.0), line(2.0), line(3.0))))
        async with written.watching() as (delivery, sent):
            await written.produce(Withdrawn(ids=("at 1.0",), reason="density"), Ready())
            await settled()
            await written.produce(Withdrawn(ids=("at 3.0",), reason="density"))
            await settled()
            for second in range(5):
                delivery.receive(TimestampUpdate(float(second)), now=float(second))
            await settled()
            assert ids(sent) == ["at 2.0"]

    run(scenario())


def test_answers_are_sent_once_whatever_is_sought() -> None:
    async def scenario() -> None:
        written = Written()
        await written.script(line(2.0))
        async with written.watching() as (delivery, sent):
            delivery.receive(TimestampUpdate(1.0), now=1.0)
            answer = line(1.0, "an answer")
            await written.produce(Replied(message_id="m1", actions=(answer,), finished=True))
            await settled()
            delivery.receive(TimestampUpdate(1.0), now=2.0)
            delivery.receive(TimestampUpdate(2.0), now=4.0)  # the answer has been spoken
            delivery.receive(SeekUpdate(0.5), now=10.0)
            delivery.receive(TimestampUpdate(2.0), now=12.0)
            await settled()
            assert ids(sent) == ["an answer", "at 2.0", "at 2.0"]

    run(scenario())


@pytest.mark.parametrize("reconnects", [False, True])
def test_a_line_that_announces_a_jump_is_not_said_again_without_it(reconnects: bool) -> None:
    """A jump is made once per session, however often the user comes past it."""

    async def scenario() -> None:
        written = Written()
        await written.script(
            line(4.0, "before"),
            line(8.0, "look again"),
            ReplaySegment(id="replay", trigger_timestamp=8.0, start_timestamp=5, end_timestamp=7),
        )
        passes: list[list[str]] = []
        async with written.watching() as (delivery, sent):
            delivery.receive(TimestampUpdate(4.0), now=4.0)
            delivery.receive(TimestampUpdate(8.0), now=8.0)
            delivery.receive(ActionCompleted("replay"), now=10.0)
            await settled()
            passes.append(ids(sent))
            sent.clear()
            if not reconnects:
                delivery.receive(SeekUpdate(3.0), now=20.0)
                delivery.receive(TimestampUpdate(9.0), now=29.0)
                await settled()
                passes.append(ids(sent))
        if reconnects:
            async with written.watching() as (delivery, sent):
                delivery.receive(SeekUpdate(3.0), now=20.0)
                delivery.receive(TimestampUpdate(9.0), now=29.0)
                await settled()
                passes.append(ids(sent))
        assert passes == [["before", "look again", "replay"], ["before"]]

    run(scenario())


def test_wanted_is_written_at_a_seek_at_once_and_while_playing_only_now_and_then() -> None:
    async def scenario() -> None:
        written = Written()
        await written.script(line(50.0))
        async with written.watching() as (delivery, _):
            for tick in range(81):
                delivery.receive(TimestampUpdate(tick / 4, paused=False), now=tick / 4)
            delivery.receive(SeekUpdate(40.0), now=20.1)
            delivery.receive(TimestampUpdate(41.0, paused=True), now=22.0)
        wanted = [entry for entry in await written.entries() if isinstance(entry, Wanted)]
        assert len(wanted) < 12
        assert wanted[-2:] == [
            Wanted(position=40.0, moved=True, paused=False),
            Wanted(position=41.0, paused=True),
        ]
        watched = (await written.session.status()).watched
        assert [tuple(span) for span in watched] == [(0.0, 20.0), (40.0, 41.0)]

    run(scenario())


def test_a_completed_action_is_written_once_with_what_was_heard() -> None:
    async def scenario() -> None:
        written = Written()
        await written.script(line(1.0))
        async with written.watching() as (delivery, _):
            delivery.receive(TimestampUpdate(0.0), now=0.0)
            delivery.receive(TimestampUpdate(1.0), now=1.0)
            done = ActionCompleted("at 1.0", "interrupted", "at")
            for _ in range(3):
                delivery.receive(done, now=2.0)
            delivery.receive(ActionCompleted("nothing that was sent"), now=2.0)
        acked = [entry for entry in await written.entries() if isinstance(entry, Acked)]
        assert acked == [Acked(action_id="at 1.0", outcome="interrupted", heard_text="at")]

    run(scenario())


# --- takeover ------------------------------------------------------------------------------


def test_a_newer_connection_takes_over_and_the_older_one_is_told() -> None:
    async def scenario() -> None:
        written = Written()
        await written.script(line(1.0), line(2.0), line(3.0))
        async with written.watching() as (old, old_sent):
            old.receive(TimestampUpdate(0.0), now=0.0)
            old.receive(TimestampUpdate(1.0), now=1.0)
            await settled()
            async with written.watching() as (new, new_sent):
                await settled()
                assert old_sent[-1] == Replaced()
                old.receive(TimestampUpdate(2.0), now=2.0)
                new.receive(TimestampUpdate(2.5), now=2.5)
                await settled()
                assert ids(old_sent) == ["at 1.0"]
                assert ids(new_sent) == ["at 2.0"]

    run(scenario())


def test_a_client_that_comes_back_gets_what_it_missed_within_the_limit() -> None:
    async def scenario() -> None:
        written = Written()
        await written.script(*(line(float(second)) for second in range(1, 40)))
        async with written.watching() as (delivery, sent):
            for second in range(11):
                delivery.receive(TimestampUpdate(float(second)), now=float(second))
            await settled()
            assert len(ids(sent)) == 10
        async with written.watching() as (delivery, sent):
            delivery.receive(TimestampUpdate(14.0), now=14.0)
            await settled()
            assert ids(sent) == [f"at {float(second)}" for second in range(11, 15)]

    run(scenario())


def test_what_a_client_has_held_and_performed_does_not_come_again_to_the_next_connection() -> None:
    """Also where nothing was sent since, and only the reports tell how far the player came."""

    async def scenario() -> None:
        written = Written()
        await written.script(line(5.0))
        async with written.watching(lookahead=2.0) as (delivery, sent):
            for second in range(10):
                delivery.receive(TimestampUpdate(float(second)), now=float(second))
                await settled()
            assert ids(sent) == ["at 5.0"]
        async with written.watching(lookahead=2.0) as (delivery, sent):
            delivery.receive(TimestampUpdate(9.5), now=9.5)
            await settled()
            assert ids(sent) == []

    run(scenario())


def test_what_came_due_while_the_companion_was_muted_does_not_come_after_a_reconnect() -> None:
    async def scenario() -> None:
        written = Written()
        await written.script(line(5.0), line(15.0))
        async with written.watching() as (delivery, sent):
            for second in range(15):
                if second in (1, 11):
                    delivery.feed_back("mute" if second == 1 else "unmute")
                delivery.receive(TimestampUpdate(float(second)), now=float(second))
                await settled()
            assert ids(sent) == []
        async with written.watching() as (delivery, sent):
            delivery.receive(TimestampUpdate(15.0), now=15.0)
            await settled()
            assert ids(sent) == ["at 15.0"]

    run(scenario())


def test_a_client_that_completes_actions_is_sent_again_what_it_has_not_completed() -> None:
    async def scenario() -> None:
        written = Written()
        await written.script(line(1.0), line(2.0), line(3.0))
        async with written.watching() as (delivery, _):
            for second in range(4):
                delivery.receive(TimestampUpdate(float(second)), now=float(second))
            delivery.receive(ActionCompleted("at 1.0"), now=3.0)
            delivery.receive(ActionCompleted("at 2.0"), now=3.0)
        async with written.watching() as (delivery, sent):
            delivery.receive(TimestampUpdate(3.5), now=3.5)
            await settled()
            assert [item for item in sent if isinstance(item, Due)] == [
                Due(line(3.0), redelivered=True)
            ]

    run(scenario())


def test_what_is_completed_before_the_first_report_brings_nothing_twice() -> None:
    """A client tells first what it performed while it was not connected."""

    async def scenario() -> None:
        written = Written()
        await written.script(line(4.0), line(5.0))
        async with written.watching(lookahead=2.0) as (delivery, sent):
            delivery.receive(TimestampUpdate(3.5), now=3.5)
            await settled()
            assert ids(sent) == ["at 4.0", "at 5.0"]
        async with written.watching(lookahead=2.0) as (delivery, sent):
            delivery.receive(ActionCompleted("at 4.0"), now=4.6)
            await settled()
            assert ids(sent) == []
            delivery.receive(TimestampUpdate(4.6), now=4.6)
            await settled()
            assert ids(sent) == ["at 5.0"]

    run(scenario())


@pytest.mark.parametrize("arrives", ["again", "before"])
def test_what_was_sent_ahead_and_completed_later_does_not_come_a_third_time(arrives: str) -> None:
    """Whether the client completes what it had, or what it was sent again."""

    async def scenario() -> None:
        written = Written()
        await written.script(line(5.0))
        async with written.watching(lookahead=2.0) as (delivery, sent):
            delivery.receive(TimestampUpdate(3.5), now=3.5)
            await settled()
        async with written.watching(lookahead=2.0) as (delivery, sent):
            if arrives == "again":
                delivery.receive(TimestampUpdate(4.0), now=4.0)
                await settled()
                assert [item for item in sent if isinstance(item, Due)] == [
                    Due(line(5.0), redelivered=True)
                ]
            delivery.receive(ActionCompleted("at 5.0"), now=5.0)
            await settled()
        history = History(await written.store.read(written.session.session_id))
        assert history.was_sent("at 5.0")
        assert history.heard_of("at 5.0") == "at 5.0"
        async with written.watching(lookahead=2.0) as (delivery, sent):
            delivery.receive(TimestampUpdate(5.5), now=5.5)
            await settled()
            assert ids(sent) == []

    run(scenario())


def test_what_came_due_and_was_never_written_comes_after_the_reconnect() -> None:
    """The head may lie beyond it by what was reported: it is due as long as it is not late."""

    async def scenario() -> None:
        written = Written()
        await written.script(line(1.0), line(2.0), line(6.0), line(9.0))
        async with written.watching() as (delivery, sent):
            delivery.receive(TimestampUpdate(1.0), now=1.0)
            await settled()
            assert ids(sent) == ["at 1.0"]
        fence = await written.store.fence(written.session.session_id, "deliverer")
        await written.store.append(written.session.session_id, [Wanted(position=9.5)], fence)
        async with written.watching() as (delivery, sent):
            delivery.receive(TimestampUpdate(10.0), now=10.0)
            await settled()
            assert ids(sent) == ["at 6.0", "at 9.0"]

    run(scenario())


# --- a client that is slow to take what it is sent --------------------------------------------


def test_reports_are_coalesced_while_the_client_is_slow() -> None:
    async def scenario() -> None:
        written = Written()
        await written.script(line(1.0), line(50.0), line(60.0))
        async with written.session.connect() as delivery:
            outgoing = aiter(delivery)
            await anext(outgoing)
            delivery.receive(TimestampUpdate(0.0), now=0.0)
            delivery.receive(TimestampUpdate(1.0), now=1.0)
            await anext(outgoing)  # the client does not come back for more yet
            for tick in range(10_000):
                delivery.receive(TimestampUpdate(1.0 + tick / 1e4), now=1.0)
                delivery.receive(ActionCompleted(f"unknown {tick}"), now=1.0)
                delivery.receive(SeekUpdate(49.0 + tick / 1e4), now=1.0)
            delivery.receive(SeekUpdate(59.5), now=1.0)
            delivery.receive(TimestampUpdate(59.7), now=1.2)
            delivery.receive(TimestampUpdate(60.0), now=1.5)
            item = await anext(outgoing)
            assert isinstance(item, Due)
            assert item.action.id == "at 60.0"
        moved = [e for e in await written.entries() if isinstance(e, Moved | Delivered)]
        assert moved[-1].playhead.epoch == 1

    run(scenario())


class Halting(MemoryStore):
    """Takes nothing in as long as `goes` is not set."""

    def __init__(self) -> None:
        super().__init__()
        self.goes = asyncio.Event()

    async def append(self, session_id: str, entries: Sequence[Entry], fence: Any) -> int:
        await self.goes.wait()
        return await super().append(session_id, entries, fence)


@pytest.mark.parametrize(
    ("meanwhile", "sent_at_last"),
    [
        (TimestampUpdate(7.9), ["jump"]),
        (TimestampUpdate(8.1), []),
        (SeekUpdate(20.0), []),
        (SeekUpdate(2.0, "action", "jump"), ["jump"]),
    ],
)
def test_a_jump_that_waits_for_the_log_is_not_made_once_the_player_is_elsewhere(
    meanwhile: PlayerEvent, sent_at_last: list[str]
) -> None:
    """It would take a viewer back who has sought, or has played on for so long that the landing
    is waited for no more: it would then be a seek of theirs."""

    async def scenario() -> None:
        store = Halting()
        written = Written(store)
        store.goes.set()
        await written.script(Seek(id="jump", trigger_timestamp=5.0, target_timestamp=2.0))
        async with written.watching() as (delivery, sent):
            delivery.receive(TimestampUpdate(3.0), now=1.0)
            await settled()
            store.goes.clear()
            delivery.receive(TimestampUpdate(5.0), now=2.0)
            await settled()
            delivery.receive(meanwhile, now=4.9)
            store.goes.set()
            await settled()
            assert ids(sent) == sent_at_last

    run(scenario())


def test_what_waits_for_the_log_is_not_sent_once_the_user_has_sought_elsewhere() -> None:
    """Seconds later a client could not tell that it belongs to what was left. What is said once
    in all is sent: it would not come again."""

    async def scenario() -> None:
        store = Halting()
        written = Written(store)
        store.goes.set()
        answer = Replied(message_id="msg_1", actions=(line(0.0, "Yes."),), finished=True)
        await written.script(line(5.0), line(30.0))
        async with written.watching() as (delivery, sent):
            delivery.receive(TimestampUpdate(3.0), now=1.0)
            await settled()
            store.goes.clear()
            delivery.receive(TimestampUpdate(5.0), now=2.0)
            await settled()
            delivery.receive(SeekUpdate(2.0), now=2.5)
            delivery.receive(TimestampUpdate(2.2), now=2.7)
            store.goes.set()
            await settled()
            assert ids(sent) == []
            delivery.receive(TimestampUpdate(5.1), now=5.0)
            await settled()
            assert ids(sent) == ["at 5.0"]

            await written.produce(answer)
            store.goes.clear()
            await settled()
            delivery.receive(TimestampUpdate(5.3), now=5.3)
            await settled()
            delivery.receive(SeekUpdate(20.0), now=6.0)
            store.goes.set()
            await settled()
            assert ids(sent) == ["at 5.0", "Yes."]

    run(scenario())


def test_what_the_caller_raises_leaves_the_connection_as_it_was() -> None:
    async def scenario() -> None:
        written = Written()
        with pytest.raises(ZeroDivisionError):
            async with written.session.connect():
                raise ZeroDivisionError

    run(scenario())


# --- the fold ------------------------------------------------------------------------------

SCRIPT: tuple[Action, ...] = (
    *(line(at / 2, f"line {at}") for at in range(0, 40, 3)),
    Expression(id="face", trigger_timestamp=6.0, emotion="joy"),
    Seek(id="seek", trigger_timestamp=7.0, target_timestamp=12.0),
    ReplaySegment(id="replay", trigger_timestamp=15.0, start_timestamp=9.0, end_timestamp=11.0),
)
POSITIONS = st.integers(0, 40).map(lambda half: half / 2)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.25, 1.0, 6.0]),
        st.one_of(
            POSITIONS.map(TimestampUpdate),
            POSITIONS.map(TimestampUpdate),
            POSITIONS.map(SeekUpdate),
            st.sampled_from([action.id for action in SCRIPT]).map(ActionCompleted),
        ),
    ),
    max_size=30,
)


AN_ACK_OF_THE_PASS_BEFORE: list[tuple[float, PlayerEvent]] = [
    (0.0, TimestampUpdate(0.0)),
    (1.0, TimestampUpdate(3.0)),
    (0.0, TimestampUpdate(0.0)),
    (0.0, ActionCompleted("line 6")),
    (1.0, TimestampUpdate(3.0)),
]


@settings(max_examples=60, deadline=None)
@given(before=EVENTS, after=EVENTS, lookahead=st.sampled_from([0.0, 2.0]))
@example(before=AN_ACK_OF_THE_PASS_BEFORE, after=[], lookahead=0.0)
@example(before=[(0.0, TimestampUpdate(0.0))], after=[(0.5, TimestampUpdate(0.5))], lookahead=2.0)
def test_the_fold_of_the_log_goes_on_exactly_like_the_timeline_that_wrote_it(
    before: list[tuple[float, PlayerEvent]],
    after: list[tuple[float, PlayerEvent]],
    lookahead: float,
) -> None:
    """Delivery state has one truth: what was sent is the fold of the log.

    Only the last position may lag, which reports that send nothing do not write.
    """

    async def scenario() -> None:
        written = Written()
        await written.script(*SCRIPT)
        now = 0.0
        for events in (before, after):
            async with written.watching(lookahead=lookahead) as (delivery, _):
                for waited, event in events:
                    now += waited
                    delivery.receive(event, now=now)
                    await settled()
                state = delivery._timeline.snapshot()
            folded = History(await written.store.read(written.session.session_id)).timeline
            assert folded.fired == state.fired
            assert set(folded.unacked) == set(state.unacked)
            lagging = {"head", "head_at", "settle", "resync"}
            assert folded.playhead.model_dump(exclude=lagging) == state.playhead.model_dump(
                exclude=lagging
            )

    run(scenario())


@pytest.mark.parametrize("order", ["ack first", "report first"])
def test_an_ack_and_a_report_that_come_together_are_written_in_their_order(order: str) -> None:
    async def scenario() -> None:
        written = Written()
        await written.script(*SCRIPT)
        ack, report = ActionCompleted("line 6"), TimestampUpdate(3.0)
        async with written.watching() as (delivery, _):
            for now, event in enumerate((TimestampUpdate(0.0), report, TimestampUpdate(0.0))):
                delivery.receive(event, now=float(now))
                await settled()
            for event in (ack, report) if order == "ack first" else (report, ack):
                delivery.receive(event, now=4.0)
            await settled()
            unacked = delivery._timeline.snapshot().unacked
        folded = History(await written.store.read(written.session.session_id)).timeline
        assert set(folded.unacked) == set(unacked)
        assert ("line 6" in unacked) is (order == "ack first")

    run(scenario())
