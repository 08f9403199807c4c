"""The page about tracks, and the schema beside it, say what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

from watchbuddy_core.actions import Expression, Speak
from watchbuddy_core.entries import Drop
from watchbuddy_core.tracks import Track, TrackVideo, read_track, write_track

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "tracks.md").read_text(encoding="utf-8")


def example(language: str) -> str:
    (text,) = re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
    return str(text)


def test_the_schema_is_that_of_the_model():
    """Where it is not, write it anew from `Track.model_json_schema()`."""
    written = (DOCS / "track.schema.json").read_text(encoding="utf-8")
    assert written == json.dumps(Track.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def test_the_example_in_json_is_a_track():
    track = read_track(example("json"), "json")
    assert json.loads(write_track(track, "json")) == json.loads(example("json"))


def test_the_example_in_webvtt_is_a_track():
    line, face = read_track(example("vtt"), "vtt").actions
    assert isinstance(line, Speak)
    assert isinstance(face, Expression)
    assert line.pause_video
    assert line.trigger_timestamp == 0.5
    (cue,) = re.findall(r".* --> .*\n.*", example("vtt"))
    assert cue in write_track(Track(actions=(line, face)), "vtt")


def test_the_python_runs():
    exec(compile(example("python"), "tracks.md", "exec"), {})


def test_each_field_is_explained():
    for model in (Track, TrackVideo, Drop):
        for name in model.model_fields:
            assert f"`{name}`" in PAGE or f'"{name}"' in PAGE
