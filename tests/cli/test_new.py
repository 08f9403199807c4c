"""`watchbuddy new`: what it writes passes at once."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from watchbuddy_server.cli.new import write_package
from watchbuddy_server.new_files import FileNotWritten

LONGEST = "half-moon-over-the-river"
NAMES = {"character": "rosa", "source": LONGEST, "generator": "owl", "scheduler": "calm-evening"}


def run_here(folder: Path, *command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        env={
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(folder / "site"),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # theirs need none, and ours take long to load
        },
        check=False,
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package of each kind, installed into `site`, as pip would from an index."""
    folder = tmp_path_factory.mktemp("new")
    packages = [write_package(kind, name, folder) for kind, name in NAMES.items()]
    offline = ("--no-deps", "--no-index", "--no-build-isolation", "--quiet")
    done = run_here(folder, *("-m", "pip", "install", *offline, "--target", "site"), *packages)
    assert done.returncode == 0, done.stderr
    return folder


def test_their_own_tests_pass(written: Path) -> None:
    packages = sorted(written.glob("watchbuddy-*"))
    once = ("-q", "-p", "no:cacheprovider", "--import-mode=importlib")
    ran = run_here(written, "-m", "pytest", *once, *packages)
    assert ran.returncode == 0, ran.stdout
    assert "7 passed" in ran.stdout


def test_they_are_found(written: Path) -> None:
    listed = json.loads(
        run_here(written, "-m", "watchbuddy_server.cli", "plugins", "--json").stdout
    )
    ours = {
        row["group"]: (row["name"], row["problem"])
        for row in listed
        if row["version"] == "0.1.0" and row["package"] != "watchbuddy"
    }
    assert ours == {f"watchbuddy.{kind}s": (name, None) for kind, name in NAMES.items()}


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "format", "--isolated", "--check", "."),
        ("ruff", "check", "--isolated", "--select", "E,F,I,UP,B,SIM,RUF,PT", "."),
    ],
    ids=["formatted", "linted"],
)
def test_they_are_as_a_linter_wants_them(written: Path, command: tuple[str, ...]) -> None:
    for package in written.glob("watchbuddy-*"):
        ran = run_here(package, "-m", *command)
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_their_types_hold_strictly(written: Path) -> None:
    sources = sorted(written.glob("watchbuddy-*/**/*.py"))
    ran = run_here(written, "-m", "mypy", "--strict", "--cache-dir", os.devnull, *sources)
    assert ran.returncode == 0, ran.stdout
    assert f"{2 * len(NAMES)} source files" in ran.stdout


def test_the_commands_that_come_next_are_told(run: Any, tmp_path: Path) -> None:
    into = tmp_path / "my things"
    into.mkdir()
    ran = run("new", "generator", "owl", "--into", into)
    assert (ran.returncode, ran.stderr) == (0, "")
    folder = into / "watchbuddy-owl"
    assert [line.strip() for line in ran.stdout.splitlines() if line.startswith("    ")] == [
        f"pip install -e '{folder}[test]'",
        f"pytest '{folder}'",
        "watchbuddy watch holiday.mp4 --generator owl",
    ]
    assert {path.name for path in folder.iterdir()} == {
        *("README.md", "pyproject.toml", "tests", "watchbuddy_owl")
    }


def test_what_is_there_already_is_left_as_it_is(tmp_path: Path) -> None:
    mine = tmp_path / "watchbuddy-owl"
    mine.mkdir()
    (mine / "README.md").write_text("Mine.")
    with pytest.raises(click.BadParameter, match="exists; nothing was changed"):
        write_package("generator", "owl", tmp_path)
    assert [path.name for path in mine.iterdir()] == ["README.md"]
    assert (mine / "README.md").read_text() == "Mine."


def test_a_disk_that_is_full_is_told_and_keeps_no_half_of_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_text

    def write_some(path: Path, text: str, **options: Any) -> int:
        if path.name == "__init__.py":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, text, **options)

    monkeypatch.setattr(Path, "write_text", write_some)
    with pytest.raises(FileNotWritten, match="watchbuddy-owl cannot be written: No space left"):
        write_package("generator", "owl", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name",
    [
        *("", "Owl", "9lives", "../owl", "owl/x", "two words", "-x", "x-", "a--b", "o_o"),
        *("x" * 25, "core", "server", "http", "https", "eule\n", "$name", "ｏwl"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(click.BadParameter):
        write_package("source", name, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kind", "name"), [("generator", "offline"), ("scheduler", "timeline"), ("character", "miao")]
)
def test_a_name_that_is_taken_is_refused_and_by_whom(kind: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(click.BadParameter, match=rf"{kind} {name} already, from watchbuddy 0"):
        write_package(kind, name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_package_of_another_kind_is_not_put_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "site" / "watchbuddy_owl-1.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: watchbuddy-owl\nVersion: 1\n")
    monkeypatch.syspath_prepend(installed.parent)
    with pytest.raises(click.BadParameter, match="watchbuddy-owl is installed already"):
        write_package("source", "owl", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
