"""The rules, over dialogue and scripts of every shape, ten times denser than allowed.

What is checked here is read off the placed script alone, with plain loops over
milliseconds: nothing of what placement itself remembers.
"""

from __future__ import annotations

import re
from itertools import combinations, pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchbuddy_core.actions import (
    Action,
    Density,
    Draft,
    Emotion,
    EndReaction,
    Expression,
    PauseVideo,
    ReplaySegment,
    Seek,
    Speak,
)
from watchbuddy_core.speech import Pace
from watchbuddy_core.video import Cue

RANGE_END = 600.0
WORDS = ("parrot", "zeppelin", "lantern", "管家", "凶手", "窗帘", "violin", "glacier")
OPENINGS = ("See", "Oh", "My", "So", "Ah", "他", "你看")

LINES = {"muted": (0, 60), "quiet": (1, 40), "normal": (3, 60), "chatty": (5, 60)}
FACES = {"muted": (3, 60), "quiet": (3, 60), "normal": (5, 60), "chatty": (8, 60)}
LONE_FACES = {"muted": (3, 60), "quiet": (1, 60), "normal": (1, 40), "chatty": (1, 20)}
PAUSES = {"muted": (0, 60), "quiet": (1, 180), "normal": (1, 90), "chatty": (1, 45)}
PAUSED_SECONDS = {"muted": 0, "quiet": 8, "normal": 10, "chatty": 12}
GAP = {"muted": 8, "quiet": 8, "normal": 4, "chatty": 2}
SHARE = {"muted": 0, "quiet": 0.25, "normal": 0.35, "chatty": 0.5}

densities = st.sampled_from(["muted", "quiet", "normal", "chatty"])
paces = st.sampled_from([0.6, 1.0, 1.45]).map(Pace)
thorough = settings(max_examples=60, deadline=None, derandomize=True)


def ms(seconds: float) -> int:
    return round(seconds * 1000)


def some_dialogue(random: Random) -> tuple[Cue, ...]:
    """Cues that follow, touch or overlap each other; some only name a sound."""
    time, cues = 0.0, []
    gaps = random.sample([-0.5, 0.0, 0.04, 0.9, 2.7, 6.0, 25.0], 3)
    for _ in range(random.choice([0, 5, 150])):
        start = max(0.0, time + random.choice(gaps))
        time = start + random.choice([0.3, 1.2, 2.0, 4.0, 7.5])
        text = random.choice(["Mm, ", "What? ", "嗯，"]) + random.choice([*WORDS, "", ""])
        cues.append(Cue(start=start, end=time, text="" if random.random() < 0.1 else text))
    return tuple(sorted(cues, key=lambda cue: cue.start))


def some_action(random: Random, trigger: float) -> Action:
    kinds = ["line"] * 6 + ["face"] * 3 + ["pause", "seek", "replay", "end"]
    match random.choice(kinds):
        case "line":
            text = f"{random.choice(OPENINGS)} {random.randrange(100)}"
            text += " la" * random.choice([1, 2, 4, 12, 30])
            text += random.choice(["", "", *(f" {word}!" for word in WORDS)])
            return Speak(trigger_timestamp=trigger, text=text, pause_video=random.random() < 0.3)
        case "face":
            return Expression(trigger_timestamp=trigger, emotion=Emotion.JOY)
        case "pause":
            length = random.choice([1.0, 7.9, 11.0, 500.0])
            return PauseVideo(trigger_timestamp=trigger, duration_seconds=length)
        case "seek":
            return Seek(trigger_timestamp=trigger, target_timestamp=random.uniform(0, 700))
        case "replay":
            start = max(0.0, trigger - random.uniform(0, 40))
            return ReplaySegment(
                trigger_timestamp=trigger,
                start_timestamp=start,
                end_timestamp=start + random.uniform(0, 35),
            )
        case _:
            return EndReaction(trigger_timestamp=trigger)


def some_draft(random: Random, cues: tuple[Cue, ...]) -> Draft:
    trigger = random.choice([random.uniform(0, RANGE_END), 15.0 * random.randrange(40)])
    claim = max(0.0, trigger + random.uniform(-5, 5))
    return Draft(
        action=some_action(random, trigger),
        evidence_until=random.choice([None, claim]),
        importance=random.choice([0.1, 0.5, 0.9]),
        cues=random.choice([(), (random.randrange(len(cues) + 1),)]),
    )


@st.composite
def evenings(draw: st.DrawFn) -> tuple[tuple[Cue, ...], list[Draft]]:
    """A video's cues, and, mostly, far more drafts than ten minutes can hold.

    Made from a seed: drawn one by one, hundreds of drafts take longer than placing them.
    """
    random = Random(draw(st.integers(0, 1 << 32)))
    cues = some_dialogue(random)
    return cues, [some_draft(random, cues) for _ in range(draw(st.sampled_from([2, 20, 400])))]


def of(script: list[Action], *kinds: type) -> list[Action]:
    return [action for action in script if isinstance(action, kinds)]


def spoken(script: list[Action], pace: Pace) -> list[tuple[int, int]]:
    """From when to when each line is spoken, in media time."""
    return sorted(
        (start, start + (0 if line.pause_video else round(pace.seconds(line.text) * 1000)))
        for line in of(script, Speak)
        for start in [ms(line.trigger_timestamp)]
    )


def pauses(script: list[Action], pace: Pace) -> list[tuple[int, float]]:
    """When the video pauses, and for how many seconds."""
    return sorted(
        [(ms(a.trigger_timestamp), a.duration_seconds) for a in of(script, PauseVideo)]
        + [
            (ms(line.trigger_timestamp), pace.seconds(line.text))
            for line in of(script, Speak)
            if line.pause_video
        ]
    )


def most_within(times: list[int], span_seconds: float) -> int:
    return max((sum(t <= u < t + ms(span_seconds) for u in times) for t in times), default=0)


def drafted_for(action: Action, all_drafts: list[Draft]) -> list[Draft]:
    """The drafts that the action may stem from."""

    def essence(action: Action) -> dict[str, object]:
        return action.model_dump(exclude={"id", "trigger_timestamp", "pause_video"})

    return [d for d in all_drafts if essence(d.action) == essence(action)]


@thorough
@given(evenings(), densities, paces)
def test_lines_never_overlap_and_keep_their_distance(show, evening, density, pace):
    cues, all_drafts = evening
    script, _ = show.but(cues=cues, density=density, pace=pace).place_all(all_drafts)
    lines = spoken(script, pace)
    for (_, end), (start, _) in pairwise(lines):
        assert start - end >= ms(GAP[density]) - 1


@thorough
@given(evenings(), densities, paces)
def test_the_density_holds_in_every_span_of_time(show, evening, density: Density, pace):
    cues, all_drafts = evening
    script, _ = show.but(cues=cues, density=density, pace=pace).place_all(all_drafts)

    for kind, (count, span) in ((Speak, LINES[density]), (Expression, FACES[density])):
        times = [ms(action.trigger_timestamp) for action in of(script, kind)]
        assert most_within(times, span) <= count

    count, span = LONE_FACES[density]
    begins = {action.trigger_timestamp for action in of(script, Speak)}
    faces = [face.trigger_timestamp for face in of(script, Expression)]
    assert most_within([ms(at) for at in faces if at not in begins], span) <= count

    count, span = PAUSES[density]
    times = [time for time, _ in pauses(script, pace)]
    assert most_within(times, span) <= count
    assert all(length <= PAUSED_SECONDS[density] for _, length in pauses(script, pace))

    lines = spoken(script, pace)
    for begin in {start for start, _ in lines} | {end - 60_000 for _, end in lines}:
        talk = sum(max(0, min(b, begin + 60_000) - max(a, begin)) for a, b in lines)
        assert talk <= SHARE[density] * 60_000 + len(lines)


@thorough
@given(evenings(), densities)
def test_jumps_are_few_and_land_well(show, evening, density):
    cues, all_drafts = evening
    script, _ = show.but(cues=cues, density=density).place_all(all_drafts)
    jumps = of(script, Seek, ReplaySegment)
    assert len(jumps) <= (0 if density == "muted" else 3)
    for one, other in combinations(jumps, 2):
        assert abs(one.trigger_timestamp - other.trigger_timestamp) >= 300
    for jump in jumps:
        now = jump.trigger_timestamp
        if isinstance(jump, Seek):
            assert 0 <= jump.target_timestamp < now - 1
        else:
            assert 0 <= jump.start_timestamp < min(jump.end_timestamp, now - 1)
            assert jump.end_timestamp <= now + 0.5
            assert jump.end_timestamp - jump.start_timestamp <= 30 + 1e-9


@thorough
@given(evenings(), paces)
def test_next_to_no_dialogue_is_talked_over(show, evening, pace):
    """At most a twentieth is asked for. Nothing at all is talked over."""
    cues, all_drafts = evening
    script, _ = show.but(cues=cues, pace=pace).place_all(all_drafts)
    said = [(ms(cue.start), ms(cue.end)) for cue in cues if cue.text]
    talked_over = sum(
        max(0, min(end, cue_end) - max(start, cue_start))
        for start, end in spoken(script, pace)
        for cue_start, cue_end in said
    )
    assert talked_over <= 0.05 * sum(end - start for start, end in said)
    assert talked_over == 0


@thorough
@given(evenings(), densities)
def test_nothing_happens_before_its_evidence_nor_long_after_its_draft(show, evening, density):
    cues, all_drafts = evening
    script, _ = show.but(cues=cues, density=density).place_all(all_drafts)
    for action in script:
        if isinstance(action, EndReaction):
            continue
        now = action.trigger_timestamp
        assert any(
            now - 3.0005 <= draft.action.trigger_timestamp <= now
            and (draft.evidence_until or 0.0) <= now
            and all(cues[i].end <= now for i in draft.cues if i < len(cues))
            for draft in drafted_for(action, all_drafts)
        )


@thorough
@given(evenings(), densities)
def test_a_rare_word_is_never_said_before_the_cue_that_brings_it(show, evening, density):
    cues, all_drafts = evening
    script, _ = show.but(cues=cues, density=density).place_all(all_drafts)
    for line in of(script, Speak):
        for word in re.findall("|".join(WORDS), line.text):
            ends = [cue.end for cue in cues if word in cue.text]
            assert not ends or min(ends) <= line.trigger_timestamp


@thorough
@given(evenings(), densities)
def test_every_draft_is_placed_or_dropped(show, evening, density):
    cues, all_drafts = evening
    script, placements = show.but(cues=cues, density=density).place_all(all_drafts)
    in_a_window = [d for d in all_drafts if d.action.trigger_timestamp < RANGE_END]
    assert len(script) + sum(len(p.dropped) for p in placements) == len(in_a_window)
    assert len({action.id for action in script}) == len(script)


@thorough
@given(evenings(), densities)
def test_actions_are_in_range_in_order_and_end_with_the_farewell(show, evening, density):
    cues, all_drafts = evening
    script, placements = show.but(cues=cues, density=density).place_all(all_drafts)
    for placement in placements:
        times = [action.trigger_timestamp for action in placement.actions]
        assert times == sorted(times)
    for action in script:
        assert 0 <= action.trigger_timestamp <= RANGE_END - 1
        assert action.trigger_timestamp == round(action.trigger_timestamp, 3)
    assert not of(script[:-1], EndReaction)


@thorough
@given(evenings(), densities, st.integers(0, 1 << 32))
def test_the_same_drafts_make_the_same_script_in_whatever_order_they_come(
    show, evening, density, seed
):
    """But for drafts that time and importance leave equal: of these the first is first."""
    cues, all_drafts = evening
    show = show.but(cues=cues, density=density)
    distinct = list({(d.importance, d.action.trigger_timestamp): d for d in all_drafts}.values())
    shuffled = Random(seed).sample(distinct, len(distinct))
    one, _ = show.place_all(distinct)
    again, _ = show.place_all(distinct)
    other, _ = show.place_all(shuffled)
    assert one == again
    assert sorted(a.model_dump_json(exclude={"id"}) for a in one) == sorted(
        a.model_dump_json(exclude={"id"}) for a in other
    )


@thorough
@given(evenings(), densities, st.data())
def test_placing_what_was_not_sent_anew_keeps_the_rules(show, evening, density, data):
    """A change of density after some of the script has been sent."""
    cues, all_drafts = evening
    show = show.but(cues=cues)
    own = [d for d in all_drafts if d.action.trigger_timestamp < 120.0]
    before = show.but(density="chatty").place(*own).actions
    sent = before[: data.draw(st.integers(0, len(before)))]
    after = show.but(density=density).place(*own, earlier=sent)

    assert not {action.id for action in sent} & {action.id for action in after.actions}
    assert len(sent) + len(after.actions) + len(after.dropped) == len(own)
    for start, end in spoken(list(after.actions), Pace()):
        for sent_start, sent_end in spoken(list(sent), Pace()):
            assert start >= sent_end or end <= sent_start


@thorough
@given(
    evenings(),
    st.tuples(densities, paces, st.floats(0.0, RANGE_END)),
    st.tuples(densities, paces, st.floats(0.0, RANGE_END)),
    st.tuples(densities, paces),
)
def test_every_window_placed_anew_keeps_the_rules_of_the_new_density_and_pace(
    show, evening, first, second, last
):
    """Twice, at any time: what begins before has been sent and stands as it is."""
    cues, all_drafts = evening
    show = show.but(cues=cues)
    in_force, sent, script = first, [], []
    for after in (second, (*last, RANGE_END)):
        density, pace, now = in_force
        script = placed_anew(show.but(density=density, pace=pace), all_drafts, sent)
        in_force, sent = after, [a for a in script if a.trigger_timestamp <= now]
    density, pace = last
    script = placed_anew(show.but(density=density, pace=pace), all_drafts, sent)

    before = {action.id for action in sent}
    fresh = [action for action in script if action.id not in before]
    assert len({action.id for action in script}) == len(script)
    assert len(of(script, Seek, ReplaySegment)) <= 3

    for kind, (count, span) in ((Speak, LINES[density]), (Expression, FACES[density])):
        times = [ms(action.trigger_timestamp) for action in of(script, kind)]
        for action in of(fresh, kind):
            assert most_around(ms(action.trigger_timestamp), times, span) <= count
    count, span = PAUSES[density]
    times = [time for time, _ in pauses(script, pace)]
    for time, length in pauses(fresh, pace):
        assert most_around(time, times, span) <= count
        assert length <= PAUSED_SECONDS[density]

    lines = spoken(script, pace)
    said = [(ms(cue.start), ms(cue.end)) for cue in cues if cue.text]
    for start, end in spoken(fresh, pace):
        others = list(lines)
        others.remove((start, end))
        for a, b in others:
            assert start - b >= ms(GAP[density]) - 1 or a - end >= ms(GAP[density]) - 1
        assert not any(max(start, a) < min(end, b) for a, b in said)


def placed_anew(show, all_drafts: list[Draft], sent: list[Action]) -> list[Action]:
    """All windows, in order, beside what was sent."""
    script = list(sent)
    for window in show.windows:
        own = [d for d in all_drafts if window.start <= d.action.trigger_timestamp < window.end]
        script += show.place(*own, window=window.index, earlier=tuple(script)).actions
        script.sort(key=lambda action: action.trigger_timestamp)
    return script


def most_around(time: int, times: list[int], span_seconds: float) -> int:
    """How many there are in the fullest span of time that `time` is in."""
    near = [t for t in times if abs(t - time) < ms(span_seconds)]
    return max(sum(t <= u < t + ms(span_seconds) for u in near) if t <= time else 0 for t in near)


@thorough
@given(evenings())
def test_a_more_important_line_is_not_dropped_for_a_less_important_one(show, evening):
    """Without the others, the most important line would not fare better."""
    cues, all_drafts = evening
    show = show.but(cues=cues)
    lines = [
        d.model_copy(update={"importance": 0.5})
        for d in all_drafts
        if isinstance(d.action, Speak) and d.action.trigger_timestamp < 120.0
    ]
    if not lines:
        return
    best = lines[0].model_copy(update={"importance": 0.6})
    instant = best.action.trigger_timestamp
    rest = [d for d in lines[1:] if d.action.trigger_timestamp != instant]
    alone = show.place(best).actions
    among = show.place(best, *rest).actions
    assert all(action in among for action in alone)


@pytest.mark.parametrize("density", ["quiet", "normal", "chatty"])
def test_silence_is_not_the_only_way_to_keep_the_rules(show, write, density):
    """In a video with pauses between its sentences, as much is said as is allowed."""
    cues = [(10.0 * i, 10.0 * i + 4.0, "Mm.") for i in range(60)]
    show = show.saying(*cues).but(density=density)
    script, _ = show.place_all(
        write.line(4.2 + 5.0 * i, f"{chr(0x4E00 + 97 * i)}{chr(0x5E00 + 31 * i)}{i * i}")
        for i in range(119)
    )
    count, span = LINES[density]
    assert len(script) >= 0.9 * count * RANGE_END / span
