"""A model server that misbehaves, seen through a whole session. litellm is the real one."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from patience import PATIENCE

KEY = "sk-test-0123456789abcdef"

Faults = dict[str, dict[str, Any]]
FAULTS: Faults = {
    "says nothing": {"stall_after": 0},
    "stalls in the middle": {"stall_after": 250},
    "cuts the connection": {"cut_after": 250},
    "cuts before the first word": {"cut_after": 0},
    "ends cleanly in the middle": {"clean_end": 250},
    "forgets to say that it is done": {"done": False},
    "gives no reason for its end": {"finish": None},
    "does not take the key": {"status": 401, "error": f"Incorrect API key provided: {KEY}"},
    "is asked too often": {"status": 429, "headers": {"Retry-After": "0"}},
    "wants a long break": {"status": 429, "headers": {"Retry-After": "3600"}},
    "has an error of its own": {"status": 500},
    "has no such model": {"status": 404, "error": "The model does not exist"},
    "does not understand": {"status": 400, "error": "bad request"},
    "writes what is no event": {"garbage_after": 250},
    "stops for length": {"finish": "length"},
    "is stopped by a filter": {"finish": "content_filter"},
    "writes prose": {"text": "I am sorry, but I cannot help with that."},
    "writes nothing": {"text": ""},
    "thinks aloud": {"before": "<think>Hm, {a} or [b]?</think>\n```json\n", "after": "\n```"},
}
HARMLESS = {
    "forgets to say that it is done",
    "gives no reason for its end",
    "thinks aloud",
}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def patience(fault: str) -> dict[str, float]:
    """Short where something stalls for ever; on a busy machine everything stalls for a while."""
    return {"idle_seconds": 0.5} if "stall_after" in FAULTS[fault] else {}


def faulty(reply: Any, fault: dict[str, Any], good: Any) -> Any:
    """A good reply with a fault."""
    kind = type(reply)
    text = reply.text
    if "clean_end" in fault:
        text = text[: fault["clean_end"]]
    text = fault.get("text", fault.get("before", "") + text + fault.get("after", ""))
    known = {"stall_after", "cut_after", "done", "finish", "status", "error", "headers"}
    known |= {"garbage_after"}
    return kind(text=text, **{name: fault[name] for name in fault.keys() & known})


@pytest.mark.parametrize("index", [0, 1, 2, 3])
@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_leaves_a_session_that_can_be_played_or_says_why_not(
    fault: str,
    index: int,
    model_server: Callable[[], Any],
    cinema: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    async def scenario() -> None:
        async with model_server() as model:
            good = model.answer

            def answer(call: Any) -> Any:
                reply = good(call)
                return faulty(reply, FAULTS[fault], good) if call.index == index else reply

            model.answer = answer
            room = cinema(model, **patience(fault))
            status = await room.produced()
            told = status.model_dump_json() + caplog.text
            stored = [one.entry.model_dump_json() for one in await room.store.read("ses_0")]
            assert KEY not in told
            assert not any(KEY in entry for entry in stored)
            if status.status == "failed":
                assert index == 0
                assert status.error.code == "ACTION_GENERATION_FAILED"
                assert status.error.message.startswith("Failed to generate actions")
                return
            assert status.status == "ready"
            assert status.coverage == ((0.0, status.duration),)
            # Of the three windows all but the faulty one are as if nothing had happened.
            silent = [window for window in status.windows if window.problem]
            assert len(silent) <= 1
            assert status.actions["SPEAK"] >= 2
            if fault in HARMLESS:
                assert not silent
                assert not any(window.remarks for window in status.windows)

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - HARMLESS))
def test_a_fault_that_stays_ends_the_session_with_the_documented_error(
    fault: str, model_server: Callable[[], Any], cinema: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with model_server() as model:
            good = model.answer
            model.answer = lambda call: faulty(good(call), FAULTS[fault], good)
            status = await cinema(model, **patience(fault)).produced()
            has_words = "250" in str(FAULTS[fault]) or fault == "stops for length"
            if has_words or fault == "is stopped by a filter":
                # Each window has what came before its answer broke, and what came when it
                # was asked to go on.
                assert status.status == "ready"
                assert status.actions["SPEAK"] >= 3
                assert all(window.remarks for window in status.windows)
            else:
                assert status.status == "failed"
                assert status.error.code == "ACTION_GENERATION_FAILED"
                assert KEY not in status.error.message
                assert len(status.error.message) < 250

    asyncio.run(scenario())


def test_an_answer_that_was_cut_is_continued_once_from_its_last_action(
    model_server: Callable[[], Any], cinema: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with model_server() as model:
            good = model.answer

            def answer(call: Any) -> Any:
                reply = good(call)
                return type(reply)(reply.text, cut_after=400) if call.index == 0 else reply

            model.answer = answer
            status = await cinema(model).produced()
            assert model.windows[0] == (0, 45)
            first, last = model.windows[1]
            assert (0 < first < 45, last) == (True, 45)
            assert "0:03 (second 3): " in model.calls[1].prompt
            assert "asked to go on" in status.windows[0].remarks[0]
            assert status.windows[0].usage.calls == 2

    asyncio.run(scenario())


def test_a_stream_that_is_abandoned_stops_at_once(
    model_server: Callable[[], Any], cinema: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with model_server() as model:
            good = model.answer
            model.answer = lambda call: type(good(call))(good(call).text * 500)
            session = await cinema(model).session()
            producing = asyncio.create_task(session.produce())
            while not (model.calls and model.calls[0].sent > 200):
                await asyncio.sleep(0.001)
            producing.cancel()
            await asyncio.wait([producing])
            async with asyncio.timeout(PATIENCE):
                await model.calls[0].ended.wait()
            assert model.calls[0].was_dropped
            assert model.calls[0].sent < 500 * 900
            status = await session.status()
            assert status.usage.calls == 1
            assert 0 < status.usage.completion_tokens < 500 * 300

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [400, 500])
def test_a_server_without_schemas_is_asked_more_loosely_and_that_is_remembered(
    status: int, model_server: Callable[[], Any], cinema: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with model_server() as model:
            good = model.answer

            def answer(call: Any) -> Any:
                reply = good(call)
                if call.format == "json_schema":
                    return type(reply)(status=status, error="Input should be 'text'")
                return reply

            model.answer = answer
            told = await cinema(model).produced()
            assert told.status == "ready"
            refused = [call.format for call in model.calls].count("json_schema")
            assert refused == (1 if status == 400 else 2)
            assert {call.format for call in model.calls[refused:]} == {"json_object"}
            assert told.usage.calls == 4

    asyncio.run(scenario())


def test_a_server_that_takes_no_format_at_all_is_asked_in_words(
    model_server: Callable[[], Any], cinema: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with model_server() as model:
            good = model.answer
            model.answer = lambda call: (
                type(good(call))(status=422, error="no") if call.format else good(call)
            )
            assert (await cinema(model).produced()).status == "ready"
            formats = [call.format for call in model.calls]
            assert formats == ["json_schema", "json_object", None, None, None, None]

    asyncio.run(scenario())


def test_a_prompt_that_is_too_long_is_shortened_and_that_is_told(
    model_server: Callable[[], Any], cinema: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with model_server() as model:
            good = model.answer

            def answer(call: Any) -> Any:
                reply = good(call)
                if not call.is_outline and call.prompt.count("Somebody says") > 9:
                    error = "This model's maximum context length is 500 tokens."
                    return type(reply)(status=400, error=error)
                return reply

            model.answer = answer
            room = cinema(model, context_letters=3000)
            session = await room.session()
            await session.produce()
            status = await session.status()
            assert status.status == "ready"
            entries = [one.entry for one in await room.store.read("ses_0")]
            notices = [notice.code for one in entries for notice in getattr(one, "notices", ())]
            assert notices.count("LESS_CONTEXT") >= 1

    asyncio.run(scenario())


def test_without_a_key_it_is_said_which_one_is_missing(
    model_server: Callable[[], Any], cinema: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")

    async def scenario() -> None:
        async with model_server() as model:
            room = cinema(model, api_base=None, model="openai/gpt-5-nano")
            assert "OPENAI_API_KEY" in (await room.generator.prepare())[0]
            status = await room.produced()
            assert "set OPENAI_API_KEY" in status.error.message
            assert not model.calls
            room = cinema(model)
            assert not await room.generator.prepare()
            assert (await room.produced()).status == "ready"  # a server of one's own needs none
            assert model.calls[0].headers["authorization"] == "Bearer none"

    asyncio.run(scenario())


def test_the_key_comes_from_the_variable_that_is_named(
    model_server: Callable[[], Any], cinema: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_OWN_KEY", "sk-mine-987654321")

    async def scenario() -> None:
        async with model_server() as model:
            room = cinema(model, key_variable="MY_OWN_KEY")
            assert (await room.produced()).status == "ready"
            assert model.calls[0].headers["authorization"] == "Bearer sk-mine-987654321"
            room = cinema(model, key_variable="NOT_SET")
            assert "NOT_SET is not set" in (await room.produced(text="Sing!")).error.message

    asyncio.run(scenario())


def test_where_nobody_listens_that_is_said(cinema: Callable[..., Any]) -> None:
    class Nowhere:
        api_base = "http://127.0.0.1:9/v1"

    status = asyncio.run(cinema(Nowhere()).produced())
    assert "Nobody answers at the address" in status.error.message


def test_a_name_without_a_provider_is_refused(cinema: Callable[..., Any]) -> None:
    class Nowhere:
        api_base = None

    status = asyncio.run(cinema(Nowhere(), model="some-model").produced())
    assert "it is called provider/model" in status.error.message
    assert json.dumps(status.error.message)
