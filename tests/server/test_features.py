"""What a connection gets that asks for more than the minimum; and that others never meet."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from watchbuddy_core.actions import Draft, Speak
from watchbuddy_core.entries import Feedback, Joined, Placed, Ready, Scripted, Stage, Wanted
from watchbuddy_core.storage import ProgressReport
from watchbuddy_core.video import Window

READY = {"type": "session_ready"}
FIRST, SECOND = Window(index=0, start=0.0, end=45.0), Window(index=1, start=45.0, end=165.0)
GENERATING = Stage(stage="generating", title="A film", duration=165.0, start=0.0, end=165.0)


def scripted(window: Window, *actions: Speak, problem: str | None = None) -> tuple[Any, ...]:
    """What the log holds of a window that is done."""
    drafts = tuple(Draft(action=action) for action in actions)
    return (
        Scripted(window=window, drafts=drafts, generator="test", problem=problem),
        Placed(window=window.index, actions=actions),
    )


async def hear_all(client: Any, *, until: Any) -> list[Any]:
    """Everything that comes, up to and with the first message for which `until` holds."""
    heard = []
    while not heard or not until(heard[-1]):
        heard.append(await client.hear())
    return heard


def is_ready(message: Any) -> bool:
    return bool(message == READY)


def of_type(messages: list[Any], name: str) -> list[Any]:
    return [message for message in messages if message.get("type") == name]


async def written(backstage: Any, session_id: str, kind: type) -> list[Any]:
    return [e.entry for e in await backstage.store.read(session_id) if isinstance(e.entry, kind)]


# --- welcome -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("", []),
        ("nothing,that,is,known", []),
        ("hold", ["hold"]),
        ("progress,%20early_ready", ["early_ready", "progress"]),
        ("hold,chat,hold,feedback", ["hold", "chat", "feedback"]),
    ],
)
def test_who_asks_for_features_is_told_first_what_is_granted(
    watching: Any, backstage: Any, asked: str, granted: list[str]
) -> None:
    async def test(viewer: Any) -> None:
        session_id = await backstage.session(GENERATING)
        async with viewer(f"{session_id}?features={asked}") as client:
            assert await client.hear() == {
                "type": "welcome",
                "protocol": "1.1",
                "session_id": session_id,
                "features": granted,
                "character_id": "miao",
                "start_time": 0.0,
                "end_time": 165.0,
                "duration": 165.0,
            }

    watching(test)


def test_what_is_not_known_yet_is_null_in_the_welcome(watching: Any, backstage: Any) -> None:
    async def test(viewer: Any) -> None:
        async with viewer(f"{await backstage.session()}?features=") as client:
            welcome = await client.hear()
            assert welcome["end_time"] is None
            assert welcome["duration"] is None

    watching(test)


def test_a_failure_comes_behind_the_welcome(watching: Any, backstage: Any) -> None:
    async def test(viewer: Any) -> None:
        async with viewer(f"{await backstage.failed()}?features=hold,progress") as client:
            kinds = [(await client.hear())["type"] for _ in range(2)]
            assert kinds == ["welcome", "processing_error"]
            assert (await client.end())[0] == 4500

    watching(test)


# --- progress ------------------------------------------------------------------------------


def test_progress_coverage_and_notices_come_until_it_is_ready(
    watching: Any, backstage: Any, speak: Any
) -> None:
    async def test(viewer: Any) -> None:
        session_id = await backstage.session(Stage(stage="fetching"))
        report = ProgressReport("fetching", 0.25, "Fetching the video")
        backstage.store.publish(session_id, report)
        async with viewer(f"{session_id}?features=progress") as client:
            await client.hear()
            assert await client.hear() == {
                "type": "progress",
                "stage": "fetching",
                "fraction": 0.25,
                "message": "Fetching the video",
            }
            backstage.store.publish(session_id, ProgressReport("understanding", None, "Looking"))
            assert (await client.hear())["fraction"] is None
            generating = GENERATING.model_copy(update={"notes": ("No pirates here.",)})
            await backstage.says(session_id, generating)
            assert await client.hear() == {
                "type": "notice",
                "code": "WISH_NOT_FOLLOWED",
                "message": "No pirates here.",
            }
            await backstage.says(session_id, *scripted(FIRST, speak(5.0)))
            assert await client.hear() == {"type": "coverage", "ranges": [[0.0, 45.0]]}
            await backstage.says(session_id, *scripted(SECOND, problem="The model is away."))
            heard = [await client.hear(), await client.hear()]
            (covered,), (notice,) = of_type(heard, "coverage"), of_type(heard, "notice")
            assert covered["ranges"] == [[0.0, 165.0]]
            assert notice["code"] == "WINDOW_FAILED"
            assert "from 0:45 to 2:45: The model is away." in notice["message"]
            await backstage.says(session_id, Ready())
            assert await client.hear() == READY

    watching(test)


def test_a_later_connection_is_told_what_still_holds(
    watching: Any, backstage: Any, speak: Any
) -> None:
    async def test(viewer: Any) -> None:
        generating = GENERATING.model_copy(update={"notes": ("No pirates here.",)})
        session_id = await backstage.session(generating, *scripted(FIRST, speak(5.0)), Ready())
        async with viewer(f"{session_id}?features=progress") as client:
            heard = await hear_all(client, until=is_ready)
            assert [message["type"] for message in heard] == [
                "welcome",
                "coverage",
                "notice",
                "session_ready",
            ]

    watching(test)


def test_progress_comes_at_most_four_times_a_second(watching: Any, backstage: Any) -> None:
    async def test(viewer: Any) -> None:
        session_id = await backstage.session(Stage(stage="fetching"))
        async with viewer(f"{session_id}?features=progress") as client:
            began = asyncio.get_running_loop().time()
            for n in range(100):
                report = ProgressReport("fetching", n / 100, f"{n} %")
                backstage.store.publish(session_id, report)
                await asyncio.sleep(0.005)
            await backstage.says(session_id, Ready())
            heard = of_type(await hear_all(client, until=is_ready), "progress")
            took = asyncio.get_running_loop().time() - began
            assert 1 <= len(heard) <= 1 + took / 0.25
            fractions = [message["fraction"] or 0.0 for message in heard]
            assert fractions == sorted(fractions)

    watching(test)


# --- early_ready ---------------------------------------------------------------------------


def test_ready_comes_with_the_window_at_the_playhead_and_the_rest_while_it_plays(
    watching: Any, backstage: Any, speak: Any
) -> None:
    async def test(viewer: Any) -> None:
        first, second = speak(10.0), speak(50.0)
        session_id = await backstage.session(GENERATING)
        async with viewer(f"{session_id}?features=early_ready") as client:
            assert (await client.hear())["type"] == "welcome"
            await backstage.says(session_id, *scripted(SECOND, second))
            await client.say(type="timestamp_update", timestamp=0.0)
            await backstage.says(session_id, *scripted(FIRST, first))
            assert await client.hear() == READY
            await client.say(type="timestamp_update", timestamp=10.0)
            assert (await client.hear())["id"] == first.id
            await client.say(type="seek_update", timestamp=50.0)
            assert (await client.hear())["id"] == second.id
            await backstage.says(session_id, Ready())
            await client.say(type="seek_update", timestamp=10.0)
            assert (await client.hear())["id"] == first.id

    watching(test)


def test_who_comes_back_in_a_part_that_is_there_is_ready_at_once(
    watching: Any, backstage: Any, speak: Any
) -> None:
    async def test(viewer: Any) -> None:
        first, second = speak(10.0), speak(50.0)
        session_id = await backstage.session(GENERATING, *scripted(FIRST, first))
        async with viewer(f"{session_id}?features=early_ready") as client:
            await hear_all(client, until=is_ready)
            await client.say(type="timestamp_update", timestamp=10.0)
            assert (await client.hear())["id"] == first.id
        async with viewer(f"{session_id}?features=early_ready") as client:
            await hear_all(client, until=is_ready)
            await client.say(type="timestamp_update", timestamp=11.0)
            await backstage.says(session_id, *scripted(SECOND, second))
            await client.say(type="timestamp_update", timestamp=49.0)
            await client.say(type="timestamp_update", timestamp=50.0)
            assert (await client.hear())["id"] == second.id

    watching(test)


def test_who_comes_back_in_a_part_that_is_not_there_waits_for_it(
    watching: Any, backstage: Any, speak: Any
) -> None:
    async def test(viewer: Any) -> None:
        near, far = speak(9.0), speak(100.0)
        session_id = await backstage.session(GENERATING, *scripted(FIRST, near))
        async with viewer(f"{session_id}?features=early_ready") as client:
            await hear_all(client, until=is_ready)
            await client.say(type="seek_update", timestamp=99.0)
            while not await written(backstage, session_id, Wanted):
                await asyncio.sleep(0.005)
        async with viewer(f"{session_id}?features=early_ready") as client:
            assert (await client.hear())["type"] == "welcome"
            await backstage.says(session_id, *scripted(SECOND, far))
            assert await client.hear() == READY
            await client.say(type="timestamp_update", timestamp=100.0)
            assert (await client.hear())["id"] == far.id

    watching(test)


def test_without_the_feature_ready_means_the_whole_script(
    watching: Any, backstage: Any, speak: Any
) -> None:
    async def test(viewer: Any) -> None:
        session_id = await backstage.session(GENERATING)
        async with viewer(f"{session_id}?features=progress") as client:
            await client.hear()
            await client.say(type="timestamp_update", timestamp=0.0)
            await backstage.says(session_id, *scripted(FIRST, speak(0.0)))
            heard = await hear_all(client, until=lambda message: message["type"] == "coverage")
            assert {message["type"] for message in heard} <= {"progress", "coverage"}
            await backstage.says(session_id, *scripted(SECOND), Ready())
            heard = await hear_all(client, until=is_ready)
            assert not of_type(heard, "SPEAK")

    watching(test)


def test_the_log_says_how_far_ahead_a_client_wants_the_script(
    watching: Any, backstage: Any, speak: Any
) -> None:
    async def test(viewer: Any) -> None:
        for features, early, ahead in (("early_ready", True, 2), ("progress", False, None)):
            session_id = await backstage.session(GENERATING, *scripted(FIRST))
            async with viewer(f"{session_id}?features={features}") as client:
                await client.hear()
                await client.say(type="seek_update", timestamp=20.0)
                while not await written(backstage, session_id, Wanted):
                    await asyncio.sleep(0.005)
            (joined,) = await written(backstage, session_id, Joined)
            (wanted, *_) = await written(backstage, session_id, Wanted)
            assert (joined.early_ready, wanted.ahead, wanted.position) == (early, ahead, 20.0)

    watching(test)


# --- hold ----------------------------------------------------------------------------------


def test_with_hold_actions_come_up_to_two_seconds_ahead_and_not_more(
    watching: Any, backstage: Any, speak: Any
) -> None:
    async def test(viewer: Any) -> None:
        near, edge, far = speak(1.0), speak(2.0), speak(2.1)
        session_id = await backstage.ready(near, edge, far)
        async with viewer(f"{session_id}?features=hold") as client:
            await hear_all(client, until=is_ready)
            await client.say(type="timestamp_update", timestamp=0.0)
            assert [(await client.hear())["id"] for _ in range(2)] == [near.id, edge.id]
            await client.say(type="timestamp_update", timestamp=0.05)
            await client.say(type="timestamp_update", timestamp=0.1)
            assert (await client.hear())["id"] == far.id

    watching(test)


def test_what_was_held_at_a_seek_comes_again(watching: Any, backstage: Any, speak: Any) -> None:
    async def test(viewer: Any) -> None:
        action = speak(11.0)
        session_id = await backstage.ready(action)
        async with viewer(f"{session_id}?features=hold") as client:
            await hear_all(client, until=is_ready)
            await client.say(type="timestamp_update", timestamp=10.0)
            assert (await client.hear())["id"] == action.id
            await client.say(type="seek_update", timestamp=10.5)
            assert (await client.hear())["id"] == action.id

    watching(test)


# --- feedback ------------------------------------------------------------------------------


def test_feedback_is_answered_with_the_density_and_written_when_it_changes(
    watching: Any, backstage: Any
) -> None:
    async def test(viewer: Any) -> None:
        session_id = await backstage.ready()
        async with viewer(f"{session_id}?features=feedback") as client:
            await hear_all(client, until=is_ready)
            said = ["less", "less", "more", "more", "more", "mute", "mute", "unmute", "more"]
            for kind in said:
                await client.say(type="feedback", kind=kind)
            heard = [(await client.hear())["value"] for _ in said]
            assert heard == [
                *("quiet", "quiet", "normal", "chatty", "chatty"),
                *("muted", "muted", "chatty", "chatty"),
            ]
            entries = await written(backstage, session_id, Feedback)
            assert [e.density for e in entries] == ["quiet", "normal", "chatty", "muted", "chatty"]
        async with viewer(f"{session_id}?features=feedback") as client:
            await hear_all(client, until=is_ready)
            await client.say(type="feedback", kind="less")
            assert await client.hear() == {"type": "density", "value": "normal"}

    watching(test)


def test_who_unmutes_after_a_reconnect_gets_back_what_there_was(
    watching: Any, backstage: Any
) -> None:
    async def test(viewer: Any) -> None:
        session_id = await backstage.ready()
        for said, answered in (("more", "chatty"), ("mute", "muted"), ("unmute", "chatty")):
            async with viewer(f"{session_id}?features=feedback") as client:
                await hear_all(client, until=is_ready)
                await client.say(type="feedback", kind=said)
                assert (await client.hear())["value"] == answered

    watching(test)


@pytest.mark.parametrize("features", ["", "?features=hold,progress,early_ready"])
def test_without_the_feature_feedback_is_a_message_of_an_unknown_type(
    watching: Any, backstage: Any, features: str
) -> None:
    async def test(viewer: Any) -> None:
        session_id = await backstage.ready()
        async with viewer(f"{session_id}{features}") as client:
            await hear_all(client, until=is_ready)
            for _ in range(30):  # and so it does not count
                await client.say(type="feedback", kind="mute")
                message = await client.hear()
                assert (message["type"], message["error_code"]) == ("error", "INVALID_MESSAGE")
            assert not await written(backstage, session_id, Feedback)

    watching(test)


# --- all together, and none ----------------------------------------------------------------


async def play(client: Any, backstage: Any, session_id: str, *actions: Any) -> list[str]:
    """The same evening for every client: the frames that it was sent, as they came."""
    await backstage.says(session_id, *scripted(FIRST, *actions[:2]))
    backstage.store.publish(session_id, ProgressReport("generating", 0.5, "Half of it"))
    await backstage.says(session_id, *scripted(SECOND, *actions[2:]), Ready())
    frames: list[str] = []

    async def collect() -> None:
        try:
            async for frame in client.socket:
                frames.append(frame)  # noqa: PERF401 - read while it grows
        except ConnectionClosed:
            pass

    collecting = asyncio.create_task(collect())
    while not any("session_ready" in frame for frame in frames):
        await asyncio.sleep(0.005)
    for action in actions:
        await client.say(type="timestamp_update", timestamp=action.trigger_timestamp)
        while not any(action.id in frame for frame in frames):
            await asyncio.sleep(0.005)
    await client.say(type="feedback", kind="mute")
    await client.say(type="nonsense")
    await client.say(type="seek_update", timestamp=4.0)
    await client.say(type="timestamp_update", timestamp=5.0)
    await client.say(type="done")
    while sum("unknown type" in frame for frame in frames) < 2 + ("density" not in str(frames)):
        await asyncio.sleep(0.005)
    collecting.cancel()
    return frames


def test_a_client_without_features_sees_no_difference_byte_for_byte(
    watching: Any, backstage: Any, speak: Any
) -> None:
    """Whatever others ask for of the same server, at the same time."""
    actions = [speak(5.0, "喵～～"), speak(20.0), speak(60.0), speak(110.0)]

    async def test(viewer: Any) -> None:
        one, other = await backstage.session(GENERATING), await backstage.session(GENERATING)
        everything = f"{other}?features=early_ready,progress,hold,feedback"
        async with viewer(one) as plain, viewer(everything) as rich:
            frames, rich_frames = await asyncio.gather(
                play(plain, backstage, one, *actions), play(rich, backstage, other, *actions)
            )
        sent = [
            f'{{"id":"{a.id}","trigger_timestamp":{a.trigger_timestamp},"comment":""'
            for a in actions
        ]
        assert frames[0] == '{"type":"session_ready"}'
        assert [frame[: len(start)] for frame, start in zip(frames[1:5], sent, strict=True)] == sent
        unknown = (
            '{"type":"error","error_code":"INVALID_MESSAGE",'
            '"message":"The message has an unknown type."}'
        )
        answers, again = sorted(frames[5:])[1:], sorted(frames[5:])[0]
        assert answers == [unknown] * 3  # "done" is of an unknown type too
        assert again.startswith(sent[0])

        kinds = [frame.split('"')[3] for frame in rich_frames if frame.startswith('{"type"')]
        assert kinds[0] == "welcome"
        assert {"coverage", "session_ready", "density", "error"} <= set(kinds)
        rich_actions = [f for f in rich_frames if f.startswith('{"id"')]
        assert [f[: len(start)] for f, start in zip(rich_actions, sent, strict=False)] == sent

    watching(test)


# --- chat ------------------------------------------------------------------------------


def test_what_the_viewer_says_is_answered_over_the_socket(watching: Any, backstage: Any) -> None:
    async def test(viewer: Any) -> None:
        async with viewer(f"{await backstage.ready()}?features=chat") as client:
            assert (await client.hear())["type"] == "welcome"
            assert await client.hear() == {"type": "session_ready"}
            await client.say(type="user_message", text="  Hello!  ")
            started = await client.hear()
            assert started["type"] == "reply_started"
            answer = await client.hear()
            assert answer["action_type"] == "SPEAK"
            assert "type" not in answer
            assert await client.hear() == {**started, "type": "reply_finished"}
            await client.say(type="interrupt")
            assert await client.hear() == {"type": "stop_speaking"}

    watching(test)


def test_without_the_feature_nobody_knows_what_is_said(watching: Any, backstage: Any) -> None:
    async def test(viewer: Any) -> None:
        async with viewer(await backstage.ready()) as client:
            assert await client.hear() == {"type": "session_ready"}
            for message in ({"type": "user_message", "text": "Hi"}, {"type": "interrupt"}):
                await client.say(**message)
                answer = await client.hear()
                assert (answer["type"], answer["error_code"]) == ("error", "INVALID_MESSAGE")

    watching(test)


def test_a_message_that_is_none_is_refused(watching: Any, backstage: Any) -> None:
    async def test(viewer: Any) -> None:
        async with viewer(f"{await backstage.ready()}?features=chat") as client:
            await client.hear()
            await client.hear()
            for text in ("", "   ", "x" * 2001, 5, None):
                await client.say(type="user_message", text=text)
                assert (await client.hear())["error_code"] == "INVALID_MESSAGE"

    watching(test)
