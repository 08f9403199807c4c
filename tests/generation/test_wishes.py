"""What rules can read of a viewer's wish."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbuddy_core.generation.wishes import LONGEST_AFFIX, Wish, read_wish

API_EXAMPLE = "你是个可爱的猫娘，你说的每句话都会以 “喵～～” 结尾"


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        (API_EXAMPLE, "喵～～"),
        ("你说的每句话要以『哼』结束", "哼"),
        ("每句话结尾加上“汪”", "汪"),
        ("每句话结尾加上喵", "喵"),
        ("每句话后面加个喵字", "喵"),
        ("请在每句话的末尾加上「のだ」", "のだ"),
        ("句尾带“捏”", "捏"),
        ("把“喵”放在每句话的结尾", "喵"),
        ("说话末尾都带上“的说”", "的说"),
        ("说话要带喵", "喵"),
        ("口癖是“喵呜”", "喵呜"),
        ("以喵结尾", "喵"),
        ("请以'desu'收尾", "desu"),
        ("特别喜欢你，每句都用“哦”收尾", "哦"),
        ("以“甲”开头以“乙”结尾", "乙"),
        ("每句话以“喵”结尾，不对，以“汪”结尾", "汪"),
        ("End every sentence with 'meow'", "meow"),
        ('End each of your lines with "nya~"!', "nya~"),
        ("please end each line with “, captain”", ", captain"),
        ('every sentence ends with "nya~"', "nya~"),
        ("each line should finish with, 'meow'", "meow"),
        ("every sentence must end in meow", "meow"),
        ("Please end all your sentences with meow and speak English", "meow"),
        ("Finish every line with a purr.", "purr"),
        ('add "desu" to the end of every sentence', "desu"),
        ("say meow after every sentence", "meow"),
        ('start with "A" and end with "B"', "B"),
        ('Everything you say should end with "uwu"', "uwu"),
        ("不要以“喵”结尾", ""),
        ("don't end every line with 'meow'", ""),
        ("最后讲讲导演", ""),
        ("每句话都以“这一句实在是太长太长太长太长了谁也不想听完”结尾", ""),
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
        ('用"本喵"开头，以喵~结尾', "本喵"),
        ("start every line with Ahoy,", "Ahoy"),
        ("Begin each sentence with 'Well,'", "Well,"),
        ("put 'Well,' before every line", "Well,"),
        ('start with "A" and end with "B"', "A"),
        ('play the "Yesterday" song when the video starts', ""),
        ("“主人公”的故事从哪里开始", ""),
        ("前面讲得太快", ""),
    ],
)
def test_how_lines_are_to_begin(text: str, beginning: str) -> None:
    assert read_wish(text).beginning == beginning


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("in English please", "en"),
        ("reply in English please", "en"),
        ("English please", "en"),
        ("用英文", "en"),
        ("请用英语回答", "en"),
        ("说中文", "zh"),
        ("speak Chinese", "zh"),
        ("reply in Mandarin", "zh"),
        ("请用日语", "ja"),
        (API_EXAMPLE, None),
        ("I love English breakfast tea", None),
        ("", None),
    ],
)
def test_which_language_is_asked_for(text: str, language: str | None) -> None:
    assert read_wish(text).language == language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (API_EXAMPLE, "zh"),
        ("喵喵", "zh"),
        ("End every sentence with '喵～～'", "en"),
        ("每句话都以“meow meow meow”结尾", "zh"),
        ("meow", None),
        ("", None),
        ("!!!", None),
    ],
)
def test_which_language_it_is_written_in(text: str, language: str | None) -> None:
    assert read_wish(text).written_in == language


@pytest.mark.parametrize(
    ("text", "unfulfilled"),
    [
        (API_EXAMPLE, ("你是个可爱的猫娘",)),
        ("每句话都以“喵”结尾，谢谢", ()),
        ("talk like a pirate", ("talk like a pirate",)),
        ("Please end all your sentences with meow and speak English", ()),
        (
            'You are a grumpy pirate. End every line with "arr". Talk about the director.',
            ("You are a grumpy pirate", "Talk about the director"),
        ),
        ('explain what "mise en scene" is', ('explain what "mise en scene" is',)),
        ("", ()),
    ],
)
def test_what_is_left_over_is_kept_in_the_viewers_words(
    text: str, unfulfilled: tuple[str, ...]
) -> None:
    assert read_wish(text).unfulfilled == unfulfilled


@pytest.mark.parametrize(
    ("wish", "line", "expected"),
    [
        (Wish(ending="喵～～"), "好厉害！", "好厉害喵～～"),
        (Wish(ending="喵～～"), "“你是谁？”……", "“你是谁？”喵～～"),
        (Wish(ending="喵"), "我也要喵！", "我也要喵"),
        (Wish(ending="meow"), "What a day!", "What a day, meow"),
        (Wish(ending="meow"), "好厉害。", "好厉害 meow"),
        (Wish(ending=", captain"), "What a day.", "What a day, captain"),
        (Wish(beginning="哼"), "好厉害。", "哼，好厉害。"),
        (Wish(beginning="哼，"), "好厉害。", "哼，好厉害。"),
        (Wish(beginning="Ahoy"), "What a day.", "Ahoy, What a day."),
        (Wish(beginning="Ahoy!", ending="arr"), "What a day.", "Ahoy! What a day, arr"),
        (Wish(), "What a day.", "What a day."),
    ],
)
def test_lines_begin_and_end_as_wished(wish: Wish, line: str, expected: str) -> None:
    assert wish.applied(line) == expected


@given(st.text(max_size=300))
def test_any_text_can_be_read_and_affixes_stay_short(text: str) -> None:
    wish = read_wish(text)
    assert len(wish.ending) <= LONGEST_AFFIX
    assert len(wish.beginning) <= LONGEST_AFFIX
    assert wish.ending.isprintable()
    assert all(wish.unfulfilled)


@given(
    st.text("喵～!, a“", min_size=1, max_size=8).filter(lambda text: text.strip()),
    st.text(min_size=1, max_size=60),
)
def test_every_line_ends_with_what_was_wished_for(ending: str, line: str) -> None:
    assert Wish(ending=ending).applied(line).endswith(ending)


@pytest.mark.parametrize(
    ("text", "unwanted", "wanted"),
    [
        ("你不要用英文", "en", None),
        ("以后别讲英语了", "en", None),
        ("别总是用英文说话", "en", None),
        ("用中文，不要用英文", "en", "zh"),
        ("Please don't speak Chinese", "zh", None),
        ("no English please", "en", None),
        ("not in Chinese", "zh", None),
        ("I don't speak Chinese, use English", "zh", "en"),
    ],
)
def test_a_language_that_is_refused_is_not_asked_for(text, unwanted, wanted):
    wish = read_wish(text)
    assert list(wish.unwanted_languages) == [unwanted]
    assert wish.language == wanted
