"""A world in which every address is this machine, and everybody who connects is written down.

    unshare --net --mount python hostile_world.py CLIP REPORT

Run in a network namespace of its own: there is nothing but loopback, so nothing can leave,
even where a guard fails. All addresses, public and private, are routed to it, and listened
at. The sources are asked for one hostile address after the other; the report says what
became of each, and which addresses were really connected to.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from watchbuddy_core.errors import WatchBuddyError
from watchbuddy_core.sources.cache import VideoCache
from watchbuddy_core.sources.guard import AddressGuard
from watchbuddy_core.sources.hosts import HostRule, check_url
from watchbuddy_core.sources.links import LinkSource
from watchbuddy_core.sources.ytdlp import YtDlpSource
from watchbuddy_core.video import VideoRequest

PUBLIC = "93.184.216.34"
NAMES = {
    "public.example": [PUBLIC],
    "inner.example": ["10.0.0.5"],
    "meta.example": ["169.254.169.254"],
    "here.example": ["127.0.0.1"],
    "six.example": ["fd00::5"],
    "mapped.example": ["::ffff:10.0.0.5"],
    "mixed.example": ["127.0.0.1", PUBLIC],
    "localhost": ["127.0.0.1", "::1"],
}
PORTS = (22, 53, 80, 443, 6379, 8000)

ADDRESSES = [
    *("127.0.0.1", "127.1", "127.0.1", "0", "0.0.0.0", "2130706433", "0x7f000001"),
    *("0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.0.0.1.", "127.255.255.254"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]"),
    *("[0:0:0:0:0:ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]"),
    *("[fe80::1]", "[fe80::1%25lo]", "[fd00::5]", "[fc00::1]", "[ff02::1]", "[ff0e::1]"),
    *("169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518"),
    *("10.0.0.5", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1", "192.0.0.8"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("localhost", "LOCALHOST.", "inner.example", "Meta.Example.", "here.example"),
    *("six.example", "mapped.example", "user:password@inner.example", "①②⑦.⓪.⓪.①"),
    *("127。0。0。1", "inner.example:6379", "127.0.0.1:22", "[::1]:8000"),
    *("public.example@inner.example", "inner.example\\@public.example", "inner.example%2f.x"),
]
SPELLED = [
    *("ftp://inner.example/a.mp4", "file:///etc/passwd", "gopher://inner.example:6379/_x"),
    *("//inner.example/a.mp4", "http:inner.example/a.mp4", "http:/inner.example/a.mp4"),
    *("http://inner.example#@public.example/a.mp4", "https://inner.example/a.mp4"),
    *("http://", "http:///a.mp4", "data:video/mp4;base64,AAAA", "concat:/etc/passwd|/etc/hosts"),
    *("hls+http://inner.example/a", "crypto:http://inner.example/a", "http://mixed.example/none"),
]
INNER = [
    *("http://127.0.0.1/a.mp4", "http://169.254.169.254/latest", "http://inner.example/a.mp4"),
    *("http://[::1]/a.mp4", "http://2130706433/a.mp4", "http://127.0.0.1:6379/"),
]
FOREIGN = ["file:///etc/passwd", "ftp://inner.example/a.mp4", "//inner.example/a.mp4"]


def cases() -> list[tuple[str, str]]:
    """By which source, and the address."""
    found = [("links", f"http://{address}/a.mp4") for address in ADDRESSES]
    found += [("links", url) for url in SPELLED]
    for way in ("to", "segment", "key", "map", "variant", "audio", "subs"):
        found += [("links", leading(way, url)) for url in (*INNER, *FOREIGN)]
    for address in ("127.0.0.1", "2852039166", "[::ffff:127.0.0.1]", "here.example", "six.example"):
        found.append(("yt-dlp", f"http://{address}/page"))
    for way, ending in (
        ("to", ""),
        ("page", "mp4"),
        ("track", "vtt"),
        ("segment", "ts"),
        ("subs", "m3u8"),
    ):
        for host in ("169.254.169.254", "inner.example"):
            found.append(("yt-dlp", leading(way, f"http://{host}/a.{ending}")))
    found += [("yt-dlp", leading("to", url)) for url in FOREIGN]
    return found


def leading(way: str, url: str) -> str:
    """A public address that leads to another one."""
    return f"http://public.example/{way}?u={quote(url, safe='')}"


# --- the public site -----------------------------------------------------------------------

PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXT-X-PLAYLIST-TYPE:VOD\n{}\n#EXT-X-ENDLIST\n"
VARIANT = "#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=640x360{}\n{}\n"


def page(path: str, url: str, clip: bytes) -> tuple[str, str, bytes]:
    """Status, further headers, body."""
    good = "#EXTINF:6,\n/clip.mp4"
    texts = {
        "/segment": PLAYLIST.format(f"#EXTINF:6,\n{url}"),
        "/key": PLAYLIST.format(f'#EXT-X-KEY:METHOD=AES-128,URI="{url}"\n{good}'),
        "/map": PLAYLIST.format(f'#EXT-X-MAP:URI="{url}"\n{good}'),
        "/variant": "#EXTM3U\n" + VARIANT.format("", url),
        "/audio": f'#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="{url}"\n'
        + VARIANT.format(',AUDIO="a"', "/good"),
        "/subs": f'#EXTM3U\n#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="s",URI="{url}"\n'
        + VARIANT.format(',SUBTITLES="s"', "/good"),
        "/good": PLAYLIST.format(good),
        "/page": f"<html><title>x</title><video src='{url}'></video></html>",
        "/track": "<html><title>x</title><video src='/clip.mp4'>"
        f"<track kind='subtitles' srclang='en' src='{url}'></video></html>",
    }
    if path == "/to":
        return "302 Found", f"Location: {url}\r\n", b""
    if path == "/clip.mp4":
        return "200 OK", "Content-Type: video/mp4\r\n", clip
    if path not in texts:
        return "404 Not Found", "", b""
    kind = "text/html" if path in ("/page", "/track") else "application/vnd.apple.mpegurl"
    return "200 OK", f"Content-Type: {kind}\r\n", texts[path].encode()


class World:
    """Listens at every address."""

    def __init__(self, clip: bytes) -> None:
        self.connected: list[str] = []
        self._clip = clip

    def listen(self) -> None:
        for port in PORTS:
            for family, everywhere in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                listener = socket.socket(family)
                if family == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((everywhere, port))
                listener.listen(64)
                threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            self.connected.append(str(connection.getsockname()[0]))
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            asked = b""
            while b"\r\n\r\n" not in asked:
                more = connection.recv(4096)
                if not more:
                    return
                asked += more
            parts = urlsplit(asked.split(b" ", 2)[1].decode())
            url = parse_qs(parts.query).get("u", [""])[0]
            status, headers, body = page(parts.path, url, self._clip)
            head = f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n"
            connection.sendall(f"{head}Connection: close\r\n\r\n".encode() + body)


def wire() -> None:
    """Lead every address here, and give the names theirs."""
    for command in (
        "ip link set lo up",
        "ip route add local 0.0.0.0/0 dev lo",
        "ip -6 route add local ::/0 dev lo",
    ):
        subprocess.run(command.split(), check=True, capture_output=True)
    lines = [f"{address} {name}" for name, known in NAMES.items() for address in known]
    with tempfile.NamedTemporaryFile("w", delete=False) as hosts:
        hosts.write("\n".join(lines) + "\n")
    os.chmod(hosts.name, 0o644)
    subprocess.run(["mount", "--bind", hosts.name, "/etc/hosts"], check=True, capture_output=True)


async def ask(world: World, folder: Path) -> list[dict[str, object]]:
    cache, guard = VideoCache(folder, free_bytes=0, at_a_time=8), AddressGuard()
    sources = {
        "links": LinkSource(cache=cache, guard=guard),
        "yt-dlp": YtDlpSource(cache=cache, guard=guard),
    }
    at_once = asyncio.Semaphore(4)

    async def one(by: str, url: str) -> dict[str, object]:
        async with at_once:
            code = "OPENED"
            try:
                await asyncio.wait_for(sources[by].open(VideoRequest(url=url), _nothing), 60)
            except WatchBuddyError as exc:
                code = exc.code
            except Exception as exc:  # noqa: BLE001 - what it is goes into the report
                code = repr(exc)
            return {"by": by, "url": url, "code": code, "allowed": _is_allowed(url)}

    return list(await asyncio.gather(*(one(by, url) for by, url in cases())))


def _is_allowed(url: str) -> bool:
    """Whether a server that knows nothing but the usual sites takes the address at all."""
    try:
        check_url(url, [HostRule("youtube.com")])
    except WatchBuddyError:
        return False
    return True


def _nothing(fraction: float | None, message: str) -> None: ...


def main(clip: Path, report: Path) -> None:
    wire()
    world = World(clip.read_bytes())
    world.listen()
    with tempfile.TemporaryDirectory() as folder:
        outcomes = asyncio.run(ask(world, Path(folder)))
    connected = sorted(set(world.connected))
    for address in ("169.254.169.254", "10.0.0.5"):  # that a guard's failure would be seen
        with socket.create_connection((address, 80), timeout=5) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            connection.recv(1)
    control = sorted(set(world.connected) - set(connected))
    report.write_text(
        json.dumps({"outcomes": outcomes, "connected": connected, "control": control})
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
