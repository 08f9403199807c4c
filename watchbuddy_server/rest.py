"""The REST routes under /api/v1."""

from __future__ import annotations

from typing import Any, TypeVar

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.exceptions import InternalServerException
from litestar.status_codes import HTTP_202_ACCEPTED
from pydantic import BaseModel, ValidationError

from watchbuddy_core.wire import CreateSession, SessionCreated
from watchbuddy_server.errors import (
    FieldError,
    InvalidRequest,
    MalformedRequest,
    UnsupportedMediaType,
)
from watchbuddy_server.sessions import Sessions

_Body = TypeVar("_Body", bound=BaseModel)


@post("/sessions", status_code=HTTP_202_ACCEPTED)
async def create_session(
    request: Request[Any, Any, Any], sessions: NamedDependency[Sessions]
) -> SessionCreated:
    """Create a session, and begin to produce its script."""
    session = await sessions.start(await _read_json(request, CreateSession))
    return SessionCreated(session_id=session.session_id)


async def _read_json(request: Request[Any, Any, Any], model: type[_Body]) -> _Body:
    """Read the body as JSON.

    The framework's own reading ignores the content type, so that a form on any web page
    could post here, takes text for numbers, and fails on bad UTF-8 and deep nesting.

    Raises:
        UnsupportedMediaType, MalformedRequest, InvalidRequest
    """
    if request.content_type[0].lower() != "application/json":
        raise UnsupportedMediaType("The request body must be application/json.")
    try:
        body = await request.body()
    except InternalServerException:
        raise MalformedRequest("The request ended before its body did.") from None
    try:
        return model.model_validate_json(body)
    except ValidationError as exc:
        raise _refusal(exc) from None


def _refusal(exc: ValidationError) -> MalformedRequest | InvalidRequest:
    errors = exc.errors(include_url=False, include_context=False, include_input=False)
    if errors[0]["type"] == "json_invalid":
        return MalformedRequest("The request body is not valid JSON.")
    fields = tuple(
        FieldError(field=".".join(map(str, error["loc"])), message=error["msg"])
        for error in errors
        if error["loc"]
    )
    if not fields:
        return InvalidRequest("The request body must be a JSON object.")
    names = ", ".join(dict.fromkeys(error.field for error in fields))
    return InvalidRequest(f"The request is not valid: {names}.", fields)
