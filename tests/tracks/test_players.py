"""What FFmpeg's libraries show of a track: the spoken lines, at their times, and no more."""

from __future__ import annotations

from pathlib import Path
from unicodedata import category

import av
import pytest

from watchbuddy_core.actions import Speak
from watchbuddy_core.tracks import Track, write_track

LOOK_ALIKES = str.maketrans("＜＞｛｝＼", "<>{}\\")


def shown(path: Path) -> list[tuple[float, str]]:
    """(start, what is displayed) of each subtitle."""
    with av.open(str(path)) as container:
        (stream,) = container.streams.subtitles
        return [
            (float(packet.pts * packet.time_base), displayed(subtitle.ass.decode()))
            for packet in container.demux(stream)
            if packet.pts is not None
            for subtitle in stream.decode(packet)
        ]


def displayed(event: str) -> str:
    """The decoders hand over ASS, whatever they read; braces and backslashes are escaped."""
    text = event.split(",", 8)[8].replace("\\{{}", "｛").replace("\\\u2060", "＼")
    assert not set(text) & set("{}\\") - {"}"}, f"there is markup in {text}"
    return text.translate(LOOK_ALIKES)


@pytest.mark.parametrize("format", ["vtt", "srt", "ass"])
def test_a_player_shows_the_spoken_lines_alone(track, format, tmp_path):
    path = tmp_path / f"film.{format}"
    path.write_text(write_track(track, format), encoding="utf-8")
    expected = [(a.trigger_timestamp, a.text) for a in track.actions if isinstance(a, Speak)]
    seen = shown(path)
    assert [text for _, text in seen] == [text for _, text in expected]
    for (at, _), (trigger, _) in zip(seen, expected, strict=True):
        assert at == pytest.approx(trigger, abs=0.011)


@pytest.mark.parametrize("format", ["vtt", "srt", "ass"])
def test_a_player_shows_hostile_lines_as_they_were_written(all_hostile, format, tmp_path):
    track = Track(
        actions=tuple(
            Speak(trigger_timestamp=20.0 * i, text=text) for i, text in enumerate(all_hostile)
        )
    )
    path = tmp_path / f"film.{format}"
    path.write_text(write_track(track, format), encoding="utf-8")
    seen = shown(path)
    assert [round(at) for at, _ in seen] == [20 * i for i in range(len(all_hostile))]
    for (_, text), line in zip(seen, all_hostile, strict=True):
        visible = " ".join("".join(" " if category(c) == "Cc" else c for c in line).split())
        assert text == (visible or "…")
