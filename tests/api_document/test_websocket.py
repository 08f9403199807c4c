"""Section 2 of the API document, sentence by sentence."""

from __future__ import annotations

import itertools
import json
from typing import Any
from uuid import UUID

import pytest
from patience import PATIENCE

VIDEO = {"video_url": "library:clip.mp4", "character_id": "miao"}
READY = {"type": "session_ready"}

EXAMPLE_READY = """{
  "type": "session_ready"
}"""
EXAMPLE_ERROR = """{
  "type": "processing_error",
  "error_code": "ACTION_GENERATION_FAILED",
  "message": "Failed to generate actions for the video: <details>"
}"""
EXAMPLE_ACTION = """{
  "id": "e0b02f90-8452-442c-a28a-77c8e8749c95",
  "trigger_timestamp": 0.5,
  "comment": "A comment explaining the action's purpose.",
  "action_type": "SPEAK",
  "text": "Hey, what is this video about?",
  "pause_video": true
}"""
EXAMPLE_TIMESTAMP = """{
  "type": "timestamp_update",
  "timestamp": 123.45
}"""
EXAMPLE_SEEK = """{
  "type": "seek_update",
  "timestamp": 240.1
}"""
EXAMPLE_COMPLETED = """{
  "type": "action_completed",
  "action_id": "e0b02f90-8452-442c-a28a-77c8e8749c95"
}"""

BASE_KEYS = ["id", "trigger_timestamp", "comment", "action_type"]
OWN_KEYS = {
    "SPEAK": ["text", "pause_video"],
    "PAUSE_VIDEO": ["duration_seconds"],
    "SEEK": ["target_timestamp", "post_seek_behavior"],
    "REPLAY_SEGMENT": ["start_timestamp", "end_timestamp", "post_replay_behavior"],
    "EXPRESSION": ["emotion"],
    "END_REACTION": [],
}
JUMPS = {"SEEK", "REPLAY_SEGMENT"}
LATENESS = 5.0
"""How long an action that was missed is still worth sending, in media seconds."""


def content(action: dict[str, Any]) -> tuple[Any, ...]:
    """What makes an action the same in two sessions, whose ids differ."""
    return tuple(value for key, value in action.items() if key != "id")


def by_time(actions: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return sorted(map(content, actions), key=repr)


def receive_due(connection: Any, viewing: Any, after: float, until: float) -> list[dict[str, Any]]:
    """What is due from `after` to `until`, and nothing else. Jumps are called done at once."""
    heard = []
    for _ in [a for a in viewing.actions if after <= a["trigger_timestamp"] <= until]:
        action = connection.receive()
        assert after <= action["trigger_timestamp"] <= until
        heard.append(action)
        if action["action_type"] in JUMPS:
            connection.action_completed(action["id"])
    return heard


# --- Connection ------------------------------------------------------------------------


def test_an_unknown_session_is_closed(page: Any) -> None:
    """ "If the `session_id` is invalid or not found, the server will close the connection." """
    for session_id in ("ses_a8d3f8b9c1e04a5f", "nonsense", "ses_"):
        with page.connection(session_id) as connection:
            assert connection.close_code() == 4404


def test_a_session_is_connected_to_by_its_id(page: Any, session_id: str) -> None:
    """ "**URL**: `/ws/{session_id}`", "The client establishes a WebSocket connection using the
    `session_id`." """
    with page.connection(session_id) as connection:
        assert connection.receive() == READY


# --- Communication flow ----------------------------------------------------------------


def test_nothing_comes_before_the_session_is_ready(page: Any) -> None:
    """ "The server waits for the background video processing to complete.", "Once processing is
    done, the server sends a `session_ready` message." """
    with page.connection(page.create(**VIDEO)) as connection:
        for timestamp in (0.0, 1.0, 2.0, 3.0):
            connection.timestamp_update(timestamp)
        assert connection.receive() == READY
        assert READY not in connection.pending()


def test_a_session_that_cannot_be_processed_says_so(page: Any) -> None:
    """ "If processing fails, it sends a `processing_error` message." """
    for url in ("library:no-video.mp4", "library:missing.mp4"):
        status, body = page.post(VIDEO | {"video_url": url})
        assert status == 202
        for _ in range(2):
            with page.connection(json.loads(body)["session_id"]) as connection:
                message = connection.receive()
                assert list(message) == list(json.loads(EXAMPLE_ERROR))
                assert message["type"] == "processing_error"
                assert message["error_code"] in {"VIDEO_UNREADABLE", "VIDEO_UNAVAILABLE"}
                assert connection.close_code() == 4500


def test_actions_come_when_their_second_is_reached_and_never_early(page: Any, viewing: Any) -> None:
    """ "The server listens for these updates and sends AI actions (`SPEAK`, `PAUSE_VIDEO`,
    etc.) when their `trigger_timestamp` is reached." """
    assert len(viewing.actions) >= 3
    assert all(action["trigger_timestamp"] <= position for position, action in viewing.received)
    triggers = sorted({action["trigger_timestamp"] for action in viewing.actions})
    heard = []
    with page.ready(page.create(**VIDEO)) as connection:
        for trigger in triggers:
            connection.timestamp_update(max(0.0, trigger - 0.001))
            if trigger > 0:
                assert connection.pending(0.03) == [], "a millisecond too early"
            connection.timestamp_update(trigger)
            heard += receive_due(connection, viewing, trigger, trigger)
    assert by_time(heard) == by_time(viewing.actions)


def test_time_that_stands_still_sends_nothing_twice(page: Any, viewing: Any) -> None:
    """ "when their `trigger_timestamp` is reached" """
    first = viewing.actions[0]["trigger_timestamp"]
    with page.ready(page.create(**VIDEO)) as connection:
        connection.timestamp_update(first)
        heard = receive_due(connection, viewing, first, first)
        for _ in range(20):
            connection.timestamp_update(first)
        assert heard
        assert connection.pending(0.2) == []


# --- Server-to-client messages ---------------------------------------------------------


def test_session_ready_is_the_documents_message(page: Any, session_id: str) -> None:
    """ "Indicates that the AI action script has been successfully generated and the server is
    ready to send actions." """
    with page.connection(session_id) as connection:
        frame = connection.receive_raw()
    assert frame == json.dumps(json.loads(EXAMPLE_READY), separators=(",", ":"))


def test_processing_error_is_the_documents_message(failing_page: Any) -> None:
    """ "Indicates that an error occurred while processing the video or generating actions." """
    with failing_page.connection(failing_page.create(**VIDEO)) as connection:
        frame = connection.receive_raw()
    expected = json.dumps(json.loads(EXAMPLE_ERROR), separators=(",", ":"))
    assert frame == expected.replace("<details>", "the well of ideas is dry")


def test_actions_are_the_documents_objects(viewing: Any) -> None:
    """ "An action for the client to execute." """
    assert list(json.loads(EXAMPLE_ACTION)) == BASE_KEYS + OWN_KEYS["SPEAK"]
    assert {action["action_type"] for action in viewing.actions} >= {"SPEAK", "EXPRESSION"}
    for action in viewing.actions:
        assert list(action) == BASE_KEYS + OWN_KEYS[action["action_type"]]
        assert str(UUID(action["id"])) == action["id"]
        assert isinstance(action["trigger_timestamp"], float)
        assert round(action["trigger_timestamp"], 3) == action["trigger_timestamp"]
        assert isinstance(action["comment"], str)
    for action in viewing.actions:
        if action["action_type"] == "SPEAK":
            assert isinstance(action["text"], str)
            assert action["text"]
            assert isinstance(action["pause_video"], bool)
    ids = [action["id"] for action in viewing.actions]
    assert len(set(ids)) == len(ids)


# --- Client-to-server messages ---------------------------------------------------------


def test_the_examples_of_the_client_are_messages(page: Any, session_id: str) -> None:
    """The three examples are understood: nothing comes back, and the connection stays."""
    with page.ready(session_id) as connection:
        for example in (EXAMPLE_TIMESTAMP, EXAMPLE_SEEK, EXAMPLE_COMPLETED):
            connection.socket.send(example)
        assert [m for m in connection.pending(0.2) if m.get("type") == "error"] == []
        connection.socket.ping().wait(PATIENCE)


def test_a_seek_back_brings_the_actions_again(page: Any, viewing: Any) -> None:
    """ "The server uses this to reset its internal state and determine the correct next action
    to send." """
    spoken = _without_jumps(viewing)
    wanted = sum(action["trigger_timestamp"] <= 12.0 for action in spoken)

    def done(actions: list[dict[str, Any]]) -> bool:
        return sum(action["action_type"] not in JUMPS for action in actions) >= wanted

    with page.ready(page.create(**VIDEO)) as connection:
        first = page.play(connection, start=0.0, end=12.0, done=done)
        connection.seek_update(0.0)
        second = page.play(connection, start=0.0, end=12.0, done=done)
    again = [action for action in second.actions if action["action_type"] not in JUMPS]
    assert again
    assert again == [action for action in first.actions if action["action_type"] not in JUMPS]
    assert [content(a) for a in again] == [content(a) for a in spoken[: len(again)]]


def test_a_seek_forward_leaves_out_what_lies_between(page: Any, viewing: Any) -> None:
    """ "Sent when the user manually changes the video's playback position (scrubbing)." """
    following, target = _quiet_passage(viewing, after=10.0)
    with page.ready(page.create(**VIDEO)) as connection:
        connection.timestamp_update(0.0)
        receive_due(connection, viewing, 0.0, 0.0)
        connection.seek_update(target)
        assert connection.pending(0.1) == []
        trigger = following["trigger_timestamp"]
        connection.timestamp_update(trigger)
        assert content(following) in map(
            content, receive_due(connection, viewing, trigger, trigger)
        )
        assert connection.pending(0.1) == []


def test_completing_actions_changes_nothing_that_is_seen(page: Any, viewing: Any) -> None:
    """ "Sent by the client to acknowledge that it has finished executing a specific action." """
    first = viewing.actions[0]["trigger_timestamp"]
    with page.ready(page.create(**VIDEO)) as connection:
        connection.timestamp_update(first)
        action = connection.receive()
        for _ in range(3):
            connection.action_completed(action["id"])
        connection.action_completed("e0b02f90-8452-442c-a28a-77c8e8749c95")
        later = connection.pending(0.2)
        assert action["id"] not in [other.get("id") for other in later]
        assert all("type" not in other for other in later)


# --- a client that is killed -----------------------------------------------------------


def _without_jumps(viewing: Any) -> list[dict[str, Any]]:
    return [action for action in viewing.actions if action["action_type"] not in JUMPS]


def _quiet_passage(viewing: Any, after: float = 0.0) -> tuple[dict[str, Any], float]:
    """An action, and a time shortly before it around which nothing is due."""
    triggers = sorted({action["trigger_timestamp"] for action in viewing.actions})
    for before, trigger in itertools.pairwise(triggers):
        here = [a for a in viewing.actions if a["trigger_timestamp"] == trigger]
        if (
            trigger > after
            and trigger - before > 1.0
            and not {a["action_type"] for a in here} & JUMPS
        ):
            return here[0], trigger - 0.5
    raise AssertionError("the clip has no such passage")


@pytest.mark.parametrize("acknowledges", [False, True])
def test_a_client_that_is_killed_gets_what_it_missed(
    page: Any, viewing: Any, acknowledges: bool
) -> None:
    """Within the lateness limit, nothing early, and nothing twice."""
    missed, killed_at = _quiet_passage(viewing)
    session_id = page.create(**VIDEO)
    with page.ready(session_id) as connection:
        connection.timestamp_update(max(0.0, killed_at - 3.0))
        before = connection.pending(0.2)
        connection.timestamp_update(killed_at)
        before += connection.pending(0.2)
        if acknowledges:
            for action in before:
                connection.action_completed(action["id"])
            connection.pending(0.1)
        connection.abort()
    back_at = missed["trigger_timestamp"] + 2.0
    with page.ready(session_id) as connection:
        connection.timestamp_update(back_at)
        heard = connection.until(lambda heard: content(missed) in map(content, heard))
    assert content(missed) in [content(action) for action in heard]
    for action in heard:
        assert back_at - LATENESS <= action["trigger_timestamp"] <= back_at
    ids = [action["id"] for action in [*before, *heard]]
    assert len(set(ids)) == len(ids)


def test_what_was_missed_for_too_long_is_not_sent(page: Any, viewing: Any) -> None:
    """The companion does not comment on what is long past."""
    missed, killed_at = _quiet_passage(viewing)
    session_id = page.create(**VIDEO)
    with page.ready(session_id) as connection:
        connection.timestamp_update(killed_at)
        connection.pending(0.2)
        connection.abort()
    with page.ready(session_id) as connection:
        connection.timestamp_update(missed["trigger_timestamp"] + LATENESS + 1.0)
        heard = connection.pending(0.3)
    assert content(missed) not in [content(action) for action in heard]


def test_an_action_that_was_not_acknowledged_may_come_again_with_its_id(
    page: Any, viewing: Any
) -> None:
    """Of two actions sent, the one that the client has finished does not come again."""
    triggers = sorted({action["trigger_timestamp"] for action in _without_jumps(viewing)})
    session_id = page.create(**VIDEO)
    with page.ready(session_id) as connection:
        connection.timestamp_update(triggers[0])
        first = connection.receive()
        connection.action_completed(first["id"])
        others = connection.pending(0.2)
        connection.abort()
    with page.ready(session_id) as connection:
        connection.timestamp_update(triggers[0] + 0.25)
        wanted = {action["id"] for action in others}
        again = connection.until(lambda again: wanted <= {action["id"] for action in again})
    assert first["id"] not in [action["id"] for action in again]


def test_killed_again_and_again_the_client_hears_everything_once(page: Any, viewing: Any) -> None:
    """A client that never acknowledges is never sent an action twice."""
    jumps = [a["trigger_timestamp"] for a in viewing.actions if a["action_type"] in JUMPS]
    first_jump = min(jumps, default=30.0)
    positions = [n / 2 for n in range(61) if n / 2 < first_jump]
    expected = [a for a in viewing.actions if a["trigger_timestamp"] <= positions[-1]]
    session_id = page.create(**VIDEO)
    heard = []
    told = -1.0
    for first in range(0, len(positions), 5):
        with page.ready(session_id) as connection:
            for position in positions[first : first + 5]:
                connection.timestamp_update(position)
                heard += receive_due(connection, viewing, told + 0.001, position)
                told = position
            assert connection.pending(0.05) == []
            connection.abort()
    assert len(heard) >= 2
    assert by_time(heard) == by_time(expected)
    ids = [action["id"] for action in heard]
    assert len(set(ids)) == len(ids)
