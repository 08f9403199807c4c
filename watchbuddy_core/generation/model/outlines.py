"""Reading an outline from what a model wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from pydantic import ValidationError

from watchbuddy_core.entries import OutlinePoint

_MOST_POINTS = 40
_MOST_LETTERS = 400
_DECODER = json.JSONDecoder(strict=False)


def read_outline(text: str, *, start: float, end: float) -> tuple[OutlinePoint, ...]:
    """The points in it that make sense: ascending, within the range, none over the next.

    A point is taken to last until the next one begins at least: a model that gives its end
    too early would have it known before it is over.
    """
    points = [point for found in _objects(text) for point in _points(found, start, end)]
    points.sort(key=lambda point: point.start)
    last = OutlinePoint(start=end, end=end, text="")
    return tuple(
        point.model_copy(update={"end": max(point.end, min(following.start, end))})
        for point, following in pairwise([*points[:_MOST_POINTS], last])
    )


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in a text, whatever stands between them."""
    at = 0
    while (at := text.find("{", at)) >= 0:
        try:
            found, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        if isinstance(found, dict):
            yield found


def _points(found: dict[str, Any], start: float, end: float) -> Iterator[OutlinePoint]:
    inner = found.get("points")
    for one in inner if isinstance(inner, list) else [found]:
        try:
            first, last = max(float(one["start"]), start), min(float(one["end"]), end)
            told = " ".join(str(one["text"]).split())[:_MOST_LETTERS]
            if told and first <= last:
                yield OutlinePoint(start=first, end=last, text=told)
        except (KeyError, TypeError, ValueError, ValidationError):
            continue
