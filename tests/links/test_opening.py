"""Links are opened by a real server's real answers, whatever those are."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import av
import pytest
from patience import AT_ONCE

from watchbuddy_core.errors import (
    ProcessingFailed,
    VideoDownloadFailed,
    VideoTooLong,
    VideoUnavailable,
    VideoUnreadable,
)
from watchbuddy_core.sources import hls
from watchbuddy_core.understanding import survey
from watchbuddy_core.video import Overview, Video

BY_BOTH = pytest.mark.parametrize("source", ["links", "ytdlp"])
WHOLE = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXT-X-PLAYLIST-TYPE:VOD\n{}\n#EXT-X-ENDLIST\n"


def surveyed(video: Video) -> Overview:
    return asyncio.run(survey(video, lambda *_: None))


def serve_stream(site: Any, stream: dict[str, bytes], **named: str) -> str:
    for name, body in {**stream, **{n: t.encode() for n, t in named.items()}}.items():
        kind = "application/vnd.apple.mpegurl" if name.endswith(".m3u8") else "video/mp2t"
        site.serves(f"/{name}", body, kind=kind)
    return f"{site.url}/master.m3u8"


MASTER = """#EXTM3U
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",LANGUAGE="en",NAME="English",URI="words.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=200000,RESOLUTION=256x144,SUBTITLES="s"
small.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=1280x720,SUBTITLES="s"
large.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=400000,RESOLUTION=640x360,SUBTITLES="s"
media.m3u8
"""
WORDS = WHOLE.format("#EXTINF:3,\nw0.vtt\n#EXTINF:3,\nw1.vtt")
MAPPED = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:{}\n\n{}"
SAID_0 = "00:01.000 --> 00:02.000\nHow far is the sea?\n"
SAID_1 = "00:00.500 --> 00:01.500\nNot far.\n"


@pytest.mark.parametrize(
    ("lines", "chosen"), [(144, "small"), (360, "media"), (361, "large"), (2000, "large")]
)
def test_the_smallest_rendition_of_enough_lines_is_taken(lines: int, chosen: str) -> None:
    stream = hls.choose("https://films.example/master.m3u8", MASTER, lines)
    assert stream.picture.url == f"https://films.example/{chosen}.m3u8"


@BY_BOTH
def test_a_file_is_fetched_and_told_of_by_its_bytes(
    site: Any, shop: Any, clip: Path, source: str
) -> None:
    def slowly(visit: Any) -> None:
        body = clip.read_bytes()
        visit.begin(**{"Content-Length": str(len(body)), "Content-Type": "video/mp4"})
        for i in range(0, len(body), len(body) // 4):
            visit.send(body[i : i + len(body) // 4])
            time.sleep(0.25)

    made = shop()
    video = made.open(site.answers("/a%20film.mp4", slowly), getattr(made, source))
    assert video.path is not None
    assert video.path.read_bytes() == clip.read_bytes()
    assert video.title == "a film"
    assert surveyed(video).duration == pytest.approx(6, abs=0.1)
    fractions = [fraction for fraction, _ in made.told if fraction is not None]
    assert len(fractions) >= 3
    assert fractions == sorted(fractions)
    assert any("MB" in message for _, message in made.told)
    assert made.leftovers() == []


@BY_BOTH
def test_a_stream_is_fetched_with_its_subtitles_in_media_time(
    site: Any, shop: Any, stream: dict[str, bytes], source: str
) -> None:
    with av.open(io.BytesIO(stream["s0.ts"])) as first:
        zero = (first.start_time or 0) * 90_000 // 1_000_000
    more = {
        "master.m3u8": MASTER,
        "words.m3u8": WORDS,
        "w0.vtt": MAPPED.format(zero, SAID_0),
        "w1.vtt": MAPPED.format(zero + 3 * 90_000, SAID_1),
    }
    made = shop()
    video = made.open(serve_stream(site, stream, **more), getattr(made, source))
    overview = surveyed(video)
    assert overview.duration == pytest.approx(6, abs=0.2)
    assert [s.kind for s in overview.streams] == ["video", "audio"]
    assert [(cue.text, round(cue.start)) for cue in overview.cues] == [
        ("How far is the sea?", 1),
        ("Not far.", 4),  # 3.5 s behind the first segment's clock
    ]
    assert overview.language == "en"


@BY_BOTH
def test_redirects_are_followed(site: Any, shop: Any, clip: Path, source: str) -> None:
    site.serves("/here.mp4", clip.read_bytes())
    url = site.answers("/old.mp4", lambda v: v.answer(b"", status=302, Location="/here.mp4"))
    made = shop()
    assert made.open(url, getattr(made, source)).path.read_bytes() == clip.read_bytes()


@BY_BOTH
def test_an_address_may_be_in_any_script(site: Any, shop: Any, clip: Path, source: str) -> None:
    name = "%E7%94%B5%E5%BD%B1.mp4"
    site.serves(f"/{name}", clip.read_bytes())
    raw = unquote(name).encode().decode("latin-1")  # as some servers send it, unencoded
    site.answers("/old.mp4", lambda v: v.answer(b"", 302, Location=f"/{raw}"))
    made = shop()
    assert made.open(f"{site.url}/电影.mp4", getattr(made, source)).title == "电影"
    assert made.open(f"{site.url}/old.mp4").path.read_bytes() == clip.read_bytes()


@BY_BOTH
@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (403, VideoUnavailable, r"hand (it )?out"),
        (404, VideoUnavailable, "at this address"),
        (410, VideoUnavailable, "at this address"),
        (429, VideoDownloadFailed, "too many requests"),
        (500, VideoDownloadFailed, "fails at the moment"),
        (503, VideoDownloadFailed, "fails at the moment"),
    ],
)
def test_each_refusal_has_its_own_sentence(
    site: Any, shop: Any, source: str, status: int, error: type[ProcessingFailed], said: str
) -> None:
    made = shop()
    url = site.answers("/film.mp4", lambda v: v.answer(b"no", status=status, kind="text/plain"))
    with pytest.raises(error, match=said):
        made.open(url, getattr(made, source))
    assert made.leftovers() == []


def test_what_fails_for_a_moment_is_asked_for_again(site: Any, shop: Any, clip: Path) -> None:
    def busy_at_first(visit: Any) -> None:
        if visit.number == 1:
            visit.answer(b"", status=503, Retry_After="0")
        else:
            visit.answer(clip.read_bytes())

    video = shop().open(site.answers("/film.mp4", busy_at_first))
    assert video.path.read_bytes() == clip.read_bytes()


@pytest.mark.parametrize("resumable", [True, False])
def test_what_is_cut_off_is_gone_on_with(site: Any, shop: Any, clip: Path, resumable: bool) -> None:
    body = clip.read_bytes()
    half = len(body) // 2

    def cut_once(visit: Any) -> None:
        headers = {"Content-Type": "video/mp4", "ETag": '"1"'}
        if visit.number < 2:
            visit.begin(**headers, **{"Content-Length": str(len(body))})
            visit.send(body[:half])
            visit.cut()
        elif resumable and visit.headers.get("range") == f"bytes={half}-":
            place = f"bytes {half}-{len(body) - 1}/{len(body)}"
            visit.answer(body[half:], status=206, Content_Range=place)
        else:
            visit.answer(body, **headers)

    video = shop().open(site.answers("/film.mp4", cut_once))
    assert video.path.read_bytes() == body


@BY_BOTH
def test_a_site_that_always_cuts_off_is_given_up(
    site: Any, shop: Any, clip: Path, source: str
) -> None:
    def cut(visit: Any) -> None:
        visit.begin(**{"Content-Length": "1000000", "Content-Type": "video/mp4"})
        visit.send(clip.read_bytes()[:5000])
        visit.cut()

    made = shop()
    with pytest.raises(VideoDownloadFailed):
        made.open(site.answers("/film.mp4", cut), getattr(made, source))
    assert made.leftovers() == []


@BY_BOTH
@pytest.mark.parametrize("honest", [True, False])
def test_what_is_too_large_is_refused_or_ended(
    site: Any, shop: Any, source: str, honest: bool
) -> None:
    def endless(visit: Any) -> None:
        length = {"Content-Length": str(10**9)} if honest else {"Connection": "close"}
        visit.begin(**length, **{"Content-Type": "video/mp4"})
        while True:
            visit.send(bytes(100_000))

    made = shop(video_bytes=3_000_000)
    with pytest.raises(VideoUnavailable, match="larger than"):
        made.open(site.answers("/film.mp4", endless), getattr(made, source))
    assert made.leftovers() == []
    site.wait_until_quiet()


@BY_BOTH
@pytest.mark.parametrize("body", [b"<html>no film</html>", b"", b"\x00" * 5000])
def test_what_is_no_video_is_refused_whatever_its_name(
    site: Any, shop: Any, source: str, body: bytes
) -> None:
    made = shop()
    with pytest.raises((VideoUnreadable, VideoUnavailable, VideoDownloadFailed)):
        made.open(site.serves("/film.mp4", body), getattr(made, source))
    assert made.leftovers() == []


def test_subtitles_by_a_link_are_a_source_by_themselves(site: Any, shop: Any) -> None:
    url = site.serves("/words.vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n", kind="text/vtt")
    video = shop().open(url)
    assert video.path is None
    assert [file.path.name for file in video.subtitles]


def test_a_length_that_is_a_lie_costs_no_more_than_the_film(
    site: Any, shop: Any, clip: Path
) -> None:
    """Whoever says less than they send is taken at their word."""

    def lie(visit: Any) -> None:
        body = clip.read_bytes()
        visit.begin(**{"Content-Length": str(len(body) // 2), "Content-Type": "video/mp4"})
        visit.send(body)

    video = shop().open(site.answers("/film.mp4", lie))
    assert video.path.stat().st_size == clip.stat().st_size // 2


@BY_BOTH
@pytest.mark.parametrize(
    ("playlist", "error"),
    [
        ("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\ns0.ts\n", VideoUnavailable),
        (WHOLE.format("#EXT-X-KEY:METHOD=SAMPLE-AES,URI='k'\n#EXTINF:2,\ns0.ts"), ProcessingFailed),
        (WHOLE.format("#EXTINF:2,\nmissing.ts"), ProcessingFailed),
        (WHOLE.format(""), ProcessingFailed),
        ("#EXTM3U\n", ProcessingFailed),
        ("#EXTM3U\n#EXTINF:abc,\n", ProcessingFailed),
    ],
    ids=["live", "protected", "a segment missing", "no segment", "empty", "garbage"],
)
def test_streams_that_are_no_recordings_are_refused(
    site: Any,
    shop: Any,
    stream: dict[str, bytes],
    source: str,
    playlist: str,
    error: type[ProcessingFailed],
) -> None:
    made = shop()
    url = serve_stream(site, stream, **{"master.m3u8": playlist})
    with pytest.raises(error):
        made.open(url, getattr(made, source))
    assert made.leftovers() == []


@BY_BOTH
def test_a_stream_that_lasts_too_long_is_refused_before_it_is_fetched(
    site: Any, shop: Any, stream: dict[str, bytes], source: str
) -> None:
    made = shop()
    long = WHOLE.format("\n".join("#EXTINF:100,\ns0.ts" for _ in range(9)))
    with pytest.raises(VideoTooLong, match="15:00"):
        made.open(serve_stream(site, stream, **{"master.m3u8": long}), getattr(made, source))
    assert "/s0.ts" not in site.visits


def test_an_encrypted_stream_is_decrypted_with_the_key_it_names(
    site: Any, shop: Any, stream: dict[str, bytes]
) -> None:
    from Cryptodome.Cipher import AES
    from Cryptodome.Util.Padding import pad

    key = bytes(range(16))
    listed = []
    for number, name in enumerate(sorted(n for n in stream if n.endswith(".ts"))):
        iv = (number + 7).to_bytes(16, "big")
        body = AES.new(key, AES.MODE_CBC, iv=iv).encrypt(pad(stream[name], 16))
        site.serves(f"/e{number}.ts", body)
        listed.append(f"#EXTINF:2,\ne{number}.ts")
    site.serves("/key", key)
    head = '#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-KEY:METHOD=AES-128,URI="key"\n'
    url = site.serves("/film.m3u8", WHOLE.format(head + "\n".join(listed)))
    assert surveyed(shop().open(url)).duration == pytest.approx(6, abs=0.2)
    site.serves("/key", bytes(16))
    site.serves("/film.m3u8", WHOLE.format(head + "\n".join([*listed, "#EXTINF:1,\ne0.ts"])))
    with pytest.raises(VideoUnavailable, match="decrypted"):
        shop().open(url)


def test_parts_of_one_file_can_be_segments(site: Any, shop: Any, stream: dict[str, bytes]) -> None:
    names = sorted(n for n in stream if n.endswith(".ts"))
    whole = b"".join(stream[name] for name in names)

    def ranged(visit: Any) -> None:
        first, last = map(int, visit.headers["range"].removeprefix("bytes=").split("-"))
        part = whole[first : last + 1]
        visit.answer(part, status=206, Content_Range=f"bytes {first}-{last}/{len(whole)}")

    site.answers("/all.ts", ranged)
    sizes = [len(stream[name]) for name in names]
    listed = [f"#EXTINF:2,\n#EXT-X-BYTERANGE:{size}\nall.ts" for size in sizes]
    listed[0] = listed[0].replace(str(sizes[0]), f"{sizes[0]}@0")
    video = shop().open(site.serves("/film.m3u8", WHOLE.format("\n".join(listed))))
    assert video.path.read_bytes() == whole


def test_sound_of_its_own_is_joined_with_the_picture(
    site: Any, shop: Any, stream: dict[str, bytes]
) -> None:
    master = (
        '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="x",DEFAULT=YES,URI="media.m3u8"\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=640x360,AUDIO="a"\npicture.m3u8\n'
    )
    picture = stream["media.m3u8"].decode()
    made = shop()
    url = serve_stream(site, stream, **{"master.m3u8": master, "picture.m3u8": picture})
    video = made.open(url)
    overview = surveyed(video)
    assert [s.kind for s in overview.streams] == ["video", "audio"]
    assert overview.duration == pytest.approx(6, abs=0.2)
    assert video.path.name == "joined.mkv"
    assert sorted(path.name for path in video.path.parent.iterdir()) == ["joined.mkv", "video.json"]
    fractions = [fraction for fraction, _ in made.told if fraction is not None]
    assert fractions == sorted(fractions)


@BY_BOTH
@pytest.mark.parametrize("stage", ["asking", "fetching"])
def test_cancelling_ends_it_at_once_and_leaves_nothing(
    site: Any, shop: Any, run: Callable[[Any], Any], clip: Path, source: str, stage: str
) -> None:
    def stall(visit: Any) -> None:
        if stage == "fetching":
            visit.begin(**{"Content-Length": "1000000", "Content-Type": "video/mp4"})
            visit.send(clip.read_bytes()[:60_000])
        while True:
            time.sleep(0.05)
            visit.handler.connection.send(b"")
            if visit.handler.connection.recv(1) == b"":
                return

    made = shop()
    url = site.answers("/film.mp4", stall)

    async def scenario() -> float:
        task = asyncio.create_task(made.fetch(url, getattr(made, source)))
        wanted = 1 if stage == "asking" else 2
        while site.visits.count("/film.mp4") < wanted or (
            stage == "fetching" and not any(f is not None for f, _ in made.told)
        ):
            await asyncio.sleep(0.01)
        begun = time.monotonic()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        return time.monotonic() - begun

    assert run(scenario()) < AT_ONCE
    assert made.leftovers() == []
    site.wait_until_quiet()
