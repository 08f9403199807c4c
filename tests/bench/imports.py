"""What `import watchbuddy_core` and short commands cost: `python tests/bench/imports.py`.

Beside it, in turn: a fresh interpreter that imports asyncio and defines one pydantic
model. The goal is a ratio of at most 1.5. The public names are timed as well: those cost
what pydantic costs. So are commands that need no server.

    --before FOLDER    another state of this repository, such as a `git worktree` of it: each is
                       compared with the same there, in turn, and so is how long a server with
                       its defaults takes until it listens
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

ROUNDS = 15
HERE = Path(__file__).parents[2]

BASELINE = "asyncio and one pydantic model"
COMMAND = ("-m", "watchbuddy_server.cli")
PROGRAMS = {
    BASELINE: (
        *("-c", "import asyncio, pydantic\nclass Model(pydantic.BaseModel):\n    position: float"),
    ),
    "import watchbuddy_core": ("-c", "import watchbuddy_core"),
    "from watchbuddy_core import Timeline": ("-c", "from watchbuddy_core import Timeline"),
    "from watchbuddy_core import WatchSession": ("-c", "from watchbuddy_core import WatchSession"),
    "watchbuddy --version": (*COMMAND, "--version"),
    "watchbuddy --help": (*COMMAND, "--help"),
    "watchbuddy serve --help": (*COMMAND, "serve", "--help"),
    "watchbuddy characters": (*COMMAND, "characters"),
    "watchbuddy plugins": (*COMMAND, "plugins"),
}
SERVER = (*COMMAND, "serve", "--port", "0", "--data-dir", "data")


def seconds(program: tuple[str, ...]) -> float:
    began = perf_counter()
    subprocess.run([sys.executable, *program], check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - began


def compare_programs() -> None:
    for program in PROGRAMS.values():
        seconds(program)
    taken: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(ROUNDS):
        for name, program in PROGRAMS.items():
            taken[name].append(seconds(program))
    baseline = taken[BASELINE]
    for name, times in taken.items():
        ratio = median(a / b for a, b in zip(times, baseline, strict=True))
        print(f"{name:42} {median(times) * 1000:6.0f} ms   ratio {ratio:4.2f}")


def start(state: Path, program: tuple[str, ...]) -> tuple[float, float]:
    """Seconds until a program of a state has ended, or its server listens; and of a processor."""
    environment = {**os.environ, "PYTHONPATH": str(state)}
    with tempfile.TemporaryDirectory(prefix="start-") as folder:
        before, began = _used(), perf_counter()
        running = subprocess.Popen(
            [sys.executable, *program],
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=environment,
        )
        assert running.stdout is not None
        if program is SERVER:
            running.stdout.readline()
        else:
            running.stdout.read()
            running.wait()
        took = perf_counter() - began
        running.kill()
        running.wait()
    return took, _used() - before


def _used() -> float:
    """Seconds of a processor, of programs that have ended."""
    told = resource.getrusage(resource.RUSAGE_CHILDREN)
    return told.ru_utime + told.ru_stime


def compare_states(before: Path) -> None:
    programs = {**PROGRAMS, "watchbuddy serve, until it listens": SERVER}
    del programs[BASELINE]
    for name, program in programs.items():
        taken: dict[Path, list[tuple[float, float]]] = {before: [], HERE: []}
        for number in range(-1, ROUNDS):
            for state in (before, HERE) if number % 2 else (HERE, before):
                if number < 0:
                    start(state, program)  # what is compiled is compiled by now
                else:
                    taken[state].append(start(state, program))
        pairs = list(zip(taken[before], taken[HERE], strict=True))
        ratio, core = (median(b[i] / a[i] for a, b in pairs) for i in (0, 1))
        old, new = (median(one[0] for one in taken[state]) * 1000 for state in (before, HERE))
        print(f"{name:42} {old:5.0f} and {new:5.0f} ms   ratio {ratio:4.2f}, of a core {core:4.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path)
    before = parser.parse_args().before
    if before is None:
        compare_programs()
    else:
        compare_states(before.absolute())


if __name__ == "__main__":
    main()
