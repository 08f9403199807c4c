"""What went wrong, as HTTP says it.

Every error has one body, whoever raised it, this package or the framework:
`{"detail": {"error": CODE, "message": TEXT}}`, with `fields` beside them where
single fields are at fault. Nothing of the input is echoed but the host of a
refused URL, and nothing of the server's inside is told.
"""

from __future__ import annotations

import logging
from math import ceil
from typing import Any

from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import ExceptionHandlersMap, Scope
from pydantic import BaseModel, ConfigDict

from watchbuddy_core.errors import RateLimited, RequestRefused, WatchBuddyError

_log = logging.getLogger("watchbuddy.server")

_ERROR = "watchbuddy_error"
"""In the state of a request: the code of the error that it was answered with."""

STATUS_OF: dict[str, int] = {
    "MALFORMED_REQUEST": 400,
    "UNAUTHORIZED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "SESSION_NOT_FOUND": 404,
    "VIDEO_UNAVAILABLE": 404,
    "METHOD_NOT_ALLOWED": 405,
    "REQUEST_STALLED": 408,
    "UPLOAD_STALLED": 408,
    "CHARACTER_EXISTS": 409,
    "VIDEO_NOT_READY": 409,
    "REQUEST_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "VALIDATION_ERROR": 422,
    "UNSUPPORTED_VIDEO_SOURCE": 422,
    "UNKNOWN_CHARACTER": 422,
    "INVALID_CHARACTER": 422,
    "INVALID_TIME_RANGE": 422,
    "VIDEO_TOO_LONG": 422,
    "VIDEO_UNPLAYABLE": 422,
    "VIDEO_UNREADABLE": 422,
    "RATE_LIMITED": 429,
    "INTERNAL_ERROR": 500,
    "VIDEO_DOWNLOAD_FAILED": 502,
    "STORE_UNAVAILABLE": 503,
    "TOO_MANY_SESSIONS": 503,
    "STORAGE_FULL": 507,
}
"""The HTTP status of each error code."""

RETRY_AFTER: dict[str, int] = {
    "RATE_LIMITED": 10,
    "STORE_UNAVAILABLE": 10,
    "TOO_MANY_SESSIONS": 30,
    "VIDEO_NOT_READY": 2,
}
"""For errors that pass by themselves: after how many seconds to try again, where the error
itself does not know."""

_CODE_OF_FRAMEWORK: dict[int, str] = {
    400: "MALFORMED_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "REQUEST_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "RATE_LIMITED",
    503: "TOO_MANY_SESSIONS",
}
_MESSAGE_OF_FRAMEWORK: dict[str, str] = {
    "MALFORMED_REQUEST": "The request cannot be read.",
    "UNAUTHORIZED": "This needs a login.",
    "FORBIDDEN": "This is not allowed.",
    "NOT_FOUND": "There is nothing at this address.",
    "METHOD_NOT_ALLOWED": "This address does not take this method.",
    "REQUEST_TOO_LARGE": "The request body is too large.",
    "UNSUPPORTED_MEDIA_TYPE": "The request body must be application/json.",
    "RATE_LIMITED": "Too many requests. Try again later.",
    "TOO_MANY_SESSIONS": "The server is full. Try again later.",
}


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    model_config = ConfigDict(frozen=True)

    field: str
    message: str


class ErrorDetail(BaseModel):
    """An error: its code, a sentence for people, and the fields at fault, if any."""

    model_config = ConfigDict(frozen=True)

    error: str
    message: str
    fields: tuple[FieldError, ...] | None = None


class ErrorBody(BaseModel):
    """The body of every error response."""

    model_config = ConfigDict(frozen=True)

    detail: ErrorDetail


class MalformedRequest(RequestRefused):
    """The body is not what it is declared to be, or not all of it has come."""

    code = "MALFORMED_REQUEST"


class RequestStalled(RequestRefused):
    """The body has not come in time."""

    code = "REQUEST_STALLED"


class UnsupportedMediaType(RequestRefused):
    """The body is not declared to be JSON."""

    code = "UNSUPPORTED_MEDIA_TYPE"


class InvalidRequest(RequestRefused):
    """The body is JSON and not what the route takes; `fields` says where."""

    code = "VALIDATION_ERROR"

    def __init__(self, message: str, fields: tuple[FieldError, ...] = ()) -> None:
        self.fields = fields
        super().__init__(message)


class Forbidden(RequestRefused):
    """The server does not do this, or not for the page that the request comes from."""

    code = "FORBIDDEN"


def error_responses(*codes: str, public: bool = False) -> dict[int, ResponseSpec]:
    """How an OpenAPI document tells that a route may answer with these errors, or fail.

    Args:
        public: whether it needs no token, and is not counted.
    """
    by_status: dict[int, list[str]] = {}
    always = () if public else ("UNAUTHORIZED", "RATE_LIMITED")
    for code in dict.fromkeys((*codes, *always, "INTERNAL_ERROR")):
        by_status.setdefault(STATUS_OF[code], []).append(code)
    return {
        status: ResponseSpec(
            ErrorBody, generate_examples=False, description=f"`error`: {', '.join(named)}"
        )
        for status, named in by_status.items()
    }


def error_of(scope: Scope) -> str | None:
    """The code of the error that a request was answered with. None: it was not."""
    code: str | None = scope.get("state", {}).get(_ERROR)
    return code


def body_of(code: str) -> str:
    """The body for what no route answers, by the code of the error."""
    return _written(ErrorDetail(error=code, message=_MESSAGE_OF_FRAMEWORK[code]))


def _written(detail: ErrorDetail) -> str:
    return ErrorBody(detail=detail).model_dump_json(exclude_none=True)


def _respond(
    request: Request[Any, Any, Any], detail: ErrorDetail, headers: dict[str, str] | None = None
) -> Response[bytes]:
    request.scope.setdefault("state", {})[_ERROR] = detail.error
    headers = dict(headers or {})
    if detail.error in RETRY_AFTER:
        headers.setdefault("Retry-After", str(RETRY_AFTER[detail.error]))
    if detail.error == "UNAUTHORIZED":
        headers.setdefault("WWW-Authenticate", "Bearer")
    return Response(
        _written(detail).encode(),
        status_code=STATUS_OF[detail.error],
        media_type=MediaType.JSON,
        headers=headers,
    )


def _own(request: Request[Any, Any, Any], error: WatchBuddyError) -> Response[bytes]:
    if STATUS_OF.get(error.code, 500) == 500:
        return _unexpected(request, error)
    fields = error.fields if isinstance(error, InvalidRequest) and error.fields else None
    headers = {}
    if isinstance(error, RateLimited) and error.retry_after is not None:
        headers["Retry-After"] = str(max(1, ceil(error.retry_after)))
    detail = ErrorDetail(error=error.code, message=error.message, fields=fields)
    return _respond(request, detail, headers)


def _of_framework(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        return _own(request, _of_parameters(error.extra))
    code = _CODE_OF_FRAMEWORK.get(error.status_code)
    if code is None and error.status_code < 500:
        code = "MALFORMED_REQUEST"
    if code is None:
        return _unexpected(request, error)
    return _respond(
        request,
        ErrorDetail(error=code, message=_MESSAGE_OF_FRAMEWORK[code]),
        headers=error.headers,
    )


def _of_parameters(wrong: list[Any]) -> InvalidRequest:
    fields = tuple(
        FieldError(field=str(one.get("key", "")), message=str(one.get("message", "")))
        for one in wrong
    )
    names = ", ".join(dict.fromkeys(field.field for field in fields))
    return InvalidRequest(f"The request is not valid: {names}.", fields)


def _unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _respond(
        request,
        ErrorDetail(error="INTERNAL_ERROR", message="The server failed. Its log says more."),
    )


EXCEPTION_HANDLERS: ExceptionHandlersMap = {
    WatchBuddyError: _own,
    HTTPException: _of_framework,
    Exception: _unexpected,
    # A status is looked up before a class: an application that has a handler of its own for
    # one would otherwise answer for these routes.
    **dict.fromkeys(range(400, 600), _of_framework),
}
"""For a router, and for an application that answers nothing else."""
