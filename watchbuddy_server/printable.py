"""Text for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text without what would steer a terminal: lines quote the subtitles of others."""
    return "".join(char if char.isprintable() else " " for char in text)
