"""How fast a model's answer is read, against other ways of reading JSON that is not complete.

    python tests/bench/reader.py            needs `pip install ijson` for one of the rows

Two thousand actions in chunks of 1 to 20 characters, the same for all, one after the other in
one run: processor seconds in all, and the longest single feed in milliseconds. The ratio is
to ours. All of them give the same number of actions, or the row says so.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from pydantic_core import from_json

from watchbuddy_core.generation.reading import DraftReader

ACTIONS = 2000
_WORDS = (
    *("the", "lamp", "went", "out", "and", "nobody", "lit", "it", "again", "{so}", "we"),
    *("waited", "]", "for", "[tide", "to", "turn"),
)


def answer(seed: int) -> str:
    rnd = random.Random(seed)
    actions = [
        {
            "action_type": "SPEAK",
            "trigger_timestamp": i,
            "evidence_until": i,
            "importance": round(rnd.random(), 2),
            "text": " ".join(rnd.choices(_WORDS, k=rnd.randint(4, 18))) + f" ({i})",
            "pause_video": rnd.random() < 0.1,
        }
        for i in range(ACTIONS)
    ]
    return json.dumps({"actions": actions, "memory": "m"}, indent=1)


def chunks(text: str, seed: int) -> list[str]:
    rnd = random.Random(seed)
    found, at = [], 0
    while at < len(text):
        size = rnd.randint(1, 20)
        found.append(text[at : at + size])
        at += size
    return found


Feed = Callable[[str], int]


def ours() -> Feed:
    """The only one that makes drafts of what it reads, checked and ready to be placed."""
    reader = DraftReader(most_letters=10**7)
    return lambda chunk: len(reader.feed(chunk) if chunk else reader.close())


def brace_counter() -> Feed:
    """Counts braces outside of strings, and decodes what lies between."""
    buffer: list[str] = []
    depth, in_string, escaped = 0, False, False

    def feed(chunk: str) -> int:
        nonlocal depth, in_string, escaped
        found = 0
        for letter in chunk:
            if depth > 1:
                buffer.append(letter)
            if in_string:
                if escaped:
                    escaped = False
                elif letter == "\\":
                    escaped = True
                elif letter == '"':
                    in_string = False
            elif letter == '"':
                in_string = True
            elif letter == "{":
                depth += 1
                if depth == 2:
                    buffer[:] = ["{"]
            elif letter == "}":
                depth -= 1
                if depth == 1:
                    json.loads("".join(buffer))
                    found += 1
        return found

    return feed


def partial_json() -> Feed:
    """Decodes all there is again at each closing brace."""
    text, known = "", 0

    def feed(chunk: str) -> int:
        nonlocal text, known
        text += chunk
        if "}" not in chunk:
            return 0
        actions = len(from_json(text, allow_partial=True).get("actions", ()))
        found, known = actions - known, actions
        return found

    return feed


def ijson_events() -> Feed:
    import ijson

    items: list[Any] = []

    class Sink:
        def send(self, item: Any) -> None:
            items.append(item)

        def close(self) -> None: ...

    push = ijson.items_coro(Sink(), "actions.item")

    def feed(chunk: str) -> int:
        before = len(items)
        if chunk:
            push.send(chunk.encode())
        return len(items) - before

    return feed


def measured(make: Callable[[], Feed], pieces: list[str]) -> tuple[int, float, float]:
    feed = make()
    found, worst = 0, 0.0
    began = time.process_time()
    for piece in pieces:
        before = time.perf_counter()
        found += feed(piece)
        worst = max(worst, time.perf_counter() - before)
    found += feed("")  # the end of the text
    return found, time.process_time() - began, worst * 1000


def rows() -> Iterator[tuple[str, Callable[[], Feed]]]:
    yield "ours", ours
    yield "brace counter", brace_counter
    try:
        import ijson  # noqa: F401
    except ImportError:
        print("ijson is not installed: its row is missing")
    else:
        yield "ijson", ijson_events
    yield "pydantic, partial", partial_json


def main() -> None:
    text = answer(7)
    pieces = chunks(text, 7)
    print(f"{ACTIONS} actions, {len(text):,} characters, {len(pieces):,} chunks")
    ours_took = 0.0
    for name, make in rows():
        found, took, worst = measured(make, pieces)
        ours_took = ours_took or took
        print(
            f"{name:20} {found:5} actions  {took:7.3f} s  worst feed {worst:8.2f} ms"
            f"  ratio {took / ours_took:6.2f}"
        )


if __name__ == "__main__":
    main()
