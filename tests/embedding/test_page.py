"""The page for embedders shows the examples as they are, and leaves none out."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from textwrap import indent

import pytest

import watchbuddy_core

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXCERPTS = re.findall(r"```python (examples/\w+\.py)\n(.*?)```", PAGE, flags=re.DOTALL)
PROGRAMS = sorted((ROOT / "examples").glob("*.py"))
MAP = watchbuddy_core.__doc__ or ""


@pytest.mark.parametrize(("program", "excerpt"), EXCERPTS)
def test_each_excerpt_stands_in_its_program(program: str, excerpt: str) -> None:
    text = (ROOT / program).read_text(encoding="utf-8")
    assert any(f"\n{indent(excerpt, ' ' * depth)}" in text for depth in range(0, 13, 4))


def test_each_block_of_python_is_an_excerpt_or_a_whole_program() -> None:
    """The one program that stands there whole, the client, is run in test_serving."""
    programs = re.findall(r"```python\n", PAGE)
    assert len(programs) == 1
    assert len(re.findall("```python", PAGE)) == len(EXCERPTS) + len(programs)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_each_program_is_shown_and_linked(program: Path) -> None:
    assert f"(../examples/{program.name})" in PAGE
    assert f"```python examples/{program.name}\n" in PAGE


def test_the_readme_points_to_the_page() -> None:
    assert "(docs/embedding.md)" in README


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_programs_need_nothing_but_public_names(program: Path) -> None:
    """A name is public at the top of the core, or in a module that its map names."""
    for node in ast.walk(ast.parse(program.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        assert not any(alias.name.startswith("_") for alias in node.names)
        if node.module == "watchbuddy_core":
            assert {alias.name for alias in node.names} <= set(watchbuddy_core.__all__)
        elif node.module.startswith("watchbuddy_core."):
            assert re.search(rf"\b{node.module.removeprefix('watchbuddy_core.')}\b", MAP)
        else:
            assert node.module == "watchbuddy_server.plugin" or "watchbuddy" not in node.module
