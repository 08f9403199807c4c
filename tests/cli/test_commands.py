"""The commands, as people and programs use them."""

from __future__ import annotations

import json
import os
import pty
import re
import resource
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from patience import PATIENCE

from watchbuddy_core.actions import Speak
from watchbuddy_core.video import clock
from watchbuddy_server.cli.commands import COMMANDS, cli
from watchbuddy_server.demo import DURATION, FILE_NAME
from watchbuddy_server.terminal import describe

LINE = re.compile(
    r" *(?P<minutes>\d+):(?P<seconds>\d\d)"
    r"  (?P<kind>SPEAK|PAUSE_VIDEO|SEEK|REPLAY_SEGMENT|EXPRESSION|END_REACTION) +(?P<rest>\S.*)"
)


def actions(output: str) -> list[tuple[int, str, str]]:
    """(second, type, what else is told) of each action that was printed."""
    return [
        (60 * int(found["minutes"]) + int(found["seconds"]), found["kind"], found["rest"])
        for found in map(LINE.fullmatch, output.splitlines())
        if found
    ]


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    found = re.fullmatch(r"Watching at (http://127\.0\.0\.1:\d+)\n", process.stdout.readline())
    assert found
    return found[1]


def test_without_a_command_it_says_what_there_is(run):
    ran = run()
    assert ran.returncode == 0
    for command in ("serve", "watch", "demo"):
        assert command in ran.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_listed_with_what_its_help_begins_with(name):
    context = click.Context(cli)
    command = cli.get_command(context, name)
    assert command.name == name
    assert command.get_short_help_str(limit=200) == COMMANDS[name]
    assert name in cli.list_commands(context)


def test_it_says_its_version(run):
    ran = run("--version")
    assert ran.returncode == 0
    assert re.match(r"watchbuddy, version \d+\.\d+", ran.stdout)


def test_watching_a_file_prints_each_action_at_its_second_and_a_summary(run, clip):
    ran = run("watch", clip, "--speed", 10)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    printed = actions(ran.stdout)
    kinds = {kind for _, kind, _ in printed}
    assert "SPEAK" in kinds
    assert len(kinds) >= 3
    seconds = [second for second, _, _ in printed]
    assert seconds == sorted(seconds)
    assert all(0 <= second <= DURATION - 1 for second in seconds)
    summary = ran.stdout.splitlines()[-1]
    assert summary.startswith(f"{len(printed)} actions: ")
    assert re.search(r"They arrived \d+\.\d\d s late on average, \d+\.\d\d s at most\.$", summary)


def test_what_is_printed_to_no_terminal_has_neither_bar_nor_colours(run, clip):
    ran = run("watch", clip, "--speed", 20, "--end", 8)
    assert ran.returncode == 0, ran.stderr
    assert "\x1b" not in ran.stdout
    assert "\r" not in ran.stdout
    assert "playing" not in ran.stdout


def test_a_part_of_a_file_of_a_library_can_be_watched(run, clip):
    ran = run(
        *("watch", f"library:{clip.name}", "--library", clip.parent),
        *("--start", "0:16", "--end", "32", "--speed", 10),
    )
    assert ran.returncode == 0, ran.stderr
    printed = actions(ran.stdout)
    assert printed
    assert all(16 <= second <= 31 for second, _, _ in printed)


def test_output_that_cannot_show_a_character_shows_another(run, clip):
    wish = "Every sentence ends with “喵～～”"
    ran = run("watch", clip, "--speed", 10, "--text", wish, PYTHONIOENCODING="ascii")
    assert ran.returncode == 0, ran.stderr
    assert "SPEAK" in ran.stdout
    assert "?" in ran.stdout


def test_the_demo_shows_itself_without_a_terminal_and_ends(run, tmp_path):
    ran = run("demo", "--data-dir", tmp_path / "kept", "--speed", 10)
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"^Watching at http://127\.0\.0\.1:\d+$", ran.stdout, re.MULTILINE)
    assert {kind for _, kind, _ in actions(ran.stdout)} >= {"SPEAK", "END_REACTION"}
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [FILE_NAME]


def test_a_server_answers_and_ends_when_it_is_told_to(start, clip):
    process = start("serve", "--port", 0, "--library", clip.parent)
    address = address_of(process)
    body = {"video_url": f"library:{clip.name}", "character_id": "miao"}
    request = urllib.request.Request(
        f"{address}/api/v1/sessions",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        assert answer.status == 202
        assert re.fullmatch(r"ses_[0-9a-f]{16}", json.load(answer)["session_id"])
    assert process.stdout is not None
    described = process.stdout.readline()
    assert address in described
    with urllib.request.urlopen(described.split()[-1], timeout=PATIENCE) as answer:
        assert "/api/v1/sessions" in json.load(answer)["paths"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE) == 0
    assert "Traceback" not in process.stderr.read()


def test_a_wish_that_cannot_be_followed_is_told_before_the_video_begins(run, clip):
    ran = run("watch", clip, "--speed", 20, "--end", 8, "--text", "talk like a pirate")
    assert ran.returncode == 0, ran.stderr
    (note,) = [line for line in ran.stdout.splitlines() if "talk like a pirate" in line]
    assert ran.stdout.splitlines().index(note) < ran.stdout.splitlines().index(
        next(line for line in ran.stdout.splitlines() if LINE.fullmatch(line))
    )


def test_a_server_takes_as_many_open_files_as_it_may_have(start):
    """A shell's own limit is far below what a server of many viewers needs."""
    now = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, now[1]))
    try:
        process = start("serve", "--port", 0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, now)
    address_of(process)
    limits = Path(f"/proc/{process.pid}/limits").read_text()
    (soft,) = re.findall(r"^Max open files\s+(\d+)", limits, flags=re.MULTILINE)
    assert int(soft) == min(now[1], 65_536)


def test_a_running_server_can_be_watched_with(run, start, clip):
    address = address_of(start("serve", "--port", 0, "--library", clip.parent))
    ran = run("watch", f"library:{clip.name}", "--server", address, "--speed", 10)
    assert ran.returncode == 0, ran.stderr
    assert actions(ran.stdout)[-1][1] == "END_REACTION"


def test_ctrl_c_ends_it_with_130_and_without_a_word(start, clip):
    process = start("serve", "--port", 0)
    address_of(process)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE) == 130
    assert process.stderr.read().strip() == ""


def test_ctrl_c_ends_watching(start, clip):
    process = start("watch", clip)
    assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE) == 130
    assert process.stderr.read().strip() == ""


def test_it_ends_when_nobody_reads_any_more(start, clip):
    process = start("watch", clip, "--speed", 10)
    process.stdout.close()
    assert process.wait(timeout=PATIENCE) == 130
    assert process.stderr.read().strip() == ""


class Terminal:
    """The command in a terminal of its own."""

    def __init__(self, *arguments: object, environment: dict[str, str]) -> None:
        self._near, far = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "watchbuddy_server.cli", *map(str, arguments)],
            stdin=far,
            stdout=far,
            stderr=far,
            env={**environment, "TERM": "xterm-256color"},
        )
        os.close(far)
        self.shown = ""

    def until(self, text: str) -> str:
        """Everything that was shown until `text` has come."""
        while text not in self.shown:
            self.shown += os.read(self._near, 65536).decode(errors="replace")
        return self.shown

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._near)


@pytest.fixture
def terminal(environment) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def open_terminal(*arguments: object) -> Terminal:
        opened.append(Terminal(*arguments, environment=environment))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.close()


def test_a_terminal_shows_a_bar_with_the_time_and_the_pauses(terminal, clip):
    screen = terminal("watch", clip, "--speed", 5)
    shown = screen.until("They arrived")
    for expected in ("playing", "paused", f"/ 0:{int(DURATION)}", "SPEAK", "\x1b["):
        assert expected in shown
    assert screen.process.wait(timeout=PATIENCE) == 0


def test_no_color_is_plain(terminal, clip):
    shown = terminal("watch", clip, "--speed", 20, "--no-color").until("They arrived")
    assert "\x1b[3" not in shown
    assert "\x1b[9" not in shown


def test_the_demo_goes_on_serving_in_a_terminal_until_ctrl_c(terminal):
    screen = terminal("demo", "--speed", 20)
    shown = screen.until("until Ctrl-C")
    address = re.search(r"Watching at (http://\S+)", shown)
    assert address
    with urllib.request.urlopen(f"{address[1]}/schema/openapi.json", timeout=PATIENCE) as answer:
        assert answer.status == 200
    screen.process.send_signal(signal.SIGINT)
    assert screen.process.wait(timeout=PATIENCE) == 130


def test_nothing_that_an_action_says_steers_the_terminal():
    line = describe(Speak(trigger_timestamp=61.0, text="\x1b]0;gotcha\x07喵\r\nnext"))
    assert line.plain.split(maxsplit=2) == ["1:01", "SPEAK", "]0;gotcha 喵  next"]


def test_times_are_told_as_people_tell_them():
    assert [clock(seconds) for seconds in (0.0, 65.9, 3723.0)] == ["0:00", "1:05", "1:02:03"]


def test_without_the_extra_the_command_names_it(environment):
    block = (
        "import sys; sys.modules['click'] = None; from watchbuddy_server.cli import main; main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", block], capture_output=True, text=True, env=environment, check=False
    )
    assert ran.returncode == 1
    assert "pip install 'watchbuddy[server]'" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_without_the_extra_a_command_names_it_as_well(environment):
    block = (
        "import sys; sys.modules['uvicorn'] = None; sys.argv[1:] = ['serve', '--port', '0'];"
        "from watchbuddy_server.cli import main; main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", block], capture_output=True, text=True, env=environment, check=False
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith("watchbuddy: uvicorn is missing. ")
    assert "pip install 'watchbuddy[server]'" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_the_installed_command_is_the_same(environment):
    command = Path(sys.executable).with_name("watchbuddy")
    ran = subprocess.run(
        [command, "--version"], capture_output=True, text=True, env=environment, check=False
    )
    assert ran.returncode == 0
