"""What gives a word away that is only said later, and what does not."""

from __future__ import annotations

import pytest

from watchbuddy_core.placement.evidence import Evidence
from watchbuddy_core.video import Cue

LATER = 400.0


def said_later(*texts: str, known: tuple[str, ...] = (), phrases: tuple[str, ...] = ()) -> Evidence:
    """Of cues that follow each other, the first of which ends 400 s into the video."""
    cues = [
        Cue(start=LATER - 2.0 + 3 * i, end=LATER + 3 * i, text=text) for i, text in enumerate(texts)
    ]
    return Evidence(cues, known, phrases)


@pytest.mark.parametrize(
    "line",
    [
        "The zeppelin!",
        "THE ZEPPELIN!",
        "Zeppelins?",
        "the zeppelin’s shadow",
        "my superzeppelin",
        "Zeppelinesque.",
        "ze-ppe-lin",
        "z.e.p.p.e.l.i.n",
        "z e p p e l i n",
        "zep pelin",
        "zep—pelin",
        "z*pp*lin? No: zepp*elin.",
        "zep\u200bpe\u00adlin",
        "\ufb01ne zep\u2060pelin",
        "ｚｅｐｐｅｌｉｎ",
        "Zéppelïn",
        "ze\u0301ppelin",
    ],
)
def test_a_word_is_found_in_every_guise(line: str) -> None:
    assert said_later("A zeppelin came down.").of_text(line) == LATER * 1000


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("Two zeppelins.", "a zeppelin"),
        ("The wolves came.", "a wolf"),
        ("All the parties.", "a party"),
        ("They found matches.", "a match"),
        ("Many houses burnt.", "that house"),
        ("The butler's knife.", "butlers"),
        ("He met O'Brien.", "obrien? O’Brien!"),
        ("So Kim did it.", "I think KIM’s clever"),
        ("It was Bo, not Li Wei.", "bo"),
        ("The code is 7319.", "try 7,319"),
        ("The code is 7,319.", "７３１９"),
        ("It is R2D2.", "r2d2"),
        ("凶手是管家。", "管·家"),
        ("凶手是管家。", "管 家 喵"),
        ("犯人はﾔﾏﾀﾞ。", "ヤマダさん"),
        ("범인은 집사.", "집\u200b사"),
    ],
)
def test_a_form_of_a_word_is_that_word(said: str, line: str) -> None:
    assert said_later(said).is_foreign(line)


@pytest.mark.parametrize(
    ("cues", "line"),
    [
        (("It was the zep-", "pelin."), "Zeppelin!"),
        (("It was the zep", "pelin."), "Zeppelin!"),
        (("凶手就是那位管", "家。"), "管家"),
    ],
)
def test_a_word_that_two_cues_share_is_said_when_the_second_has_ended(
    cues: tuple[str, ...], line: str
) -> None:
    assert said_later(*cues).of_text(line) == (LATER + 3) * 1000


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("The art of war.", "Does the artist start with a heart?"),
        ("It was big. The Big One, he said.", "A big one!"),
        ("And he ran.", "And he sat."),
        ("In 12 seconds.", "12 seconds, and cut."),
        ("At 10:45.", "1045 times"),
        ("I stand here.", "Understanding takes time."),
        ("我们知道。", "我们不知道！"),
    ],
)
def test_what_is_no_rare_word_gives_nothing_away(said: str, line: str) -> None:
    assert said_later(said).of_text(line) == 0


def test_neighbours_in_a_line_are_not_what_two_cues_share() -> None:
    evidence = said_later("On the hill", "rabbits run.", known=("hill", "rabbits"))
    assert not evidence.is_foreign("The hill rabbits!")


def test_a_phrase_of_the_character_gives_nothing_away_but_what_fills_it_does() -> None:
    evidence = said_later("The pencil was the zeppelin.", phrases=("My pencil wrote: {word}.",))
    assert not evidence.is_foreign("My pencil wrote: banana.")
    assert not evidence.is_foreign("Oh, my pencil wrote: banana, meow")
    assert evidence.is_foreign("My pencil wrote: zeppelin.")
    assert evidence.is_foreign("My pencil wrote: pencil.")
    assert evidence.is_foreign("The pencil did it!")


def test_of_several_phrases_the_one_that_says_most_is_recognised() -> None:
    evidence = said_later("The pencil.", phrases=("{quote}!", "A pencil for {word}!", "{word}?"))
    assert not evidence.is_foreign("A pencil for bananas!")
