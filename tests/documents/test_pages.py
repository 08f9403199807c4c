"""What pages say in tables is what the code says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

from watchbuddy_core import plugins
from watchbuddy_core.placement import RESTRAINT, Rate, Reason
from watchbuddy_core.placement.plan import JUMPS_PER_SESSION, LONGEST_SHIFT

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def rows(text: str) -> list[list[str]]:
    found = re.findall(r"^\| (.+) \|$", text, flags=re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")] for row in found]


def test_every_group_of_entry_points_is_described() -> None:
    groups = {f"`{group}`" for group in PROJECT["entry-points"]}
    described = [row[0] for row in rows(page("entry-points")) if row[0].startswith("`watchbuddy")]
    assert sorted(described) == sorted([*groups, *groups])  # what it is, and what is built in


def test_every_built_in_plugin_is_named() -> None:
    named = {row[0].strip("`"): row[1] for row in rows(page("entry-points")) if len(row) == 2}
    for group, points in PROJECT["entry-points"].items():
        for name in points:
            assert f"`{name}`" in named[group]
        for plugin in plugins.listing(group) if group != plugins.CHARACTERS else ():
            assert plugin.name not in points or f"`{plugin.name}`" in named[group]


def said(rate: Rate) -> str:
    return f"{rate.count} a minute" if rate.seconds == 60 else f"{rate.count} in {rate.seconds:g} s"


def test_the_numbers_of_restraint_are_those_in_force() -> None:
    table = {row[0]: row[1:] for row in rows(page("restraint")) if len(row) == 4}
    columns = [RESTRAINT[name] for name in ("quiet", "normal", "chatty")]
    assert table[""] == ["quiet", "normal", "chatty"]
    assert table["lines"] == [said(one.lines) for one in columns]
    assert table["faces"] == [said(one.faces) for one in columns]
    assert table["lines that pause the video"] == [said(one.pauses) for one in columns]
    assert table["jumps"] == [said(one.jumps) for one in columns]
    assert table["between two lines, at least"] == [f"{one.gap:g} s" for one in columns]
    assert table["and for how long, at most"] == [f"{one.longest_pause:g} s" for one in columns]
    assert table["of a minute that may be talked over"] == [
        f"{one.speech_share:.0%}".replace("%", " %") for one in columns
    ]
    assert RESTRAINT["muted"].is_mute
    assert (JUMPS_PER_SESSION, LONGEST_SHIFT) == (3, 3.0)


def test_every_reason_for_which_something_is_dropped_is_named() -> None:
    for reason in get_args(Reason):
        assert f"`{reason}`" in page("restraint")


def test_the_extras_are_listed() -> None:
    listed = [row[0].strip("`") for row in rows(page("installing")) if row[0].startswith("`")]
    assert sorted(listed) == sorted(PROJECT["optional-dependencies"])


def test_each_decision_says_what_was_turned_down() -> None:
    decisions = re.split(r"^## ", page("decisions"), flags=re.MULTILINE)[1:-1]
    assert len(decisions) >= 10
    for decision in decisions:
        assert "**Chosen:**" in decision
        assert "**Turned down:**" in decision
