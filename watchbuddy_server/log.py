"""Which session a request or a connection is about, for the log."""

from __future__ import annotations

import re

from litestar.types import ASGIApp, Receive, Scope, Send

from watchbuddy_core.log import about

_SESSION_ID = re.compile(r"ses_[0-9a-f]{16}")


def naming_session(app: ASGIApp) -> ASGIApp:
    """Middleware: what is logged meanwhile is about the session that the path names."""

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        session_id = str(scope["path_params"].get("session_id", ""))
        if not _SESSION_ID.fullmatch(session_id):  # it may be any text
            return await app(scope, receive, send)
        with about(session_id):
            await app(scope, receive, send)

    return respond
