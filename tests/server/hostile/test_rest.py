"""The REST routes against their own OpenAPI document, and against what no document describes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from backstage import Backstage
from hurry import HURRIED
from litestar import Litestar
from litestar.testing import TestClient
from properties import examples
from schemathesis.generation import GenerationMode

from watchbuddy_core.actions import Speak
from watchbuddy_core.assembly import build_parts
from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.session import Parts
from watchbuddy_core.settings import Settings
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.testing import ScriptedGenerator
from watchbuddy_server.app import create_app

RULES = {
    "checks": {
        # What a schema cannot say: which links, characters and ranges of time there are, and
        # whether a video has been fetched.
        "positive_data_acceptance": {"expected-statuses": ["2xx", "404", "409", "422"]},
    }
}


@pytest.fixture(scope="module")
def app(backstage: Backstage, tmp_path_factory: pytest.TempPathFactory) -> Litestar:
    """With a library of one film, and a place for uploads."""
    films = tmp_path_factory.mktemp("films")
    make_clip(films / "clip.mp4", [Shot(2.0, Picture.DAY, Tone.CALM)], size=(64, 36), frame_rate=5)
    settings = Settings(libraries=(films,), data_dir=tmp_path_factory.mktemp("data"))
    return create_app(
        parts=build_parts(settings), store=backstage.store, uploads=True, limits=HURRIED
    )


def _document() -> Any:
    """What operations there are does not depend on what is served."""
    parts = Parts(sources=[], generator=ScriptedGenerator(), characters={})
    app = create_app(parts=parts, store=MemoryStore())
    config = schemathesis.Config.from_dict(RULES)
    return schemathesis.openapi.from_asgi("/schema/openapi.json", app, config=config)


document = _document()


@document.parametrize()
@examples(25)
def test_each_operation_is_as_it_is_described(
    case: Any, app: Litestar, backstage: Backstage
) -> None:
    """Whatever fits the document is served, whatever does not is refused, and every answer is
    one that the document knows. Half of the sessions that are asked for are there."""
    asked = (case.path_parameters or {}).get("session_id", "")
    if len(asked) % 2 and case.meta.generation.mode is GenerationMode.POSITIVE:
        session = backstage.ready(Speak(trigger_timestamp=1.0, text="Look!"))
        case.path_parameters["session_id"] = asyncio.run(session)
    case.call_and_validate(app=app)


# --- what a document cannot describe -----------------------------------------------------

CREATE = {"video_url": "https://youtu.be/x", "character_id": "nobody"}
DEEP = 20_000

BODIES: dict[str, tuple[bytes, int]] = {
    "no UTF-8": (b'{"video_url": "\xff\xfe", "character_id": "miao"}', 400),
    "UTF-16": (json.dumps(CREATE).encode("utf-16"), 400),
    "a byte order mark": (b"\xef\xbb\xbf" + json.dumps(CREATE).encode(), 400),
    "lists in lists": (b"[" * DEEP + b"]" * DEEP, 400),
    "objects in objects": (b'{"a":' * DEEP + b"1" + b"}" * DEEP, 413),
    "deep, in an unknown key": (b'{"x": ' + b"[" * DEEP + b"]" * DEEP + b"}", 400),
    "deep, and never closed": (b"[" * 60_000, 400),
    "half a surrogate pair": (b'{"video_url": "\\ud800", "character_id": "miao"}', 400),
    "not a number": (b'{"video_url": "x", "character_id": "miao", "start_time": NaN}', 422),
    "infinity": (b'{"video_url": "x", "character_id": "miao", "end_time": Infinity}', 422),
    "1e999": (b'{"video_url": "x", "character_id": "miao", "end_time": 1e999}', 422),
    "a number of 5,000 digits": (
        b'{"video_url": "x", "character_id": "miao", "end_time": ' + b"9" * 5000 + b"}",
        400,
    ),
    "a key twice": (b'{"video_url": "x", "video_url": 1, "character_id": "miao"}', 422),
    "a text for a number": (b'{"video_url": "x", "character_id": "miao", "end_time": "3"}', 422),
    "two values": (b"{} {}", 400),
    "nothing": (b"", 400),
    "6,000 keys": (b"{" + b",".join(b'"%d":1' % n for n in range(6_000)) + b"}", 422),
    "more than 64 KiB": (b'"' + b"x" * 65_536 + b'"', 413),
}


@pytest.fixture
def client(app: Litestar) -> Iterator[TestClient[Litestar]]:
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize(("body", "status"), BODIES.values(), ids=BODIES.keys())
def test_a_body_that_is_meant_to_hurt_is_refused_in_the_one_form(
    client: TestClient[Litestar], body: bytes, status: int
) -> None:
    answer = client.post(
        "/api/v1/sessions", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == status, answer.text
    assert set(answer.json()["detail"]) <= {"error", "message", "fields"}
    assert len(answer.content) < 4096
