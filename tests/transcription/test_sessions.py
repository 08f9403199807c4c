"""What is said in a video without subtitles is written down, once, window by window."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from watchbuddy_core.assembly import build_parts
from watchbuddy_core.entries import Heard
from watchbuddy_core.errors import PluginProblem, TranscriptionFailed
from watchbuddy_core.protocols import Brief, Recording
from watchbuddy_core.session import WatchSession
from watchbuddy_core.session.history import History
from watchbuddy_core.session.parts import Parts
from watchbuddy_core.session.reporting import Noticed, Reporter
from watchbuddy_core.settings import Settings
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.testing import (
    ContractBroken,
    ScriptedGenerator,
    check_transcriber,
)
from watchbuddy_core.video import Cue
from watchbuddy_core.wire import CreateSession

VOICE = Path(__file__).parents[1] / "media" / "voice.ogg"
RATE = 16_000
SAID = (
    Cue(start=0.4, end=1.5, text="The lighthouse keeper has gone."),
    Cue(start=1.5, end=99.0, text="Nobody knows where."),
)


class Clerk:
    """Writes down the same of every recording, and keeps them."""

    def __init__(self, *, fails_at: int | None = None, error: Exception | None = None) -> None:
        self.recordings: list[Recording] = []
        self._fails_at = fails_at
        self._error = error or TranscriptionFailed("The pencil broke.")

    async def transcribe(self, recording: Recording) -> Sequence[Cue]:
        self.recordings.append(recording)
        if self._fails_at == len(self.recordings) - 1:
            raise self._error
        return SAID


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three minutes; somebody speaks at 10, 14, 60 and 120 s, some three seconds each."""
    with av.open(str(VOICE)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        pieces = [
            even.to_ndarray().ravel()
            for frame in container.decode(audio=0)
            for even in resampler.resample(frame)
        ]
    voice = np.concatenate(pieces)
    whole = np.zeros(180 * RATE, np.float32)
    for second in (10, 14, 60, 120):
        whole[second * RATE : second * RATE + len(voice)] = voice
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    with av.open(str(path), "w") as out:
        track = out.add_stream("pcm_s16le", rate=RATE)
        track.layout = "mono"
        samples = (whole * 32000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        out.mux([*track.encode(frame), *track.encode(None)])
    return path


class Watching:
    """A session on the talk, with its store, its parts and what its generator was told."""

    def __init__(self, talk: Path, clerk: object) -> None:
        self.generator = ScriptedGenerator()
        self.store = MemoryStore()
        settings = Settings(libraries=(talk.parent,), data_dir=talk.parent)
        self.parts: Parts = replace(
            build_parts(settings), generator=self.generator, transcriber=clerk
        )

    async def begin(self, **fields: Any) -> WatchSession:
        request = CreateSession(video_url="library:talk.wav", character_id="miao", **fields)
        session = await WatchSession.create(
            request, store=self.store, parts=self.parts, created_at=0.0
        )
        await session.produce()
        return session

    async def heard(self, session: WatchSession) -> list[Heard]:
        logged = await self.store.read(session.session_id)
        return [item.entry for item in logged if isinstance(item.entry, Heard)]

    @property
    def briefs(self) -> list[Brief]:
        return sorted(self.generator.briefs, key=lambda brief: brief.window.start)


def test_what_is_said_is_known_as_subtitles_would_be(talk: Path) -> None:
    async def scenario() -> None:
        clerk = Clerk()
        watching = Watching(talk, clerk)
        session = await watching.begin()
        first, second = watching.briefs
        assert [round(cue.start) for cue in first.understanding.cues] == [10, 11]
        assert [round(cue.start) for cue in second.understanding.cues] == [10, 11, 60, 61, 120, 121]
        assert first.understanding.language == "en"
        assert all(cue.end <= second.understanding.end for cue in second.understanding.cues)
        assert (await session.status()).status == "ready"

    asyncio.run(scenario())


def test_only_passages_with_speech_are_recorded_and_near_ones_together(talk: Path) -> None:
    async def scenario() -> None:
        clerk = Clerk()
        watching = Watching(talk, clerk)
        await watching.begin()
        assert [round(recording.duration) for recording in clerk.recordings] == [7, 3, 3]
        assert [recording.language for recording in clerk.recordings] == [None, "en", "en"]
        assert all(recording.wav[:4] == b"RIFF" for recording in clerk.recordings)

    asyncio.run(scenario())


def test_a_transcriber_that_fails_costs_the_words_of_a_window_and_is_told_of(talk: Path) -> None:
    async def scenario() -> None:
        for error, words in (
            (TranscriptionFailed("The pencil broke."), "The pencil broke."),
            (ZeroDivisionError("oops"), "The transcriber failed."),
        ):
            watching = Watching(talk, Clerk(fails_at=0, error=error))
            session = await watching.begin()
            heard = await watching.heard(session)
            assert [one.problem for one in heard] == [words, None]
            assert heard[0].speech
            assert watching.briefs[0].understanding.cues == ()
            assert watching.briefs[1].understanding.cues
            assert (await session.status()).status == "ready"
            history = History(await watching.store.read(session.session_id))
            (notice,) = [n for n in Reporter(history).take_news() if isinstance(n, Noticed)]
            assert notice.code == "NOT_TRANSCRIBED"
            assert notice.message == (
                f"What is said from 0:00 to 0:45 could not be written down: {words}"
            )

    asyncio.run(scenario())


def test_one_that_never_answers_is_given_up(talk: Path) -> None:
    class Sleeper:
        async def transcribe(self, recording: Recording) -> Sequence[Cue]:
            await asyncio.Event().wait()
            return ()

    async def scenario() -> None:
        watching = Watching(talk, Sleeper())
        watching.parts = replace(watching.parts, transcribing_seconds=0.05)
        session = await watching.begin()
        assert [one.problem for one in await watching.heard(session)] == ["It took too long."] * 2

    asyncio.run(scenario())


def test_nothing_is_written_down_twice(talk: Path) -> None:
    """A session that is taken up again after its first window knows what was said in it."""

    async def scenario() -> None:
        clerk = Clerk()
        watching = Watching(talk, clerk)
        session = await watching.begin()
        kept = [item.entry for item in await watching.store.read(session.session_id)]
        again = Watching(talk, clerk)
        request = CreateSession(video_url="library:talk.wav", character_id="miao")
        taken_up = await WatchSession.create(
            request, store=again.store, parts=again.parts, created_at=0.0
        )
        fence = await again.store.fence(taken_up.session_id, "producer")
        first = next(i for i, entry in enumerate(kept) if entry.kind == "placed")
        await again.store.append(taken_up.session_id, kept[: first + 1], fence)
        asked = len(clerk.recordings)
        await taken_up.produce()
        assert len(clerk.recordings) == asked + 2
        (brief,) = again.briefs
        assert [round(cue.start) for cue in brief.understanding.cues] == [10, 11, 60, 61, 120, 121]

    asyncio.run(scenario())


def test_the_one_that_is_asked_for_has_to_work(tmp_path: Path) -> None:
    parts = build_parts(Settings(transcriber="openai", data_dir=tmp_path))
    assert type(parts.transcriber).__name__ == "OpenAITranscriber"
    with pytest.raises(PluginProblem, match=r"'nobody'.*Installed: openai"):
        build_parts(Settings(transcriber="nobody", data_dir=tmp_path))
    with pytest.raises(PluginProblem, match="wrong_option"):
        build_parts(
            Settings(
                transcriber="openai", data_dir=tmp_path, plugins={"openai": {"wrong_option": 1}}
            )
        )


def test_the_contract_finds_what_is_broken() -> None:
    class Liar:
        async def transcribe(self, recording: Recording) -> Sequence[Cue]:
            return [Cue(start=0, end=recording.duration + 5, text="too long")]

    class Mumbler:
        async def transcribe(self, recording: Recording) -> Sequence[Cue]:
            return ["words"]  # type: ignore[list-item]

    for broken, words in ((Liar(), "lie in it"), (Mumbler(), "in cues"), (object(), "transcribe")):
        with pytest.raises(ContractBroken, match=words):
            asyncio.run(check_transcriber(broken))  # type: ignore[arg-type]
