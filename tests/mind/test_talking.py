"""Talking with a companion that has a model, over a server that may misbehave."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE

from watchbuddy_core.actions import Speak
from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.entries import Ready, Spent
from watchbuddy_core.events import Due, TimestampUpdate
from watchbuddy_core.session import Delivery, Noticed, ReplyFinished, ReplyStarted, StopSpeaking
from watchbuddy_core.session.budget import Budget
from watchbuddy_core.testing import MemorySource
from watchbuddy_core.video import Video

KEY = "sk-test-0123456789abcdef"


def lines(*texts: str) -> str:
    return json.dumps(
        {
            "actions": [
                {
                    "action_type": "SPEAK",
                    "trigger_timestamp": 30,
                    "evidence_until": 30,
                    "importance": 1.0,
                    "text": text,
                    "pause_video": False,
                }
                for text in texts
            ]
        }
    )


def is_question(call: Any) -> bool:
    return "The viewer says to you" in call.prompt


class Viewer:
    def __init__(self, room: Any) -> None:
        self.room = room
        self.sent: list[Any] = []

    @asynccontextmanager
    async def watching(self, seconds: float = 30.0) -> AsyncIterator[Delivery]:
        """Somebody who has watched the first seconds of a session whose job runs."""
        session = await self.room.session()
        async with asyncio.TaskGroup() as tasks:
            producing = tasks.create_task(session.produce(lingers=True))
            async with (
                session.connect(progress=True, chat=True) as delivery,
                asyncio.TaskGroup() as inner,
            ):
                taking = inner.create_task(self._take(delivery))
                async with asyncio.timeout(PATIENCE):
                    while not await self.entries(Ready):
                        await asyncio.sleep(0.002)
                for i in range(int(seconds * 2) + 1):
                    delivery.receive(TimestampUpdate(i / 2), now=i / 2)
                for _ in range(100):  # nothing here waits for anything but its turn
                    await asyncio.sleep(0)
                self.sent.clear()
                yield delivery
                taking.cancel()
            producing.cancel()

    async def _take(self, delivery: Delivery) -> None:
        async for item in delivery:
            self.sent.append(item)

    async def entries(self, kind: type) -> list[Any]:
        log = await self.room.store.read("ses_0")
        return [one.entry for one in log if isinstance(one.entry, kind)]

    def told(self, kind: type) -> list[Any]:
        return [item for item in self.sent if isinstance(item, kind)]

    def lines(self) -> list[str]:
        return [one.action.text for one in self.told(Due) if isinstance(one.action, Speak)]

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.001)

    async def answered(self) -> None:
        await self.until(lambda: self.told(ReplyFinished))


def test_an_answer_is_asked_for_with_what_was_seen_and_comes_while_it_is_written(
    model_server: Callable[[], Any], cinema: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with model_server() as model:
            good = model.answer
            text = lines("First of it.", "The rest of it.")
            cut = text.index("}") + 4

            def answer(call: Any) -> Any:
                if is_question(call):
                    return replace(good(model.calls[0]), text=text, stall_after=cut)
                return good(call)

            model.answer = answer
            viewer = Viewer(cinema(model))
            async with viewer.watching() as delivery:
                delivery.ask("What did they say?")
                await viewer.until(lambda: viewer.lines() == ["First of it."])
                assert viewer.told(ReplyStarted)
                assert not viewer.told(ReplyFinished)
                call = model.calls[-1]
                assert "26–29 " in call.prompt
                assert "38–41 " not in call.prompt
                assert "> What did they say?" in call.prompt
                delivery.interrupt()
                await viewer.answered()
                await asyncio.wait_for(call.ended.wait(), PATIENCE)
                assert call.was_dropped  # an answer that nobody hears costs no more
                assert viewer.told(StopSpeaking)
            spent = [one for one in await viewer.entries(Spent) if one.purpose == "reply"]
            assert len(spent) == 1
            assert spent[0].usage.completion_tokens > 0

    asyncio.run(scenario())


def test_what_the_model_knows_and_the_viewer_does_not_is_not_said(
    model_server: Callable[[], Any], cinema: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with model_server() as model:
            good = model.answer
            model.answer = lambda call: (
                replace(good(model.calls[0]), text=lines("Wait for the quokkafish!"))
                if is_question(call)
                else good(call)
            )
            room = cinema(model, minutes=3)
            video = next(iter(room.parts.sources)).videos["memory:film"]
            path = video.subtitles[0].path
            text = path.read_text()
            path.write_text(text.replace("minute 2.", "the quokkafish."))
            viewer = Viewer(room)
            async with viewer.watching() as delivery:
                delivery.ask("What comes next?")
                await viewer.answered()
                (said,) = viewer.lines()
                phrases = room.parts.characters["quinn"].answers["en"]["unseen"]
                assert said in {phrase.text for phrase in phrases}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"status": 401, "error": f"Incorrect API key provided: {KEY}"}, "does not take the key"),
        ({"status": 500}, "has a problem"),
        ({"stall_after": 0}, "for too long"),
        ({"cut_after": 40}, "broke off"),
        ({"text": "I cannot help with that."}, "broke off"),
    ],
)
def test_an_answer_that_fails_is_finished_and_says_why(
    fault: dict[str, Any],
    told: str,
    model_server: Callable[[], Any],
    cinema: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    async def scenario() -> None:
        async with model_server() as model:
            good = model.answer
            model.answer = lambda call: (
                replace(good(model.calls[0]), **fault) if is_question(call) else good(call)
            )
            hurry = {"idle_seconds": 1.0} if "stall_after" in fault else {}
            viewer = Viewer(cinema(model, **hurry))
            async with viewer.watching() as delivery:
                delivery.ask("Well?")
                await viewer.answered()
                await viewer.until(lambda: viewer.told(Noticed))
                (notice,) = viewer.told(Noticed)
                assert notice.code == "REPLY_FAILED"
                assert told in notice.message
                assert KEY not in notice.message + caplog.text

    asyncio.run(scenario())


def test_answers_are_paid_from_the_same_budget(
    model_server: Callable[[], Any], cinema: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with model_server() as model:
            good = model.answer
            model.answer = lambda call: replace(good(model.calls[0]), usage=(100_000, 1000))
            room = cinema(model, minutes=1, model="openai/gpt-5-nano")
            room.parts = replace(room.parts, budget=Budget(session=0.007))
            viewer = Viewer(room)
            async with viewer.watching() as delivery:
                before = len(model.calls)
                delivery.ask("Well?")
                await viewer.answered()
                await viewer.until(lambda: viewer.told(Noticed))
                assert "budget" in viewer.told(Noticed)[0].message
                assert len(model.calls) == before

    asyncio.run(scenario())


def test_a_model_that_sees_is_shown_what_the_viewer_has_in_view(
    model_server: Callable[[], Any], cinema: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "clip.mp4"
    shots = [Shot(8.0, picture, Tone.CALM) for picture in list(Picture)[:4]]
    make_clip(path, shots, size=(320, 180), frame_rate=10)

    async def scenario() -> None:
        async with model_server() as model:
            good = model.answer
            model.answer = lambda call: (
                replace(good(model.calls[0]), text=lines("I see."))
                if is_question(call)
                else good(call)
            )
            room = cinema(model, vision="on")
            video = Video(content_id="clip", title="A clip", path=path)
            room.parts = replace(room.parts, sources=[MemorySource({"memory:film": video})])
            viewer = Viewer(room)
            async with viewer.watching(20.0) as delivery:
                delivery.ask("What is that?")
                await viewer.answered()
            call = model.calls[-1]
            seen = [int(second) for second in re.findall(r"Picture at .*second (\d+)", call.prompt)]
            assert len(seen) == call.pictures > 0
            assert all(8 <= second <= 20 for second in seen)

    asyncio.run(scenario())
