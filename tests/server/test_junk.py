"""Whatever a client sends, the protocol has an answer to it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.exceptions import WebSocketDisconnect
from litestar.testing import TestClient
from patience import PATIENCE

from watchbuddy_core.actions import Action, Seek, Speak
from watchbuddy_server.websocket import MOST_INVALID

numbers = st.one_of(
    st.floats(),
    st.integers(),
    st.sampled_from([0, -0.0, 1e-320, 1e308, 10**30, 2**63, -(2**63), float("nan")]),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=20))
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)
types = st.sampled_from(["timestamp_update", "seek_update", "action_completed", "chat", ""])
fields = ["timestamp", "paused", "playback_rate", "cause", "action_id", "outcome", "heard_text"]
near_misses = st.fixed_dictionaries(
    {"type": st.one_of(types, anything)},
    optional=dict.fromkeys(fields, anything),
)
plausible = st.one_of(
    st.builds(lambda t: {"type": "timestamp_update", "timestamp": t}, st.floats(-1, 20)),
    st.builds(lambda t: {"type": "seek_update", "timestamp": t}, st.floats(-1, 20)),
    st.builds(lambda i: {"type": "action_completed", "action_id": i}, st.text(max_size=70)),
)
texts = st.one_of(
    st.text(max_size=60),
    st.builds(lambda v: json.dumps(v, ensure_ascii=False), st.one_of(near_misses, anything)),
    st.builds(json.dumps, plausible),
)
frames = st.lists(st.one_of(texts, st.binary(max_size=60)), max_size=30)

ACTIONS: list[Action] = [
    *(Speak(trigger_timestamp=float(n), text=f"line {n}") for n in range(1, 12)),
    Seek(trigger_timestamp=6.5, target_timestamp=2.0),
]


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sent=frames)
def test_junk_is_answered_and_ends_in_nothing_but_4400(
    client: TestClient[Litestar], backstage: Any, sent: list[str | bytes]
) -> None:
    session_id = asyncio.run(backstage.ready(*ACTIONS))
    heard: list[Any] = []
    with client.websocket_connect(f"/ws/{session_id}") as socket:
        assert socket.receive_json(timeout=PATIENCE) == {"type": "session_ready"}
        for frame in sent:
            if isinstance(frame, bytes):
                socket.send(frame, mode="binary")
            else:
                socket.send(frame.encode("utf-8", "replace").decode())
        for _ in range(MOST_INVALID):
            socket.send("not json")
        closed_with = None
        while closed_with is None:
            try:
                heard.append(socket.receive_json(timeout=PATIENCE))
            except WebSocketDisconnect as end:
                closed_with = end.code
    assert closed_with == 4400
    assert {message.get("type") for message in heard} <= {"error", None}
    errors = [message for message in heard if message.get("type") == "error"]
    assert MOST_INVALID <= len(errors) <= len(sent) + MOST_INVALID
    assert {message["error_code"] for message in errors} == {"INVALID_MESSAGE"}
    assert all(message["action_type"] for message in heard if "type" not in message)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=st.one_of(anything, near_misses), content=st.binary(max_size=80))
def test_a_request_of_junk_is_refused_in_the_one_body(
    client: TestClient[Litestar], body: Any, content: bytes
) -> None:
    for payload in (json.dumps(body).encode(), content):
        response = client.post(
            "/api/v1/sessions", content=payload, headers={"Content-Type": "application/json"}
        )
        assert response.status_code in (400, 422)
        assert set(response.json()) == {"detail"}
        assert {"error", "message"} <= set(response.json()["detail"])


maybe = {
    "video_url": st.one_of(anything, st.just("library:a.mp4"), st.just("https://youtu.be/x")),
    "character_id": st.one_of(anything, st.just("miao")),
    "start_time": anything,
    "end_time": anything,
    "text": anything,
    "user_id": anything,
    "density": anything,
    "language": anything,
}


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=st.fixed_dictionaries({}, optional=maybe))
def test_a_request_with_junk_in_it_is_served_or_refused(
    client: TestClient[Litestar], body: dict[str, Any]
) -> None:
    response = client.post(
        "/api/v1/sessions",
        content=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code in (202, 400, 422), response.text
