"""How much the companion says over whole evenings, whatever it would like to say."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watchbuddy_core.actions import Action, Draft, PauseVideo, Speak
from watchbuddy_core.characters import built_in
from watchbuddy_core.events import Due
from watchbuddy_core.session import Parts, WatchSession
from watchbuddy_core.session.history import History
from watchbuddy_core.speech import Pace, spoken_seconds
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.testing import FakePlayer, MemorySource, ScriptedGenerator
from watchbuddy_core.testing.player import Habits
from watchbuddy_core.video import Cue, SubtitleFile, Video

END = 300.0
LINES = {"muted": 0, "quiet": 2, "normal": 3, "chatty": 5}
"""At most so many in a minute."""
WISHES = ("more", "less", "mute", "unmute")


def dialogue(random: Random) -> tuple[Cue, ...]:
    """Busy, quiet, or neither."""
    gaps = random.choice([(0.0, 0.3), (0.5, 4.0, 9.0), (20.0, 40.0)])
    time, cues = 0.0, []
    while (start := time + random.choice(gaps)) < END - 5.0:
        time = start + random.choice([0.8, 2.0, 4.5])
        cues.append(Cue(start=start, end=time, text="Mm, la."))
    return (*cues, Cue(start=END - 1.0, end=END, text="La."))


def filmed(cues: tuple[Cue, ...], path: Path) -> Video:
    def stamp(seconds: float) -> str:
        return f"{int(seconds // 60):02}:{seconds % 60:06.3f}"

    blocks = (f"{stamp(cue.start)} --> {stamp(cue.end)}\n{cue.text}\n" for cue in cues)
    path.write_text("WEBVTT\n\n" + "\n".join(blocks), encoding="utf-8")
    track = SubtitleFile(path=path, language="en")
    return Video(content_id="film", title="A film", path=None, subtitles=(track,))


def too_much(random: Random) -> list[Draft]:
    """Ten times as much as the loudest density has room for."""
    drafts = []
    for i in range(int(END / 60) * 50):
        at = random.uniform(0.0, END - 1.0)
        text = f"{chr(0x4E00 + 97 * (i % 200))}{chr(0x5E00 + 31 * i)} {i} "
        text += "la " * random.choice([1, 4, 12])
        action: Action = Speak(trigger_timestamp=at, text=text, pause_video=random.random() < 0.2)
        if random.random() < 0.1:
            action = PauseVideo(trigger_timestamp=at, duration_seconds=random.uniform(1, 20))
        drafts.append(Draft(action=action, evidence_until=0.0, importance=random.random()))
    return drafts


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films") / "film.vtt"


async def evening(
    video: Video, drafts: list[Draft], player: FakePlayer, wishes: list[tuple[float, Any]]
) -> tuple[list[Action], History]:
    """What was sent, to a viewer who wants more or less at certain media seconds."""
    store = MemoryStore()
    parts = Parts(
        sources=[MemorySource({"memory:film": video})],
        generator=ScriptedGenerator(drafts),
        characters={one.id: one for one in built_in()},
    )
    record = SessionRecord(
        session_id="ses_0",
        video_url="memory:film",
        character_id="quinn",
        created_at=0.0,
        density="normal",
    )
    await store.put(record)
    session = WatchSession(record, store=store, parts=parts)
    await session.produce()
    sent: list[Action] = []

    async def take(delivery: Any) -> None:
        async for item in delivery:
            if isinstance(item, Due):
                sent.append(item.action)
                player.perform(item.action)

    rest = sorted(wishes)
    async with session.connect() as delivery, asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(take(delivery))
        while not player.ended:
            for now, event in player.step(0.25):
                delivery.receive(event, now=now)
                await asyncio.sleep(0)
            if rest and player.position >= rest[0][0]:
                delivery.feed_back(rest.pop(0)[1])
                for _ in range(4):
                    await asyncio.sleep(0)
                await session.produce()
            for _ in range(3):
                await asyncio.sleep(0)
        taking.cancel()
    return sent, History(await store.read("ses_0"))


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 1 << 32),
    wishes=st.lists(st.tuples(st.floats(0, END), st.sampled_from(WISHES)), max_size=4),
    voice=st.sampled_from([None, 0.7, 1.0, 1.6]),
)
def test_an_evening_keeps_its_measure(
    shelf: Path, seed: int, wishes: list[tuple[float, Any]], voice: float | None
) -> None:
    """`voice` is how it compares with the estimate; None, where the client never tells."""
    random = Random(seed)
    cues = dialogue(random)
    habits = Habits(acknowledges="never" if voice is None else "when done", report_interval=0.25)
    player = FakePlayer(
        END, habits=habits, line_seconds=lambda text: spoken_seconds(text) * (voice or 1.0)
    )
    sent, history = asyncio.run(evening(filmed(cues, shelf), too_much(random), player, wishes))

    lines = [action for action in sent if isinstance(action, Speak)]
    times = [line.trigger_timestamp for line in lines]
    most = LINES["chatty" if any(wish == "more" for _, wish in wishes) else "normal"]
    assert all(sum(t <= u < t + 60 for u in times) <= most for t in times)

    # No voice was ever taken for quicker than the quickest that was measured.
    pace = Pace() if voice is None else Pace(min(1.0, voice))
    spans = sorted(
        (line.trigger_timestamp, line.trigger_timestamp + pace.seconds(line.text))
        for line in lines
        if not line.pause_video
    )
    assert all(start >= end for (_, end), (start, _) in pairwise(spans))
    if not wishes:
        over = sum(
            max(0.0, min(end, cue.end) - max(start, cue.start))
            for start, end in spans
            for cue in cues
        )
        assert over <= 0.05 * sum(cue.end - cue.start for cue in cues)

    pauses = sorted(
        action.trigger_timestamp
        for action in sent
        if isinstance(action, PauseVideo) or (isinstance(action, Speak) and action.pause_video)
    )
    assert all(b - a >= (45 if wishes else 90) for a, b in pairwise(pauses))
    if voice is None:
        assert history.pace == Pace()


def test_an_evening_is_not_a_silent_one(shelf: Path) -> None:
    """With a slow voice, in a film with pauses between its sentences."""
    cues = tuple(Cue(start=s, end=s + 2.0, text="Mm, la.") for s in range(5, int(END), 15))
    player = FakePlayer(END, line_seconds=lambda text: spoken_seconds(text) * 1.5)
    drafts = too_much(Random(1))
    sent, history = asyncio.run(evening(filmed(cues, shelf), drafts, player, [(100.0, "more")]))
    assert sum(isinstance(action, Speak) for action in sent) >= 15
    assert 1.2 < history.pace.factor <= 1.51
