"""What `import watchbuddy_core` costs: `python tests/bench/imports.py`.

Beside it, in turn: a fresh interpreter that imports asyncio and defines one pydantic
model. The goal is a ratio of at most 1.5. The public names are timed as well: those cost
what pydantic costs.
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median
from time import perf_counter

ROUNDS = 15
PROGRAMS = {
    "asyncio and one pydantic model": (
        "import asyncio, pydantic\nclass Model(pydantic.BaseModel):\n    position: float"
    ),
    "import watchbuddy_core": "import watchbuddy_core",
    "from watchbuddy_core import Timeline": "from watchbuddy_core import Timeline",
    "from watchbuddy_core import WatchSession": "from watchbuddy_core import WatchSession",
}


def seconds(program: str) -> float:
    began = perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return perf_counter() - began


def main() -> None:
    for program in PROGRAMS.values():
        seconds(program)
    taken: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(ROUNDS):
        for name, program in PROGRAMS.items():
            taken[name].append(seconds(program))
    baseline = taken["asyncio and one pydantic model"]
    for name, times in taken.items():
        ratio = median(a / b for a, b in zip(times, baseline, strict=True))
        print(f"{name:42} {median(times) * 1000:6.0f} ms   ratio {ratio:4.2f}")


if __name__ == "__main__":
    main()
