"""What rules can read of a viewer's wish."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbuddy_core.generation.phrasing import with_affixes
from watchbuddy_core.generation.wishes import Wish, read_wish

API_EXAMPLE = "你是个可爱的猫娘，你说的每句话都会以 “喵～～” 结尾"


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        (API_EXAMPLE, "喵～～"),
        ("每句话都以“喵～～”结尾", "喵～～"),
        ("你说的每句话要以『哼』结束", "哼"),
        ("每句话结尾加上“汪”", "汪"),
        ("每句话结尾加上喵", "喵"),
        ("说话末尾都带上“的说”", "的说"),
        ("请以'desu'收尾", "desu"),
        ("End every sentence with 'meow'", "meow"),
        ("please end each line with “, captain”", ", captain"),
        ('every sentence ends with "nya~"', "nya~"),
        ("all your sentences should end with meow", "meow"),
        ("Finish every line with a purr.", "purr"),
    ],
)
def test_how_lines_are_to_end(text: str, ending: str) -> None:
    assert read_wish(text).ending == ending


@pytest.mark.parametrize(
    ("text", "beginning"),
    [
        ("每句话都以“哼”开头", "哼"),
        ("以『主人，』开头", "主人，"),
        ("每句话开头加上“报告”", "报告"),
        ("start every line with Ahoy!", "Ahoy!"),
        ("Begin each sentence with 'Well,'", "Well,"),
    ],
)
def test_how_lines_are_to_begin(text: str, beginning: str) -> None:
    assert read_wish(text).beginning == beginning


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("in English please", "en"),
        ("用英文", "en"),
        ("请用英语回答", "en"),
        ("说中文", "zh"),
        ("speak Chinese", "zh"),
        ("reply in Mandarin", "zh"),
        (API_EXAMPLE, "zh"),
        ("End every sentence with 'meow'", "en"),
        ("", None),
        ("!!!", None),
    ],
)
def test_which_language_is_wished_for(text: str, language: str | None) -> None:
    assert read_wish(text).language == language


def test_what_is_not_understood_is_left_over() -> None:
    assert read_wish(API_EXAMPLE).unfulfilled == "你是个可爱的猫娘"
    assert read_wish("每句话都以“喵”结尾").unfulfilled == ""
    assert read_wish("talk like a pirate").unfulfilled == "talk like a pirate"
    assert read_wish("") == Wish()


@given(st.text(max_size=300))
def test_no_text_breaks_it_and_affixes_stay_short(text: str) -> None:
    wish = read_wish(text)
    assert len(wish.ending) <= 21
    assert len(wish.beginning) <= 21
    assert wish.ending.isprintable()


@pytest.mark.parametrize(
    ("line", "wish", "expected"),
    [
        ("好厉害。", Wish(ending="喵～～"), "好厉害喵～～"),
        ("“谁？”……我也想知道！", Wish(ending="喵"), "“谁？”……我也想知道喵"),
        ("What a day!", Wish(ending="meow"), "What a day meow"),
        ("What a day.", Wish(ending=", captain"), "What a day, captain"),
        ("好厉害。", Wish(beginning="哼，"), "哼，好厉害。"),
        ("What a day.", Wish(beginning="Ahoy!", ending="arr"), "Ahoy! What a day arr"),
    ],
)
def test_lines_begin_and_end_as_wished(line: str, wish: Wish, expected: str) -> None:
    assert with_affixes(line, wish) == expected
