"""Made footage whose transitions are known, for the bench of scenes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]

KINDS = ("cuts", "fades", "dissolves", "flashes", "flicker", "camera")

ENCODINGS: dict[str, tuple[str, str, dict[str, str]]] = {
    "x264": ("libx264", ".mp4", {"preset": "veryfast", "crf": "26"}),
    "x264 no scenecut": (
        "libx264",
        ".mp4",
        {"preset": "veryfast", "crf": "26", "x264-params": "scenecut=0"},
    ),
    "x264 fixed": (
        "libx264",
        ".mp4",
        {"preset": "veryfast", "crf": "26", "x264-params": "keyint=50:min-keyint=50:scenecut=0"},
    ),
    "vp9": ("libvpx-vp9", ".webm", {"deadline": "realtime", "cpu-used": "8", "b": "600k"}),
    "hevc": (
        "libx265",
        ".mp4",
        {"preset": "ultrafast", "crf": "28", "x265-params": "log-level=none"},
    ),
}


@dataclass(frozen=True, slots=True)
class Truth:
    """A transition, from `start` to `end` in seconds; a hard cut is a moment."""

    start: float
    end: float


@dataclass(slots=True)
class Footage:
    """Frames of one kind of footage, and its transitions, which are known once it was drawn."""

    kind: str
    seed: int
    size: tuple[int, int]
    rate: int
    shots: int = 12
    truths: list[Truth] = field(default_factory=list)

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        chance = np.random.default_rng(self.seed * 100 + KINDS.index(self.kind))
        self.truths.clear()
        drawn = 0
        soft = self.kind in ("fades", "dissolves")
        tail: list[Image] = []
        for number in range(self.shots):
            count = int(self.rate * chance.uniform(1.6, 4.5))
            shot = list(self._shot(chance, count))
            if soft and number and chance.random() < 0.75:
                half = int(self.rate * chance.uniform(0.25, 0.6))
                half = min(half, len(tail) // 2, len(shot) // 2)
                half = min(half, len(tail) // 4, len(shot) // 4)
                joint = list(self._joined(tail[-2 * half :], shot[: 2 * half], half))
                keep = len(tail) - 2 * half
                for image in tail[:keep]:
                    yield self._seen(image, chance)
                drawn += keep
                start = drawn / self.rate
                for image in joint:
                    yield self._seen(image, chance)
                drawn += len(joint)
                self.truths.append(Truth(start, drawn / self.rate))
                shot = shot[2 * half :]
            else:
                for image in tail:
                    yield self._seen(image, chance)
                drawn += len(tail)
                if number:
                    self.truths.append(Truth(drawn / self.rate, drawn / self.rate))
            tail = shot
        for image in tail:
            yield self._seen(image, chance)

    def _joined(self, a: list[Image], b: list[Image], half: int) -> Iterator[Image]:
        count = min(len(a), len(b))
        if self.kind == "dissolves":
            for i in range(count):
                done = np.float32((i + 1) / (count + 1))
                yield a[i] * (1 - done) + b[i] * done
            return
        for i in range(count):
            done = (i + 1) / (count + 1)
            level = np.float32(abs(1 - 2 * done))
            yield (a[i] if done < 0.5 else b[i]) * level

    def _seen(self, image: Image, chance: np.random.Generator) -> NDArray[np.uint8]:
        noise = chance.normal(0, 2.0, image.shape[:2]).astype(np.float32)[..., None]
        return np.clip(image + noise, 0, 255).astype(np.uint8)

    def _shot(self, chance: np.random.Generator, count: int) -> Iterator[Image]:
        width, height = self.size
        canvas = _canvas(chance, width * 2, height * 2)
        sprites = [_Sprite.some(chance, width, height) for _ in range(chance.integers(1, 4))]
        x, y = width * chance.uniform(0.2, 0.8), height * chance.uniform(0.2, 0.8)
        pace = width * (chance.uniform(0.05, 0.5) if self.kind == "camera" else 0.01)
        angle = chance.uniform(0, 6.283)
        dx, dy = pace * np.cos(angle) / self.rate, 0.4 * pace * np.sin(angle) / self.rate
        whips = self.kind == "camera" and chance.random() < 0.5
        whip = int(count * chance.uniform(0.3, 0.7)) if whips else -100
        shake = chance.normal(0, width * 0.008, (count, 2)) if self.kind == "camera" else None
        flashes = (
            set(chance.integers(8, count - 8, 2).tolist()) if self.kind == "flashes" else set()
        )
        flash_length = int(chance.integers(1, 4))
        flicker = chance.uniform(0.1, 0.5) if self.kind == "flicker" else 0.0
        for i in range(count):
            if 0 <= i - whip < self.rate // 4:
                x += width / self.rate * 2.5
            x, y = x + dx, y + dy
            ox, oy = _folded(x, width), _folded(y, height)
            if shake is not None:
                ox, oy = ox + shake[i, 0], oy + shake[i, 1]
            cx, cy = int(np.clip(ox, 0, width)), int(np.clip(oy, 0, height))
            image = canvas[cy : cy + height, cx : cx + width].copy()
            for sprite in sprites:
                sprite.draw(image, i / self.rate)
            if flicker:
                image *= np.float32(1 - flicker * chance.random())
            if any(0 <= i - at < flash_length for at in flashes):
                image = image * np.float32(0.15) + np.float32(215)
            yield image


def _folded(place: float, length: int) -> float:
    """The place of a camera that turns round at both ends of its track."""
    return length - abs(place % (2 * length) - length)


def _canvas(chance: np.random.Generator, width: int, height: int) -> Image:
    """A picture of soft and hard shapes in a few colours that go together."""
    palette = chance.uniform(15, 240, (4, 3)).astype(np.float32)
    if chance.random() < 0.4:
        palette = palette * 0.4 + 20  # some shots are dark
    x = np.linspace(0, 1, width, dtype=np.float32)
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    angle = chance.uniform(0, 6.283)
    ramp = 0.5 + 0.5 * np.sin(np.cos(angle) * x * 5 + np.sin(angle) * y * 5)[..., None]
    image = palette[0] * ramp + palette[1] * (1 - ramp)
    for cells in (6, 14, 40):
        coarse = chance.normal(0, 1, (cells, cells * 2)).astype(np.float32)
        rows = np.minimum((np.arange(height) * cells) // height, cells - 1)
        columns = np.minimum((np.arange(width) * cells * 2) // width, cells * 2 - 1)
        field_ = coarse[rows][:, columns]
        image += field_[..., None] * np.float32(chance.uniform(4, 16))
    for _ in range(int(chance.integers(4, 10))):
        cx, cy = chance.uniform(0, 1, 2)
        rx, ry = chance.uniform(0.03, 0.2, 2)
        shape = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1
        image[shape] = palette[int(chance.integers(2, 4))] * np.float32(chance.uniform(0.6, 1.2))
    return np.asarray(image, np.float32)


@dataclass(frozen=True, slots=True)
class _Sprite:
    """A disc that goes to and fro."""

    centre: tuple[float, float]
    reach: tuple[float, float]
    pace: float
    radius: float
    colour: NDArray[np.float32]

    @classmethod
    def some(cls, chance: np.random.Generator, width: int, height: int) -> _Sprite:
        return cls(
            (width * chance.uniform(0.2, 0.8), height * chance.uniform(0.2, 0.8)),
            (width * chance.uniform(0.02, 0.2), height * chance.uniform(0.02, 0.2)),
            chance.uniform(0.5, 4.0),
            height * chance.uniform(0.05, 0.22),
            chance.uniform(0, 255, 3).astype(np.float32),
        )

    def draw(self, image: Image, seconds: float) -> None:
        height, width, _ = image.shape
        cx = self.centre[0] + self.reach[0] * np.sin(self.pace * seconds)
        cy = self.centre[1] + self.reach[1] * np.cos(self.pace * seconds)
        x0, x1 = max(0, int(cx - self.radius)), min(width, int(cx + self.radius))
        y0, y1 = max(0, int(cy - self.radius)), min(height, int(cy + self.radius))
        if x0 >= x1 or y0 >= y1:
            return
        y, x = np.mgrid[y0:y1, x0:x1]
        inside = (x - cx) ** 2 + (y - cy) ** 2 < self.radius**2
        image[y0:y1, x0:x1][inside] = self.colour


def encode(path: Path, frames: Iterator[NDArray[np.uint8]], rate: int, encoding: str) -> None:
    """Write the frames as a video file with one of ENCODINGS."""
    codec, _, options = ENCODINGS[encoding]
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate)
        stream.pix_fmt = "yuv420p"
        options = dict(options)
        if "b" in options:
            stream.bit_rate = int(options.pop("b").rstrip("k")) * 1000
        stream.options = options
        for number, pixels in enumerate(frames):
            if not number:
                stream.height, stream.width = pixels.shape[:2]
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
