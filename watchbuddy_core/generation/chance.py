"""Choices that look random and are not: the same for the same words, on every machine."""

from __future__ import annotations

from hashlib import sha256


def share(*words: object) -> float:
    """A number in [0, 1) that depends on the words alone."""
    text = "\x1f".join(str(word) for word in words)
    return int.from_bytes(sha256(text.encode()).digest()[:6], "big") / 2**48
