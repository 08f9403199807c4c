"""The wheel and the sdist: what they should contain, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
STEM = f"{PROJECT['name']}-{PROJECT['version']}"
PACKAGES = ("watchbuddy_core", "watchbuddy_server")


@pytest.fixture(scope="module")
def files() -> set[str]:
    """What git has, or would take."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name for name in listed.split("\0") if (ROOT / name).is_file()}


def of(files: set[str], *tops: str) -> set[str]:
    return {name for name in files if name.partition("/")[0] in tops}


def test_the_wheel_holds_both_packages_and_nothing_else(built: Path, files: set[str]) -> None:
    about = {
        f"{STEM}.dist-info/{name}"
        for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    }
    with ZipFile(built / f"{STEM}-py3-none-any.whl") as wheel:
        assert set(wheel.namelist()) == of(files, *PACKAGES) | about
        for name in of(files, *PACKAGES):
            assert wheel.read(name) == (ROOT / name).read_bytes(), name
        for package in PACKAGES:
            assert f"{package}/py.typed" in wheel.namelist()


def test_the_sdist_holds_what_it_takes_to_build_and_test(built: Path, files: set[str]) -> None:
    tops = (*PACKAGES, "docs", "examples", "tests")
    alone = {"CHANGELOG.md", "LICENSE", "README.md", "constraints.txt", "mkdocs.yml"}
    expected = of(files, *tops) | alone | {"pyproject.toml", ".gitignore", "PKG-INFO"}
    with tarfile.open(built / f"{STEM}.tar.gz") as sdist:
        assert {name.removeprefix(f"{STEM}/") for name in sdist.getnames()} == expected
        assert all(member.isfile() for member in sdist)


def test_the_metadata_says_what_it_is_and_what_it_needs(built: Path) -> None:
    with ZipFile(built / f"{STEM}-py3-none-any.whl") as wheel:
        told = Parser().parsestr(wheel.read(f"{STEM}.dist-info/METADATA").decode())
    assert (told["Name"], told["Version"]) == (PROJECT["name"], PROJECT["version"])
    assert told["License-Expression"] == "MIT"
    assert told["Description-Content-Type"] == "text/markdown"
    needed = [line for line in told.get_all("Requires-Dist") or () if "extra ==" not in line]
    assert [line.partition("<")[0].partition(">")[0] for line in needed] == ["pydantic"]
    assert set(told.get_all("Provides-Extra") or ()) == PROJECT["optional-dependencies"].keys()


def test_the_sdist_builds_the_same_wheel(built: Path, tmp_path: Path) -> None:
    with tarfile.open(built / f"{STEM}.tar.gz") as sdist:
        sdist.extractall(tmp_path, filter="data")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=tmp_path / STEM, check=True, capture_output=True)
    wheel = f"{STEM}-py3-none-any.whl"
    assert (tmp_path / wheel).read_bytes() == (built / wheel).read_bytes()
