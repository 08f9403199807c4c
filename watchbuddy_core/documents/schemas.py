"""JSON Schemas of all that goes over the wire, and the AsyncAPI document of the WebSocket.

A schema of what a client sends says what the server accepts; one of what the server sends says
what really comes, so that nothing in it is optional. Both ways there may be more: a newer side
adds keys, and the other ignores them.
"""

from __future__ import annotations

from typing import Any, TypeAlias, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from watchbuddy_core.actions import Action
from watchbuddy_core.wire import (
    FEATURES,
    PROTOCOL_VERSION,
    ClientMessage,
    ControlMessage,
    CreateSession,
    SessionCreated,
    Ticket,
    TicketWish,
    Upload,
)

Schema: TypeAlias = dict[str, Any]
Model: TypeAlias = type[BaseModel]

CLIENT_MESSAGES: tuple[Model, ...] = get_args(get_args(ClientMessage)[0])
CONTROL_MESSAGES: tuple[Model, ...] = get_args(ControlMessage)
ACTIONS: tuple[Model, ...] = get_args(get_args(Action)[0])
UNIONS: dict[str, tuple[Model, ...]] = {
    "ClientMessage": CLIENT_MESSAGES,
    "ServerMessage": (*CONTROL_MESSAGES, *ACTIONS),
    "Action": ACTIONS,
}
"""What one side may send, by the name that it goes by."""

_ASKED: tuple[Model, ...] = (CreateSession, TicketWish)
_ANSWERED: tuple[Model, ...] = (SessionCreated, Ticket, Upload)


class _Plain(GenerateJsonSchema):
    """Without a title for every field that only says its name again."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def schemas(ref_template: str) -> dict[str, Schema]:
    """The schema of every message, action and REST body, and of what they are made of; by name.

    Args:
        ref_template: how one refers to another, with `{model}` in it.
    """
    modes: list[tuple[Model, JsonSchemaMode]] = [
        *((model, "validation") for model in (*CLIENT_MESSAGES, *_ASKED)),
        *((model, "serialization") for model in (*UNIONS["ServerMessage"], *_ANSWERED)),
    ]
    _, made = models_json_schema(modes, ref_template=ref_template, schema_generator=_Plain)
    found: dict[str, Schema] = made["$defs"]
    for model in CLIENT_MESSAGES:
        _require(found[model.__name__], "type")
    for model in (*UNIONS["ServerMessage"], *_ANSWERED):
        _require(found[model.__name__], *model.model_fields)
    for name, members in UNIONS.items():
        refs = [{"$ref": ref_template.format(model=model.__name__)} for model in members]
        found[name] = {"title": name, "oneOf": refs}
    return found


def json_schema() -> Schema:
    """All of it as one JSON Schema. A frame of a client is `#/$defs/ClientMessage`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"AI Watch Buddy, protocol {PROTOCOL_VERSION}",
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in ("ClientMessage", "ServerMessage")],
        "$defs": schemas("#/$defs/{model}"),
    }


def asyncapi() -> Schema:
    """The WebSocket as AsyncAPI 3.0, from the side of the server: what it receives and sends."""
    messages = {name_of(model): model for model in (*CLIENT_MESSAGES, *UNIONS["ServerMessage"])}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "AI Watch Buddy",
            "version": PROTOCOL_VERSION,
            "description": "A companion that watches a video with you. "
            "Sessions are created over REST, which /schema/openapi.json describes.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "session": {
                "address": "/ws/{session_id}",
                "description": "One text frame, one message. Actions come without a `type`.",
                "parameters": {"session_id": {"description": "The key to the session."}},
                "messages": {name: _ref(f"components/messages/{name}") for name in messages},
                "bindings": {"ws": {"query": _query()}},
            }
        },
        "operations": {
            "receive": _operation("receive", "What a client says.", CLIENT_MESSAGES),
            "send": _operation("send", "What a client hears.", UNIONS["ServerMessage"]),
        },
        "components": {
            "messages": {name: _message(name, model) for name, model in messages.items()},
            "schemas": schemas("#/components/schemas/{model}"),
        },
    }


def name_of(model: Model) -> str:
    """What tells a message from others: its `type`, or an action's `action_type`."""
    return str(tag_of(model)[1].default)


def tag_of(model: Model) -> tuple[str, FieldInfo]:
    tag = "action_type" if "action_type" in model.model_fields else "type"
    return tag, model.model_fields[tag]


def _require(schema: Schema, *fields: str) -> None:
    required = {*fields, *schema.get("required", ())}
    schema["required"] = [name for name in schema.get("properties", ()) if name in required]


def _operation(action: str, summary: str, models: tuple[Model, ...]) -> Schema:
    place = "channels/session/messages"
    return {
        "action": action,
        "channel": _ref("channels/session"),
        "summary": summary,
        "messages": [_ref(f"{place}/{name_of(model)}") for model in models],
    }


def _message(name: str, model: Model) -> Schema:
    return {
        "name": name,
        "title": model.__name__,
        "summary": (model.__doc__ or "").partition("\n")[0],
        "payload": _ref(f"components/schemas/{model.__name__}"),
    }


def _query() -> Schema:
    asked = f"Separated by commas: {', '.join(FEATURES)}. Unknown names are ignored."
    ticket = "Stands for a token, where the server needs one."
    properties = {
        "features": {"type": "string", "description": asked},
        "ticket": {"type": "string", "description": ticket},
    }
    return {"type": "object", "properties": properties}


def _ref(place: str) -> Schema:
    return {"$ref": f"#/{place}"}
