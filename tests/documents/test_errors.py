"""The page on errors tells of each class and each code, and of no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from watchbuddy_core import errors
from watchbuddy_core.errors import WatchBuddyError
from watchbuddy_server.errors import STATUS_OF

PAGE = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
ROWS = {
    code: (status.strip(), set(re.findall(r"`(\w+)`", classes)), again)
    for code, status, classes, again in re.findall(
        r"^\| `([A-Z_]+)` \|([ \d]*)\|(.*?)\| (yes|no) \|$", PAGE, flags=re.MULTILINE
    )
}


def tree(cls: type[WatchBuddyError] = WatchBuddyError) -> list[type[WatchBuddyError]]:
    below = [one for child in cls.__subclasses__() for one in tree(child)]
    ours = (one for one in (cls, *below) if one.__module__.startswith("watchbuddy_"))
    return [one for one in ours if not one.__name__.startswith("_")]


def test_every_code_stands_on_the_page() -> None:
    assert ROWS.keys() == {cls.code for cls in tree()} | STATUS_OF.keys()


@pytest.mark.parametrize("code", sorted(ROWS))
def test_a_code_has_its_status(code: str) -> None:
    assert ROWS[code][0] == str(STATUS_OF.get(code, ""))


@pytest.mark.parametrize("code", sorted(ROWS.keys() - {WatchBuddyError.code}))
def test_a_code_has_its_classes_and_says_whether_it_passes(code: str) -> None:
    _, named, again = ROWS[code]
    classes = [cls for cls in tree() if cls.code == code]
    assert named == {cls.__name__ for cls in classes}
    assert again == ("yes" if any(cls.retryable for cls in classes) else "no")


def test_the_tree_in_the_docstring_is_the_one_that_there_is() -> None:
    drawn = re.findall(r"── (\w+)", errors.__doc__ or "")
    ours = {cls.__name__ for cls in tree() if cls.__module__ == errors.__name__}
    assert {*drawn, "WatchBuddyError"} == ours
    assert len(drawn) == len(set(drawn))
