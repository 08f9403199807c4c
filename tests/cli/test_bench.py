"""`bench`: tracks of anybody, and the companion in clips that are made for it."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from shared import made_once

from watchbuddy_core.actions import Speak
from watchbuddy_core.protocols import Progress
from watchbuddy_core.scoring import OFFLINE, fixtures, read_reference, score
from watchbuddy_core.settings import Settings
from watchbuddy_core.tracks import Track, write_track
from watchbuddy_core.understanding import survey
from watchbuddy_core.video import Video
from watchbuddy_server.benching import bench

DOCUMENT = (Path(__file__).parents[2] / "docs" / "bench.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"```json\n(.*?)```", DOCUMENT, flags=re.DOTALL)
GOOD = Track(actions=[Speak(trigger_timestamp=12.4, text="Who is that?")], end_time=30.0)
BAD = Track(actions=[Speak(trigger_timestamp=8.0, text="Here comes Korvel!")], end_time=30.0)


def ignore(*_: object) -> None:
    """Nobody is told."""


@pytest.fixture(scope="session")
def benched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clips of seed 1, and `printed.json` of the command that made them."""

    def make(folder: Path) -> None:
        command = Path(sys.executable).with_name("watchbuddy")
        ran = subprocess.run(
            [command, "bench", "--json", "--check", "--keep", folder],
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=110,
        )
        assert ran.returncode == 0, ran.stderr
        (folder / "printed.json").write_text(ran.stdout, encoding="utf-8")

    return made_once(tmp_path_factory, "cli/bench", make)


def test_the_offline_companion_keeps_to_its_bounds(benched: Path) -> None:
    printed = json.loads((benched / "printed.json").read_text(encoding="utf-8"))
    assert [track["name"] for track in printed["tracks"]] == [one.name for one in fixtures(1)]
    for bound in OFFLINE:  # as --check has found, or the command had failed
        assert bound.holds(printed["mean"][bound.figure]), bound
    assert all(track["lines"] >= 4 for track in printed["tracks"])


def test_the_same_seed_gives_the_same_bytes(benched: Path, tmp_path: Path) -> None:
    again = fixtures(1)[1]
    settings = Settings(data_dir=tmp_path / "kept")
    (done,) = asyncio.run(
        bench([again], folder=tmp_path, settings=settings, tell_progress=ignore, tell_notice=ignore)
    )
    for name in (f"{again.name}.mp4", f"{again.name}.reference.json"):
        assert (tmp_path / name).read_bytes() == (benched / name).read_bytes()
    printed = json.loads((benched / "printed.json").read_text(encoding="utf-8"))
    assert dict(done.score.figures()) == printed["tracks"][1]["figures"]
    assert fixtures(1) == fixtures(1)
    assert fixtures(1) != fixtures(2)


def test_the_clips_are_what_their_references_say(benched: Path) -> None:
    quiet: Progress = ignore
    for fixture in fixtures(1):
        path = benched / f"{fixture.name}.mp4"
        reference = read_reference((benched / f"{fixture.name}.reference.json").read_bytes())
        assert reference == fixture.reference
        video = Video(content_id="1", title=fixture.name, path=path)
        seen = asyncio.run(survey(video, quiet))
        assert seen.duration == pytest.approx(reference.end_time, abs=0.3)
        assert [cue.text for cue in seen.cues] == [cue.text for cue in reference.dialogue]
        at = 0.0
        for shot in fixture.shots:
            assert any(abs(key - at) < 0.01 for key in seen.keyframes)
            at += shot.seconds
        assert len(reference.events) == len(fixture.shots)


def test_tracks_are_held_against_a_reference(run, tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text(write_track(GOOD, "json"), encoding="utf-8")
    (tmp_path / "bad.srt").write_text(write_track(BAD, "srt"), encoding="utf-8")
    (tmp_path / "reference.json").write_text(EXAMPLE, encoding="utf-8")
    tracks = (tmp_path / "good.json", tmp_path / "bad.srt")
    ran = run("bench", *tracks, "--reference", tmp_path / "reference.json", "--json")
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    good, bad = json.loads(ran.stdout)["tracks"]
    assert good["figures"] == dict(score(GOOD, read_reference(EXAMPLE)).figures())
    assert (good["figures"]["leaks"], bad["figures"]["leaks"]) == (0, 1)
    assert bad["leaks"] == [{"at": 8.0, "until": 12.0, "text": "Here comes Korvel!"}]
    assert bad["figures"]["talked_over"] == 0

    checked = run("bench", tracks[1], "--reference", tmp_path / "reference.json", "--check")
    assert checked.returncode == 1
    assert "watchbuddy: leaks: at most 0, and it is 1." in checked.stderr.splitlines()
    assert "leak in " in checked.stdout
    assert "Here comes Korvel!" in checked.stdout


def test_tracks_of_one_name_have_a_column_each(run, tmp_path: Path) -> None:
    for folder, track in (("mine", GOOD), ("theirs", BAD)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "it.json").write_text(write_track(track, "json"), encoding="utf-8")
    ran = run("bench", tmp_path / "mine" / "it.json", tmp_path / "theirs" / "it.json")
    assert ran.returncode == 0, ran.stderr
    headings, *rows = ran.stdout.splitlines()
    mine, theirs, mean = headings.split()
    assert mine.endswith("mine/it.json")
    assert theirs.endswith("eirs/it.json")
    assert mean == "mean"
    assert {len(row.split()) for row in rows} == {4}


def test_what_cannot_be_measured_is_told_in_a_sentence(run, tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text("{}", encoding="utf-8")
    (tmp_path / "good.json").write_text(write_track(GOOD, "json"), encoding="utf-8")
    broken = run("bench", tmp_path / "good.json", "--reference", tmp_path / "none.json")
    assert broken.returncode == 1
    assert broken.stderr.startswith("watchbuddy: ")
    assert "end_time" in broken.stderr
    assert broken.stderr.count("\n") == 1
    alone = run("bench", "--reference", tmp_path / "none.json")
    assert alone.returncode == 2
    assert "TRACK" in alone.stderr


def test_every_figure_is_explained() -> None:
    known = score(GOOD, read_reference(EXAMPLE)).figures()
    named = {name.replace("@1", "@k") for name in known if not name.endswith(("@3", "@5"))}
    table = DOCUMENT.partition("## The figures")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `([a-z0-9_@]+)`", table, flags=re.MULTILINE))
    assert documented == named
