"""Keys do not leave the program."""

from __future__ import annotations

import logging

import pytest

from watchbuddy_core.redaction import Redaction, redacted


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-proj-abcdefghijkl",
        "key AIzaSyA1234567890abcdefghijklmnopqr is not valid",
        "Authorization: Bearer abc.def-123",
        "http://anna:secretword@10.0.0.1/v1 does not answer",
        "GET /v1beta/models?key=abcdefg1234 failed",
        "api_key=abcdefgh12345 was refused",
        "x-api-key: abcdefgh12345",
        "token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcDEF123",
        "AKIAABCDEFGHIJKLMNOP",
        "gsk_abcdefghijklmnop",
        "anna's is wb_Zm9vYmFyZm9vYmFyZm9vYmFy-_x",
        '"WebSocket /ws/ses_0?features=hold&ticket=wbt_Q0Z2abc-_def" [accepted]',
        "GET /media/ses_0?ticket=0123456789",
        "they were given wbt_Q0Z2abc-_def",
        "the value hunter22hunter of a variable",
    ],
)
def test_what_is_a_key_is_hidden(text: str) -> None:
    hidden = redacted(text, {"MY_PASSWORD": "hunter22hunter", "HOME": "/root"})
    for secret in (
        *("sk-proj-abcdefghijkl", "AIzaSy", "abc.def-123", "secretword", "abcdefg1234"),
        *("abcdefgh12345", "eyJhbG", "AKIAABCD", "gsk_abcdefghijklmnop", "hunter22hunter"),
        *("Zm9vYmFy", "-_x", "Q0Z2", "-_def", "0123456789"),
    ):
        assert secret not in hidden
    assert "***" in hidden


@pytest.mark.parametrize(
    "text", ["The desk of the task force", "skating", "a basic question", "https://example.org/a@b"]
)
def test_what_is_none_is_left_as_it_is(text: str) -> None:
    assert redacted(text, {"KEYBOARD": "the desk of", "SHORT_KEY": "desk"}) == text


def test_a_log_is_freed_of_keys_with_its_arguments_and_tracebacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "very-own-key-value")
    formatter = Redaction(logging.Formatter("%(message)s"))
    try:
        raise ValueError("it echoes very-own-key-value")
    except ValueError as exc:
        failure = (type(exc), exc, exc.__traceback__)
    record = logging.LogRecord("x", 40, "", 1, "said %s", ("very-own-key-value",), failure)
    told = formatter.format(record)
    assert "very-own-key-value" not in told
    assert told.startswith("said ***")
    assert "ValueError: it echoes ***" in told
