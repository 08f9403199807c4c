"""The page: GET / and what it loads; and GET /overlay, the companion alone, for other pages.

All of it is a few files of this package, read once. Nothing is loaded from elsewhere but
YouTube's player, when a YouTube link is watched, and the Content-Security-Policy says so.

The overlay is framed over a site's own player by a userscript. It may be framed by the origins
that the operator has allowed, and by no others; whatever runs in it runs here, and not there.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.status_codes import HTTP_304_NOT_MODIFIED

from watchbuddy_server.access import PUBLIC
from watchbuddy_server.security import Admission

_YOUTUBE = "https://www.youtube.com https://www.youtube-nocookie.com"
_PAGE_POLICY = (
    "script-src 'self' https://www.youtube.com",
    f"frame-src {_YOUTUBE}",
    "media-src 'self'",
    "frame-ancestors 'none'",
)


def _policy(host: str, *more: str) -> str:
    """The Content-Security-Policy with what every page here has.

    Not every browser takes a WebSocket to the page's own host for `'self'`.
    """
    own = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    return "; ".join(
        (
            "default-src 'none'",
            "style-src 'self'",
            "img-src 'self' data: blob:",
            f"connect-src 'self'{own}",
            "base-uri 'self'",
            "form-action 'none'",
            *more,
        )
    )


_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]+")
_MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    # YouTube's player wants to know which page it is in, and the address holds no secret: a
    # session's id stands behind the `#`.
    "Referrer-Policy": "strict-origin-when-cross-origin",
}
_BASE = '<base href="/">'


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    media_type: str
    etag: str


@cache
def _page_files() -> dict[str, _File]:
    """Everything that is served, by its address below the page's own."""
    return dict(_found(files("watchbuddy_server") / "web", ""))


def _found(folder: Traversable, below: str) -> list[tuple[str, _File]]:
    found = []
    for entry in folder.iterdir():
        name = f"{below}{entry.name}"
        if entry.is_dir():
            found += _found(entry, f"{name}/")
        elif (ending := PurePosixPath(name).suffix) in _MEDIA_TYPES:
            content = entry.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
            found.append((name, _File(content, _MEDIA_TYPES[ending], tag)))
    return found


@get("/", include_in_schema=False, opt=PUBLIC)
async def show_page(request: Request[Any, Any, Any]) -> Response[str]:
    """The page itself."""
    return _document("index.html", request.url.path, _policy(request.url.netloc, *_PAGE_POLICY))


@get("/overlay", include_in_schema=False, opt=PUBLIC)
async def show_overlay(
    request: Request[Any, Any, Any], admission: NamedDependency[Admission]
) -> Response[str]:
    """The companion alone, to be laid over the player of a page that may frame it."""
    origins = sorted(admission.origins)
    return _document(
        "overlay.html",
        request.url.path.rstrip("/").removesuffix("/overlay"),
        _policy(
            request.url.netloc,
            "script-src 'self'",
            " ".join(("frame-ancestors 'self'", *origins)),
        ),
        {"{{origins}}": " ".join(origins)},
    )


def _document(
    name: str, base: str, policy: str, slots: Mapping[str, str] | None = None
) -> Response[str]:
    """A document whose addresses are relative to where the page is mounted."""
    file = _page_files()[name]
    text = file.content.decode()
    text = text.replace(_BASE, f'<base href="{html.escape(base.rstrip("/"))}/">')
    for slot, value in (slots or {}).items():
        text = text.replace(slot, html.escape(value))
    return Response(
        text,
        media_type=file.media_type,
        headers={**_HEADERS, "Content-Security-Policy": policy},
    )


@get("/web/{name:path}", include_in_schema=False, opt=PUBLIC)
async def show_page_file(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
    """One of the files that the page loads."""
    file = _page_files().get(name.lstrip("/"))
    if file is None:
        raise NotFoundException
    headers = {**_HEADERS, "ETag": file.etag}
    if request.headers.get("if-none-match") == file.etag:
        return Response(b"", status_code=HTTP_304_NOT_MODIFIED, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)
