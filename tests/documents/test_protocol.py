"""The protocol as documents: they are what is spoken, and what other languages make of them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from litestar.testing import TestClient

from watchbuddy_core import wire
from watchbuddy_core.actions import ACTION, Action, Emotion
from watchbuddy_core.documents import asyncapi, json_schema, typescript
from watchbuddy_core.session import Parts
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.testing import ScriptedGenerator
from watchbuddy_server.app import create_app
from watchbuddy_server.cli.schema import DOCUMENTS

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = re.findall(
    r"```json (request|session|upload|ticket-request|ticket|client|server|action)\n(.*?)```",
    (DOCS / "protocol.md").read_text(encoding="utf-8"),
    flags=re.DOTALL,
)
NAMES = {
    "request": "CreateSession",
    "session": "SessionCreated",
    "upload": "Upload",
    "ticket-request": "TicketWish",
    "ticket": "Ticket",
    "client": "ClientMessage",
    "server": "ServerMessage",
    "action": "Action",
}
FILES = {
    "asyncapi": "asyncapi.json",
    "json": "protocol.schema.json",
    "typescript": "protocol.d.ts",
}
ACTIONS = [
    '{"trigger_timestamp": 1, "action_type": "SPEAK", "text": "a"}',
    '{"trigger_timestamp": 1, "action_type": "PAUSE_VIDEO", "duration_seconds": 2}',
    '{"trigger_timestamp": 1, "action_type": "SEEK", "target_timestamp": 9}',
    '{"trigger_timestamp": 1, "action_type": "REPLAY_SEGMENT", "start_timestamp": 0,'
    ' "end_timestamp": 1}',
    *(
        f'{{"trigger_timestamp": 1, "action_type": "EXPRESSION", "emotion": "{emotion}"}}'
        for emotion in Emotion
    ),
    '{"trigger_timestamp": 1, "action_type": "END_REACTION"}',
]


def validator(name: str) -> Draft202012Validator:
    schema = json_schema()
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]})


@pytest.mark.parametrize("document", FILES)
def test_what_is_checked_in_is_what_the_models_say(document: str) -> None:
    """Where it is not: `watchbuddy schema asyncapi > docs/asyncapi.json`, and so on."""
    written = (DOCS / FILES[document]).read_text(encoding="utf-8")
    assert written == DOCUMENTS[document]()


# --- JSON Schema ---------------------------------------------------------------------------


def test_there_are_examples_of_everything() -> None:
    assert {kind for kind, _ in EXAMPLES} == set(NAMES)


@pytest.mark.parametrize(("kind", "text"), EXAMPLES)
def test_each_example_of_the_protocol_page_is_valid(kind: str, text: str) -> None:
    Draft202012Validator.check_schema(json_schema())
    validator(NAMES[kind]).validate(json.loads(text))


@pytest.mark.parametrize("text", ACTIONS)
def test_each_action_is_valid_as_it_is_sent(text: str) -> None:
    action: Action = ACTION.validate_json(text)
    validator("Action").validate(json.loads(wire.encode(action)))


INVALID = [
    ("ClientMessage", '{"timestamp": 1.0}'),
    ("ClientMessage", '{"type": "timestamp_update", "timestamp": "1.0"}'),
    ("ClientMessage", '{"type": "timestamp_update", "timestamp": 1, "playback_rate": 0}'),
    ("ClientMessage", '{"type": "timestamp_updated", "timestamp": 1}'),
    ("ClientMessage", '{"type": "seek_update", "timestamp": 1, "cause": "nobody"}'),
    ("ClientMessage", '{"type": "action_completed"}'),
    ("ClientMessage", '{"type": "session_ready"}'),
    ("ServerMessage", '{"type": "interrupt"}'),
    ("ServerMessage", '{"type": "density", "value": "loud"}'),
    ("Action", ACTIONS[0]),  # the server leaves nothing out
    ("CreateSession", '{"video_url": "library:a.mp4"}'),
    ("TicketWish", '{"purpose": "everything"}'),
    ("Ticket", '{"ticket": "wbt_1"}'),
]


@pytest.mark.parametrize(("name", "text"), INVALID)
def test_what_nobody_would_send_is_not(name: str, text: str) -> None:
    with pytest.raises(ValidationError):
        validator(name).validate(json.loads(text))


# --- AsyncAPI ------------------------------------------------------------------------------


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(place := value.get("$ref"), str):
            yield place
        for below in value.values():
            yield from references(below)
    elif isinstance(value, list):
        for below in value:
            yield from references(below)


def test_everything_that_it_refers_to_is_in_it() -> None:
    document = asyncapi()
    for place in set(references(document)):
        found: Any = document
        for step in place.removeprefix("#/").split("/"):
            found = found[step]
        assert found


def test_each_message_goes_the_way_that_the_models_say() -> None:
    document = asyncapi()
    ways = {
        way: {place["$ref"].rpartition("/")[2] for place in operation["messages"]}
        for way, operation in document["operations"].items()
    }
    for model in vars(wire).values():
        if isinstance(model, type) and issubclass(model, wire._FromClient | wire._FromServer):
            kind = model.model_fields["type"].default if "type" in model.model_fields else None
            if isinstance(kind, str):
                way = "receive" if issubclass(model, wire._FromClient) else "send"
                assert kind in ways[way]
    assert {json.loads(text)["action_type"] for text in ACTIONS} < ways["send"]
    assert not ways["receive"] & ways["send"]
    assert ways["receive"] | ways["send"] == set(document["components"]["messages"])


def test_it_is_served() -> None:
    parts = Parts(sources=[], generator=ScriptedGenerator(), characters={})
    for path in ("/", "/buddy"):
        app = create_app(parts=parts, store=MemoryStore(), path=path)
        with TestClient(app, base_url="http://127.0.0.1") as client:
            answer = client.get(f"{path.rstrip('/')}/schema/asyncapi.json")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == asyncapi()


# --- TypeScript ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the compiler has against a program that uses the types."""
    tsc = shutil.which("tsc")
    if tsc is None:
        pytest.skip("TypeScript is not installed: apt-get install node-typescript")
    folder = tmp_path_factory.mktemp("types")
    (folder / "protocol.d.ts").write_text(typescript(), encoding="utf-8")
    program = [f"import type {{ {', '.join(NAMES.values())} }} from './protocol';"]
    for number, (kind, text) in enumerate(EXAMPLES):
        program.append(f"export const example{number}: {NAMES[kind]} = {text.strip()};")
    for number, (name, text) in enumerate(INVALID):
        if "playback_rate" not in text:  # types know no bounds
            program += [
                "// @ts-expect-error",
                f"export const invalid{number}: {name} = {text};",
            ]
    program.append(
        "export function read(message: ServerMessage): string {\n"
        "  if ('action_type' in message) {\n"
        "    return message.action_type === 'SPEAK' ? message.text : message.comment;\n"
        "  }\n"
        "  return message.type === 'welcome' ? message.session_id : message.type;\n"
        "}"
    )
    (folder / "program.ts").write_text("\n".join(program), encoding="utf-8")
    strictly = ("--noEmit", "--strict", "--skipLibCheck", "--target", "es2020", "--lib", "es2020")
    ran = subprocess.run(
        [tsc, *strictly, "program.ts"], cwd=folder, capture_output=True, text=True, check=False
    )
    return ran.stdout.splitlines()


def test_a_program_in_typescript_may_say_what_is_valid_and_nothing_else(
    complaints: list[str],
) -> None:
    assert not complaints


def test_the_types_have_the_fields_of_the_models() -> None:
    """By what stands in the file, without a compiler."""
    declared = {
        name: dict(re.findall(r"^  (\w+)(\??):", body, flags=re.MULTILINE))
        for name, body in re.findall(
            r"^export interface (\w+) \{\n(.*?)^\}", typescript(), flags=re.DOTALL | re.MULTILINE
        )
    }
    for model in (wire.TimestampUpdateMessage, wire.CreateSession, wire.WelcomeMessage):
        assert list(declared[model.__name__]) == list(model.model_fields)
    assert declared["TimestampUpdateMessage"] == {
        "type": "",
        "timestamp": "",
        "paused": "?",
        "playback_rate": "?",
    }
    assert set(declared["WelcomeMessage"].values()) == {""}
