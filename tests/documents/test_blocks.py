"""Every fenced block in the documents is tried, in the way that its language allows.

    python        runs, in a folder of its own; with a path, it stands in that file of `examples`.
                  That of the packages there runs in tests/examples
    toml          are settings; with a path, likewise
    json, vtt     decode
    sh            each command is one that there is, with options that it has
    text, none    a drawing, or what a command prints

The blocks of the tutorials are followed from the first to the last: test_tutorials.py.
Those of docs/protocol.md and docs/embedding.md have tests of their own besides.
"""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import dropwhile
from pathlib import Path
from textwrap import dedent

import click
import pytest

from watchbuddy_core.configuration import configure
from watchbuddy_core.tracks import read_track
from watchbuddy_server.cli.commands import cli

ROOT = Path(__file__).parents[2]
_VARIABLE = re.compile(r"[A-Z_]+=")
"""Set for one command, before its name."""
_FENCE = re.compile(r"^( *)```([\w-]*)(?: (\S+))?\n(.*?)^\1```$", flags=re.MULTILINE | re.DOTALL)
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]

NOT_OURS = {
    "curl": "asks a server that runs",
    "export": "sets a variable",
    "mpv": "plays",
    "podman": "needs a container's runtime; tests/deployment reads the file that it builds",
    "watchbuddy-mpv": "a command of its own: its package's tests run it",
}
"""Commands that are not run here, and why."""


def documents() -> list[Path]:
    tutorials = ROOT / "docs" / "tutorials"
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    found += sorted((ROOT / "examples").glob("*/README.md"))
    return [path for path in found if path.parent != tutorials]


def blocks() -> Iterator[tuple[str, str, str, str]]:
    """Of each block: the document, the language, the second word, and what is in it."""
    for path in documents():
        for _, language, kind, content in _FENCE.findall(path.read_text(encoding="utf-8")):
            yield str(path.relative_to(ROOT)), language, kind, dedent(content)


BLOCKS = list(blocks())


def named(block: tuple[str, str, str, str]) -> str:
    document, language, kind, content = block
    return f"{document}-{language or 'drawing'}-{kind}-{content[:24].split(chr(10))[0]}"


def runs_elsewhere(block: tuple[str, str, str, str]) -> bool:
    """Python of a package that has to be installed: tests/examples does both."""
    return block[0].startswith("examples/") and block[1] == "python"


def those(*languages: str, where: bool = False) -> pytest.MarkDecorator:
    """A test for each block in these languages, with a path or without."""
    chosen = [
        one
        for one in BLOCKS
        if one[1] in languages and ("/" in one[2]) == where and not runs_elsewhere(one)
    ]
    assert chosen
    return pytest.mark.parametrize("block", chosen, ids=named)


def test_every_block_is_of_a_language_that_is_tried() -> None:
    known = {"python", "toml", "json", "vtt", "sh", "text", "http", ""}
    assert {language for _, language, _, _ in BLOCKS} <= known


@those("python", "toml", where=True)
def test_a_piece_of_an_example_stands_in_it(block: tuple[str, str, str, str]) -> None:
    _, _, path, content = block
    whole = (ROOT / "examples" / path.removeprefix("examples/")).read_text(encoding="utf-8")
    assert dedent(content).strip("\n") in whole or content_in_a_body(content, whole)


def content_in_a_body(content: str, whole: str) -> bool:
    """Whether it stands there further to the right, or as it was before it was dedented."""
    lines = content.strip("\n").splitlines()
    return any(
        "\n".join(" " * depth + line if line else line for line in lines) in whole
        for depth in range(4, 13, 4)
    )


@those("python")
def test_python_runs(
    block: tuple[str, str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block[3], block[0], "exec", dont_inherit=True), {"__name__": "document"})


@those("toml")
def test_toml_is_settings(block: tuple[str, str, str, str], tmp_path: Path) -> None:
    file = tmp_path / "watchbuddy.toml"
    file.write_text(block[3], encoding="utf-8")
    wanted = tomllib.loads(block[3])
    settings = configure(file=file, environment={}).settings
    assert wanted.keys() <= settings.model_fields_set
    for name in ("limits", "budget", "cache"):
        assert wanted.get(name, {}).keys() <= getattr(settings, name).model_fields_set


@those("json")
def test_json_decodes(block: tuple[str, str, str, str]) -> None:
    decoded = json.loads(block[3])
    if "actions" in decoded and "version" in decoded:
        assert len(read_track(block[3], "json").actions) == len(decoded["actions"])


@those("vtt")
def test_a_track_is_one(block: tuple[str, str, str, str]) -> None:
    assert read_track(block[3], "vtt").actions


def commands(script: str) -> list[list[str]]:
    """The commands of a block, each with its arguments, whatever joins them."""
    joined = script.replace("\\\n", " ")
    lexer = shlex.shlex(joined.replace("\n", " ; "), posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("|&;"):
            found.append([])
        else:
            found[-1].append(word)
    cut = (words[: words.index(">")] if ">" in words else words for words in found)
    named = (list(dropwhile(_VARIABLE.match, words)) for words in cut)
    return [words for words in named if words]


@those("sh")
def test_commands_are_there_and_have_these_options(
    block: tuple[str, str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("Videos", "characters"):
        (tmp_path / name).mkdir()
    for command, *arguments in commands(block[3]):
        here = [word.replace("~", str(tmp_path)) for word in arguments]
        for word in here:  # the files that the reader has
            file = (tmp_path / word).resolve()
            if re.fullmatch(r"[\w ./-]+\.\w+", word) and file.is_relative_to(tmp_path):
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()
        match command.removeprefix(".venv/bin/"):
            case "watchbuddy":
                check(cli, "watchbuddy", here)
            case "pip" | "mkdocs" | "pytest":
                for extras in re.findall(r"(?:watchbuddy|\.)\[([\w,]+)\]", " ".join(here)):
                    assert set(extras.split(",")) <= EXTRAS.keys()
            case "python":
                assert (ROOT / here[0]).is_file()
            case "python3.11":
                assert here == ["-m", "venv", ".venv"]
            case other:
                assert other in NOT_OURS


def check(command: click.Command, name: str, arguments: list[str]) -> None:
    """Read a command line as the program does, and do nothing."""
    if isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        context = click.Context(command, info_name=name)
        below = command.get_command(context, arguments[0])
        assert below is not None, f"There is no `{name} {arguments[0]}`."
        check(below, f"{name} {arguments[0]}", arguments[1:])
    else:
        command.make_context(name, list(arguments))


def test_a_wrong_command_line_is_noticed() -> None:
    check(cli, "watchbuddy", ["serve", "--port", "9000"])
    with pytest.raises(click.NoSuchOption):
        check(cli, "watchbuddy", ["serve", "--prot", "9000"])
    with pytest.raises(AssertionError, match="no `watchbuddy srve`"):
        check(cli, "watchbuddy", ["srve"])
    assert commands("a b | c > d && e \\\n  f\ng") == [["a", "b"], ["c"], ["e", "f"], ["g"]]
