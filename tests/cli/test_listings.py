"""What is installed, as the command line lists it: strangers' packages found by their metadata."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GOOD = """
from watchbuddy_core.character import Character

rosa = Character(id="rosa", name={"en": "Rosa"}, description={"en": "She has seen it all."})
"""


@pytest.fixture
def package(tmp_path: Path) -> Callable[..., str]:
    """Puts a package into a folder, without pip; what PYTHONPATH is to be."""
    folder = tmp_path / "packages"

    def put(name: str, entry_points: str, **modules: str) -> str:
        metadata = folder / f"{name.replace('-', '_')}-1.2.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (metadata / "entry_points.txt").write_text(entry_points)
        for module, source in modules.items():
            (folder / f"{module}.py").write_text(source)
        return str(folder)

    return put


@pytest.fixture
def strangers(package: Any) -> str:
    """A package that works, and one that does not."""
    package("wb-rosa", "[watchbuddy.characters]\nrosa = wb_rosa:rosa\n", wb_rosa=GOOD)
    folder: str = package(
        "wb-broken",
        "[watchbuddy.characters]\nbroken = wb_broken:nobody\n"
        "[watchbuddy.sources]\nmoon = wb_broken:Moon\n"
        "[watchbuddy.generators]\noracle = wb_missing:Oracle\n",
        wb_broken="raise RuntimeError('out of order')",
    )
    return folder


def test_plugins_are_listed_with_package_version_and_what_is_wrong(
    run: Any, strangers: str
) -> None:
    ran = run("plugins", PYTHONPATH=strangers)
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert ["rosa", "wb-rosa", "1.2", "(wb_rosa:rosa)"] in lines
    assert ["moon", "wb-broken", "1.2", "(wb_broken:Moon)"] in lines
    assert ran.stdout.count("broken: The plugin") == 3
    assert "RuntimeError: out of order" in ran.stdout
    assert "No module named 'wb_missing'" in ran.stdout

    rows = json.loads(run("plugins", "--json", PYTHONPATH=strangers).stdout)
    found = {(row["group"], row["name"]): row for row in rows}
    assert found["watchbuddy.characters", "rosa"]["problem"] is None
    assert found["watchbuddy.generators", "offline"]["package"] == "watchbuddy"
    assert "out of order" in found["watchbuddy.sources", "moon"]["problem"]


def test_characters_are_listed_with_where_they_come_from(
    run: Any, strangers: str, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "miao.toml").write_text('id = "miao"\n[name]\nen = "My own Miao"\n')
    (own / "bad.toml").write_text('id = "bad"\n')
    ran = run("characters", "--characters", own, PYTHONPATH=strangers)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "rosa       Rosa [en]: She has seen it all." in ran.stdout
    assert "from wb-rosa 1.2, revision " in ran.stdout
    assert "miao       My own Miao" in ran.stdout
    assert "A cute cat girl" not in ran.stdout
    assert "bad.toml: name: Field required" in ran.stdout
    assert "out of order" in ran.stdout

    rows = json.loads(run("characters", "--json", PYTHONPATH=strangers).stdout)
    ids = {row["id"]: row for row in rows}
    assert {"miao", "shen", "quinn", "rosa", None} == set(ids)
    assert ids["miao"]["languages"] == ["zh", "en"]


def test_a_broken_package_breaks_nothing_and_a_good_one_watches_along(
    run: Any, strangers: str, clip: Path
) -> None:
    ran = run("watch", clip, "--character", "rosa", "--speed", "50", PYTHONPATH=strangers)
    assert ran.returncode == 0
    assert "END_REACTION" in ran.stdout
    assert "out of order" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_two_packages_with_one_name_are_both_named(run: Any, package: Any) -> None:
    package("wb-one", "[watchbuddy.characters]\nrosa = wb_rosa:rosa\n", wb_rosa=GOOD)
    folder = package("wb-two", "[watchbuddy.characters]\nrosa = wb_rosa:rosa\n")
    ran = run("plugins", PYTHONPATH=folder)
    assert ran.returncode == 0
    assert ran.stdout.count("wb-one 1.2 and by wb-two 1.2: uninstall one of them") == 2
    ran = run("serve", "--port", "0", PYTHONPATH=folder)
    assert ran.returncode == 1
    assert "offered by wb-one 1.2 and by wb-two 1.2" in ran.stderr


def test_settings_are_printed_and_wrong_ones_told(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "watchbuddy.toml"
    file.write_text('density = "quiet"\n[limits]\nwaiting = 3\n')
    ran = run(
        *("serve", "--config", file, "--port", "9", "--print-settings"), WATCHBUDDY_HOST="::1"
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert f'density = "quiet"  # {file}' in ran.stdout
    assert f"waiting = 3  # {file}" in ran.stdout
    assert 'host = "::1"  # WATCHBUDDY_HOST' in ran.stdout
    assert "port = 9  # --port" in ran.stdout
    file.write_text("prot = 1")
    ran = run("serve", "--config", file)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == f"watchbuddy: prot in {file} is no setting. Is it port that you mean?\n"
    ran = run("demo", WATCHBUDDY_DENSITY="loud")
    assert ran.returncode == 2
    assert "WATCHBUDDY_DENSITY: Input should be 'muted'" in ran.stderr


def test_the_file_says_who_watches_along(run: Any, clip: Path, tmp_path: Path) -> None:
    file = tmp_path / "watchbuddy.toml"
    file.write_text('character = "nobody"')
    ran = run("watch", clip, "--config", file, "--speed", "50")
    assert ran.returncode == 1
    assert "There is no such character. Installed: miao, quinn, shen." in ran.stderr
