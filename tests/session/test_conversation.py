"""What the viewer says, and what comes back: through the log, and from what they have seen."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from patience import PATIENCE

from watchbuddy_core.actions import (
    Action,
    Draft,
    EndReaction,
    Expression,
    PauseVideo,
    ReplaySegment,
    Seek,
    Speak,
)
from watchbuddy_core.characters import built_in
from watchbuddy_core.entries import Asked, LeftOut, Placed, Ready, Replied
from watchbuddy_core.errors import ActionGenerationFailed
from watchbuddy_core.events import ActionCompleted, Due, SeekUpdate, TimestampUpdate
from watchbuddy_core.protocols import Brief, Exchange
from watchbuddy_core.session import (
    Delivery,
    DensityChanged,
    Noticed,
    Outgoing,
    Parts,
    ReplyFinished,
    ReplyStarted,
    ScriptReady,
    StopSpeaking,
    WatchSession,
)
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.testing import MemorySource, ScriptedGenerator
from watchbuddy_core.video import SubtitleFile, Video
from watchbuddy_core.wire import CreateSession

TRACES = int(os.environ.get("TEST_TRACES", "60"))
"""Set it for a longer run of the property of spoilers."""

CANARIES = [f"{a}{b}{c}x" for a in ("zor", "vel", "kru", "dap") for b in "aeiou" for c in "bdlm"]
"""A word that is said once in the film, at a time of its own, and nowhere else."""
APART = 6.0
"""Seconds from one to the next; each is said for two."""


def line(text: str, **fields: Any) -> Draft:
    return Draft(action=Speak(trigger_timestamp=0.0, text=text), **fields)


def subtitles(path: Path) -> Path:
    def stamp(seconds: float) -> str:
        return f"{int(seconds // 3600):02}:{int(seconds // 60) % 60:02}:{seconds % 60:06.3f}"

    cues = [
        f"{stamp(APART * i)} --> {stamp(APART * i + 2)}\nNow comes the {word}.\n"
        for i, word in enumerate(CANARIES)
    ]
    path.write_text("WEBVTT\n\n" + "\n".join(cues), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Video:
    path = subtitles(tmp_path_factory.mktemp("films") / "film.vtt")
    track = SubtitleFile(path=path, language="en")
    return Video(content_id="film", title="A film", path=None, subtitles=(track,))


class Talk:
    """A session whose job runs, and one connection to it."""

    def __init__(self, film: Video, generator: Any, **fields: Any) -> None:
        self.store = MemoryStore()
        self.generator = generator
        self.source = MemorySource({"memory:film": film})
        self.parts = Parts(
            sources=[self.source],
            generator=generator,
            characters={one.id: one for one in built_in()},
        )
        self.record = SessionRecord(
            session_id="ses_0",
            **{"video_url": "memory:film", "character_id": "quinn", "created_at": 0.0, **fields},
        )
        self.sent: list[Outgoing] = []

    @property
    def session(self) -> WatchSession:
        return WatchSession(self.record, store=self.store, parts=self.parts)

    async def entries(self, kind: type) -> list[Any]:
        log = await self.store.read("ses_0")
        return [one.entry for one in log if isinstance(one.entry, kind)]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Its job runs within."""
        await self.store.put(self.record)
        async with asyncio.TaskGroup() as tasks:
            producing = tasks.create_task(self.session.produce(lingers=True))
            yield
            producing.cancel()

    @asynccontextmanager
    async def connected(self, **asks: Any) -> AsyncIterator[Delivery]:
        self.sent = []
        async with (
            self.session.connect(**{"chat": True, **asks}) as delivery,
            asyncio.TaskGroup() as tasks,
        ):
            taking = tasks.create_task(self._take(delivery))
            yield delivery
            taking.cancel()

    async def _take(self, delivery: Delivery) -> None:
        async for item in delivery:
            self.sent.append(item)

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.001)

    async def ready(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while not await self.entries(Ready):
                await asyncio.sleep(0.001)

    async def until_stands(self, kind: type, times: int) -> None:
        """Wait until there are so many of these entries."""
        async with asyncio.timeout(PATIENCE):
            while len(await self.entries(kind)) < times:
                await asyncio.sleep(0.001)

    async def answered(self, times: int = 1) -> None:
        await self.until(lambda: len(self.told(ReplyFinished)) >= times)

    def told(self, kind: type) -> list[Any]:
        return [one for one in self.sent if isinstance(one, kind)]

    def actions(self) -> list[Action]:
        return [one.action for one in self.told(Due)]

    def lines(self) -> list[str]:
        return [action.text for action in self.actions() if isinstance(action, Speak)]

    @staticmethod
    def play(delivery: Delivery, start: float, end: float, *, now: float = 0.0) -> float:
        """Report half a second after the other; the time at the end."""
        steps = int((end - start) * 2)
        for i in range(steps + 1):
            delivery.receive(TimestampUpdate(start + i / 2), now=now + i / 2)
        return now + steps / 2


@pytest.fixture
def talk(film: Video) -> Callable[..., Talk]:
    return lambda generator, **fields: Talk(film, generator, **fields)


def answering(*answer: Any, **options: Any) -> ScriptedGenerator:
    return ScriptedGenerator(answer=answer, **options)


# --- question and answer ---------------------------------------------------------------


def test_an_answer_comes_at_the_playhead_between_its_beginning_and_its_end(
    talk: Callable[..., Talk],
) -> None:
    async def scenario() -> None:
        it = talk(
            answering(line("Yes."), Draft(action=Expression(trigger_timestamp=0, emotion="joy")))
        )
        async with it.running(), it.connected() as delivery:
            await it.ready()
            it.play(delivery, 0, 20)
            delivery.ask("Is it?")
            await it.answered()
            started, *actions, finished = (
                one for one in it.sent if isinstance(one, ReplyStarted | ReplyFinished | Due)
            )
            assert isinstance(started, ReplyStarted)
            assert finished == ReplyFinished(started.message_id)
            assert [(a.action.action_type, a.action.trigger_timestamp) for a in actions] == [
                ("SPEAK", 20.0),
                ("EXPRESSION", 20.0),
            ]
            assert not await it.entries(Placed) or not [
                action for placed in await it.entries(Placed) for action in placed.actions
            ]

    asyncio.run(scenario())


def test_an_answer_begins_before_it_is_whole(talk: Callable[..., Talk]) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        it = talk(answering(line("First."), gate, line("Second.")))
        async with it.running(), it.connected() as delivery:
            await it.ready()
            it.play(delivery, 0, 5)
            delivery.ask("Go on.")
            await it.until(lambda: it.lines() == ["First."])
            assert not it.told(ReplyFinished)
            it.play(delivery, 5, 15, now=5)  # a slow answer belongs where the viewer is by then
            gate.set()
            await it.answered()
            assert it.lines() == ["First.", "Second."]
            assert it.actions()[-1].trigger_timestamp == 15.0

    asyncio.run(scenario())


def test_an_answer_rests_on_what_this_viewer_has_seen_and_really_heard(
    talk: Callable[..., Talk],
) -> None:
    async def scenario() -> None:
        script = [
            Draft(action=Speak(trigger_timestamp=at, text=text), evidence_until=0.0, importance=0.9)
            for at, text in ((4.0, "Early one."), (30.0, "Never sent."), (104.0, "Broken off."))
        ]
        it = talk(answering(line("Yes."), drafts=script))
        async with it.running(), it.connected() as delivery:
            await it.ready()
            now = it.play(delivery, 0, 5)
            await it.until(it.lines)
            now = it.play(delivery, 5, 10, now=now)
            delivery.receive(ActionCompleted(it.actions()[0].id, "done"), now=now)
            delivery.receive(SeekUpdate(100.0, "user"), now=now + 1)
            now = it.play(delivery, 100, 105, now=now + 1)
            await it.until(lambda: len(it.lines()) == 2)
            now = it.play(delivery, 105, 109, now=now)
            delivery.receive(ActionCompleted(it.actions()[1].id, "interrupted", "Broken"), now=now)
            delivery.ask("What was that?")
            await it.answered()
            brief, message = it.generator.messages[0]
            assert message == "What was that?"
            assert brief.position == 109.0
            assert brief.watched == ((0.0, 10.0), (100.0, 109.0))
            heard = [cue.start for cue in brief.understanding.cues]
            assert heard == [0.0, 6.0, 102.0]  # the one at 108 is not over yet
            assert [spoken.text for spoken in brief.last_lines] == ["Early one.", "Broken"]
            assert brief.talk == ()
            delivery.receive(ActionCompleted(it.actions()[-1].id, "done"), now=now + 1)
            delivery.ask("And now?")
            await it.answered(2)
            assert it.generator.messages[1][0].talk == (
                Exchange(who="viewer", text="What was that?"),
                Exchange(who="companion", text="Yes."),
            )

    asyncio.run(scenario())


def test_several_messages_in_a_row_are_one_turn(talk: Callable[..., Talk]) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        it = talk(answering(gate, line("To all of it.")))
        async with it.running(), it.connected() as delivery:
            await it.ready()
            it.play(delivery, 0, 5)
            delivery.ask("One.")
            await it.until(lambda: it.generator.messages)
            delivery.ask("Two.")
            delivery.ask("Three.")
            await it.until(lambda: it.generator.messages[-1][1] == "One.\nTwo.\nThree.")
            gate.set()
            await it.answered()
            asked = await it.entries(Asked)
            assert it.told(ReplyStarted) == [ReplyStarted(asked[-1].message_id)]
            assert it.lines() == ["To all of it."]
            assert it.generator.abandoned >= 1

    asyncio.run(scenario())


def test_what_is_said_while_an_answer_is_given_is_the_next_turn(talk: Callable[..., Talk]) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        it = talk(answering(line("Begun."), gate, line("Ended.")))
        async with it.running(), it.connected() as delivery:
            await it.ready()
            it.play(delivery, 0, 5)
            delivery.ask("One.")
            await it.until(lambda: it.lines() == ["Begun."])
            delivery.ask("Two.")
            delivery.ask("Three.")
            await asyncio.sleep(0.02)
            assert len(it.generator.messages) == 1
            gate.set()
            await it.answered(2)
            assert [message for _, message in it.generator.messages] == ["One.", "Two.\nThree."]
            assert it.lines() == ["Begun.", "Ended."] * 2

    asyncio.run(scenario())


# --- rules of answers ------------------------------------------------------------------


def test_an_answer_keeps_to_its_rules(talk: Callable[..., Talk]) -> None:
    def act(action: Action) -> Draft:
        return Draft(action=action)

    async def scenario() -> None:
        it = talk(
            answering(
                act(Seek(trigger_timestamp=0, target_timestamp=200.0)),
                act(ReplaySegment(trigger_timestamp=0, start_timestamp=40, end_timestamp=50)),
                act(EndReaction(trigger_timestamp=0)),
                act(PauseVideo(trigger_timestamp=0, duration_seconds=60)),
                line(f"Soon comes the {CANARIES[30]}."),
                line(f"That was the {CANARIES[1]}."),
                act(ReplaySegment(trigger_timestamp=0, start_timestamp=4, end_timestamp=9)),
            )
        )
        async with it.running(), it.connected() as delivery:
            await it.ready()
            now = it.play(delivery, 0, 20)
            delivery.ask("Show me.")
            await it.until(lambda: len(it.actions()) == 2)
            delivery.receive(ActionCompleted(it.actions()[-1].id, "done"), now=now)
            await it.answered()
            assert it.lines() == [f"That was the {CANARIES[1]}."]
            assert isinstance(it.actions()[1], ReplaySegment)
            reasons = [drop.reason for one in await it.entries(Replied) for drop in one.dropped]
            assert reasons == ["forward_seek", "out_of_range", "out_of_range", "pauses", "spoiler"]
            assert (await it.session.status()).drops["spoiler"] == 1

    asyncio.run(scenario())


def test_where_all_of_an_answer_would_spoil_the_companion_would_rather_not_say(
    talk: Callable[..., Talk],
) -> None:
    async def scenario() -> None:
        it = talk(answering(line(f"It is the {CANARIES[40]}.")))
        async with it.running(), it.connected() as delivery:
            await it.ready()
            it.play(delivery, 0, 20)
            delivery.ask("Who is it?")
            await it.answered()
            (said,) = it.lines()
            assert CANARIES[40] not in said
            phrases = it.parts.characters["quinn"].answers["en"]["unseen"]
            assert said in {phrase.text for phrase in phrases}

    asyncio.run(scenario())


def test_the_viewers_own_words_are_no_spoilers(talk: Callable[..., Talk]) -> None:
    async def scenario() -> None:
        it = talk(answering(line(f"The {CANARIES[40]}? I know nothing of it.")))
        async with it.running(), it.connected() as delivery:
            await it.ready()
            it.play(delivery, 0, 20)
            delivery.ask(f"What about the {CANARIES[40]}?")
            await it.answered()
            assert it.lines() == [f"The {CANARIES[40]}? I know nothing of it."]

    asyncio.run(scenario())


def test_an_answer_that_comes_as_a_jump_is_made_is_said_where_it_leads(
    talk: Callable[..., Talk],
) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        jump = Draft(action=Seek(trigger_timestamp=12.0, target_timestamp=4.0), evidence_until=0.0)
        it = talk(answering(gate, line("Here it is."), drafts=[jump]))
        async with it.running(), it.connected() as delivery:
            await it.ready()
            now = it.play(delivery, 0, 9)
            delivery.ask("Well?")
            await it.until(lambda: it.generator.messages)
            delivery.receive(TimestampUpdate(12.0), now=now + 3)
            await it.until(it.actions)
            gate.set()
            await it.until(lambda: it.told(ReplyStarted))
            delivery.receive(SeekUpdate(4.0, "action", it.actions()[0].id), now=now + 3.5)
            await it.answered()
            assert it.lines() == ["Here it is."]
            assert it.actions()[1].trigger_timestamp == 4.0

    asyncio.run(scenario())


def test_while_an_answer_is_spoken_the_script_keeps_quiet_and_that_is_told(
    talk: Callable[..., Talk],
) -> None:
    async def scenario() -> None:
        script = [
            Draft(action=Speak(trigger_timestamp=at, text=text), evidence_until=0.0)
            for at, text in ((21.0, "Over it."), (40.0, "Behind it."))
        ]
        script.append(
            Draft(action=Expression(trigger_timestamp=21.0, emotion="joy"), evidence_until=0.0)
        )
        it = talk(answering(line("This takes a good while to be said, I fear."), drafts=script))
        async with it.running(), it.connected() as delivery:
            await it.ready()
            now = it.play(delivery, 0, 20)
            delivery.ask("Well?")
            await it.answered()
            it.play(delivery, 20, 45, now=now)
            await it.until(lambda: "Behind it." in it.lines())
            assert "Over it." not in it.lines()
            assert any(isinstance(action, Expression) for action in it.actions())
            assert [one.reason for one in await it.entries(LeftOut)] == ["answering"]
            assert (await it.session.status()).drops["answering"] == 1

    asyncio.run(scenario())


def test_an_answer_is_not_said_again_after_a_seek_and_is_no_part_of_the_script(
    talk: Callable[..., Talk],
) -> None:
    async def scenario() -> None:
        it = talk(answering(line("Once only.")))
        async with it.running(), it.connected() as delivery:
            await it.ready()
            now = it.play(delivery, 0, 20)
            delivery.ask("Well?")
            await it.answered()
            delivery.receive(SeekUpdate(0.0, "user"), now=now + 5)
            it.play(delivery, 0, 30, now=now + 6)
            await asyncio.sleep(0.02)
            assert it.lines() == ["Once only."]
            assert not (await it.session.track()).actions

    asyncio.run(scenario())


def test_who_is_muted_still_gets_answers(talk: Callable[..., Talk]) -> None:
    async def scenario() -> None:
        it = talk(answering(line("Yes.")))
        async with it.running(), it.connected() as delivery:
            await it.ready()
            it.play(delivery, 0, 20)
            delivery.feed_back("mute")
            delivery.ask("Are you there?")
            await it.answered()
            assert it.lines() == ["Yes."]

    asyncio.run(scenario())


# --- interrupting ----------------------------------------------------------------------


def test_interrupting_ends_the_answer_and_what_is_due(talk: Callable[..., Talk]) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        it = talk(answering(line("Begun."), gate, line("Never said.")))
        async with it.running(), it.connected() as delivery:
            await it.ready()
            it.play(delivery, 0, 20)
            delivery.ask("Well?")
            await it.until(lambda: it.lines() == ["Begun."])
            delivery.interrupt()
            await it.answered()
            gate.set()
            await asyncio.sleep(0.02)
            kinds = [type(one) for one in it.sent if isinstance(one, StopSpeaking | ReplyFinished)]
            assert kinds == [StopSpeaking, ReplyFinished]
            assert it.lines() == ["Begun."]
            assert it.generator.abandoned == 1
            delivery.ask("And now?")
            await it.until(lambda: len(it.lines()) == 3)

    asyncio.run(scenario())


def test_interrupting_before_the_answer_begins_leaves_no_answer(talk: Callable[..., Talk]) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        it = talk(answering(gate, line("Never said.")))
        async with it.running(), it.connected() as delivery:
            await it.ready()
            it.play(delivery, 0, 20)
            delivery.ask("Well?")
            await it.until(lambda: it.generator.messages)
            delivery.interrupt()
            await it.until(lambda: it.generator.abandoned)
            gate.set()
            await it.until(lambda: it.told(StopSpeaking))
            await asyncio.sleep(0.02)
            assert it.lines() == []
            assert not it.told(ReplyStarted)
            assert (await it.session.status()).status == "ready"

    asyncio.run(scenario())


def test_what_is_said_right_after_an_interruption_is_answered_instead(
    talk: Callable[..., Talk],
) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        it = talk(answering(line("Begun."), gate, line("Never said.")))
        async with it.running(), it.connected() as delivery:
            await it.ready()
            it.play(delivery, 0, 20)
            delivery.ask("Well?")
            await it.until(lambda: it.lines() == ["Begun."])
            it.generator.answer = (line("To the second."),)
            delivery.interrupt()
            delivery.ask("And this?")
            await it.answered(2)
            gate.set()
            await asyncio.sleep(0.02)
            assert it.lines() == ["Begun.", "To the second."]
            assert it.generator.messages[-1][1] == "And this?"

    asyncio.run(scenario())


def test_who_did_not_ask_for_it_is_not_told_where_an_answer_begins(
    talk: Callable[..., Talk],
) -> None:
    async def scenario() -> None:
        it = talk(answering(line("Yes.")))
        async with it.running(), it.connected(chat=False) as delivery:
            await it.ready()
            it.play(delivery, 0, 20)
            delivery.ask("Well?")
            await it.until(lambda: it.lines() == ["Yes."])
            await asyncio.sleep(0.02)
            assert not it.told(ReplyStarted)
            assert not it.told(ReplyFinished)

    asyncio.run(scenario())


def test_who_is_spoken_to_says_something(talk: Callable[..., Talk]) -> None:
    async def scenario() -> None:
        it = talk(answering())
        async with it.running(), it.connected() as delivery:
            await it.ready()
            it.play(delivery, 0, 20)
            delivery.ask("Tell me about cheese.")
            await it.answered()
            phrases = it.parts.characters["quinn"].answers["en"]["unknown"]
            assert it.lines()[0] in {phrase.text for phrase in phrases}

    asyncio.run(scenario())


# --- failing, restarting, taking over --------------------------------------------------


@pytest.mark.parametrize("begun", [False, True])
def test_an_answer_that_fails_is_finished_and_told(begun: bool, talk: Callable[..., Talk]) -> None:
    async def scenario() -> None:
        failure = ActionGenerationFailed("The model has gone.")
        it = talk(answering(*([line("Begun.")] if begun else []), failure))
        async with it.running(), it.connected(progress=True) as delivery:
            await it.ready()
            it.play(delivery, 0, 20)
            delivery.ask("Well?")
            await it.answered()
            await it.until(lambda: it.told(Noticed))
            assert it.told(Noticed) == [Noticed("REPLY_FAILED", "The model has gone.")]
            assert it.lines() == (["Begun."] if begun else [])

    asyncio.run(scenario())


def test_a_generator_that_cannot_talk_has_a_stand_in_that_can(talk: Callable[..., Talk]) -> None:
    class Mute:
        async def generate(self, brief: Brief) -> AsyncIterator[Draft]:
            for draft in ():
                yield draft

    async def scenario() -> None:
        it = talk(Mute())
        async with it.running(), it.connected() as delivery:
            await it.ready()
            it.play(delivery, 0, 9)
            delivery.ask("What did they say?")
            await it.answered()
            assert f"Now comes the {CANARIES[1]}" in it.lines()[0]

    asyncio.run(scenario())


def test_one_can_talk_before_there_is_anything_to_see(talk: Callable[..., Talk]) -> None:
    async def scenario() -> None:
        it = talk(answering(line("We have not begun.")))
        it.source.waits["memory:film"] = asyncio.Event()
        async with it.running(), it.connected() as delivery:
            delivery.ask("Hello?")
            await it.answered()
            assert it.lines() == ["We have not begun."]
            assert it.generator.messages[0][0].understanding.cues == ()

    asyncio.run(scenario())


def test_a_question_that_a_crash_left_open_is_answered_once(talk: Callable[..., Talk]) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        it = talk(answering(gate, line("At last.")))
        async with it.running(), it.connected() as delivery:
            await it.ready()
            it.play(delivery, 0, 9)
            delivery.ask("Well?")
            await it.until(lambda: it.generator.messages)
        gate.set()
        async with it.connected() as delivery, it.running():
            delivery.receive(TimestampUpdate(9.0), now=100.0)
            await it.answered()
            assert it.lines() == ["At last."]
            assert it.generator.messages[-1][0].watched == ((0.0, 9.0),)
        async with it.running():
            await asyncio.sleep(0.02)
        assert len(it.generator.messages) == 2

    asyncio.run(scenario())


def test_an_answer_that_a_crash_has_cut_off_goes_on(talk: Callable[..., Talk]) -> None:
    """What stands of it is not said again, and what was said meanwhile is answered behind it."""

    async def scenario() -> None:
        gate = asyncio.Event()
        it = talk(answering(line("One."), gate, line("Two.")))
        async with it.running(), it.connected() as delivery:
            await it.ready()
            it.play(delivery, 0, 9)
            delivery.ask("Well?")
            await it.until(lambda: it.lines() == ["One."])
            delivery.ask("And then?")
            await it.until_stands(Asked, 2)
        gate.set()
        async with it.connected() as delivery, it.running():
            delivery.receive(TimestampUpdate(9.0), now=100.0)
            await it.answered(2)
            assert it.lines() == ["Two.", "One.", "Two."]
        asked = [(message, brief.begun) for brief, message in it.generator.messages]
        assert asked == [("Well?", ()), ("Well?", ("One.",)), ("And then?", ())]
        assert it.generator.messages[1][0].talk == ()

    asyncio.run(scenario())


def test_an_answer_that_may_not_have_arrived_is_sent_again_where_it_was_sent(
    talk: Callable[..., Talk],
) -> None:
    """And not where the viewer was when they asked: thinking takes a while."""

    async def scenario() -> None:
        gate = asyncio.Event()
        script = [Draft(action=Speak(trigger_timestamp=2.0, text="Hm."), evidence_until=0.0)]
        it = talk(answering(gate, line("Here it is."), drafts=script))
        async with it.running():
            async with it.connected() as delivery:
                await it.ready()
                now = it.play(delivery, 0, 5)
                await it.until(it.lines)
                delivery.receive(ActionCompleted(it.actions()[0].id), now=now)
                now = it.play(delivery, 5, 9, now=now)
                delivery.ask("Well?")
                await it.until(lambda: it.generator.messages)
                it.play(delivery, 9, 20, now=now)
                delivery.feed_back("unmute")
                await it.until(lambda: it.told(DensityChanged))  # and all before was taken in
                gate.set()
                await it.until(lambda: "Here it is." in it.lines())
                first = it.actions()[-1]
            async with it.connected() as delivery:
                delivery.receive(TimestampUpdate(21.0), now=100.0)
                await it.until(it.lines)
                assert it.actions() == [first]
                assert first.trigger_timestamp == 20.0

    asyncio.run(scenario())


def test_an_answer_that_was_on_its_way_comes_to_the_next_connection(
    talk: Callable[..., Talk],
) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        it = talk(answering(gate, line("Here it is.")))
        async with it.running():
            async with it.connected() as delivery:
                await it.ready()
                it.play(delivery, 0, 9)
                delivery.ask("Well?")
                await it.until(lambda: it.generator.messages)
            gate.set()
            async with asyncio.timeout(PATIENCE):
                while not any(one.finished for one in await it.entries(Replied)):
                    await asyncio.sleep(0.001)
            async with it.connected() as delivery:
                await asyncio.sleep(0.01)
                assert it.lines() == []  # nobody knows yet where this player is
                delivery.receive(TimestampUpdate(11.0), now=100.0)
                await it.until(lambda: it.lines() == ["Here it is."])
                assert it.actions()[0].trigger_timestamp == 11.0
                await it.answered()
                assert list(map(type, it.sent)) == [ScriptReady, ReplyStarted, Due, ReplyFinished]
            async with it.connected() as delivery:
                delivery.receive(TimestampUpdate(30.0), now=200.0)
                await it.answered()  # nobody knows whether the last connection was told
                assert list(map(type, it.sent)) == [ScriptReady, ReplyFinished]

    asyncio.run(scenario())


# --- preferences -----------------------------------------------------------------------


def test_how_much_a_user_wants_to_hear_is_kept_for_their_next_session(film: Video) -> None:

    async def scenario() -> None:
        it = Talk(film, answering(), user_id="ann", caller="10.0.0.1")
        async with it.running(), it.connected() as delivery:
            await it.ready()
            for wish in ("less", "mute"):
                delivery.feed_back(wish)
            async with asyncio.timeout(PATIENCE):
                while await it.store.preference("10.0.0.1", "ann") is None:
                    await asyncio.sleep(0.001)

        async def density(user: str | None, caller: str, **fields: Any) -> str:
            request = CreateSession(
                video_url="memory:film", character_id="quinn", user_id=user, **fields
            )
            session = await WatchSession.create(
                request, store=it.store, parts=it.parts, created_at=0.0, caller=caller
            )
            return (await session.status()).density

        assert await density("ann", "10.0.0.1") == "quiet"
        assert await density("ann", "10.0.0.1", density="chatty") == "chatty"
        assert await density("ann", "10.0.0.2") != "quiet" or it.parts.density == "quiet"
        assert await density("bob", "10.0.0.1") == await density(None, "10.0.0.1")

    asyncio.run(scenario())


# --- spoilers --------------------------------------------------------------------------


class Adversary:
    """Knows the whole film, and puts its words wherever it can."""

    def __init__(self, words: list[int]) -> None:
        self._words = words

    def _guises(self, word: str) -> list[str]:
        return [
            f"Here is the {word}.",
            f"{word.upper()}!",
            f"the {word}s, of course",
            f"{word.capitalize()}’s turn, my friend",
            f"“{word}”",
        ]

    async def generate(self, brief: Brief) -> AsyncIterator[Draft]:
        start, end = brief.window.start, brief.window.end
        for i, number in enumerate(self._words):
            guises = self._guises(CANARIES[number])
            at = start + (end - start) * (i + 0.5) / len(self._words)
            yield Draft(
                action=Speak(
                    trigger_timestamp=at, text=guises[i % len(guises)], comment=CANARIES[number]
                ),
                evidence_until=0.0,
                importance=0.9,
            )

    async def reply(self, brief: Brief, message: str) -> AsyncIterator[Draft]:
        for i, number in enumerate(self._words):
            guises = self._guises(CANARIES[number])
            yield line(guises[(i + 1) % len(guises)])


moves = st.lists(
    st.one_of(
        st.tuples(st.just("play"), st.floats(0.5, 40)),
        st.tuples(st.just("seek"), st.floats(0, APART * len(CANARIES))),
        st.tuples(st.just("ask"), st.just(0.0)),
    ),
    min_size=2,
    max_size=10,
)


@settings(
    max_examples=TRACES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    words=st.lists(st.integers(0, len(CANARIES) - 1), min_size=1, max_size=8),
    trace=moves,
    lookahead=st.sampled_from([0.0, 2.0]),
)
def test_no_word_is_sent_before_it_was_said_to_this_viewer(
    film: Video, words: list[int], trace: list[tuple[str, float]], lookahead: float
) -> None:
    """With a client that holds actions: two seconds before, at the earliest."""

    async def scenario() -> None:
        it = Talk(film, Adversary(words))
        position, now, played = 0.0, 0.0, [(0.0, 0.0)]

        def check() -> None:
            """Everything that has come by now, against what had been said by now."""
            for one in it.sent[check.seen :]:  # type: ignore[attr-defined]
                if not isinstance(one, Due):
                    continue
                told = one.action.model_dump_json().casefold()
                for i, word in enumerate(CANARIES):
                    if word in told:
                        end = APART * i + 2
                        is_answer = one.action.comment == "an answer"
                        if is_answer:
                            # Media times are whole milliseconds.
                            seen = (a <= APART * i + 1e-3 and end <= b for a, b in played)
                            assert any(seen), word
                        else:
                            assert end <= position + lookahead + 1e-6, (word, position)
            check.seen = len(it.sent)  # type: ignore[attr-defined]

        check.seen = 0  # type: ignore[attr-defined]
        async with it.running(), it.connected(lookahead=lookahead) as delivery:
            await it.ready()
            for kind, amount in trace:
                now += 10.0
                if kind == "seek":
                    position = amount
                    delivery.receive(SeekUpdate(position, "user"), now=now)
                    played.append((position, position))
                elif kind == "play":
                    end = min(position + amount, APART * len(CANARIES))
                    while position < end:
                        position = min(position + 0.5, end)
                        now += 0.5
                        delivery.receive(TimestampUpdate(position), now=now)
                        played[-1] = (played[-1][0], position)
                        await asyncio.sleep(0)
                        await asyncio.sleep(0)
                        check()
                else:
                    before = len(it.told(ReplyFinished))
                    delivery.receive(TimestampUpdate(position), now=now)
                    delivery.ask("What comes?")
                    await it.answered(before + 1)
                await asyncio.sleep(0)
                check()
            await asyncio.sleep(0.001)
            check()

    asyncio.run(scenario())
