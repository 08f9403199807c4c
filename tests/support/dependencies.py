"""What is installed with the project: `python tests/support/dependencies.py` records it.

Everything that the extra `test` asks for, and what that asks for in turn, as the metadata of
the installed packages says. What else happens to be in the environment does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

BASELINE = Path(__file__).parents[1] / "project" / "dependencies.toml"

_HEAD = """\
# What is installed by `pip install -c constraints.txt -e '.[test]'`, as it was last looked at.
# tests/project/test_dependencies.py fails where it is otherwise. After a change that is meant:
#
#     python tests/support/dependencies.py     writes this file; read the difference
#     pip-audit -r constraints.txt             asks for known weaknesses (needs the network)
#
# native: it ships machine code, and not only Python.
"""

_LICENCES = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD License": "BSD-3-Clause",
    "BSD, Public Domain": "BSD-2-Clause",
    "Dual License": "Apache-2.0 OR BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "The MIT License (MIT)": "MIT",
}
"""What packages without an SPDX expression call their licence, in SPDX."""


@dataclass(frozen=True, slots=True)
class Package:
    """One that is installed."""

    name: str
    version: str
    licence: str
    """In SPDX; empty, where the package does not say."""
    native: bool


def packages(project: str = "watchbuddy", extra: str = "test") -> list[Package]:
    """Everything that a project needs with an extra, by name."""
    found: dict[str, Distribution] = {}
    _follow(Requirement(f"{project}[{extra}]"), found, set())
    del found[canonicalize_name(project)]
    return [_look_at(name, found[name]) for name in sorted(found)]


def _follow(
    wanted: Requirement, found: dict[str, Distribution], seen: set[tuple[str, str]]
) -> None:
    name = canonicalize_name(wanted.name)
    found.setdefault(name, distribution(name))
    for extra in ("", *wanted.extras):
        if (name, extra) not in seen:
            seen.add((name, extra))
            for line in found[name].requires or ():
                further = Requirement(line)
                if further.marker is None or further.marker.evaluate({"extra": extra}):
                    _follow(further, found, seen)


def _look_at(name: str, installed: Distribution) -> Package:
    return Package(name, installed.version, _licence(installed), _is_native(installed))


def _licence(installed: Distribution) -> str:
    said = installed.metadata
    if expression := said.get("License-Expression"):
        return str(expression)
    classified = [
        line.rpartition(":: ")[2]
        for line in said.get_all("Classifier") or ()
        if line.startswith("License :: OSI Approved :: ")
    ]
    plain = str(said.get("License") or "").partition("\n")[0].partition("  ")[0].strip()
    plain = "" if plain == "UNKNOWN" else plain
    called = plain or " OR ".join(_LICENCES.get(one, one) for one in classified)
    return _LICENCES.get(called, called)


def _is_native(installed: Distribution) -> bool:
    def heads() -> Iterator[bytes]:
        for file in installed.files or ():
            if file.suffix in ("", ".so", ".pyd", ".dylib", ".exe"):
                path = Path(str(file.locate()))
                if path.is_file():
                    with path.open("rb") as opened:
                        yield opened.read(4)

    return any(
        head[:4] == b"\x7fELF" or head[:2] == b"MZ" or head[1:] == b"\xfa\xed\xfe"
        for head in heads()
    )


def written(these: list[Package]) -> str:
    lines = (
        f'{one.name} = {{ version = "{one.version}", licence = "{one.licence}",'
        f" native = {str(one.native).lower()} }}\n"
        for one in these
    )
    return f"{_HEAD}\n[packages]\n{''.join(lines)}"


if __name__ == "__main__":
    BASELINE.write_text(written(packages()), encoding="utf-8")
