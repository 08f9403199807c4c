"""The documents as a site: it builds without a complaint, and needs nothing from elsewhere."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import FunctionType

import click
import pytest

from watchbuddy_server.cli.commands import cli

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. A link or an anchor that leads nowhere fails it, and so does a docstring
    that names an argument which is not there. With --quiet, warnings would not count."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def pages(site: Path) -> dict[str, str]:
    return {
        str(file.parent.relative_to(site)): file.read_text(encoding="utf-8")
        for file in site.rglob("index.html")
    }


def test_every_page_is_there(site: Path) -> None:
    written = {str(file.relative_to(DOCS).with_suffix("")) for file in DOCS.rglob("*.md")}
    assert {"." if name == "index" else name for name in written} <= pages(site).keys()


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for name, html in pages(site).items():
        loading = re.findall(r"<(?:script|img|iframe|source)\b[^>]*?\bsrc=\"([^\"]+)", html)
        loading += re.findall(r"<link\b(?![^>]*rel=\"canonical)[^>]*?\bhref=\"([^\"]+)", html)
        assert loading
        assert not [url for url in loading if re.match(r"(https?:)?//", url)], name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)[\"' ]*https?:", sheet.read_text(encoding="utf-8"))


def test_it_can_be_searched_without_a_server(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    found = {entry["location"].partition("#")[0] for entry in index["docs"]}
    assert {"protocol/", "python/", "settings/"} <= found


def test_it_is_dark_and_light(site: Path) -> None:
    html = (site / "index.html").read_text(encoding="utf-8")
    assert 'data-md-color-scheme="slate"' in html
    assert 'data-md-color-scheme="default"' in html


def test_every_command_is_there_with_its_help(site: Path) -> None:
    html = (site / "command-line" / "index.html").read_text(encoding="utf-8")

    def check(command: click.Command, path: str) -> None:
        assert f"Usage: {path} " in html
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                further = command.get_command(context, name)
                assert further is not None
                check(further, f"{path} {name}")

    check(cli, "watchbuddy")


MODULES = (
    "testing",
    "client",
    "session",
    "tracks",
    "scoring",
    "characters",
    "characters.cards",
)


def listed(page: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"^::: ([\w.]+)$", text, flags=re.MULTILINE)


def test_every_public_method_is_documented_where_it_is_or_in_its_contract() -> None:
    contracts = [
        value
        for module in ("protocols", "storage", "session.job_runner", "player")
        for value in vars(import_module(f"watchbuddy_core.{module}")).values()
        if getattr(value, "_is_protocol", False) and value.__module__.startswith("watchbuddy")
    ]
    agreed = {
        name
        for one in contracts
        for name in vars(one)
        if name[0] != "_" and inspect.getdoc(vars(one)[name])
    }
    core = import_module("watchbuddy_core")
    for name in core.__all__:
        value = getattr(core, name)
        if isinstance(value, type) and value.__module__.startswith("watchbuddy_core"):
            undocumented = {
                method
                for method, what in vars(value).items()
                if isinstance(what, FunctionType | property | classmethod)
                and not method.startswith("_")
                and not inspect.getdoc(what)
            }
            assert undocumented <= (set() if value in contracts else agreed), name


def test_the_page_on_python_lists_every_public_name() -> None:
    names = import_module("watchbuddy_core").__all__
    assert sorted(listed("python.md")) == sorted(f"watchbuddy_core.{name}" for name in names)


def test_the_page_on_further_modules_lists_all_that_is_not_there() -> None:
    top = set(import_module("watchbuddy_core").__all__)
    further = {
        f"watchbuddy_core.{module}.{name}"
        for module in MODULES
        for name in set(import_module(f"watchbuddy_core.{module}").__all__) - top
    }
    assert sorted(listed("python-modules.md")) == sorted(further)


@pytest.mark.parametrize("page", ["python", "python-modules"])
def test_each_of_them_is_described_and_shows_its_source(site: Path, page: str) -> None:
    html = (site / page / "index.html").read_text(encoding="utf-8")
    names = listed(f"{page}.md")
    begins = [html.index(f' id="{name}"') for name in names]
    assert begins == sorted(begins)
    for name, begin, end in zip(names, begins, [*begins[1:], len(html)], strict=True):
        module, _, short = name.rpartition(".")
        value = getattr(import_module(module), short)
        assert "<p>" in html[begin:end], name
        made = vars(value).get("__init__") if isinstance(value, type) else value
        if isinstance(made, FunctionType) and made.__code__.co_filename.startswith(str(ROOT)):
            assert "Source code in" in html[begin:end], name
