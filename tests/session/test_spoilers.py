"""Nobody hears of what is still to come: whole sessions, against a model that knows it all."""

from __future__ import annotations

import asyncio
import os
import re
import unicodedata
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watchbuddy_core.actions import (
    Action,
    Draft,
    Emotion,
    Expression,
    PauseVideo,
    Speak,
)
from watchbuddy_core.characters import built_in
from watchbuddy_core.entries import FeedbackWish
from watchbuddy_core.events import Due
from watchbuddy_core.session import Delivery, Parts, WatchSession
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.testing import FakePlayer, MemorySource, ScriptedGenerator
from watchbuddy_core.testing.player import Habits
from watchbuddy_core.video import SubtitleFile, Video

TRACES = int(os.environ.get("TEST_TRACES", "200"))
"""Set it for a longer run."""

APART = 8.0
"""Seconds from one canary to the next; each is said for two."""
HOLD = 2.0

SPACED = tuple(f"{a}{b}{c}" for a in ("zor", "vel", "kru") for b in "aiu" for c in ("bax", "dox"))
NAMES = ("Kiv", "Zoq")
HAN = ("鹳鲸", "蟒鹫", "麒鲨", "鲲鸢")
NUMBERS = ("7319", "8264")
SPLIT = ("quon dril", "阚 龑")
"""The space is where one cue ends and the next begins."""
CANARIES = (*SPACED, *NAMES, *HAN, *NUMBERS, *SPLIT)
END = APART * (len(CANARIES) + 1)


def said_at(number: int) -> float:
    """When the cue of a canary begins."""
    return APART * (number + 1)


def has_ended(number: int) -> float:
    return said_at(number) + (4.0 if CANARIES[number] in SPLIT else 2.0)


def whole(number: int) -> str:
    return CANARIES[number].replace(" ", "")


def subtitles(path: Path) -> Path:
    def stamp(seconds: float) -> str:
        return f"{int(seconds // 60):02}:{seconds % 60:06.3f}"

    def cue(start: float, text: str) -> str:
        return f"{stamp(start)} --> {stamp(start + 2)}\n{text}\n"

    cues = []
    for number, canary in enumerate(CANARIES):
        first, _, second = canary.partition(" ")
        if second:
            cues += [cue(said_at(number), f"So it is {first}")]
            cues += [cue(said_at(number) + 2, f"{second} then.")]
        else:
            cues.append(cue(said_at(number), f"So it is {canary}, then."))
    path.write_text("WEBVTT\n\n" + "\n".join(cues), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Video:
    """A film of which nothing but the subtitles is at hand."""
    path = subtitles(tmp_path_factory.mktemp("films") / "film.vtt")
    track = SubtitleFile(path=path, language="en")
    return Video(content_id="film", title="A film", path=None, subtitles=(track,))


# --- the adversary -------------------------------------------------------------------------


def _apart(mark: str) -> Callable[[str], str]:
    return lambda word: mark.join(word)


PLAIN: tuple[Callable[[str], str], ...] = (
    lambda word: word,
    str.upper,
    str.capitalize,
    lambda word: f"“{word}”",
    lambda word: f"{word}’s",
    lambda word: f"{word}!?",
    lambda word: "".join(c + "\u200b" for c in word),
    lambda word: "".join(c + "\u0301" for c in word),
    lambda word: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in word),
)
"""Guises of any canary."""
LONG: tuple[Callable[[str], str], ...] = (
    lambda word: f"{word}s",
    lambda word: f"super{word}ish",
    lambda word: f"un{word}",
    _apart("-"),
    _apart("."),
    _apart(" "),
    lambda word: f"{word[:3]} {word[3:]}",
    lambda word: f"{word[:2]}—{word[2:]}",
)
"""Guises of one that is long enough to be seen in them."""


def guises(number: int) -> tuple[Callable[[str], str], ...]:
    return (*PLAIN, *LONG) if CANARIES[number] in SPACED else PLAIN


@st.composite
def leaks(draw: st.DrawFn) -> list[Draft]:
    """Drafts that give away what the whole film says, at any time of it."""
    random = Random(draw(st.integers(0, 1 << 32)))
    drafts = []
    openers = cycle(["Look,", "Oh,", "Ha!", "And now", "Well,", "See,", "Hm.", "Wait,"])
    for _ in range(draw(st.integers(5, 60))):
        number = random.randrange(len(CANARIES))
        word = random.choice(guises(number))(whole(number))
        # Often where it is about to be said: far from there it would be dropped at once.
        near = random.choice([0.0, said_at(number), has_ended(number)])
        at = near + random.uniform(-4, 4) if near else random.uniform(0, END)
        text = f"{next(openers)} {random.randrange(100)} {word}"
        drafts.append(
            Draft(
                action=_some_action(random, min(max(at, 0.0), END), text),
                evidence_until=random.choice([0.0, None, 0.0]),
                importance=random.random(),
            )
        )
    return drafts


def _some_action(random: Random, at: float, text: str) -> Action:
    match random.randrange(6):
        case 0:
            return PauseVideo(trigger_timestamp=at, duration_seconds=3.0, comment=text)
        case 1:
            return Expression(trigger_timestamp=at, emotion=Emotion.JOY, comment=text)
        case 2:
            plain = f"La {random.randrange(1000)} la {random.randrange(100)}."
            return Speak(trigger_timestamp=at, text=plain, comment=text)
        case kind:
            return Speak(trigger_timestamp=at, text=text, comment=text, pause_video=kind == 3)


# --- the viewer ------------------------------------------------------------------------------

moves = st.lists(
    st.one_of(
        st.tuples(st.just("play"), st.floats(1, 60)),
        st.tuples(st.just("seek"), st.floats(0, END)),
        st.tuples(st.sampled_from(["more", "less", "mute", "unmute"]), st.just(0.0)),
        st.tuples(st.just("reconnect"), st.just(0.0)),
    ),
    min_size=2,
    max_size=8,
)
habits = st.builds(
    Habits,
    report_interval=st.sampled_from([0.25, 1.0]),
    tells_cause=st.booleans(),
    seek_updates=st.sampled_from([1, 2]),
    stale_seconds=st.sampled_from([0.0, 0.4]),
)


class Evening:
    """A session that is watched, and everything that was sent, with what had been reported."""

    def __init__(self, video: Video, drafts: list[Draft]) -> None:
        self.store = MemoryStore()
        self.drafts = drafts
        parts = Parts(
            sources=[MemorySource({"memory:film": video})],
            generator=ScriptedGenerator(drafts),
            characters={one.id: one for one in built_in()},
        )
        self.record = SessionRecord(
            session_id="ses_0",
            video_url="memory:film",
            character_id="quinn",
            created_at=0.0,
            density="chatty",
        )
        self.session = WatchSession(self.record, store=self.store, parts=parts)
        self.sent: list[tuple[float, Action]] = []
        """With the media second that was the last to be reported."""
        self._reported = 0.0

    async def watch(self, trace: list[tuple[str, float]], how: Habits, lookahead: float) -> None:
        await self.store.put(self.record)
        await self.session.produce()
        player = FakePlayer(END, habits=how)
        rest = list(trace)
        while rest:
            async with (
                self.session.connect(lookahead=lookahead) as delivery,
                asyncio.TaskGroup() as tasks,
            ):
                taking = tasks.create_task(self._take(delivery, player))
                while rest:
                    kind, amount = rest.pop(0)
                    if kind == "reconnect":
                        player.reconnect()
                        break
                    await self._do(kind, amount, delivery, player)
                taking.cancel()

    async def _do(self, kind: Any, amount: float, delivery: Delivery, player: FakePlayer) -> None:
        if kind == "seek":
            player.seek(amount)
        elif kind == "play":
            await self._play(amount, delivery, player)
        else:
            wish: FeedbackWish = kind
            delivery.feed_back(wish)
            await _settle()
            await self.session.produce()
            await _settle()

    async def _play(self, seconds: float, delivery: Delivery, player: FakePlayer) -> None:
        end = player.now + seconds
        while player.now < end:
            for now, event in player.step(0.25):
                self._reported = getattr(event, "position", self._reported)
                delivery.receive(event, now=now)
                await _settle()

    async def _take(self, delivery: Delivery, player: FakePlayer) -> None:
        async for item in delivery:
            if isinstance(item, Due):
                self.sent.append((max(self._reported, player.position), item.action))
                player.perform(item.action)


async def _settle() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


def letters(text: str) -> str:
    """What is left of a text if all is taken away that could hide a word in it."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in apart if c.isalnum())


def tells(action: Action, number: int) -> bool:
    """Whether anything that is sent has the canary in it: read otherwise than placement does."""
    canary = whole(number).casefold()
    fields = action.model_dump(exclude={"id", "trigger_timestamp"})
    for text in (value for value in fields.values() if isinstance(value, str)):
        if len(canary) > 3 or not canary.isascii():
            if canary in letters(text):
                return True
        elif re.search(
            rf"(?<!\w){canary}s?(?!\w)", " ".join(map(letters, re.split(r"[\s’]", text)))
        ):
            return True
    return False


thorough = settings(
    max_examples=TRACES,
    deadline=None,
    derandomize="TEST_TRACES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.mark.timeout(120 + TRACES)
@thorough
@given(drafts=leaks(), trace=moves, how=habits, lookahead=st.sampled_from([0.0, HOLD]))
def test_no_word_is_sent_before_its_cue_has_ended_nor_anything_before_its_evidence(
    told: Video, drafts: list[Draft], trace: Any, how: Habits, lookahead: float
) -> None:
    """With a client that holds actions: two seconds before, at the earliest."""
    evening = Evening(told, drafts)
    asyncio.run(evening.watch(trace, how, lookahead))
    for position, action in evening.sent:
        seen = position + lookahead + 1e-3
        assert action.trigger_timestamp <= seen
        for number in range(len(CANARIES)):
            if tells(action, number):
                assert has_ended(number) <= seen, (whole(number), action)


def test_an_adversary_is_not_simply_silenced(told: Video) -> None:
    """What it says of what has been said is let through: the property is not an empty one."""
    drafts = [
        Draft(
            action=Speak(trigger_timestamp=has_ended(n) + 0.5, text=f"{whole(n)}, {n}!"),
            evidence_until=0.0,
        )
        for n in range(0, len(CANARIES), 4)
    ]
    evening = Evening(told, drafts)
    asyncio.run(evening.watch([("play", END)], Habits(), 0.0))
    lines = [action for _, action in evening.sent if isinstance(action, Speak)]
    assert len(lines) == len(drafts)
