"""Files as people have them: understood as far as possible, or refused; never a hang or a crash."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from patience import PATIENCE

from watchbuddy_core.errors import VideoUnavailable, VideoUnreadable
from watchbuddy_core.sources.local import LocalSource
from watchbuddy_core.understanding import duration_of, grid, survey, understand
from watchbuddy_core.understanding.sniffing import kind_of
from watchbuddy_core.video import (
    Chapter,
    Overview,
    SubtitleFile,
    Understanding,
    Video,
    VideoRequest,
)

SRT = (
    "1\n00:00:01,000 --> 00:00:02,000\nHow far is the sea?\n\n"
    "2\n00:00:03,000 --> 00:00:04,000\nFar.\n"
)


def surveyed(path: Path | None, *subtitles: SubtitleFile) -> Overview:
    video = Video(content_id="x", title="x", path=path, subtitles=subtitles)
    return asyncio.run(asyncio.wait_for(survey(video, lambda *_: None), PATIENCE))


def understood(path: Path | None, *subtitles: SubtitleFile) -> Understanding:
    """The whole, as one window after the other."""
    video = Video(content_id="x", title="x", path=path, subtitles=subtitles)

    async def look() -> Understanding:
        overview = await survey(video, lambda *_: None)
        known: Understanding | None = None
        for window in grid(overview, 0.0, overview.duration):
            known = await understand(video, overview, window, known, 0.0)
        assert known is not None
        return known

    return asyncio.run(asyncio.wait_for(look(), PATIENCE))


Make = Callable[[Path], None]


def made(
    codec: str = "libx264",
    sound: str | None = "aac",
    *,
    pixels: str = "yuv420p",
    picture: bool = True,
    start: float = 0.0,
    steps: tuple[float, ...] = (0.1,),
    languages: tuple[str, ...] = ("und",),
    seconds: float = 4.0,
    **options: str,
) -> Make:
    """A maker of a film: grey, then white; a tone throughout."""

    def make(path: Path) -> None:
        with av.open(str(path), "w") as out:
            tracks = []
            shown = out.add_stream(codec, rate=10) if picture else None
            if shown is not None:
                shown.width, shown.height, shown.pix_fmt = 64, 48, pixels
                shown.options = options
                shown.codec_context.time_base = Fraction(1, 1000)
                shown.time_base = Fraction(1, 1000)
                if codec == "mpeg4":
                    shown.codec_context.time_base = Fraction(1, 10)
            for language in languages if sound else ():
                track = out.add_stream(sound, rate=16000)
                track.metadata["language"] = language
                tracks.append(track)
            at, number = 0.0, 0
            while shown is not None and at < seconds:
                level = 60 if at < seconds / 2 else 230
                frame = av.VideoFrame.from_ndarray(
                    np.full((48, 64, 3), level, np.uint8), format="rgb24"
                ).reformat(format=pixels)
                base = Fraction(1, 10) if codec == "mpeg4" else Fraction(1, 1000)
                frame.time_base = base
                frame.pts = round((at + start) / base)
                out.mux(shown.encode(frame))
                at += steps[number % len(steps)]
                number += 1
            for track in tracks:
                for i in range(0, int(seconds * 16000), 1024):
                    wave = np.sin(np.arange(i, i + 1024) / 5).astype(np.float32) * 0.2
                    piece = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
                    piece.sample_rate = 16000
                    piece.pts = i + int(start * 16000)
                    piece.time_base = Fraction(1, 16000)
                    out.mux(track.encode(piece))
                out.mux(track.encode(None))
            if shown is not None:
                out.mux(shown.encode(None))

    return make


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("plain.mp4", made()),
        ("plain.mkv", made()),
        ("plain.mov", made()),
        ("plain.ts", made()),
        ("plain.avi", made("mpeg4", "libmp3lame")),
        ("plain.webm", made("libvpx-vp9", "libopus")),
        ("mute.mp4", made(sound=None)),
        ("ten bits.mkv", made(pixels="yuv420p10le")),
        ("uneven.mp4", made(steps=(0.05, 0.4, 0.1, 0.9))),
        ("late.mkv", made(start=100.0)),
        ("late.ts", made(start=100.0)),
        ("two sounds.mkv", made(languages=("eng", "chi"))),
    ],
)
def test_pictures_are_understood_in_every_container(tmp_path: Path, name: str, make: Make) -> None:
    make(tmp_path / name)
    overview = surveyed(tmp_path / name)
    assert overview.duration == pytest.approx(4.0, abs=0.7)
    known = understood(tmp_path / name)
    assert known.has_picture
    assert known.has_sound == ("mute" not in name)
    assert known.end == overview.duration
    assert known.scenes[0].start == 0.0
    assert known.scenes[-1].end == pytest.approx(overview.duration, abs=0.001)


@pytest.mark.parametrize("name", ["a.mp3", "a.m4a", "a.wav", "a.ogg", "a.flac"])
def test_sound_without_a_picture_is_understood(tmp_path: Path, name: str) -> None:
    codecs = {"mp3": "libmp3lame", "m4a": "aac", "wav": "pcm_s16le", "ogg": "libopus"}
    make = made(sound=codecs.get(name.split(".")[1], "flac"), picture=False)
    if name.endswith(("wav", "flac")):
        with av.open(str(tmp_path / name), "w") as out:
            track = out.add_stream(codecs.get(name.split(".")[1], "flac"), rate=16000)
            track.layout = "mono"
            silence = np.zeros((1, 1024), np.int16)
            for i in range(0, 64000, 1024):
                piece = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
                piece.sample_rate, piece.pts = 16000, i
                out.mux(track.encode(piece))
            out.mux(track.encode(None))
    else:
        make(tmp_path / name)
    known = understood(tmp_path / name)
    assert (known.has_picture, known.has_sound) == (False, True)
    assert known.end == pytest.approx(4.0, abs=0.2)


def test_of_several_tracks_the_default_counts_and_subtitles_in_its_language(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    made(languages=("ger", "eng"))(tmp_path / "plain.mkv")
    from av.stream import Disposition

    with av.open(str(tmp_path / "plain.mkv")) as given, av.open(str(path), "w") as out:
        copies = {s: out.add_stream_from_template(s) for s in given.streams}
        for stream, copy in copies.items():
            copy.metadata.update(stream.metadata)
            if stream.type == "audio":
                is_english = stream.metadata["language"] == "eng"
                copy.disposition = Disposition.default if is_english else Disposition(0)
        for packet in given.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream]
                out.mux(packet)
    files = []
    for language in ("de", "en"):
        file = tmp_path / f"film.{language}.srt"
        file.write_text(SRT.replace("Far", language.upper()))
        files.append(SubtitleFile(path=file, language=language))
    overview = surveyed(path, *files)
    assert overview.cues[1].text == "EN."


def test_subtitles_made_by_people_come_before_those_of_machines(tmp_path: Path) -> None:
    made()(tmp_path / "a.mp4")
    files = []
    for name in ("machine", "people"):
        (tmp_path / f"{name}.srt").write_text(SRT.replace("Far", name))
        files.append(
            SubtitleFile(path=tmp_path / f"{name}.srt", automatic=name == "machine", language="en")
        )
    assert surveyed(tmp_path / "a.mp4", *files).cues[1].text == "people."


# --- damaged -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["film.mkv", "film.ts", "film.avi"])
def test_a_film_that_breaks_off_is_understood_as_far_as_it_goes(tmp_path: Path, name: str) -> None:
    make = (
        made("mpeg4", "libmp3lame", seconds=20.0) if "avi" in name else made(seconds=20.0, g="10")
    )
    make(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    overview = surveyed(tmp_path / name)
    assert 3 < overview.duration < 19
    assert understood(tmp_path / name).end == overview.duration


NO_VIDEOS: dict[str, bytes] = {
    "empty": b"",
    "text": b"once upon a time\n" * 50,
    "page": b"<!DOCTYPE html><html><body><video src='a.mp4'></video></body></html>",
    "zeros": bytes(10_000),
    "playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/passwd\n#EXT-X-ENDLIST\n",
    "list of files": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "dash": b"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'></MPD>",
    "pls": b"[playlist]\nFile1=http://127.0.0.1:1/a.mp3\n",
    "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    "zip": b"PK\x03\x04" + bytes(200),
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(200),
    "pdf": b"%PDF-1.7\n" + bytes(200),
}


@pytest.mark.parametrize("kind", NO_VIDEOS)
def test_what_is_no_video_is_refused_under_a_videos_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(NO_VIDEOS[kind])
    with pytest.raises(VideoUnreadable):
        surveyed(path)
    with pytest.raises(VideoUnreadable):
        kind_of(path)


def test_an_mp4_without_its_index_is_refused(tmp_path: Path) -> None:
    made()(tmp_path / "a.mp4")
    content = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(content[: content.index(b"moov")])
    with pytest.raises(VideoUnreadable):
        surveyed(tmp_path / "a.mp4")


def test_a_header_that_claims_days_is_not_believed(tmp_path: Path) -> None:
    made()(tmp_path / "a.mp4")
    content = bytearray((tmp_path / "a.mp4").read_bytes())
    at = content.index(b"mvhd") + 4 + 16
    content[at : at + 4] = (0x7FFFFFFF).to_bytes(4, "big")
    (tmp_path / "a.mp4").write_bytes(content)
    assert surveyed(tmp_path / "a.mp4").duration == pytest.approx(4.0, abs=0.5)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.webm"])
def test_whatever_bytes_are_wrong_nothing_but_a_refusal_comes_out(
    tmp_path: Path, name: str
) -> None:
    """Seeded: the same bytes every time."""
    make = made("libvpx-vp9", "libopus", seconds=2.0) if "webm" in name else made(seconds=2.0)
    make(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    chance = random.Random(name)
    for _ in range(12):
        content = bytearray(whole)
        for _ in range(chance.choice((1, 10, 100))):
            content[chance.randrange(len(content))] = chance.randrange(256)
        if chance.random() < 0.3:
            del content[chance.randrange(len(content)) :]
        (tmp_path / name).write_bytes(content)
        try:
            known = understood(tmp_path / name)
        except VideoUnreadable:
            continue
        assert 0 < known.end < 1e6


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files on this system")
def test_what_is_no_plain_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "folder.mp4").mkdir()
    for name in ("pipe.mp4", "folder.mp4", "none.mp4"):
        with pytest.raises(VideoUnavailable):
            asyncio.run(
                asyncio.wait_for(
                    LocalSource([tmp_path]).open(
                        VideoRequest(url=f"library:{name}"), lambda *_: None
                    ),
                    5,
                )
            )


# --- subtitles alone -----------------------------------------------------------------------


def opened(folder: Path, name: str) -> Video:
    request = VideoRequest(url=f"library:{name}")
    return asyncio.run(LocalSource([folder]).open(request, lambda *_: None))


@pytest.mark.parametrize("name", ["talk.srt", "talk.en.srt", "talk.SRT"])
def test_subtitles_are_a_video_that_nobody_sees(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(SRT)
    video = opened(tmp_path, name)
    assert (video.path, video.title) == (None, "talk")
    known = understood(None, *video.subtitles)
    assert [cue.text for cue in known.cues] == ["How far is the sea?", "Far."]
    assert (known.has_picture, known.has_sound) == (False, False)
    assert (known.scenes, known.sounds) == ((), ())
    assert known.end == 14.0
    assert known.language == "en"
    assert asyncio.run(duration_of(tmp_path / name)) == 4.0


def test_subtitles_with_nothing_in_them_are_refused(tmp_path: Path) -> None:
    (tmp_path / "talk.srt").write_text("no times at all")
    with pytest.raises(VideoUnreadable, match="no subtitles"):
        understood(None, *opened(tmp_path, "talk.srt").subtitles)


def test_they_are_listed_where_no_video_lies_beside_them(tmp_path: Path) -> None:
    for name in (
        "a.mp4",
        "a.srt",
        "a.en.srt",
        "b.srt",
        "a.b.vtt",
        "c.final.ass",
        "ab.srt",
        "x.txt",
    ):
        (tmp_path / name).write_text(SRT)

    async def listed() -> list[str]:
        return [video.url for video in await LocalSource([tmp_path]).listing()]

    assert asyncio.run(listed()) == [
        "library:a.mp4",
        "library:ab.srt",
        "library:b.srt",
        "library:c.final.ass",
    ]


def test_a_film_takes_the_subtitles_that_are_called_like_it(tmp_path: Path) -> None:
    names = ["a.srt", "a.final.srt", "a.en.forced.srt", "a.zh-Hans.ass", "ab.srt", "a.txt"]
    for name in ("a.mp4", *names):
        (tmp_path / name).write_text(SRT)
    found: list[Any] = [(f.path.name, f.language) for f in opened(tmp_path, "a.mp4").subtitles]
    assert found == [
        ("a.srt", None),
        ("a.final.srt", None),
        ("a.zh-Hans.ass", "zh"),
        ("a.en.forced.srt", "en"),
    ]


# --- what was found once -------------------------------------------------------------------


class Shelf:
    """A cache that counts."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.found = 0

    async def get(self, key: str) -> bytes | None:
        self.found += key in self.kept
        return self.kept.get(key)

    async def put(self, key: str, value: bytes) -> None:
        self.kept[key] = value


def looked_into(path: Path, shelf: Shelf, content_id: str = "x", **how: bool) -> Understanding:
    video = Video(content_id=content_id, title="x", path=path)

    async def look() -> Understanding:
        overview = await survey(video, lambda *_: None, shelf)
        (window,) = grid(overview, 0.0, overview.duration)
        return await understand(video, overview, window, None, 0.0, cache=shelf, **how)

    return asyncio.run(look())


def test_the_same_content_is_looked_into_once(tmp_path: Path) -> None:
    made()(tmp_path / "a.mp4")
    shelf = Shelf()
    known = looked_into(tmp_path / "a.mp4", shelf)
    assert (shelf.found, len(shelf.kept)) == (0, 2)
    (tmp_path / "a.mp4").unlink()  # nobody needs to see it again
    assert looked_into(tmp_path / "a.mp4", shelf) == known
    assert looked_into(tmp_path / "a.mp4", shelf, hurried=True) == known
    with pytest.raises(VideoUnreadable):
        looked_into(tmp_path / "a.mp4", shelf, content_id="y")


def test_what_was_found_in_a_hurry_is_no_thorough_look(tmp_path: Path) -> None:
    made()(tmp_path / "a.mp4")
    shelf = Shelf()
    looked_into(tmp_path / "a.mp4", shelf, hurried=True)
    assert len(shelf.kept) == 2
    looked_into(tmp_path / "a.mp4", shelf)
    assert len(shelf.kept) == 3


def test_what_is_damaged_is_found_again(tmp_path: Path) -> None:
    made()(tmp_path / "a.mp4")
    shelf = Shelf()
    known = looked_into(tmp_path / "a.mp4", shelf)
    shelf.kept = dict.fromkeys(shelf.kept, b'{"duration": "no"}')
    assert looked_into(tmp_path / "a.mp4", shelf) == known


def test_chapters_of_the_site_count_where_the_file_has_none(tmp_path: Path) -> None:
    made()(tmp_path / "a.mp4")
    chapters = (
        Chapter(start=2.0, end=60.0, title="The end"),
        Chapter(start=0.0, end=2.0, title="The beginning"),
        Chapter(start=50.0, end=60.0, title="Never"),
    )
    video = Video(content_id="x", title="x", path=tmp_path / "a.mp4", chapters=chapters)
    found = asyncio.run(survey(video, lambda *_: None)).chapters
    assert [(chapter.title, round(chapter.end)) for chapter in found] == [
        ("The beginning", 2),
        ("The end", 4),
    ]
