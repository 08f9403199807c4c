"""GET /media: the session's own file, in pieces, and in a form that browsers open."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from patience import PATIENCE

from watchbuddy_core.assembly import build_parts
from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.settings import Settings
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_server.app import create_app

Client = TestClient[Litestar]

SHOTS = [Shot(3.0, Picture.DAY, Tone.CALM), Shot(3.0, Picture.NIGHT, Tone.CALM)]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    make_clip(folder / "film.mp4", SHOTS, size=(160, 90), frame_rate=10)
    make_clip(folder / "film.mkv", SHOTS, size=(160, 90), frame_rate=10)
    copied(folder / "film.mp4", folder / "film.ts", "mpegts")
    copied(folder / "film.mp4", folder / "film.flv", "flv")
    old = av.open(str(folder / "old.avi"), "w")
    stream = old.add_stream("mpeg4", rate=10)
    stream.width, stream.height = 64, 36
    for _ in range(30):
        old.mux(stream.encode(av.VideoFrame(64, 36, "yuv420p")))
    old.mux(stream.encode(None))
    old.close()
    (folder / "words.srt").write_text("1\n00:00:01,000 --> 00:00:04,000\nHello there.\n")
    return folder


def copied(path: Path, into: Path, container: str) -> None:
    with av.open(str(path)) as source, av.open(str(into), "w", format=container) as copy:
        chosen = [source.streams.video[0], source.streams.audio[0]]
        targets = {stream.index: copy.add_stream_from_template(stream) for stream in chosen}
        for packet in source.demux(chosen):
            if packet.dts is not None:
                packet.stream = targets[packet.stream_index]
                copy.mux(packet)


@pytest.fixture
def client(films: Path, tmp_path: Path) -> Iterator[Client]:
    settings = Settings(libraries=(films,), data_dir=tmp_path)
    app = create_app(parts=build_parts(settings), store=MemoryStore())
    with TestClient(app) as client:
        yield client


def prepared(client: Client, video_url: str, **fields: Any) -> str:
    """A session that is ready; its id."""
    answer = client.post(
        "/api/v1/sessions", json={"video_url": video_url, "character_id": "miao", **fields}
    )
    session_id: str = answer.json()["session_id"]
    with client.websocket_connect(f"/ws/{session_id}") as socket:
        assert socket.receive_json(timeout=PATIENCE) == {"type": "session_ready"}
    return session_id


def test_a_file_is_served_whole_and_in_pieces(client: Client, films: Path) -> None:
    content = (films / "film.mp4").read_bytes()
    path = f"/media/{prepared(client, 'library:film.mp4')}"
    whole = client.get(path)
    assert (whole.status_code, whole.content) == (200, content)
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in whole.headers["content-security-policy"]
    part = client.get(path, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, content[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(content)}"
    last = client.get(path, headers={"Range": "bytes=-10"})
    assert (last.status_code, last.content) == (206, content[-10:])
    beyond = client.get(path, headers={"Range": f"bytes={len(content)}-"})
    assert beyond.status_code == 416
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(content))


def test_who_asks_for_what_is_no_part_is_given_the_whole(client: Client, films: Path) -> None:
    content = (films / "film.mp4").read_bytes()
    path = f"/media/{prepared(client, 'library:film.mp4')}"
    for asked in ("bytes=5-1", "bytes=x", "items=0-1", "bytes", "bytes=", "bytes=0-1,x"):
        whole = client.get(path, headers={"Range": asked})
        assert (whole.status_code, whole.content) == (200, content), asked
    for asked, part in (("bytes=0-0", content[:1]), ("Bytes = 5-", content[5:])):
        given = client.get(path, headers={"Range": asked})
        assert (given.status_code, given.content) == (206, part), asked


@pytest.mark.parametrize("name", ["film.mkv", "film.ts", "film.flv"])
def test_where_only_the_container_is_in_the_way_it_is_another(
    client: Client, films: Path, name: str
) -> None:
    served = client.get(f"/media/{prepared(client, f'library:{name}')}")
    assert served.status_code == 200
    assert served.headers["content-type"] == "video/mp4"
    with av.open(str(films / name)) as original, av.open(BytesIO(served.content)) as copy:
        assert "mp4" in copy.format.name
        assert copy.start_time == pytest.approx(0, abs=30_000)
        assert [stream.codec_context.name for stream in copy.streams] == ["h264", "aac"]
        pictures = sum(1 for _ in copy.decode(video=0))
        assert pictures == sum(1 for _ in original.decode(video=0)) == 60


def test_a_copy_is_made_once(client: Client, tmp_path: Path) -> None:
    first, second = (prepared(client, "library:film.mkv") for _ in range(2))
    assert client.get(f"/media/{first}").content == client.get(f"/media/{second}").content
    assert len(list((tmp_path / "videos").glob("mp4-*"))) == 1


def test_what_no_browser_plays_is_told_in_words(client: Client) -> None:
    session_id = prepared(client, "library:old.avi")
    refused = client.get(f"/media/{session_id}")
    assert refused.status_code == 422
    assert refused.json()["detail"]["error"] == "VIDEO_UNPLAYABLE"
    assert "mpeg4" in refused.json()["detail"]["message"]
    video = client.get(f"/api/v1/sessions/{session_id}/video").json()
    assert video["media_type"] is None
    assert video["error"] == {
        "code": "VIDEO_UNPLAYABLE",
        "message": refused.json()["detail"]["message"],
    }


def test_subtitles_alone_have_nothing_to_show(client: Client) -> None:
    session_id = prepared(client, "library:words.srt")
    assert client.get(f"/media/{session_id}").json()["detail"]["error"] == "VIDEO_UNAVAILABLE"
    video = client.get(f"/api/v1/sessions/{session_id}/video").json()
    assert "only what is said" in video["error"]["message"]


@pytest.mark.parametrize(
    "path", ["/media/ses_0123456789abcdef", "/media/..%2F..%2Fetc%2Fpasswd", "/media/film.mp4"]
)
def test_nothing_but_the_file_of_a_session_is_served(client: Client, path: str) -> None:
    refused = client.get(path)
    assert refused.status_code == 404
    assert set(refused.json()) == {"detail"}


def test_a_deleted_session_shows_nothing_more(client: Client) -> None:
    session_id = prepared(client, "library:film.mp4")
    assert client.get(f"/media/{session_id}").status_code == 200
    client.delete(f"/api/v1/sessions/{session_id}")
    assert client.get(f"/media/{session_id}").status_code == 404


def test_the_video_is_described(client: Client) -> None:
    session_id = prepared(client, "library:film.mp4", start_time=1, end_time=5)
    video = client.get(f"/api/v1/sessions/{session_id}/video").json()
    assert video["title"] == "film"
    assert (video["start_time"], video["end_time"]) == (1.0, 5.0)
    assert video["duration"] == pytest.approx(6.0, abs=0.2)
    assert (video["media_type"], video["error"]) == ("video/mp4", None)
    (loudness,) = video["loudness"]
    assert loudness["start"] == 1.0
    assert len(loudness["levels"]) == 4
    assert all(-60 < level < 0 for level in loudness["levels"])
