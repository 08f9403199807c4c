"""Packages that are installed for one test: a module and its metadata in a folder."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a package: `install("rosa", "1.0", {group: {name: target}}, modules={...})`."""
    before = set(sys.modules)
    modules_of_tests: set[str] = set()

    def install_package(
        package: str,
        version: str,
        offers: Mapping[str, Mapping[str, str]],
        *,
        modules: Mapping[str, str] | None = None,
    ) -> None:
        folder = tmp_path / package
        metadata = folder / f"{package}-{version}.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        )
        lines = []
        for group, names in offers.items():
            lines += [f"[{group}]", *(f"{name} = {target}" for name, target in names.items())]
        (metadata / "entry_points.txt").write_text("\n".join(lines))
        for module, source in (modules or {}).items():
            (folder / f"{module}.py").write_text(source)
            modules_of_tests.add(module)
        monkeypatch.syspath_prepend(str(folder))
        importlib.invalidate_caches()

    yield install_package
    for module in (modules_of_tests & set(sys.modules)) - before:
        del sys.modules[module]
