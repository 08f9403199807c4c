"""The example packages: built as wheels, installed beside ours, and used."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from shared import made_once

EXAMPLES = Path(__file__).parents[2] / "examples"
PACKAGES = sorted(path.parent for path in EXAMPLES.glob("*/pyproject.toml"))


def run(*command: object, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: os.environ[name] for name in os.environ if "WATCHBUDDY" not in name}
    return subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True,
        encoding="utf-8",
        env={**environment, "COLUMNS": "80", "PYTHONDONTWRITEBYTECODE": "1", **variables},
        stdin=subprocess.DEVNULL,
        timeout=100,
        check=False,
    )


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all of them installed from their wheels, and nothing else."""

    def install(site: Path) -> None:
        offline = ("--no-deps", "--no-index", "--no-build-isolation", "--quiet")
        done = run("-m", "pip", "install", *offline, "--target", site, *PACKAGES)
        assert done.returncode == 0, done.stderr

    return made_once(tmp_path_factory, "examples/site", install)


def test_there_is_one_of_each_kind_at_least(installed: Path) -> None:
    listed = json.loads(
        run("-m", "watchbuddy_server.cli", "plugins", "--json", PYTHONPATH=str(installed)).stdout
    )
    ours = {row["name"]: row for row in listed if row["package"] != "watchbuddy"}
    assert {name: (row["group"], row["problem"]) for name, row in ours.items()} == {
        "lighthouse": ("watchbuddy.characters", None),
        "patterns": ("watchbuddy.sources", None),
        "podcast": ("watchbuddy.sources", None),
        "bingo": ("watchbuddy.generators", None),
        "manners": ("watchbuddy.schedulers", None),
    }
    assert {row["version"] for row in ours.values()} == {"1.0.0"}


def test_the_wheels_hold_the_package_and_nothing_else(installed: Path) -> None:
    names = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    packages = {f"watchbuddy_{path.name.removeprefix('watchbuddy-')}" for path in PACKAGES}
    assert names - {"bin"} == packages
    assert {path.name for path in (installed / "bin").iterdir()} == {"watchbuddy-mpv"}
    people = {path.name for path in (installed / "watchbuddy_lighthouse" / "people").iterdir()}
    assert people == {"gull.toml", "keeper.toml"}


def test_the_python_of_their_readmes_runs(installed: Path) -> None:
    programs = [
        program
        for package in PACKAGES
        for program in re.findall(
            r"```python\n(.*?)```", (package / "README.md").read_text(encoding="utf-8"), re.DOTALL
        )
    ]
    assert programs
    for program in programs:
        ran = run("-c", program, PYTHONPATH=str(installed))
        assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_its_own_tests_pass_against_what_is_installed(
    installed: Path, package: Path, tmp_path: Path
) -> None:
    """With no plugin of pytest but the one that they name; to load ours would take longer."""
    ran = run(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib"),
        *("-p", "anyio.pytest_plugin", "-c", os.devnull, "--rootdir", tmp_path, package / "tests"),
        PYTHONPATH=str(installed),
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "passed" in ran.stdout


def test_they_work_together(installed: Path, tmp_path: Path) -> None:
    settings = tmp_path / "watchbuddy.toml"
    settings.write_text(
        f'[plugins.patterns]\nseconds = 24\nfolder = "{tmp_path.as_posix()}"\n'
        '[plugins.bingo]\nwords = ["nothing"]\n'
    )
    command = ("-m", "watchbuddy_server.cli", "watch", "pattern:storm", "--config", settings)
    watched = run(*command, "--character", "keeper", "--speed", "30", PYTHONPATH=str(installed))
    assert watched.returncode == 0, watched.stderr
    assert "Storm" in watched.stdout
    assert "END_REACTION" in watched.stdout

    watched = run(*command, "--generator", "bingo", "--speed", "30", PYTHONPATH=str(installed))
    assert watched.returncode == 0, watched.stderr
    assert "SPEAK" not in watched.stdout
    assert "END_REACTION" in watched.stdout


def test_without_the_package_its_addresses_are_refused(tmp_path: Path) -> None:
    watched = run("-m", "watchbuddy_server.cli", "watch", "pattern:storm")
    assert watched.returncode == 1
    assert watched.stderr == "watchbuddy: The provided video URL is not supported.\n"
