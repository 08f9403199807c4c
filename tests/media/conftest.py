"""Real files with known content, made once."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.video import Chapter, Cue

SHOTS = (
    Shot(4.0, Picture.DAWN, Tone.CALM),
    Shot(3.0, Picture.DAY, Tone.CALM),
    Shot(4.0, Picture.NIGHT, Tone.BANG),
    Shot(3.0, Picture.SEA, Tone.SILENCE),
    Shot(6.0, Picture.STILL, Tone.CALM),
)
CUES = (
    Cue(start=0.5, end=2.0, text="Where are we going?", speaker="Anna"),
    Cue(start=5.0, end=6.5, text="It is a long way to the lighthouse."),
    Cue(start=12.0, end=13.0, text="", sounds=("wind",)),
)
CHAPTERS = (
    Chapter(start=0.0, end=11.0, title="On the road"),
    Chapter(start=11.0, end=20.0, title="By the sea"),
)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `film` in several containers, `mute.mp4`, `calm.mp4` and `long.mp4`."""
    folder = tmp_path_factory.mktemp("library")
    size = (160, 90)
    for name in ("film.mp4", "film.mkv"):
        make_clip(folder / name, SHOTS, size=size, subtitles=CUES, chapters=CHAPTERS)
    make_clip(folder / "mute.mp4", [Shot(3.0, Picture.DAY, Tone.SILENCE)], size=size)
    make_clip(
        folder / "calm.mp4",
        [Shot(12.0, Picture.STILL), Shot(6.0, Picture.DAY, Tone.SILENCE), Shot(4.0, Picture.DAY)],
        size=size,
    )
    for name in ("film.ts", "film.flv"):
        _repack(folder / "film.mp4", folder / name)
    make_clip(folder / "long.mp4", [Shot(300.0, Picture.STILL)], size=(64, 36), frame_rate=2)
    return folder


def _repack(source: Path, target: Path) -> None:
    """The same pictures and sound in another container, a minute later on its own clock."""
    with av.open(str(source)) as given, av.open(str(target), "w") as out:
        streams = {
            stream: out.add_stream_from_template(stream)
            for stream in (given.streams.video[0], given.streams.audio[0])
        }
        for packet in given.demux(list(streams)):
            if packet.dts is None or packet.pts is None:
                continue
            later = int(60 / packet.time_base)
            packet.pts, packet.dts = packet.pts + later, packet.dts + later
            packet.stream = streams[packet.stream]
            out.mux(packet)
