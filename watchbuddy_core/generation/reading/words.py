"""The words by which the objects of an answer are recognised."""

from __future__ import annotations

import re
from collections.abc import Iterable

ALIASES = {
    "type": "action_type",
    "action": "action_type",
    "kind": "action_type",
    "timestamp": "trigger_timestamp",
    "trigger": "trigger_timestamp",
    "trigger_time": "trigger_timestamp",
    "time": "trigger_timestamp",
    "at": "trigger_timestamp",
    "t": "trigger_timestamp",
    "second": "trigger_timestamp",
    "line": "text",
    "speech": "text",
    "content": "text",
    "says": "text",
    "pause": "pause_video",
    "duration": "duration_seconds",
    "face": "emotion",
    "expression": "emotion",
    "evidence": "evidence_until",
    "priority": "importance",
    "target": "target_timestamp",
    "start": "start_timestamp",
    "start_time": "start_timestamp",
    "end": "end_timestamp",
    "end_time": "end_timestamp",
}
"""What keys are called besides, once they are in snake case."""

KEYS = frozenset(
    {
        *ALIASES.values(),
        "id",
        "comment",
        "post_seek_behavior",
        "post_replay_behavior",
    }
)

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def plain_key(key: str) -> str:
    """A key as the actions have it: `triggerTimestamp` is `trigger_timestamp`."""
    snake = _CAMEL.sub("_", key.strip()).casefold().replace("-", "_").replace(" ", "_")
    return ALIASES.get(snake, snake)


def _spellings(keys: Iterable[str]) -> set[str]:
    words = [key.split("_") for key in keys]
    camel = {first + "".join(map(str.capitalize, rest)) for first, *rest in words}
    return {*camel, *("_".join(parts) for parts in words), *("-".join(parts) for parts in words)}


_BEGIN = ("action_type", "type", "action", "kind", "trigger_timestamp", "timestamp", "id")
_QUOTE = "[\"'“”‘’`]"


def _pattern(keys: Iterable[str]) -> str:
    longest_first = sorted(_spellings(keys), key=len, reverse=True)
    return rf"{_QUOTE}?(?:{'|'.join(longest_first)}){_QUOTE}?\s*[:：]"


KEY = _pattern({*KEYS, *ALIASES})
"""A pattern: one of the keys with its colon. Case is to be ignored."""
SURE_BEGINNING = _pattern(("action_type", "trigger_timestamp"))
"""A pattern: a key that nothing but an action has, likewise."""
BEGINNING = _pattern(_BEGIN)
"""A pattern: a key that the first one of an action would be, likewise."""
