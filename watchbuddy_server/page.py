"""The page: GET / and what it loads.

All of it is a few files of this package, read once. Nothing is loaded from elsewhere but
YouTube's player, when a YouTube link is watched, and the Content-Security-Policy says so.
"""

from __future__ import annotations

import hashlib
import html
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.status_codes import HTTP_304_NOT_MODIFIED

_YOUTUBE = "https://www.youtube.com https://www.youtube-nocookie.com"
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' https://www.youtube.com",
        f"frame-src {_YOUTUBE}",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self'",
        "connect-src 'self'",
        "base-uri 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    # YouTube's player wants to know which page it is in, and the address holds no secret: a
    # session's id stands behind the `#`.
    "Referrer-Policy": "strict-origin-when-cross-origin",
}
_BASE = b'<base href="/">'


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


@get("/", include_in_schema=False)
async def show_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The page itself. Its addresses are relative to where it is mounted."""
    base = html.escape(f"{request.url.path.rstrip('/')}/")
    page = _page_files()["index.html"]
    content = page.content.replace(_BASE, f'<base href="{base}">'.encode())
    return Response(
        content,
        media_type=page.media_type,
        headers={**_HEADERS, "Content-Security-Policy": _POLICY},
    )


@get("/web/{name:path}", include_in_schema=False)
async def show_page_file(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
    """One of the files that the page loads."""
    file = _page_files().get(name.lstrip("/"))
    if file is None:
        raise NotFoundException
    headers = {**_HEADERS, "ETag": file.etag}
    if request.headers.get("if-none-match") == file.etag:
        return Response(b"", status_code=HTTP_304_NOT_MODIFIED, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)
