"""What stands before the application: a prefix that a proxy gives it.

It is settled before routes are looked up, so it is no matter of a route's, nor of the
framework's middleware.
"""

from __future__ import annotations

from typing import Any

from litestar.types import ASGIApp, Receive, Send


def with_prefix(app: ASGIApp, prefix: str) -> ASGIApp:
    """The application, whose routes begin with the prefix, also behind a proxy that strips it.

    Args:
        prefix: such as `/buddy`.
    """

    async def serve(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            path: str = scope["path"]
            if path != prefix and not path.startswith(f"{prefix}/"):
                raw = prefix.encode() + scope["raw_path"]
                scope = {**scope, "path": prefix + path, "raw_path": raw}
        await app(scope, receive, send)

    return serve
