"""Tokens as they are kept, and tickets as they are signed."""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

import pytest
from event_loop import in_event_loop

from watchbuddy_core.stores.alone import Alone
from watchbuddy_core.tickets import SECONDS, Tickets
from watchbuddy_server.tokens import (
    TokenFile,
    TokenProblem,
    Tokens,
    caller_of,
    hash_of,
    new_token,
)

SESSION = "ses_a8d3f8b9c1e04a5f"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "data" / "tokens.json")


def test_a_token_is_not_kept_but_its_hash_is(file: TokenFile) -> None:
    token = file.add("anna", now=12.0)
    assert token.startswith("wb_")
    assert len(token) == 3 + 43
    content = file.path.read_text()
    assert token not in content
    assert json.loads(content) == {
        "tokens": [{"name": "anna", "sha256": hash_of(token), "created_at": 12.0}]
    }
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert sorted(os.listdir(file.path.parent)) == ["tokens.json", "tokens.lock"]


def test_tokens_are_found_and_taken_back_while_the_server_runs(file: TokenFile) -> None:
    clock = Clock()
    tokens = Tokens(file, now=clock)
    assert not tokens
    anna = file.add("anna", now=0.0)
    assert tokens.find(anna) is None, "looked at once a second"
    clock.now += 1.0
    assert tokens
    assert tokens.find(anna) == caller_of(hash_of(anna))
    assert tokens.knows(caller_of(hash_of(anna)))
    bert = file.add("bert", now=0.0)
    file.remove("anna")
    clock.now += 1.0
    assert tokens.find(anna) is None
    assert not tokens.knows(caller_of(hash_of(anna)))
    assert tokens.find(bert) is not None
    assert tokens.find(new_token()) is None


def test_a_file_that_does_not_change_is_not_read_again(
    file: TokenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    anna = file.add("anna", now=0.0)
    tokens = Tokens(file, now=clock)
    assert tokens.find(anna)
    monkeypatch.setattr(file, "read", lambda: pytest.fail("read again"))
    for _ in range(3):
        clock.now += 1.0
        assert tokens.find(anna)


def test_a_file_that_is_none_lets_nobody_in_but_the_settings_do(
    file: TokenFile, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    anna, given = file.add("anna", now=0.0), new_token()
    tokens = Tokens(file, [hash_of(given)], now=clock)
    assert tokens.find(anna)
    file.path.write_text('{"tokens": [{"name": "mallory", "sha256": "*"}]}')
    clock.now += 1.0
    with caplog.at_level(logging.ERROR):
        assert tokens.find(anna) is None
        assert tokens.find(given)
        clock.now += 1.0
        assert tokens.find(given)
    assert len(caplog.records) == 1
    with pytest.raises(TokenProblem, match="no file of tokens"):
        file.read()
    file.path.unlink()
    clock.now += 1.0
    assert tokens.find(given)


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "../x", "a\n", "\x1b[31m", "é", "x" * 65])
def test_what_is_no_name_is_refused(file: TokenFile, name: str) -> None:
    with pytest.raises(TokenProblem):
        file.add(name, now=0.0)
    assert not file.path.exists()


def test_a_name_stands_for_one_token(file: TokenFile) -> None:
    file.add("anna", now=0.0)
    with pytest.raises(TokenProblem, match="already"):
        file.add("anna", now=0.0)
    with pytest.raises(TokenProblem, match="no token bert"):
        file.remove("bert")
    assert [one.name for one in file.read()] == ["anna"]


def test_two_programs_do_not_change_the_file_at_once(file: TokenFile) -> None:
    with file._changing(), pytest.raises(TokenProblem, match="Another program"):
        file.add("anna", now=0.0)
    file.add("anna", now=0.0)


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(TokenProblem, match="cannot be written"):
        TokenFile(tmp_path / "data" / "tokens.json").add("anna", now=0.0)


def test_a_disk_that_is_full_leaves_the_file_as_it_was(
    file: TokenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = file.add("anna", now=0.0)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(TokenProblem, match="No space left"):
            file.add("bert", now=0.0)
    assert [one.name for one in file.read()] == ["anna"]
    assert Tokens(file).find(anna)
    assert sorted(os.listdir(file.path.parent)) == ["tokens.json", "tokens.lock"]


# --- tickets -------------------------------------------------------------------------------


@in_event_loop
async def test_a_ticket_to_connect_is_good_once_and_soon() -> None:
    clock = Clock()
    tickets = Tickets(Alone(now=clock), now=clock)
    ticket = await tickets.give("connect", SESSION)
    assert ticket.startswith("wbt_")
    assert ticket != await tickets.give("connect", SESSION)
    assert await tickets.take(ticket, "connect", SESSION)
    assert not await tickets.take(ticket, "connect", SESSION)
    late = await tickets.give("connect", SESSION)
    clock.now += SECONDS["connect"]
    assert not await tickets.take(late, "connect", SESSION)


@in_event_loop
async def test_a_used_ticket_is_remembered_as_long_as_it_would_be_good_and_no_longer() -> None:
    clock = Clock()
    alone = Alone(now=clock)
    tickets = Tickets(alone, now=clock)
    old = await tickets.give("connect", SESSION)
    clock.now += SECONDS["connect"] - 1
    assert await tickets.take(old, "connect", SESSION)
    for _ in range(100):
        clock.now += 1.0
        assert not await tickets.take(old, "connect", SESSION)
        fresh = await tickets.give("connect", SESSION)
        assert await tickets.take(fresh, "connect", SESSION)
        assert not await tickets.take(fresh, "connect", SESSION)
    assert len(alone._used) == len(alone._forget) <= SECONDS["connect"] + 1


@in_event_loop
async def test_a_ticket_for_the_video_is_good_for_hours() -> None:
    clock = Clock()
    tickets = Tickets(Alone(now=clock), now=clock)
    ticket = await tickets.give("media", SESSION)
    for _ in range(11):
        assert await tickets.take(ticket, "media", SESSION)
        clock.now += 3600.0
    clock.now += 3600.0
    assert not await tickets.take(ticket, "media", SESSION)


@in_event_loop
async def test_a_ticket_is_good_for_its_session_its_purpose_and_its_server() -> None:
    tickets = Tickets(Alone())
    ticket = await tickets.give("media", SESSION)
    assert not await tickets.take(ticket, "media", "ses_0000000000000000")
    assert not await tickets.take(ticket, "connect", SESSION)
    assert not await Tickets(Alone()).take(ticket, "media", SESSION)
    assert await tickets.take(ticket, "media", SESSION)


@in_event_loop
async def test_no_letter_of_a_ticket_can_be_another() -> None:
    tickets = Tickets(Alone())
    ticket = await tickets.give("media", SESSION)
    signed = bytearray(urlsafe_b64decode(ticket[4:] + "="))
    assert len(signed) == 8 + 16 + 32
    for place in range(len(signed)):
        signed[place] ^= 1
        forged = "wbt_" + urlsafe_b64encode(signed).decode().rstrip("=")
        signed[place] ^= 1
        assert not await tickets.take(forged, "media", SESSION)


@pytest.mark.parametrize(
    "ticket", ["", "wbt_", "wbt_x", "x" * 10_000, "wbt_" + "A" * 75, "wbt_" + "é" * 75, "wbt_===="]
)
@in_event_loop
async def test_what_is_no_ticket_is_none(ticket: str) -> None:
    assert not await Tickets(Alone()).take(ticket, "media", SESSION)
    assert not await Tickets(Alone()).take(ticket, "connect", SESSION)
