"""GET /internal/uploads/{name}: what another process of the installation has been asked for.

It has a ticket for that one file, signed with the key that the processes share, and no other
program can have one.
"""

from __future__ import annotations

from typing import Annotated, cast

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.types import ASGIApp
from starlette.responses import FileResponse

from watchbuddy_core.errors import Unauthorized
from watchbuddy_core.sources.uploads import UploadSource

INTERNAL = {"internal": True}
"""The `opt` of a route that is for programs which show a ticket: whoever asks, and under which
name, is no matter."""


@get("/internal/uploads/{name:str}", opt=INTERNAL, include_in_schema=False)
async def lend_upload(
    name: FromPath[str],
    inbox: NamedDependency[UploadSource | None],
    ticket: Annotated[str, QueryParameter()] = "",
) -> ASGIApp:
    """The file of an upload that lies here, or a part of it (`Range`)."""
    if inbox is None or inbox.peers is None or not await inbox.peers.admits(ticket, name):
        raise Unauthorized
    path = await inbox.file(name)
    return cast(ASGIApp, FileResponse(path, media_type="application/octet-stream"))
