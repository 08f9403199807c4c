"""Reading from the web on behalf of a viewer: nothing but GET, and never past the guard."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from email.message import Message
from functools import cache
from http import HTTPStatus
from math import inf
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Self
from urllib.parse import unquote, urljoin, urlsplit

from watchbuddy_core.errors import (
    MissingExtra,
    UnsupportedVideoSource,
    VideoDownloadFailed,
    VideoUnavailable,
)
from watchbuddy_core.sources.guard import AddressGuard, AddressRefused
from watchbuddy_core.sources.hosts import Link
from watchbuddy_core.sources.limits import refuse_large

if TYPE_CHECKING:
    import httpcore

Received = Callable[[int, int | None], None]
"""Called with the bytes received so far, and those in all, where the server has said so."""

_CONNECT_SECONDS = 10.0
_SILENT_SECONDS = 20.0
"""A server that sends nothing for so long has gone."""
_REDIRECTS = 5
_REDIRECTED = HTTPStatus.MULTIPLE_CHOICES
_AGAIN = (0.3, 1.0, 3.0)
"""Seconds after which what failed on the way is asked for once more."""
_AT_ONCE = 1_000_000
"""Bytes that are written to a disk together."""
_LONGEST_WISH = 10.0
"""Seconds that a server may ask us to wait (Retry-After) and be listened to."""
_HEADERS = {"User-Agent": "watchbuddy", "Accept": "*/*", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of a response, and its body as it arrives."""

    url: str
    """Where it came from in the end."""
    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    chunks: AsyncIterator[bytes] = field(repr=False)

    @property
    def length(self) -> int | None:
        """Bytes of the body, by what the server says."""
        said = self.headers.get("content-length", "")
        return int(said) if said.isascii() and said.isdigit() else None

    @property
    def file_name(self) -> str:
        """What the server calls it (RFC 6266), else the end of the address; may be empty."""
        said = Message()
        said["Content-Disposition"] = self.headers.get("content-disposition", "")
        return said.get_filename() or unquote(PurePosixPath(urlsplit(self.url).path).name)

    @property
    def version(self) -> str | None:
        """What changes with the content, fit for If-Range (RFC 9110, section 13.1.5)."""
        tag = self.headers.get("etag")
        return tag if tag and not tag.startswith("W/") else self.headers.get("last-modified")


class Web:
    """A client whose every connection is to an address that the guard has let through.

    An async context manager. Cookies are not kept, credentials not sent, proxies of the
    environment not used.
    """

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard

    async def __aenter__(self) -> Self:
        """
        Raises:
            MissingExtra: the HTTP client is not installed.
        """
        self._pool = await asyncio.to_thread(_pool, self._guard)  # imports take their time
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.aclose()

    @asynccontextmanager
    async def get(
        self, url: str, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Answer]:
        """Ask once, following redirects.

        Raises:
            VideoUnavailable: the server refuses, or it leads where nobody may go.
            VideoDownloadFailed: it cannot be reached, or fails; also while its body is read.
        """
        link = _link(url)
        for _ in range(_REDIRECTS):
            async with AsyncExitStack() as held:
                with _failures_told():
                    response = await held.enter_async_context(
                        self._pool.stream(
                            "GET",
                            link.url,
                            headers=list({**_HEADERS, **(headers or {})}.items()),
                            extensions={"timeout": _TIMEOUTS},
                        )
                    )
                answer = Answer(link.url, response.status, _plain(response), _body(response))
                if not _REDIRECTED <= answer.status < HTTPStatus.BAD_REQUEST:
                    _refuse_failure(answer)
                    yield answer
                    return
                place = answer.headers.get("location", "").encode("latin-1")
                link = _link(urljoin(link.url, place.decode("utf-8", errors="replace")))
        raise VideoUnavailable("The site sends its visitors in circles.")

    async def look(self, url: str, *, most: int) -> tuple[Answer, bytes]:
        """The head of an answer, and at least the first `most` bytes of its body.

        Raises:
            VideoUnavailable, VideoDownloadFailed
        """
        for again in _attempts():
            async with again, self.get(url) as answer:
                head = bytearray()
                async for chunk in answer.chunks:
                    head += chunk
                    if len(head) >= most:
                        break
                return answer, bytes(head)
        raise AssertionError  # the last attempt returns or raises

    async def read(
        self, url: str, *, most: int, headers: Mapping[str, str] | None = None
    ) -> tuple[str, bytes]:
        """Where it came from in the end, and a body of at most so many bytes.

        Raises:
            VideoUnavailable, VideoDownloadFailed
        """
        for again in _attempts():
            async with again, self.get(url, headers) as answer:
                body = bytearray()
                async for chunk in answer.chunks:
                    body += chunk
                    if len(body) > most:
                        raise VideoUnavailable("The site sends more than there should be.")
                _check_complete(answer, len(body))
                return answer.url, bytes(body)
        raise AssertionError

    async def save(self, url: str, file: BinaryIO, *, most: int, received: Received) -> Answer:
        """Write a body to a file. Where it is cut off, the rest is asked for.

        Raises:
            VideoUnavailable: it is larger than `most` bytes, or not to be had.
            VideoDownloadFailed
        """
        version: str | None = None
        for again in _attempts():
            done = file.tell() if version else 0
            rest = {"Range": f"bytes={done}-", "If-Range": version} if version and done else {}
            async with again, self.get(url, rest) as answer:
                if not (answer.status == HTTPStatus.PARTIAL_CONTENT and _begins_at(answer, done)):
                    file.seek(done := 0)
                    file.truncate()
                version = answer.version
                await _write(answer, file, most=most, received=received)
                return answer
        raise AssertionError


@asynccontextmanager
async def written(path: Path) -> AsyncIterator[BinaryIO]:
    """A new file. It is opened and closed in threads: closing a large one can take its time."""
    file = await asyncio.to_thread(path.open, "wb")
    try:
        yield file
    finally:
        await asyncio.to_thread(file.close)


async def _write(answer: Answer, file: BinaryIO, *, most: int, received: Received) -> None:
    """Append a body to a file, in threads: a disk may be slow, and others wait for the loop."""
    before = size = file.tell()
    whole = None if answer.length is None else before + answer.length
    refuse_large(whole or 0, most)
    waiting = bytearray()
    async for chunk in answer.chunks:
        waiting += chunk
        size += len(chunk)
        refuse_large(size, most)
        received(size, whole)
        if len(waiting) >= _AT_ONCE:
            await asyncio.to_thread(file.write, waiting)
            waiting = bytearray()
    await asyncio.to_thread(file.write, waiting)
    _check_complete(answer, size - before)


def _check_complete(answer: Answer, received: int) -> None:
    if answer.length is not None and received < answer.length:
        raise VideoDownloadFailed("The connection to the site was cut off.")


def _begins_at(answer: Answer, offset: int) -> bool:
    return answer.headers.get("content-range", "").startswith(f"bytes {offset}-")


def _link(url: str) -> Link:
    try:
        return Link.parse(url)
    except UnsupportedVideoSource as exc:
        raise VideoUnavailable("The address leads to one that is no link.") from exc


def _refuse_failure(answer: Answer) -> None:
    """Say what a status means for somebody who wants to watch."""
    status = answer.status
    if status < HTTPStatus.BAD_REQUEST:
        return
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise VideoUnavailable(f"There is nothing at this address ({status}).")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise _Busy("The site has had too many requests. Try again later.", answer, wish=inf)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise _Busy(f"The site fails at the moment ({status}). Try again later.", answer, wish=0.0)
    raise VideoUnavailable(
        f"The site does not hand it out ({status}). It may need a login, or be meant for "
        "others: fetch the file yourself, and upload it or put it into the library."
    )


class _Busy(VideoDownloadFailed):
    """The server may answer the same request later."""

    def __init__(self, message: str, answer: Answer, *, wish: float) -> None:
        super().__init__(message)
        said = answer.headers.get("retry-after", "")
        self.wish = float(said) if said.isascii() and said.isdigit() else wish
        """Seconds to wait, by what the server asks for, or else by custom."""


class _Attempt:
    """One try. A failure that may pass is held back, as long as there is another try."""

    def __init__(self, number: int, wait: float | None) -> None:
        self.number = number
        self.wait = wait
        """Seconds to the next one; None: there is none."""

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if self.wait is None or not isinstance(error, VideoDownloadFailed):
            return False
        wish = error.wish if isinstance(error, _Busy) else 0.0
        if wish > _LONGEST_WISH:
            return False
        await asyncio.sleep(max(self.wait, wish))
        return True


def _attempts() -> Iterator[_Attempt]:
    for number, wait in enumerate((*_AGAIN, None)):
        yield _Attempt(number, wait)


# --- under httpcore ------------------------------------------------------------------------

_TIMEOUTS = {
    "connect": _CONNECT_SECONDS,
    "read": _SILENT_SECONDS,
    "write": _SILENT_SECONDS,
    "pool": _SILENT_SECONDS,
}


def _pool(guard: AddressGuard) -> httpcore.AsyncConnectionPool:
    try:
        import httpcore
    except ImportError as exc:
        raise MissingExtra("media", "Opening a link") from exc
    return httpcore.AsyncConnectionPool(
        ssl_context=_trusted(), network_backend=_backend(guard), max_connections=8
    )


@cache
def _trusted() -> ssl.SSLContext:
    """The authorities that this system knows, and those that come as a package: not every
    Python finds the former."""
    import certifi

    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    return context


def _plain(response: httpcore.Response) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
    }


async def _body(response: httpcore.Response) -> AsyncIterator[bytes]:
    with _failures_told():
        async for chunk in response.aiter_stream():
            yield chunk


@contextmanager
def _failures_told() -> Iterator[None]:
    import httpcore

    try:
        yield
    except AddressRefused as exc:
        raise VideoUnavailable(str(exc)) from exc
    except httpcore.TimeoutException as exc:
        raise VideoDownloadFailed("The site does not answer.") from exc
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as exc:
        raise VideoDownloadFailed("The connection to the site failed, or was cut off.") from exc


def _backend(guard: AddressGuard) -> httpcore.AsyncNetworkBackend:
    """Connects to the very address that was checked: the name is not looked up again."""
    import httpcore

    class Guarded(httpcore.AsyncNetworkBackend):
        def __init__(self) -> None:
            self._real = httpcore.AnyIOBackend()

        async def connect_tcp(
            self,
            host: str,
            port: int,
            timeout: float | None = None,
            local_address: str | None = None,
            socket_options: Iterable[Any] | None = None,
        ) -> httpcore.AsyncNetworkStream:
            try:
                async with asyncio.timeout(timeout):
                    addresses = await _resolved(host, port)
            except TimeoutError as exc:
                raise httpcore.ConnectTimeout from exc
            allowed, refusal = _checked(guard, addresses, host, port)
            failure: Exception = refusal or OSError("no address")
            for address in allowed:
                try:
                    return await self._real.connect_tcp(
                        address, port, timeout, local_address, socket_options
                    )
                except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                    failure = exc
            raise failure

        async def connect_unix_socket(self, *_: object, **__: object) -> Any:
            raise AddressRefused("Nothing of a viewer's is at a socket of this machine.")

    return Guarded()


async def _resolved(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)
    return list(dict.fromkeys(str(place[4][0]) for place in found))


def _checked(
    guard: AddressGuard, addresses: Iterable[str], host: str, port: int
) -> tuple[list[str], AddressRefused | None]:
    allowed: list[str] = []
    refusal = None
    for address in addresses:
        try:
            guard.check(address, port, host=host)
        except AddressRefused as exc:
            refusal = exc
        else:
            allowed.append(address)
    return allowed, refusal
