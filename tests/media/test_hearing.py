"""Speech is told from other sounds, and what is known of it is used.

`voice.ogg` is a sentence of a reading of "Sense and Sensibility" by LibriVox, which is in the
public domain.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from watchbuddy_core.actions import Speak
from watchbuddy_core.assembly import build_parts
from watchbuddy_core.session import WatchSession
from watchbuddy_core.settings import Settings
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.tracks import Track
from watchbuddy_core.understanding import survey, understand, voices
from watchbuddy_core.understanding.work import Stop
from watchbuddy_core.video import Speech, SubtitleFile, Understanding, Video, Window
from watchbuddy_core.wire import CreateSession

VOICE = Path(__file__).with_name("voice.ogg")
RATE = voices.RATE


@pytest.fixture(scope="module")
def voice() -> voices.Samples:
    """A sentence, 16,000 samples a second."""
    pieces = []
    with av.open(str(VOICE)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        for frame in container.decode(audio=0):
            pieces += [even.to_ndarray().ravel() for even in resampler.resample(frame)]
    return np.concatenate(pieces).astype(np.float32)


def found_in(samples: np.ndarray, start: float = 0.0, since: float = 0.0) -> tuple[Speech, ...]:
    return voices.speech(np.ascontiguousarray(samples, np.float32), start, since, Stop())


def test_a_sentence_between_silences_is_found_where_it_is(voice: voices.Samples) -> None:
    quiet = np.zeros(3 * RATE, np.float32)
    found = found_in(np.concatenate([quiet, voice, quiet]), start=100.0)
    assert found[0].start == pytest.approx(103.0, abs=0.5)
    assert found[-1].end == pytest.approx(103.0 + len(voice) / RATE, abs=0.6)
    spoken = sum(one.end - one.start for one in found)
    assert spoken > 0.7 * len(voice) / RATE
    assert all(a.end < b.start for a, b in pairwise(found))


def test_tones_noise_and_silence_are_no_speech() -> None:
    time = np.arange(10 * RATE) / RATE
    chance = np.random.default_rng(1)
    for sound in (
        0.3 * np.sin(2 * np.pi * 440 * time),
        0.2 * np.sin(2 * np.pi * 200 * time * (1 + 0.2 * np.sin(time))),
        chance.normal(0, 0.1, len(time)),
        0.3 * np.sin(2 * np.pi * 880 * time) * (np.floor(2 * time) % 2),
        np.zeros(len(time)),
    ):
        assert found_in(sound) == ()


def test_what_was_said_before_is_not_told_again(voice: voices.Samples) -> None:
    found = found_in(voice, start=10.0, since=12.0)
    assert found[0].start >= 12.0
    assert found[-1].end <= 10.0 + len(voice) / RATE


def test_a_sentence_across_a_border_is_one() -> None:
    known = (Speech(start=1, end=2), Speech(start=8, end=10))
    assert voices.joined(known, (Speech(start=10, end=11), Speech(start=12, end=13))) == (
        Speech(start=1, end=2),
        Speech(start=8, end=11),
        Speech(start=12, end=13),
    )
    assert voices.joined(known, (Speech(start=10.5, end=11),))[1:] == (
        Speech(start=8, end=10),
        Speech(start=10.5, end=11),
    )
    assert voices.joined((), known) == known


def understood(path: Path, *subtitles: SubtitleFile, border: float | None = None) -> Understanding:
    video = Video(content_id="x", title="x", path=path, subtitles=subtitles)

    async def look() -> Understanding:
        overview = await survey(video, lambda *_: None)
        ends = [border, overview.duration] if border else [overview.duration]
        known, start = None, 0.0
        for index, end in enumerate(ends):
            window = Window(index=index, start=start, end=end)
            known, start = await understand(video, overview, window, known, 0.0), end
        assert known is not None
        return known

    return asyncio.run(look())


def test_windows_tell_together_what_the_whole_would() -> None:
    whole = understood(VOICE).speech
    assert whole
    halves = understood(VOICE, border=2.5).speech
    assert halves
    assert [(round(a.start, 0), round(a.end, 0)) for a in halves] == [
        (round(a.start, 0), round(a.end, 0)) for a in whole
    ]


def test_where_there_are_subtitles_nobody_listens(tmp_path: Path) -> None:
    file = tmp_path / "a.srt"
    file.write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n")
    assert understood(VOICE, SubtitleFile(path=file)).speech is None


def test_the_companion_does_not_talk_over_a_voice_that_has_no_subtitles(
    tmp_path: Path, voice: voices.Samples
) -> None:
    """A minute in which somebody speaks from 20 to 50 s: no line of the script lies there,
    but where the video waits."""
    speaks = np.tile(voice, int(30 * RATE / len(voice)) + 1)[: 30 * RATE]
    whole = np.concatenate([np.zeros(20 * RATE), speaks, np.zeros(10 * RATE)]).astype(np.float32)
    with av.open(str(tmp_path / "talk.wav"), "w") as out:
        track = out.add_stream("pcm_s16le", rate=RATE)
        track.layout = "mono"
        piece = av.AudioFrame.from_ndarray(
            (whole * 32000).astype(np.int16)[None], format="s16", layout="mono"
        )
        piece.sample_rate, piece.pts = RATE, 0
        out.mux([*track.encode(piece), *track.encode(None)])

    async def scripted() -> Track:
        settings = Settings(libraries=(tmp_path,), data_dir=tmp_path, density="chatty")
        store, parts = MemoryStore(), build_parts(settings)
        request = CreateSession(video_url="library:talk.wav", character_id="miao")
        session = await WatchSession.create(request, store=store, parts=parts, created_at=0.0)
        await session.produce()
        return await session.track()

    lines = [action for action in asyncio.run(scripted()).actions if isinstance(action, Speak)]
    assert lines
    assert [
        line.trigger_timestamp
        for line in lines
        if 20.5 < line.trigger_timestamp < 49.0 and not line.pause_video
    ] == []
