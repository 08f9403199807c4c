"""Tokens on the command line: a server that others reach, and those who are let in."""

from __future__ import annotations

import asyncio
import json
import re
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from patience import PATIENCE
from rich.console import Console

from watchbuddy_core.settings import Settings
from watchbuddy_server.cli.commands import cli
from watchbuddy_server.demo import run_demo
from watchbuddy_server.tokens import TokenProblem, caller_of, hash_of, new_token

REACHED = ("serve", "--host", "0.0.0.0", "--port", 0)


def address_of(process: Any) -> str:
    found = re.fullmatch(r"Watching at (http://\S+)\n", process.stdout.readline())
    assert found, process.stderr.read()
    return found[1]


def answer(address: str, token: str | None) -> int:
    """How the server answers somebody with this token."""
    request = urllib.request.Request(f"{address}/api/v1/characters")
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answered:
            return int(answered.status)
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code


Tokens = Callable[..., Result]


@pytest.fixture
def tokens(environment: dict[str, str]) -> Tokens:
    """`watchbuddy tokens …`, within this process."""
    return lambda *arguments: CliRunner().invoke(cli, ["tokens", *arguments], env=environment)


def test_a_server_that_others_reach_lets_in_who_has_a_token(
    run: Any, start: Any, tokens: Tokens, clip: Path, tmp_path: Path
) -> None:
    refused = run(*REACHED)
    assert refused.returncode == 2
    assert "watchbuddy tokens add NAME" in refused.stderr
    assert "--open" in refused.stderr

    token = tokens("add", "anna").stdout.strip()
    assert re.fullmatch(r"wb_[\w-]{43}", token)
    address = address_of(start(*REACHED, "--library", clip.parent))
    watch = ("watch", f"library:{clip.name}", "--server", address, "--speed", 20, "--end", 8)
    (tmp_path / "token").write_text(f"{new_token()}\n")
    refused = run(*watch, "--token-file", tmp_path / "token", WATCHBUDDY_TOKEN=token)
    assert refused.returncode == 1
    assert "This server needs a token" in refused.stderr
    ran = run(*watch, WATCHBUDDY_TOKEN=token)
    assert ran.returncode == 0, ran.stderr

    assert answer(address, token) == 200
    tokens("rm", "anna")
    time.sleep(1.0)  # so long it may go unnoticed
    assert answer(address, token) == 401


def test_tokens_are_listed_and_never_told_again(tokens: Tokens) -> None:
    token = tokens("add", "anna").stdout.strip()
    listed = json.loads(tokens("list", "--json").stdout)
    assert [(one["name"], one["caller"]) for one in listed] == [("anna", caller_of(hash_of(token)))]
    shown = tokens("list").stdout
    assert "anna" in shown
    assert token not in shown
    assert isinstance(tokens("add", "anna").exception, TokenProblem)
    assert tokens("rm", "anna").exit_code == 0
    assert isinstance(tokens("rm", "anna").exception, TokenProblem)
    assert tokens("list").stdout == ""


def test_a_hash_in_the_settings_lets_in_too(start: Any, tokens: Tokens, tmp_path: Path) -> None:
    token, line = tokens("new").stdout.splitlines()
    assert tomllib.loads(line) == {"token_hashes": [hash_of(token)]}
    (tmp_path / "watchbuddy.toml").write_text(line)
    address = address_of(start(*REACHED, "--config", tmp_path / "watchbuddy.toml"))
    assert [answer(address, one) for one in (token, new_token(), None)] == [200, 401, 401]


def test_an_operator_can_say_that_it_is_open(start: Any) -> None:
    address = address_of(start(*REACHED, "--open"))
    assert answer(address, None) == 200


def test_a_demo_that_others_reach_has_a_token_of_its_own(clip: Path, tmp_path: Path) -> None:
    told = StringIO()
    settings = Settings(host="0.0.0.0", port=0, data_dir=tmp_path)
    demo = run_demo(
        clip, console=Console(file=told), settings=settings, character="miao", speed=50.0
    )
    asyncio.run(demo)
    assert re.search(r"The token for others:\s+wb_[\w-]{43}", told.getvalue())
    assert "actions:" in told.getvalue()
