"""The examples that print: what they write is what was due, when it was due."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_the_plain_loop_sends_each_action_at_its_second(run: Run) -> None:
    done = run("timeline_loop.py", "--counted")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "1.50 SPEAK Did you see that?",
        "4.00 SEEK ",
        "6.00 SPEAK There it was again.",
        "7.00 END_REACTION ",
    ]


def test_the_plain_loop_fits_a_page_and_knows_no_asyncio(run: Run) -> None:
    program = Path(__file__).parents[2] / "examples" / "timeline_loop.py"
    code = [line for line in program.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(code) <= 40
    assert "asyncio" not in "".join(code[1:])


def test_a_session_is_printed_from_its_first_action_to_its_goodbye(run: Run, film: Path) -> None:
    done = run("print_session.py", film, "--speed", 10)
    assert done.returncode == 0, done.stderr
    title, *lines = done.stdout.splitlines()
    found = re.fullmatch(r"snail: (\d+) actions", title)
    assert found is not None
    assert int(found[1]) == len(lines) > 0
    seconds = [float(line.split()[0]) for line in lines]
    assert seconds == sorted(seconds)
    assert seconds[-1] <= 12.0
    assert any(" SPEAK " in line for line in lines)
    assert lines[-1].endswith("END_REACTION")


def test_without_a_video_a_session_makes_one(run: Run) -> None:
    done = run("print_session.py", "--speed", 20)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("The way to the sea: ")


def test_a_session_without_a_script_says_why(run: Run, tmp_path: Path) -> None:
    done = run("print_session.py", tmp_path / "nothing.mp4")
    assert done.returncode == 1
    assert done.stderr.startswith("There is no such file in the library.")
    assert "Traceback" not in done.stderr
