"""From a session's log to a track, and back into another session."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import pytest
from patience import PATIENCE

from watchbuddy_core.actions import Draft, Expression, PauseVideo, Speak
from watchbuddy_core.character import Character
from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.entries import Feedback, Logged, Placed, Scripted, Withdrawn
from watchbuddy_core.events import Due, TimestampUpdate
from watchbuddy_core.session import Parts, WatchSession, entries_of, track_of
from watchbuddy_core.session.history import History
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.testing import MemorySource, ScriptedGenerator
from watchbuddy_core.tracks import Track, read_track, write_track
from watchbuddy_core.video import Video, Window
from watchbuddy_core.wire import CreateSession

URL = "memory:film"
DRAFTS = (
    Draft(action=Speak(trigger_timestamp=2.0, text="What is this?"), evidence_until=0.0),
    Draft(action=Expression(trigger_timestamp=3.0, emotion="joy"), evidence_until=0.0),
    Draft(action=Speak(trigger_timestamp=3.5, text="What is this?"), evidence_until=0.0),
    Draft(action=PauseVideo(trigger_timestamp=9.0, duration_seconds=2.0), evidence_until=0.0),
)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    make_clip(path, [Shot(20.0, Picture.STILL, Tone.CALM)], size=(64, 36), frame_rate=2)
    return Parts(
        sources=[MemorySource({URL: Video(content_id="film", title="A film", path=path)})],
        generator=ScriptedGenerator(DRAFTS),
        generator_name="scripted",
        characters={"miao": Character(id="miao", name={"en": "Miao"})},
    )


async def create(parts: Parts, store: MemoryStore, **fields: Any) -> WatchSession:
    request = CreateSession(video_url="library:film", character_id="miao", **fields)
    session = await WatchSession.create(request, store=store, parts=parts, created_at=0.0)
    await store.put(session.record.model_copy(update={"video_url": URL}))
    return await WatchSession.find(session.session_id, store=store, parts=parts)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, PATIENCE))


async def played(session: WatchSession, until: float) -> list[Due]:
    """What a client is sent that plays from the start and reports every tenth of a second."""
    sent: list[Due] = []
    async with session.connect() as delivery:
        outgoing = aiter(delivery)
        await anext(outgoing)

        async def take() -> None:
            async for item in outgoing:
                sent.append(item)  # noqa: PERF401

        taking = asyncio.create_task(take())
        for tenth in range(int(until * 10)):
            delivery.receive(TimestampUpdate(tenth / 10), now=tenth / 10)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        taking.cancel()
        await asyncio.wait([taking])
    return sent


def test_a_session_that_was_produced_is_a_track(parts: Parts) -> None:
    async def scenario() -> None:
        session = await create(parts, MemoryStore())
        await session.produce()
        track = await session.track()
        assert track.video is not None
        assert (track.video.url, track.video.title) == (URL, "A film")
        assert track.video.duration == pytest.approx(20.0, abs=0.5)
        assert (track.start_time, track.end_time) == (0.0, pytest.approx(20.0, abs=0.5))
        assert (track.character_id, track.generator) == ("miao", "scripted")
        status = await session.status()
        assert len(track.actions) == sum(status.actions.values())
        assert len(track.actions) + len(track.dropped) == len(DRAFTS)
        assert Counter(drop.reason for drop in track.dropped) == status.drops
        assert len(track.dropped) == 1

    run(scenario())


@pytest.mark.parametrize("format", ["json", "vtt", "ass"])
def test_a_track_that_is_given_to_a_session_is_played_as_it_is(parts: Parts, format: Any) -> None:
    async def scenario() -> None:
        store = MemoryStore()
        first = await create(parts, store)
        await first.produce()
        track = read_track(write_track(await first.track(), format), format)
        second = await create(parts, store)
        await second.take_script(track)
        await second.produce()  # has nothing to do
        assert await second.track() == track == await first.track()
        sent = await played(second, 20.0)
        assert [due.action for due in sent] == list(track.actions)
        assert sent == await played(first, 20.0)

    run(scenario())


def test_a_script_that_was_given_is_not_placed_anew(parts: Parts, track: Track) -> None:
    async def scenario() -> None:
        store = MemoryStore()
        session = await create(parts, store)
        await session.take_script(track)
        fence = await store.fence(session.session_id, "deliverer")
        await store.append(session.session_id, [Feedback(wish="less", density="quiet")], fence)
        await session.produce()
        entries = [logged.entry for logged in await store.read(session.session_id)]
        assert not [entry for entry in entries if isinstance(entry, Withdrawn)]
        assert (await session.track()).actions == track.actions

    run(scenario())


RECORD = SessionRecord(session_id="ses_1", video_url=URL, character_id="miao", created_at=0.0)


def logged(*entries: Any) -> list[Logged]:
    return [Logged(position, entry) for position, entry in enumerate(entries, 1)]


def test_a_session_that_has_not_begun_is_an_empty_track() -> None:
    track = track_of(RECORD.model_copy(update={"start_time": 3.0}), History())
    assert track.actions == ()
    assert (track.start_time, track.end_time, track.language) == (3.0, None, None)


def test_what_was_withdrawn_is_no_part_of_a_track() -> None:
    kept = Speak(trigger_timestamp=1.0, text="I stay.")
    gone = Speak(trigger_timestamp=2.0, text="I go.")
    window = Window(index=0, start=0, end=45)
    history = History(
        logged(
            Scripted(window=window, drafts=(), generator="offline"),
            Placed(window=0, actions=(kept, gone)),
            Withdrawn(ids=(gone.id,), reason="density quiet"),
        )
    )
    assert track_of(RECORD, history).actions == (kept,)


def test_a_track_of_which_little_is_known_can_be_played_too() -> None:
    line = Speak(trigger_timestamp=7.0, text="Hello.")
    track = track_of(RECORD, History(logged(*entries_of(Track(actions=(line,))))))
    assert track.actions == (line,)
    assert track.end_time == 7.0


def test_windows_that_were_made_out_of_order_are_one_script_in_order() -> None:
    late = Speak(trigger_timestamp=50.0, text="Later.")
    early = Speak(trigger_timestamp=1.0, text="Sooner.")
    windows = [Window(index=1, start=45, end=90), Window(index=0, start=0, end=45)]
    entries: list[Any] = []
    for window, line in zip(windows, (late, early), strict=True):
        entries.append(Scripted(window=window, drafts=(), generator="offline"))
        entries.append(Placed(window=window.index, actions=(line,)))
    assert track_of(RECORD, History(logged(*entries))).actions == (early, late)
