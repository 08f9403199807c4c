"""Bodies that are JSON: read with care, and described in the OpenAPI document as they are.

The framework's own reading ignores the content type, so that a form on any web page could post
here, takes text for numbers, and fails on bad UTF-8 and deep nesting. And what it makes of a
model in the document loses bounds.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, TypeVar

from litestar import Request
from litestar.exceptions import InternalServerException
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from pydantic import BaseModel, ValidationError

from watchbuddy_server.errors import (
    FieldError,
    InvalidRequest,
    MalformedRequest,
    RequestStalled,
    UnsupportedMediaType,
)

_BODY_SECONDS = 20.0
"""How long a client may take to send a body of a few kilobytes."""

_Body = TypeVar("_Body", bound=BaseModel)


def takes_json(model: type[BaseModel], description: str) -> type[Operation]:
    """The `operation_class` of a route that reads such a body."""

    class _ModelSchema(Schema):
        def to_schema(self) -> dict[str, Any]:
            return model.model_json_schema()

    @dataclass
    class _TakesJson(Operation):
        def __post_init__(self) -> None:
            self.request_body = RequestBody(
                content={"application/json": OpenAPIMediaType(schema=_ModelSchema())},
                description=description,
                required=True,
            )

    return _TakesJson


async def read_json(request: Request[Any, Any, Any], model: type[_Body]) -> _Body:
    """Read the body as JSON.

    Raises:
        UnsupportedMediaType, RequestStalled, MalformedRequest, InvalidRequest
    """
    if request.content_type[0].lower() != "application/json":
        raise UnsupportedMediaType("The request body must be application/json.")
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            body = await request.body()
    except TimeoutError:
        raise RequestStalled("The rest of the request body did not come.") from None
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
