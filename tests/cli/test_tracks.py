"""Scripts as files: `generate` writes them, `watch --track` plays them again."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from patience import PATIENCE
from shared import made_once

from watchbuddy_core.actions import Speak
from watchbuddy_core.tracks import Track, read_track, write_track
from watchbuddy_server.terminal import describe

FAILED, CALLED_WRONGLY = 1, 2


def sentence(ran, code: int) -> str:
    """What the command said about its failure."""
    assert ran.returncode == code, ran.stderr
    assert ran.stderr.startswith("watchbuddy: ")
    assert ran.stderr.count("\n") == 1
    return ran.stderr


@pytest.fixture(scope="session")
def generated(tmp_path_factory, clip) -> Path:
    """The script of the clip, once for all tests that only read it."""

    def generate(path: Path) -> None:
        command = Path(sys.executable).with_name("watchbuddy")
        subprocess.run([command, "generate", clip, "-o", path], check=True, timeout=100)

    return made_once(tmp_path_factory, "cli/tracks/snail.json", generate)


def lines_of(track: Track) -> list[str]:
    return [describe(action).plain for action in track.actions]


@pytest.mark.parametrize("format", ["json", "vtt", "srt", "ass"])
def test_what_was_generated_is_played_again_as_it_is(run, clip, tmp_path, format):
    path = tmp_path / f"snail.{format}"
    ran = run("generate", clip, "-o", path)
    assert ran.returncode == 0, ran.stderr
    track = read_track(path.read_bytes(), format)
    assert len(track.actions) >= 3
    played = run("watch", clip, "--track", path, "--speed", 10)
    assert played.returncode == 0, played.stderr
    assert played.stderr == ""
    assert played.stdout.splitlines()[:-1] == lines_of(track)


def test_the_closing_line_counts_what_there_is_and_what_is_not(run, clip, tmp_path):
    ran = run("generate", clip, "-o", tmp_path / "snail.json")
    assert ran.stdout == ""
    track = read_track((tmp_path / "snail.json").read_bytes(), "json")
    said = ran.stderr
    assert said.count("\n") == 1
    assert said.startswith(f"{tmp_path / 'snail.json'}: {len(track.actions)} actions (")
    spoken = sum(isinstance(action, Speak) for action in track.actions)
    assert f"{spoken} SPEAK" in said
    assert re.search(rf"\. {len(track.dropped)} drafts \(.*\) dropped\.$", said)


def test_a_track_says_what_it_was_made_for(generated, clip):
    track = json.loads(generated.read_text(encoding="utf-8"))
    assert track["video"]["url"] == f"library:{clip.name}"
    assert track["video"]["title"] == clip.stem
    assert (track["character_id"], track["generator"]) == ("miao", "offline")
    assert track["language"] in ("en", None)  # of a few short lines nobody can be sure


def test_standard_output_has_the_track_and_nothing_else(run, clip, generated):
    ran = run("generate", clip, "-o", "-", PYTHONIOENCODING="ascii")
    assert ran.returncode == 0, ran.stderr
    printed, kept = (read_track(text, "json") for text in (ran.stdout, generated.read_bytes()))
    assert lines_of(printed) == lines_of(kept)
    assert run("generate", clip, "-o", "-", "--format", "vtt").stdout.startswith("WEBVTT\n")


def test_the_options_of_watching_have_their_effect(run, clip, tmp_path):
    path = tmp_path / "part.txt"
    ran = run(
        *("generate", f"library:{clip.name}", "--library", clip.parent, "-o", path),
        *("--format", "json", "--character", "quinn", "--density", "chatty"),
        *("--start", "0:10", "--end", 30, "--text", "每句话都以“喵～～”结尾"),
    )
    assert ran.returncode == 0, ran.stderr
    track = read_track(path.read_bytes(), "json")
    assert (track.character_id, track.start_time, track.end_time) == ("quinn", 10.0, 30.0)
    assert track.actions
    assert all(10 <= action.trigger_timestamp <= 29 for action in track.actions)
    lines = [action.text for action in track.actions if isinstance(action, Speak)]
    assert any("喵" in line for line in lines)


def test_a_part_of_a_track_can_be_played(run, clip, generated):
    track = read_track(generated.read_bytes(), "json")
    ran = run("watch", clip, "--track", generated, "--start", 16, "--end", 28, "--speed", 10)
    assert ran.returncode == 0, ran.stderr
    part = [action for action in track.actions if 16 <= action.trigger_timestamp <= 28]
    assert ran.stdout.splitlines()[:-1] == lines_of(Track(actions=tuple(part)))


def test_a_track_for_another_video_is_told_and_played(run, clip, tmp_path, generated):
    track = json.loads(generated.read_text(encoding="utf-8"))
    track["video"]["duration"] = 300.0
    track["actions"] = track["actions"][:1]
    path = tmp_path / "other.json"
    path.write_text(json.dumps(track), encoding="utf-8")
    ran = run("watch", clip, "--track", path, "--end", 5, "--speed", 20)
    assert ran.returncode == 0
    assert ran.stderr == (
        "watchbuddy: The track was made for a video of 5:00, and this one lasts 0:34.\n"
    )
    assert "SPEAK" in ran.stdout or "EXPRESSION" in ran.stdout


def test_a_character_who_is_not_here_can_be_played(run, clip, tmp_path):
    track = Track(actions=(Speak(trigger_timestamp=1.0, text="Boo."),), character_id="ghost")
    path = tmp_path / "ghost.json"
    path.write_text(write_track(track, "json"), encoding="utf-8")
    ran = run("watch", clip, "--track", path, "--end", 5, "--speed", 20)
    assert ran.returncode == 0, ran.stderr
    assert "Boo." in ran.stdout


# --- what goes wrong -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["generate"], "Missing argument 'VIDEO'"),
        (["generate", "CLIP"], "Missing option '-o'"),
        (["generate", "no-such-file.mp4", "-o", "a.json"], "no-such-file.mp4 does not exist"),
        (["generate", "CLIP", "-o", "a.txt"], ".json, .vtt, .srt, .ass"),
        (["generate", "CLIP", "-o", "a.json", "--format", "doc"], "'doc' is not one of"),
        (["generate", "CLIP", "-o", "."], "is a directory"),
        (["watch", "CLIP", "--track", "no-such-file.json"], "does not exist"),
        (["watch", "CLIP", "--track", "CLIP"], ".json, .vtt, .srt, .ass"),
        (["watch", "CLIP", "--track", "TRACK", "--text", "meow"], "--text does not go with"),
        (["watch", "CLIP", "--track", "TRACK", "--density", "quiet"], "--density does not go"),
        (
            ["watch", "library:a.mp4", "--track", "TRACK", "--server", "http://127.0.0.1:1"],
            "--server does not go with",
        ),
    ],
)
def test_a_wrong_call_exits_with_2(run, clip, generated, arguments, says):
    named = {"CLIP": clip, "TRACK": generated}
    assert says in sentence(run(*(named.get(a, a) for a in arguments)), CALLED_WRONGLY)


def test_a_file_that_exists_is_kept_unless_it_is_forced(run, clip, tmp_path):
    path = tmp_path / "snail.srt"
    path.write_text("precious")
    path.chmod(0o640)
    assert "--force replaces it" in sentence(run("generate", clip, "-o", path), CALLED_WRONGLY)
    assert path.read_text() == "precious"
    ran = run("generate", clip, "-o", path, "--force")
    assert ran.returncode == 0, ran.stderr
    assert read_track(path.read_bytes(), "srt").actions
    assert [file.name for file in tmp_path.iterdir()] == ["snail.srt"]


def test_what_would_be_read_as_the_subtitles_of_the_video_is_refused(run, clip):
    """The companion would take its own lines for what is said in the film."""
    for name in (f"{clip.stem}.vtt", f"{clip.stem}.miao.srt"):
        said = sentence(run("generate", clip, "-o", clip.with_name(name)), CALLED_WRONGLY)
        assert f"Call it {clip.stem}.watchbuddy" in said
    assert [path.name for path in clip.parent.iterdir()] == [clip.name]


def test_a_folder_that_is_not_there_is_told_before_the_work(run, clip, tmp_path):
    said = sentence(run("generate", clip, "-o", tmp_path / "nowhere" / "a.json"), FAILED)
    assert "cannot be written: No such file or directory." in said


def test_a_disk_that_is_full_is_told(run, clip):
    said = sentence(run("generate", clip, "-o", "/dev/full", "--format", "json"), FAILED)
    assert "/dev/full cannot be written: No space left on device." in said


def test_a_link_stays_a_link(run, clip, tmp_path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")
    ran = run("generate", clip, "-o", tmp_path / "link.json", "-f")
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "link.json").is_symlink()
    assert read_track((tmp_path / "real.json").read_bytes(), "json").actions


def test_a_failure_leaves_no_file(run, tmp_path):
    video = tmp_path / "letter.mp4"
    video.write_text("Dear reader, this is no film." * 100)
    sentence(run("generate", video, "-o", tmp_path / "letter.json"), FAILED)
    sentence(run("generate", video, "-o", tmp_path / "a.json", "--character", "nobody"), FAILED)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.mp4"]


@pytest.mark.parametrize(("told", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_ended_leaves_nothing(start, clip, tmp_path, told, code):
    process = start("generate", clip, "-o", tmp_path / "snail.json")
    while not list(tmp_path.glob(".watchbuddy-*")):
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(told)
    assert process.wait(PATIENCE) == code
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == []


def test_it_ends_when_nobody_reads_any_more(start, clip):
    process = start("generate", clip, "-o", "-")
    process.stdout.close()
    assert process.wait(timeout=PATIENCE) == 130
    assert process.stderr.read().strip() == ""


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.json", "{", "a.json: The track cannot be read: it is not valid JSON."),
        ("a.vtt", "hello", "a.vtt: The track cannot be read: it is not WebVTT."),
        ("a.json", '{"version": 9, "actions": []}', "newer version"),
    ],
)
def test_a_file_that_is_no_track_is_told(run, clip, tmp_path, name, content, says):
    (tmp_path / name).write_text(content)
    assert says in sentence(run("watch", clip, "--track", tmp_path / name), FAILED)
