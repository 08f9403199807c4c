"""Cuts found, and what that costs: `python tests/bench/scenes.py [folder]`.

Beside ours: PySceneDetect's AdaptiveDetector, where `scenedetect-headless` is installed, and
ffmpeg's scdet. Thresholds were set on the first seed; the last was drawn after that, in another
size and at another frame rate. A transition is found when a detection is within 0.2 s of it;
each further detection is false. CPU is in seconds; `decode` is a plain full decode of the
same file. The files are made in the folder, once.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from time import process_time

import av
import numpy as np
from footage import ENCODINGS, KINDS, Footage, Truth, encode

from watchbuddy_core.understanding.pictures import pictures, stretches
from watchbuddy_core.understanding.transitions import transitions
from watchbuddy_core.understanding.work import Stop

TOLERANCE = 0.2
SETS = {"tuned on": (1, (480, 270), 25), "held out": (23, (640, 360), 30)}
Detector = Callable[[Path], list[float]]


def ours(path: Path) -> list[float]:
    wanted = stretches(path, 0.0, float("inf"), Stop())
    return [found.at for found in transitions(pictures(path, wanted, float("inf"), Stop()))]


def scdet(path: Path) -> list[float]:
    found = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        graph = av.filter.Graph()
        source = graph.add_buffer(template=stream)
        detector, sink = graph.add("scdet", "threshold=10"), graph.add("buffersink")
        source.link_to(detector)
        detector.link_to(sink)
        graph.configure()
        for frame in container.decode(stream):
            graph.push(frame)
            seen = graph.pull()
            if "lavfi.scd.time" in seen.metadata:
                found.append(float(seen.metadata["lavfi.scd.time"]))
    return found


def adaptive(path: Path) -> list[float]:
    from scenedetect import AdaptiveDetector, detect

    return [float(start.seconds) for start, _ in detect(str(path), AdaptiveDetector())[1:]]


def decode(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        for _ in container.decode(video=0):
            pass
    return []


def detectors() -> dict[str, Detector]:
    found: dict[str, Detector] = {"ours": ours, "scdet": scdet, "decode": decode}
    try:
        import scenedetect  # noqa: F401
    except ImportError:
        print("scenedetect-headless is not installed: AdaptiveDetector is left out")
    else:
        found["adaptive"] = adaptive
        logging.getLogger("pyscenedetect").setLevel(logging.ERROR)
    return found


def f1(truths: Iterable[Truth], found: Iterable[float]) -> float:
    truths, left = list(truths), list(found)
    hits, count = 0, len(left)
    for truth in truths:
        near = [at for at in left if truth.start - TOLERANCE <= at <= truth.end + TOLERANCE]
        if near:
            left.remove(min(near, key=lambda at: abs(at - (truth.start + truth.end) / 2)))
            hits += 1
    return 2 * hits / (len(truths) + count) if truths or count else 1.0


def made(folder: Path, name: str) -> Iterator[tuple[str, str, Path, list[Truth]]]:
    """(kind, encoding, file, what is in it) of a set, which is made where it is not there."""
    seed, size, rate = SETS[name]
    for kind in KINDS:
        known = folder / f"{seed}-{kind}.json"
        paths = {
            e: folder / f"{seed}-{kind}-{e.replace(' ', '-')}{ENCODINGS[e][1]}" for e in usable()
        }
        if not known.exists():
            footage = Footage(kind, seed, size, rate)
            frames: list[np.ndarray] = list(footage.frames())
            for encoding, path in paths.items():
                encode(path, iter(frames), rate, encoding)
            known.write_text(json.dumps([(t.start, t.end) for t in footage.truths]))
        truths = [Truth(*pair) for pair in json.loads(known.read_text())]
        for encoding, path in paths.items():
            yield kind, encoding, path, truths


def usable() -> list[str]:
    missing = {e for e, (codec, *_) in ENCODINGS.items() if codec not in av.codecs_available}
    if missing:
        print(f"PyAV was built without an encoder for: {', '.join(sorted(missing))}")
    return [encoding for encoding in ENCODINGS if encoding not in missing]


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tried = detectors()
    for name, (seed, (width, height), rate) in SETS.items():
        print(f"\n{name}: seed {seed}, {width}x{height}, {rate} frames a second")
        head = "".join(f"{d:>18}" for d in tried)
        print(f"{'':30}{head}\n{'':30}" + f"{'F1     CPU':>18}" * len(tried))
        for kind, encoding, path, truths in made(folder, name):
            row = f"{kind:11}{encoding:19}"
            for detect in tried.values():
                began = process_time()
                found = detect(path)
                cost = process_time() - began
                quality = f"{f1(truths, found):6.2f}" if detect is not decode else f"{'':6}"
                row += f"{quality:>11}{cost:7.2f}"
            print(row, flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
