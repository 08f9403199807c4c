"""Whatever goes wrong is one clear sentence on stderr and an exit code, never a traceback."""

from __future__ import annotations

import errno
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from patience import PATIENCE

from watchbuddy_server.cli.commands import cli
from watchbuddy_server.new_files import FileNotWritten

FAILED, CALLED_WRONGLY, TERMINATED = 1, 2, 143


def sentence(ran, code: int) -> str:
    """What the command said about its failure."""
    assert ran.returncode == code, ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stderr.startswith("watchbuddy: ")
    assert ran.stderr.count("\n") == 1
    return ran.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["dance"], "No such command 'dance'."),
        (["watch"], "Missing argument 'VIDEO'."),
        (["tokens"], "`tokens` does one of these: add, list, new, rm."),
        (["sessions"], "backup, export, list, rm, show."),
        (["serve", "--port", "99999"], "99999 is not in the range"),
        (["serve", "--port", "high"], "'high' is not a valid integer"),
        (["serve", "--library", "no/such/folder"], "'no/such/folder' does not exist"),
        (["watch", "no-such-file.mp4"], "no-such-file.mp4 does not exist."),
        (["watch", "."], ". is no file."),
        (["watch", "library:a.mp4", "--server", "here"], "here is no address of a server"),
        (["serve", "--open", "--need-token"], "say the opposite of each other"),
        (["serve", "--host", ""], "--host: String should have at least 1 character."),
        (["serve", "--peer-url", "http://a:1"], "--peer-url needs a Redis"),
        (["watch", "library:a.mp4", "--start", "soon"], "soon is no time such as 90 or 1:30"),
        (["watch", "library:a.mp4", "--start", "-1"], "-1 is no time such as 90 or 1:30"),
        (["watch", "library:a.mp4", "--end", "nan"], "nan is no time such as 90 or 1:30"),
        (["watch", "library:a.mp4", "--speed", "0"], "0.0 is not in the range"),
        (["demo", "--data-dir", __file__], "is a file"),
    ],
)
def test_a_wrong_call_exits_with_2(run, arguments, says):
    assert says in sentence(run(*arguments), CALLED_WRONGLY)


def test_a_file_that_a_running_server_cannot_know_is_refused(run, clip):
    ran = run("watch", clip, "--server", "http://127.0.0.1:1")
    assert "name the video as the server knows it" in sentence(ran, CALLED_WRONGLY)


def test_a_port_in_use_is_told(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = sentence(run("serve", "--port", port), FAILED)
    assert f"Cannot listen at port {port} of 127.0.0.1: Address already in use." in said


def test_a_host_that_is_not_here_is_told(run):
    assert "Cannot listen" in sentence(
        run("serve", "--open", "--host", "192.0.2.1", "--port", 0), FAILED
    )


def test_a_file_that_is_no_video_is_told(run, tmp_path):
    path = tmp_path / "letter.mp4"
    path.write_text("Dear reader, this is no film." * 100)
    said = sentence(run("watch", path), FAILED)
    assert str(tmp_path) not in said


def test_a_server_that_is_not_there_is_told(run):
    said = sentence(run("watch", "library:a.mp4", "--server", "http://127.0.0.1:1"), FAILED)
    assert "No server answers at http://127.0.0.1:1: Connection refused." in said


def test_an_unknown_character_is_told_with_those_there_are(run, clip):
    assert "miao" in sentence(run("watch", clip, "--character", "nobody"), FAILED)


def test_a_link_to_elsewhere_is_told(run):
    said = sentence(run("watch", "https://vimeo.com/76979871"), FAILED)
    assert "The provided video URL from 'vimeo.com' is not supported." in said


def test_a_range_that_is_none_is_told(run, clip):
    assert "end_time" in sentence(run("watch", clip, "--start", "5", "--end", "0:05"), FAILED)
    assert sentence(run("watch", clip, "--start", "1:00:00"), FAILED)


def test_a_file_that_is_not_in_the_library_is_told(run, tmp_path):
    sentence(run("watch", "library:missing.mp4", "--library", tmp_path), FAILED)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["--end", "99999999999"], "end_time"),
        (["--character", ""], "character_id"),
        (["--text", "x" * 5000], "text"),
        (["--speed", "nan"], "speed"),
    ],
)
def test_a_value_that_no_request_takes_is_told_by_its_name(run, clip, arguments, field):
    said = sentence(run("watch", clip, *arguments), CALLED_WRONGLY)
    assert field in said
    assert "pydantic" not in said
    assert "xxxx" not in said


@pytest.mark.parametrize(
    ("option", "value"), [("--open", "open"), ("--need-token", "token"), (None, "auto")]
)
def test_of_two_options_of_one_setting_the_one_that_was_given_is_named(run, option, value):
    given = [option] if option else []
    shown = run("serve", *given, "--print-settings").stdout
    assert f'access = "{value}"  # {option or "default"}\n' in shown


FULL = "watchbuddy: Standard output cannot be written: No space left on device.\n"


@pytest.fixture
def run_into_a_full_disk(environment):
    def run(*arguments: object) -> tuple[int, str]:
        with open("/dev/full", "w") as full:
            ran = subprocess.run(
                [sys.executable, "-m", "watchbuddy_server.cli", *map(str, arguments)],
                stdout=full,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                env=environment,
                timeout=PATIENCE,
                check=False,
            )
        return ran.returncode, ran.stderr

    return run


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /dev/full")
def test_standard_output_that_takes_nothing_is_told(run_into_a_full_disk, clip):
    assert run_into_a_full_disk("schema", "json") == (FAILED, FULL)
    assert run_into_a_full_disk("--help") == (FAILED, FULL)
    assert run_into_a_full_disk("watch", clip, "--speed", 100) == (FAILED, FULL)


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /dev/full")
def test_a_token_that_nobody_has_seen_lets_nobody_in(run, run_into_a_full_disk):
    assert run_into_a_full_disk("tokens", "add", "anna") == (FAILED, FULL)
    assert run("tokens", "list").stdout == ""


def test_a_card_that_cannot_be_deleted_is_told(tmp_path, monkeypatch):
    def refuse(path, missing_ok=False):
        raise OSError(errno.EROFS, "Read-only file system")

    (tmp_path / "characters").mkdir()
    (tmp_path / "characters" / "aqua.json").write_text("{}")
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(FileNotWritten, match="aqua cannot be deleted: Read-only"):
        cli.main(["characters", "rm", "aqua", "--data-dir", str(tmp_path)], standalone_mode=False)


# --- signals -------------------------------------------------------------------------------


def test_ctrl_c_while_it_is_still_starting_is_no_traceback(run, tmp_path):
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt")
    ran = run("watch", "film.mp4", PYTHONPATH=str(tmp_path))
    assert (ran.returncode, ran.stderr) == (130, "")


def test_a_demo_that_is_terminated_while_it_makes_its_film_leaves_nothing(
    start, environment, tmp_path
):
    environment["TMPDIR"] = str(tmp_path / "temporary")
    (tmp_path / "temporary").mkdir()
    process = start("demo")
    while not list((tmp_path / "temporary").glob("watchbuddy-*/*")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == TERMINATED
    assert list((tmp_path / "temporary").iterdir()) == []


def test_to_be_terminated_where_no_exception_gets_through_is_not_forgotten():
    assert _ran("""
import os, signal, sys
from watchbuddy_server.cli import outcome, running

class Destroyed:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)

async def work():
    print("still at work")

signal.signal(signal.SIGTERM, outcome.terminate)
Destroyed()
running.run(work())
""") == (TERMINATED, "")


def test_to_be_terminated_while_the_event_loop_starts_is_not_forgotten():
    """uvloop takes the signals over then, before it runs the first line."""
    assert _ran("""
import asyncio, os, signal
import uvloop
from watchbuddy_server.cli import running

def new_loop():
    loop = uvloop.new_event_loop()
    loop.call_soon(os.kill, os.getpid(), signal.SIGTERM)
    return loop

async def work():
    await asyncio.sleep(10)
    print("still at work")

running._new_loop = new_loop
running.run(work())
""") == (TERMINATED, "")


def _ran(program: str) -> tuple[int, str]:
    """With which code a program ended, and what it printed."""
    ran = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    return ran.returncode, ran.stdout


def test_watching_that_is_terminated_does_not_pass_for_finished(start, clip):
    process = start("watch", clip)
    while "SPEAK" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == TERMINATED


@pytest.mark.parametrize("gap", [0.0, 0.03])
@pytest.mark.parametrize("command", ["serve", "watch"])
def test_ctrl_c_pressed_several_times_is_no_traceback(start, clip, command, gap):
    process = start(*(("serve", "--port", "0") if command == "serve" else ("watch", clip)))
    while not process.stdout.readline():
        assert process.poll() is None
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(gap)
    _, said = process.communicate(timeout=PATIENCE)
    assert (process.returncode, said.strip()) == (130, "")
