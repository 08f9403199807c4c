"""Section 1 of the API document, sentence by sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from patience import PATIENCE

EXAMPLE_REQUEST = """{
  "video_url": "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
  "start_time": 0,
  "end_time": null,
  "text": "你是个可爱的猫娘，你说的每句话都会以 “喵～～” 结尾",
  "character_id": "miao",
  "user_id": "user_123"
}"""
EXAMPLE_REFUSAL = """{
  "detail": {
    "error": "UNSUPPORTED_VIDEO_SOURCE",
    "message": "The provided video URL from 'vimeo.com' is not supported."
  }
}"""
VIDEO = {"video_url": "library:clip.mp4", "character_id": "miao"}


def test_creating_a_session_starts_the_work(page: Any) -> None:
    """ "Creates a new watching session, starts the background processing for generating AI
    actions, and returns a `session_id` to be used for the WebSocket connection." """
    status, body = page.post(VIDEO)
    assert status == 202
    with page.connection(json.loads(body)["session_id"]) as connection:
        assert connection.receive() == {"type": "session_ready"}


def test_the_example_request_is_accepted_byte_for_byte(page: Any) -> None:
    """ "Status Code: `202 Accepted`" """
    status, body = page.post(EXAMPLE_REQUEST.encode())
    assert status == 202
    with page.connection(json.loads(body)["session_id"]) as connection:
        message = connection.receive(timeout=PATIENCE)
        assert message["type"] == "processing_error"
        assert message["error_code"] == "VIDEO_DOWNLOAD_FAILED"  # it has no way to the site


def test_success_is_an_object_with_the_id_alone(page: Any) -> None:
    """ "`session_id` (string): A unique identifier for the session." """
    ids = set()
    for _ in range(3):
        status, body = page.post(VIDEO)
        assert status == 202
        answer = json.loads(body)
        assert list(answer) == ["session_id"]
        assert isinstance(answer["session_id"], str)
        # As in the example, ses_a8d3f8b9c1e04a5f.
        assert answer["session_id"].startswith("ses_")
        assert len(answer["session_id"]) == len("ses_a8d3f8b9c1e04a5f")
        ids.add(answer["session_id"])
    assert len(ids) == 3


@pytest.mark.parametrize("field", ["video_url", "character_id"])
def test_required_fields_are_required(page: Any, field: str) -> None:
    """ "`video_url` (string, **required**)", "`character_id` (string, **required**)" """
    status, body = page.post({key: value for key, value in VIDEO.items() if key != field})
    assert status == 422
    assert json.loads(body)["detail"]["error"] == "VALIDATION_ERROR"
    status, _ = page.post(VIDEO | {field: 7})
    assert status == 422


@pytest.mark.parametrize(
    "optional",
    [
        {"start_time": 0},
        {"start_time": 0.0},
        {"start_time": None, "end_time": None, "text": None, "user_id": None},
        {"end_time": 20},
        {"start_time": 1.5, "end_time": 20.25},
        {"text": "Be kind."},
        {"user_id": "user_123"},
    ],
    ids=str,
)
def test_optional_fields_are_optional(page: Any, optional: dict[str, Any]) -> None:
    """ "(float, optional)", "(string, optional)" """
    assert page.post(VIDEO | optional)[0] == 202


@pytest.mark.parametrize(
    "wrong",
    [{"start_time": "0"}, {"start_time": -1}, {"end_time": []}, {"text": 1}, {"user_id": 1}],
    ids=str,
)
def test_optional_fields_have_their_types(page: Any, wrong: dict[str, Any]) -> None:
    """ "`start_time` (float …)", "`text` (string …)" """
    status, body = page.post(VIDEO | wrong)
    assert status == 422
    assert json.loads(body)["detail"]["error"] == "VALIDATION_ERROR"


def test_the_video_is_watched_from_its_beginning_to_its_end_by_default(viewing: Any) -> None:
    """ "Defaults to `0.0`.", "Defaults to `null` (end of video)." """
    triggers = [action["trigger_timestamp"] for action in viewing.actions]
    assert min(triggers) < 10.0
    assert max(triggers) > 20.0


def test_start_time_and_end_time_bound_the_actions(page: Any) -> None:
    """ "The start time in seconds.", "The end time in seconds." """
    session_id = page.create(**VIDEO, start_time=10.0, end_time=20.0)
    with page.ready(session_id) as connection:
        viewing = page.play(connection, start=0.0, end=30.0, step=0.5)
    assert viewing.actions
    assert all(10.0 <= action["trigger_timestamp"] <= 20.0 for action in viewing.actions)


def test_the_viewers_text_is_heeded(page: Any) -> None:
    """ "`text` (string, optional): Additional text prompt from the user." """
    text = json.loads(EXAMPLE_REQUEST)["text"]
    with page.ready(page.create(**VIDEO, text=text)) as connection:
        viewing = page.play(connection, start=0.0, end=30.0)
    assert viewing.lines
    assert [line for line in viewing.lines if not line.endswith("喵～～")] == []


def test_the_character_has_to_be_one_there_is(page: Any) -> None:
    """ "The identifier for the desired AI character." """
    status, body = page.post(VIDEO | {"character_id": "nobody"})
    assert status == 422
    assert json.loads(body)["detail"]["error"] == "UNKNOWN_CHARACTER"


def test_the_example_of_a_refusal_is_answered_byte_for_byte(page: Any) -> None:
    """ "`422 Unprocessable Entity`: Sent if the request data is well-formed but semantically
    incorrect." """
    status, body = page.post(VIDEO | {"video_url": "https://vimeo.com/76979871"})
    assert status == 422
    compact = json.dumps(json.loads(EXAMPLE_REFUSAL), separators=(",", ":"), ensure_ascii=False)
    assert body.decode() == compact


def test_a_request_that_is_not_well_formed_is_something_else(page: Any) -> None:
    """ "if the request data is well-formed but" """
    status, body = page.post(b'{"video_url": ')
    assert status == 400
    assert set(json.loads(body)["detail"]) == {"error", "message"}
