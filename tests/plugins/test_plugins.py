"""Plugins are found by name, loaded when used, and never stop their host."""

from __future__ import annotations

import logging
import sys

import pytest

from watchbuddy_core import plugins
from watchbuddy_core.errors import PluginProblem
from watchbuddy_core.plugins import CHARACTERS, GENERATORS, SCHEDULERS, SOURCES

MAKER = "def make(**options):\n    return options\n"
ROSA = """
from watchbuddy_core.character import Character
rosa = Character(id="rosa", name={"en": "Rosa"})
"""
FOLDER = """
from pathlib import Path
folder = Path(__file__).parent / "people"
folder.mkdir()
(folder / "rosa.toml").write_text('id = "rosa"\\n[name]\\nen = "Rosa"\\n')
"""


def names(group: str) -> list[str]:
    return [plugin.name for plugin in plugins.listing(group)]


@pytest.mark.parametrize(
    ("group", "name"),
    [
        (SOURCES, "library"),
        (GENERATORS, "offline"),
        (SCHEDULERS, "timeline"),
        (CHARACTERS, "built-in"),
    ],
)
def test_what_the_library_brings_along_is_found_on_the_same_road(group, name):
    plugin = plugins.find(group, name)
    assert plugin.package == "watchbuddy"
    assert plugin.version
    plugin.load()


def test_listing_imports_nothing(install):
    install("nova", "2.1", {SOURCES: {"nova": "nova_plugin:make"}}, modules={"nova_plugin": MAKER})
    listed = {plugin.name: plugin for plugin in plugins.listing(SOURCES)}
    assert listed["nova"].owner == "nova 2.1"
    assert listed["nova"].target == "nova_plugin:make"
    assert listed["nova"].problem is None
    assert "nova_plugin" not in sys.modules


def test_a_plugin_is_made_with_its_own_options(install):
    install("nova", "2.1", {SOURCES: {"nova": "nova_plugin:make"}}, modules={"nova_plugin": MAKER})
    assert plugins.find(SOURCES, "nova").make(folder="films") == {"folder": "films"}


def test_names_belong_to_a_group(install):
    install("nova", "2.1", {SOURCES: {"nova": "nova_plugin:make"}})
    assert "nova" in names(SOURCES)
    assert "nova" not in names(GENERATORS)


def test_an_unknown_name_is_an_error_that_lists_what_there_is():
    with pytest.raises(PluginProblem, match=r"no plugin 'nova' in watchbuddy\.generators.*offline"):
        plugins.find(GENERATORS, "nova")


@pytest.mark.parametrize(
    ("target", "source", "reason"),
    [
        ("nova_plugin:make", "import there_is_no_such_module", "there_is_no_such_module"),
        ("nova_plugin:make", "1 / 0", "ZeroDivisionError"),
        ("nova_plugin:make", "raise SystemExit('bye')", "SystemExit"),
        ("nova_plugin:make", "def make(:", "SyntaxError"),
        ("nova_plugin:other", MAKER, "other"),
        ("not a reference", MAKER, "'nova'"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_says_whose_it_is_and_why(install, target, source, reason):
    install("nova", "2.1", {SOURCES: {"nova": target}}, modules={"nova_plugin": source})
    with pytest.raises(PluginProblem) as raised:
        plugins.find(SOURCES, "nova").make()
    assert "nova 2.1" in raised.value.message
    assert reason in raised.value.message


def test_a_factory_that_raises_or_is_none_is_a_problem_of_its_plugin(install):
    install(
        "nova",
        "2.1",
        {SOURCES: {"picky": "nova_plugin:picky", "constant": "nova_plugin:constant"}},
        modules={"nova_plugin": "def picky(*, key): ...\nconstant = 7\n"},
    )
    with pytest.raises(PluginProblem, match="key"):
        plugins.find(SOURCES, "picky").make()
    with pytest.raises(PluginProblem, match="cannot be called"):
        plugins.find(SOURCES, "constant").make()


def test_a_broken_plugin_is_passed_over_with_a_warning_and_listed_with_its_reason(install, caplog):
    install(
        "nova",
        "2.1",
        {SOURCES: {"nova": "nova_plugin:make", "torn": "torn_plugin:make"}},
        modules={"nova_plugin": MAKER, "torn_plugin": "1 / 0"},
    )
    with caplog.at_level(logging.WARNING, logger="watchbuddy.plugins"):
        made = plugins.make_all(
            SOURCES, options={"nova": {"folder": "films"}, "library": {"libraries": ()}}
        )
    assert made["nova"] == {"folder": "films"}
    assert "torn" not in made
    assert "ZeroDivisionError" in caplog.text
    listed = {plugin.name: plugin.problem for plugin in plugins.listing(SOURCES, load=True)}
    assert listed["nova"] is None
    assert "ZeroDivisionError" in str(listed["torn"])


def test_two_packages_that_offer_one_name_are_an_error_that_names_both(install):
    install("nova", "2.1", {SOURCES: {"twin": "nova_plugin:make"}}, modules={"nova_plugin": MAKER})
    install("vega", "0.3", {SOURCES: {"twin": "vega_plugin:make"}}, modules={"vega_plugin": MAKER})
    for use in (lambda: plugins.find(SOURCES, "twin"), lambda: plugins.make_all(SOURCES)):
        with pytest.raises(PluginProblem) as raised:
            use()
        assert "nova 2.1" in raised.value.message
        assert "vega 0.3" in raised.value.message
    problems = [plugin.problem for plugin in plugins.listing(SOURCES) if plugin.name == "twin"]
    assert len(problems) == 2
    assert all(problem and "nova 2.1" in problem and "vega 0.3" in problem for problem in problems)
    assert plugins.find(SOURCES, "library").problem is None


@pytest.mark.parametrize(
    ("target", "source"),
    [
        ("rosa_plugin:rosa", ROSA),
        ("rosa_plugin:several", ROSA + "several = [rosa]\n"),
        ("rosa_plugin:make", ROSA + "def make():\n    return rosa\n"),
        ("rosa_plugin:make_several", ROSA + "def make_several():\n    yield rosa\n"),
        ("rosa_plugin:folder", FOLDER),
        ("rosa_plugin:by_id", ROSA + "by_id = {'rosa': rosa}\n"),
    ],
)
def test_characters_come_alone_in_lists_and_from_callables(install, target, source):
    install("rosa", "1.0", {CHARACTERS: {"rosa": target}}, modules={"rosa_plugin": source})
    found = plugins.characters()
    assert found["rosa"].name == {"en": "Rosa"}
    assert "miao" in found


@pytest.mark.parametrize(
    "source",
    [
        "rosa = 7",
        "rosa = [7]",
        "rosa = lambda: None",
        "def rosa():\n    raise ValueError('no')",
        FOLDER.replace("name", "nome") + "rosa = folder",
    ],
)
def test_what_is_no_character_is_passed_over(install, caplog, source):
    install(
        "rosa", "1.0", {CHARACTERS: {"rosa": "rosa_plugin:rosa"}}, modules={"rosa_plugin": source}
    )
    assert "miao" in plugins.characters()
    assert "rosa 1.0" in caplog.text
    (listed,) = [one for one in plugins.listing(CHARACTERS, load=True) if one.name == "rosa"]
    assert listed.problem


def test_two_packages_with_one_character_are_an_error_that_names_both(install):
    for package in ("rosa", "rosita"):
        install(
            package,
            "1.0",
            {CHARACTERS: {package: f"{package}_plugin:rosa"}},
            modules={f"{package}_plugin": ROSA},
        )
    with pytest.raises(PluginProblem, match=r"rosa 1\.0 and by rosita 1\.0"):
        plugins.characters()
