"""Tokens on the command line: a server that others reach, and those who are let in."""

from __future__ import annotations

import json
import re
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from watchbuddy_server.cli.commands import cli
from watchbuddy_server.tokens import TokenProblem, caller_of, hash_of

REACHED = ("serve", "--host", "0.0.0.0", "--port", 0)


def address_of(process: Any) -> str:
    found = re.fullmatch(r"Watching at (http://\S+)\n", process.stdout.readline())
    assert found, process.stderr.read()
    return found[1]


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
    without = run(*watch)
    assert without.returncode == 1
    assert "This server needs a token" in without.stderr
    (tmp_path / "token").write_text(f"{token}\n")
    ran = run(*watch, "--token-file", tmp_path / "token")
    assert ran.returncode == 0, ran.stderr

    tokens("rm", "anna")
    time.sleep(1.0)  # so long it may go unnoticed
    assert run(*watch, WATCHBUDDY_TOKEN=token).returncode == 1


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


def test_a_hash_in_the_settings_lets_in_too(
    run: Any, start: Any, tokens: Tokens, clip: Path, tmp_path: Path
) -> None:
    token, line = tokens("new").stdout.splitlines()
    assert tomllib.loads(line) == {"token_hashes": [hash_of(token)]}
    (tmp_path / "watchbuddy.toml").write_text(line)
    served = ("--config", tmp_path / "watchbuddy.toml", "--library", clip.parent)
    address = address_of(start(*REACHED, *served))
    watch = ("watch", f"library:{clip.name}", "--server", address, "--speed", 20, "--end", 8)
    ran = run(*watch, WATCHBUDDY_TOKEN=token)
    assert ran.returncode == 0, ran.stderr


def test_an_operator_can_say_that_it_is_open(run: Any, start: Any, clip: Path) -> None:
    address = address_of(start(*REACHED, "--open", "--library", clip.parent))
    ran = run("watch", f"library:{clip.name}", "--server", address, "--speed", 20, "--end", 8)
    assert ran.returncode == 0, ran.stderr


def test_a_demo_that_others_reach_has_a_token_of_its_own(run: Any) -> None:
    ran = run("demo", "--host", "0.0.0.0", "--speed", 100)
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"The token for others: wb_[\w-]{43}", ran.stdout)
    assert "actions:" in ran.stdout
