"""It keeps to the contract of sources, before a real web server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from watchbuddy_podcast import PodcastSource
from watchbuddy_podcast.feed import episodes

from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.errors import VideoUnavailable
from watchbuddy_core.testing import check_source
from watchbuddy_core.video import Video, VideoRequest

FEED = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"
     xmlns:podcast="https://podcastindex.org/namespace/1.0">
  <channel>
    <title>Night &amp; Day</title>
    <item><title>We are on holiday</title></item>
    <item>
      <title>The second night</title><itunes:episode>2</itunes:episode>
      <enclosure url="night.mp4" type="video/mp4" length="1"/>
      <podcast:transcript url="night.html" type="text/html"/>
      <podcast:transcript url="night.vtt" type="text/vtt" language="en"/>
      <podcast:transcript url="gone.srt" type="application/x-subrip"/>
    </item>
    <item>
      <title>The first night</title><itunes:episode>1</itunes:episode>
      <enclosure url="/night.mp4?first" type="video/mp4" length="1"/>
    </item>
  </channel>
</rss>
"""
VTT = "WEBVTT\n\n00:01.000 --> 00:02.000\nGood evening.\n"


@dataclass
class Site:
    host: str
    asked: list[str] = field(default_factory=list)

    def source(self, folder: Path, *, exempt: bool = True, **feeds: str) -> PodcastSource:
        return PodcastSource(
            feeds={name: f"http://{self.host}/{path}" for name, path in feeds.items()},
            folder=str(folder),
            allow_hosts=[self.host] if exempt else [],
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    shots = [Shot(3.0, Picture.NIGHT, Tone.CALM)]
    make_clip(folder / "night.mp4", shots, size=(64, 36), frame_rate=5)
    (folder / "feed.xml").write_text(FEED)
    (folder / "night.vtt").write_text(VTT)
    (folder / "nothing.xml").write_text("<rss><channel/></rss>")
    (folder / "broken.xml").write_text("<rss><channel>")
    asked: list[str] = []

    class Server(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Server, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Site(f"127.0.0.1:{server.server_port}", asked)
        server.shutdown()


def opened(source: PodcastSource, url: str) -> Video:
    return asyncio.run(source.open(VideoRequest(url=url), lambda fraction, message: None))


def test_it_is_a_source(site: Site, tmp_path: Path) -> None:
    feeds = {"night": "feed.xml", "none": "nothing.xml", "cut": "broken.xml", "gone": "404.xml"}
    asyncio.run(
        check_source(
            site.source(tmp_path, **feeds),
            opens=["podcast:night", "podcast:night/1"],
            refuses=["https://example.com/feed.xml", "library:night.mp4"],
            missing=[
                *("podcast:night/7", "podcast:none", "podcast:cut", "podcast:gone"),
                *("podcast:", "podcast:day", f"podcast:http://{site.host}/feed.xml"),
            ],
        )
    )


def test_the_newest_episode_comes_with_its_transcript(site: Site, tmp_path: Path) -> None:
    video = opened(site.source(tmp_path, night="feed.xml"), "podcast:night")
    assert video.title == "The second night"
    assert [(file.language, file.path.read_text()) for file in video.subtitles] == [("en", VTT)]


def test_an_episode_is_fetched_once(site: Site, tmp_path: Path) -> None:
    source = site.source(tmp_path, night="feed.xml")
    site.asked.clear()
    first, again = (opened(source, url) for url in ("podcast:night", "podcast:night/2"))
    assert first == again
    assert site.asked.count("/night.mp4") == 1


def test_a_feed_leads_into_no_inner_network(site: Site, tmp_path: Path) -> None:
    site.asked.clear()
    with pytest.raises(VideoUnavailable):
        opened(site.source(tmp_path, exempt=False, night="feed.xml"), "podcast:night")
    assert not site.asked


def test_a_feed_that_would_grow_is_not_read() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "bb">]><rss><channel><item/></channel></rss>'
    with pytest.raises(VideoUnavailable, match="no plain one"):
        episodes(bomb, "https://example.org/feed.xml")
