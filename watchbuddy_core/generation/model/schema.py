"""The form of an answer, as JSON schema.

Shaped by hand: providers' strict modes know neither `oneOf` nor optional keys, so that
there is one flat object per action with all its keys required. Times are whole seconds
within the window, which local servers enforce while the model writes. `action_type` comes
first, so that a grammar knows what has to follow.
"""

from __future__ import annotations

from math import ceil, floor
from typing import Any

from watchbuddy_core.actions import Emotion

_Schema = dict[str, Any]


def actions_schema(
    *, start: float, end: float, most: int, farewell: bool, memory: bool = True
) -> _Schema:
    """Of `{"actions": [...], "memory": "..."}`.

    Args:
        start, end: of the window, in media seconds.
        most: so many actions.
        farewell: whether the companion may take its leave.
        memory: whether it is to write one.
    """
    first = floor(start) if ceil(start) > floor(end) else ceil(start)
    second = {"type": "integer", "minimum": first, "maximum": max(floor(end), first)}
    seen = {"type": "integer", "minimum": 0, "maximum": max(floor(end), first)}
    share = {"type": "number", "minimum": 0, "maximum": 1}

    def action(kind: str, **own: _Schema) -> _Schema:
        return _object(
            action_type={"type": "string", "const": kind},
            trigger_timestamp=second,
            evidence_until=seen,
            importance=share,
            **own,
        )

    kinds = [
        action("SPEAK", text={"type": "string"}, pause_video={"type": "boolean"}),
        action("EXPRESSION", emotion={"type": "string", "enum": [str(one) for one in Emotion]}),
        action("PAUSE_VIDEO", duration_seconds={"type": "number", "minimum": 1, "maximum": 10}),
        action(
            "REPLAY_SEGMENT",
            start_timestamp=seen,
            end_timestamp=seen,
            post_replay_behavior={"type": "string", "const": "RESUME_FROM_ORIGINAL"},
        ),
    ]
    if farewell:
        kinds.append(action("END_REACTION"))
    actions = {"type": "array", "items": {"anyOf": kinds}, "maxItems": most}
    return _object(actions=actions, **({"memory": {"type": "string"}} if memory else {}))


def outline_schema(*, start: float, end: float, most: int) -> _Schema:
    """Of `{"points": [{"start", "end", "text"}]}`."""
    second = {"type": "integer", "minimum": floor(start), "maximum": ceil(end)}
    point = _object(start=second, end=second, text={"type": "string"})
    return _object(points={"type": "array", "items": point, "maxItems": most})


def _object(**properties: _Schema) -> _Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
