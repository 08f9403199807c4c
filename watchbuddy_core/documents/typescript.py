"""The messages of the protocol as types for TypeScript, made from their JSON Schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator

from watchbuddy_core.documents.schemas import UNIONS, Schema, schemas
from watchbuddy_core.wire import PROTOCOL_VERSION

_PLAIN = {
    "string": "string",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "null": "null",
}


def typescript() -> str:
    """A module that exports a type for every message, action and REST body."""
    lines = [
        f"// AI Watch Buddy, protocol {PROTOCOL_VERSION}; by `watchbuddy schema typescript`.",
        "// What a newer server adds is not in it: ignore messages and keys that you do not know.",
    ]
    for name, schema in sorted(schemas("{model}").items()):
        if name not in UNIONS:
            lines += ["", *_declaration(name, schema)]
    for name, members in UNIONS.items():
        lines += ["", f"export type {name} =", *(f"  | {one.__name__}" for one in members)]
        lines[-1] += ";"
    return "\n".join(lines) + "\n"


def _declaration(name: str, schema: Schema) -> Iterator[str]:
    if description := schema.get("description"):
        yield f"/** {' '.join(description.split())} */"
    if "properties" not in schema:
        yield f"export type {name} = {_type(schema)};"
        return
    yield f"export interface {name} {{"
    for field, of in schema["properties"].items():
        mark = "" if field in schema.get("required", ()) else "?"
        yield f"  {field}{mark}: {_type(of)};"
    yield "}"


def _type(schema: Schema) -> str:
    match schema:
        case {"$ref": name}:
            return str(name)
        case {"const": value}:
            return json.dumps(value)
        case {"enum": values}:
            return " | ".join(map(json.dumps, values))
        case {"anyOf": several} | {"oneOf": several}:
            return " | ".join(map(_type, several))
        case {"type": "array", "prefixItems": members}:
            return f"[{', '.join(map(_type, members))}]"
        case {"type": "array", "items": member}:
            return f"Array<{_type(member)}>"
        case {"type": str(kind)} if kind in _PLAIN:
            return _PLAIN[kind]
    raise ValueError(f"TypeScript has no type for {schema}.")
