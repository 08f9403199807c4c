"""What understanding a whole video costs: `python tests/bench/understanding.py [file]`.

Without a file, clips of 720p are made, of ten and of twenty minutes; that takes some minutes.
Each is understood in a process of its own, window by window, key frames included. Told are CPU
seconds, the wall seconds until the first window is known, and the peak of memory, which is to
be the same for both lengths.
"""

from __future__ import annotations

import asyncio
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

from watchbuddy_core.clips import Picture, Shot, make_clip
from watchbuddy_core.understanding import grid, key_frames, survey, understand
from watchbuddy_core.video import Understanding, Video


def peak_megabytes() -> float:
    """Of this program. What getrusage tells begins, on Linux, with what its parent had."""
    status = Path("/proc/self/status")
    if status.exists():
        (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())
        return int(peak) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def look_into(path: Path) -> None:
    video = Video(content_id=path.name, title=path.name, path=path)
    began, worked = perf_counter(), process_time()
    overview = await survey(video, lambda *_: None)
    known: Understanding | None = None
    first = pictures = 0.0
    shown = 0
    for window in grid(overview, 0.0, overview.duration):
        known = await understand(video, overview, window, known, 0.0)
        first = first or perf_counter() - began
        before = process_time()
        shown += len(await key_frames(video, known, window))
        pictures += process_time() - before
    scenes = len(known.scenes) if known else 0
    peak = peak_megabytes()
    print(
        f"{path.name}: {overview.duration / 60:.1f} min, {scenes} scenes, {shown} key frames; "
        f"CPU {process_time() - worked:.1f} s, of which key frames {pictures:.1f} s; "
        f"first window after {first:.1f} s; peak {peak:.0f} MB"
    )


def clip(path: Path, minutes: int) -> Path:
    """A talk: long shots, little motion, and some that are lively."""
    talk = [Shot(50.0, Picture.STILL), Shot(10.0, Picture.DAY)]
    make_clip(path, talk * minutes, size=(1280, 720), frame_rate=24)
    return path


def main() -> None:
    if len(sys.argv) > 1:
        asyncio.run(look_into(Path(sys.argv[1])))
        return
    with tempfile.TemporaryDirectory() as folder:
        for minutes in (10, 20):
            path = clip(Path(folder) / f"{minutes}.mp4", minutes)
            subprocess.run([sys.executable, __file__, str(path)], check=True)


if __name__ == "__main__":
    main()
