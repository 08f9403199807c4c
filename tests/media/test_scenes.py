"""Transitions, motion and key frames, in files whose pictures are known."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from watchbuddy_core.understanding import grid, key_frames, survey, understand
from watchbuddy_core.understanding.pictures import SIZE, Picture, pictures, stretches
from watchbuddy_core.understanding.transitions import transitions
from watchbuddy_core.understanding.work import Stop
from watchbuddy_core.video import KeyFrame, Sound, Understanding, Video, Window

RATE = 24
Image = NDArray[np.float32]


def landscape(seed: int) -> Image:
    """A picture of soft shapes, twice as wide as what is shown of it."""
    chance = np.random.default_rng(seed)
    coarse = chance.uniform(20, 235, (6, 20, 3)).astype(np.float32)
    return np.kron(coarse, np.ones((15, 16, 1), np.float32))


def still(seed: int, seconds: float) -> list[Image]:
    return [landscape(seed)[:, :160]] * round(seconds * RATE)


def pan(seed: int, seconds: float, pixels: int) -> list[Image]:
    """The camera goes some pixels a picture, to and fro."""
    wide = landscape(seed)
    places = [160 - abs(i * pixels % 320 - 160) for i in range(round(seconds * RATE))]
    return [wide[:, x : x + 160] for x in places]


def dissolve(a: int, b: int, seconds: float) -> list[Image]:
    count = round(seconds * RATE)
    done = [(i + 1) / (count + 1) for i in range(count)]
    first, second = landscape(a)[:, :160], landscape(b)[:, :160]
    return [np.float32(1 - d) * first + np.float32(d) * second for d in done]


def fade(a: int, b: int, seconds: float) -> list[Image]:
    count = round(seconds * RATE)
    done = [(i + 1) / (count + 1) for i in range(count)]
    return [(landscape(a if d < 0.5 else b)[:, :160]) * np.float32(abs(1 - 2 * d)) for d in done]


def swing(seed: int) -> list[Image]:
    """The camera stands still, is swung round in a quarter of a second, and stands still."""
    wide = landscape(seed)
    return [wide[:, x : x + 160] for x in [0] * RATE + [26, 53, 80, 106, 133] + [160] * RATE]


def flash(pictures: list[Image], at: float) -> list[Image]:
    first = round(at * RATE)
    return [
        image * np.float32(0.1) + np.float32(225) if first <= i < first + 2 else image
        for i, image in enumerate(pictures)
    ]


def flicker(pictures: list[Image]) -> list[Image]:
    return [image * np.float32(1 if i % 3 else 0.6) for i, image in enumerate(pictures)]


FOOTAGE: dict[str, tuple[Callable[[], list[Image]], list[float]]] = {
    "two cuts": (lambda: still(1, 2) + still(2, 1.5) + pan(3, 2, 1), [2.0, 3.5]),
    "a dissolve": (lambda: still(1, 2) + dissolve(1, 2, 0.8) + still(2, 2), [2.4]),
    "a fade": (lambda: still(1, 2) + fade(1, 2, 1.0) + still(2, 2), [2.5]),
    "a flash": (lambda: flash(still(1, 4), 2.0), []),
    "a flash just before a cut": (lambda: flash(still(1, 2), 1.7) + still(2, 2), [2.0]),
    "flicker and a cut": (lambda: flicker(still(1, 2)) + flicker(still(2, 2)), [2.0]),
    "a moving camera": (lambda: pan(1, 4, 4), []),
    "a camera swung round": (lambda: swing(1), []),
    "nothing": (lambda: still(1, 4), []),
}


def write(path: Path, images: Sequence[Image], codec: str, options: dict[str, str]) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=RATE, options=options)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for number, image in enumerate(images):
            pixels = np.ascontiguousarray(np.clip(image, 0, 255).astype(np.uint8))
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


X264 = ("libx264", {"preset": "ultrafast"})
UNMARKED = ("libx264", {"preset": "veryfast", "x264-params": "scenecut=0:keyint=250"})
STEADY = ("libx264", {"preset": "ultrafast", "x264-params": "scenecut=0:keyint=24"})
VP9 = ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"})


def found_in(path: Path, end: float = float("inf")) -> list[float]:
    wanted = stretches(path, 0.0, end, Stop())
    return [found.at for found in transitions(pictures(path, wanted, end, Stop()))]


@pytest.mark.parametrize("footage", FOOTAGE)
@pytest.mark.parametrize(
    "encoding", [X264, UNMARKED, STEADY], ids=["keyframes at cuts", "without", "at a steady pace"]
)
def test_every_transition_is_found_once_and_nothing_else_is_one(
    tmp_path: Path, footage: str, encoding: tuple[str, dict[str, str]]
) -> None:
    images, truths = FOOTAGE[footage]
    found = found_in(write(tmp_path / "film.mp4", images(), *encoding))
    assert found == pytest.approx(truths, abs=0.2)


def test_another_codec_tells_the_same(tmp_path: Path) -> None:
    images, truths = FOOTAGE["two cuts"]
    assert found_in(write(tmp_path / "film.webm", images(), *VP9)) == pytest.approx(truths, abs=0.2)


@pytest.mark.parametrize("apart", [0.5, 1.0, 4.0])
def test_cuts_are_found_where_pictures_are_far_apart(apart: float) -> None:
    """Slides and recorded screens have a picture every few seconds."""
    levels = np.random.default_rng(1).integers(20, 235, (3, SIZE)).astype(np.uint8)
    shown = [Picture(number * apart, levels[number // 4]) for number in range(12)]
    assert [found.at for found in transitions(shown)] == [4 * apart, 8 * apart]


def test_what_stands_still_between_two_keyframes_is_not_decoded(tmp_path: Path) -> None:
    path = write(tmp_path / "film.mp4", still(1, 12) + still(2, 3), *STEADY)
    wanted = stretches(path, 0.0, 15.0, Stop())
    decoded = sum(stretch.end - stretch.start for stretch in wanted if stretch.decoded)
    assert decoded < 4
    assert found_in(path) == pytest.approx([12.0], abs=0.2)


def test_long_footage_is_held_in_memory_for_moments_only() -> None:
    """What was judged is forgotten while more comes."""
    alive = 0

    class Watched(np.ndarray):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def shown() -> Iterator[Picture]:
        nonlocal alive
        for number in range(3000):
            small = np.zeros(SIZE, np.uint8).view(Watched)
            alive += 1
            most.append(alive)
            yield Picture(number / 24, small)

    most: list[int] = []
    assert list(transitions(shown())) == []
    assert max(most) < 300


def understood(path: Path, *borders: float) -> tuple[Video, Window, Understanding]:
    video = Video(content_id=path.name, title=path.name, path=path)

    async def step_by_step() -> tuple[Video, Window, Understanding]:
        overview = await survey(video, lambda *_: None)
        (whole,) = grid(overview, 0.0, overview.duration)
        known: Understanding | None = None
        window = whole
        for number, (start, end) in enumerate(pairwise([0.0, *borders, whole.end])):
            window = Window(index=number, start=start, end=end)
            known = await understand(video, overview, window, known, 0.0)
        assert known is not None
        return video, window, known

    return asyncio.run(step_by_step())


@pytest.mark.parametrize("borders", [(), (1.9,), (2.0,), (2.1,), (2.4,), (2.9,), (2.0, 4.1)])
def test_wherever_a_window_ends_the_scenes_are_the_same(
    tmp_path: Path, borders: tuple[float, ...]
) -> None:
    images = still(1, 2) + dissolve(1, 2, 0.8) + still(2, 1.3) + flash(still(3, 2), 0.5)
    *_, known = understood(write(tmp_path / "film.mp4", images, *UNMARKED), *borders)
    starts = [scene.start for scene in known.scenes]
    assert starts == pytest.approx([0.0, 2.4, 4.1], abs=0.2)
    assert [scene.end for scene in known.scenes[:-1]] == starts[1:]


def test_motion_is_nothing_in_a_still_picture_and_much_under_a_moving_camera(
    tmp_path: Path,
) -> None:
    *_, known = understood(write(tmp_path / "film.mp4", still(1, 4) + pan(2, 4, 4), *UNMARKED))
    calm, lively = (scene.motion for scene in known.scenes)
    assert calm is not None
    assert lively is not None
    assert calm < 0.1
    assert lively > 0.4


# --- key frames ------------------------------------------------------------------------------


def frames_of(video: Video, known: Understanding, window: Window) -> tuple[KeyFrame, ...]:
    return asyncio.run(key_frames(video, known, window))


def test_key_frames_show_every_scene_and_the_loud_moment(tmp_path: Path) -> None:
    images = pan(1, 3, 1) + pan(2, 3, 1) + pan(3, 4, 1)
    video, window, known = understood(write(tmp_path / "film.mp4", images, *UNMARKED))
    bang = Sound(kind="loud", start=7.0, end=7.5, level=12.0)
    shown = frames_of(video, known.model_copy(update={"sounds": (bang,)}), window)
    assert 8 <= len(shown) <= 12
    assert [frame.at for frame in shown] == sorted(frame.at for frame in shown)
    (loud,) = [frame for frame in shown if frame.reason == "loud"]
    assert loud.at == pytest.approx(7.3, abs=0.1)
    for scene in known.scenes:
        assert any(
            scene.start <= frame.at < scene.end for frame in shown if frame.reason == "scene"
        )


def test_a_key_frame_is_a_jpeg_of_the_size_that_it_tells(tmp_path: Path) -> None:
    images = [np.repeat(np.repeat(image, 4, 0), 4, 1) for image in still(1, 1)]
    video, window, known = understood(write(tmp_path / "film.mp4", images, *X264))
    (frame,) = frames_of(video, known, window)
    assert max(frame.width, frame.height) == 512
    decoder = av.CodecContext.create("mjpeg", "r")
    (picture,) = decoder.decode(av.Packet(frame.jpeg))
    assert (picture.width, picture.height) == (frame.width, frame.height)
    assert KeyFrame.model_validate_json(frame.model_dump_json()) == frame


def test_a_key_frame_of_a_film_that_was_taken_upright_is_upright(tmp_path: Path) -> None:
    """Telephones turn no pictures: the file says by how much they are to be turned."""
    image = np.zeros((90, 160, 3), np.float32)
    image[:, :40] = 255.0
    path = write(tmp_path / "film.mp4", [image] * RATE, *X264)
    film = bytearray(path.read_bytes())
    matrix = film.index(b"tkhd") + 44
    film[matrix : matrix + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(film)
    video, window, known = understood(path)
    (frame,) = frames_of(video, known, window)
    assert (frame.width, frame.height) == (90, 160)
    (picture,) = av.CodecContext.create("mjpeg", "r").decode(av.Packet(frame.jpeg))
    luma = picture.to_ndarray(format="gray")
    assert luma[:30].mean() > 200
    assert luma[60:].mean() < 50


def test_no_key_frame_is_from_the_end_of_its_window_or_later(tmp_path: Path) -> None:
    path = write(tmp_path / "film.mp4", pan(1, 8, 2), *UNMARKED)
    video, _, known = understood(path, 4.0)
    late = Sound(kind="loud", start=3.9, end=3.95, level=12.0)
    known = known.model_copy(update={"sounds": (late,)})
    shown = frames_of(video, known, Window(index=0, start=2.0, end=4.0))
    assert len(shown) >= 6
    assert all(2.0 <= frame.at < 4.0 for frame in shown)


def test_a_sound_file_has_no_key_frames(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=8000, layout="mono")
        quiet = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        quiet.sample_rate = 8000
        out.mux(stream.encode(quiet))
        out.mux(stream.encode())
    video = Video(content_id="song", title="Song", path=path)
    window = Window(index=0, start=0.0, end=1.0)
    assert frames_of(video, Understanding(start=0.0, end=1.0), window) == ()
