"""POST /api/v1/uploads: a file of the viewer's own, as the body itself or in a form.

Either way it is read as it arrives, and never whole in memory.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, Self
from urllib.parse import unquote

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.exceptions import InternalServerException
from litestar.openapi.spec import (
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    RequestBody,
    Schema,
)
from litestar.params import QueryParameter
from litestar.status_codes import HTTP_201_CREATED
from multipart import (
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_content_disposition,
)

from watchbuddy_core.errors import RequestRefused
from watchbuddy_core.sources.uploads import UploadSource
from watchbuddy_core.wire import Upload
from watchbuddy_server.access import Caller
from watchbuddy_server.errors import Forbidden, MalformedRequest, error_responses
from watchbuddy_server.traffic import Traffic, address_of

_FORM = "multipart/form-data"
_EXTENDED_NAME = re.compile(r"filename\*\s*=\s*utf-8'[^']*'([^;\s]+)", re.IGNORECASE)
"""RFC 8187: `filename*=UTF-8''%E7%94%B5%E5%BD%B1.mp4`, which goes before a plain one."""
_HEAR_OUT_SECONDS = 10.0
_MOST_AROUND_BYTES = 64 * 1024
"""What may stand in a form beside the file."""


@dataclass
class TakesFile(Operation):
    """The `operation_class` of a route that takes a file."""

    def __post_init__(self) -> None:
        binary = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
        form = Schema(type=OpenAPIType.OBJECT, properties={"file": binary}, required=["file"])
        self.request_body = RequestBody(
            content={
                "application/octet-stream": OpenAPIMediaType(schema=binary),
                _FORM: OpenAPIMediaType(schema=form),
            },
            description="The file itself, whatever its type is called; or a form with one file.",
            required=True,
        )


@post(
    "/uploads",
    status_code=HTTP_201_CREATED,
    request_max_body_size=None,  # the source has a limit of its own
    operation_class=TakesFile,
    response_description="It can be watched.",
    responses=error_responses(
        "MALFORMED_REQUEST",
        "FORBIDDEN",
        "UPLOAD_STALLED",
        "REQUEST_TOO_LARGE",
        "VIDEO_UNREADABLE",
        "RATE_LIMITED",
        "STORAGE_FULL",
    ),
)
async def upload_file(
    request: Request[Any, Any, Any],
    inbox: NamedDependency[UploadSource | None],
    traffic: NamedDependency[Traffic],
    caller: NamedDependency[Caller],
    name: Annotated[str | None, QueryParameter(description="What the file is called.")] = None,
) -> Upload:
    """Take a video, a recording or subtitles in, to be watched under the address in the answer."""
    body = Body(request)
    try:
        if inbox is None:
            raise Forbidden(
                "This server takes no uploads. Its operator can allow them: "
                'watchbuddy serve --uploads, or uploads = "on" in watchbuddy.toml.'
            )
        await traffic.upload(address_of(request))
        return await _receive(body, inbox, caller.name, name)
    except RequestRefused:
        await body.hear_out()
        raise


class Sink(Protocol):
    """Takes a file as it arrives."""

    @property
    def size_bytes(self) -> int:
        """How much has come."""

    async def write(self, piece: bytes) -> None:
        """So much more."""


class Body:
    """What a request brings, piece by piece.

    Where somebody has stopped reading, the next one goes on.
    """

    def __init__(self, request: Request[Any, Any, Any]) -> None:
        self.request = request
        self._pieces = request.stream()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Raises: MalformedRequest: the client has gone before the end."""
        try:
            while not (piece := await anext(self._pieces)):
                pass
        except InternalServerException:
            raise MalformedRequest("The request ended before its body did.") from None
        except asyncio.CancelledError:  # which has ended what was waited for, and not the body
            self._pieces = self.request.stream()
            raise
        return piece

    async def hear_out(self) -> None:
        """Let a client that wants the connection closed finish what it is sending, for a while.

        Closed before, the connection would be reset, and the answer lost. Others are answered
        at once: what they send on is thrown away by the server.
        """
        if self.request.headers.get("connection", "").lower() == "close":
            with suppress(TimeoutError, MalformedRequest):
                async with asyncio.timeout(_HEAR_OUT_SECONDS):
                    async for _ in self:
                        pass


async def _receive(body: Body, inbox: UploadSource, sender: str, name: str | None) -> Upload:
    announced = body.request.content_length or 0
    around = _MOST_AROUND_BYTES if _is_form(body) else 0
    async with inbox.arrival(announced - around, sender=sender) as arrival:
        called = await receive(body, arrival)
        return await arrival.finish(name or called)


async def receive(body: Body, sink: Sink) -> str:
    """Take the file that a request brings, as the body itself or in a form; what it is called.

    Raises:
        MalformedRequest: not all of it came, or there is not one file in the form.
    """
    if _is_form(body):
        return await _receive_form(body, sink)
    async for piece in body:
        await sink.write(piece)
    return _file_name(body.request.headers.get("content-disposition", ""))


def _is_form(body: Body) -> bool:
    return body.request.content_type[0].lower() == _FORM


async def _receive_form(body: Body, sink: Sink) -> str:
    """Take the one file of a form; what else it holds is passed over.

    Raises:
        MalformedRequest: it is no form, or one without a file or with several.
    """
    called: str | None = None
    is_file = False
    try:
        boundary = body.request.content_type[1].get("boundary", "")
        with PushMultipartParser(boundary) as parser:
            received = 0
            async for piece in body:
                received += len(piece)
                for event in parser.parse(piece):
                    if isinstance(event, MultipartSegment):
                        is_file = event.filename is not None
                        if is_file and called is not None:
                            raise MalformedRequest("The form must hold one file, not several.")
                        called = event.filename if is_file else called
                    elif event and is_file:
                        await sink.write(event)
                if received - sink.size_bytes > _MOST_AROUND_BYTES:
                    raise MalformedRequest("There is too much in the form beside the file.")
    except MultipartError as exc:
        raise MalformedRequest("The form cannot be read, or its end is missing.") from exc
    if called is None:
        raise MalformedRequest("There is no file in the form.")
    return called


def _file_name(disposition: str) -> str:
    """What a Content-Disposition header calls the file; empty, where it does not."""
    if extended := _EXTENDED_NAME.search(disposition):
        return unquote(extended[1])
    _, _, called = parse_content_disposition(disposition.encode("latin-1").decode(errors="replace"))
    return called or ""
