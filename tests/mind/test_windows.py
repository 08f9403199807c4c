"""Long videos, caches, budgets and what a model is shown, seen from the server that it runs on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.entries import Outlined, Ready, Spent
from watchbuddy_core.events import SeekUpdate, TimestampUpdate
from watchbuddy_core.generation.offline import OfflineGenerator
from watchbuddy_core.session import Noticed, ScriptReady
from watchbuddy_core.session.budget import Budget
from watchbuddy_core.session.history import History
from watchbuddy_core.session.reporting import Reporter
from watchbuddy_core.testing import MemorySource
from watchbuddy_core.video import Video

PRICED = "openai/gpt-5-nano"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(100):
        while not condition():
            await asyncio.sleep(0.002)


@pytest.mark.timeout(300)
def test_two_hours_are_ready_early_follow_a_seek_and_cost_a_call_per_window_and_one(
    model_server: Callable[[], Any], cinema: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with model_server() as model:
            room = cinema(model, minutes=120)
            good = model.answer
            gates: dict[int, asyncio.Event] = {}

            def answer(call: Any) -> Any:
                gates[call.index] = asyncio.Event()
                if call.index == 0:
                    gates[0].set()
                return replace(good(call), first=gates[call.index])

            model.answer = answer
            session = await room.session()
            producing = asyncio.create_task(session.produce())
            async with session.connect(early_ready=True) as delivery:
                outgoing = aiter(delivery)
                assert isinstance(await anext(outgoing), ScriptReady)
                assert len(model.calls) == 1  # ready after one call

                async def deliver() -> None:
                    async for _ in outgoing:
                        pass

                delivering = asyncio.create_task(deliver())
                now = 0.0
                delivery.receive(TimestampUpdate(5.0), now=now)
                await until(lambda: len(model.calls) == 2)
                delivery.receive(SeekUpdate(4800.0, "user"), now=now + 1)
                await until(lambda: len(model.calls) == 3)
                first, last = model.calls[2].window
                assert first <= 4800 < last  # what the viewer leapt to is asked for next
                delivering.cancel()
            async with session.connect(), asyncio.timeout(100):  # another takes the whole script
                while not producing.done():
                    for gate in gates.values():
                        gate.set()
                    await asyncio.sleep(0.005)
            status = await session.status()
            assert status.status == "ready"
            assert len(model.calls) == len(status.windows) + 1 == 62
            assert len(set(model.windows)) == len(model.windows) == 61
            assert sum(call.is_outline for call in model.calls) == 1
            assert status.usage.calls == 62

            before = len(model.calls)
            again = await room.produced()
            assert again.status == "ready"
            assert len(model.calls) == before  # all of it was in the cache
            assert all(window.cached for window in again.windows)
            assert again.usage.calls == 0
            assert again.actions["SPEAK"] == pytest.approx(status.actions["SPEAK"], abs=5)

    asyncio.run(scenario())


def test_other_wishes_characters_and_models_do_not_share_a_cache(
    model_server: Callable[[], Any], cinema: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with model_server() as model:
            room = cinema(model, minutes=1)
            await room.produced()
            assert len(model.calls) == 1
            await room.produced(text="Sing!")
            await room.produced(character_id="miao")
            await room.produced(end_time=40.0)
            assert len(model.calls) == 4
            await cinema(model, minutes=1, model="openai/other").produced()
            await cinema(model, minutes=1, temperature=0.3).produced()
            assert len(model.calls) == 6
            await room.produced(user_id="somebody", density="chatty")
            assert len(model.calls) == 6

    asyncio.run(scenario())


def test_a_cache_that_holds_nonsense_holds_nothing(
    model_server: Callable[[], Any], cinema: Callable[..., Any]
) -> None:
    class Junk:
        async def get(self, key: str) -> bytes:
            return b'{"drafts": [{"action"'

        async def put(self, key: str, value: bytes) -> None: ...

    async def scenario() -> None:
        async with model_server() as model:
            room = cinema(model)
            room.parts = replace(room.parts, drafts=Junk())
            status = await room.produced()
            assert status.status == "ready"
            assert not any(window.cached for window in status.windows)
            assert len(model.calls) == 4

    asyncio.run(scenario())


def test_the_outline_is_shown_up_to_the_end_of_the_window_and_no_further(
    model_server: Callable[[], Any], cinema: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with model_server() as model:
            room = cinema(model)
            await room.produced()
            outlined = [
                one.entry
                for one in await room.store.read("ses_0")
                if isinstance(one.entry, Outlined)
            ]
            assert len(outlined) == 1
            assert len(outlined[0].points) == 5 or len(outlined[0].points) == 6
            prompts = {call.window: call.prompt for call in model.calls if not call.is_outline}
            assert "Notes about second" not in prompts[0, 45]
            assert "Notes about second 0." in prompts[45, 165]
            assert "Notes about second 60." in prompts[45, 165]
            assert "Notes about second 120." not in prompts[45, 165]

    asyncio.run(scenario())


def test_a_model_remembers_and_sees_what_it_said_last(
    model_server: Callable[[], Any], cinema: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with model_server() as model:
            good = model.answer

            def answer(call: Any) -> Any:
                reply = good(call)
                if call.is_outline:
                    return reply
                content = json.loads(reply.text)
                memory = f"I was there at {call.window}."
                return replace(reply, text=json.dumps({**content, "memory": memory}))

            model.answer = answer
            await cinema(model).produced()
            second, third = (call.prompt for call in model.calls if call.index in (2, 3))
            assert "I was there at (0, 45)." in second
            assert "What you said last:\n- 0:0" in second
            assert "I was there at (45, 165)." in third
            assert "I was there at (0, 45)." not in third

    asyncio.run(scenario())


def test_a_session_stops_asking_when_its_budget_is_reached_and_plays_on(
    model_server: Callable[[], Any], cinema: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with model_server() as model:
            good = model.answer
            model.answer = lambda call: replace(good(call), usage=(100_000, 1000))
            room = cinema(model, minutes=9, model=PRICED)
            room.parts = replace(room.parts, budget=Budget(session=0.015))
            status = await room.produced()
            # 100,000 and 1,000 tokens of this model are $0.0054; an answer may have 4,096 more.
            assert status.status == "ready"
            assert len(model.calls) == 3
            assert status.usage.cost == pytest.approx(3 * 0.0054)
            assert status.cost == status.usage.cost
            history = History(await room.store.read("ses_0"))
            codes = [n.code for n in Reporter(history).take_news() if isinstance(n, Noticed)]
            assert codes == ["BUDGET_EXCEEDED"]
            assert not any(window.problem for window in status.windows)
            assert any(isinstance(one.entry, Ready) for one in await room.store.read("ses_0"))

    asyncio.run(scenario())


def test_a_day_is_paid_by_the_caller_whatever_they_call_their_users(
    model_server: Callable[[], Any], cinema: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with model_server() as model:
            good = model.answer
            model.answer = lambda call: replace(good(call), usage=(100_000, 1000))
            room = cinema(model, minutes=1, model=PRICED)
            room.parts = replace(room.parts, budget=Budget(session=1.0, day=0.012), drafts=None)
            for user, calls in (("a", 1), ("b", 2), ("c", 2)):
                status = await room.produced(user_id=user, caller="10.0.0.1")
                assert len(model.calls) == calls
            assert status.status == "failed"
            assert "The budget of this day is used up" in status.error.message
            assert (await room.produced(caller="10.0.0.2")).status == "ready"
            room.parts = replace(room.parts, budget=Budget(session=1, day=9, user_day=0.006))
            assert (await room.produced(user_id="a", caller="10.0.0.3")).status == "ready"
            assert (await room.produced(user_id="a", caller="10.0.0.3")).status == "failed"
            assert (await room.produced(user_id="b", caller="10.0.0.3")).status == "ready"

    asyncio.run(scenario())


def test_what_is_reserved_is_put_back(
    model_server: Callable[[], Any], cinema: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with model_server() as model:
            room = cinema(model, minutes=1, model=PRICED)
            good = model.answer
            model.answer = lambda call: replace(good(call), status=401)
            assert (await room.produced()).status == "failed"
            spent = [e.entry for e in await room.store.read("ses_0") if isinstance(e.entry, Spent)]
            assert spent == []
            account = "session/ses_0"
            await room.store.reserve({account: 0.0001}, 0.0001)  # nothing is left of it

    asyncio.run(scenario())


def test_the_script_is_estimated_before_it_is_made(
    model_server: Callable[[], Any], cinema: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with model_server() as model:
            priced = await cinema(model, minutes=60, model=PRICED).produced()
            assert priced.estimate.calls == len(priced.windows) + 1
            assert 0.001 < priced.estimate.cost < 0.1
            asked = sum(len(call.prompt) for call in model.calls) / 4
            assert 0.5 < priced.estimate.prompt_tokens / asked < 2
            unknown = await cinema(model, minutes=60, model="openai/mine").produced(text="x")
            assert unknown.estimate.prompt_tokens == priced.estimate.prompt_tokens
            assert unknown.estimate.cost is None
            assert unknown.usage.cost is None
            assert unknown.usage.prompt_tokens > 0

    asyncio.run(scenario())


def test_where_the_model_fails_a_stand_in_talks(
    model_server: Callable[[], Any], cinema: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with model_server() as model:
            good = model.answer
            model.answer = lambda call: replace(good(call), status=500)
            room = cinema(model)
            room.parts = replace(room.parts, stand_in=OfflineGenerator(), stand_in_name="offline")
            status = await room.produced()
            assert status.status == "ready"
            assert {window.generator for window in status.windows} == {"offline"}
            assert status.actions["SPEAK"] > 3
            history = History(await room.store.read("ses_0"))
            (notice,) = (n for n in Reporter(history).take_news() if isinstance(n, Noticed))
            assert notice.code == "STAND_IN"

    asyncio.run(scenario())


# --- what it works from ----------------------------------------------------------------


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    shots = [Shot(8.0, picture, Tone.CALM) for picture in list(Picture)[:4]]
    make_clip(path, shots, size=(320, 180), frame_rate=10)
    return path


def with_clip(room: Any, clip: Path) -> Any:
    video = Video(content_id="clip", title="A clip", path=clip)
    room.parts = replace(room.parts, sources=[MemorySource({"memory:film": video})])
    return room


@pytest.mark.parametrize(("vision", "rung"), [("on", "frames"), ("auto", "transcript")])
def test_a_model_that_sees_is_shown_pictures_each_with_its_second(
    vision: str, rung: str, clip: Path, model_server: Callable[[], Any], cinema: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with model_server() as model:
            status = await with_clip(cinema(model, vision=vision), clip).produced()
            assert status.windows[0].rung == rung
            call = model.calls[0]
            if rung == "transcript":
                assert call.pictures == 0
                assert "You cannot see the picture" in call.prompt
                return
            assert 3 <= call.pictures <= 12
            assert call.prompt.count("Picture at 0:") == call.pictures
            content = call.body["messages"][1]["content"]
            url = next(part["image_url"]["url"] for part in content if "image_url" in part)
            assert url.startswith("data:image/jpeg;base64,/9j/")

    asyncio.run(scenario())


def test_a_model_that_is_known_to_see_is_shown_pictures(
    clip: Path, model_server: Callable[[], Any], cinema: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with model_server() as model:
            status = await with_clip(cinema(model, model=PRICED), clip).produced()
            assert status.windows[0].rung == "frames"

    asyncio.run(scenario())


@pytest.mark.parametrize("error", ["this model does not support image input", "bad request"])
def test_a_model_that_takes_no_pictures_goes_by_words_and_that_is_told_and_remembered(
    error: str, clip: Path, model_server: Callable[[], Any], cinema: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with model_server() as model:
            good = model.answer
            model.answer = lambda call: (
                replace(good(call), status=400, error=error) if call.pictures else good(call)
            )
            room = with_clip(cinema(model, vision="on"), clip)
            status = await room.produced()
            assert (status.status, status.windows[0].rung) == ("ready", "transcript")
            history = History(await room.store.read("ses_0"))
            (notice,) = (n for n in Reporter(history).take_news() if isinstance(n, Noticed))
            assert notice.code == "WITHOUT_PICTURES"
            seen = sum(call.pictures > 0 for call in model.calls)
            assert seen == (1 if "image" in error else 3)
            await room.produced(text="Sing!")
            assert sum(call.pictures > 0 for call in model.calls) == seen

    asyncio.run(scenario())
