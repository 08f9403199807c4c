"""GET /schema/asyncapi.json: the WebSocket's messages, as a document for programs.

The REST routes are described by the framework, at /schema/openapi.json.
"""

from __future__ import annotations

import json
from functools import cache

from litestar import Response, get

from watchbuddy_core.documents import asyncapi


@get("/schema/asyncapi.json", include_in_schema=False, sync_to_thread=False)
def show_asyncapi() -> Response[bytes]:
    """The AsyncAPI document, which is the same for as long as the server runs."""
    return Response(_written(), media_type="application/json")


@cache
def _written() -> bytes:
    return json.dumps(asyncapi(), ensure_ascii=False).encode()
