"""POST /api/v1/uploads over real connections, from clients of every kind."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from patience import PATIENCE

from watchbuddy_core.client import upload
from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.errors import RequestRefused, UploadTooLarge
from watchbuddy_core.session import Parts
from watchbuddy_core.settings import Settings
from watchbuddy_core.sources.uploads import UploadSource
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.video import VideoRequest
from watchbuddy_server import uploads
from watchbuddy_server.app import create_app
from watchbuddy_server.plugin import WatchBuddyPlugin
from watchbuddy_server.serving import serving

UPLOADS = "/api/v1/uploads"
SUBTITLES = b"1\n00:00:01,000 --> 00:00:02,000\nHello.\n"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Three seconds of film, in more than one piece of a connection's buffer."""
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    make_clip(path, [Shot(3.0, Picture.DAY, Tone.CALM)], size=(160, 90))
    film = path.read_bytes()
    return film + b"\0\1\2\0free" + bytes(200_000 - len(film))


class Server:
    """A server that takes uploads; what it keeps, and how to speak to it."""

    def __init__(self, url: str, folder: Path, source: UploadSource) -> None:
        self.url = url
        self.folder = folder
        self.source = source
        self.http = httpx.AsyncClient(base_url=url, timeout=PATIENCE, trust_env=False)

    def paths(self) -> list[Path]:
        return list(self.folder.glob("*/*"))

    def files(self) -> list[bytes]:
        return [path.read_bytes() for path in self.paths()]

    async def kept(self, video_url: str) -> bytes:
        """The file behind an address."""
        video = await self.source.open(VideoRequest(url=video_url), lambda *_: None)
        path = video.path or video.subtitles[0].path
        return path.read_bytes()

    async def until_empty(self) -> None:
        while self.paths():
            await asyncio.sleep(0.005)

    async def until_something_comes(self) -> None:
        while not self.paths():
            await asyncio.sleep(0.005)

    @asynccontextmanager
    async def speaking(
        self, *headers: str, path: str = UPLOADS
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection that has sent the head of an upload."""
        place = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        head = [f"POST {path} HTTP/1.1", f"Host: {place.netloc}", *headers, "", ""]
        writer.write("\r\n".join(head).encode())
        try:
            yield reader, writer
        finally:
            writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, Any]:
    """The next response on a connection: its status and its body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(
        int(line.split(":")[1])
        for line in head.splitlines()
        if line.lower().startswith("content-length")
    )
    return int(head.split()[1]), json.loads(await reader.readexactly(length))


def error_of(response: httpx.Response) -> tuple[int, str]:
    assert set(response.json()) == {"detail"}
    assert set(response.json()["detail"]) == {"error", "message"}
    return response.status_code, response.json()["detail"]["error"]


Test = Callable[[Server], Awaitable[None]]


@pytest.fixture
def uploading(parts: Parts, serve: Any, tmp_path: Path) -> Callable[..., None]:
    """Runs a test against a server whose source of uploads has these options."""

    def run(test: Test, **options: Any) -> None:
        async def main() -> None:
            folder = tmp_path / "uploads"
            source = UploadSource(folder, **options)
            app = create_app(
                parts=replace(parts, sources=[source, *parts.sources]),
                store=MemoryStore(),
                uploads=True,
            )
            async with serve(app) as (_, url):
                server = Server(url, folder, source)
                async with server.http, asyncio.timeout(PATIENCE):
                    await test(server)

        asyncio.run(main())

    return run


# --- how a file comes ----------------------------------------------------------------------


TYPES = [
    None,
    "video/mp4",
    "application/x-www-form-urlencoded",
    "application/json",
    "text/html",
    "?",
]


def test_the_body_is_the_file_whatever_its_type_is_called(uploading: Any, film: bytes) -> None:
    async def test(server: Server) -> None:
        for content_type in TYPES:
            headers = {} if content_type is None else {"Content-Type": content_type}
            response = await server.http.post(
                f"{UPLOADS}?name=film.mp4", content=film, headers=headers
            )
            assert response.status_code == 201, content_type
            body = response.json()
            assert list(body) == ["video_url", "title", "kind", "size_bytes"]
            assert (body["title"], body["kind"]) == ("film", "media")
            assert body["size_bytes"] == len(film)
            assert await server.kept(body["video_url"]) == film

    uploading(test)


def test_a_body_may_come_without_its_length(uploading: Any, film: bytes) -> None:
    async def test(server: Server) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for i in range(0, len(film), 7_001):
                yield film[i : i + 7_001]

        response = await server.http.post(UPLOADS, content=pieces())
        assert response.status_code == 201
        assert response.json()["title"] == "upload"
        assert await server.kept(response.json()["video_url"]) == film

    uploading(test)


@pytest.mark.parametrize("size", [1, 13, 65_536], ids="pieces of {} bytes".format)
def test_a_form_holds_the_file_between_other_fields(uploading: Any, film: bytes, size: int) -> None:
    tricky = SUBTITLES + b"\r\n--frontier\r\n--Frontie\r\r\n--" if size < 65_536 else film
    body = (
        b'--Frontier\r\nContent-Disposition: form-data; name="note"\r\n\r\nHello.\r\n'
        b'--Frontier\r\nContent-Disposition: form-data; name="file"; filename="a.srt"\r\n'
        b"Content-Type: text/plain\r\n\r\n" + tricky + b"\r\n"
        b'--Frontier\r\nContent-Disposition: form-data; name="name"\r\n\r\nb.mp4\r\n'
        b"--Frontier--\r\n"
    )

    async def test(server: Server) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for i in range(0, len(body), size):
                yield body[i : i + size]

        response = await server.http.post(
            UPLOADS,
            content=pieces(),
            headers={"Content-Type": 'multipart/form-data; boundary="Frontier"'},
        )
        assert response.status_code == 201, response.text
        assert response.json()["title"] == "a"
        assert response.json()["size_bytes"] == len(tricky)
        assert await server.kept(response.json()["video_url"]) == tricky

    uploading(test)


def test_subtitles_may_be_uploaded(uploading: Any) -> None:
    async def test(server: Server) -> None:
        response = await server.http.post(UPLOADS, files={"file": ("talk.srt", SUBTITLES)})
        assert response.status_code == 201
        assert response.json()["kind"] == "subtitles"

    uploading(test)


FORM = {"Content-Type": "multipart/form-data; boundary=x"}
FILE = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n' + SUBTITLES
FIELD = b'--x\r\nContent-Disposition: form-data; name="n"\r\n\r\n'


NO_FORMS = [
    (b"", FORM),
    (b"no form", FORM),
    (b"--x--\r\n", FORM),
    (FIELD + b"1\r\n--x--\r\n", FORM),
    (FILE, FORM),
    (FILE + b"\r\n--x\r\n", FORM),
    (FILE + b"\r\n" + FILE + b"\r\n--x--\r\n", FORM),
    (FIELD + bytes(200_000) + b"\r\n" + FILE + b"\r\n--x--\r\n", FORM),
    (FILE + b"\r\n--x--\r\n" + bytes(200_000), FORM),
    (b"--x\r\nX-Y: " + bytes(200_000), FORM),
    (b"--x\r\n\r\n" + SUBTITLES + b"\r\n--x--", FORM),
    (FILE + b"\r\n--x--\r\n", {"Content-Type": "multipart/form-data"}),
    (FILE + b"\r\n--x--\r\n", {"Content-Type": "multipart/form-data; boundary="}),
    (FILE + b"\r\n--x--\r\n", {"Content-Type": "multipart/form-data; boundary=y"}),
]


def test_a_form_without_the_one_file_is_refused_and_leaves_nothing(uploading: Any) -> None:
    async def test(server: Server) -> None:
        for i, (body, headers) in enumerate(NO_FORMS):
            response = await server.http.post(UPLOADS, content=body, headers=headers)
            assert error_of(response) == (400, "MALFORMED_REQUEST"), i
        assert server.files() == []

    uploading(test)


def test_a_client_that_has_sent_all_is_answered_at_once(
    uploading: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it wants the connection closed: nothing more is to be heard out."""
    monkeypatch.setattr(uploads, "_HEAR_OUT_SECONDS", 10 * PATIENCE)

    async def test(server: Server) -> None:
        for body, headers in NO_FORMS:
            headers = {**headers, "Connection": "close"}
            response = await server.http.post(UPLOADS, content=body, headers=headers)
            assert error_of(response) == (400, "MALFORMED_REQUEST")

    uploading(test)


DISPOSITIONS = {
    'attachment; filename="my film.mp4"': "my film",
    "attachment; filename=film.mp4": "film",
    "attachment; filename=x.mp4; filename*=UTF-8''%E7%94%B5%E5%BD%B1.mp4": "电影",
    "attachment; filename*=utf-8'zh'%ff%00a.mp4; filename=x.mp4": "\ufffda",
    "attachment; filename*=idna'x'%ff%00a.mp4": "upload",
    'attachment; filename="电影.mp4"': "电影",
    'attachment; filename="../../etc/passwd"': "passwd",
    "attachment": "upload",
    "; ; =;filename": "upload",
}


def test_a_header_may_name_the_file(uploading: Any) -> None:
    async def test(server: Server) -> None:
        for disposition, title in DISPOSITIONS.items():
            headers = {"Content-Disposition": disposition.encode()}
            response = await server.http.post(UPLOADS, content=SUBTITLES, headers=headers)
            assert (response.status_code, response.json()["title"]) == (201, title)
            response = await server.http.post(
                UPLOADS, content=SUBTITLES, headers=headers, params={"name": "other.srt"}
            )
            assert response.json()["title"] == "other"

    uploading(test)


NAMES = {
    "../../x": "x",
    "con.mp4": "con",
    "n" * 500 + ".mp4": "n" * 96,
    "电影.mp4": "电影",
    'a"b.mp4': 'a"b',
    "C:\\films\\a.mp4": "a",
    ".": "upload",
}


def test_a_name_becomes_a_title_and_nothing_else(uploading: Any) -> None:
    async def test(server: Server) -> None:
        for name, title in NAMES.items():
            for response in (
                await server.http.post(UPLOADS, content=SUBTITLES, params={"name": name}),
                await server.http.post(UPLOADS, files={"file": (name, SUBTITLES)}),
            ):
                assert (response.status_code, response.json()["title"]) == (201, title)
                assert await server.kept(response.json()["video_url"]) == SUBTITLES
        assert {path.parent.parent for path in server.paths()} == {server.folder}

    uploading(test)


def test_twenty_come_at_the_same_time(uploading: Any, film: bytes) -> None:
    async def test(server: Server) -> None:
        async def send(i: int) -> None:
            mine = film[:-2] + bytes([i, i])
            response = await server.http.post(UPLOADS, content=mine)
            assert response.status_code == 201
            assert await server.kept(response.json()["video_url"]) == mine

        async with asyncio.TaskGroup() as tasks:
            for i in range(20):
                tasks.create_task(send(i))
        assert len(server.files()) == 20

    uploading(test)


def test_a_large_file_is_never_whole_in_memory(uploading: Any, film: bytes) -> None:
    async def test(server: Server) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield film
            for _ in range(400):
                yield bytes(100_000)

        tracemalloc.start()
        response = await server.http.post(UPLOADS, content=pieces())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert response.json()["size_bytes"] == len(film) + 40_000_000
        assert peak < 10_000_000

    uploading(test)


# --- what is refused -----------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"This is no film.", bytes(300_000)])
def test_what_is_neither_media_nor_subtitles_is_unreadable(uploading: Any, content: bytes) -> None:
    async def test(server: Server) -> None:
        for options in ({"content": content}, {"files": {"file": ("film.mp4", content)}}):
            response = await server.http.post(UPLOADS, **options)
            assert error_of(response) == (422, "VIDEO_UNREADABLE")
        assert server.files() == []

    uploading(test)


def test_what_says_that_it_is_too_large_is_refused_before_it_comes(uploading: Any) -> None:
    async def test(server: Server) -> None:
        for headers in (
            ["Content-Length: 200001", "Expect: 100-continue"],
            ["Content-Length: 300000", "Content-Type: multipart/form-data; boundary=x"],
        ):
            async with server.speaking(*headers) as (reader, _):
                status, body = await answer(reader)
                assert (status, body["detail"]["error"]) == (413, "REQUEST_TOO_LARGE")
        assert server.files() == []

    uploading(test, most_bytes=200_000)


def test_what_turns_out_to_be_too_large_is_refused_as_it_comes(uploading: Any, film: bytes) -> None:
    async def test(server: Server) -> None:
        async def endless() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield film

        assert (await server.http.post(UPLOADS, content=film)).status_code == 201
        assert (await server.http.post(UPLOADS, files={"f": ("a", film)})).status_code == 201
        response = await server.http.post(UPLOADS, content=endless())
        assert error_of(response) == (413, "REQUEST_TOO_LARGE")
        response = await server.http.post(UPLOADS, files={"f": ("a", film + b"\0")})
        assert error_of(response) == (413, "REQUEST_TOO_LARGE")
        assert len(server.files()) == 2

    uploading(test, most_bytes=len(film))


def test_what_does_not_fit_on_the_disk_is_told(uploading: Any, film: bytes) -> None:
    async def test(server: Server) -> None:
        response = await server.http.post(UPLOADS, content=film)
        assert error_of(response) == (507, "STORAGE_FULL")
        assert str(server.folder) not in response.text

        async def pieces() -> AsyncIterator[bytes]:
            yield film

        response = await server.http.post(UPLOADS, content=pieces())
        assert error_of(response) == (507, "STORAGE_FULL")
        assert server.files() == []

    uploading(test, free_space=lambda _: len(film), free_bytes=1)


def test_too_many_that_wait_are_told_to_come_later(uploading: Any) -> None:
    async def test(server: Server) -> None:
        assert (await server.http.post(UPLOADS, content=SUBTITLES)).status_code == 201
        response = await server.http.post(UPLOADS, content=SUBTITLES)
        assert error_of(response) == (429, "RATE_LIMITED")
        assert int(response.headers["Retry-After"]) > 0

    uploading(test, most_waiting=1)


def test_one_caller_leaves_room_for_others(uploading: Any) -> None:
    async def test(server: Server) -> None:
        assert (await server.http.post(UPLOADS, content=SUBTITLES)).status_code == 201
        response = await server.http.post(UPLOADS, content=SUBTITLES)
        assert error_of(response) == (429, "RATE_LIMITED")
        assert "your uploads" in response.text

    uploading(test, waiting_per_sender=1)


# --- clients that fail ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: 1000000"],
        ["Transfer-Encoding: chunked"],
        ["Content-Length: 1000000", "Content-Type: multipart/form-data; boundary=x"],
    ],
)
def test_a_client_that_goes_away_leaves_nothing(
    uploading: Any, film: bytes, headers: list[str]
) -> None:
    async def test(server: Server) -> None:
        async with server.speaking(*headers) as (_, writer):
            body = FILE + bytes(100_000) if "multipart" in headers[-1] else bytes(100_000)
            chunk = b"%x\r\n" % len(body) + body if "chunked" in headers[-1] else body
            writer.write(chunk)
            await server.until_something_comes()
        await server.until_empty()
        async with asyncio.timeout(PATIENCE):  # its place is free when its file is gone, and later
            while (await server.http.post(UPLOADS, content=film)).status_code != 201:
                await asyncio.sleep(0.02)

    uploading(test, most_waiting=1)


def test_more_bytes_than_were_announced_are_no_part_of_the_file(uploading: Any) -> None:
    async def test(server: Server) -> None:
        async with server.speaking(f"Content-Length: {len(SUBTITLES)}") as (reader, writer):
            writer.write(SUBTITLES + b"and more\r\n\r\n")
            status, body = await answer(reader)
        assert (status, body["size_bytes"]) == (201, len(SUBTITLES))
        assert await server.kept(body["video_url"]) == SUBTITLES

    uploading(test)


def test_a_body_that_stands_still_is_answered_and_makes_room(uploading: Any, film: bytes) -> None:
    async def test(server: Server) -> None:
        for headers, begun in (
            (["Content-Length: 1000000"], b""),
            (["Content-Length: 1000000"], film),
            (["Content-Length: 1000000", "Content-Type: multipart/form-data; boundary=x"], FILE),
            (["Content-Length: 1000000", "Content-Type: multipart/form-data; boundary=x"], FIELD),
        ):
            async with server.speaking(*headers) as (reader, writer):
                writer.write(begun)
                status, body = await answer(reader)
            assert (status, body["detail"]["error"]) == (408, "UPLOAD_STALLED")
        assert server.files() == []

    uploading(test, most_waiting=1, stall_seconds=0.1)


# --- our own client ------------------------------------------------------------------------


def test_the_client_sends_a_file_and_is_told_why_it_is_refused(
    uploading: Any, film: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "das Meer & 电影.mp4"
    path.write_bytes(film)
    (tmp_path / "notes.txt").write_text("No film.")

    async def test(server: Server) -> None:
        sent = await upload(f"{server.url}/", path)
        assert (sent.title, sent.kind, sent.size_bytes) == ("das Meer & 电影", "media", len(film))
        assert await server.kept(sent.video_url) == film
        assert (await upload(server.url, path, name="b.mp4")).title == "b"
        with pytest.raises(RequestRefused) as refused:
            await upload(server.url, tmp_path / "notes.txt")
        assert refused.value.code == "VIDEO_UNREADABLE"
        with path.open("ab") as file:
            file.write(b"\0")
        with pytest.raises(UploadTooLarge, match="larger than"):
            await upload(server.url, path)
        with pytest.raises(FileNotFoundError):
            await upload(server.url, tmp_path / "none.mp4")

    uploading(test, most_bytes=len(film))


def test_the_client_is_told_that_a_server_takes_no_uploads(
    parts: Parts, serve: Any, tmp_path: Path
) -> None:
    path = tmp_path / "large.mp4"
    with path.open("wb") as file:
        file.truncate(5_000_000)

    async def main() -> None:
        async with serve(create_app(parts=parts, store=MemoryStore())) as (_, url):
            with pytest.raises(RequestRefused, match="takes no uploads") as refused:
                await upload(url, path)
            assert refused.value.code == "FORBIDDEN"

    asyncio.run(main())


def test_the_client_stops_sending_when_nobody_waits(uploading: Any, tmp_path: Path) -> None:
    path = tmp_path / "large.mp4"
    with path.open("wb") as file:
        file.truncate(2_000_000_000)

    async def test(server: Server) -> None:
        sending = asyncio.create_task(upload(server.url, path))
        await server.until_something_comes()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await server.until_empty()

    uploading(test)


# --- sessions ------------------------------------------------------------------------------


async def session_for(server: Server, video_url: str) -> str:
    response = await server.http.post(
        "/api/v1/sessions", json={"video_url": video_url, "character_id": "miao"}
    )
    assert response.status_code == 202, response.text
    return str(response.json()["session_id"])


async def end_of(server: Server, session_id: str) -> Any:
    """The session's status, when it is ready or has failed."""
    while True:
        status = (await server.http.get(f"/api/v1/sessions/{session_id}")).json()
        if status["status"] != "preparing":
            return status
        await asyncio.sleep(0.01)


def test_an_upload_is_watched_and_goes_with_the_last_of_its_sessions(
    uploading: Any, film: bytes
) -> None:
    async def test(server: Server) -> None:
        response = await server.http.post(f"{UPLOADS}?name=The%20sea.mp4", content=film)
        url = response.json()["video_url"]
        first, second = [await session_for(server, url) for _ in range(2)]
        for session_id in (first, second):
            status = await end_of(server, session_id)
            assert (status["status"], status["title"]) == ("ready", "The sea")
            assert status["duration"] == pytest.approx(3.0, abs=0.2)
        await server.http.delete(f"/api/v1/sessions/{first}")
        assert server.files() == [film]
        await server.http.delete(f"/api/v1/sessions/{second}")
        assert server.files() == []
        late = await end_of(server, await session_for(server, url))
        assert late["error"]["code"] == "VIDEO_UNAVAILABLE"
        assert "Upload the file again" in late["error"]["message"]

    uploading(test)


def test_uploaded_subtitles_are_watched_without_their_video(uploading: Any) -> None:
    async def test(server: Server) -> None:
        response = await server.http.post(UPLOADS, files={"file": ("talk.srt", SUBTITLES)})
        session_id = await session_for(server, response.json()["video_url"])
        status = await end_of(server, session_id)
        assert (status["status"], status["title"]) == ("ready", "talk")
        await server.http.delete(f"/api/v1/sessions/{session_id}")
        assert server.files() == []

    uploading(test)


def test_what_a_killed_server_left_behind_goes_when_the_next_one_starts(tmp_path: Path) -> None:
    left = tmp_path / "uploads" / "0123456789abcdef"
    left.mkdir(parents=True)
    (left / "film").write_bytes(bytes(1000))
    left.with_suffix(".lock").touch()
    unknown = tmp_path / "uploads" / "of-somebody-else"
    unknown.mkdir()

    async def main() -> None:
        async with serving(Settings(port=0, data_dir=tmp_path)), asyncio.timeout(PATIENCE):
            while left.with_suffix(".lock").exists():
                await asyncio.sleep(0.005)

    asyncio.run(main())
    assert list((tmp_path / "uploads").iterdir()) == [unknown]


# --- who may -------------------------------------------------------------------------------


def test_a_page_from_elsewhere_may_not_upload(uploading: Any) -> None:
    async def test(server: Server) -> None:
        for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
            response = await server.http.post(UPLOADS, content=SUBTITLES, headers=headers)
            assert error_of(response) == (403, "FORBIDDEN")
        assert server.files() == []
        response = await server.http.post(
            UPLOADS, content=SUBTITLES, headers={"Origin": "http://localhost:5173"}
        )
        assert response.status_code == 201

    uploading(test)


def test_the_bodies_of_other_requests_are_as_small_as_ever(uploading: Any) -> None:
    async def test(server: Server) -> None:
        response = await server.http.post("/api/v1/sessions", json={"text": "x" * 70_000})
        assert error_of(response) == (413, "REQUEST_TOO_LARGE")

    uploading(test)


@pytest.mark.parametrize("has_source", [True, False])
def test_a_server_that_takes_no_uploads_says_so_before_it_reads_any(
    parts: Parts, tmp_path: Path, has_source: bool
) -> None:
    source = UploadSource(tmp_path)
    app = create_app(
        parts=replace(parts, sources=[source]) if has_source else parts,
        store=MemoryStore(),
        uploads=not has_source,
    )
    with TestClient(app) as client:
        response = client.post(UPLOADS, content=SUBTITLES)
        assert (response.status_code, response.json()["detail"]["error"]) == (403, "FORBIDDEN")
        assert "--uploads" in response.json()["detail"]["message"]
        described = client.get("/schema/openapi.json").json()["paths"]
        assert "403" in described[UPLOADS]["post"]["responses"]
    assert list(tmp_path.iterdir()) == []


def test_an_application_has_uploads_where_it_says_so_whatever_its_own_bodies_may_be(
    parts: Parts, tmp_path: Path, film: bytes
) -> None:
    plugins = [
        WatchBuddyPlugin(
            parts=replace(parts, sources=[UploadSource(tmp_path / path)]),
            store=MemoryStore(),
            path=path,
            uploads=uploads,
        )
        for path, uploads in (("with", True), ("without", False))
    ]
    with TestClient(Litestar(plugins=plugins, request_max_body_size=1000)) as client:
        assert client.post(f"/with{UPLOADS}", content=film).status_code == 201
        assert client.post(f"/without{UPLOADS}", content=film).status_code == 403


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({}, 201),
        ({"uploads": "off"}, 403),
        ({"host": "0.0.0.0"}, 403),
        ({"host": "0.0.0.0", "uploads": "on"}, 201),
        ({"server_names": ("buddy.example",)}, 403),
        ({"host": "localhost", "limits": {"upload_bytes": 10}}, 413),
        ({"cache": {"free_bytes": 10**18}}, 507),
    ],
)
def test_the_settings_say_whether_and_how_much(
    tmp_path: Path, settings: dict[str, Any], status: int
) -> None:
    async def main() -> None:
        told = Settings.model_validate(
            {"port": 0, "access": "open", "data_dir": tmp_path, **settings}
        )
        async with (
            serving(told) as url,
            httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as http,
        ):
            assert (await http.post(UPLOADS, content=SUBTITLES)).status_code == status
            assert (tmp_path / "uploads").exists() is (status == 201)

    asyncio.run(main())
