"""How long a line takes to say."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbuddy_core.speech import FASTEST, SLOWEST, Pace, spoken_seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0.5),
        ("Hello", 0.5 + 1 / 3),
        ("Hello, world!", 0.5 + 2 / 3 + 0.3),
        ("Wait... what?!", 0.5 + 2 / 3 + 0.3),
        ("It's 3.5 well-known", 0.5 + 3 / 3),
        ("你好", 0.5 + 2 / 4.3),
        ("你好，世界！", 0.5 + 4 / 4.3 + 0.3),
        ("これはペン", 0.5 + 5 / 6.5),
        ("日本へ", 0.5 + 2 / 4.3 + 1 / 6.5),
        ("안녕", 0.5 + 2 / 5),
        ("OK 没问题", 0.5 + 1 / 3 + 3 / 4.3),
        ("Привет, друг", 0.5 + 2 / 3 + 0.15),
    ],
)
def test_each_script_has_its_rate_and_each_clause_its_breath(text, expected):
    assert spoken_seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["😀🎉", "♪ ♥ ★", "～～", "❤️👨‍👩‍👧", "   \n", "_*_"])
def test_emoji_and_symbols_are_not_spoken(text):
    assert spoken_seconds(text) == 0.5


def test_a_composed_and_a_decomposed_letter_are_the_same():
    assert (
        spoken_seconds("cafe\u0301s") == spoken_seconds("caf\u00e9s") == pytest.approx(0.5 + 1 / 3)
    )


@given(st.text(), st.text())
def test_more_text_never_takes_less_time(one, other):
    assert 0.5 <= spoken_seconds(one) <= spoken_seconds(f"{one} {other}") + 1e-9


def test_a_pace_follows_the_voice():
    pace = Pace()
    for _ in range(20):
        pace = pace.corrected_by(2.0, 3.0)
    assert pace.factor == pytest.approx(1.5, abs=0.01)
    assert pace.seconds("Hello") == pytest.approx(spoken_seconds("Hello") * pace.factor)


def test_one_measurement_weighs_a_quarter():
    assert Pace().corrected_by(2.0, 2.8).factor == pytest.approx(1.1)


def test_an_outlier_counts_no_more_than_the_slowest_voice():
    assert Pace().corrected_by(1.0, 600.0) == Pace().corrected_by(1.0, SLOWEST)
    assert Pace().corrected_by(1.0, 0.0) == Pace().corrected_by(1.0, FASTEST)


@given(st.lists(st.tuples(st.floats(1e-3, 1e6), st.floats(0, 1e6))))
def test_a_pace_stays_within_its_bounds(measurements):
    pace = Pace()
    for estimated, measured in measurements:
        pace = pace.corrected_by(estimated, measured)
        assert FASTEST <= pace.factor <= SLOWEST


@pytest.mark.parametrize(
    ("estimated", "measured"), [(0, 1), (-1, 1), (1, -1), (1, math.nan), (math.inf, 1)]
)
def test_what_is_no_length_is_refused(estimated, measured):
    with pytest.raises(ValueError, match="No lengths"):
        Pace().corrected_by(estimated, measured)


@pytest.mark.parametrize("factor", [0.59, 1.81, math.nan])
def test_a_pace_out_of_bounds_cannot_be_made(factor):
    with pytest.raises(ValueError, match="A pace lies between"):
        Pace(factor)
