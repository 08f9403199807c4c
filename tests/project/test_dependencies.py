"""What is installed with the project is what was looked at, and nothing slips in unnoticed.

Whether one of them has a known weakness only a service on the network knows: `pip-audit -r
constraints.txt`. All else is checked here, against the record in dependencies.toml.
"""

from __future__ import annotations

import sysconfig
import tomllib
from pathlib import Path

import pytest
from dependencies import BASELINE, Package, packages, written
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

ALLOWED = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC"),
    *("MIT", "MPL-2.0", "PSF-2.0", "Unlicense", "Zlib"),
}
"""Licences that ask nothing of those who use our code but to name theirs."""
TELLS_NO_LICENCE = {"axe-playwright-python"}
"""MIT by its LICENSE file; the script in it, MPL-2.0. For tests alone."""
RUNS_AT_START = {"distutils-precedence.pth"}
"""Files that may run code whenever Python starts: that of setuptools."""


@pytest.fixture(scope="module")
def installed() -> list[Package]:
    return packages()


def test_what_is_installed_is_what_was_recorded(installed: list[Package]) -> None:
    recorded = tomllib.loads(BASELINE.read_text(encoding="utf-8"))["packages"]
    there = tomllib.loads(written(installed))["packages"]
    assert there == recorded, "read what is new, and record it: see the head of dependencies.toml"


def test_each_of_them_is_pinned_and_nothing_else_is(installed: list[Package]) -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert {canonicalize_name(pin.name): str(pin.specifier) for pin in pins} == {
        one.name: f"=={one.version}" for one in installed
    }


def test_each_licence_is_one_that_we_may_pass_on(installed: list[Package]) -> None:
    def is_allowed(licence: str) -> bool:
        if " OR " in licence:
            return any(is_allowed(one) for one in licence.split(" OR "))
        return all(one in ALLOWED for one in licence.split(" AND "))

    others = {one.name: one.licence for one in installed if not is_allowed(one.licence)}
    assert others.keys() == TELLS_NO_LICENCE, others


def test_nothing_runs_when_python_starts() -> None:
    """litellm 1.82.8 stole credentials from a `.pth` file, without being imported."""
    folders = {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
    running = {
        file.name
        for folder in folders
        for file in folder.glob("*.pth")
        if any(line.startswith(("import ", "import\t")) for line in file.read_text().splitlines())
    }
    assert running <= RUNS_AT_START


@pytest.mark.parametrize("version", ["1.82.7", "1.82.8"])
def test_no_release_that_was_tampered_with_can_be_installed(version: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [
        Requirement(line) for lines in project["optional-dependencies"].values() for line in lines
    ]
    (litellm,) = [one for one in asked if one.name == "litellm"]
    assert version not in litellm.specifier
