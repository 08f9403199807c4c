"""Quotes: whole sentences, shorter ones, single words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbuddy_core.generation.quoting import is_long, sentences, shortened, telling_word
from watchbuddy_core.video import Cue


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("It opens jars.", "It opens jars."),
        ("Have you ever wondered why you cannot tickle yourself?",
         "…wondered why you cannot tickle yourself?"),
        ("It weighs about three pounds, and it uses twenty percent of your energy.",
         "It weighs about three pounds…"),
        ("The answer is hidden in a part of the brain.", "The answer is hidden…"),
        ("后来修道院的僧侣把果子煮成了饮料", "后来修道院的僧侣…"),
        ("他的山羊吃了一种红色的果子之后 整夜不睡觉", "…整夜不睡觉"),
        ("那么 为什么我们会喜欢苦的东西呢？", "…会喜欢苦的东西呢？"),
        ("“Nested” «marks» go.", "Nested marks go."),
    ],
)  # fmt: skip
def test_quotes_are_cut_at_the_border_of_a_clause_or_a_word(text: str, quote: str) -> None:
    assert shortened(text) == quote


def test_a_long_quote_is_longer_and_known_as_such() -> None:
    text = "Your favourite childhood summer is a copy of a copy."
    short, long = shortened(text), shortened(text, allow_long=True)
    assert short is not None
    assert long is not None
    assert not is_long(short)
    assert is_long(long)


@pytest.mark.parametrize("text", ["", "...", "♪ ♪", "？！"])
def test_what_has_no_words_is_not_quoted(text: str) -> None:
    assert shortened(text) is None


@given(st.text(max_size=200), st.booleans())
def test_no_quote_is_long_unless_allowed(text: str, allow_long: bool) -> None:
    quote = shortened(text, allow_long=allow_long)
    if quote is not None:
        assert quote.strip("… ")
        assert allow_long or not is_long(quote)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("The answer is hidden in the cerebellum.", "cerebellum"),
        ("What is it?", None),
        ("今天我想跟大家聊聊咖啡的历史", "历史"),
        ("科学家给这种现象起了个名字 叫做良性自虐", "良性自虐"),
        ("听起来是不是很荒唐？", "荒唐"),
        ("一千多年前 埃塞俄比亚的牧羊人发现了一件怪事", None),
    ],
)
def test_one_word_is_told_where_it_can_be_told(text: str, word: str | None) -> None:
    assert telling_word(text) == word


def test_the_question_in_a_cue_is_what_is_quoted() -> None:
    cue = Cue(start=1.0, end=3.0, text="Why not? Who are you? I see.")
    (sentence,) = sentences((cue,), until=10.0)
    assert sentence.text == "Who are you?"


def test_a_sentence_goes_on_in_the_next_cue_but_not_for_ever() -> None:
    cues = tuple(
        Cue(start=2.0 * i, end=2.0 * i + 1.8, text=f"and then part number {i}") for i in range(6)
    )
    assert [s.cues for s in sentences(cues, until=60.0)] == [(0, 1, 2), (3, 4, 5)]


def test_nobody_knows_yet_how_an_open_sentence_ends() -> None:
    cue = Cue(start=1.0, end=3.0, text="Nobody expected the lighthouse")
    assert list(sentences((cue,), until=3.5)) == []
    assert len(list(sentences((cue,), until=4.5))) == 1


def test_another_speaker_begins_another_sentence() -> None:
    cues = (
        Cue(start=1.0, end=2.0, text="I only wanted", speaker="Ada"),
        Cue(start=2.1, end=3.0, text="what exactly", speaker="Bob"),
    )
    assert [s.speaker for s in sentences(cues, until=10.0)] == ["Ada", "Bob"]
