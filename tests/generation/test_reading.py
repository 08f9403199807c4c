"""What a model writes, cut into pieces anyhow, and what is made of it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from watchbuddy_core.actions import Draft, Expression, PauseVideo, ReplaySegment, Seek, Speak
from watchbuddy_core.generation.reading import DraftReader
from watchbuddy_core.generation.reading.reader import MOST_LETTERS
from watchbuddy_core.generation.reading.scanner import MOST_LETTERS as MOST_OF_AN_OBJECT

Read = tuple[list[object], dict[str, int], bool, str, int]


def speak(at: float, text: str, **more: object) -> dict[str, object]:
    return {"action_type": "SPEAK", "trigger_timestamp": at, "text": text, **more}


def reader_of(pieces: Iterator[str]) -> tuple[DraftReader, list[Draft]]:
    reader = DraftReader()
    drafts = [draft for piece in pieces for draft in reader.feed(piece)]
    return reader, drafts + reader.close()


def pieces(text: str, sizes: Iterator[int]) -> Iterator[str]:
    at = 0
    while at < len(text):
        size = next(sizes)
        yield text[at : at + size]
        at += size


def all_of(text: str, cut: random.Random | None = None) -> Read:
    """Everything that a reader tells of a text."""
    sizes = iter(lambda: cut.randint(1, 20) if cut else len(text) or 1, None)
    reader, drafts = reader_of(pieces(text, sizes))
    return (
        [draft.model_dump(exclude={"action": {"id"}}) for draft in drafts],
        dict(reader.rejected),
        reader.is_complete,
        reader.memory,
        reader.retracted,
    )


def told(text: str) -> list[str]:
    """In short: what was drafted, in order."""
    reader, drafts = reader_of(iter([text]))
    return [short(draft) for draft in drafts[reader.retracted :]]


def short(draft: Draft) -> str:
    action = draft.action
    at = f"{action.trigger_timestamp:g}"
    match action:
        case Speak():
            return f"{at} {action.text}{' [pause]' if action.pause_video else ''}"
        case Expression():
            return f"{at} ({action.emotion})"
        case PauseVideo():
            return f"{at} pause {action.duration_seconds:g}"
        case ReplaySegment():
            return f"{at} replay {action.start_timestamp:g}-{action.end_timestamp:g}"
        case Seek():
            return f"{at} seek {action.target_timestamp:g}"
        case _:
            return f"{at} end"


HI = '{"action_type":"SPEAK","trigger_timestamp":1,"text":"hi"}'
YO = '{"action_type":"SPEAK","trigger_timestamp":2,"text":"yo"}'

CORPUS: dict[str, tuple[str, list[str], dict[str, int]]] = {
    "what is asked for": (f'{{"actions":[{HI},{YO}],"memory":"m"}}', ["1 hi", "2 yo"], {}),
    "a bare list": (f"[{HI}, {YO}]", ["1 hi", "2 yo"], {}),
    "another wrapper": (f'{{"result":{{"script":[{HI}]}}}}', ["1 hi"], {}),
    "a wrapper with a type": (
        f'{{"type":"script","actions":[{HI},{YO}]}}',
        ["1 hi", "2 yo"],
        {"broken": 1},
    ),
    "each in a wrapper of its own": (
        f'[{{"action": {HI}}}, {{"action": {YO}}}]',
        ["1 hi", "2 yo"],
        {},
    ),
    "lines of JSON": (f"{HI}\n{YO}\n", ["1 hi", "2 yo"], {}),
    "a fence": (f"```json\n[{HI}]\n```", ["1 hi"], {}),
    "a fence without a name": (f"```\n{HI}\n```", ["1 hi"], {}),
    "chatter around": (f"Sure! Here you are:\n{HI}\nHope that helps :)", ["1 hi"], {}),
    "brackets in the chatter": (f"See [1] and {{curly}} things] {HI} [2]", ["1 hi"], {}),
    "several blocks": (f"```json\n[{HI}]\n```\nand\n```json\n[{YO}]\n```", ["1 hi", "2 yo"], {}),
    "a byte order mark": (f"\ufeff{HI}", ["1 hi"], {}),
    "a list with dashes": (f"- {HI}\n- {YO}", ["1 hi", "2 yo"], {}),
    "a draft while thinking": (f"<think>maybe {HI}</think>{YO}", ["2 yo"], {}),
    "a thought that never ends": (f"<think>{HI}", [], {}),
    "a thought that never began": (f"hm, {HI} or so</think>{YO}", ["2 yo"], {}),
    "thinking by another name": (f"<THINKING>{HI}</Thinking>{YO}", ["2 yo"], {}),
    "a tag in a line": (
        '{"action_type":"SPEAK","trigger_timestamp":1,"text":"a <think> tag"}',
        ["1 a <think> tag"],
        {},
    ),
    "a comma too many": (f"[{HI[:-1]},}},]", ["1 hi"], {}),
    "commas missing between objects": (f"[{HI} {YO}]", ["1 hi", "2 yo"], {}),
    "commas missing between keys": (
        '{"action_type":"SPEAK" "trigger_timestamp":1 "text":"hi" "pause_video":true}',
        ["1 hi [pause]"],
        {},
    ),
    "Python": (
        "[{'action_type': 'SPEAK', 'trigger_timestamp': 1, 'text': 'hi', 'pause_video': True}]",
        ["1 hi [pause]"],
        {},
    ),
    "Python with an apostrophe": (
        "{'action_type': 'SPEAK', 'trigger_timestamp': 1, 'text': \"it's on\", 'comment': None}",
        ["1 it's on"],
        {},
    ),
    "an apostrophe that is not escaped": (
        "{'action_type': 'SPEAK', 'trigger_timestamp': 1, 'text': 'it's on'}",
        ["1 it's on"],
        {},
    ),
    "keys without quotes": (
        '{action_type: "SPEAK", trigger_timestamp: 1, text: "hi"}',
        ["1 hi"],
        {},
    ),
    "a text without quotes": (
        '{"action_type": SPEAK, "trigger_timestamp": 1, "text": hi there, you}',
        ["1 hi there, you"],
        {},
    ),
    "typographic quotes": (
        "{“action_type”: “SPEAK”, “trigger_timestamp”: 1, “text”: “hi”}",
        ["1 hi"],
        {},
    ),
    "full-width colons and commas": (
        '{"action_type"："SPEAK"，"trigger_timestamp"：1，"text"："你好，世界"}',
        ["1 你好，世界"],
        {},
    ),
    "quotes in a line, not escaped": (
        '{"action_type":"SPEAK","trigger_timestamp":1,"text":"He said "hi" to me"}',
        ['1 He said "hi" to me'],
        {},
    ),
    "such quotes before a comma": (
        '{"action_type":"SPEAK","trigger_timestamp":1,"text":"He said "hi", and left","id":"1"}',
        ['1 He said "hi", and left'],
        {},
    ),
    "braces in a line": (
        '{"action_type":"SPEAK","trigger_timestamp":1,"text":"a } b { c ] d ["}' + YO,
        ["1 a } b { c ] d [", "2 yo"],
        {},
    ),
    "an object quoted in a line": (
        json.dumps(speak(1, 'say {"action_type":"SPEAK"}')),
        ['1 say {"action_type":"SPEAK"}'],
        {},
    ),
    "a line break in a line": (
        '{"action_type":"SPEAK","trigger_timestamp":1,"text":"one\ntwo"}',
        ["1 one two"],
        {},
    ),
    "escaped line breaks": (json.dumps(speak(1, "one\n\ttwo")), ["1 one two"], {}),
    "control characters": (
        '{"action_type":"SPEAK","trigger_timestamp":1,"text":"a\x07b"}',
        ["1 a b"],
        {},
    ),
    "half of a surrogate": (
        '{"action_type":"SPEAK","trigger_timestamp":1,"text":"a \\ud83d b"}',
        ["1 a b"],
        {},
    ),
    "an emoji as two escapes": (
        '{"action_type":"SPEAK","trigger_timestamp":1,"text":"a \\ud83d\\ude00"}',
        ["1 a 😀"],
        {},
    ),
    "an escape that is none": (
        '{"action_type":"SPEAK","trigger_timestamp":1,"text":"it\\\'s \\on"}',
        ["1 it's on"],
        {},
    ),
    "comments": (
        '{/* one */ "action_type":"SPEAK", // two\n "trigger_timestamp":1, # 3\n "text":"hi"}',
        ["1 hi"],
        {},
    ),
    "an address in a line": (
        json.dumps(speak(1, "see http://example.org/#a // not a comment")),
        ["1 see http://example.org/#a // not a comment"],
        {},
    ),
    "a clock": ('{"action_type":"SPEAK","trigger_timestamp":"1:05","text":"hi"}', ["65 hi"], {}),
    "a clock with hours": (
        '{"action_type":"SPEAK","trigger_timestamp":"01:02:03.5","text":"hi"}',
        ["3723.5 hi"],
        {},
    ),
    "a clock without quotes": (
        '{"action_type":"SPEAK","trigger_timestamp":1:05,"text":"hi"}',
        ["65 hi"],
        {},
    ),
    "seconds as a text": (
        '{"action_type":"SPEAK","trigger_timestamp":"12.5s","text":"hi"}',
        ["12.5 hi"],
        {},
    ),
    "camel case": (
        '{"actionType":"SPEAK","triggerTimestamp":1,"text":"hi","pauseVideo":true}',
        ["1 hi [pause]"],
        {},
    ),
    "other names for the keys": ('{"type":"speak","timestamp":1,"line":"hi"}', ["1 hi"], {}),
    "types in small letters": (
        '{"action_type":"replay segment","trigger_timestamp":9,"start":3,"end":6}',
        ["9 replay 3-6"],
        {},
    ),
    "truth as a text": (
        '{"action_type":"SPEAK","trigger_timestamp":1,"text":"hi","pause_video":"true"}',
        ["1 hi [pause]"],
        {},
    ),
    "values in an object of their own": (
        '{"action_type":"SPEAK","trigger_timestamp":1,"params":{"text":"hi"}}',
        ["1 hi"],
        {},
    ),
    "a list among the values": (
        '{"action_type":"SPEAK","tags":["a",{"b":[1]}],"trigger_timestamp":1,"text":"hi"}',
        ["1 hi"],
        {},
    ),
    "a face": (
        '{"action_type":"EXPRESSION","trigger_timestamp":1,"emotion":"Play Cool"}',
        ["1 (play_cool)"],
        {},
    ),
    "a pause": (
        '{"action_type":"PAUSE_VIDEO","trigger_timestamp":1,"duration_seconds":2}',
        ["1 pause 2"],
        {},
    ),
    "a leap": (
        '{"action_type":"SEEK","trigger_timestamp":9,"target_timestamp":3}',
        ["9 seek 3"],
        {},
    ),
    "the end": ('{"action_type":"END_REACTION","trigger_timestamp":9}', ["9 end"], {}),
    "the same twice": (f"{HI}{HI}{YO}{HI}", ["1 hi", "2 yo", "1 hi"], {"repeated": 1}),
    "a brace that is missing": (f"[{HI[:-1]}, {YO}]", ["1 hi", "2 yo"], {}),
    "a quote that is missing": (f"[{HI[:-2]}, {YO}]", ["2 yo"], {"broken": 1}),
    "cut in a line": (
        f'[{HI}, {{"action_type":"SPEAK","trigger_timestamp":2,"text":"unfini',
        ["1 hi"],
        {},
    ),
    "cut in a key": (f'[{HI}, {{"action_type":"SPEAK","trigg', ["1 hi"], {}),
    "no time": ('{"action_type":"SPEAK","text":"hi"}', [], {"bad_time": 1}),
    "a time that is none": (
        '{"action_type":"SPEAK","trigger_timestamp":NaN,"text":"hi"}',
        [],
        {"bad_time": 1},
    ),
    "a time beyond all times": (
        '{"action_type":"SPEAK","trigger_timestamp":1e300,"text":"hi"}',
        [],
        {"bad_time": 1},
    ),
    "a time before the start": (
        '{"action_type":"SPEAK","trigger_timestamp":-5,"text":"hi"}',
        [],
        {"bad_time": 1},
    ),
    "truth for a time": (
        '{"action_type":"SPEAK","trigger_timestamp":true,"text":"hi"}',
        [],
        {"bad_time": 1},
    ),
    "nothing to say": (
        '{"action_type":"SPEAK","trigger_timestamp":1,"text":"  "}',
        [],
        {"bad_text": 1},
    ),
    "nothing that can be said": (json.dumps(speak(1, "…")), [], {"bad_text": 1}),
    "far too much to say": (json.dumps(speak(1, "x" * 2001)), [], {"bad_text": 1}),
    "a face that nobody has": (
        '{"action_type":"EXPRESSION","trigger_timestamp":1,"emotion":"happy"}',
        [],
        {"unknown_emotion": 1},
    ),
    "an action that nobody can do": (
        '{"action_type":"DANCE","trigger_timestamp":1}',
        [],
        {"no_action": 1},
    ),
    "no action": ('{"text":"hi","trigger_timestamp":1}', [], {"no_action": 1}),
    "an endless pause": (
        '{"action_type":"PAUSE_VIDEO","trigger_timestamp":1,"duration_seconds":9999}',
        [],
        {"bad_value": 1},
    ),
    "an object without end": (
        f'{{"action_type":"SPEAK","text":"{"x" * MOST_OF_AN_OBJECT}"}}{YO}',
        ["2 yo"],
        {"too_long": 1},
    ),
    "nothing": ("", [], {}),
    "an excuse": ("I cannot help with that.", [], {}),
}


@pytest.mark.parametrize("name", CORPUS)
def test_what_models_write_is_read(name: str) -> None:
    text, expected, rejected = CORPUS[name]
    assert told(text) == expected
    assert all_of(text)[1] == rejected


@pytest.mark.parametrize("name", CORPUS)
def test_letter_by_letter_it_is_the_same(name: str) -> None:
    text, _, _ = CORPUS[name]
    reader, drafts = reader_of(iter(text))
    assert [short(draft) for draft in drafts[reader.retracted :]] == CORPUS[name][1]
    assert dict(reader.rejected) == CORPUS[name][2]


def test_a_draft_is_there_as_soon_as_its_brace_closes() -> None:
    text = f'{{"actions": [{HI}, {YO}], "memory": ""}}'
    reader = DraftReader()
    seen = [(i, short(draft)) for i, letter in enumerate(text) for draft in reader.feed(letter)]
    first = text.index("}")
    assert seen == [(first, "1 hi"), (text.index("}", first + 1), "2 yo")]


def test_it_takes_along_what_placement_judges_by() -> None:
    _, (draft,) = reader_of(
        iter([json.dumps(speak(12, "hi", importance=0.9, evidence_until=11.5, comment="why"))])
    )
    assert (draft.importance, draft.evidence_until, draft.action.comment) == (0.9, 11.5, "why")
    _, (vague,) = reader_of(iter([json.dumps(speak(12, "hi", importance=7, evidence_until="?"))]))
    assert (vague.importance, vague.evidence_until) == (1.0, None)


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        (f'{{"actions":[{HI}]', True),
        (f'{{"actions":[{HI}', False),
        (f'{{"actions":[{HI}, {HI[:20]}', False),
        ('{"actions":[]}', True),
        ('{"actions":[', False),
        (f'[{HI},{{"action_type":"END_REACTION","trigger_timestamp":9}}', True),
        (f"{HI}\n{YO}", True),
        ("I cannot help with that.", False),
        ("", False),
    ],
)
def test_an_answer_is_whole_when_its_list_is_closed(text: str, complete: bool) -> None:
    assert all_of(text)[2] is complete


def test_what_is_to_be_remembered_is_read_behind_the_list() -> None:
    assert (
        all_of(f'{{"actions":[{HI}],"memory":"Ana owes \\"Bo\\" {{5}}"}}')[3] == 'Ana owes "Bo" {5}'
    )
    assert all_of(f'{{"memory":"first","actions":[{HI}]}}')[3] == "first"
    assert all_of(f'{{"actions":[{HI}],"memory":"cut in the mid')[3] == ""


def test_an_answer_has_an_end() -> None:
    reader = DraftReader()
    drafts = [
        draft
        for i in range(MOST_LETTERS // 50)
        for draft in reader.feed(f"{json.dumps(speak(i, f'line {i}'))}\n")
    ]
    assert 0 < len(drafts) < MOST_LETTERS / 50
    assert reader.rejected["too_long"] == 1
    assert reader.feed(HI) == []
    assert not reader.is_complete
    assert reader.rejections[0].reason == "too_long"


# --- properties ------------------------------------------------------------------------

_SIGNS = "{}[]\"'\\,:<>/ a1\n“”#*`：，"
texts = st.text(alphabet=st.characters(codec="utf-8"), max_size=40)
lines = st.lists(
    st.builds(speak, st.integers(0, 9999), texts.filter(lambda text: bool("".join(text.split())))),
    min_size=1,
    max_size=6,
)


@st.composite
def broken_texts(draw: st.DrawFn) -> str:
    """What could come from a model, with letters missing, too many, or in the wrong place."""
    parts = [
        CORPUS[name][0] for name in draw(st.lists(st.sampled_from(sorted(CORPUS)), max_size=3))
    ]
    text = draw(st.sampled_from(["", "\n", ", "])).join(parts)[:3000]
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(text)))
        kind = draw(st.sampled_from(["cut", "add", "again"]))
        if kind == "cut":
            text = text[:at] + text[at + draw(st.integers(1, 8)) :]
        elif kind == "add":
            text = text[:at] + draw(st.text(_SIGNS, min_size=1, max_size=3)) + text[at:]
        else:
            text = text[:at] + text[max(0, at - 30) :]
    return text


@given(text=st.one_of(broken_texts(), st.text(max_size=300)), seed=st.integers(0, 10**6))
def test_any_way_of_cutting_a_text_gives_the_same(text: str, seed: int) -> None:
    assert all_of(text) == all_of(text, random.Random(seed))


@given(script=lines, seed=st.integers(0, 10**6), indent=st.sampled_from([None, 2]))
def test_what_is_json_to_the_letter_is_read_as_it_stands(
    script: list[dict[str, object]], seed: int, indent: int | None
) -> None:
    text = json.dumps({"actions": script, "memory": ""}, indent=indent, ensure_ascii=False)
    drafts, rejected, complete, _, _ = all_of(text, random.Random(seed))
    assert complete
    assert len(drafts) + sum(rejected.values()) == len(script)
    assert set(rejected) <= {"repeated", "bad_text"}


@given(script=lines, data=st.data())
def test_a_text_that_breaks_off_gives_what_was_closed_and_nothing_half(
    script: list[dict[str, object]], data: st.DataObject
) -> None:
    objects = [json.dumps(one) for one in script]
    text = "[" + ",".join(objects)
    at = data.draw(st.integers(0, len(text)))
    whole = all_of("[" + ",".join(objects[: text[:at].count("}, {") + 50]))[0]
    broken = all_of(text[:at])[0]
    assert broken == whole[: len(broken)]
    ends = [len("[" + ",".join(objects[: i + 1])) for i in range(len(objects))]
    closed = sum(end <= at for end in ends)
    assert broken == all_of("[" + ",".join(objects[:closed]))[0]


@given(
    place=st.integers(0, 9),
    at=st.floats(0, 1, exclude_max=True),
    cut=st.integers(0, 12),
    new=st.text(_SIGNS + "xyz", max_size=4),
)
@example(place=0, at=0.5625, cut=0, new="`'`")
@example(place=2, at=0.55, cut=0, new=",[{x")
def test_damage_to_one_object_costs_its_neighbours_at_most(
    place: int, at: float, cut: int, new: str
) -> None:
    objects = [json.dumps(speak(i, f"line number {i} of ten")) for i in range(10)]
    damaged = objects[place]
    where = int(at * len(damaged))
    objects[place] = damaged[:where] + new + damaged[where + cut :]
    found = told('{"actions": [' + ", ".join(objects) + "]}")
    for i in range(10):
        if abs(i - place) > 1:
            assert f"{i} line number {i} of ten" in found


@pytest.mark.parametrize(
    "unit",
    [
        '{"id":',
        "}",
        '{"text":"}',
        "{",
        "<think>",
        "</think>",
        '"a',
        "{ /*",
        '{"type":[',
        "{#",
        "[",
        "\\",
    ],
)
def test_nonsense_takes_time_in_proportion_to_its_length(
    unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted in letters looked at by the scanner rather than in seconds."""
    from watchbuddy_core.generation.reading import scanner

    steps = 0
    search = scanner._Object.read

    def counted(self: scanner._Object, text: str, *, is_over: bool) -> scanner.Found | None:
        nonlocal steps
        before = self.at
        found = search(self, text, is_over=is_over)
        steps += self.at - before
        return found

    monkeypatch.setattr(scanner._Object, "read", counted)
    work = []
    for length in (20_000, 40_000):
        steps = 0
        prefix = '{"action_type":"SPEAK","text":"' if unit in ("}", '"a', "\\") else ""
        text = (prefix + unit * length)[:length]
        all_of(text, random.Random(1))
        work.append(steps)
        assert steps <= 2 * length
    assert work[1] <= 2 * work[0] + 2 * MOST_OF_AN_OBJECT
