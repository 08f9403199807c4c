"""The companion without a model, over made-up films of twenty minutes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from watchbuddy_core.actions import (
    Draft,
    EndReaction,
    Expression,
    PauseVideo,
    ReplaySegment,
    Speak,
)
from watchbuddy_core.character import Character, MomentKind, Phrase
from watchbuddy_core.generation.offline import OfflineGenerator
from watchbuddy_core.protocols import ActionGenerator, Brief, Spoken, WishReader
from watchbuddy_core.video import Chapter, Cue, Scene, Sound, Understanding

LENGTH = 1200.0
API_EXAMPLE = "你是个可爱的猫娘，你说的每句话都会以 “喵～～” 结尾"

Briefs = Callable[..., list[Brief]]
DraftsOf = Callable[[Brief], list[Draft]]
Script = Callable[..., list[Draft]]


def lines(drafts: list[Draft]) -> list[Speak]:
    return [draft.action for draft in drafts if isinstance(draft.action, Speak)]


def plain(drafts: list[Draft]) -> list[dict[str, object]]:
    """Drafts without the ids, which mean nothing."""
    return [draft.model_dump(exclude={"action": {"id"}}) for draft in drafts]


def pattern_of(phrase: Phrase) -> re.Pattern[str]:
    parts = re.split(r"\{\w+\}", phrase.text)
    return re.compile(".+?".join(re.escape(part) for part in parts), re.IGNORECASE)


def is_slotless(line: str, character: Character) -> bool:
    return any(
        phrase.text == line
        for by_moment in character.phrases.values()
        for phrases in by_moment.values()
        for phrase in phrases
    )


# --- what holds for every film ---------------------------------------------------------


def test_it_is_a_generator_and_reads_wishes() -> None:
    assert isinstance(OfflineGenerator(), ActionGenerator)
    assert isinstance(OfflineGenerator(), WishReader)


def test_the_same_film_gives_the_same_script(
    film: Understanding, script: Script, briefs: Briefs, drafts_of: DraftsOf
) -> None:
    again = [draft for brief in briefs(film) for draft in drafts_of(brief)]
    assert plain(again) == plain(script(film))


@pytest.mark.parametrize(
    "grid",
    [(0.0, LENGTH), (0.0, 31.7, 33.0, 400.25, LENGTH), tuple(24.0 * i for i in range(51))],
    ids=["one", "uneven", "many"],
)
def test_the_script_does_not_depend_on_how_the_range_is_cut_into_windows(
    film: Understanding, script: Script, grid: tuple[float, ...]
) -> None:
    """Only so can a window know, without being told, what the others have used up."""
    assert plain(script(film, grid=grid)) == plain(script(film))


def test_nothing_is_drafted_outside_its_window_or_before_its_evidence(
    film: Understanding, briefs: Briefs, drafts_of: DraftsOf
) -> None:
    for brief in briefs(film):
        for draft in drafts_of(brief):
            trigger = draft.action.trigger_timestamp
            assert brief.window.start <= trigger < brief.window.end
            assert trigger <= LENGTH - 1.0
            assert draft.evidence_until is not None
            assert draft.evidence_until <= trigger
            for cue in draft.cues:
                assert brief.understanding.cues[cue].end <= trigger


def test_twenty_minutes_repeat_no_line(film: Understanding, script: Script) -> None:
    for wish in ("in English", "说中文"):
        said = [line.text for line in lines(script(film, wish))]
        assert len(set(said)) == len(said)


def test_no_phrase_comes_again_while_a_fresh_one_fits(
    films: dict[str, Understanding], script: Script, miao: Character
) -> None:
    """Every phrase about the time can be said at any lull after two minutes."""
    said = [d for d in script(films["nothing at all"]) if isinstance(d.action, Speak)]
    lulls = [d.action.text for d in said if d.action.comment.startswith("nothing of note")]
    patterns = [pattern_of(p) for p in miao.phrases["zh"][MomentKind.LULL]]
    used = Counter(p.pattern for text in lulls for p in patterns if p.fullmatch(text))
    assert len(lulls) >= 15
    assert set(used.values()) == {1}


def test_at_most_one_line_in_four_would_fit_anywhere(
    film: Understanding, script: Script, miao: Character
) -> None:
    for wish in ("in English", "说中文"):
        said = [line.text for line in lines(script(film, wish))]
        assert sum(is_slotless(text, miao) for text in said) <= len(said) / 4


def test_a_long_quote_comes_at_most_once_a_minute(film: Understanding, script: Script) -> None:
    long: list[float] = []
    for line in lines(script(film)):
        for quote in re.findall("“([^”]*)”", line.text):
            han = len(re.findall("[\u4e00-\u9fff]", quote))
            words = len(re.sub("[\u4e00-\u9fff]", " ", quote).split())
            if han > 12 or words > 6:
                long.append(line.trigger_timestamp)
    assert all(b - a >= 60 for a, b in pairwise(long))


def test_there_is_more_than_will_be_placed_but_not_without_end(
    film: Understanding, script: Script
) -> None:
    said = [line.trigger_timestamp for line in lines(script(film))]
    assert len(said) >= 20
    # The goodbye comes where there is room for it before the end: placement drops what is near.
    assert all(b - a > 0.4 for a, b in pairwise(said[:-1]))
    assert all(sum(t <= other < t + 60 for other in said) <= 9 for t in said)


def test_the_best_moments_stand_out(films: dict[str, Understanding], script: Script) -> None:
    """Thinning to a line or two a minute has to have something to go by."""
    for name in ("an English talk", "a Chinese talk", "an action film", "a silent film"):
        weights = [d.importance for d in script(films[name]) if isinstance(d.action, Speak)]
        assert max(weights) - min(weights) > 0.3
        assert len(set(weights)) > len(weights) / 2


def test_faces_come_with_most_lines(film: Understanding, script: Script) -> None:
    drafts = script(film)
    faces = {d.action.trigger_timestamp for d in drafts if isinstance(d.action, Expression)}
    said = lines(drafts)
    assert sum(line.trigger_timestamp in faces for line in said) >= 0.9 * len(said)


def test_every_action_says_why_it_is_there(film: Understanding, script: Script) -> None:
    assert all(draft.action.comment for draft in script(film))


def test_it_says_goodbye_and_leaves_once_at_the_end(film: Understanding, script: Script) -> None:
    drafts = script(film)
    assert isinstance(drafts[-1].action, EndReaction)
    assert sum(isinstance(draft.action, EndReaction) for draft in drafts) == 1
    goodbye = lines(drafts)[-1]
    assert LENGTH - 14 < goodbye.trigger_timestamp < drafts[-1].action.trigger_timestamp


# --- single moments --------------------------------------------------------------------


def film_of(*, cues: tuple[Cue, ...] = (), sounds: tuple[Sound, ...] = ()) -> Understanding:
    return Understanding(start=0.0, end=60.0, cues=cues, sounds=sounds)


def test_a_question_is_quoted_after_it_has_ended(script: Script) -> None:
    film = film_of(cues=(Cue(start=10.0, end=12.0, text="Where is the lighthouse keeper?"),))
    (draft,) = [d for d in script(film, "in English", grid=(0.0, 60.0)) if d.cues and lines([d])]
    assert draft.action.comment == "a question ended at 0:12"
    assert draft.evidence_until == 12.0
    assert 12.0 < draft.action.trigger_timestamp < 13.0
    assert re.search("lighthouse|keeper", lines([draft])[0].text)


def test_a_sentence_is_quoted_whole_though_subtitles_cut_it(script: Script) -> None:
    film = film_of(
        cues=(
            Cue(start=10.0, end=12.0, text="Nobody had told the old keeper"),
            Cue(start=12.1, end=14.0, text="that the harbour was closed?"),
        )
    )
    (draft,) = [d for d in script(film, "in English", grid=(0.0, 60.0)) if d.cues and lines([d])]
    assert draft.cues == (0, 1)
    assert draft.evidence_until == 14.0


def test_a_burst_after_calm_is_met_at_once(script: Script) -> None:
    film = film_of(sounds=(Sound(kind="loud", start=20.0, end=22.0, level=10.0),))
    (draft,) = [
        d
        for d in script(film, grid=(0.0, 60.0))
        if d.action.comment == "it got loud at 0:20" and lines([d])
    ]
    assert 20.3 <= draft.action.trigger_timestamp <= 21.0
    assert draft.evidence_until == 20.3


@pytest.mark.parametrize("cut", [199.9, 200.0, 200.3])
def test_a_chapter_is_told_by_its_name_though_it_begins_with_a_cut(
    script: Script, cut: float
) -> None:
    film = Understanding(
        start=0.0,
        end=400.0,
        scenes=(
            Scene(start=0.0, end=cut, change=0.0, motion=0.6),
            Scene(start=cut, end=400.0, change=0.9, motion=0.6),
        ),
        chapters=(Chapter(start=200.0, end=400.0, title="The Storm"),),
    )
    assert any("The Storm" in line.text for line in lines(script(film, grid=(0.0, 400.0))))


def test_a_replay_shows_what_was_just_seen_and_comes_now_and_then(
    films: dict[str, Understanding], script: Script
) -> None:
    drafts = script(films["an action film"])
    replays = [d.action for d in drafts if isinstance(d.action, ReplaySegment)]
    assert 2 <= len(replays) <= LENGTH / 300 + 1
    said = {line.trigger_timestamp for line in lines(drafts)}
    for replay in replays:
        assert 2 <= replay.end_timestamp - replay.start_timestamp <= 6
        assert replay.end_timestamp < replay.trigger_timestamp < replay.end_timestamp + 10
        assert replay.trigger_timestamp in said
    assert all(b.trigger_timestamp - a.trigger_timestamp >= 300 for a, b in pairwise(replays))


def test_a_deep_silence_stops_the_video_now_and_then(
    films: dict[str, Understanding], script: Script
) -> None:
    drafts = script(films["an action film"])
    stops = [d.action for d in drafts if isinstance(d.action, PauseVideo)]
    assert 1 <= len(stops) <= LENGTH / 240 + 1
    assert all(1.5 <= stop.duration_seconds <= 3 for stop in stops)


def test_lines_stop_the_video_only_where_the_phrase_says_so(
    films: dict[str, Understanding], script: Script, miao: Character
) -> None:
    pausing = [
        pattern_of(phrase)
        for phrases in miao.phrases["en"].values()
        for phrase in phrases
        if phrase.pause
    ]
    stopped = [line.text for line in lines(script(films["an English talk"])) if line.pause_video]
    assert stopped
    assert all(any(p.fullmatch(text) for p in pausing) for text in stopped)


@pytest.mark.parametrize("length", [1.0, 2.0, 8.0, 13.0, 30.0])
def test_short_ranges_keep_their_times_in_range(script: Script, length: float) -> None:
    drafts = script(film_of(), grid=(0.0, length))
    assert all(0 <= d.action.trigger_timestamp <= max(length - 1, 0) for d in drafts)
    assert sum(isinstance(d.action, EndReaction) for d in drafts) == (length > 1.05)


def test_a_range_in_the_middle_begins_and_ends_with_itself(
    films: dict[str, Understanding], script: Script
) -> None:
    film = films["an English talk"].model_copy(update={"start": 300.0})
    drafts = script(film, grid=(300.0, 345.0, 420.0))
    assert lines(drafts)[0].trigger_timestamp == pytest.approx(301.2)
    assert drafts[-1].action.trigger_timestamp == pytest.approx(418.95)


# --- language, wishes, memory ----------------------------------------------------------


def is_chinese(text: str) -> bool:
    return bool(re.search("[\u4e00-\u9fff]", re.sub("“[^”]*”|《[^》]*》", "", text)))


@pytest.mark.parametrize(
    ("name", "wish", "chinese"),
    [
        ("an English talk", "", False),
        ("a Chinese talk", "", True),
        ("nothing at all", "", True),
        ("an English talk", "说中文", True),
        ("a Chinese talk", "reply in English please", False),
        ("a Chinese talk", "speak Japanese", True),
        ("an English talk", "每句话都以“喵”结尾", True),
        ("a Chinese talk", "End every line with 'meow'", False),
    ],
)
def test_it_speaks_the_language_asked_for_or_the_viewers_or_the_videos(
    films: dict[str, Understanding], script: Script, name: str, wish: str, chinese: bool
) -> None:
    said = lines(script(films[name], wish))
    assert said
    assert all(is_chinese(line.text) is chinese for line in said)


@pytest.mark.parametrize(
    ("name", "wish", "language", "chinese"),
    [
        ("an English talk", "", "zh", True),
        ("a Chinese talk", "", "en", False),
        ("nothing at all", "", "en", False),
        ("a Chinese talk", "说中文", "en", True),
        ("an English talk", "", "fr", False),
    ],
)
def test_what_the_viewer_speaks_goes_before_the_video_and_behind_the_wish(
    films: dict[str, Understanding],
    script: Script,
    name: str,
    wish: str,
    language: str,
    chinese: bool,
) -> None:
    said = lines(script(films[name], wish, language=language))
    assert said
    assert all(is_chinese(line.text) is chinese for line in said)


def test_every_line_ends_as_the_api_document_wishes(film: Understanding, script: Script) -> None:
    said = lines(script(film, API_EXAMPLE))
    assert said
    assert all(re.search("[^。！？…，喵]喵～～$", line.text) for line in said)


def test_every_line_begins_as_wished(film: Understanding, script: Script) -> None:
    assert all(line.text.startswith("哼，") for line in lines(script(film, "每句话以『哼』开头")))


def test_what_it_cannot_follow_it_says_in_the_viewers_language(miao: Character) -> None:
    generator = OfflineGenerator()
    owl = Character(id="owl", name={"en": "Owl"})
    (note,) = generator.notes(API_EXAMPLE, owl)
    assert "你是个可爱的猫娘" in note
    assert "喵～～" not in note
    (note,) = generator.notes("talk like a pirate, and tell me who directed it", miao)
    assert note.startswith("Without a language model")
    assert "talk like a pirate" in note
    (note,) = generator.notes("请用日语解说", miao)
    assert "用日语解说" in note


@pytest.mark.parametrize("wish", ["", "每句话以“喵”结尾", "in English", API_EXAMPLE])
def test_what_it_can_follow_it_does_not_talk_about(miao: Character, wish: str) -> None:
    """A cat girl has nothing to say to the wish that she be one."""
    assert OfflineGenerator().notes(wish, miao) == ()


def test_a_note_stays_short_however_long_the_wish_is(miao: Character) -> None:
    (note,) = OfflineGenerator().notes("tell me more about the castle, " * 120, miao)
    assert len(note) < 500


def test_lines_that_were_just_said_are_not_said_again(
    films: dict[str, Understanding], briefs: Briefs, drafts_of: DraftsOf
) -> None:
    first, *_ = briefs(films["nothing at all"])
    opening = lines(drafts_of(first))[0]
    just_said = (Spoken(trigger_timestamp=0.0, text=opening.text),)
    again = lines(drafts_of(replace(first, last_lines=just_said)))
    assert again
    assert opening.text not in [line.text for line in again]


def test_a_character_without_phrases_makes_faces_and_leaves(
    films: dict[str, Understanding], script: Script
) -> None:
    mute = Character(id="mute", name={"en": "Mute"})
    drafts = script(films["an English talk"], character=mute)
    assert not lines(drafts)
    assert any(isinstance(draft.action, Expression) for draft in drafts)
    assert isinstance(drafts[-1].action, EndReaction)


def test_a_character_without_slots_is_taken_at_its_word(
    films: dict[str, Understanding], script: Script
) -> None:
    phrases = tuple(Phrase(text=f"Hoo number {i}.") for i in range(50))
    owl = Character(id="owl", name={"en": "Owl"}, phrases={"en": {MomentKind.QUESTION: phrases}})
    assert len(lines(script(films["an English talk"], character=owl))) > 10


# --- a viewer who leaps ahead --------------------------------------------------------------


def test_where_the_viewer_leapt_to_it_begins_anew_and_repeats_nothing(
    film: Understanding,
    briefs: Callable[..., list[Brief]],
    drafts_of: Callable[[Brief], list[Draft]],
) -> None:
    all_briefs = briefs(film)
    first = [draft for brief in all_briefs[:3] for draft in drafts_of(brief)]
    said = tuple(draft.action.text for draft in first if isinstance(draft.action, Speak))
    brief = all_briefs[6]
    stretch = brief.understanding.model_copy(
        update={
            "start": brief.window.start,
            "scenes": tuple(s for s in brief.understanding.scenes if s.start >= brief.window.start),
            "sounds": tuple(s for s in brief.understanding.sounds if s.start >= brief.window.start),
        }
    )
    leapt = drafts_of(replace(brief, understanding=stretch, said=said))
    lines_there = [d.action.text for d in leapt if isinstance(d.action, Speak)]
    assert lines_there
    assert not set(lines_there) & set(said)
    assert not any("beginning" in draft.action.comment for draft in leapt)
    assert all(draft.action.trigger_timestamp >= brief.window.start for draft in leapt)


def test_a_phrase_that_was_used_elsewhere_is_not_fresh(
    miao: Character,
    films: dict[str, Understanding],
    briefs: Callable[..., list[Brief]],
    drafts_of: Callable[[Brief], list[Draft]],
) -> None:
    brief = briefs(films["an action film"], wish="end every line with “nya”")[0]
    once = [d.action.text for d in drafts_of(brief) if isinstance(d.action, Speak)]
    again = [
        d.action.text
        for d in drafts_of(replace(brief, said=tuple(once)))
        if isinstance(d.action, Speak)
    ]
    assert once
    assert all(text.endswith("nya") for text in once)
    assert not set(again) & set(once)
