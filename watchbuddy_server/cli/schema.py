"""`watchbuddy schema`: the protocol as documents."""

from __future__ import annotations

import json
from collections.abc import Callable

import click

from watchbuddy_core.documents import asyncapi, json_schema, typescript


def _as_text(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


DOCUMENTS: dict[str, Callable[[], str]] = {
    "asyncapi": lambda: _as_text(asyncapi()),
    "json": lambda: _as_text(json_schema()),
    "typescript": typescript,
}


@click.command("schema")
@click.argument("document", type=click.Choice(list(DOCUMENTS)))
def schema(document: str) -> None:
    """Print what goes over the wire, for programs in other languages.

    asyncapi is the WebSocket's description, json a JSON Schema of every message, typescript a
    module of types.
    """
    click.echo(DOCUMENTS[document](), nl=False)
