"""What is particular to yt-dlp: what is chosen, what its errors mean, and its process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from patience import PATIENCE

from watchbuddy_core.errors import MissingExtra, PluginProblem, VideoUnavailable
from watchbuddy_core.protocols import Match
from watchbuddy_core.sources import choose_source
from watchbuddy_core.sources.cache import VideoCache
from watchbuddy_core.sources.ytdlp import YtDlpSource
from watchbuddy_core.sources.ytdlp.choosing import choose_formats, choose_subtitles, language_of
from watchbuddy_core.sources.ytdlp.troubles import Trouble, error_of, trouble_in
from watchbuddy_core.sources.ytdlp.worker import _without_secrets
from watchbuddy_core.video import VideoRequest

WORKER = "watchbuddy_core.sources.ytdlp.worker"


def workers() -> list[psutil.Process]:
    """Those that this process has started."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if WORKER in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


# --- what is taken -------------------------------------------------------------------------


def both(name: str, height: int, **more: Any) -> dict[str, Any]:
    return {
        "format_id": name,
        "url": "u",
        "height": height,
        "vcodec": "avc1.4d",
        "acodec": "mp4a",
        **more,
    }


def silent(name: str, height: int, **more: Any) -> dict[str, Any]:
    return both(name, height, acodec="none", **more)


def sound(name: str, **more: Any) -> dict[str, Any]:
    return both(name, 0, vcodec="none", **more)


@pytest.mark.parametrize(
    ("formats", "chosen"),
    [
        ([both("144", 144), both("360", 360), both("720", 720)], ["360"]),
        ([both("144", 144), both("240", 240)], ["240"]),
        ([both("720", 720), silent("360v", 360), sound("a")], ["360v", "a"]),
        ([both("360", 360), silent("360v", 360), sound("a")], ["360"]),
        ([silent("360v", 360), silent("1080v", 1080), sound("a")], ["360v", "a"]),
        ([silent("360v", 360)], ["360v"]),
        ([sound("a"), sound("b")], ["a"]),
        ([sound("en", language_preference=10), sound("de", abr=1)], ["en"]),
        (
            [silent("av1", 360, vcodec="av01"), silent("vp9", 360, vcodec="vp9"), sound("a")],
            ["vp9", "a"],
        ),
        ([both("drm", 360, has_drm=True)], []),
        ([both("rtmp", 360, protocol="rtmp")], []),
        ([both("storyboard", 90, vcodec="none", acodec="none"), both("1080", 1080)], ["1080"]),
        ([{"format_id": "0", "url": "u", "ext": "mp4"}], ["0"]),
        ([{"format_id": "0", "url": "u"}, both("360", 360)], ["360"]),
        ([], []),
    ],
)
def test_the_smallest_picture_of_enough_lines_is_taken(
    formats: list[dict[str, Any]], chosen: list[str]
) -> None:
    assert [one["format_id"] for one in choose_formats({"formats": formats})] == chosen


@pytest.mark.parametrize(("lines", "chosen"), [(144, "144"), (480, "720"), (4320, "1080")])
def test_somebody_who_wants_to_look_at_it_may_want_more_lines(lines: int, chosen: str) -> None:
    formats = [both("144", 144), both("360", 360), both("720", 720), both("1080", 1080)]
    (picture,) = choose_formats({"formats": formats}, lines)
    assert picture["format_id"] == chosen


VTT = [{"ext": "json3", "url": "j"}, {"ext": "vtt", "url": "v"}]


@pytest.mark.parametrize(
    ("info", "chosen"),
    [
        ({"language": "de", "subtitles": {"en": VTT, "de": VTT}}, ["de", "en"]),
        ({"subtitles": {"en": VTT}, "automatic_captions": {"en-orig": VTT}}, ["en", "en-orig"]),
        ({"automatic_captions": {"af": VTT, "en-orig": VTT, "zu": VTT}}, ["en-orig"]),
        ({"language": "ja", "automatic_captions": {"af": VTT, "ja": VTT}}, ["ja"]),
        ({"automatic_captions": {"af": VTT, "ja": VTT}}, []),
        ({"subtitles": {"live_chat": [{"ext": "json", "url": "c"}], "danmaku": VTT}}, []),
        ({"subtitles": {"en": [{"ext": "json3", "url": "j"}]}}, []),
        ({"subtitles": dict.fromkeys("abcdef", VTT)}, ["a", "b", "c"]),
        ({"subtitles": None, "automatic_captions": []}, []),
    ],
)
def test_people_come_before_machines_and_the_videos_language_before_others(
    info: dict[str, Any], chosen: list[str]
) -> None:
    tracks = choose_subtitles(info)
    assert [track.language for track in tracks] == chosen
    assert all(track.format["ext"] == "vtt" for track in tracks)
    assert all((language_of(track) or "").endswith("-orig") is False for track in tracks)


# --- what its errors mean ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "trouble"),
    [
        ("[youtube] x: Sign in to confirm you’re not a bot. Use --cookies", Trouble.BOT_CHECK),
        ("[youtube] x: Sign in to confirm your age. This video may be", Trouble.AGE_LIMITED),
        ("[youtube] x: Private video. Sign in if you've been granted", Trouble.PRIVATE),
        ("The uploader has not made this video available in your country", Trouble.GEO_BLOCKED),
        (
            "This video is not available from your location due to geo restriction",
            Trouble.GEO_BLOCKED,
        ),
        ("Join this channel to get access to members-only content", Trouble.MEMBERS_ONLY),
        ("This video has been removed by the uploader", Trouble.REMOVED),
        ("[youtube] x: Video unavailable", Trouble.REMOVED),
        ("This account has been terminated. Video has been deleted", Trouble.REMOVED),
        ("Premieres in 3 hours", Trouble.NOT_YET),
        ("This live event will begin in a few moments.", Trouble.NOT_YET),
        ("HTTP Error 429: Too Many Requests", Trouble.RATE_LIMITED),
        ("This video is DRM protected", Trouble.PROTECTED),
        ("Unsupported URL: https://example.com", Trouble.NOT_A_VIDEO),
        ("Requested format is not available", Trouble.NO_FORMAT),
        ("This video is only available for registered users", Trouble.FORBIDDEN),
        ("something else entirely", None),
    ],
)
def test_the_words_of_sites_are_understood(words: str, trouble: Trouble | None) -> None:
    assert trouble_in(words) == trouble


def test_every_trouble_has_a_sentence_of_its_own() -> None:
    sentences = {str(error_of(trouble)) for trouble in Trouble}
    assert len(sentences) == len(Trouble)
    assert all(sentence.endswith(".") and len(sentence) > 20 for sentence in sentences)
    for trouble in (Trouble.GEO_BLOCKED, Trouble.PRIVATE, Trouble.AGE_LIMITED, Trouble.BOT_CHECK):
        assert "upload it" in str(error_of(trouble))
        assert "[plugins.yt-dlp]" in str(error_of(trouble))


def test_a_page_that_says_why_is_understood(site: Any, shop: Any) -> None:
    made = shop()
    page = "<html><title>x</title>nothing to see</html>"
    with pytest.raises(VideoUnavailable, match="no video at this address that yt-dlp knows"):
        made.open(site.serves("/page", page, kind="text/html"), made.ytdlp)


# --- a page --------------------------------------------------------------------------------


def test_a_page_with_a_video_and_a_track_is_a_video_with_subtitles(
    site: Any, shop: Any, clip: Path
) -> None:
    site.serves("/clip.mp4", clip.read_bytes())
    site.serves("/en.vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n", kind="text/vtt")
    page = (
        "<html><head><title>A walk\u202e</title></head><body><video src='/clip.mp4'>"
        "<track kind='subtitles' src='/en.vtt' srclang='en'></video></body></html>"
    )
    made = shop()
    video = made.open(site.serves("/page", page, kind="text/html"), made.ytdlp)
    assert video.path.read_bytes() == clip.read_bytes()
    assert [(file.language, file.automatic) for file in video.subtitles] == [("en", False)]
    assert video.subtitles[0].path.read_text().startswith("WEBVTT")
    assert video.title.startswith("A walk")
    assert "\u202e" not in video.title


def test_where_nobody_needs_to_see_it_only_the_words_are_fetched(
    site: Any, shop: Any, run: Any, clip: Path
) -> None:
    asked: list[str] = []

    def film(visit: Any) -> None:
        asked.append(visit.path)
        body = clip.read_bytes()
        visit.begin(**{"Content-Type": "video/mp4", "Content-Length": str(len(body))})
        visit.send(body)

    site.answers("/clip.mp4", film)
    site.serves("/en.vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n", kind="text/vtt")
    page = (
        "<html><head><title>A walk</title></head><body><video src='/clip.mp4'>"
        "<track kind='subtitles' src='/en.vtt' srclang='en'></video></body></html>"
    )
    made = shop()
    request = VideoRequest(url=site.serves("/page", page, kind="text/html"), words_only=True)
    video = run(made.ytdlp.open(request, lambda fraction, message: None))
    assert video.path is None
    assert video.subtitles[0].path.read_text().startswith("WEBVTT")
    assert video.content_id.startswith("site-")
    assert asked == []
    assert made.open(request.url, made.ytdlp).path is not None


def test_subtitles_that_cannot_be_had_do_not_cost_the_video(
    site: Any, shop: Any, clip: Path
) -> None:
    site.serves("/clip.mp4", clip.read_bytes())
    page = (
        "<html><title>x</title><video src='/clip.mp4'>"
        "<track kind='subtitles' src='/gone.vtt' srclang='en'></video></html>"
    )
    made = shop()
    video = made.open(site.serves("/page", page, kind="text/html"), made.ytdlp)
    assert video.path is not None
    assert video.subtitles == ()


# --- its process ---------------------------------------------------------------------------


def test_no_worker_outlives_its_video(site: Any, shop: Any, clip: Path) -> None:
    made = shop()
    made.open(site.serves("/film.mp4", clip.read_bytes()), made.ytdlp)
    with pytest.raises(VideoUnavailable):
        made.open(f"{site.url}/nowhere", made.ytdlp)
    assert workers() == []


def test_there_are_no_more_workers_than_videos_are_fetched_at_a_time(
    site: Any, shop: Any, run: Any, clip: Path
) -> None:
    """Also where everybody asks for the same video: who only waits for it takes no turn."""

    are_seen = threading.Event()

    def slowly(visit: Any) -> None:
        """Until as many workers were seen as there are to be, and a little longer."""
        body = clip.read_bytes()
        visit.begin(**{"Content-Length": str(len(body)), "Content-Type": "video/mp4"})
        visit.send(body[: len(body) // 2])
        are_seen.wait(PATIENCE)
        time.sleep(0.2)
        visit.send(body[len(body) // 2 :])

    made = shop(at_a_time=2)
    urls = [site.answers(f"/{name}", slowly) for name in ("a.mp4", "a.mp4", "b.mp4", "c.mp4")]

    async def scenario() -> None:
        most = 0
        tasks = [asyncio.create_task(made.fetch(url, made.ytdlp)) for url in urls]
        while not all(task.done() for task in tasks):
            most = max(most, len(workers()))
            if most == 2:
                are_seen.set()
            await asyncio.sleep(0.05)
        assert most == 2
        assert {(await task).title for task in tasks} == {"a", "b", "c"}

    run(scenario())
    assert any(message == "Waiting for other downloads" for _, message in made.told)


def test_a_log_tells_no_secrets() -> None:
    words = "ProxyError: http://me:secret@proxy:8080/ for https://a.example/v?token=secret (x)"
    told = _without_secrets(words)
    assert "secret" not in told
    assert "a.example/v" in told


def test_a_worker_that_is_killed_is_a_failed_download(
    site: Any, shop: Any, run: Any, clip: Path
) -> None:
    def stall(visit: Any) -> None:
        visit.begin(**{"Content-Length": "1000000", "Content-Type": "video/mp4"})
        visit.send(clip.read_bytes()[:60_000])
        visit.handler.connection.recv(1)

    made = shop()

    async def scenario() -> None:
        task = asyncio.create_task(made.fetch(site.answers("/film.mp4", stall), made.ytdlp))
        while not any(fraction is not None for fraction, _ in made.told):
            await asyncio.sleep(0.02)
        (worker,) = workers()
        worker.kill()
        with pytest.raises(Exception, match="Fetching the video failed"):
            await task

    run(scenario())
    assert made.leftovers() == []


def test_a_worker_ends_with_the_process_that_started_it(site: Any, tmp_path: Path) -> None:
    site.answers("/film", lambda visit: visit.handler.connection.recv(1))
    program = f"""
import asyncio
from pathlib import Path
from watchbuddy_core.sources.cache import VideoCache
from watchbuddy_core.sources.guard import AddressGuard
from watchbuddy_core.sources.hosts import HostRule
from watchbuddy_core.sources.ytdlp import YtDlpSource
from watchbuddy_core.video import VideoRequest
source = YtDlpSource(
    cache=VideoCache(Path({str(tmp_path)!r})),
    guard=AddressGuard([HostRule("127.0.0.1", {site.port})]),
)
asyncio.run(source.open(VideoRequest(url="{site.url}/film"), lambda *_: None))
"""
    homes = tmp_path / "homes"
    homes.mkdir()
    environment = {**os.environ, "TMPDIR": str(homes)}
    owner = subprocess.Popen([sys.executable, "-c", program], env=environment)
    deadline = time.monotonic() + PATIENCE
    while "/film" not in site.visits:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (worker,) = workers()
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    psutil.wait_procs([worker], timeout=PATIENCE)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
    site.wait_until_quiet()
    assert list(homes.iterdir()) == []


def test_a_worker_sees_nothing_of_the_environment_and_starts_no_program(
    site: Any, shop: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clip: Path
) -> None:
    """By a spy that is loaded into every Python process that this one starts."""
    spied = tmp_path / "spied.json"
    (tmp_path / "sitecustomize.py").write_text(
        "import json, os, subprocess, sys\n"
        "def look():\n"
        "    found = {'environ': sorted(os.environ), 'refused': []}\n"
        "    for command in (['true'], ['/bin/sh', '-c', 'true']):\n"
        "        try:\n"
        "            subprocess.run(command)\n"
        "        except PermissionError:\n"
        "            found['refused'].append(command[0])\n"
        "    try:\n"
        "        os.system('true')\n"
        "    except PermissionError:\n"
        "        found['refused'].append('system')\n"
        f"    open({str(spied)!r}, 'w').write(json.dumps(found))\n"
        "def watch(event, args):\n"
        "    global watch_for\n"
        "    if event == 'import' and args[0] == watch_for:\n"
        "        watch_for = None\n"
        "        look()\n"
        "watch_for = 'yt_dlp'\n"
        f"if any({WORKER!r} in arg for arg in sys.orig_argv): sys.addaudithook(watch)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("SOME_API_KEY", "secret")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    made = shop()
    with pytest.raises(VideoUnavailable):
        made.open(f"{site.url}/nowhere", made.ytdlp)
    found = json.loads(spied.read_text())
    assert not {"SOME_API_KEY", "http_proxy"} & set(found["environ"])
    assert found["refused"] == ["true", "/bin/sh", "system"]


# --- what an operator says -----------------------------------------------------------------


def test_links_that_name_no_file_fall_to_it(shop: Any) -> None:
    made = shop()
    assert made.ytdlp.match("https://youtu.be/1") is Match.FALLBACK
    assert made.ytdlp.match("library:a.mp4") is Match.NO
    assert made.links.match("https://a.example/b.MP4?x=1#y") is Match.SITE
    assert made.links.match("https://a.example/b.mp4.html") is Match.NO
    assert choose_source("https://a.example/b.m3u8", [made.ytdlp, made.links]) is made.links
    assert choose_source("https://a.example/b", [made.links, made.ytdlp]) is made.ytdlp


def test_without_yt_dlp_the_error_names_the_extra(
    site: Any, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = shop()
    monkeypatch.setattr("watchbuddy_core.sources.ytdlp.source.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"watchbuddy\[youtube\]"):
        made.open(f"{site.url}/film", made.ytdlp)


def test_cookies_are_sent_and_their_file_stays_as_it_is(
    site: Any, shop: Any, tmp_path: Path, clip: Path
) -> None:
    file = tmp_path / "cookies.txt"
    text = "# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\topen-sesame\n"
    file.write_text(text)

    def needs_a_login(visit: Any) -> None:
        if "open-sesame" in visit.headers.get("cookie", ""):
            visit.answer(clip.read_bytes(), Set_Cookie="more=1")
        else:
            visit.answer(b"", status=403)

    made = shop()
    url = site.answers("/film.mp4", needs_a_login)
    with pytest.raises(VideoUnavailable, match="refuses to hand out"):
        made.open(url, made.ytdlp)
    source = YtDlpSource(cache=made.cache, guard=made.links._guard, cookies=file)
    assert made.open(url, source).path.read_bytes() == clip.read_bytes()
    assert file.read_text() == text
    missing = YtDlpSource(cache=made.cache, guard=made.links._guard, cookies=tmp_path / "none")
    with pytest.raises(VideoUnavailable, match="cookies file"):
        made.open(url, missing)


def test_everything_goes_through_a_proxy_where_one_is_named(
    site: Any, shop: Any, tmp_path: Path, clip: Path
) -> None:
    site.serves("http://film.example/film.mp4", clip.read_bytes())
    proxied = YtDlpSource(cache=VideoCache(tmp_path / "videos", free_bytes=0), proxy=site.url)
    video = shop().open("http://film.example/film.mp4", proxied)
    assert video.path.read_bytes() == clip.read_bytes()
    assert set(site.visits) == {"http://film.example/film.mp4"}


@pytest.mark.parametrize("proxy", ["127.0.0.1", "socks5://127.0.0.1", "http://"])
def test_a_proxy_that_is_no_address_is_an_error_at_once(tmp_path: Path, proxy: str) -> None:
    with pytest.raises(PluginProblem, match="proxy"):
        YtDlpSource(cache=VideoCache(tmp_path), proxy=proxy)


def test_the_runtime_for_scripts_comes_with_the_packages() -> None:
    """Nothing of it has to be on the PATH."""
    program = (
        "from yt_dlp import YoutubeDL\n"
        "y = YoutubeDL({'quiet': True, 'js_runtimes': {'deno': {}}, 'cachedir': False})\n"
        "print(y._js_runtimes['deno'].info.supported)\n"
    )
    environment = {"PATH": os.defpath}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "True", done.stderr
